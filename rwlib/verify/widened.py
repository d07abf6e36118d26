"""What a document lets through now and did not before, each with a request as proof.

Two versions of one policy are compared: a bucket's, a key's, a trust policy, or the Deny statements
of a boundary. Principals, resources and the values of condition keys are taken one for each way in
which the statements of both versions can come out (`rwlib.evaluate.containment`), so that nothing
is left to samples; whether a request goes through is decided by the evaluator.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any

from rwlib.evaluate import (
    ANY,
    PatternToken,
    Policies,
    Request,
    arn_tokens,
    cells,
    evaluate,
    literal_tokens,
)
from rwlib.steps import principals_of, statements_of
from rwlib.verify.deciding import role_session
from rwlib.verify.grants import (
    TestedKeys,
    _shape_tokens,
    _Statement,
    actions_matcher,
    tested_tokens,
    too_many,
)
from rwlib.verify.iam_actions import IamAction, actions_like, unlisted

_MOST = 30_000
_STRANGER = "999999999999"
_OF_PRINCIPAL = frozenset(
    {
        "aws:principalarn",
        "aws:principalaccount",
        "aws:principaltype",
        "aws:userid",
        "aws:username",
        "kms:calleraccount",
    }
)
_EVERYTHING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}

Document = Mapping[str, Any] | None


@dataclass(frozen=True)
class Passing:
    """A request that one version lets through and the other does not."""

    request: Request
    who: str

    @property
    def line(self) -> str:
        """The request in plain words."""
        shown = {
            key: value
            for key, value in self.request.context.items()
            if key.lower() not in _OF_PRINCIPAL
        }
        where = "".join(f", with {key} {value}" for key, value in shown.items())
        return f"{self.request.action} on {self.request.resource} by {self.who}{where}"


def denials(document: Document) -> dict[str, Any]:
    """Return a document that lets everybody do everything but what its Deny statements refuse."""
    everybody = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}
    found: list[dict[str, Any]] = [everybody]
    for each in statements_of(document or {"Statement": []}):
        if each.get("Effect") == "Deny":
            place = {} if "NotPrincipal" in each else {"Principal": "*"}
            found.append({"Resource": "*", **place, **each} if "NotResource" not in each else
                         {**place, **each})  # fmt: skip
    return {"Version": (document or {}).get("Version", "2012-10-17"), "Statement": found}


def newly_allowed(
    before: Document,
    now: Document,
    *,
    place: str,
    account_id: str,
    but: Sequence[str] = (),
    but_ids: Sequence[str] = (),
    alone: bool = False,
    only: Sequence[str] = (),
) -> Iterator[Passing]:
    """Yield requests that a document lets through now and did not before.

    Nobody's own policies stand in the way: every principal is taken to be allowed everything on
    its own side, or, when the document is judged ``alone``, nothing.

    Parameters
    ----------
    place
        ARN of what the document protects; for a bucket its objects are meant too. ``*`` stands
        for everything.
    account_id
        The account that owns it.
    but
        ARNs of roles that are judged elsewhere and left out here.
    but_ids
        Unique ids of those roles; no other principal's ``aws:userid`` begins with one of them.
    alone
        Whether the document has to let a request through by itself, as a key policy does that
        names a role of its own account.
    only
        ARNs of the roles that are asked about; nobody else is then.

    Raises
    ------
    PatternTooLargeError
        There are more requests than can be looked at; after those that were found.
    """
    if before == now:
        return
    statements = [
        _Statement(name, "resource", each, (document or {}).get("Version") == "2012-10-17")
        for name, document in (("before", before), ("now", now))
        for each in statements_of(document or {"Statement": []})
    ]
    # Of these services S3 alone answers a request without credentials (Amazon S3 User Guide,
    # "Making requests").
    anonymous = place == "*" or place.startswith("arn:aws:s3:")
    tried, undecided = 0, False
    for action in _actions(statements, place):
        own = [each for each in statements if each.matches(action.name.lower())]
        asked = ((role_session(arn, "session"), arn) for arn in only)
        principals = [
            each
            for each in (asked if only else _principals(own, account_id, but))
            if each[1] not in but and (each[1] or anonymous)
        ]
        contexts, more = _contexts(own, action)
        undecided = undecided or more
        for resource in _resources(own, action, place):
            for (principal, arn), context in product(principals, contexts):
                tried += 1
                if tried > _MOST:
                    raise too_many("a policy")
                for named in _as_whom(own, arn, but_ids):
                    request = Request(
                        principal, action.name, resource, account_id, {**named, **context}
                    )
                    if _passes(request, now, alone) and not _passes(request, before, alone):
                        yield Passing(request, arn or "anybody, without credentials")
    if undecided:
        raise too_many("a policy")


def passes(request: Request, document: Document) -> bool:
    """Tell whether a document lets a request through, its caller's own side allowing it."""
    return _passes(request, document)


