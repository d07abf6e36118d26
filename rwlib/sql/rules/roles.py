"""Rules about the role: is it named, is it used, and who assumes it."""

from __future__ import annotations

import re

from rwlib.sql.connectors import iceberg_catalogs, nearest
from rwlib.sql.rules.problems import Definition, Problem, Problems

_ROLE_ARN = re.compile(r"arn:aws:iam::[0-9]{12}:role/[\x21-\x7e]+")
_GLUE_CREDENTIALS = ("glue.iam_role_arn", "glue.access.key", "s3.access.key")
_ROLE_NAME = re.compile(r"[\w+=,.@-]{1,64}")


def role(definition: Definition) -> Problems:
    """Yield problems of the role option: missing, a name instead of an ARN, another role."""
    connector = definition.connector
    for option in (*connector.role_options, *connector.catalog_role_options):
        value = definition.text(option)
        if value is not None:
            yield from _role_arn(definition, option, value)
    if definition.uses_connection or any(map(definition.has, connector.role_options)):
        return
    if definition.needs_no_role or _wants_signatures(definition):
        return
    if definition.names_a_role:
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
    has_keys = any(is_static_key(connector.canonical(name)) for name in definition.options)
    without_role = has_keys or definition.needs_no_role or _wants_signatures(definition)
    if definition.uses_connection or (without_role and not definition.names_a_role):
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


def static_keys(definition: Definition) -> Problems:
    """Yield a problem when keys stand beside the role.

    The keys then are the caller of ``sts:AssumeRole``, and the trust policy names the cluster's
    Workload Identity instead (base credentials: ``src/connector/src/sink/file_sink/s3.rs``).
    """
    connector = definition.connector
    roles = (*connector.role_options, *connector.catalog_role_options)
    if not any(definition.has(role) for role in roles):
        return
    for name, value in definition.options.items():
        canonical = connector.canonical(name)
        if canonical in connector.options and is_static_key(canonical):
            yield Problem(
                "sql_static_keys",
                "error",
                name,
                "",
                "stands beside the role: the key's user becomes the caller that assumes it",
                f"leave {name} out; the role replaces it",
                value.line,
            )


def catalog(definition: Definition) -> Problems:
    """Yield a problem for an Iceberg catalog that does not use the role.

    ``src/connector/src/connector_common/iceberg/mod.rs``: storage has no field for the role, the
    Rust REST catalog and vended credentials take theirs from the catalog server.
    """
    connector = definition.connector
    if connector.sql_connector != "iceberg" or definition.uses_connection:
        return
    yield from _signed_catalog(definition)
    if definition.is_on("vended_credentials") and definition.has("s3.iam_role_arn"):
        yield _ignored(definition, "vended_credentials", "true", "the catalog server's credentials")
    value = definition.text("catalog.type")
    if value is None:
        known = definition.is_on("hosted_catalog") or definition.has("catalog.type")
        if definition.has("s3.iam_role_arn") and not known:
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
            "is not a catalog type",
            f"did you mean {' or '.join(near)}?" if near else "write glue, rest, jdbc or hive",
            definition.line_of("catalog.type"),
        )
    elif entry["role"] == "ignored" and definition.has("s3.iam_role_arn"):
        yield _ignored(definition, "catalog.type", value, entry["reason"])
    elif (
        value == "glue"
        and not definition.needs_no_role
        and not any(map(definition.has, _GLUE_CREDENTIALS))
    ):
        role_arn = definition.text("s3.iam_role_arn") or "arn:aws:iam::<account>:role/<role>"
        yield Problem(
            "sql_missing_option",
            "warning",
            "glue.iam_role_arn",
            "",
            "is missing: the Glue API is then called without the role, whatever s3.iam_role_arn is",
            f"add glue.iam_role_arn = '{role_arn}'",
            definition.line,
        )


def _signed_catalog(definition: Definition) -> Problems:
    """Yield a warning for a REST catalog that wants signed requests and is given only a role.

    ``src/connector/src/connector_common/iceberg/mod.rs:1094-1111``: requests are signed with
    ``s3.access.key`` and ``s3.secret.key``, never with the role.
    """
    if not _wants_signatures(definition):
        return
    is_s3_tables = _is_s3_tables(definition)
    if definition.has("s3.access.key") and definition.has("s3.secret.key"):
        return
    clause = (
        "cannot be reached with the role: RisingWave signs its requests with s3.access.key and "
        "s3.secret.key only"
    )
    if is_s3_tables:
        clause += ", and S3 Tables want s3tables:* actions that no policy of this runbook grants"
    yield Problem(
        "iceberg_catalog_ignores_role",
        "warning",
        "the REST catalog of S3 Tables" if is_s3_tables else "a signed REST catalog",
        "",
        clause,
        "give s3.access.key and s3.secret.key as secrets of a user who may use it, or use "
        "catalog.type = 'glue' with a bucket of your own",
        definition.line_of("catalog.uri"),
    )


def _wants_signatures(definition: Definition) -> bool:
    if not (definition.text("catalog.type") or "").startswith("rest"):
        return False
    return _is_s3_tables(definition) or definition.is_on("catalog.rest.sigv4_enabled")


def _is_s3_tables(definition: Definition) -> bool:
    places = ("warehouse.path", "catalog.uri", "catalog.rest.signing_name")
    return any("s3tables" in (definition.text(place) or "") for place in places)


def is_static_key(option_name: str) -> bool:
    """Tell whether an option is half of an access key."""
    return option_name in (
        "s3.credentials.access",
        "s3.credentials.secret",
        "s3.access.key",
        "s3.secret.key",
        "glue.access.key",
        "glue.secret.key",
    )


def _role_arn(definition: Definition, option: str, value: str) -> Problems:
    line = definition.line_of(option)
    expected = definition.expected.role_arn
    meant = expected or _role_meant(value)
    if not _ROLE_ARN.fullmatch(value):
        if _ROLE_NAME.fullmatch(value):
            clause = "is a role's name; RisingWave needs its ARN"
        elif value.startswith("arn:aws:sts:"):
            clause = "is the ARN of a session; RisingWave needs the role's own"
        elif re.match(r"arn:aws-[a-z-]+:", value):
            clause = "is of another partition; RisingWave Cloud can assume roles of arn:aws only"
        else:
            clause = "is not the ARN of an IAM role"
        fix = f"write {option} = '{meant}'"
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
    elif expected is None and definition.expected.role_name not in (None, value.split("/")[-1]):
        yield Problem(
            "sql_wrong_role_arn",
            "error",
            option,
            value,
            f"is not the target's role {definition.expected.role_name}",
            "write the ARN of the target's role",
            line,
        )
    elif "+" in value:
        # reqsign 0.16.5 sends the ARN without percent-encoding: a plus arrives as a blank.
        yield Problem(
            "sql_wrong_role_arn",
            "warning",
            option,
            value,
            "holds a +, which reaches AWS as a space",
            "use a role whose name does not contain a +",
            line,
        )


def _role_meant(value: str) -> str:
    """Return the ARN of the role that a session's ARN or a bare name means, as far as it shows."""
    text = value.strip()
    if _ROLE_ARN.fullmatch(text) and text != value:
        return text
    if match := re.fullmatch(r"arn:aws:sts::([0-9]{12}):assumed-role/([^/]+)/.*", text):
        return f"arn:aws:iam::{match.group(1)}:role/{match.group(2)}"
    if _ROLE_NAME.fullmatch(text):
        return f"arn:aws:iam::<account>:role/{text}"
    return "arn:aws:iam::<account>:role/<role>"


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
