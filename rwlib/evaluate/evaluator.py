"""The decision: which layers apply to a request, and what each of them must say."""

from __future__ import annotations

import re

from rwlib.errors import InputError
from rwlib.evaluate.caller import ACCOUNT_ID, Caller, caller_context, caller_of
from rwlib.evaluate.conditions import context_values
from rwlib.evaluate.decide import Found, look
from rwlib.evaluate.documents import compile_levels, compile_policies
from rwlib.evaluate.matching import Subject
from rwlib.evaluate.model import Decision, Layer, Policies, Reason, Request
from rwlib.evaluate.principals import Grant

_ARN_ACCOUNT = re.compile(r"arn:[^:]*:[^:]*:[^:]*:(\d{12}):")
_ROLE = re.compile(r"arn:[^:]*:iam::\d{12}:role/")
_KEY = re.compile(r"arn:[^:]*:kms:[^:]*:\d{12}:key/")


def evaluate(request: Request, policies: Policies) -> Decision:
    """Decide whether IAM lets a request through, and say why.

    Reads nothing but its arguments and changes nothing. An explicit Deny in any policy wins.
    Within one account an Allow in the identity-based policies or in the resource's policy is
    enough; a role's trust policy and a KMS key policy must allow in any case, themselves or by
    delegating to their account. Between two accounts both sides must allow. Boundary, session
    policies, service and resource control policies only take away.

    Parameters
    ----------
    request
        Who wants to do what, with which context.
    policies
        Everything that applies to it.

    Returns
    -------
    Decision
        ``effect`` is ``allowed``, ``explicit-deny`` or ``implicit-deny``.

    Raises
    ------
    InputError
        A document, the principal or a context value is malformed.

    Notes
    -----
    Source: IAM User Guide, "How AWS enforcement code logic evaluates requests to allow or deny
    access", "Cross-account policy evaluation logic" and "IAM JSON policy elements reference".
    """
    caller, subject, account = _subject(request, policies)
    if subject.action == "sts:getcalleridentity":
        note = "sts:GetCallerIdentity needs no permission, and a Deny does not stop it"
        return _decision("allowed", request, "service", (Reason("service", "rule", note=note),))

    trust = subject.action.startswith("sts:") and _ROLE.match(request.resource) is not None
    resource_layer: Layer = "trust" if trust else "resource"
    key = subject.action.startswith("kms:") and _KEY.match(request.resource) is not None
    governed = caller.has_identity and not caller.is_service_linked
    scps = compile_levels(policies.scps, "scp")
    rcps = compile_levels(policies.rcps, "rcp")
    layers = {
        "scp": [look("scp", level, subject) for level in scps] if governed else [],
        "rcp": [look("rcp", level, subject) for level in rcps]
        if not caller.is_service_linked
        else [],
    }
    resource = look(resource_layer, compile_policies(policies.resource, resource_layer), subject)
    identity = look("identity", compile_policies(policies.identity, "identity"), subject)
    boundary = look("boundary", compile_policies(policies.boundary, "boundary"), subject)
    session = look("session", compile_policies(policies.session, "session"), subject)
    everything = [*layers["scp"], *layers["rcp"], resource, identity, boundary, session]

    denials = [found for found in everything if found.denies]
    if denials:
        reasons = tuple(reason for found in denials for reason in found.denial())
        return _decision("explicit-deny", request, denials[0].layer, reasons)
    for found in (*layers["scp"], *layers["rcp"]):
        if not found.allowed:
            return _implicit(request, found.layer, found.shortfall(subject))
    if caller.kind == "root" and subject.action == "sts:assumerole":
        note = "the root user of an account cannot assume a role; use a user or a role"
        return _implicit(request, "service", (Reason("service", "rule", note=note),))
    return _permissions(
        request, caller, subject, account, resource, identity, boundary, session, trust or key
    )