def _passes(request: Request, document: Document, alone: bool = False) -> bool:
    named = isinstance(request.principal, str) and request.principal != "*"
    identity = [("their own side", _EVERYTHING)] if named and not alone else []
    return evaluate(request, Policies(identity=identity, resource=document)).allowed


def _actions(statements: Sequence[_Statement], place: str) -> tuple[IamAction, ...]:
    """Return one action for each set of statements that speak of the same actions."""
    spoken = dict.fromkeys((each.actions, each.not_actions) for each in statements)
    return _telling(tuple(spoken), place)


@lru_cache(maxsize=64)
def _telling(
    spoken: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...], place: str
) -> tuple[IamAction, ...]:
    """Return one action for each set of what statements speak of; remembered, for it is slow.

    Two versions of a document are compared in both directions, and by themselves, each time with
    the same statements.
    """
    service = place.split(":")[2] if place != "*" else ""
    if service == "iam":
        service = "sts"
    seen: set[tuple[bool, ...]] = set()
    found = []
    known = dict(actions_like(f"{service or '*'}:*"))
    named = [
        text.lower()
        for actions, excluded in spoken
        for text in (*actions, *excluded)
        if ":" in text and not set(text) & {"*", "?"}
    ]
    matchers = [actions_matcher(*each) for each in spoken]
    for name in (*named, *known):
        if service and not name.startswith(f"{service}:"):
            continue
        action = known.get(name) or unlisted(name)
        matching = tuple(matches(name) for matches in matchers)
        shapes = action.shapes if service == "s3" else ()
        if (
            place.startswith("arn:aws:s3:")
            and action.listed
            and not any(_place_of(shape, place) for shape in shapes)
        ):
            continue
        kinds = tuple(bool(_place_of(shape, place)) and "/" in shape for shape in shapes)
        signature = (*matching, *sorted(kinds))
        if not any(matching) or signature in seen:
            continue
        seen.add(signature)
        found.append(action)
    return tuple(found)


def _place_of(shape: str, place: str) -> tuple[PatternToken, ...]:
    """Return the ARNs of a shape at a place; nothing when the shape lies elsewhere."""
    if shape == "arn:${Partition}:s3:::${BucketName}":
        return literal_tokens(place)
    if shape == "arn:${Partition}:s3:::${BucketName}/${ObjectName}":
        return (*literal_tokens(f"{place}/"), *_shape_tokens("${ObjectName}", ""))
    return ()


def _resources(statements: Sequence[_Statement], action: IamAction, place: str) -> list[str]:
    if not place.startswith("arn:aws:s3:") and place != "*":
        return [place]
    patterns = []
    for each in statements:
        for text in (*each.resources, *each.not_resources):
            tokens = arn_tokens(text, variables=each.variables)
            if tokens and text != "*" and tokens not in patterns:
                patterns.append(tokens)
    if place == "*":
        # Whatever is asked for has a name.
        named: tuple[PatternToken, ...] = (PatternToken(frozenset(), negated=True), ANY)
        shapes = [named]
    else:
        shapes = [found for shape in action.shapes if (found := _place_of(shape, place))]
        shapes = shapes or [literal_tokens(place)]
    texts = [text for shape in shapes for text in cells([shape], patterns).values() if text]
    return texts or ["*"]


