"""What a repair must not do: open anything to others, or lose what was there before.

Every judgement is an evaluation of the documents as they stand, complete and not by samples; what
is found comes with a request that proves it. Nothing looks at what the learner typed. Not the end
alone is judged: each state since the lab began is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from rwlib.evaluate import Policies, Request, evaluate
from rwlib.labs.result import Mistake, Observed
from rwlib.labs.setup_calls import LabSetup
from rwlib.labs.states import ALLOWED_PRINCIPALS, LabState, document_of, read_states
from rwlib.sandbox import (
    CUSTOMER,
    OTHER_CLUSTER_ARN,
    RISINGWAVE_CLOUD,
    THIRD_PARTY,
    WORKLOAD_IDENTITY_ARN,
)
from rwlib.target import Target
from rwlib.verify import (
    ExcessGrant,
    LetIn,
    Passing,
    Situation,
    denials,
    excess_grants,
    newly_allowed,
    prefix_asked,
)
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
_ANY_ROLE = f"arn:aws:iam::{CUSTOMER}:role/any-role"
SERVICES = ("ec2.amazonaws.com", "lambda.amazonaws.com", "redshift.amazonaws.com")
# What each of the four settings kept from being said or from counting (S3 user guide, "Blocking
# public access to your Amazon S3 storage").
_PUBLIC: Mapping[str, str] = {
    "BlockPublicAcls": "s3:PutBucketAcl and s3:PutObjectAcl may make it public",
    "IgnorePublicAcls": "where an ACL says so, s3:GetObject is everybody's",
    "BlockPublicPolicy": "s3:PutBucketPolicy may make it public",
    "RestrictPublicBuckets": "where a policy says so, s3:GetObject is everybody's",
}
_SHOWN = 3
_UNIQUE_ID = re.compile(r"\bA(?:ROA|IDA)[A-Z0-9]{12,}(?![*?A-Z0-9])")
_TRUST = "the trust policy"
_BUCKET = "the bucket policy"
_KEY = "the key policy"
_TRUSTED: Mapping[LetIn, Mistake] = {
    "everybody": "trusts_everybody",
    "account": "trusts_account",
    "pattern": "trusts_pattern",
    "one": "trusts_another",
}


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
        The objects that were in the bucket when the lab began, by key, with their ETag where it
        was kept.
    """

    base: LabState
    states: tuple[LabState, ...]
    objects: Mapping[str, str] = field(default_factory=dict)

    @property
    def before(self) -> LabState:
        """The state in which the learner found the lab."""
        return self.states[0]

    @property
    def now(self) -> LabState:
        """The state as it stands."""
        return self.states[-1]


def read_history(
    setup: LabSetup, began: int, objects: Iterable[str] | Mapping[str, str]
) -> LabHistory:
    """Read what a lab's sandbox has kept since the lab was set up.

    Parameters
    ----------
    objects
        What was in the bucket when the lab began; of a lab of an older version the keys alone.

    Raises
    ------
    IndexError
        It has kept less than that.
    """
    states = read_states(setup.endpoint.history())
    if began >= len(states):
        raise IndexError(began)
    known = objects if isinstance(objects, Mapping) else dict.fromkeys(objects, "")
    return LabHistory(states[0], states[began:], known)


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


def strangers_let_in(setup: LabSetup, history: LabHistory) -> list[Observed]:
    """Name everybody who may assume the role now and should not, each with a request as proof."""
    return [
        _of_grant(each, setup.target)
        for each in _excess(setup, history.now, history.base)
        if each.by_trust
    ]


def too_much_granted(setup: LabSetup, history: LabHistory) -> list[Observed]:
    """Name what the role may do beside what the lab needs, each with a request as proof."""
    grants = _excess(setup, history.now, history.base)
    return [
        *(_of_grant(each, setup.target) for each in grants if not each.by_trust),
        *_let_in_elsewhere(setup, history, history.now),
    ]


