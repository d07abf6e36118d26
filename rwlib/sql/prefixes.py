"""Which part of a bucket a source lists, from its ``match_pattern``.

The rule is RisingWave's (``src/connector/src/source/filesystem/s3/enumerator.rs`` and
``opendal_source/opendal_enumerator.rs:59-93``): the text before the first ``*``, ``[`` or ``{``,
cut back to its last slash. ``?`` matches one character but does not end that text.
"""

from __future__ import annotations

_WILDCARDS = frozenset("*[{")


def listed_prefix(match_pattern: str | None) -> str | None:
    """Return the ``prefix`` of the ListObjectsV2 call, or None when it carries none.

    None means the whole bucket is listed, which a policy with an ``s3:prefix`` condition refuses.

    Examples
    --------
    >>> listed_prefix("rw/in/2026-0[1-3]/x")
    'rw/in/'
    >>> listed_prefix("rw*/x") is None
    True
    """
    literal = []
    escaped = False
    for character in match_pattern or "":
        if not escaped and character == "\\":
            escaped = True
            continue
        if not escaped and character in _WILDCARDS:
            break
        literal.append(character)
        escaped = False
    directory = "".join(literal).rpartition("/")[0]
    return directory + "/" if directory else None


def is_inside(prefix: str, path: str | None) -> bool:
    """Tell whether ``path`` is ``prefix`` itself or lies below it; an empty prefix holds all."""
    prefix = prefix.strip("/")
    if not prefix:
        return True
    return path is not None and (path.rstrip("/") == prefix or path.startswith(prefix + "/"))


def has_wildcards(prefix: str) -> bool:
    """Tell whether a pattern made from this prefix would list outside it."""
    return any(character in _WILDCARDS or character == "\\" for character in prefix)
