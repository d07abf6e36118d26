"""What AWS sees of each request of this job: every condition key, as far as it can be known here.

A key of a request is known with its value, certainly absent (None), or unknown (`Unknown`, with
what is known of its values). Checks, probes, previews and the diagnosis all judge with these
models. The sandbox never does: it builds its keys from the request that it receives, so that the
two can be compared.

Sources, where a line names no other: IAM User Guide, "AWS global condition context keys" and "IAM
and AWS STS condition context keys"; Service Authorization Reference for Amazon S3, AWS KMS, AWS
Glue and AWS STS; RisingWave's sources (opendal 0.55, reqsign 0.16.5) for what its clients send.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple, cast

from rwlib.evaluate.conditions import hangs_on
from rwlib.evaluate.documents import PolicyStatement, compile_policies
from rwlib.evaluate.evaluator import evaluate
from rwlib.evaluate.model import Decision, GivenPolicy, Layer, Policies, Request, Unknown
from rwlib.evaluate.operators import moment
from rwlib.evaluate.patterns import variables_of

Facts = Mapping[str, Any]
"""Condition key to its value, None where it is certainly absent, or an `Unknown`."""

OPENDAL_SESSION = "reqsign"
"""Session name of RisingWave's S3 client (reqsign 0.16.5; CloudTrail shows it, issue 25921)."""

SESSION_NAME_KEY = "the name of RisingWave's session"
_ANYBODY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:*"}],
}
_SOMEBODY = "session-name-of-risingwave"


@dataclass(frozen=True)
class RequestModel:
    """One request, with everything that is known of its condition keys.

    Parameters
    ----------
    ways
        Facts that belong together, of which one set is true: a request comes through the
        internet, or through an endpoint of a VPC.
    open_session
        Role whose session makes the request under a name that nobody here knows; empty otherwise.
    """

    principal: str
    action: str
    resource: str
    resource_account: str
    facts: Facts = field(default_factory=dict)
    ways: tuple[Facts, ...] = ()
    open_session: str = ""

    def with_facts(self, facts: Facts) -> RequestModel:
        """Return the request with further keys, or other values of its keys."""
        lower = {key.lower() for key in facts}
        kept = {key: value for key, value in self.facts.items() if key.lower() not in lower}
        return replace(self, facts={**kept, **facts})


def judge_all(models: Iterable[RequestModel], policies: Policies) -> Decision:
    """Decide about requests that must all be allowed: the first that is not decides."""
    return _worst([judge(model, policies) for model in models])


def judge_any(models: Iterable[RequestModel], trust_policy: GivenPolicy | None) -> Decision:
    """Decide about one caller that has several names: one let in, and none denied.

    Source: IAM User Guide, ``aws:PrincipalServiceNamesList``: all names are the caller's.
    """
    models = list(models)
    order = ("explicit-deny", "allowed", "depends", "implicit-deny")
    trust = Policies(resource=trust_policy)
    best = min((judge(each, trust) for each in models), key=lambda one: order.index(one.effect))
    if not best.allowed:
        return best
    # Under another name it may meet a Deny that hangs on what is unknown.
    guards = Policies(resource=[each for each in (trust_policy, _ANYBODY) if each])
    met = (judge(each, guards) for each in models)
    return next((each for each in met if not each.allowed), best)


def _worst(decisions: list[Decision]) -> Decision:
    order = ("explicit-deny", "implicit-deny", "depends", "allowed")
    return min(decisions, key=lambda each: order.index(each.effect))


class _Tried(NamedTuple):
    """What was decided for one name of the session and one way of the request."""

    name: str
    way: Facts
    decision: Decision


def judge(model: RequestModel, policies: Policies) -> Decision:
    """Decide about a request: what holds whatever the unknown keys are, or on what it depends."""
    text = repr(policies)
    facts, ways = model.facts, model.ways or ({},)
    if "\\" not in text:  # an escape may hide a key
        named = _named_in(text.lower(), (*facts, *(key for way in ways for key in way)))
        facts = {key: each for key, each in facts.items() if key in named}
        ways = tuple({key: each for key, each in way.items() if key in named} for way in ways)
    model = replace(model, facts=facts, ways=ways)
    what = model.principal, model.action, model.resource, model.resource_account
    asked = *what, model.open_session, text, *(tuple(each.items()) for each in (facts, *ways))
    try:
        found = _judged.get(asked)
    except TypeError:  # a fact has several values
        return _judge(model, policies)
    if found is None:
        if len(_judged) >= _MOST_JUDGED:
            _judged.clear()
        found = _judged[asked] = _judge(model, policies)
    return found