def _permissions(
    request: Request,
    caller: Caller,
    subject: Subject,
    account: str | None,
    resource: Found,
    identity: Found,
    boundary: Found,
    session: Found,
    must_be_granted: bool,
) -> Decision:
    """Weigh the Allow statements, once nothing denies and the organization allows."""
    if not caller.has_identity:
        # Services, identity providers and anonymous callers have nothing but the resource's side.
        if resource.grant is Grant.DIRECT:
            return _decision("allowed", request, resource.layer, resource.approval())
        return _implicit(request, resource.layer, resource.shortfall(subject))

    limits = (
        [] if caller.kind == "root" else [found for found in (boundary, session) if found.policies]
    )
    missing = [found for found in limits if not found.allowed]
    orphan = caller.kind == "federated-user" and not session.policies
    same_account = caller.account == account
    granted = resource.grant if same_account else Grant.NONE

    if granted is Grant.DIRECT:
        return _decision("allowed", request, resource.layer, resource.approval(Grant.DIRECT))
    if granted is Grant.ROLE and not missing and not orphan:
        within = tuple(reason for found in limits for reason in found.approval())
        return _decision("allowed", request, resource.layer, resource.approval(Grant.ROLE) + within)
    if same_account and must_be_granted and granted is Grant.NONE:
        return _implicit(request, resource.layer, resource.shortfall(subject))

    if not (identity.allowed or caller.kind == "root" or granted is Grant.ROLE):
        reasons = identity.shortfall(subject)
        if same_account and resource.policies and not resource.allowed:
            reasons += resource.shortfall(subject)
        return _implicit(request, "identity", reasons)
    if missing:
        return _implicit(request, missing[0].layer, missing[0].shortfall(subject))
    if orphan:
        note = "a federated user session that was given no session policy has no permissions"
        return _implicit(request, "session", (Reason("session", "rule", note=note),))
    if not same_account and not resource.allowed:
        return _implicit(request, resource.layer, resource.shortfall(subject))

    reasons = identity.approval()
    if caller.kind == "root" and not reasons:
        note = "the root user has full access in its account"
        reasons = (Reason("identity", "rule", note=note),)
    reasons += tuple(reason for found in limits for reason in found.approval())
    if not same_account or must_be_granted:
        reasons += resource.approval()
    return _decision("allowed", request, "identity", reasons)


def _subject(request: Request, policies: Policies) -> tuple[Caller, Subject, str | None]:
    action, resource = request.action, request.resource
    if not isinstance(action, str) or not re.fullmatch(r"[^:\s]+:[^:\s]+", action):
        raise InputError("action", action, 'must be written "service:Operation"')
    if not isinstance(resource, str) or not resource:
        raise InputError("resource", resource, 'must be an ARN, or "*" for an action without one')
    account = request.resource_account
    if account is not None and not ACCOUNT_ID.fullmatch(str(account)):
        raise InputError("resource_account", account, "must be an account id of 12 digits")

    given = {key.lower(): context_values(key, value) for key, value in request.context.items()}
    arns = given.get("aws:principalarn", ())
    caller = caller_of(request.principal, arns[0] if len(arns) == 1 else None)
    if account is None:
        in_arn = _ARN_ACCOUNT.match(resource)
        account = in_arn[1] if in_arn else caller.account
    values = dict(caller_context(caller))
    if account is not None:
        values["aws:resourceaccount"] = (account,)
    for key, found in given.items():
        if found:
            values[key] = found
        else:
            values.pop(key, None)
    subject = Subject(
        caller,
        action.lower(),
        action,
        resource,
        values,
        request.canonical_user,
        bool(policies.boundary),
    )
    return caller, subject, account


def _implicit(request: Request, layer: Layer, reasons: tuple[Reason, ...]) -> Decision:
    return _decision("implicit-deny", request, layer, reasons)


def _decision(effect: str, request: Request, layer: Layer, reasons: tuple[Reason, ...]) -> Decision:
    assert effect in ("allowed", "explicit-deny", "implicit-deny")
    return Decision(effect, request.action, layer, reasons)  # type: ignore[arg-type]