def _as_whom(
    statements: Sequence[_Statement], arn: str, but_ids: Sequence[str]
) -> Iterator[dict[str, str]]:
    """Yield what a request says of its principal: its ARN, and its id where statements ask for it.

    A role's session has the role's unique id, a colon and the session's name, a user its unique
    id, the root user the account's number (IAM user guide, "Using wildcards with aws:userid" and
    "IAM identifiers": the ids of roles begin with ``AROA``, those of users with ``AIDA``).
    """
    if ":iam:" not in arn:
        yield {}
        return
    named = {"aws:PrincipalArn": arn}
    if any(key == "kms:calleraccount" for each in statements for _, key, _, _ in each.tests):
        named["kms:CallerAccount"] = arn.split(":")[4]
    patterns = [
        tokens
        for statement in statements
        for operator, key, _, values in statement.tests
        for value in values
        if key == "aws:userid" and (tokens := tested_tokens(operator, value, statement.variables))
    ]
    if not patterns:
        yield named
        return
    if arn.endswith(":root"):
        yield {**named, "aws:userid": arn.split(":")[4]}
        return
    letters = PatternToken(frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
    any_letters = PatternToken(letters.characters, many=True)
    shape = [*literal_tokens("AROA" if _is_role(arn) else "AIDA"), letters, any_letters]
    if _is_role(arn):
        name = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+=,.@-")
        shape += [*literal_tokens(":"), PatternToken(name), PatternToken(name, many=True)]
    # An id has 21 characters: nobody else's begins with a whole one.
    theirs = tuple(each if len(each) > 20 else f"{each}:" for each in but_ids)
    patterns += [(*literal_tokens(each), ANY) for each in theirs]
    for text in cells([shape], list(dict.fromkeys(patterns))).values():
        if text and not text.startswith(theirs):
            yield {**named, "aws:userid": text}


def _contexts(
    statements: Sequence[_Statement], action: IamAction
) -> tuple[list[dict[str, str]], bool]:
    keys = TestedKeys()
    for each in statements:
        for operator, key, shown, values in each.tests:
            if key not in _OF_PRINCIPAL and action.may_carry(key):
                keys.add(operator, key, shown, values, each.variables)
    return keys.contexts()


def _principals(
    statements: Sequence[_Statement], account_id: str, but: Sequence[str]
) -> Iterator[tuple[str | dict[str, str], str]]:
    """Yield principals, one for each way in which the statements can tell them apart.

    Those that are left out afterwards stand for themselves alone, and for nobody whom a pattern
    fits as well.
    """
    yield "*", ""
    accounts = dict.fromkeys((account_id, _STRANGER))
    arns: list[str] = []
    for statement in statements:
        for service in principals_of(statement.document, "Service"):
            if service != "*":
                yield {"Service": service}, service
        for name in (*principals_of(statement.document), *_not_principals(statement.document)):
            if name.startswith("arn:aws:iam:") and not name.endswith(":root"):
                arns.append(name)
            elif account := _account_of(name):
                accounts[account] = None
    tested = [
        (operator, value, key, statement.variables)
        for statement in statements
        for operator, key, _, values in statement.tests
        if key in ("aws:principalarn", "aws:principalaccount")
        for value in values
    ]
    accounts |= dict.fromkeys(filter(None, (_account_of(value) for _, value, _, _ in tested)))
    patterns = [
        tokens
        for operator, value, key, variables in tested
        if key == "aws:principalarn" and (tokens := tested_tokens(operator, value, variables))
    ]
    patterns = list(dict.fromkeys([*patterns, *map(literal_tokens, but)]))
    for account in accounts:
        arns.append(f"arn:aws:iam::{account}:root")
        arns.append(f"arn:aws:iam::{account}:role/any-role")
        for kind in ("role", "user"):
            shape = tuple(_shape_tokens(f"arn:aws:iam::{account}:{kind}/${{Name}}", account))
            arns += [text for text in cells([shape], patterns).values() if text]
    for arn in dict.fromkeys(arns):
        yield (role_session(arn, "session") if _is_role(arn) else arn), arn


def _is_role(arn: str) -> bool:
    """Tell a role from a user: the path of either may have colons in it."""
    return arn.split(":", 5)[-1].startswith("role/")


def _account_of(name: str) -> str:
    """Return the account that an ARN or a bare account id names; empty for a pattern."""
    account = (name.split(":") + [""] * 5)[4] if name.startswith("arn:") else name
    return account if len(account) == 12 and account.isdigit() else ""


def _not_principals(statement: Mapping[str, Any]) -> list[str]:
    given = statement.get("NotPrincipal") or {}
    if isinstance(given, str):
        return [given]
    found = given.get("AWS", [])
    return [found] if isinstance(found, str) else list(found)