_judged: dict[tuple[object, ...], Decision] = {}
_MOST_JUDGED = 1024


@lru_cache(maxsize=256)
def _named_in(text: str, keys: tuple[str, ...]) -> frozenset[str]:
    """Return the keys that a text names, in a condition or a variable; others decide nothing."""
    always = ("aws:principalarn",)  # it also says who asks
    return frozenset(
        key for key in keys if key.lower() in always or key.lower().rstrip("*") in text
    )


def _judge(model: RequestModel, policies: Policies) -> Decision:
    tried = []
    ways = model.ways
    if len(ways) > 1 and not _network_keys(policies):
        ways = ways[:1]
    for name, principal in _principals(model, policies):
        for way in ways:
            facts = {**model.facts, **way}
            known = {key: each for key, each in facts.items() if not isinstance(each, Unknown)}
            unknown = {
                key: each
                for key, each in facts.items()
                if each is None or isinstance(each, Unknown)
            }
            request = Request(
                principal, model.action, model.resource, model.resource_account, known
            )
            tried.append(_Tried(name, way, evaluate(request, policies, unknown)))
    return _joined(tried, policies)


def _joined(tried: list[_Tried], policies: Policies) -> Decision:
    effects = {each.decision.effect for each in tried}
    if len(effects) == 1 and effects != {"depends"}:
        return tried[0].decision
    if effects == {"explicit-deny", "implicit-deny"}:
        return next(each.decision for each in tried if each.decision.effect == "implicit-deny")
    by_name: dict[str, list[str]] = {}
    by_way: dict[int, list[str]] = {}
    for each in tried:
        by_name.setdefault(each.name, []).append(each.decision.effect)
        by_way.setdefault(id(each.way), []).append(each.decision.effect)
    on_name = len({tuple(each) for each in by_name.values()}) > 1
    on_way = len({tuple(each) for each in by_way.values()}) > 1
    keys = {SESSION_NAME_KEY: None} if on_name else {}
    for each in tried:
        keys |= dict.fromkeys(each.decision.depends_on)
    network = _network_keys(policies) if on_way else ()
    if on_way and not {key.lower() for key in keys} & {key.lower() for key in network}:
        keys |= dict.fromkeys(network)
    allowing: dict[tuple[tuple[str, str], ...], None] = {}
    for each in tried:
        told = {SESSION_NAME_KEY: each.name} if on_name else {}
        if each.decision.allowed:
            for key in network:
                absent = each.way[_as_known(each.way, key)] is None
                told[key] = "absent" if absent else "present"
            allowing[tuple(told.items())] = None
        for more in each.decision.would_allow:
            allowing[tuple({**told, **more}.items())] = None
    doubtful = [each.decision for each in tried if each.decision.effect == "depends"]
    refused = [each.decision for each in tried if not each.decision.allowed]
    shown = tuple(dict(each) for each in allowing if each)
    return replace(
        (doubtful or refused)[0], effect="depends", depends_on=tuple(keys), would_allow=shown
    )


def _network_keys(policies: Policies) -> tuple[str, ...]:
    """Name the keys of the network that the policies look at, also to fill in variables."""
    names = {key.lower(): key for key in _ENDPOINT}
    found: dict[str, str] = {}
    for statement in _statements(policies):
        for test in statement.conditions:
            if test.key in names:
                found.setdefault(test.key, test.shown_key)
            found |= {key: names[key] for key in hangs_on(test) & names.keys() - found.keys()}
        for template in statement.resources.templates if statement.resources else ():
            filled = variables_of(template) & names.keys()
            found |= {key: names[key] for key in filled - found.keys()}
    return tuple(found.values())


def _as_known(way: Facts, key: str) -> str:
    return next(each for each in way if each.lower() == key.lower())


def _statements(policies: Policies) -> Iterator[PolicyStatement]:
    for layer, given in (
        ("resource", policies.resource),
        ("identity", policies.identity),
        ("boundary", policies.boundary),
    ):
        if given is not None:
            for policy in compile_policies(given, cast("Layer", layer)):
                yield from policy.statements


