"""Scenarios as data, and how one is played against an endpoint with boto3.

A row names what it needs (``trust``, ``policy``, ``boundary``, ``bucket``, ``key``, ``given``) and
what is then asked (``assume`` or ``when``). Texts may name ``{role_arn}``, ``{bucket}`` and the
other names of `World.names`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import requests
import yaml
from botocore import UNSIGNED
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

OWNER, RW, THIRD = "111111111111", "222222222222", "333333333333"
DENIED = {"AccessDenied", "AccessDeniedException", "403", "Forbidden"}
TABLES = Path(__file__).parent / "tables"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def rows() -> list[dict[str, Any]]:
    """All rows of all tables, in order."""
    found: list[dict[str, Any]] = []
    for file in sorted(TABLES.glob("*.yaml")):
        found += yaml.load(file.read_text(), Loader=_LOADER)
    return found


def agrees(expected: str, answer: str) -> bool:
    """Whether an answer is the one, or one of those, that AWS gives; ``?`` is an open question."""
    return expected == "?" or answer in [word.strip() for word in expected.split(" or ")]


@dataclass
class World:
    """The accounts and principals that every row can use, on one endpoint."""

    url: str
    account_header: bool = False
    """Tell the root users' accounts in moto's own header; plain moto does not know their keys."""
    names: dict[str, str] = field(default_factory=dict)
    keys: dict[str, dict[str, str]] = field(default_factory=dict)
    _clients: dict[Any, Any] = field(default_factory=dict)

    def client(self, service: str, identity: str, region: str = "us-east-1") -> Any:
        """A client of a service as one of the identities."""
        keys = self.keys[identity]
        known = (service, identity, region, keys.get("aws_session_token"))
        if known not in self._clients:
            unsigned = identity == "anonymous"
            path_style = {"addressing_style": "path"}
            config = Config(
                signature_version=UNSIGNED if unsigned else None,
                retries={"max_attempts": 0},
                parameter_validation=False,
                s3=path_style,
            )
            self._clients[known] = boto3.client(
                service,
                endpoint_url=self.url,
                region_name=region,
                config=config,
                **self.keys[identity],
            )
            if self.account_header and identity in ("owner", "rw", "third"):
                account = self.names[identity]
                self._clients[known].meta.events.register(
                    "before-sign",
                    lambda request, **_: request.headers.add_header("x-moto-account-id", account),
                )
        return self._clients[known]

    def build(self) -> World:
        """Create what all rows share."""
        for name, account in (("owner", OWNER), ("rw", RW), ("third", THIRD)):
            self.names[name] = account
            self.keys[name] = {"aws_access_key_id": account, "aws_secret_access_key": "test"}
        self.keys["anonymous"] = {}
        self.keys["wrong-key"] = {
            "aws_access_key_id": "AKIAIOSFODNN7EXAMPLE",
            "aws_secret_access_key": "x",
        }
        self.keys["wrong-token"] = {
            "aws_access_key_id": "ASIAIOSFODNN7EXAMPLE",
            "aws_secret_access_key": "x",
            "aws_session_token": "bm90IGEgdG9rZW4=",
        }
        may_assume = [allow("sts:AssumeRole", "*"), allow("sts:TagSession", "*")]
        self.user("own-user", OWNER, may_assume)
        self.user("bare-user", OWNER, [])
        self.user("admin-user", OWNER, [allow("*", "*")])
        self.user("rw-user", RW, may_assume)
        self.user("third-user", THIRD, [allow("*", "*")])
        self.keys["sec"] = {**self.keys["own-user"], "aws_secret_access_key": "wrong"}
        self.keys["no-token"] = {}
        for name, account in (("workload", RW), ("other", RW), ("stranger", THIRD)):
            self.role_session(name, account, [*may_assume, allow(["s3:*", "kms:*"], "*")])
        self.role_session("bare-workload", RW, [])
        self.role_session("own-role", OWNER, [])
        self.keys["no-token"] = {
            key: value for key, value in self.keys["workload"].items() if "token" not in key
        }
        s3 = self.client("s3", "owner")
        for bucket in ("conformance-data", "conformance-other"):
            s3.create_bucket(Bucket=bucket)
            for key in ("p/a.txt", "p/sub/b.txt", "q/c.txt", "w*x/k", "wax/k", "pp/d.txt"):
                s3.put_object(Bucket=bucket, Key=key, Body=b"content")
        self.names["data"] = "conformance-data"
        return self

    def user(self, name: str, account: str, statements: list[Any]) -> None:
        """An IAM user with an access key."""
        iam = self.client("iam", {OWNER: "owner", RW: "rw", THIRD: "third"}[account])
        self.names[f"{name}_arn"] = iam.create_user(UserName=name)["User"]["Arn"]
        if statements:
            iam.put_user_policy(
                UserName=name, PolicyName="inline", PolicyDocument=document(statements)
            )
        made = iam.create_access_key(UserName=name)["AccessKey"]
        self.keys[name] = {
            "aws_access_key_id": made["AccessKeyId"],
            "aws_secret_access_key": made["SecretAccessKey"],
        }

    def role_session(self, name: str, account: str, statements: list[Any]) -> None:
        """A role named ``<name>-role`` and a session of it."""
        root = {OWNER: "owner", RW: "rw", THIRD: "third"}[account]
        iam = self.client("iam", root)
        trust = [
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
                "Action": "sts:AssumeRole",
            }
        ]
        role = iam.create_role(RoleName=f"{name}-role", AssumeRolePolicyDocument=document(trust))[
            "Role"
        ]
        if statements:
            iam.put_role_policy(
                RoleName=f"{name}-role", PolicyName="inline", PolicyDocument=document(statements)
            )
        self.names[f"{name}_arn"] = role["Arn"]
        user = {OWNER: "own-user", RW: "rw-user", THIRD: "third-user"}[account]
        self.keys[name] = self.assume(user, role["Arn"])

    def assume(self, identity: str, role_arn: str, **arguments: Any) -> dict[str, str]:
        """Keys of a session of a role."""
        made = self.client("sts", identity).assume_role(
            **{"RoleArn": role_arn, "RoleSessionName": "session", **arguments}
        )["Credentials"]
        return {
            "aws_access_key_id": made["AccessKeyId"],
            "aws_secret_access_key": made["SecretAccessKey"],
            "aws_session_token": made["SessionToken"],
        }


def allow(action: Any, resource: Any) -> dict[str, Any]:
    """An Allow statement."""
    return {"Effect": "Allow", "Action": action, "Resource": resource}


def document(statements: Any) -> str:
    """A policy document's text."""
    if isinstance(statements, str):
        return statements
    whole = statements if isinstance(statements, dict) and "Statement" in statements else None
    return json.dumps(whole or {"Version": "2012-10-17", "Statement": statements})


