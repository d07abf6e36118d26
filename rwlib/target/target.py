"""The inputs of one set-up, validated: one bucket, one prefix, one Workload Identity, one role.

The same names are the papermill parameters, the widgets' fields, the keys of a YAML file, the
columns of a batch file and the command line's options.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from rwlib.connectors import connector_names, connector_profile
from rwlib.errors import InputError
from rwlib.imports import without_pydantic_plugins
from rwlib.target.rules import RULES
from rwlib.target.rules.text import split_bucket_url, split_text, unknown_name, wrong_type

if TYPE_CHECKING:
    Connector = str
else:
    # The names of the files of today; what is asked of a target is asked of the files themselves.
    Connector = Literal[connector_names()]


class Target(BaseModel):
    """One bucket and prefix that one RisingWave Cloud cluster reaches through one IAM role.

    Holds no secrets: AWS credentials come from boto3's own chain, ``RWC_API_KEY``,
    ``RWC_API_SECRET`` and ``RW_DSN`` from the environment.

    Raises
    ------
    InputError
        A value cannot be used; the message names the field, what was given and what to do.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, defer_build=True)

    name: str = Field("", description="Name of this target in folders and reports")
    workload_identity_arn: str = Field(
        "", description="Workload Identity (IAM Role ARN) from the cluster's Cloud Meta tab"
    )
    cluster_id: str = Field("", description="Id of the RisingWave Cloud cluster (NsID, a UUID)")
    bucket: str = Field("", description="Name of the S3 bucket, not its URL")
    prefix: str = Field("", description="Key prefix inside the bucket; empty means all of it")
    region_name: str = Field("", description="Region of the bucket; empty means detected")
    role_name: str = Field(
        "risingwave-s3-access", description="Name of the IAM role that RisingWave assumes"
    )
    policy_name: str = Field(
        "", description="Name of the IAM policy; empty means derived from role, bucket and prefix"
    )
    role_path: str = Field("/", description="IAM path of the role")
    permissions_boundary_arn: str = Field(
        "", description="ARN of a policy that bounds the role's permissions"
    )
    max_session_duration: int = Field(
        3600, description="Longest session of the role in seconds; RisingWave asks for 3600"
    )
    tags: dict[str, str] = Field({}, description="Tags for the policy and the role")
    connectors: list[str] = Field(
        [],
        description=f"One or more of {', '.join(connector_names())}",
    )
    policy_style: Literal["recommended", "documented"] = Field(
        "recommended",
        description="recommended is least privilege, documented is the JSON of RisingWave's page",
    )
    kms_key_arn: str = Field(
        "", description="KMS key of the bucket; empty means the default encryption's key"
    )
    glue_catalog_id: str = Field(
        "", description="Account id of the Glue catalog; empty means the role's account"
    )
    glue_region_name: str = Field(
        "", description="Region of the Glue catalog; empty means the bucket's"
    )
    glue_database: str = Field("", description="Glue database of the Iceberg tables")
    glue_table: str = Field("", description="Glue table; empty means every table of the database")
    aws_profile: str = Field("", description="Name of an AWS profile; empty means the default")
    operator_role_arn: str = Field(
        "", description="Role to assume first, to work in another account"
    )
    allowed_principal_confirmed_by: str = Field(
        "", description="Who added the role to Allowed Principals in the console"
    )
    sql_options: dict[str, Any] = Field(
        {}, description="Connector options for Step 5, flat or by connector"
    )
    accept_findings: list[str] = Field(
        [], description="Ids of findings to accept, such as outside-0123abcd"
    )
    run_sql: bool = Field(False, description="Run the SQL of Step 5 in RisingWave")
    apply: bool = Field(False, description="Write the previewed changes to AWS")

    def __init__(self, /, **values: Any) -> None:
        unknown = [key for key in values if key not in type(self).model_fields]
        if unknown:
            raise unknown_name("target", unknown[0], list(type(self).model_fields))
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise _first_input_error(error) from None

    @model_validator(mode="before")
    @classmethod
    def _normalise(cls, values: dict[str, Any]) -> dict[str, Any]:
        values = {key: value for key, value in values.items() if value is not None}
        for field in ("connectors", "tags", "sql_options", "accept_findings"):
            if isinstance(values.get(field), str):
                values[field] = split_text(field, values[field])
        for field in ("connectors", "accept_findings"):
            if isinstance(values.get(field), tuple):
                values[field] = list(values[field])
        if isinstance(values.get("policy_style"), str):
            values["policy_style"] = values["policy_style"].strip()
        if isinstance(values.get("prefix"), str) and values["prefix"] != "/":
            values["prefix"] = values["prefix"].removesuffix("/")
        split_bucket_url(values)
        return values

    @field_validator(*RULES, mode="before")
    @classmethod
    def _by_rule(cls, value: Any, info: Any) -> Any:
        return RULES[info.field_name](info.field_name, value)

    @model_validator(mode="after")
    def _together(self) -> Target:
        if not self.workload_identity_arn and not self.cluster_id:
            raise InputError(
                "workload_identity_arn",
                "",
                "is empty",
                reason="empty",
                todo="copy the Workload Identity (IAM Role ARN) from the Cloud Meta tab of the "
                "cluster, or give cluster_id",
            )
        if self.role_name and not self.policy_name:
            # A name of its own per target: two that share a role, or a bucket too, would
            # otherwise write each other's policy.
            name = f"{self.role_name}-{self.bucket}"[:119]
            object.__setattr__(self, "policy_name", f"{name}-{self._policy_digest()}")
        if not self.name:
            name = self.policy_name.replace(",", "-")
            if len(name) > 64:
                name = f"{name[:55]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
            object.__setattr__(self, "name", name)
        return self

    @classmethod
    def from_file(cls, path: str | Path, **changes: Any) -> Target:
        """Read a target from a YAML file; ``changes`` stand in for the file's values."""
        return cls(**{**read_yaml(path), **changes})

    def _policy_digest(self) -> str:
        """Eight digits that stand for all that makes this target's policy another one's not.

        A named target keeps its policy when a detail of it changes; one without a name is told
        from others by every field that decides what the policy says.
        """
        fields: dict[str, Any] = {
            "role_name": self.role_name,
            "bucket": self.bucket,
            "prefix": self.prefix,
            "connectors": sorted(self.connectors),
            "name": self.name,
        }
        if not self.name:
            fields |= {
                "style": self.policy_style,
                "kms": self.kms_key_arn,
                "glue": [
                    self.glue_catalog_id,
                    self.glue_region_name,
                    self.glue_database,
                    self.glue_table,
                ],
                "options": _catalog_options(self._options_of_catalogs()),
            }
        return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:8]

    def _options_of_catalogs(self) -> dict[str, Any]:
        """Return the options of connectors that work with a catalog: no other policy has them."""
        catalogs = [name for name in self.connectors if connector_profile(name).catalog]
        if not catalogs:
            return {}
        own = {name: value for name, value in self.sql_options.items() if name in self.connectors}
        return {
            name: value
            for name, value in self.sql_options.items()
            if name in catalogs or name not in own
        }

    def role_arn_in(self, account_id: str) -> str:
        """ARN of the role in the given 12-digit account."""
        return f"arn:aws:iam::{account_id}:role{self.role_path}{self.role_name}"

    def policy_arn_in(self, account_id: str) -> str:
        """ARN of the customer-managed policy in the given 12-digit account."""
        return f"arn:aws:iam::{account_id}:policy/{self.policy_name}"


