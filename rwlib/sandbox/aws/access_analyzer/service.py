"""Access Analyzer's checks of policies, those that need no look at other accounts.

Source: IAM Access Analyzer API Reference, ValidatePolicy, CheckNoPublicAccess,
CheckAccessNotGranted.
"""

from __future__ import annotations

import json
from typing import Any

from rwlib.errors import InputError
from rwlib.evaluate import Policies, Request, evaluate
from rwlib.sandbox.answer import Answer, AwsError, json_answer
from rwlib.sandbox.aws.access_analyzer.findings import findings
from rwlib.sandbox.aws.authorize import Ask, Authorizer
from rwlib.sandbox.aws.caller import Caller
from rwlib.sandbox.aws.constraints import check_parameters
from rwlib.sandbox.aws.documents import listed, statements_of
from rwlib.sandbox.aws.request import AwsRequest
from rwlib.sandbox.aws.s3.public import statement_is_public

NEVER = "arn:aws:iam::111122223333:user/nobody"


class AnalyzerService:
    """Answers requests to Access Analyzer."""

    def __init__(self, authorizer: Authorizer) -> None:
        self.authorizer = authorizer

    def answer(self, request: AwsRequest, caller: Caller) -> Answer:
        """Authorise and answer one request."""
        check_parameters(request)
        ask = Ask(f"access-analyzer:{request.action}", "*", caller.account)
        self.authorizer.require(request, caller, ask)
        parameters = request.parameters
        match request.action:
            case "ValidatePolicy":
                found = findings(
                    parameters["policyDocument"],
                    parameters["policyType"],
                    parameters.get("validatePolicyResourceType", ""),
                )
                return json_answer({"findings": found})
            case "CheckNoPublicAccess":
                return _verdict(_public_statements(_parsed(parameters["policyDocument"])), "public")
            case _:
                return self._not_granted(parameters)

    def _not_granted(self, given: dict[str, Any]) -> Answer:
        document = _parsed(given["policyDocument"])
        reasons = []
        for index, statement in enumerate(statements_of(document)):
            alone = {"Version": "2012-10-17", "Statement": [_unconditional(statement)]}
            if statement.get("Effect") == "Allow" and _grants(alone, given["access"]):
                reasons.append(_reason(index, statement, "grants access that must not be granted"))
        return _verdict(reasons, "granted")


def _parsed(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
        statements_of(document)
    except Exception as error:
        raise AwsError(
            "InvalidParameterException", "The policy document is not valid.", 400
        ) from error
    found: dict[str, Any] = document
    return found


def _public_statements(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        _reason(index, statement, "grants public access")
        for index, statement in enumerate(statements_of(document))
        if statement_is_public(statement)
    ]


def _unconditional(statement: dict[str, Any]) -> dict[str, Any]:
    left_out = ("Condition", "Principal", "NotPrincipal")
    return {name: value for name, value in statement.items() if name not in left_out}


def _grants(document: dict[str, Any], access: list[dict[str, Any]]) -> bool:
    for entry in access:
        for action in listed(entry.get("actions") or ["*:*"]):
            for resource in listed(entry.get("resources") or ["*"]):
                try:
                    request = Request(NEVER, action, resource, "111122223333")
                    if evaluate(request, Policies(identity=[document])).allowed:
                        return True
                except InputError as error:
                    raise AwsError("InvalidParameterException", str(error), 400) from error
    return False


def _reason(index: int, statement: dict[str, Any], what: str) -> dict[str, Any]:
    reason = {"description": f"The statement {what}.", "statementIndex": index}
    return {**reason, "statementId": statement["Sid"]} if statement.get("Sid") else reason


def _verdict(reasons: list[dict[str, Any]], word: str) -> Answer:
    if reasons:
        text = f"The resource policy document allows access that is {word}."
        return json_answer({"result": "FAIL", "message": text, "reasons": reasons})
    text = f"The resource policy document allows no access that is {word}."
    return json_answer({"result": "PASS", "message": text, "reasons": []})
