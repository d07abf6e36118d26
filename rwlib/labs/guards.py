"""What a repair must not do: open anything to others, or lose what was there before.

Every judgement is an evaluation of the documents as they stand, complete and not by samples; what
is found comes with a request that proves it. Nothing looks at what the learner typed. Not the end
alone is judged: each state since the lab began is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rwlib.evaluate import Policies, Request, evaluate
from rwlib.labs.setup_calls import LabSetup
from rwlib.labs.states import LabState, document_of, read_states
from rwlib.sandbox import (
    CUSTOMER,
    OTHER_CLUSTER_ARN,
    RISINGWAVE_CLOUD,
    THIRD_PARTY,
    WORKLOAD_IDENTITY_ARN,
)
from rwlib.verify import ExcessGrant, Passing, Situation, denials, excess_grants, newly_allowed
from rwlib.verify import passes as passes_through

_ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
_NOTHING: Mapping[str, Any] = {"Version": "2012-10-17", "Statement": []}
STRANGERS = {
    "another cluster of RisingWave Cloud": OTHER_CLUSTER_ARN,
    "any role of RisingWave's account": f"arn:aws:iam::{RISINGWAVE_CLOUD}:role/some-other-role",
    "a third party": f"arn:aws:iam::{THIRD_PARTY}:role/thirdparty-role",
    "any AWS account": "arn:aws:iam::999999999999:role/stranger",
    "an unrelated application of your account": f"arn:aws:iam::{CUSTOMER}:role/unrelated-app",
}
SERVICES = ("ec2.amazonaws.com", "lambda.amazonaws.com", "redshift.amazonaws.com")
_SHOWN = 3
_UNIQUE_ID = re.compile(r"\bA(?:ROA|IDA)[A-Z0-9]{12,}(?![*?A-Z0-9])")
_TRUST = "the trust policy"


@dataclass(frozen=True)
class LabHistory:
    """What a repair is judged against.

    Parameters
    ----------
    base
        The set-up before the fault was made.
    states
        Every state since the lab began, the one with the fault first, what stands now last.
    objects
        Keys of the objects that were in the bucket when the lab began.
    """

    base: LabState
    states: tuple[LabState, ...]
    objects: tuple[str, ...] = ()

    @property
    def before(self) -> LabState:
        """The state in which the learner found the lab."""
        return self.states[0]

    @property
    def now(self) -> LabState:
        """The state as it stands."""
        return self.states[-1]


def read_history(setup: LabSetup, began: int, objects: Iterable[str]) -> LabHistory:
    """Read what a lab's sandbox has kept since the lab was set up."""
    states = read_states(setup.endpoint.history())
    return LabHistory(states[0], states[began:], tuple(objects))


def may_assume(trust: Any, role_arn: str, principal: str | Mapping[str, str]) -> bool:
    """Whether a trust policy lets a principal in, whatever its own policies would say."""
    request = Request(principal, "sts:AssumeRole", role_arn, CUSTOMER)
    return evaluate(request, Policies(identity=[_ALL], resource=trust)).allowed


def who_may_assume(setup: LabSetup) -> dict[str, tuple[str, bool]]:
    """Return for the Workload Identity, strangers and services whether they may assume the role."""
    everyone: dict[str, str | Mapping[str, str]] = {
        "this cluster's Workload Identity": WORKLOAD_IDENTITY_ARN,
        **STRANGERS,
        **{service: {"Service": service} for service in SERVICES},
    }
    trust = setup.trust_policy()
    return {
        title: (
            principal if isinstance(principal, str) else title,
            trust is not None and may_assume(trust, setup.role_arn, principal),
        )
        for title, principal in everyone.items()
    }


def strangers_let_in(setup: LabSetup, history: LabHistory) -> list[str]:
    """Name everybody who may assume the role now and should not, each with a request as proof."""
    return [_grant_line(each) for each in _excess(setup, history.now, history.base) if _trust(each)]


def too_much_granted(setup: LabSetup, history: LabHistory) -> list[str]:
    """Name what the role may do beside what the lab needs, each with a request as proof."""
    found = _excess(setup, history.now, history.base)
    return [_grant_line(each) for each in found if not _trust(each)]