with without_pydantic_plugins():
    Target.model_rebuild()


def _catalog_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the connector options that a policy depends on: those that name an Iceberg table."""
    wanted = ("catalog.", "glue.", "database.name", "table.name")
    found: dict[str, Any] = {}
    for key, value in options.items():
        if isinstance(value, Mapping):
            inner = _catalog_options(value)
            found |= {key: inner} if inner else {}
        elif key.startswith(wanted):
            found[key] = str(value)
    return found


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read a YAML mapping of target fields.

    Raises
    ------
    InputError
        The file is missing, unreadable, no YAML or no mapping.
    """
    import yaml

    from rwlib.target.examples import example_path
    from rwlib.target.yaml_file import Loader, problem_of

    file = example_path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(
            "target", str(path), "does not exist; give a YAML file", reason="does_not_exist"
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise InputError(
            "target", str(path), f"cannot be read: {reason}", reason="cannot_be_read"
        ) from None
    try:
        values = yaml.load(text, Loader=Loader)
    except yaml.YAMLError as error:
        raise InputError("target", str(path), problem_of(error)) from None
    except _UNBUILDABLE:
        raise InputError(
            "target", str(path), "holds a value that YAML cannot build; put it in quotes"
        ) from None
    if not isinstance(values, dict):
        raise InputError(
            "target", str(path), "is not a mapping; write one 'field: value' on each line"
        )
    for key in values:
        if not isinstance(key, str):
            raise unknown_name("target", str(key), list(Target.model_fields))
    return values


# What PyYAML lets through when a scalar looks like a date or a number and is none.
_UNBUILDABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError)


def _first_input_error(error: ValidationError) -> InputError:
    first = error.errors()[0]
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, InputError):
        return cause
    field = ".".join(str(part) for part in first["loc"][:1]) or "target"
    wanted = Target.model_fields[field].annotation if field in Target.model_fields else None
    return InputError(
        field, first.get("input"), wrong_type(wanted, first["msg"]), reason="wrong_type"
    )


def connector_options(target: Target, name: str) -> dict[str, Any]:
    """Return the SQL options given for one connector: its own mapping over the flat ones."""
    flat = {key: value for key, value in target.sql_options.items() if not isinstance(value, dict)}
    own = target.sql_options.get(name)
    return {**flat, **(own if isinstance(own, dict) else {})}


def refuse_options(target: Target) -> None:
    """Refuse ``sql_options`` of which no version of RisingWave would make a statement.

    Raises
    ------
    InputError
        Names the option, and the nearest one that exists.
    """
    if not target.sql_options:
        return
    from rwlib.sql import refuse_options as refuse

    refuse(target, target.role_arn_in("<account>"), target.region_name or "us-east-1")


def field_problems(values: Mapping[str, object]) -> dict[str, InputError]:
    """Say what is wrong with every field at once, each with its code; empty for a target."""
    problems: dict[str, InputError] = {}
    trial = dict(values)
    for _ in Target.model_fields:
        try:
            Target(**trial)
            break
        except InputError as error:
            if error.field in problems:
                break
            problems[error.field] = error
            if error.field not in _STAND_IN:
                break
            trial[error.field] = _STAND_IN[error.field]
    else:
        return problems
    if "sql_options" not in problems and "connectors" not in problems:
        with suppress(InputError):
            target = Target(**trial)
            try:
                refuse_options(target)
            except InputError as error:
                problems["sql_options"] = error
    return problems


# Values that pass, put in place of a wrong one to see what is wrong with the others.
_STAND_IN: dict[str, object] = {
    **{name: info.default for name, info in Target.model_fields.items()},
    "workload_identity_arn": "arn:aws:iam::123456789012:role/stand-in",
    "bucket": "stand-in",
    "connectors": ["s3_source"],
}
