"""Glue, Redshift and S3 Control behind the authorisation layer.

Source: Service Authorization Reference, "AWS Glue", "Amazon Redshift", "Amazon S3".
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rwlib.sandbox.answer import Answer, AwsError
from rwlib.sandbox.aws.authorize import Ask, Authorizer
from rwlib.sandbox.aws.caller import Caller
from rwlib.sandbox.aws.constraints import check_parameters
from rwlib.sandbox.aws.request import AwsRequest

ACCOUNT_BLOCK = "/v20180820/configuration/publicAccessBlock"


class CatalogService:
    """Answers requests to services that need no more than their own permission."""

    def __init__(self, authorizer: Authorizer) -> None:
        self.authorizer = authorizer
        self.world = authorizer.directory.world

    def answer(self, request: AwsRequest, caller: Caller) -> Answer:
        """Authorise and answer one request; the world must be entered."""
        if request.service == "s3control":
            return self._account_block(request, caller)
        check_parameters(request)
        prefix = "glue" if request.service == "glue" else "redshift"
        action = f"{prefix}:{request.action}"
        for resource in _resources(request, caller):
            account = resource.split(":")[4] if resource != "*" else caller.account
            self.authorizer.require(request, caller, Ask(action, resource, account))
        try:
            return self.world.call(request.service, request.environ, request.body, caller.account)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise _unusable(request) from error

    def _account_block(self, request: AwsRequest, caller: Caller) -> Answer:
        if request.raw_path != ACCOUNT_BLOCK or request.method not in ("GET", "PUT", "DELETE"):
            raise AwsError(
                "NotImplemented",
                "The sandbox's S3 Control has the account's public access block alone.",
                501,
            )
        verb = "Get" if request.method == "GET" else "Put"
        request.action = f"{'Delete' if request.method == 'DELETE' else verb}PublicAccessBlock"
        if request.headers.get("x-amz-account-id") != caller.account:
            raise AwsError("AccessDenied", "Access Denied", 403)
        ask = Ask(f"s3:{verb}AccountPublicAccessBlock", "*", caller.account)
        self.authorizer.require(request, caller, ask)
        answer = self.world.call(request.service, request.environ, request.body, caller.account)
        gone = request.method == "DELETE" and answer.status == 200
        return replace(answer, status=204) if gone else answer


def _unusable(request: AwsRequest) -> AwsError:
    """Refuse a call that moto cannot use: something is left out, or names what is not there."""
    if request.service == "glue":
        text = f"{request.action} cannot be carried out with the parameters that were given."
        return AwsError("InvalidInputException", text)
    cluster = request.parameters.get("ClusterIdentifier")
    if cluster:
        return AwsError("ClusterNotFound", f"Cluster {cluster} not found.", 404)
    text = f"{request.action} cannot be carried out with the parameters that were given."
    return AwsError("InvalidParameterValue", text)


def _resources(request: AwsRequest, caller: Caller) -> list[str]:
    if request.service == "glue":
        return _glue_resources(request.parameters, request.region, caller.account)
    start = f"arn:aws:redshift:{request.region}:{caller.account}:"
    cluster = request.parameters.get("ClusterIdentifier")
    if isinstance(cluster, str) and cluster:
        return [f"{start}cluster:{cluster}"]
    return [f"{start}cluster:*"] if request.action == "DescribeClusters" else ["*"]


def _glue_resources(given: dict[str, Any], region: str, account: str) -> list[str]:
    """Give the catalog, database and table a call is about; Glue asks for each of them."""
    owner = given.get("CatalogId")
    start = f"arn:aws:glue:{region}:{owner if _is_account(owner) else account}:"
    arns = [f"{start}catalog"]
    database = given.get("DatabaseName") or _name(given.get("DatabaseInput"))
    table = _name(given.get("TableInput")) or given.get("TableName")
    plain = given.get("Name")
    if database is None and isinstance(plain, str):
        database = plain
    elif table is None and isinstance(plain, str):
        table = plain
    if isinstance(database, str):
        arns.append(f"{start}database/{database}")
        if isinstance(table, str):
            arns.append(f"{start}table/{database}/{table}")
    return arns


def _is_account(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 12 and value.isdigit()


def _name(value: Any) -> Any:
    return value.get("Name") if isinstance(value, dict) else None