def opened(setup: LabSetup, history: LabHistory) -> list[str]:
    """Name what was opened in any state since the lab began, and what is open now.

    A state in between counts: on a real account anybody could have used it meanwhile.
    """
    now = list(_opened(setup, history, history.now))
    extra = sorted(set(history.now.allowed_principals) - set(history.base.allowed_principals))
    own = history.now.role(setup.target.role_name)
    now += [
        f"{arn} was added to Allowed Principals: RisingWave may assume it too"
        for arn in extra
        if own is None or arn != own["arn"]
    ]
    found = list(now)
    for state in history.states[1:-1]:
        grants = _excess(setup, state, history.before)
        lines = [_grant_line(each) for each in grants] + list(_opened(setup, history, state))
        if fresh := [line for line in lines if line not in found]:
            found.append(
                f"after {state.call} at {state.at[11:19]} UTC, and closed again since: {fresh[0]}"
            )
    return found[:_SHOWN] if len(found) <= _SHOWN else [*found[:_SHOWN], _more(found)]


def lost(setup: LabSetup, history: LabHistory) -> list[str]:
    """Name what was right at the start and does not hold any more."""
    base, before, now, target = history.base, history.before, history.now, setup.target
    found: list[str] = []
    ids = _other_ids(setup, history, now)
    for what, place, old, new, wanted, but in _documents(setup, history, now):
        for each in newly_allowed(new, old, place=place, account_id=CUSTOMER, but=but, but_ids=ids):
            if wanted is None or passes_through(each.request, wanted):
                found.append(f"{what} refuses now what it allowed: {each.line}")
                break
    found += _boundary_lost(before.situation(target), now.situation(target))
    found += _settings(target.bucket, before, now)
    for name, piece in before.pieces.items():
        own = piece.get("name") == target.role_name or name == f"bucket {target.bucket}"
        if own or not _is_customers(name, piece):
            continue
        if name not in now.pieces:
            found.append(f"{name} is gone")
        elif not name.startswith("key ") and _plain(now.pieces[name]) != _plain(piece):
            found.append(f"{name} was changed, and is not part of the task")
    gone = sorted(set(base.allowed_principals) & set(before.allowed_principals)
                  - set(now.allowed_principals))  # fmt: skip
    found += [f"Allowed Principals: {each} is gone" for each in gone]
    there = setup.keys() if history.objects else []
    return [*found, *(f"object {each} is gone" for each in history.objects if each not in there)]


def _excess(setup: LabSetup, state: LabState, had: LabState) -> tuple[ExcessGrant, ...]:
    """Return what the role may do, and who may assume it, beyond the need and a state before."""
    situation = state.situation(setup.target)
    if situation.trust_policy is None:
        return ()

    def tolerated(request: Request, level: str, kind: str) -> bool:
        # To look at what is its own harms nobody, and AWS's own examples for a key's users list it.
        harmless = level in "RL" or request.action.startswith("kms:")
        if setup.lab.nothing_more:
            # The place's own name with its slash or without: which one a listing asks for depends
            # on how the sink's path is written.
            prefix = str(request.context.get("s3:prefix", ""))
            harmless = prefix.rstrip("/") == setup.target.prefix.strip("/")
        return kind == "unused" and harmless

    found = excess_grants(
        setup.target,
        situation,
        WORKLOAD_IDENTITY_ARN,
        had=had.situation(setup.target),
        tolerated=tolerated,
    )
    return tuple(found)


