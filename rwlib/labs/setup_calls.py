"""Make a lab's calls: AWS as any account, RisingWave's SQL and its Allowed Principals.

A call is one of these mappings; ``$name`` in any text is filled in from the lab's variables, and a
text that is nothing but ``$name`` becomes that value, which may be a document.

* ``{aws: iam.create_role, with: {…}, account: …}``: a call of boto3, as the account's root user
* ``{sql: "CREATE …"}``: a statement in RisingWave
* ``{allow: ARN}`` and ``{disallow: ARN}``: Allowed Principals of the cluster
* ``{recreate_workload: true}``: RisingWave deletes and makes its role again, under the same name
* ``{pace: SECONDS}``: how long a change of the Allowed Principals takes from now on
* ``{propagation: SECONDS}``: changes of IAM are seen only when they have aged
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from string import Template
from typing import Any

from rwlib.labs import terraform
from rwlib.labs.clients import Connections, connections
from rwlib.labs.model import CLUSTER_ID, Call, Lab, shared
from rwlib.sandbox import CUSTOMER, RISINGWAVE_CLOUD, WORKLOAD_IDENTITY_ARN, WORKLOAD_ROLE, Endpoint

_DOCUMENTS = ("PolicyDocument", "AssumeRolePolicyDocument", "Policy")


class LabSetup:
    """Where a lab's calls are made: a sandbox, and the lab's variables.

    Parameters
    ----------
    endpoint
        The running sandbox.
    """

    def __init__(self, endpoint: Endpoint, lab: Lab) -> None:
        self.endpoint = endpoint
        self.lab = lab
        self.target = lab.full_target()
        self._cloud: Any = None
        self.variables: dict[str, Any] = {"region_name": "us-east-1"}
        self.variables = self._names()

    @property
    def role_arn(self) -> str:
        """ARN of the role that RisingWave assumes."""
        return str(self.variables["role_arn"])

    @property
    def region_name(self) -> str:
        """Region of the bucket."""
        return str(self.variables["region_name"])

    @property
    def connections(self) -> Connections:
        """The clients of the sandbox in the bucket's Region."""
        return connections(self.endpoint, self.region_name)

    @property
    def cloud(self) -> Any:
        """RisingWave Cloud's management API."""
        if self._cloud is None:
            from rwlib.cloud import Cloud, Patience

            self._cloud = Cloud.from_environment(
                self.endpoint.environment(), patience=Patience(interval=0.1)
            )
        return self._cloud

    def client(self, service: str, account: str = CUSTOMER) -> Any:
        """Return a boto3 client of the sandbox, as an account's root user."""
        return self.connections.client(service, account)

    def fill(self, value: Any) -> Any:
        """Return a value with its variables filled in."""
        if isinstance(value, str):
            if value.startswith("$") and value[1:] in self.variables:
                return self.fill(self.variables[value[1:]])
            texts = {k: v for k, v in self.variables.items() if isinstance(v, str)}
            return Template(value).safe_substitute(texts)
        if isinstance(value, Mapping):
            return {name: self.fill(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self.fill(each) for each in value]
        return value

    def parameters(self, call: Call) -> dict[str, Any]:
        """Return the parameters of an AWS call as boto3 takes them."""
        filled: dict[str, Any] = self.fill(call.get("with", {}))
        for name in _DOCUMENTS:
            if isinstance(filled.get(name), Mapping):
                filled[name] = json.dumps(filled[name])
        if isinstance(filled.get("Body"), Mapping):
            filled["Body"] = terraform.configuration(filled["Body"])
        return filled

    def look_again(self) -> None:
        """Take the role as it stands: it may have been made under a path of the learner's."""
        role = self.role()
        path = "/" if role is None else str(role["Path"])
        self.target = self.target.model_copy(update={"role_path": path})
        self.variables["role_arn"] = self.target.role_arn_in(CUSTOMER)

    def role(self) -> dict[str, Any] | None:
        """Return the role as IAM shows it; None while there is none."""
        iam = self.client("iam")
        found = or_none(lambda: iam.get_role(RoleName=self.target.role_name)["Role"])
        return None if found is None else dict(found)

    def trust_policy(self) -> Mapping[str, Any] | None:
        """Return the role's trust policy; None while there is no role."""
        role = self.role()
        return None if role is None else role["AssumeRolePolicyDocument"]

    def keys(self) -> list[str]:
        """List the objects of the bucket."""
        return [*self.contents()]

    def contents(self) -> dict[str, str]:
        """Return the objects of the bucket, each with its ETag: another content has another."""
        pages = (
            self.client("s3").get_paginator("list_objects_v2").paginate(Bucket=self.target.bucket)
        )
        return {e["Key"]: e["ETag"] for page in pages for e in page.get("Contents", [])}

    def put_policy_version(self, policy_arn: str, document: Any) -> tuple[str, str]:
        """Make a document the default version of a policy.

        A managed policy keeps five versions (IAM user guide, "IAM and AWS STS quotas"). At the
        limit the oldest that is not the default goes.

        Returns
        -------
        tuple of str
            The new version, and the one that was removed for it; empty where none was.
        """
        from rwlib.steps import VERSIONS_QUOTA

        iam = self.client("iam")
        versions = iam.list_policy_versions(PolicyArn=policy_arn)["Versions"]
        removed = ""
        if len(versions) >= VERSIONS_QUOTA:
            old = [each["VersionId"] for each in versions if not each["IsDefaultVersion"]]
            removed = min(old, key=lambda name: int(name.removeprefix("v")))
            iam.delete_policy_version(PolicyArn=policy_arn, VersionId=removed)
        text = document if isinstance(document, str) else json.dumps(document)
        made = iam.create_policy_version(
            PolicyArn=policy_arn, PolicyDocument=text, SetAsDefault=True
        )
        return str(made["PolicyVersion"]["VersionId"]), removed

    def make(self, calls: Iterable[Call]) -> None:
        """Make calls, one after the other.

        Raises
        ------
        botocore.exceptions.ClientError
            AWS refuses one.
        """
        for call in calls:
            self._make(call)

    def _make(self, call: Call) -> None:
        if "aws" in call:
            service, operation = call["aws"].split(".")
            account = str(call.get("account", CUSTOMER))
            if call["aws"] == "iam.create_policy_version":
                given = self.parameters(call)
                self.put_policy_version(given["PolicyArn"], given["PolicyDocument"])
                return
            getattr(self.client(service, account), operation)(**self.parameters(call))
        elif "sql" in call:
            self.cloud.execute_sql(CLUSTER_ID, self.fill(call["sql"]))
        elif "allow" in call:
            self.cloud.add_allowed_role(CLUSTER_ID, self.fill(call["allow"]))
        elif "disallow" in call:
            self.cloud.remove_allowed_role(CLUSTER_ID, self.fill(call["disallow"]))
        elif "terraform" in call:
            terraform.apply(self)
        elif "recreate_workload" in call:
            self._recreate_workload()
        elif "pace" in call:
            self._settle(call["pace"])
        elif "propagation" in call:
            self.endpoint.set_faults(propagation=call["propagation"])
        else:
            raise ValueError(f"no such call: {dict(call)}")

    def _recreate_workload(self) -> None:
        """Make RisingWave's role anew: its name and ARN stay, its unique id does not."""
        iam = self.client("iam", RISINGWAVE_CLOUD)
        role = iam.get_role(RoleName=WORKLOAD_ROLE)["Role"]
        kept = {}
        for name in iam.list_role_policies(RoleName=WORKLOAD_ROLE)["PolicyNames"]:
            found = iam.get_role_policy(RoleName=WORKLOAD_ROLE, PolicyName=name)
            kept[name] = found["PolicyDocument"]
            iam.delete_role_policy(RoleName=WORKLOAD_ROLE, PolicyName=name)
        iam.delete_role(RoleName=WORKLOAD_ROLE)
        trust = json.dumps(role["AssumeRolePolicyDocument"])
        iam.create_role(RoleName=WORKLOAD_ROLE, AssumeRolePolicyDocument=trust)
        for name, document in kept.items():
            iam.put_role_policy(
                RoleName=WORKLOAD_ROLE, PolicyName=name, PolicyDocument=json.dumps(document)
            )

    def _settle(self, seconds: float) -> None:
        """Say how long a change of the Allowed Principals takes."""
        self.endpoint.switch("PUT", f"clusters/{CLUSTER_ID}", {"settle_seconds": seconds})

    def _names(self) -> dict[str, Any]:
        from rwlib.steps import documented_policy, policy_document

        target = self.target
        names: dict[str, Any] = {
            "account": CUSTOMER,
            "risingwave_account": RISINGWAVE_CLOUD,
            "workload": WORKLOAD_IDENTITY_ARN,
            "bucket": target.bucket,
            "prefix": target.prefix,
            "role_name": target.role_name,
            "role_arn": target.role_arn_in(CUSTOMER),
            "policy_name": target.policy_name,
            "policy_arn": target.policy_arn_in(CUSTOMER),
            "region_name": "us-east-1",
            "key_arn": "",
            "role_id": "",
        }
        self.variables = names
        names["role_id"] = str((self.role() or {}).get("RoleId", ""))
        s3 = self.client("s3")
        location = or_none(lambda: s3.get_bucket_location(Bucket=target.bucket)) or {}
        names["region_name"] = location.get("LocationConstraint") or "us-east-1"
        names["key_arn"] = self._key_arn()

        def document(key: str) -> dict[str, Any]:
            return policy_document(
                target, account_id=CUSTOMER, region_name=names["region_name"], kms_key_arn=key
            )

        names["recommended_policy"] = document(names["key_arn"])
        names["policy_without_key"] = document("")
        names["documented_policy"] = documented_policy(target.bucket, target.prefix)
        return {**shared()["documents"], **self.lab.documents, **names}

    def _key_arn(self) -> str:
        s3 = self.client("s3")
        rules = or_none(lambda: s3.get_bucket_encryption(Bucket=self.target.bucket))
        if rules is None:
            return ""
        first = rules["ServerSideEncryptionConfiguration"]["Rules"][0]
        return str(first["ApplyServerSideEncryptionByDefault"].get("KMSMasterKeyID", ""))


def or_none(read: Callable[[], Any]) -> Any:
    """Read what need not exist; None when it does not."""
    from botocore.exceptions import ClientError

    try:
        return read()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code.startswith("NoSuch") or code.endswith("NotFoundError"):
            return None
        raise
