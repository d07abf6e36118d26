"""Redshift Serverless: namespaces and the roles they have, which moto lacks."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from rwlib.sandbox.answer import Answer, AwsError, json_answer
from rwlib.sandbox.aws.authorize import Ask, Authorizer
from rwlib.sandbox.aws.caller import Caller
from rwlib.sandbox.aws.constraints import check_parameters
from rwlib.sandbox.aws.request import AwsRequest

Namespaces = dict[str, dict[str, Any]]
"""Namespaces by account, Region and name, joined with slashes."""


class ServerlessService:
    """Answers requests to Redshift Serverless."""

    def __init__(self, authorizer: Authorizer, namespaces: Namespaces) -> None:
        self.authorizer = authorizer
        self.namespaces = namespaces

    def answer(self, request: AwsRequest, caller: Caller) -> Answer:
        """Authorise and answer one request."""
        check_parameters(request)
        ask = Ask(f"redshift-serverless:{request.action}", "*", caller.account)
        self.authorizer.require(request, caller, ask)
        parameters = request.parameters
        start = f"{caller.account}/{request.region}/"
        match request.action:
            case "ListNamespaces":
                found = [n for key, n in self.namespaces.items() if key.startswith(start)]
                return json_answer({"namespaces": found}, version="1.1")
            case "CreateNamespace":
                namespace = self._create(parameters, request.region, caller.account)
            case "GetNamespace":
                namespace = self._existing(start, parameters["namespaceName"])
            case "UpdateNamespace":
                namespace = self._existing(start, parameters["namespaceName"])
                for name in ("iamRoles", "defaultIamRoleArn"):
                    if name in parameters:
                        namespace[name] = parameters[name]
            case "DeleteNamespace":
                namespace = self._existing(start, parameters["namespaceName"])
                del self.namespaces[start + parameters["namespaceName"]]
            case _:
                raise AwsError(
                    "ValidationException", f"The sandbox does not answer {request.action}."
                )
        return json_answer({"namespace": namespace}, version="1.1")

    def _create(self, given: dict[str, Any], region: str, account: str) -> dict[str, Any]:
        key = f"{account}/{region}/{given['namespaceName']}"
        if key in self.namespaces:
            name = given["namespaceName"]
            raise AwsError("ConflictException", f"Namespace {name} already exists.")
        unique = str(uuid4())
        namespace = {
            "namespaceName": given["namespaceName"],
            "namespaceId": unique,
            "namespaceArn": f"arn:aws:redshift-serverless:{region}:{account}:namespace/{unique}",
            "iamRoles": given.get("iamRoles", []),
            "defaultIamRoleArn": given.get("defaultIamRoleArn", ""),
            "dbName": given.get("dbName", "dev"),
            "status": "AVAILABLE",
        }
        self.namespaces[key] = namespace
        return namespace

    def _existing(self, start: str, name: str) -> dict[str, Any]:
        try:
            return self.namespaces[start + name]
        except KeyError:
            raise AwsError(
                "ResourceNotFoundException", f"Namespace {name} could not be found."
            ) from None
