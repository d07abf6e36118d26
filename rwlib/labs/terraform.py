"""The part of Terraform that a lab needs: a role whose documents stand in a configuration.

The configuration is Terraform's JSON syntax in an object of the sandbox (developer.hashicorp.com,
"JSON Configuration Syntax"), as a repository would hold it. A plan compares it with what stands in
IAM; an apply makes IAM what it says. Terraform itself is not run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol

from rwlib.errors import InputError


class _Setup(Protocol):
    variables: dict[str, Any]

    def client(self, service: str) -> Any: ...

    def put_policy_version(self, policy_arn: str, document: Any) -> tuple[str, str]: ...


BUCKET = "acme-terraform"
KEY = "risingwave/main.tf.json"
_DOCUMENTS = {"aws_iam_role": "assume_role_policy", "aws_iam_policy": "policy"}
# Arguments beside the documents that let nobody do more or less.
_HARMLESS = frozenset(
    {"name", "description", "tags", "max_session_duration", "force_detach_policies", "provider"}
)


@dataclass(frozen=True)
class Planned:
    """One attribute that the next apply would change."""

    address: str
    attribute: str
    name: str
    now: Any
    then: Any

    @property
    def headline(self) -> str:
        """Say in one line what the next apply would change."""
        if self.now is None:
            return f"+ {self.address} would be created"
        return f"~ {self.address} would be updated in-place: {self.attribute}"

    @property
    def line(self) -> str:
        """Say it as a plan does."""
        return self.headline + self._difference

    @property
    def applied_line(self) -> str:
        """Say it as an apply does."""
        if self.now is None:
            return f"+ {self.address} was created{self._difference}"
        return f"~ {self.address} was updated in-place: {self.attribute}{self._difference}"

    @property
    def _difference(self) -> str:
        now, then = (json.dumps(each, sort_keys=True) for each in (self.now, self.then))
        return f"\n  - {now}\n  + {then}"


def plan(setup: _Setup) -> list[Planned]:
    """Return what the next apply would change; changes nothing.

    Raises
    ------
    InputError
        The configuration is gone, or is none.
    """
    found = []
    for kind, label, block in _resources(setup):
        attribute = _DOCUMENTS[kind]
        then = _document(f"{kind}.{label}.{attribute}", block.get(attribute))
        now = _now(setup, kind, str(block.get("name", "")))
        if _plain(now) != _plain(then):
            found.append(Planned(f"{kind}.{label}", attribute, str(block["name"]), now, then))
    return found


def forgotten(setup: _Setup, role_name: str) -> str:
    """Say that the next apply destroys a role, where its configuration has it no more.

    Terraform destroys what its state has and its configuration has not (Terraform, "Remove a
    resource"); empty where the role is written.

    Raises
    ------
    InputError
        The configuration is gone, or is none.
    """
    written = [block.get("name") for kind, _, block in _resources(setup) if kind == "aws_iam_role"]
    if role_name in written:
        return ""
    return f"- the role {role_name} would be destroyed: no aws_iam_role is written for it any more"


def apply(setup: _Setup) -> list[Planned]:
    """Make IAM what the configuration says; return what was changed."""
    changed = plan(setup)
    iam = setup.client("iam")
    for each in changed:
        text = json.dumps(each.then)
        role = each.attribute == "assume_role_policy"
        if each.now is None and role:
            iam.create_role(RoleName=each.name, AssumeRolePolicyDocument=text)
        elif each.now is None:
            iam.create_policy(PolicyName=each.name, PolicyDocument=text)
        elif role:
            iam.update_assume_role_policy(RoleName=each.name, PolicyDocument=text)
        else:
            setup.put_policy_version(_policy_arn(setup, each.name), text)
    return changed


def configuration(body: Mapping[str, Any]) -> str:
    """Write a configuration whose policies are given as documents; Terraform has them as text."""
    resources: dict[str, Any] = {}
    for kind, blocks in body["resource"].items():
        attribute = _DOCUMENTS[kind]
        resources[kind] = {
            label: {
                name: json.dumps(value) if name == attribute else value
                for name, value in block.items()
            }
            for label, block in blocks.items()
        }
    return json.dumps({**body, "resource": resources}, indent=2)


def _resources(setup: _Setup) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    from botocore.exceptions import ClientError

    where = f"s3://{BUCKET}/{KEY}"
    try:
        body = setup.client("s3").get_object(Bucket=BUCKET, Key=KEY)["Body"].read()
        blocks = [*_blocks(json.loads(body)["resource"])]
    except ClientError as error:
        raise InputError("terraform", where, f"cannot be read: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            "terraform", where, "is not a configuration in Terraform's JSON syntax"
        ) from error
    for kind, label, block in blocks:
        _understood(kind, label, block)
        yield kind, label, block


def _blocks(resources: Any) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield kind, label and arguments of each resource.

    Wherever a block stands there may be a list of them (Terraform, "JSON Configuration Syntax",
    "Nested Block Mapping").
    """
    for kinds in _each(resources):
        for kind, labels in kinds.items():
            for label, found in chain.from_iterable(each.items() for each in _each(labels)):
                yield from ((kind, label, dict(block)) for block in _each(found))


def _each(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _understood(kind: str, label: str, block: Mapping[str, Any]) -> None:
    """Refuse what a real apply would do and this one would not."""
    address, wanted = f"{kind}.{label}", _DOCUMENTS.get(kind)
    if wanted is None:
        known = " and ".join(_DOCUMENTS)
        raise InputError("terraform", address, f"is of no kind that this lab applies: {known}")
    if more := sorted(set(block) - _HARMLESS - {wanted}):
        what = f"is no argument that this lab applies; leave it out, and write {wanted}"
        raise InputError("terraform", f"{address}.{more[0]}", what)


def _document(address: str, text: Any) -> Any:
    if not isinstance(text, str):
        raise InputError(address, text, "is not text; write the policy with `json.dumps`")
    try:
        return json.loads(text)
    except ValueError as error:
        raise InputError(address, text, "is not a policy in JSON; expressions are not read") from (
            error
        )


def _now(setup: _Setup, kind: str, name: str) -> Any:
    """Return the document that stands in IAM; None where there is nothing of that name."""
    iam = setup.client("iam")
    try:
        if kind == "aws_iam_role":
            return iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
        arn = _policy_arn(setup, name)
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        found = iam.get_policy_version(PolicyArn=arn, VersionId=version)
        return found["PolicyVersion"]["Document"]
    except iam.exceptions.NoSuchEntityException:
        return None


def _policy_arn(setup: _Setup, name: str) -> str:
    return str(setup.variables["policy_arn"]).rpartition("/")[0] + f"/{name}"


def _plain(document: Any) -> str:
    """Write a document so that two that AWS takes for one are one: order and single values."""

    def plain(value: Any, name: str = "") -> Any:
        if isinstance(value, Mapping):
            return {key: plain(each, key) for key, each in value.items()}
        if isinstance(value, list):
            found = [plain(each) for each in value]
            if name != "Statement":
                found = sorted(found, key=str)
            return found[0] if len(found) == 1 else found
        return value

    return json.dumps(plain(document), sort_keys=True)