def opened(setup: LabSetup, history: LabHistory) -> list[Observed]:
    """Name what was opened in any state since the lab began, and what is open now.

    A state in between counts: on a real account anybody could have used it meanwhile.
    """
    now = list(_opened(setup, history, history.now))
    known = {*history.base.allowed_principals, *history.before.allowed_principals}
    extra = sorted(set(history.now.allowed_principals) - known)
    own = history.now.role(setup.target.role_name)
    now += [
        Observed(
            f"{arn} was added to Allowed Principals: RisingWave may assume it too",
            "allowed_principal_added",
        )
        for arn in extra
        if own is None or arn != own["arn"]
    ]
    target = setup.target
    now += _emptied(setup, history.before, history.now)
    found = list(now)
    for state in history.states[1:-1]:
        grants = _excess(setup, state, history.before)
        then = [
            *(_of_grant(each, setup.target) for each in grants),
            *_let_in_elsewhere(setup, history, state),
            *_opened(setup, history, state),
            *_registered(state, known, target.role_name),
        ]
        if fresh := [each for each in then if each not in found]:
            when = f"after {state.call} at {state.at[11:19]} UTC, and closed again since"
            found.append(Observed(f"{when}: {fresh[0].line}", "closed_again"))
    return found[:_SHOWN] if len(found) <= _SHOWN else [*found[:_SHOWN], Observed(_more(found))]


def _emptied(setup: LabSetup, before: LabState, state: LabState) -> Iterator[Observed]:
    """Yield policies of the role that refuse nothing any more of what they refused in the bucket.

    A managed policy may be attached elsewhere, and holds there too. What has ended on a date is
    left as it was.
    """
    name, place = setup.target.role_name, f"arn:aws:s3:::{setup.target.bucket}"
    old, new = (dict((each.role(name) or {}).get("policies", ())) for each in (before, state))
    for arn in set(old) & set(new):
        was = _refusals(document_of(old[arn]))
        if not arn.startswith("arn:") or old[arn] == new[arn] or not was["Statement"]:
            continue
        now = denials(_without_dates(document_of(new[arn]) or _NOTHING))
        first, left = (
            next(
                newly_allowed(
                    each, was, place=place, account_id=CUSTOMER, only=(_ANY_ROLE,), alone=True
                ),
                None,
            )
            for each in (None, now)
        )
        if first is not None and left is None:
            asked = first.request.action
            line = f"{arn} refuses nothing any more of what it refused, such as {asked}"
            yield Observed(line, "guard_emptied")