def _principals(model: RequestModel, policies: Policies) -> Iterator[tuple[str, str]]:
    """Yield every principal that the request may come from, as far as policies tell them apart."""
    if not model.open_session:
        yield "", model.principal
        return
    account, role = model.principal.split(":")[4], model.open_session
    start = f"arn:{model.principal.split(':')[1]}:sts::{account}:assumed-role/{role}/"
    names = [_SOMEBODY]
    for statement in _statements(Policies(resource=policies.resource)):
        for _, value in statement.principals.entries if statement.principals else ():
            if value.startswith(start):
                names.append(value.removeprefix(start))
    for name in dict.fromkeys(names):
        shown = f"other than {' or '.join(names[1:])}" if name == _SOMEBODY else name
        yield shown, start + name


def ends(model: RequestModel, policies: Policies) -> tuple[str, str]:
    """Find when a decision changes with the time, as the policies write that date.

    Returns
    -------
    tuple
        The date from which an allowed request is not allowed any more, and the date from which a
        refused one is not refused any more; each empty where there is none.
    """
    now = model.facts.get("aws:CurrentTime")
    if not isinstance(now, datetime):
        return "", ""
    later = sorted({each for each in _dates(policies) if each[0] > now.timestamp()})
    if not later:
        return "", ""
    allowed = judge(model, policies).allowed
    for when, text in later:
        for moved in (when, when + 1):
            then = model.with_facts(_clock(datetime.fromtimestamp(moved, UTC)))
            if judge(then, policies).allowed is not allowed:
                return (text, "") if allowed else ("", text)
    return "", ""


def _dates(policies: Policies) -> Iterator[tuple[float, str]]:
    for statement in _statements(policies):
        for test in statement.conditions:
            if test.key not in ("aws:currenttime", "aws:epochtime"):
                continue
            for template in test.templates:
                text = "".join(part for part in template if isinstance(part, str))
                when = moment(text)
                if when is not None and abs(when) < 10**11:
                    yield float(when), text


# Keys ---------------------------------------------------------------------------------------------

# Tags have letters, digits, spaces and _ . : / = + - @ (IAM API Reference, Tag).
_TAG = Unknown(plain=True)
_INTERNET: Facts = {
    # The standard endpoints of S3 and STS have IPv4 addresses alone.
    "aws:SourceIp": Unknown(kind="ip", optional=False),
    "aws:SourceVpce": None,
    "aws:SourceVpc": None,
    "aws:SourceVpcArn": None,
    "aws:VpcSourceIp": None,
    "aws:VpceAccount": None,
    "aws:VpceOrgID": None,
    "aws:VpceOrgPaths": None,
}
_ENDPOINT: Facts = {
    # "aws:SourceIp … is included in the request context, except when the requester uses a VPC
    # endpoint to make the request."
    "aws:SourceIp": None,
    "aws:SourceVpce": Unknown(like=("vpce-*",), optional=False, plain=True),
    "aws:SourceVpc": Unknown(like=("vpc-*",), optional=False, plain=True),
    "aws:SourceVpcArn": Unknown(like=("arn:aws:ec2:*:*:vpc/vpc-*",), plain=True),
    "aws:VpcSourceIp": Unknown(kind="ip", optional=False),
    "aws:VpceAccount": Unknown(like=("????????????",), plain=True),
    "aws:VpceOrgID": Unknown(like=("o-*",), plain=True),
    "aws:VpceOrgPaths": Unknown(like=("o-*/*",), many=True, plain=True),
}
_EITHER_WAY = (_INTERNET, _ENDPOINT)


def _clock(now: datetime) -> dict[str, Any]:
    return {"aws:CurrentTime": now, "aws:EpochTime": str(int(now.timestamp()))}


