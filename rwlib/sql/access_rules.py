"""Rules about reaching S3: the role, who assumes it, and where it goes."""

from __future__ import annotations

import re

from rwlib.sql.connectors import iceberg_catalogs, nearest
from rwlib.sql.option_rules import is_static_key
from rwlib.sql.prefixes import is_inside, listed_prefix
from rwlib.sql.problems import Definition, Problem, Problems

_ROLE_ARN = re.compile(r"arn:aws:iam::[0-9]{12}:role/[\x21-\x7e]+")
_ROLE_NAME = re.compile(r"[\w+=,.@-]{1,64}")
_REGION = re.compile(r"[a-z]{2,3}(?:-[a-z]+)+-[0-9]{1,2}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def role(definition: Definition) -> Problems:
    """Yield problems of the role option: missing, a name instead of an ARN, another role."""
    connector = definition.connector
    for option in (*connector.role_options, *connector.catalog_role_options):
        value = definition.text(option)
        if value is not None:
            yield from _role_arn(definition, option, value)
    if definition.uses_connection or any(map(definition.has, connector.role_options)):
        return
    if any(name for name in definition.options if _names_a_role(name)):
        return  # the wrong option is reported where it stands
    has_keys = any(is_static_key(connector.canonical(name)) for name in definition.options)
    right = connector.role_options[0]
    if has_keys and definition.expected.role_arn is None:
        yield Problem(
            "role_not_used",
            "info",
            right,
            "",
            "is not given: the statement uses static keys and no role",
            f"to use a role, write {right} = 'arn:aws:iam::…:role/…' and leave the keys out",
            definition.line,
        )
        return
    yield Problem(
        "sql_missing_option",
        "error",
        right,
        "",
        "is missing: nothing assumes the role",
        f"add {right} = '{definition.expected.role_arn or 'arn:aws:iam::<account>:role/<role>'}'",
        definition.line,
    )


def config_load(definition: Definition) -> Problems:
    """Yield a problem when nothing lets RisingWave load its own identity.

    Without ``enable_config_load`` the loader skips the Workload Identity and asks EC2's metadata
    service (RisingWave's page "Set up IAM role assume"; ``src/sink/file_sink/s3.rs``).
    """
    connector = definition.connector
    if definition.uses_connection or not any(map(definition.has, connector.role_options)):
        return
    if definition.is_on("enable_config_load"):
        return
    given = definition.text("enable_config_load")
    if given is not None and given.lower() != "false":
        return  # reported as a bad value
    yield Problem(
        "config_load_missing",
        "error",
        "enable_config_load",
        given or "",
        "is off" if given else "is missing: RisingWave would not load the identity that assumes",
        "add enable_config_load = 'true'",
        definition.line_of("enable_config_load"),
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
        return
    elif option == "warehouse.path":
        yield from _warehouse(definition, value)
    else:
        yield from _path(definition, value)


def catalog(definition: Definition) -> Problems:
    """Yield a problem for an Iceberg catalog that does not use the role.

    ``src/connector/src/connector_common/iceberg/mod.rs``: storage has no field for the role, the
    Rust REST catalog and vended credentials take theirs from the catalog server.
    """
    connector = definition.connector
    if connector.sql_connector != "iceberg" or definition.uses_connection:
        return
    if definition.is_on("vended_credentials"):
        yield _ignored(definition, "vended_credentials", "true", "the catalog server's credentials")
    value = definition.text("catalog.type")
    if value is None:
        if definition.has("s3.iam_role_arn") and not (
            definition.is_on("hosted_catalog") or definition.has("catalog.type")
        ):
            yield Problem(
                "iceberg_catalog_ignores_role",
                "error",
                "catalog.type",
                "",
                "is missing: RisingWave then takes storage, which ignores s3.iam_role_arn",
                "add catalog.type = 'glue' (or rest, jdbc, hive)",
                definition.line,
            )
        return
    entry = iceberg_catalogs().get(value)
    if entry is None:
        near = nearest(value, iceberg_catalogs())
        yield Problem(
            "bad_option_value",
            "error",
            "catalog.type",
            value,
            "is no catalog type",
            f"did you mean {' or '.join(near)}?" if near else "write glue, rest, jdbc or hive",
            definition.line_of("catalog.type"),
        )
    elif entry["role"] == "ignored" and definition.has("s3.iam_role_arn"):
        yield _ignored(definition, "catalog.type", value, entry["reason"])


def _role_arn(definition: Definition, option: str, value: str) -> Problems:
    line = definition.line_of(option)
    expected = definition.expected.role_arn
    if not _ROLE_ARN.fullmatch(value):
        if _ROLE_NAME.fullmatch(value):
            clause = "is a role's name; RisingWave needs its ARN"
        elif value.startswith("arn:aws:sts:"):
            clause = "is the ARN of a session; RisingWave needs the role's own"
        elif re.match(r"arn:aws-[a-z-]+:", value):
            clause = "is of another partition; RisingWave Cloud can assume roles of arn:aws only"
        else:
            clause = "is no ARN of an IAM role"
        fix = f"write {option} = '{expected or 'arn:aws:iam::<account>:role/<role>'}'"
        yield Problem("sql_wrong_role_arn", "error", option, value, clause, fix, line)
    elif expected is not None and option in definition.connector.role_options and value != expected:
        yield Problem(
            "sql_wrong_role_arn",
            "error",
            option,
            value,
            "is not the target's role",
            f"write {option} = '{expected}'",
            line,
        )
    elif "+" in value:
        # reqsign 0.16.5 sends the ARN without percent-encoding: a plus arrives as a blank.
        yield Problem(
            "sql_wrong_role_arn",
            "warning",
            option,
            value,
            "holds a +, which reaches AWS as a blank",
            "use a role whose name has no +",
            line,
        )


def _bucket(definition: Definition) -> Problems:
    option = definition.connector.bucket_option
    value = definition.text(option) if option else None
    if value is None:
        return
    line = definition.line_of(option)
    expected = definition.expected.bucket
    if not _BUCKET.fullmatch(value):
        fix = f"write {option} = '{expected or value.removeprefix('s3://').partition('/')[0]}'"
        yield Problem("bad_option_value", "error", option, value, "is no bucket name", fix, line)
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
        fix = f"write {option} = '{expected or 'us-east-1'}' (the bucket's region)"
        yield Problem("bad_option_value", "error", option, value, "is no AWS region", fix, line)
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
        yield _outside(definition, "s3.path", value, f"write s3.path = '{prefix.strip('/')}'")


def _warehouse(definition: Definition, value: str) -> Problems:
    if value.startswith("arn:aws:s3tables:") or value.startswith(("gs://", "abfss://", "azblob:")):
        return
    line = definition.line_of("warehouse.path")
    expected = definition.expected
    scheme, _, rest = value.partition("://")
    bucket, _, path = rest.partition("/")
    if definition.text("catalog.type") in ("rest", "rest_rust") and not rest:
        return  # a REST catalog may name its warehouse as it likes
    if scheme not in ("s3", "s3a") or not _BUCKET.fullmatch(bucket):
        where = f"s3://{expected.bucket or '<bucket>'}/{(expected.prefix or '<prefix>').strip('/')}"
        yield Problem(
            "bad_option_value",
            "error",
            "warehouse.path",
            value,
            "is no s3:// URL",
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
        return  # a secret: nothing to look at
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


def _ignored(definition: Definition, option: str, value: str, reason: str) -> Problem:
    return Problem(
        "iceberg_catalog_ignores_role",
        "error",
        option,
        value,
        f"makes RisingWave ignore s3.iam_role_arn: {reason}",
        "use catalog.type glue, jdbc, rest or hive without vended credentials",
        definition.line_of(option),
    )


def _names_a_role(option_name: str) -> bool:
    return bool(re.search(r"role", option_name)) or option_name == "arn"