def _opened(setup: LabSetup, history: LabHistory, state: LabState) -> Iterator[str]:
    """Yield what a state lets through beside the role's own policies, and its beginning did not."""
    ids = _other_ids(setup, history, state)
    for what, place, old, new, _, but in _documents(setup, history, state):
        first: Passing | None = None
        # Whom a trust policy lets in is judged with all that the lab needs, Redshift included.
        pairs = [(old, new, False), (old, new, True)] if what != _TRUST else []
        for before, now, alone in (*pairs, (denials(old), denials(new), False)):
            passing = newly_allowed(
                before, now, place=place, account_id=CUSTOMER, but=but, but_ids=ids, alone=alone
            )
            first = first or next(passing, None)
        if first is not None:
            yield f"{what} lets through what it refused: {first.line}"
    yield from _boundary_opened(setup, history, state)
    was, bucket = history.before.bucket(setup.target.bucket), state.bucket(setup.target.bucket)
    for name in sorted(
        set((was or {}).get("public_access_block", ()))
        - set((bucket or was or {}).get("public_access_block", ()))
    ):
        yield f"the bucket's {name} is off"
    for grant in sorted(set((bucket or {}).get("acl", ())) - set((was or {}).get("acl", ()))):
        yield f"the bucket's ACL grants {grant}"
    yield from _newcomers(setup, history.before, state)


def _documents(
    setup: LabSetup, history: LabHistory, state: LabState
) -> Iterator[tuple[str, str, Any, Any, Any, tuple[str, ...]]]:
    """Yield each document on a resource: what, where, then, now, what must hold, who is exempt.

    The lab's role is judged by all its policies together, the Workload Identity by trying.
    """
    target, before = setup.target, history.before
    own = tuple(
        str(role["arn"]) for each in (before, state) if (role := each.role(target.role_name))
    )
    for name, piece in before.pieces.items():
        there, base = state.pieces.get(name), history.base.pieces.get(name)
        if there is None or not _is_customers(name, piece):
            continue
        if name.startswith("bucket "):
            bucket = str(piece["name"])
            what = "the bucket policy" if bucket == target.bucket else f"the policy of {bucket}"
            place = f"arn:aws:s3:::{bucket}"
        elif name.startswith("key "):
            what, place = "the key policy", str(piece["arn"])
        else:
            continue
        documents = [_with_grants(each) for each in (piece, there, base)]
        yield what, place, documents[0], documents[1], documents[2], own
    was, role = before.role(target.role_name), state.role(target.role_name)
    if was is not None and role is not None:
        base_role = history.base.role(target.role_name) or was
        old, new, base_trust = (document_of(each["trust"]) for each in (was, role, base_role))
        yield (
            _TRUST, str(role["arn"]), old, new, base_trust, (WORKLOAD_IDENTITY_ARN,)
        )  # fmt: skip


def _other_ids(setup: LabSetup, history: LabHistory, state: LabState) -> tuple[str, ...]:
    """Return the unique ids that no other principal has: those of the lab's role, and of nobody.

    An id is never given twice (IAM user guide, "IAM identifiers"), so one that a document names
    and no principal has lets nobody through.
    """
    name, states = setup.target.role_name, (history.before, state)
    principals = [piece for each in states for piece in each.pieces.values() if piece.get("id")]
    known = {str(each["id"]) for each in principals}
    own = {str(role["id"]) for each in states if (role := each.role(name)) and role.get("id")}
    named = {
        found
        for each in states
        for piece in each.pieces.values()
        for found in _UNIQUE_ID.findall(str(piece.get("policy", "")))
    }
    return tuple(sorted(own | (named - known)))


def _with_grants(piece: Mapping[str, Any] | None) -> Any:
    """Return a bucket's or key's policy, with a key's grants as the statements they amount to."""
    if piece is None:
        return None
    document = document_of(piece["policy"])
    if not piece.get("grants"):
        return document
    statements = [
        {
            "Effect": "Allow",
            "Principal": {"AWS": each["principal"]},
            "Action": [f"kms:{name}" for name in each["operations"]],
            "Resource": "*",
        }
        for each in piece["grants"]
    ]
    return {**(document or _NOTHING),
            "Statement": [*_listed((document or _NOTHING)["Statement"]), *statements]}  # fmt: skip