def _session_facts(now: datetime, region_name: str, issued: timedelta) -> dict[str, Any]:
    """Return the keys that every request of a role's session has, or has not.

    ``aws:MultiFactorAuthPresent`` is in every request made with temporary credentials, and false
    for a role's session (IAM User Guide, its entry). Nothing is called on behalf of somebody.
    """
    return {
        # A key of "aws:" that is not listed here is a slip of the pen: AWS never sends it.
        **_clock(now),
        "aws:RequestedRegion": region_name or Unknown(optional=False),
        "aws:SecureTransport": True,
        "aws:MultiFactorAuthPresent": False,
        "aws:MultiFactorAuthAge": None,
        # Credentials are renewed, so the session is never older than it may become.
        "aws:TokenIssueTime": Unknown(kind="date", since=now - issued, optional=False),
        "aws:username": None,
        "aws:ViaAWSService": False,
        "aws:CalledVia": None,
        "aws:CalledViaFirst": None,
        "aws:CalledViaLast": None,
        "aws:PrincipalIsAWSService": False,
        "aws:PrincipalServiceName": None,
        "aws:PrincipalServiceNamesList": None,
        # Only a service that acts for one of its resources sends these.
        "aws:SourceArn": None,
        "aws:SourceAccount": None,
        "aws:SourceOrgID": None,
        "aws:SourceOrgPaths": None,
        "aws:SourceOwner": None,
        # A source identity would need sts:SetSourceIdentity in every customer's trust policy.
        "aws:SourceIdentity": None,
        "aws:UserAgent": Unknown(),
        "aws:Referer": None,
        "aws:TagKeys": None,
        "aws:RequestTag/*": None,
        "aws:AssumedRoot": None,
        "aws:ChatbotSourceArn": None,
        "aws:SignInSessionArn": None,
        "aws:IsMcpServiceAction": None,
        "aws:ViaAWSMCPService": None,
        "aws:CalledViaAWSMCP": None,
        "aws:FederatedProvider": None,
        "aws:Ec2InstanceSourceVpc": None,
        "aws:Ec2InstanceSourcePrivateIPv4": None,
        "aws:PrincipalOrgID": Unknown(like=("o-*",), plain=True),
        "aws:PrincipalOrgPaths": Unknown(like=("o-*/*",), many=True, plain=True),
        "aws:ResourceOrgID": Unknown(like=("o-*",), plain=True),
        "aws:ResourceOrgPaths": Unknown(like=("o-*/*",), many=True, plain=True),
    }


def assume_role(
    workload_identity_arn: str,
    role_arn: str,
    *,
    region_name: str,
    role_tags: Mapping[str, str] | None = None,
    session_name: str | Unknown = OPENDAL_SESSION,
    now: datetime | None = None,
) -> RequestModel:
    """Return RisingWave's AssumeRole: by the Workload Identity, a role, for the customer's role.

    RisingWave asks STS in the bucket's region, sends no external id, no tags, no source identity
    and no session policies. The id, the session name and the tags of the Workload Identity are
    RisingWave's own; a customer cannot read them.

    Parameters
    ----------
    role_tags
        Tags of the customer's role; None when they were not read.
    session_name
        What the client calls its sessions: ``reqsign``, for Java clients of Iceberg others.
    """
    now = now or datetime.now(UTC)
    account = role_arn.split(":")[4]
    facts = _session_facts(now, region_name, timedelta(hours=12))
    facts |= {
        "aws:PrincipalArn": workload_identity_arn,
        "aws:userid": Unknown(like=("AROA*:*",), optional=False, plain=True),
        "aws:PrincipalTag/*": _TAG,
        # How RisingWave's pods come to their credentials is not documented.
        "aws:FederatedProvider": Unknown(),
        "aws:Ec2InstanceSourceVpc": Unknown(),
        "aws:Ec2InstanceSourcePrivateIPv4": Unknown(),
        "ec2:SourceInstanceARN": Unknown(),
        "ec2:RoleDelivery": Unknown(),
        "sts:RoleSessionName": session_name,
        "sts:ExternalId": None,
        **_own_tags(role_tags),
    }
    role = workload_identity_arn.rpartition("/")[2]
    return RequestModel(
        workload_identity_arn,
        "sts:AssumeRole",
        role_arn,
        account,
        facts,
        _EITHER_WAY,
        open_session=role if ":role/" in workload_identity_arn else "",
    )


