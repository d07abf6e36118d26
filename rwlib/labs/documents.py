"""What stands at each layer of a lab, with the calls that read it and write it.

So that a notebook need not say which layer it is about: the learner names one, and looks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rwlib.labs.model import CLUSTER_ID
from rwlib.labs.retry import statement_of
from rwlib.labs.setup_calls import LabSetup, or_none
from rwlib.labs.trail import events_of, show_trail

_NO_ROLE = "There is no role yet."
_LAST = 6


def layer_text(setup: LabSetup, layer: str) -> str:
    """Return what stands at a layer as it is now; changes nothing.

    Parameters
    ----------
    layer
        One of `rwlib.labs.questions.LAYERS`.
    """
    return "\n\n".join(_READERS[layer](setup))


def _shown(*, read: str, found: Any, write: str) -> str:
    return f"{read}\n\n{json.dumps(found, indent=2, default=str)}\n\n{write}"


def _trust(setup: LabSetup) -> Iterator[str]:
    trust = setup.trust_policy()
    if trust is None:
        yield _NO_ROLE
        return
    role = f'RoleName="{setup.target.role_name}"'
    yield _shown(
        read=f'iam = boto3.client("iam")\nrole = iam.get_role({role})["Role"]\n'
        'trust = role["AssumeRolePolicyDocument"]',
        found=trust,
        write=f"iam.update_assume_role_policy({role}, PolicyDocument=json.dumps(trust))",
    )


def _allowed(setup: LabSetup) -> Iterator[str]:
    yield _shown(
        read=f'lab.cloud.allowed_iam_roles("{CLUSTER_ID}")',
        found=setup.cloud.allowed_iam_roles(CLUSTER_ID).model_dump(),
        write="lab.cloud.add_allowed_role(lab.cluster_id, arn)",
    )


def _policies(setup: LabSetup) -> Iterator[str]:
    if setup.role() is None:
        yield _NO_ROLE
        return
    iam, name = setup.client("iam"), setup.target.role_name
    attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    inline = iam.list_role_policies(RoleName=name)["PolicyNames"]
    yield 'iam = boto3.client("iam")'
    for each in attached:
        yield _managed(setup, each["PolicyArn"], "policy")
    for each in inline:
        given = f'RoleName="{name}", PolicyName="{each}"'
        yield _shown(
            read=f'policy = iam.get_role_policy({given})["PolicyDocument"]',
            found=iam.get_role_policy(RoleName=name, PolicyName=each)["PolicyDocument"],
            write=f"iam.put_role_policy({given}, PolicyDocument=json.dumps(policy))",
        )
    if not attached and not inline:
        yield "The role has no policy."


def _managed(setup: LabSetup, arn: str, variable: str) -> str:
    iam = setup.client("iam")
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    found = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    return _shown(
        read=f'arn = "{arn}"\nversion = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]'
        "\nfound = iam.get_policy_version(PolicyArn=arn, VersionId=version)\n"
        f'{variable} = found["PolicyVersion"]["Document"]',
        found=found,
        write=f"lab.put_policy({variable}, arn)",
    )


def _boundary(setup: LabSetup) -> Iterator[str]:
    role = setup.role()
    if role is None:
        yield _NO_ROLE
    elif "PermissionsBoundary" not in role:
        yield "The role has no permissions boundary."
    else:
        yield 'iam = boto3.client("iam")'
        arn = role["PermissionsBoundary"]["PermissionsBoundaryArn"]
        yield _managed(setup, arn, "boundary")


def _bucket(setup: LabSetup) -> Iterator[str]:
    s3, bucket = setup.client("s3"), f'Bucket="{setup.target.bucket}"'
    found = or_none(lambda: s3.get_bucket_policy(Bucket=setup.target.bucket)["Policy"])
    if found is None:
        yield "The bucket has no policy."
        return
    yield _shown(
        read=f's3 = boto3.client("s3")\nfound = s3.get_bucket_policy({bucket})["Policy"]\n'
        "policy = json.loads(found)",
        found=json.loads(found),
        write=f"s3.put_bucket_policy({bucket}, Policy=json.dumps(policy))",
    )


def _key(setup: LabSetup) -> Iterator[str]:
    bucket = setup.target.bucket
    rules = or_none(lambda: setup.client("s3").get_bucket_encryption(Bucket=bucket))
    key = setup.variables["key_arn"]
    if rules is not None:
        read = f'boto3.client("s3").get_bucket_encryption(Bucket="{bucket}")'
        text = json.dumps(rules["ServerSideEncryptionConfiguration"]["Rules"], indent=2)
        yield f"{read}\n\n{text}"
    if not key:
        yield "The bucket encrypts with no key of the account."
        return
    kms, given = setup.client("kms"), f'KeyId="{key}", PolicyName="default"'
    yield _shown(
        read=f'kms = boto3.client("kms")\nfound = kms.get_key_policy({given})["Policy"]\n'
        "policy = json.loads(found)",
        found=json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]),
        write=f"kms.put_key_policy({given}, Policy=json.dumps(policy))",
    )


def _sql(setup: LabSetup) -> Iterator[str]:
    yield f'lab.sql("""\n{statement_of(setup)}\n""")'


def _nothing(setup: LabSetup) -> Iterator[str]:
    yield "Where nothing refuses there is nothing to show. `lab.verdict()` judges every layer."


def _time(setup: LabSetup) -> Iterator[str]:
    changes = [
        event for event in events_of(setup.endpoint.calls()) if event["eventName"].startswith(
            ("Add", "Attach", "Create", "Delete", "Detach", "Put", "Remove", "Set", "Update")
        )
    ]  # fmt: skip
    yield "The account's last changes, the newest at the end."
    yield show_trail(changes[-_LAST:]).text


_READERS: Mapping[str, Callable[[LabSetup], Iterator[str]]] = {
    "trust": _trust,
    "allowed": _allowed,
    "policy": _policies,
    "boundary": _boundary,
    "bucket": _bucket,
    "key": _key,
    "sql": _sql,
    "nothing": _nothing,
    "time": _time,
}
