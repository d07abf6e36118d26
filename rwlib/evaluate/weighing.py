"""The decision: which layers apply to a request, and what each of them must say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from rwlib.errors import InputError
from rwlib.evaluate.caller import ACCOUNT_ID, RequestCaller, caller_context, caller_of
from rwlib.evaluate.conditions import context_values
from rwlib.evaluate.documents import compile_levels, compile_policies
from rwlib.evaluate.layer import LayerMatch, look, look_at_levels
from rwlib.evaluate.matching import Subject
from rwlib.evaluate.model import Decision, Effect, Layer, Policies, Reason, Request
from rwlib.evaluate.principals import Grant

_ACTION = re.compile(r"[^:\s]+:[^:\s]+")
_ARN_ACCOUNT = re.compile(r"arn:[^:]*:[^:]*:[^:]*:(\d{12}):")
_ROLE = re.compile(r"arn:[^:]*:iam::\d{12}:role/")
_KEY = re.compile(r"arn:[^:]*:kms:[^:]*:\d{12}:key/")


@dataclass(frozen=True, slots=True)
class _Sides:
    """What the caller's side and the resource's side say, once nothing denies."""

    action: str
    caller: RequestCaller
    same_account: bool
    resource: LayerMatch
    identity: LayerMatch
    boundary: LayerMatch
    session: LayerMatch
    resource_decides: bool


def decide(
    policies: Policies, caller: RequestCaller, subject: Subject, account: str | None
) -> Decision:
    """Decide about a subject that was made of a request, as `evaluate` does."""
    trust = subject.action.startswith("sts:") and _ROLE.match(subject.resource) is not None
    key = subject.action.startswith("kms:") and _KEY.match(subject.resource) is not None
    resource_layer: Layer = "trust" if trust else "resource"

    scps = look_at_levels("scp", compile_levels(policies.scps, "scp"), subject)
    rcps = look_at_levels("rcp", compile_levels(policies.rcps, "rcp"), subject)
    # SCPs bind the principals of an account and nobody else; a service-linked role escapes both.
    guards = [*scps, *rcps] if caller.has_identity else rcps
    if caller.is_service_linked:
        guards = []
    resource = look(resource_layer, compile_policies(policies.resource, resource_layer), subject)
    identity = look("identity", compile_policies(policies.identity, "identity"), subject)
    boundary = look("boundary", compile_policies(policies.boundary, "boundary"), subject)
    session = look("session", compile_policies(policies.session, "session"), subject)

    ruled = _ruled(caller, subject)
    if ruled is not None and ruled.allowed:
        return ruled
    # A service, an identity provider and an anonymous caller have no policies of their own.
    own = (identity, boundary, session) if caller.has_identity else ()
    denials = [found for found in (*guards, resource, *own) if found.denies]
    if denials:
        reasons = tuple(reason for found in denials for reason in found.denial())
        return Decision("explicit-deny", subject.shown_action, denials[0].layer, reasons)
    for found in guards:
        if not found.allowed:
            return Decision("implicit-deny", subject.shown_action, found.layer, found.shortfall())
    return ruled or _weigh(
        _Sides(
            subject.shown_action,
            caller,
            caller.account == account,
            resource,
            identity,
            boundary,
            session,
            trust or key,
        )
    )


def _ruled(caller: RequestCaller, subject: Subject) -> Decision | None:
    """Answer what a service decides whatever the policies say.

    Source: AWS STS API Reference, GetCallerIdentity and AssumeRole.
    """
    effect: Effect
    if subject.action == "sts:getcalleridentity" and caller.has_identity:
        effect = "allowed"
        note = "sts:GetCallerIdentity needs no permission, and a Deny does not stop it"
    elif subject.action == "sts:assumerole" and caller.kind == "root":
        effect = "implicit-deny"
        note = "the root user of an account cannot assume a role; use a user or a role"
    else:
        return None
    return Decision(
        effect, subject.shown_action, "service", (Reason("service", "rule", note=note),)
    )


def _weigh(sides: _Sides) -> Decision:
    """Weigh the Allow statements, once nothing denies and the organization allows."""
    caller, resource, identity = sides.caller, sides.resource, sides.identity
    if not caller.has_identity:
        # Services, identity providers and anonymous callers have nothing but the resource's side.
        if resource.grant is Grant.DIRECT:
            return _allowed(sides, resource.layer, resource.approval())
        return _missing(sides, [resource])

    # The root user has no boundary and no session policies, and full access in its account.
    root = caller.kind == "root"
    limits = [] if root else [each for each in (sides.boundary, sides.session) if each.policies]
    exceeded = [found for found in limits if not found.allowed]
    within = tuple(reason for found in limits for reason in found.approval())
    # Source: AWS STS API Reference, GetFederationToken: no session policy, no permissions.
    powerless = caller.kind == "federated-user" and not sides.session.policies
    granted = resource.grant if sides.same_account else Grant.NONE

    if granted is Grant.DIRECT:
        return _allowed(sides, resource.layer, resource.approval(Grant.DIRECT))
    if granted is Grant.ROLE and not exceeded and not powerless:
        return _allowed(sides, resource.layer, resource.approval(Grant.ROLE) + within)
    if sides.same_account and sides.resource_decides and granted is Grant.NONE:
        return _missing(sides, [resource])

    lacking = [] if identity.allowed or root or granted is Grant.ROLE else [identity]
    lacking += exceeded
    if not sides.same_account and not resource.allowed:
        lacking.append(resource)
    if lacking:
        return _missing(sides, lacking)
    if powerless:
        note = "a federated user session that was given no session policy has no permissions"
        reason = Reason("session", "rule", note=note)
        return Decision("implicit-deny", sides.action, "session", (reason,))

    reasons = identity.approval()
    if root and not reasons:
        note = "the root user has full access in its account"
        reasons = (Reason("identity", "rule", note=note),)
    needed = not sides.same_account or sides.resource_decides
    return _allowed(sides, "identity", reasons + within + (resource.approval() if needed else ()))


def _allowed(sides: _Sides, layer: Layer, reasons: tuple[Reason, ...]) -> Decision:
    return Decision("allowed", sides.action, layer, reasons, sides.resource.cautions())


def _missing(sides: _Sides, lacking: list[LayerMatch]) -> Decision:
    reasons = tuple(reason for found in lacking for reason in found.shortfall())
    if sides.same_account and sides.resource.policies and lacking[0].layer == "identity":
        # The resource's policy could have granted it as well.
        reasons += sides.resource.delegation() + sides.resource.shortfall()
    return Decision("implicit-deny", sides.action, lacking[0].layer, reasons)


def subject_of(request: Request, policies: Policies) -> tuple[RequestCaller, Subject, str | None]:
    """Take a request apart: its caller, what statements are matched against, whose resource it is.

    Raises
    ------
    InputError
        Part of the request is malformed.
    """
    action, resource, account = request.action, request.resource, request.resource_account
    if not isinstance(action, str) or not _ACTION.fullmatch(action):
        raise InputError("action", action, 'must be written "service:Operation"')
    if not isinstance(resource, str) or not resource:
        raise InputError("resource", resource, 'must be an ARN, or "*" for an action without one')
    if account is not None and not (isinstance(account, str) and ACCOUNT_ID.fullmatch(account)):
        raise InputError("resource_account", account, "must be an account id of 12 digits")
    context = _given(request.context)

    arns = context.get("aws:principalarn", ())
    caller = caller_of(request.principal, arns[0] if len(arns) == 1 else None)
    if account is None:
        in_arn = _ARN_ACCOUNT.match(resource)
        account = in_arn[1] if in_arn else caller.account
    values = dict(caller_context(caller))
    if account is not None:
        values["aws:resourceaccount"] = (account,)
        if action.lower().startswith("s3:"):
            values["s3:resourceaccount"] = (account,)
    for key, found in context.items():
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


def _given(context: object) -> dict[str, tuple[str, ...]]:
    if not isinstance(context, Mapping):
        raise InputError("context", context, "must map condition keys to their values")
    given: dict[str, tuple[str, ...]] = {}
    for key, value in context.items():
        if not isinstance(key, str):
            raise InputError("context", key, "is not a condition key; keys are strings")
        given[key.lower()] = context_values(key, value)
    return given