def assume_role_by_redshift(
    role_arn: str,
    *,
    region_name: str,
    service: str = "redshift.amazonaws.com",
    role_tags: Mapping[str, str] | None = None,
    database_user: str = "",
    now: datetime | None = None,
) -> RequestModel:
    """Return the AssumeRole that Redshift makes for a COPY.

    The external id is the ARN of the database user, and a role may be restricted to the regional
    principal ``redshift.<region>.amazonaws.com`` or to an account by ``aws:SourceAccount``
    (Redshift Management Guide, "Restricting access to IAM roles"). The role is attached to a
    cluster of its own account, in the bucket's region.

    Parameters
    ----------
    region_name
        Region of the cluster, which is the bucket's: COPY is sent without a Region.
    database_user
        Cluster and user, as in ``analytics/loader``, where they are known.
    """
    now = now or datetime.now(UTC)
    account = role_arn.split(":")[4]
    place = f"arn:aws:redshift:{region_name or '*'}:{account}"
    serverless = place.replace(":redshift:", ":redshift-serverless:")
    facts: dict[str, Any] = {
        **_clock(now),
        "aws:RequestedRegion": Unknown(like=(region_name or "*", "us-east-1"), optional=False),
        "aws:SecureTransport": True,
        "aws:PrincipalIsAWSService": True,
        "aws:PrincipalServiceName": service,
        "aws:PrincipalServiceNamesList": Unknown(like=("redshift.*",), many=True),
        "aws:PrincipalArn": None,
        "aws:PrincipalAccount": None,
        "aws:PrincipalOrgID": None,
        "aws:PrincipalOrgPaths": None,
        "aws:PrincipalTag/*": None,
        "aws:userid": None,
        "aws:username": None,
        "aws:MultiFactorAuthPresent": None,
        "aws:MultiFactorAuthAge": None,
        "aws:SourceAccount": account,
        "aws:SourceArn": Unknown(like=(f"{place}:*", f"{serverless}:*"), plain=True),
        "aws:RequestTag/*": None,
        "aws:TagKeys": None,
        "sts:ExternalId": f"{place}:dbuser:{database_user}"
        if database_user and region_name
        else Unknown(like=(f"{place}:dbuser:*/*", f"{serverless}:dbuser:*/*"), plain=True),
        "sts:RoleSessionName": Unknown(),
        **_own_tags(role_tags),
    }
    return RequestModel(service, "sts:AssumeRole", role_arn, account, facts)


def redshift_services(region_name: str) -> tuple[str, ...]:
    """Return the names under which Redshift assumes a role: its own, and its region's."""
    return ("redshift.amazonaws.com", f"redshift.{region_name}.amazonaws.com")


def role_request(
    role_arn: str,
    action: str,
    resource: str,
    *,
    region_name: str,
    resource_account: str = "",
    role_id: str = "",
    role_tags: Mapping[str, str] | None = None,
    session_name: str = OPENDAL_SESSION,
    sent: Facts | None = None,
    kms_key: Mapping[str, Any] | None = None,
    now: datetime | None = None,
) -> RequestModel:
    """Return a request of a session of the customer's role.

    Parameters
    ----------
    region_name
        Region of the endpoint that is asked.
    role_id
        Unique id of the role, empty while there is none.
    role_tags
        Its tags; None when they were not read.
    sent
        Keys that this request has beside those of every request, such as ``s3:prefix``.
    kms_key
        What ``kms:DescribeKey`` tells of the key that is asked for; None when it was not read.
    """
    now = now or datetime.now(UTC)
    role_account = role_arn.split(":")[4]
    account = resource_account or role_account
    facts = _session_facts(now, region_name, timedelta(hours=1))
    facts |= {
        "aws:PrincipalArn": role_arn,
        # "<role id>:<session name>" for a role's session (table "Principal key values").
        "aws:userid": f"{role_id}:{session_name}"
        if role_id
        else Unknown(like=(f"AROA*:{session_name}",), optional=False, plain=True),
        "aws:PrincipalTag/*": _TAG if role_tags is None else None,
        **{f"aws:PrincipalTag/{key}": value for key, value in (role_tags or {}).items()},
    }
    ways: tuple[Facts, ...] = _EITHER_WAY
    if action.startswith("s3:"):
        facts |= _s3_facts(action, account)
    elif action.startswith("kms:"):
        facts |= _kms_facts(region_name, role_account, kms_key)
        # S3 asks KMS on the caller's behalf: from where, AWS does not say.
        anyhow = {key: _optional(value) for key, value in _ENDPOINT.items()}
        ways = ({**anyhow, "aws:SourceIp": Unknown(kind="ip")},)
    elif action.startswith("glue:"):
        facts["aws:ResourceTag/*"] = _TAG
    session = (
        f"arn:{role_arn.split(':')[1]}:sts::{role_account}:assumed-role/"
        f"{role_arn.rpartition('/')[2]}/{session_name}"
    )
    return RequestModel(session, action, resource, account, facts, ways).with_facts(sent or {})


def _optional(value: Any) -> Any:
    return replace(value, optional=True) if isinstance(value, Unknown) else value