def _boundary_opened(setup: LabSetup, history: LabHistory, state: LabState) -> Iterator[str]:
    """Yield what a boundary would let the role be granted now, and did not before."""
    before, now = (each.situation(setup.target) for each in (history.before, state))
    if before.boundary is None or now.boundary == before.boundary or now.trust_policy is None:
        return
    if now.boundary is None:
        yield "the role is without its permissions boundary"
        return
    everything = (("everything", _ALL),)
    first = next(
        (
            each
            for each in excess_grants(
                setup.target,
                replace(now, identity=everything, trust_policy=_NOTHING),
                WORKLOAD_IDENTITY_ARN,
                had=replace(before, identity=everything),
            )
        ),
        None,
    )
    if first is not None:
        request = first.witness
        yield f"the boundary lets the role be granted {request.action} on {request.resource}"
        return
    walls = newly_allowed(
        denials(before.boundary[1]), denials(now.boundary[1]), place="*", account_id=CUSTOMER
    )
    for each in walls:
        yield f"the boundary's Deny is gone: {each.request.action} on {each.request.resource}"
        return


def _boundary_lost(before: Situation, now: Situation) -> Iterator[str]:
    """Yield that a boundary is gone, or what it left room for and does not any more.

    By what it lets through, not by its name: another policy with the same reach is as good.
    """
    if before.boundary is None or now.boundary == before.boundary or now.trust_policy is None:
        return
    name = before.boundary[0]
    if now.boundary is None:
        yield f"the role's permissions boundary {name} is gone"
        return
    rooms = (_as_resource_policy(each) for each in (now.boundary[1], before.boundary[1]))
    for each in newly_allowed(*rooms, place="*", account_id=CUSTOMER, alone=True):
        if ":role/" in each.who:  # nothing bounds the root user
            yield f"the boundary refuses now what it allowed: {each.line}"
            return


def _as_resource_policy(document: Mapping[str, Any]) -> dict[str, Any]:
    """Give a boundary everybody as its principal, so that two can be compared as they stand."""
    statements = [{**each, "Principal": "*"} for each in _listed(document["Statement"])]
    return {**document, "Statement": statements}


def _newcomers(setup: LabSetup, before: LabState, state: LabState) -> Iterator[str]:
    """Yield what users and roles may do that were made since, as if they were the lab's role."""
    for name, piece in state.pieces.items():
        made = name not in before.pieces and piece.get("name") != setup.target.role_name
        if not made or piece.get("kind") not in ("role", "user") or not _is_customers(name, piece):
            continue
        situation = state.situation_of(piece, setup.target)
        situation = replace(situation, trust_policy=situation.trust_policy or _NOTHING)
        target = setup.target.model_copy(update={"role_name": piece["name"]})
        for each in excess_grants(target, situation, WORKLOAD_IDENTITY_ARN):
            if each.kind == "outside":
                yield f"{name} was made, and is wider than needed: {each.line}"
                break


def _settings(bucket: str, before: LabState, now: LabState) -> list[str]:
    """Name settings of the bucket and its key that are others now."""
    was, there = before.bucket(bucket) or {}, now.bucket(bucket)
    if there is None:
        return [f"bucket {bucket} is gone"]
    titles = {
        "encryption": ("algorithm", "kms_key", "bucket_key"),
        "region": ("region",),
        "block public access": ("public_access_block",),
        "ownership": ("ownership",),
    }
    found = [
        f"the bucket's {title} was changed"
        for title, names in titles.items()
        if any(there[name] != was[name] for name in names)
    ]
    for name, piece in before.pieces.items():
        state = (now.pieces.get(name) or {}).get("state")
        if name.startswith("key ") and state != piece["state"]:
            found.append(f"{piece['arn']} is {state or 'gone'}")
    return found


def _is_customers(name: str, piece: Mapping[str, Any]) -> bool:
    account = piece.get("account") or name.split(":")[4]
    return str(account) == CUSTOMER


def _plain(piece: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is judged by what happens, or harms nobody."""
    return {key: value for key, value in piece.items() if key not in ("tags", "policy", "grants")}


def _trust(grant: ExcessGrant) -> bool:
    return grant.sources == (_TRUST,)


def _grant_line(grant: ExcessGrant) -> str:
    return grant.line.rpartition(" [")[0]


def _more(found: Sequence[str]) -> str:
    return f"and {len(found) - _SHOWN} more"


def _listed(value: Any) -> list[Any]:
    return [value] if isinstance(value, Mapping) else list(value)
