"""IAM behind the authorisation layer."""

from __future__ import annotations

import re
from html import unescape
from typing import Any
from urllib.parse import quote, urlencode

from rwlib.sandbox.answer import Answer, AwsError, query_answer, xml_text
from rwlib.sandbox.aws.authorize import Authorizer
from rwlib.sandbox.aws.caller import Caller
from rwlib.sandbox.aws.constraints import check_parameters
from rwlib.sandbox.aws.iam.resources import iam_ask
from rwlib.sandbox.aws.iam.rules import ATTACHMENTS, QUOTAS, IamRules
from rwlib.sandbox.aws.iam.simulator import Simulator
from rwlib.sandbox.aws.request import AwsRequest
from rwlib.sandbox.aws.saved_principals import forget_principal

READS = ("Get", "List", "Simulate", "Generate")


class IamService:
    """Answers requests to IAM."""

    def __init__(self, authorizer: Authorizer) -> None:
        self.authorizer = authorizer
        self.directory = authorizer.directory
        self.world = authorizer.directory.world
        self.rules = IamRules(authorizer.directory)
        self.simulator = Simulator(authorizer)

    def answer(self, request: AwsRequest, caller: Caller) -> Answer:
        """Authorise and answer one request; the world must be entered."""
        session = caller.session
        if session is not None and session.kind != "role" and not session.mfa:
            # IAM takes no credentials of GetSessionToken or GetFederationToken without MFA.
            text = "The security token included in the request is invalid"
            raise AwsError("InvalidClientTokenId", text, 403)
        check_parameters(request)
        self.authorizer.require(request, caller, iam_ask(request, caller, self.world))
        account = caller.account
        own = self._own_answer(request, account, caller)
        if own is not None:
            return own
        if "UserName" not in request.parameters and caller.kind == "user":
            request.parameters["UserName"] = caller.name
            if request.action not in ("GetUser", "CreateAccessKey", "ListAccessKeys"):
                del request.parameters["UserName"]
        self.rules.check(request, account)
        if not request.action.startswith(READS):
            self.directory.before_change(account)
        return self._write(request, account)

    def _write(self, request: AwsRequest, account: str) -> Answer:
        parameters = request.parameters
        if request.action in ATTACHMENTS:
            entity = ATTACHMENTS[request.action][0]
            holder = self.rules.entity(entity, parameters[f"{entity}Name"], account)
            if parameters["PolicyArn"] in holder.managed_policies:
                return query_answer("iam", request.action, "")
        if request.action == "UpdateRole":
            view = self.world.iam.role(account, parameters["RoleName"])
            parameters.setdefault("MaxSessionDuration", "3600")
            if view is not None:
                role = self.world.iam.account(account).roles[view.id]
                parameters.setdefault("Description", role.description or "")
        gone = self._about_to_go(request, account)
        answer = self._forward(request, account)
        if answer.status < 300:
            if gone is not None:
                forget_principal(self.directory, *gone)
            if request.action == "GetAccountAuthorizationDetails":
                return self._with_policy_names(account, answer)
            if request.action == "GetUser":
                return self._with_boundary(request, account, answer)
        return answer

    def _about_to_go(self, request: AwsRequest, account: str) -> tuple[str, str] | None:
        given = request.parameters
        view = None
        if request.action == "DeleteRole":
            view = self.world.iam.role(account, given["RoleName"])
        elif request.action == "DeleteUser":
            view = self.world.iam.user(account, given["UserName"])
        return (view.arn, view.id) if view else None

    def _with_boundary(self, request: AwsRequest, account: str, answer: Answer) -> Answer:
        """Add a user's permissions boundary, which moto does not know."""
        name = request.parameters.get("UserName", "")
        view = self.world.iam.user(account, name)
        if view is None or view.boundary_arn is None:
            return answer
        element = (
            "<PermissionsBoundary><PermissionsBoundaryType>Policy</PermissionsBoundaryType>"
            f"<PermissionsBoundaryArn>{xml_text(view.boundary_arn)}</PermissionsBoundaryArn>"
            "</PermissionsBoundary></User>"
        )
        return answer.with_body(answer.body.replace(b"</User>", element.encode()))

    def _with_policy_names(self, account: str, answer: Answer) -> Answer:
        """Add the name and the id of each managed policy, which moto leaves out."""
        head, start, policies = answer.body.decode().partition("<Policies>")
        known = self.world.iam.account(account).managed_policies

        def named(found: re.Match[str]) -> str:
            policy = known.get(found[1])
            if policy is None:
                return found[0]
            return (
                f"{found[0]}<PolicyName>{xml_text(policy.name)}</PolicyName>"
                f"<PolicyId>{policy.id}</PolicyId>"
            )

        whole = re.sub(r"<Arn>(arn:[^<]+:policy/[^<]+)</Arn>", named, policies)
        return answer.with_body((head + start + whole).encode())

    def _own_answer(self, request: AwsRequest, account: str, caller: Caller) -> Answer | None:
        match request.action:
            case "GetAccountSummary":
                return query_answer("iam", request.action, self._summary(account))
            case "SimulatePrincipalPolicy" | "SimulateCustomPolicy":
                return query_answer("iam", request.action, self.simulator.simulate(request, caller))
            case "GetContextKeysForCustomPolicy" | "GetContextKeysForPrincipalPolicy":
                return query_answer("iam", request.action, self.simulator.context_keys(request))
            case "PutUserPermissionsBoundary" | "DeleteUserPermissionsBoundary":
                self.rules.check(request, account)
                self.directory.before_change(account)
                user = self.world.iam.account(account).users[request.parameters["UserName"]]
                user.sandbox_boundary_arn = request.parameters.get("PermissionsBoundary")
                return query_answer("iam", request.action, "")
            case "ListPolicies":
                if request.parameters.get("Scope", "All") != "Local":
                    self.world.iam.put_all_aws_managed(account)
        return None

    def _summary(self, account: str) -> str:
        iam = self.world.iam.account(account)
        local = [p for arn, p in iam.managed_policies.items() if f"::{account}:" in arn]
        counts = {
            "Users": len(iam.users),
            "Groups": len(iam.groups),
            "Roles": len(iam.roles),
            "Policies": len(local),
            "PolicyVersionsInUse": sum(len(policy.versions) for policy in local),
            "InstanceProfiles": len(iam.instance_profiles),
            "Providers": len(iam.saml_providers) + len(iam.open_id_providers),
            "ServerCertificates": len(iam.certificates),
            "MFADevices": len(iam.virtual_mfa_devices),
            "MFADevicesInUse": 0,
            "AccountMFAEnabled": 1,
            "AccountAccessKeysPresent": 1,
            "AccountPasswordPresent": 1,
            "AccountSigningCertificatesPresent": 0,
            "GlobalEndpointTokenVersion": 1,
        }
        entries = "".join(
            f"<entry><key>{key}</key><value>{value}</value></entry>"
            for key, value in sorted({**QUOTAS, **counts}.items())
        )
        return f"<SummaryMap>{entries}</SummaryMap>"

    def _forward(self, request: AwsRequest, account: str) -> Answer:
        """Let moto answer, with the parameters as they now are."""
        flat = {"Action": request.action, "Version": "2010-05-08", **_flat(request.parameters)}
        environ = {
            **request.environ,
            "REQUEST_METHOD": "POST",
            "CONTENT_TYPE": "application/x-www-form-urlencoded; charset=utf-8",
            "QUERY_STRING": "",
            "PATH_INFO": "/",
            "REQUEST_URI": "/",
            "RAW_URI": "/",
        }
        answer = self.world.call("iam", environ, urlencode(flat).encode(), account)
        return _with_encoded_documents(answer) if answer.status < 300 else answer


_DOCUMENT = re.compile(
    r"<(?P<name>Document|PolicyDocument|AssumeRolePolicyDocument)>(?P<text>\s*\{[^<]*)</(?P=name)>"
)


def _with_encoded_documents(answer: Answer) -> Answer:
    """Write the policy documents of an answer as IAM does; moto encodes some of them.

    Source: IAM API Reference, GetPolicyVersion, GetRole: "URL-encoded compliant with RFC 3986".
    """
    whole = answer.body.decode()

    def encoded(found: re.Match[str]) -> str:
        name = found["name"]
        return f"<{name}>{quote(unescape(found['text']))}</{name}>"

    changed = _DOCUMENT.sub(encoded, whole)
    return answer if changed == whole else answer.with_body(changed.encode())


def _flat(node: Any, name: str = "") -> dict[str, str]:
    """Write nested parameters the way the query protocol does."""
    if isinstance(node, dict):
        pairs = [(f"{name}.{key}" if name else key, value) for key, value in node.items()]
    elif isinstance(node, list):
        pairs = [(f"{name}.member.{index}", value) for index, value in enumerate(node, 1)]
    else:
        return {name: str(node)}
    return {key: text for inner, value in pairs for key, text in _flat(value, inner).items()}