def _refusals(document: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a document that allows everybody what another one refuses."""
    statements = _listed((document or _NOTHING)["Statement"])
    found = [{**each, "Effect": "Allow"} for each in statements if each.get("Effect") == "Deny"]
    return _as_resource_policy({**(document or _NOTHING), "Statement": found})


def _without_dates(document: Mapping[str, Any]) -> dict[str, Any]:
    statements = []
    for each in _listed(document["Statement"]):
        kept = {
            operator: tests
            for operator, tests in (each.get("Condition") or {}).items()
            if not {key.lower() for key in tests} <= {"aws:currenttime", "aws:epochtime"}
        }
        statements.append({**each, "Condition": kept})
    return {**document, "Statement": statements}


def _of_other_accounts(before: LabState, now: LabState) -> Iterator[Observed]:
    """Yield what was changed in accounts that are not the customer's, but for the registering."""
    for name in dict.fromkeys((*before.pieces, *now.pieces)):
        was, there = before.pieces.get(name), now.pieces.get(name)
        if _is_customers(name, was or there or {}) or _foreign(was) == _foreign(there):
            continue
        said = _said_of(was, there) if was and there else ""
        yield Observed(f"{name} was changed, and is another account's{said}", "others_changed")


def _foreign(piece: Mapping[str, Any] | None) -> Any:
    if piece is None:
        return None
    policies = [each for each in piece.get("policies", ()) if each[0] != ALLOWED_PRINCIPALS]
    return {**piece, "policies": policies, "tags": None}


def _registered(state: LabState, known: set[str], role_name: str) -> Iterator[Observed]:
    """Yield who was in Allowed Principals for a while, and let RisingWave in.

    An entry that names no role, such as one with a letter missing, opened nothing.
    """
    for arn in sorted(set(state.allowed_principals) - known):
        role = state.pieces.get(f"role {arn}")
        if role is None or role.get("name") == role_name:
            continue
        if may_assume(document_of(str(role["trust"])), arn, WORKLOAD_IDENTITY_ARN):
            line = f"{arn} was added to Allowed Principals: RisingWave may assume it too"
            yield Observed(line, "allowed_principal_added")


def lost(setup: LabSetup, history: LabHistory) -> list[Observed]:
    """Name what was right at the start and does not hold any more."""
    base, before, now, target = history.base, history.before, history.now, setup.target
    losses: list[Observed] = []
    ids = _other_ids(setup, history, now)
    for what, place, old, new, wanted, but in _documents(setup, history, now):
        for each in newly_allowed(new, old, place=place, account_id=CUSTOMER, but=but, but_ids=ids):
            if _without_tls(each.request):
                continue  # to refuse it is what AWS advises, and no SDK asks so
            if wanted is None or passes_through(each.request, wanted):
                line = f"{what} now refuses what it allowed: {each.line}"
                denied = not passes_through(each.request, denials(new))
                losses.append(Observed(line, "denies" if denied else "refuses_what_it_allowed"))
                break
    losses += _boundary_lost(before.situation(target), now.situation(target))
    losses += _settings(target.bucket, before, now)
    losses += _of_other_accounts(before, now)
    for name, piece in before.pieces.items():
        own = piece.get("name") == target.role_name or name == f"bucket {target.bucket}"
        if own or not _is_customers(name, piece):
            continue
        if name not in now.pieces:
            losses.append(_gone(name))
        elif not name.startswith("key ") and _plain(now.pieces[name]) != _plain(piece):
            said = _said_of(piece, now.pieces[name])
            line = f"{name} was changed, and is not part of the task{said}"
            losses.append(Observed(line, "others_changed"))
    gone = sorted(set(base.allowed_principals) & set(before.allowed_principals)
                  - set(now.allowed_principals))  # fmt: skip
    moved = _moved(before.role(target.role_name), now)
    losses += [
        Observed(f"Allowed Principals: {each} is gone; sts:AssumeRole on it is refused now", "gone")
        for each in gone
        if each != moved
    ]
    there = setup.contents() if history.objects else {}
    for key, tag in history.objects.items():
        if key not in there:
            losses.append(_gone(f"object {key}"))
        elif tag not in ("", there[key]):
            line = f"object {key} has another content: s3:GetObject gives what was not in it"
            losses.append(Observed(line, "others_changed"))
    return losses


def _moved(was: Mapping[str, Any] | None, now: LabState) -> str:
    """Return the ARN that the lab's role had, if it was made again under another path."""
    there = None if was is None else now.role(str(was["name"]))
    if was is None or there is None or there["arn"] not in now.allowed_principals:
        return ""
    return str(was["arn"]) if there["arn"] != was["arn"] else ""


def _without_tls(request: Request) -> bool:
    return any(
        key.lower() == "aws:securetransport" and str(value).lower() == "false"
        for key, value in request.context.items()
    )


def _said_of(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Say with one request what a change of somebody else's role or user lets through or refuses.

    Empty where nobody may do anything else than before.
    """
    arn = str(now.get("arn", ""))
    own = [_own_policies(each) for each in (before, now)]
    trusts = [document_of(str(each.get("trust", ""))) for each in (before, now)]
    for (old, new), place, alone in ((trusts, arn, False), (own, "*", True)):
        for then, later, what in ((old, new, "lets through"), (new, old, "refuses")):
            for each in newly_allowed(then, later, place=place, account_id=CUSTOMER, alone=alone):
                asked = f"{each.request.action} on {each.request.resource}"
                return f": it {what} {asked if alone else each.line}"
    return ""


def _own_policies(piece: Mapping[str, Any]) -> dict[str, Any]:
    """Put a principal's own policies together, to be compared as they stand."""
    documents = [document_of(str(text)) for _, text in piece.get("policies", ())]
    return {
        "Version": "2012-10-17",
        "Statement": [
            each
            for document in documents
            if document is not None
            for each in _as_resource_policy(document)["Statement"]
        ],
    }


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
            harmless = prefix_asked(request).rstrip("/") == setup.target.prefix.strip("/")
        return kind == "unused" and harmless

    found = excess_grants(
        setup.target,
        situation,
        WORKLOAD_IDENTITY_ARN,
        had=had.situation(setup.target),
        tolerated=tolerated,
        workload_id=state.workload_id,
    )
    return tuple(found)


def _let_in_elsewhere(setup: LabSetup, history: LabHistory, state: LabState) -> Iterator[Observed]:
    """Yield what policies of other buckets and keys give the lab's role, and did not before.

    Within an account the policy of a resource is enough by itself (IAM user guide, "Policy
    evaluation logic"), so the role's own policies say nothing of it.
    """
    role, target = state.role(setup.target.role_name), setup.target
    if role is None:
        return
    key = str((state.bucket(target.bucket) or {}).get("kms_key") or "")
    judged = {f"bucket {target.bucket}", f"key {key}"}  # with the role's own policies
    for name, piece in state.pieces.items():
        kind, _, what = name.partition(" ")
        if kind not in ("bucket", "key") or name in judged or not _is_customers(name, piece):
            continue
        place = f"arn:aws:s3:::{piece['name']}" if kind == "bucket" else str(piece["arn"])
        old, new = (_with_grants(each) for each in (history.base.pieces.get(name), piece))
        for each in newly_allowed(
            old, new, place=place, account_id=CUSTOMER, only=(str(role["arn"]),), alone=True
        ):
            line = f"the policy of {what} lets the role in: {each.line}"
            yield Observed(line, "more_than_needed")
            break


def _opened(setup: LabSetup, history: LabHistory, state: LabState) -> Iterator[Observed]:
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
            line = f"{what} lets through what it refused: {first.line}"
            yield Observed(line, None if what == _TRUST else _opened_kind(history, what, place))
    yield from _boundary_opened(setup, history, state)
    was, bucket = history.before.bucket(setup.target.bucket), state.bucket(setup.target.bucket)
    for name in sorted(
        set((was or {}).get("public_access_block", ()))
        - set((bucket or was or {}).get("public_access_block", ()))
    ):
        line = f"the bucket's {name} is off: {_PUBLIC.get(name, '')}".rstrip(": ")
        yield Observed(line, "public_access_opened")
    for grant in sorted(set((bucket or {}).get("acl", ())) - set((was or {}).get("acl", ()))):
        yield Observed(f"the bucket's ACL grants {grant}", "public_access_opened")
    for place in sorted(
        set((bucket or {}).get("copies_to", ())) - set((was or {}).get("copies_to", ()))
    ):
        line = f"the bucket copies each new object to {place}: s3:ReplicateObject"
        yield Observed(line, "bucket_policy_widened")
    yield from _newcomers(setup, history.before, state)


def _opened_kind(history: LabHistory, what: str, place: str) -> Mistake:
    """Tell a guard that the fault is in, and the learner opened too far, from any other policy."""
    if what == _KEY:
        return "key_policy_opened"
    name = f"bucket {place.rpartition(':')[2]}"
    base, before = (each.pieces.get(name, {}) for each in (history.base, history.before))
    at_fault = base.get("policy") != before.get("policy")
    return "bucket_policy_opened" if at_fault else "bucket_policy_widened"


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
            what = _BUCKET if bucket == target.bucket else f"the policy of {bucket}"
            place = f"arn:aws:s3:::{bucket}"
        elif name.startswith("key "):
            what, place = _KEY, str(piece["arn"])
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


def _boundary_opened(setup: LabSetup, history: LabHistory, state: LabState) -> Iterator[Observed]:
    """Yield what a boundary would let the role be granted now, and did not before."""
    before, now = (each.situation(setup.target) for each in (history.before, state))
    if before.boundary is None or now.boundary == before.boundary or now.trust_policy is None:
        return
    if now.boundary is None:
        old = _as_resource_policy(before.boundary[1])
        more = newly_allowed(old, denials(None), place="*", account_id=CUSTOMER, alone=True)
        asked = "".join(f": it may be granted {each.request.action}" for each in islice(more, 1))
        line = f"the role no longer has its permissions boundary{asked}"
        yield Observed(line, "boundary_removed")
        return
    everything = (("everything", _ALL),)
    first = next(
        (
            each
            for each in excess_grants(
                setup.target,
                # What is left open to a tag is open: whoever gives the role that tag has it.
                replace(now, identity=everything, trust_policy=_NOTHING, role_tags=None),
                WORKLOAD_IDENTITY_ARN,
                had=replace(before, identity=everything, role_tags=None),
            )
        ),
        None,
    )
    if first is not None:
        line = f"the boundary lets the role be granted {first.example}"
        yield Observed(line, "boundary_widened")
        return
    walls = newly_allowed(
        denials(before.boundary[1]), denials(now.boundary[1]), place="*", account_id=CUSTOMER
    )
    for each in walls:
        asked = f"{each.request.action} on {each.request.resource}"
        yield Observed(f"the boundary's Deny does not refuse any more: {asked}", "boundary_widened")
        return


def _boundary_lost(before: Situation, now: Situation) -> Iterator[Observed]:
    """Yield that a boundary is gone, or what it left room for and does not any more.

    By what it lets through, not by its name: another policy with the same reach is as good.
    """
    if before.boundary is None or now.boundary == before.boundary or now.trust_policy is None:
        return
    name = before.boundary[0]
    if now.boundary is None:
        yield Observed(f"the role's permissions boundary {name} is gone", "boundary_removed")
        return
    rooms = (_as_resource_policy(each) for each in (now.boundary[1], before.boundary[1]))
    for each in newly_allowed(*rooms, place="*", account_id=CUSTOMER, alone=True):
        if ":role/" in each.who:  # nothing bounds the root user
            line = f"the boundary now refuses what it allowed: {each.line}"
            yield Observed(line, "refuses_what_it_allowed")
            return


def _as_resource_policy(document: Mapping[str, Any]) -> dict[str, Any]:
    """Give a boundary everybody as its principal, so that two can be compared as they stand."""
    statements = [{**each, "Principal": "*"} for each in _listed(document["Statement"])]
    return {**document, "Statement": statements}


def _newcomers(setup: LabSetup, before: LabState, state: LabState) -> Iterator[Observed]:
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
                line = f"{name} was made, and is wider than needed: {each.line}"
                yield Observed(line, _mistake_of(each, target))
                break


def _settings(bucket: str, before: LabState, now: LabState) -> list[Observed]:
    """Name settings of the bucket and its key that are others now."""
    was, there = before.bucket(bucket) or {}, now.bucket(bucket)
    if there is None:
        return [_gone(f"bucket {bucket}")]
    titles = {
        "encryption": ("algorithm", "kms_key"),
        "bucket key": ("bucket_key",),
        "region": ("region",),
        "block public access": ("public_access_block",),
        "ownership": ("ownership",),
        "lifecycle": ("deletes_later",),
    }
    encrypts = f": s3:PutObject encrypts {_encryption(there)}, and did {_encryption(was)}"
    said = {
        "encryption": encrypts,
        "bucket key": encrypts,
        "ownership": ": it says whether an ACL that s3:PutObjectAcl writes counts",
        "lifecycle": f": s3:GetObject finds nothing where S3 has deleted {_deleted(there)}",
    }
    kinds: Mapping[str, Mistake] = {
        "encryption": "encryption_changed",
        "bucket key": "bucket_key_changed",
        "block public access": "public_access_opened",
        "ownership": "public_access_opened",
        "lifecycle": "others_changed",
    }
    changes = [
        Observed(
            f"the bucket's {title} was changed{said.get(title, '')}",
            kinds.get(title),
        )
        for title, names in titles.items()
        if any(there.get(name) != was.get(name) for name in names if name in was)
    ]
    for name, piece in before.pieces.items():
        state = (now.pieces.get(name) or {}).get("state")
        if name.startswith("key ") and state != piece["state"]:
            line = f"{piece['arn']} is {state}"
            line += ": kms:Decrypt with it is refused to everybody" * (state != "Enabled")
            changes.append(Observed(line, "key_switched_off") if state else _gone(piece["arn"]))
    return changes


def _deleted(bucket: Mapping[str, Any]) -> str:
    return " and ".join(bucket.get("deletes_later", ())) or "what it deleted all along"


def _encryption(bucket: Mapping[str, Any]) -> str:
    key = f" with {bucket['kms_key']}" if bucket.get("kms_key") else ""
    once = ", through a bucket key" if bucket.get("bucket_key") else ""
    return f"by {bucket.get('algorithm') or 'S3 itself'}{key}{once}"


def _is_customers(name: str, piece: Mapping[str, Any]) -> bool:
    account = piece.get("account") or name.split(":")[4]
    return str(account) == CUSTOMER


def _plain(piece: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is judged by what happens, or harms nobody."""
    return {key: value for key, value in piece.items() if key not in ("tags", "policy", "grants")}


def _of_grant(grant: ExcessGrant, target: Target) -> Observed:
    return Observed(grant.proof, _mistake_of(grant, target))


def _mistake_of(grant: ExcessGrant, target: Target) -> Mistake:
    if grant.by_trust:
        return _TRUSTED[grant.lets_in]
    if "*" in grant.resources:
        return "every_resource"
    prefix = target.prefix.strip("/")
    beside = (
        prefix_asked(grant.witness),
        grant.witness.resource.removeprefix(f"arn:aws:s3:::{target.bucket}/"),
    )
    if prefix and any(
        each.startswith(prefix) and each[len(prefix) :][:1] not in ("", "/") for each in beside
    ):
        return "prefix_pattern"
    return "more_than_needed"


def _gone(what: str) -> Observed:
    return Observed(f"{what} is gone", "gone")


def _more(found: Sequence[Observed]) -> str:
    return f"and {len(found) - _SHOWN} more"


def _listed(value: Any) -> list[Any]:
    return [value] if isinstance(value, Mapping) else list(value)
