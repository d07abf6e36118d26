"""Rules about the place in S3: bucket, region, and the path or pattern inside the bucket."""

from __future__ import annotations

import re

from rwlib.sql.prefixes import is_inside, listed_prefix
from rwlib.sql.rules.problems import Definition, Problem, Problems

_REGION = re.compile(r"[a-z]{2,3}(?:-[a-z]+)+-[0-9]{1,2}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
# Where a bucket stands in an ARN, in a URL whose path names it, and in one whose host does.
_BUCKET_PLACES = (
    r"arn:[a-z-]+:s3:::(.+)",
    r"(?:https?://)?s3[.-][a-z0-9.-]*amazonaws\.com/([^/?]+)",
    r"(?:https?://)?([^/]+?)\.s3[.-][a-z0-9.-]*amazonaws\.com",
)


def location(definition: Definition) -> Problems:
    """Yield problems of bucket, region and path, alone and against the target."""
    yield from _bucket(definition)
    yield from _region(definition)
    option = definition.connector.path_option
    value = definition.text(option)
    if option == "match_pattern":
        yield from _match_pattern(definition, value)
    elif value is None:
        yield from _no_path(definition)
    elif option == "warehouse.path":
        yield from _warehouse(definition, value)
    else:
        yield from _path(definition, value)


def bucket_named_in(value: str) -> str:
    """Return the bucket that an ARN, a URL or a misspelt name is about, or an empty text.

    Examples
    --------
    >>> bucket_named_in("arn:aws:s3:::acme-lake/rw/*"), bucket_named_in("s3://acme-lake/rw")
    ('acme-lake', 'acme-lake')
    """
    text = value.strip().strip("'\"")
    for pattern in _BUCKET_PLACES:
        if match := re.match(pattern, text):
            text = match.group(1)
            break
    else:
        text = re.sub(r"^[a-z0-9]+://", "", text)
    name = text.partition("/")[0].lower()
    return name if _BUCKET.fullmatch(name) and name != value else ""


def region_named_in(value: str) -> str:
    """Return the region that an availability zone or another spelling means, or an empty text.

    Examples
    --------
    >>> region_named_in("EU_WEST_1"), region_named_in("us-east-1a")
    ('eu-west-1', 'us-east-1')
    """
    text = value.strip().lower().replace("_", "-")
    match = re.match(r"[a-z]{2,3}(?:-[a-z]+)+-[0-9]{1,2}(?=[a-z]?$)", text)
    return match.group() if match and match.group() != value else ""


def _bucket(definition: Definition) -> Problems:
    option = definition.connector.bucket_option
    value = definition.text(option) if option else None
    if value is None:
        return
    line = definition.line_of(option)
    expected = definition.expected.bucket
    if not _BUCKET.fullmatch(value):
        if re.match(r"arn:[a-z-]+:s3:[^:]*:[0-9]*:accesspoint", value):
            clause = "is the ARN of an access point, which cannot be used with these connectors"
            fix = f"write {option} = '{expected or '<bucket>'}', the bucket behind it"
        else:
            named = expected or bucket_named_in(value)
            clause = "is not a valid bucket name"
            fix = (
                f"write {option} = '{named}'"
                if named
                else "write the bucket's name: 3 to 63 lower-case letters, digits, hyphens and dots"
            )
        yield Problem("bad_option_value", "error", option, value, clause, fix, line)
    elif expected is not None and value != expected:
        yield Problem(
            "sql_wrong_bucket",
            "error",
            option,
            value,
            "is not the target's bucket, and the role's policy does not cover it",
            f"write {option} = '{expected}'",
            line,
        )


def _region(definition: Definition) -> Problems:
    option = definition.connector.region_option
    value = definition.text(option)
    if value is None:
        return
    line = definition.line_of(option)
    expected = definition.expected.region_name
    if not _REGION.fullmatch(value):
        named = expected or region_named_in(value) or "us-east-1"
        fix = f"write {option} = '{named}' (the bucket's region)"
        yield Problem("bad_option_value", "error", option, value, "is not an AWS region", fix, line)
    elif expected is not None and value != expected:
        yield Problem(
            "region_wrong",
            "error",
            option,
            value,
            "is not the bucket's region: S3 answers 301, and STS is asked there too",
            f"write {option} = '{expected}'",
            line,
        )


def _path(definition: Definition, value: str) -> Problems:
    line = definition.line_of("s3.path")
    if "://" in value:
        yield Problem(
            "bad_option_value",
            "error",
            "s3.path",
            value,
            "is a URL; a directory inside the bucket belongs here",
            f"write s3.path = '{value.partition('://')[2].partition('/')[2]}'",
            line,
        )
        return
    prefix = definition.expected.prefix
    if prefix is not None and not is_inside(prefix, value.lstrip("/")):
        yield _outside(definition, "s3.path", value, f"write s3.path = '{_directory(definition)}'")


def _no_path(definition: Definition) -> Problems:
    prefix = (definition.expected.prefix or "").strip("/")
    option = definition.connector.path_option
    if prefix and option == "s3.path" and not definition.has(option):
        clause = "is missing: files go to the root of the bucket, and the role may not write there"
        fix = f"add s3.path = '{_directory(definition)}'"
        line = definition.line
        yield Problem("sql_outside_prefix", "error", option, "", clause, fix, line)


def _directory(definition: Definition) -> str:
    """Return the target's prefix as this connector's ``s3.path`` is best written."""
    prefix = (definition.expected.prefix or "").strip("/")
    slash = "/" if prefix and definition.connector.path_listed_as_written else ""
    return prefix + slash


def _warehouse(definition: Definition, value: str) -> Problems:
    if value.startswith("arn:aws:s3tables:") or definition.needs_no_role:
        return
    line = definition.line_of("warehouse.path")
    expected = definition.expected
    scheme, _, rest = value.partition("://")
    bucket, _, path = rest.partition("/")
    if definition.text("catalog.type") in ("rest", "rest_rust") and not rest:
        return  # a REST catalog may name its warehouse as it likes
    if scheme in ("s3", "s3a") and bucket and not _BUCKET.fullmatch(bucket):
        named = f"s3://{expected.bucket or '<bucket>'}/{path}"
        yield Problem(
            "bad_option_value",
            "error",
            "warehouse.path",
            value,
            f"names a bucket that cannot exist: '{bucket}' is not a valid bucket name",
            f"write warehouse.path = '{named.rstrip('/')}' with a name of 3 to 63 lower-case "
            "letters, digits, hyphens and dots",
            line,
        )
    elif scheme not in ("s3", "s3a") or not bucket:
        where = f"s3://{expected.bucket or '<bucket>'}/{(expected.prefix or '<prefix>').strip('/')}"
        yield Problem(
            "bad_option_value",
            "error",
            "warehouse.path",
            value,
            "is not an s3:// URL",
            f"write warehouse.path = '{where}'",
            line,
        )
    elif expected.bucket is not None and bucket != expected.bucket:
        yield Problem(
            "sql_wrong_bucket",
            "error",
            "warehouse.path",
            value,
            "is not in the target's bucket, and the role's policy does not cover it",
            f"write warehouse.path = 's3://{expected.bucket}/{(expected.prefix or '').strip('/')}'",
            line,
        )
    elif expected.prefix is not None and not is_inside(expected.prefix, path):
        fix = f"write warehouse.path = 's3://{bucket}/{expected.prefix.strip('/')}'"
        yield _outside(definition, "warehouse.path", value, fix)


def _match_pattern(definition: Definition, value: str | None) -> Problems:
    prefix = (definition.expected.prefix or "").strip("/")
    if definition.has("match_pattern") and value is None:
        return  # a secret, a variable or a placeholder: nothing to look at
    listed = listed_prefix(value)
    if not prefix or is_inside(prefix, listed):
        return
    what = "the whole bucket" if listed is None else f"'{listed}'"
    yield Problem(
        "sql_outside_prefix",
        "error",
        "match_pattern",
        value or "",
        f"makes RisingWave list {what}, and the role may list '{prefix}/' only",
        f"begin the pattern with '{prefix}/', without *, [ or {{ before its last slash",
        definition.line_of("match_pattern"),
    )


def _outside(definition: Definition, option: str, value: str, fix: str) -> Problem:
    prefix = (definition.expected.prefix or "").strip("/")
    return Problem(
        "sql_outside_prefix",
        "error",
        option,
        value,
        f"is outside the prefix '{prefix}' that the role's policy covers",
        fix,
        definition.line_of(option),
    )
