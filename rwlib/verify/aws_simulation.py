"""What AWS itself says: SimulatePrincipalPolicy and Access Analyzer's ValidatePolicy.

Both are optional: an operator may not be allowed to call them, and not every endpoint has them.
Then the verdict is unknown with the reason.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rwlib.aws import Read
from rwlib.steps import policy_text
from rwlib.verify.check import Check, Paste, Status, Verdict
from rwlib.verify.kinds import title_of

if TYPE_CHECKING:
    from rwlib.aws import Aws

_REQUEST = "RequestId"
_TO_WHOM = "the text for the organization's administrators"


def check_simulation(
    aws: Aws,
    role_arn: str,
    verdicts: Iterable[Verdict],
    *,
    unread: Mapping[str, str] | None = None,
    known: Mapping[str, str] | None = None,
) -> list[Check]:
    """Ask AWS to simulate the connectors' requests for the role.

    The simulation knows the role's policies, its boundary and the organization's policies, but
    not the trust policy, and a bucket or key policy only where one is passed, which it accepts
    for users alone (IAM API reference). It is compared for requests that no resource policy
    decided.

    Parameters
    ----------
    unread
        What could not be read of the role's policies, with the reason: AWS knows it, and then no
        difference says anything.
    known
        What every session of the role has beside its ARN: its id, and the role's tags.
    """
    from botocore.exceptions import ClientError

    from rwlib.aws import error_message
    from rwlib.errors import RunbookError

    title = title_of("simulation")
    groups = _groups(verdicts)
    differing: list[str] = []
    stopped_ones: list[_Stopped] = []
    compared = 0
    for context, members in groups.items():
        try:
            results = _simulate(aws, _simulation_call(role_arn, context, members, known or {}))
        except (ClientError, RunbookError) as error:
            reason = error_message(error) if isinstance(error, ClientError) else str(error)
            unknown = (f"iam:SimulatePrincipalPolicy: {reason}",)
            return [
                Check("simulation", "requests", title, "unknown", unknown, reason="not_readable"),
                Check("scp", "role", title_of("scp"), "unknown", unknown, reason="not_readable"),
            ]
        for verdict in members:
            result = results.get((verdict.probe.action.lower(), verdict.probe.resource))
            if result is None:
                continue
            compared += 1
            stopped = not result.get("OrganizationsDecisionDetail", {}).get(
                "AllowedByOrganizations", True
            )
            if stopped and verdict.probe.allow:
                stopped_ones.append(_Stopped(verdict, result["EvalDecision"], result[_REQUEST]))
            elif (result["EvalDecision"] == "allowed") != (verdict.decision.effect == "allowed"):
                differing.append(
                    f"{verdict.probe.title}: AWS says {result['EvalDecision']}, the documents say "
                    f"{verdict.decision.effect}"
                )
    return [
        _simulation_check(title, differing, compared, unread or {}),
        _organization_check(role_arn, stopped_ones),
    ]


@dataclass(frozen=True)
class _Stopped:
    """A request that a policy of the organization stops, as AWS answered the simulation."""

    verdict: Verdict
    decision: str
    request_id: str


def _organization_check(role_arn: str, stopped: list[_Stopped]) -> Check:
    title = title_of("scp")
    if not stopped:
        seen = ("as far as SimulatePrincipalPolicy shows",)
        return Check("scp", "role", title, "pass", seen)
    return Check(
        "scp",
        "role",
        title,
        "fail",
        tuple(f"{each.verdict.probe.title}: stopped by the organization" for each in stopped),
        "ask the organization's administrators: no policy of this account can allow it; send them "
        "the text below, and check again when they have changed the policy",
        "scp_denies",
        pastes=(Paste(_TO_WHOM, _letter(role_arn, stopped)),),
    )


def _letter(role_arn: str, stopped: list[_Stopped]) -> str:
    """Return what an administrator of the organization needs to let the requests through.

    Whether a policy denies or none allows is AWS's decision ``explicitDeny`` or ``implicitDeny``
    (IAM API reference, EvaluationResult). Which policy it is can be read from the organization's
    management account alone.
    """
    role = role_arn.rpartition("/")[2]
    probes = [each.verdict.probe for each in stopped]
    lines = [
        f"The AWS organization's policies (SCP or RCP) stop requests of the role {role_arn} in "
        f"account {role_arn.split(':')[4]}. RisingWave Cloud makes them with that role.",
        "",
        "Stopped requests:",
        *dict.fromkeys(f"- {each.action} on {each.resource}" for each in probes),
    ]
    denied = [each for each in stopped if each.decision == "explicitDeny"]
    if denied:
        condition = {"ArnNotEquals": {"aws:PrincipalArn": role_arn}}
        actions = ", ".join(sorted({each.verdict.probe.action for each in denied}))
        lines += [
            "",
            f"A statement denies {actions}. To let this role alone through, add to that statement:",
            json.dumps({"Condition": condition}, indent=2),
        ]
    unnamed = [each for each in stopped if each.decision != "explicitDeny"]
    if unnamed:
        statement = {
            "Effect": "Allow",
            "Action": sorted({each.verdict.probe.action for each in unnamed}),
            "Resource": "*",
        }
        lines += [
            "",
            "At some level above the account no statement allows this. To allow it, add there:",
            json.dumps(statement, indent=2),
        ]
    ids = ", ".join(dict.fromkeys(each.request_id for each in stopped if each.request_id))
    asked = f"aws iam simulate-principal-policy (role {role})"
    lines += ["", f"How it was seen: {asked}" + (f", request id {ids}" if ids else "")]
    return "\n".join(lines)


def simulation_calls(
    role_arn: str, verdicts: Iterable[Verdict], known: Mapping[str, str] | None = None
) -> list[Read]:
    """Return the calls with which `check_simulation` begins; none depends on another."""
    return [
        _simulation_call(role_arn, context, members, known or {})
        for context, members in _groups(verdicts).items()
    ]


def _groups(verdicts: Iterable[Verdict]) -> dict[tuple[tuple[str, str], ...], list[Verdict]]:
    """Return the verdicts that can be compared, by the context of their requests."""
    chosen = [
        each
        for each in verdicts
        if each.decision.layer not in ("resource", "trust")
        # A key policy always has its say, and the simulation does not read it.
        and not each.probe.action.startswith("kms:")
        and not each.depends
    ]
    groups: dict[tuple[tuple[str, str], ...], list[Verdict]] = {}
    for verdict in chosen:
        if verdict.probe.allow or not verdict.probe.context:
            context = tuple((key, str(value)) for key, value in verdict.probe.context.items())
            groups.setdefault(context, []).append(verdict)
    return groups


def _simulation_check(
    title: str, differing: list[str], compared: int, unread: Mapping[str, str]
) -> Check:
    if differing and unread:
        missing = "; ".join(f"{what}: {why}" for what, why in unread.items())
        evidence = (f"AWS knows what could not be read here ({missing})", *differing)
        return Check("simulation", "requests", title, "unknown", evidence, reason="not_readable")
    status: Status = "fail" if differing else "pass"
    fix = (
        "what was written may not be in effect everywhere yet: verify again in a minute; if the "
        "difference stays, trust AWS"
    )
    evidence = tuple(differing) or (f"{compared} requests, same answers",)
    return Check(
        "simulation",
        "requests",
        title,
        status,
        evidence,
        fix if differing else "",
        "simulation_differs" if differing else "",
    )


def _simulation_call(
    role_arn: str,
    context: tuple[tuple[str, str], ...],
    members: list[Verdict],
    known: Mapping[str, str],
) -> Read:
    # A simulation has the keys that are passed (IAM API reference, SimulatePrincipalPolicy).
    account = role_arn.split(":")[4]
    sent = {
        "aws:PrincipalAccount": account,
        "aws:PrincipalArn": role_arn,
        "aws:ResourceAccount": account,
        "s3:ResourceAccount": account,
        "aws:SecureTransport": "true",
        "aws:ViaAWSService": "false",
        **known,
        **dict(context),
    }
    return Read(
        "iam",
        "simulate_principal_policy",
        optional=True,
        parameters={
            "PolicySourceArn": role_arn,
            "ActionNames": sorted({each.probe.action for each in members}),
            "ResourceArns": sorted({each.probe.resource for each in members}),
            "ContextEntries": _entries(sent),
        },
    )


def _simulate(aws: Aws, call: Read) -> dict[tuple[str, str], Mapping[str, Any]]:
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    while True:
        page = aws.answer_to(call)
        request = {_REQUEST: str(page.get("ResponseMetadata", {}).get("RequestId", ""))}
        for each in page.get("EvaluationResults", []):
            found |= _answers({**each, **request})
        if not page.get("IsTruncated"):
            return found
        call = replace(call, parameters={**call.parameters, "Marker": page["Marker"]})


def _answers(result: Mapping[str, Any]) -> dict[tuple[str, str], Mapping[str, Any]]:
    """Return one result by action and resource.

    For several resources AWS may put each one's answer into ``ResourceSpecificResults``.
    """
    action = result["EvalActionName"].lower()
    found = {(action, result.get("EvalResourceName", "")): result}
    for each in result.get("ResourceSpecificResults", []):
        found[action, each["EvalResourceName"]] = {
            **result,
            "EvalDecision": each["EvalResourceDecision"],
        }
    return found


def _entries(context: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "ContextKeyName": key,
            "ContextKeyValues": [value],
            "ContextKeyType": "boolean" if value in ("true", "false") else "string",
        }
        for key, value in context.items()
    ]


def validation_call(document: Mapping[str, Any], region_name: str) -> Read:
    """Return the call that `validate_policy` makes."""
    return Read(
        "accessanalyzer",
        "validate_policy",
        optional=True,
        region_name=region_name,
        parameters={"policyDocument": policy_text(document), "policyType": "IDENTITY_POLICY"},
    )


def validate_policy(aws: Aws, document: Mapping[str, Any], region_name: str) -> Check:
    """Let Access Analyzer read the policy before it is written."""
    from botocore.exceptions import ClientError

    from rwlib.aws import error_message
    from rwlib.errors import RunbookError

    title = title_of("policy_validated")
    try:
        answer = aws.answer_to(validation_call(document, region_name))
    except (ClientError, RunbookError) as error:
        reason = error_message(error) if isinstance(error, ClientError) else str(error)
        unknown = (f"access-analyzer:ValidatePolicy: {reason}",)
        return Check("policy_validated", "policy", title, "unknown", unknown, reason="not_readable")
    findings = [
        f"{each['findingType']}: {each['issueCode']}: {each['findingDetails']}"
        for each in answer.get("findings", [])
    ]
    bad = [each for each in findings if each.startswith(("ERROR", "SECURITY_WARNING"))]
    return Check(
        "policy_validated",
        "policy",
        title,
        "fail" if bad else "pass",
        tuple(findings) or ("no findings",),
        "correct the input that the finding names" if bad else "",
        "policy_finding" if bad else "",
    )