def _inside(value: Any, path: str) -> Any:
    """Follow names and numbers into an answer; a policy's text is read on the way."""
    for part in path.split("."):
        if isinstance(value, str):
            value = json.loads(value)
        value = value[int(part) if isinstance(value, list) else part]
    return value


class Play:
    """One row, played once."""

    def __init__(self, world: World, row: dict[str, Any]) -> None:
        self.world = world
        self.row = row
        self.id = row["id"].lower()
        self.names = {
            **world.names,
            "id": self.id,
            "role": f"role-{self.id}",
            "role_arn": f"arn:aws:iam::{OWNER}:role/role-{self.id}",
            "bucket": f"conformance-{self.id}",
        }
        self.session: dict[str, str] | None = None

    def answer(self) -> str:
        """What the endpoint answers: ``Allow``, ``Deny`` or an error code."""
        try:
            self._prepare()
        except ClientError as error:
            return f"setup: {error.response['Error']['Code']}"
        except Exception as error:  # noqa: BLE001 - an answer like any other
            return f"setup: {type(error).__name__}"
        try:
            self._ask()
        except ClientError as error:
            code = error.response["Error"]["Code"]
            return "Deny" if code in DENIED else str(code)
        except Exception as error:  # noqa: BLE001 - an answer like any other
            return type(error).__name__
        return "Allow"

    def _prepare(self) -> None:
        row = self.row
        for step in row.get("first", []):
            self.step(step)
        if "key" in row:
            self._key(row["key"])
        if "bucket" in row:
            self._bucket(row["bucket"])
        if "trust" in row or "policy" in row or "boundary" in row:
            self._role()
        for step in row.get("given", []):
            self.step(step)

    def _role(self) -> None:
        row, iam = self.row, self.world.client("iam", "owner")
        trusting = {"AWS": self.names["workload_arn"]}
        default = [{"Effect": "Allow", "Principal": trusting, "Action": "sts:AssumeRole"}]
        trust = self.filled(row.get("trust", default))
        iam.create_role(
            RoleName=self.names["role"],
            AssumeRolePolicyDocument=document(trust),
            **self.filled(row.get("role", {})),
        )
        if "policy" in row:
            iam.put_role_policy(
                RoleName=self.names["role"],
                PolicyName="inline",
                PolicyDocument=document(self.filled(row["policy"])),
            )
        if "boundary" in row:
            made = iam.create_policy(
                PolicyName=f"boundary-{self.id}",
                PolicyDocument=document(self.filled(row["boundary"])),
            )
            iam.put_role_permissions_boundary(
                RoleName=self.names["role"], PermissionsBoundary=made["Policy"]["Arn"]
            )

    def _bucket(self, wanted: dict[str, Any]) -> None:
        region = wanted.get("region", "us-east-1")
        s3 = self.world.client("s3", "owner", region)
        name = self.names["bucket"]
        place = {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=name, **({} if region == "us-east-1" else place))
        if wanted.get("block") is False:
            s3.delete_public_access_block(Bucket=name)
        for key in self.filled(wanted.get("objects", ["p/a.txt"])):
            s3.put_object(Bucket=name, Key=key, Body=b"content")
        if wanted.get("encrypted"):
            rule = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": self.names["key_arn"]}
            s3.put_bucket_encryption(
                Bucket=name,
                ServerSideEncryptionConfiguration={
                    "Rules": [{"ApplyServerSideEncryptionByDefault": rule}]
                },
            )
            for key in wanted.get("encrypted_objects", []):
                s3.put_object(Bucket=name, Key=key, Body=b"secret")
        if "policy" in wanted:
            self.names["bucket_policy"] = document(self.filled(wanted["policy"]))

    def _key(self, wanted: dict[str, Any]) -> None:
        identity = wanted.get("as", "owner")
        kms = self.world.client("kms", identity, wanted.get("region", "us-east-1"))
        extra = {"Policy": document(self.filled(wanted["policy"]))} if "policy" in wanted else {}
        made = kms.create_key(Description=self.id, **extra)["KeyMetadata"]
        self.names["key_arn"], self.names["key_id"] = made["Arn"], made["KeyId"]

    def _ask(self) -> None:
        row = self.row
        if "bucket_policy" in self.names:
            s3 = self.world.client("s3", "owner", row["bucket"].get("region", "us-east-1"))
            s3.put_bucket_policy(Bucket=self.names["bucket"], Policy=self.names["bucket_policy"])
        if "assume" in row:
            given = dict(self.filled(row["assume"]))
            identity = given.pop("as")
            region = given.pop("region", "us-east-1")
            self.world.client("sts", identity, region).assume_role(
                **{"RoleArn": self.names["role_arn"], "RoleSessionName": "session", **given}
            )
            return
        when = row["when"]
        for step in when if isinstance(when, list) else [when]:
            self.step(step)

    def step(self, step: dict[str, Any]) -> None:
        """One call."""
        identity = step.get("as", "self")
        if identity == "self":
            if self.session is None:
                extra = {}
                if "session" in self.row:
                    extra["Policy"] = document(self.filled(self.row["session"]))
                self.session = self.world.assume("workload", self.names["role_arn"], **extra)
            self.world.keys["self"] = self.session
        identity = self.filled(identity)
        if identity.startswith("key:"):
            _, key, secret = identity.split(":", 2)
            self.world.keys[identity] = {
                "aws_access_key_id": key,
                "aws_secret_access_key": secret,
            }
        if "raw" in step:
            self._raw(identity, **self.filled(step["raw"]))
            return
        service, method = step["do"].split(".")
        client = self.world.client(service, identity, step.get("region", "us-east-1"))
        if method == "wait":
            client.get_waiter(step["for"]).wait(**self.filled(step.get("with", {})))
            return
        arguments = self._typed(client, method, self.filled(step.get("with", {})))
        result = getattr(client, method)(**arguments)
        if "keep" in step:
            for name, path in step["keep"].items():
                self.names[name] = _inside(result, path)
        for key, wanted in self.filled(step.get("expect", {})).items():
            if result.get(key) != wanted:
                raise AssertionError(f"{key} is {result.get(key)!r}, not {wanted!r}")
        for path, wanted in self.filled(step.get("expect_in", {})).items():
            found = _inside(result, path)
            if found != wanted:
                raise AssertionError(f"{path} is {found!r}, not {wanted!r}")
        if "errors" in step:
            refused = [error["Key"] for error in result.get("Errors", [])]
            assert refused == step["errors"], refused
        if "session" in step:
            made = result["Credentials"]
            self.world.keys[step["session"]] = {
                "aws_access_key_id": made["AccessKeyId"],
                "aws_secret_access_key": made["SecretAccessKey"],
                "aws_session_token": made["SessionToken"],
            }
        if "read" in step:
            result["Body"].read()

    def _raw(self, identity: str, region: str, path: str) -> None:
        """A signed GET to S3 which follows no redirection."""
        keys = self.world.keys[identity]
        request = AWSRequest("GET", self.world.url + path)
        request.headers["x-amz-content-sha256"] = "UNSIGNED-PAYLOAD"
        signer = S3SigV4Auth(
            Credentials(keys["aws_access_key_id"], keys["aws_secret_access_key"]), "s3", region
        )
        signer.add_auth(request)
        answer = requests.get(
            request.url, headers=dict(request.headers), allow_redirects=False, timeout=30
        )
        if answer.status_code >= 300:
            code = re.search("<Code>([^<]+)", answer.text)
            error = {"Code": code[1] if code else str(answer.status_code)}
            raise ClientError({"Error": error}, "GET")

    def _typed(self, client: Any, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Write documents given as data as the texts that the operation takes."""
        operation = client.meta.method_to_api_mapping[method]
        shape = client.meta.service_model.operation_model(operation).input_shape
        found = {}
        for name, value in arguments.items():
            member = shape.members.get(name) if shape else None
            if member is not None and member.type_name == "string" and not isinstance(value, str):
                value = document(value)
            found[name] = value
        return found

    def filled(self, value: Any) -> Any:
        """Put names in place, in texts at any depth."""
        if isinstance(value, str):
            for name, text in self.names.items():
                value = value.replace("{" + name + "}", text)
            return value
        if isinstance(value, list):
            return [self.filled(entry) for entry in value]
        if isinstance(value, dict):
            if set(value) == {"repeat", "times"}:
                return value["repeat"] * value["times"]
            return {self.filled(key): self.filled(entry) for key, entry in value.items()}
        return value
