"""The question every request has to pass: may this caller do that?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rwlib.errors import InputError
from rwlib.evaluate import Decision, Policies, Request, evaluate
from rwlib.sandbox.answer import AwsError
from rwlib.sandbox.aws.caller import Caller
from rwlib.sandbox.aws.context import Network, request_context
from rwlib.sandbox.aws.directory import Directory
from rwlib.sandbox.aws.request import AwsRequest
from rwlib.sandbox.views import PrincipalView

QUERY = ("iam", "sts", "redshift")


@dataclass(frozen=True)
class Ask:
    """One action on one resource.

    ``account`` owns the resource; ``policy`` is the resource's own policy: bucket policy, key
    policy or trust policy.
    """

    action: str
    resource: str = "*"
    account: str | None = None
    policy: str | None = None
    context: Mapping[str, Any] = field(default_factory=dict)


class Authorizer:
    """Weighs all policies that apply, through `rwlib.evaluate`."""

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        self.network = Network()

    def entity(self, caller: Caller) -> PrincipalView | None:
        """Give the role or user behind the caller; None when it is gone or was made anew."""
        if caller.kind == "role":
            found = self.directory.role(caller.account, caller.name)
        elif caller.kind == "user" or caller.kind == "federated":
            name = caller.name
            if caller.session is not None:
                name = caller.session.principal_arn.rpartition("/")[2]
            found = self.directory.user(caller.account, name)
        else:
            return None
        token = caller.session
        if found is not None and token is not None and token.principal_id != found.id:
            return None
        return found

    def decide(self, request: AwsRequest, caller: Caller, ask: Ask) -> Decision:
        """Decide one question; an explicit deny anywhere wins."""
        entity = self.entity(caller)
        context = request_context(request, caller, entity, self.network)
        if ask.account is not None:
            context["aws:ResourceAccount"] = ask.account
        context.update(ask.context)
        gone = entity is None and caller.kind in ("role", "user")
        return evaluate(
            Request(
                _gone(caller) if gone else caller.arn,
                ask.action,
                ask.resource,
                ask.account,
                context,
            ),
            self._policies(caller, entity, ask),
        )

    def require(self, request: AwsRequest, caller: Caller, ask: Ask) -> None:
        """Refuse what is not allowed, in the words of the service.

        Raises
        ------
        AwsError
            The caller may not.
        """
        if not caller.is_known and ask.account == caller.account:
            # What is nobody's, such as a list of buckets, is not open to nobody.
            raise AwsError("AccessDenied", "Access Denied", 403)
        try:
            decision = self.decide(request, caller, ask)
        except InputError as error:
            raise AwsError(
                "InternalFailure", f"A stored policy cannot be evaluated: {error}", 500
            ) from error
        if not decision.allowed:
            raise denial(request.service, caller, ask, decision)

    def _policies(self, caller: Caller, entity: PrincipalView | None, ask: Ask) -> Policies:
        session: list[str] | None = None
        token = caller.session
        if token is not None and (token.policies or token.policy_arns):
            managed = (self.directory.policy(arn) for arn in token.policy_arns)
            session = [*token.policies, *(text for text in managed if text)]
        boundary = None
        if entity is not None and entity.boundary_arn:
            # A boundary whose policy is gone allows nothing.
            boundary = [entity.boundary or '{"Version": "2012-10-17", "Statement": []}']
        scps = self.directory.scps_of(caller.account)
        return Policies(
            identity=list(entity.policies) if entity else [],
            resource=ask.policy,
            boundary=boundary,
            session=session,
            scps=[list(level) for level in scps],
        )


def _gone(caller: Caller) -> str:
    """Name a caller whose role or user is gone, so that no ARN in a policy means it.

    Policies hold unique ids: a role made anew under the same name is another principal.
    """
    if caller.kind == "role":
        return f"arn:aws:sts::{caller.account}:assumed-role/{caller.user_id.replace(':', '/')}"
    return f"arn:aws:iam::{caller.account}:user/{caller.user_id}"


def denial(service: str, caller: Caller, ask: Ask, decision: Decision) -> AwsError:
    """Write the refusal as the service would.

    Source: IAM User Guide, "Troubleshoot access denied error messages"; Amazon S3 User Guide,
    "Troubleshoot access denied (403 Forbidden) errors": S3 tells the reason only to callers of
    the bucket's own account. STS does not tell another account which side refused.
    """
    at_home = caller.account == ask.account
    if service in ("s3", "s3control"):
        return AwsError("AccessDenied", _s3_text(caller, ask, decision, at_home), 403)
    text = f"User: {caller.arn} is not authorized to perform: {ask.action}"
    if decision.layer == "service" and ask.action == "sts:AssumeRole":
        return AwsError("AccessDenied", "Roles may not be assumed by root accounts.", 403)
    if service == "kms" and not at_home and ask.account is not None:
        text += (
            " on this resource because the resource does not exist in this Region, no "
            "resource-based policies allow access, or a resource-based policy explicitly denies "
            "access"
        )
    else:
        if ask.resource != "*":
            text += f" on resource: {ask.resource}"
        if decision.phrase and (at_home or ask.account is None):
            text += f" {decision.phrase}"
    if service in QUERY:
        return AwsError("AccessDenied", text, 403)
    return AwsError("AccessDeniedException", text, 403 if service == "accessanalyzer" else 400)


def _s3_text(caller: Caller, ask: Ask, decision: Decision, at_home: bool) -> str:
    if not at_home or not caller.is_known:
        return "Access Denied"
    text = f"User: {caller.arn} is not authorized to perform: {ask.action}"
    if ask.resource != "*":
        quoted = ask.resource if ask.action.startswith("kms:") else f'"{ask.resource}"'
        text += f" on resource: {quoted}"
    return f"{text} {decision.phrase}".rstrip()