def _s3_facts(action: str, account: str) -> dict[str, Any]:
    """Return S3's own keys: RisingWave signs in the header, with version 4, and sends no more.

    No ACL, no encryption header, no storage class, no tags (opendal sends none unless it is told
    to, and RisingWave does not tell it).
    Source: Amazon S3 User Guide, "Amazon S3 policy keys"; S3 answers TLS 1.2 and later only;
    ``s3:signatureAge`` is about presigned URLs.
    """
    listing = action in ("s3:ListBucket", "s3:ListBucketVersions")
    facts: dict[str, Any] = {
        "s3:authType": "REST-HEADER",
        "s3:signatureversion": "AWS4-HMAC-SHA256",
        "s3:ResourceAccount": account,
        "s3:TlsVersion": Unknown(like=("1.2", "1.3"), kind="number", optional=False),
        "s3:x-amz-content-sha256": Unknown(optional=False),
        "s3:BucketTag/*": _TAG,
        "aws:ResourceTag/*": _TAG,
        "s3:ExistingObjectTag/*": _TAG if action == "s3:GetObject" else None,
        # Of a part of a large object it is false; see `part_of_upload`.
        "s3:ObjectCreationOperation": True if action == "s3:PutObject" else None,
    }
    if not listing:
        facts |= {"s3:prefix": None, "s3:delimiter": None, "s3:max-keys": None}
    return facts


def part_of_upload(model: RequestModel) -> RequestModel:
    """Return the request that sends a part of a large object, of one that writes a small one.

    Both need ``s3:PutObject``; a policy can tell them apart by ``s3:ObjectCreationOperation``
    (Amazon S3 User Guide, "Enforce conditional writes on Amazon S3 buckets").
    """
    return model.with_facts({"s3:ObjectCreationOperation": False})


def _kms_facts(
    region_name: str, account: str, key: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the keys of a request that S3 makes to KMS for the role.

    Source: AWS KMS Developer Guide, "AWS KMS condition keys"; Amazon S3 User Guide, "Using
    server-side encryption with AWS KMS keys"; IAM User Guide, "Forward access sessions".
    """
    return {
        "kms:ViaService": f"s3.{region_name}.amazonaws.com",
        "kms:CallerAccount": account,
        "kms:EncryptionContextKeys": ["aws:s3:arn"],
        "kms:EncryptionContext:aws:s3:arn": Unknown(like=("arn:aws:s3:::*",), optional=False),
        "kms:EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
        "kms:KeySpec": "SYMMETRIC_DEFAULT",
        "kms:KeyUsage": "ENCRYPT_DECRYPT",
        **_of_key(key),
        "kms:ResourceAliases": Unknown(like=("alias/*",), many=True, plain=True),
        "kms:RequestAlias": Unknown(like=("alias/*",), plain=True),
        "aws:ResourceTag/*": _TAG,
        "aws:ViaAWSService": True,
        "aws:CalledVia": ["s3.amazonaws.com"],
        "aws:CalledViaFirst": "s3.amazonaws.com",
        "aws:CalledViaLast": "s3.amazonaws.com",
        "aws:UserAgent": Unknown(),
    }


def _of_key(key: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what a key's metadata say of it (AWS KMS API Reference, KeyMetadata)."""
    if not key or "MultiRegion" not in key:
        return {
            "kms:KeyOrigin": Unknown(optional=False, plain=True),
            "kms:MultiRegion": Unknown(like=("true", "false"), optional=False),
            "kms:MultiRegionKeyType": Unknown(like=("PRIMARY", "REPLICA")),
        }
    regions = key.get("MultiRegionConfiguration") or {}
    return {
        "kms:KeyOrigin": key.get("Origin") or Unknown(optional=False, plain=True),
        "kms:MultiRegion": bool(key["MultiRegion"]),
        "kms:MultiRegionKeyType": regions.get("MultiRegionKeyType"),
    }


def _own_tags(role_tags: Mapping[str, str] | None) -> dict[str, Any]:
    """Return the tags of the role that is assumed, under both names that STS gives them."""
    found: dict[str, Any] = {}
    for family in ("aws:ResourceTag", "iam:ResourceTag"):
        found[f"{family}/*"] = _TAG if role_tags is None else None
        found |= {f"{family}/{key}": value for key, value in (role_tags or {}).items()}
    return found
