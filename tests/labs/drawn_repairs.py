"""Random repairs of a solved lab: what is wider than the solution, and what means the same.

Each function draws; it takes Hypothesis' ``draw`` and returns documents or states. What is drawn
comes with the request that it lets through, so that the judge can be held against the evaluator.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from rwlib.evaluate import Policies, Request, evaluate
from rwlib.labs.guards import LabHistory
from rwlib.labs.setup_calls import LabSetup
from rwlib.labs.states import LabState, document_of
from rwlib.sandbox import CUSTOMER, RISINGWAVE_CLOUD, THIRD_PARTY, WORKLOAD_IDENTITY_ARN

Draw = Callable[[Any], Any]
Statement = dict[str, Any]

UNRELATED = f"arn:aws:iam::{CUSTOMER}:role/unrelated-app"
ROOT = f"arn:aws:iam::{RISINGWAVE_CLOUD}:root"
AT = "2026-01-01T00:00:00+00:00"


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def document(statements: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": statements}


def the_role(setup: LabSetup, history: LabHistory) -> Mapping[str, Any]:
    role = history.now.role(setup.target.role_name)
    assert role is not None
    return role


def with_pieces(history: LabHistory, **changed: Any) -> LabHistory:
    """Exchange what stands now: a name without a piece takes it away."""
    pieces = {**history.now.pieces, **changed}
    now = LabState(AT, "x", {name: piece for name, piece in pieces.items() if piece is not None})
    return replace(history, states=(history.before, now))


def with_role(setup: LabSetup, history: LabHistory, **changes: Any) -> LabHistory:
    role = the_role(setup, history)
    return with_pieces(history, **{f"role {role['arn']}": {**role, **changes}})


# What the role may do beside its need -------------------------------------------------------------

# Action, and the resources on which more is granted by it than any lab needs; `$` names are filled.
MORE: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("iam:AttachRolePolicy", ("$role", "$other_role", "*")),
    ("iam:PutRolePolicy", ("$role", "*")),
    ("iam:UpdateAssumeRolePolicy", ("$role", "*")),
    ("iam:PassRole", ("$role", "$other_role", "*")),
    ("iam:CreateAccessKey", (f"arn:aws:iam::{CUSTOMER}:user/ada", "*")),
    ("iam:CreateOpenIDConnectProvider", ("*",)),
    ("sts:AssumeRole", ("$other_role", "*", f"arn:aws:iam::{THIRD_PARTY}:role/thirdparty-role")),
    ("ec2:RunInstances", ("*",)),
    ("lambda:InvokeFunction", (f"arn:aws:lambda:us-east-1:{CUSTOMER}:function:load", "*")),
    ("lambda:UpdateFunctionCode", ("*",)),
    (
        "secretsmanager:GetSecretValue",
        (f"arn:aws:secretsmanager:us-east-1:{CUSTOMER}:secret:db-a1b2c3", "*"),
    ),
    ("ssm:GetParameter", (f"arn:aws:ssm:us-east-1:{CUSTOMER}:parameter/db/password",)),
    ("dynamodb:GetItem", (f"arn:aws:dynamodb:us-east-1:{CUSTOMER}:table/orders", "*")),
    ("kms:Decrypt", ("$other_key",)),
    ("kms:CreateGrant", ("$other_key",)),
    ("kms:ScheduleKeyDeletion", ("$other_key", "*")),
    ("s3:PutBucketAcl", ("$bucket", "*")),
    ("s3:PutBucketPolicy", ("$bucket", "arn:aws:s3:::*")),
    ("s3:DeleteBucketPolicy", ("$bucket", "*")),
    ("s3:PutBucketPublicAccessBlock", ("$bucket", "$other_bucket")),
    ("s3:PutBucketOwnershipControls", ("$bucket",)),
    ("s3:PutEncryptionConfiguration", ("$bucket",)),
    ("s3:PutBucketVersioning", ("$bucket",)),
    ("s3:PutLifecycleConfiguration", ("$bucket",)),
    ("s3:DeleteBucket", ("$bucket", "*")),
    ("s3:ListBucketVersions", ("$bucket", "$other_bucket")),
    ("s3:ListBucket", ("$other_bucket",)),
    ("s3:PutObjectAcl", ("$bucket/$prefix/x", "$bucket/x")),
    ("s3:DeleteObject", ("$bucket/$prefix/x", "$bucket/x")),
    ("s3:DeleteObjectVersion", ("$bucket/$prefix/x",)),
    ("s3:BypassGovernanceRetention", ("$bucket/$prefix/x",)),
    ("s3:PutObjectRetention", ("$bucket/$prefix/x",)),
    ("s3:GetObject", ("$bucket/finance/x", "$bucket/$prefix-old/x", "$other_bucket/x")),
    ("s3:PutObject", ("$bucket/finance/x", "$bucket/$prefix-old/x", "$other_bucket/x")),
    ("s3:GetObjectVersion", ("$bucket/$prefix-old/x", "$other_bucket/x")),
    ("s3:CreateAccessPoint", (f"arn:aws:s3:us-east-1:{CUSTOMER}:accesspoint/team", "*")),
    (
        "s3:PutAccessPointPolicy",
        (f"arn:aws:s3:us-east-1:{CUSTOMER}:accesspoint/team",),
    ),
    (
        "s3:GetObject",
        (f"arn:aws:s3:us-east-1:{CUSTOMER}:accesspoint/team/object/x",),
    ),
)  # fmt: skip
KEY_ITSELF = ("kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:CreateGrant", "kms:DisableKey",
              "kms:RevokeGrant")  # fmt: skip
ADMINISTRATOR = ("arn:aws:iam::aws:policy/AdministratorAccess",
                 document([{"Effect": "Allow", "Action": "*", "Resource": "*"}]))  # fmt: skip
# Conditions that some request of the role's session meets.
MET: tuple[Mapping[str, Any], ...] = (
    {"StringEquals": {"aws:RequestedRegion": "us-east-1"}},
    {"StringNotEquals": {"aws:RequestedRegion": "ap-south-1"}},
    {"IpAddress": {"aws:SourceIp": "198.51.100.0/24"}},
    {"NotIpAddress": {"aws:SourceIp": ["198.51.100.0/24", "203.0.113.0/24"]}},
    {"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}},
    {"NumericGreaterThan": {"aws:EpochTime": 1577836800}},
    {"Bool": {"aws:SecureTransport": "true"}},
    {"Bool": {"aws:SecureTransport": True}},
    {"StringLike": {"aws:UserAgent": "*curl*"}},
    {"StringEqualsIfExists": {"aws:SourceVpce": "vpce-0a1b2c3d"}},
    {"StringNotLike": {"aws:Referer": "https://example.com/*"}},
    {"Null": {"aws:TokenIssueTime": "false"}},
    {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/*"}},
    {"StringEquals": {"AWS:PrincipalAccount": "${aws:PrincipalAccount}"}},
)


def in_names(setup: LabSetup, history: LabHistory, text: str) -> str:
    state = history.now
    bucket = setup.target.bucket
    own = str((state.bucket(bucket) or {}).get("kms_key"))
    others = [each["arn"] for name, each in state.pieces.items() if name.startswith("key ")]
    names = {
        "$other_role": f"arn:aws:iam::{CUSTOMER}:role/data-team",
        "$role": str(the_role(setup, history)["arn"]),
        "$other_bucket": "arn:aws:s3:::acme-"
        + ("frankfurt" if bucket != "acme-frankfurt" else "analytics"),
        "$bucket": f"arn:aws:s3:::{bucket}",
        "$prefix": setup.target.prefix.strip("/"),
        "$other_key": next(
            (each for each in others if each != own),
            f"arn:aws:kms:us-east-1:{CUSTOMER}:key/0b2c3d4e-1111-2222-3333-444455556666",
        ),
    }
    for name, value in names.items():
        text = text.replace(name, value)
    return text


def written_wider(draw: Draw, text: str, start: int) -> str:
    """Write a text as it is, or as a pattern that fits it; what is before ``start`` stays."""
    way = draw(st.sampled_from(["as it is", "star", "question mark", "middle"]))
    if way == "as it is" or len(text) - start < 4:
        return text
    if way == "star":
        return text[: draw(st.integers(start + 1, len(text)))] + "*"
    place = draw(st.integers(start + 1, len(text) - 1))
    mark = "?" if way == "question mark" else "*"
    return f"{text[:place]}{mark}{text[place + 1 :]}"


def more_granted(
    draw: Draw, setup: LabSetup, history: LabHistory
) -> tuple[LabHistory, Any, tuple[str, str]]:
    """Give the role more: return the state, the statement, and an action and resource as proof."""
    role = the_role(setup, history)
    policies = list(role["policies"])
    key = str((history.now.bucket(setup.target.bucket) or {}).get("kms_key") or "")
    if draw(st.integers(0, 30)) == 0:
        wide = with_role(setup, history, policies=[*policies, [ADMINISTRATOR[0],
                         json.dumps(ADMINISTRATOR[1])]])  # fmt: skip
        return wide, ADMINISTRATOR, ("iam:CreateUser", f"arn:aws:iam::{CUSTOMER}:user/x")
    if key and draw(st.integers(0, 5)) == 0:
        action = draw(st.sampled_from(KEY_ITSELF))
        where = draw(st.sampled_from([key, "*"]))
        proof = (action, key)
    else:
        action, places = draw(st.sampled_from(MORE))
        where = in_names(setup, history, draw(st.sampled_from(places)))
        proof = (action, where if where != "*" else _a_place(action, setup))
    statement: Statement = {"Effect": "Allow"}
    service = action.partition(":")[0]
    how = draw(st.sampled_from(["action", "action", "action", "all of it", "NotAction"]))
    if how == "NotAction":
        others = ["s3:GetObject*", "iam:List*", "ec2:Describe*", "sts:GetCallerIdentity"]
        kept = [each for each in others if not _fits(each, action)]
        statement["NotAction"] = draw(st.sampled_from([kept, kept[:1][0]]))
    elif how == "all of it":
        statement["Action"] = draw(st.sampled_from([f"{service}:*", f"{service.upper()}:*", "*"]))
    else:
        pattern = written_wider(draw, action, len(service) + 2)
        if draw(st.booleans()):
            pattern = f"{service}:{pattern.partition(':')[2].swapcase()}"
        statement["Action"] = draw(st.sampled_from([pattern, [pattern], ["s3:PutObject", pattern]]))
    if where.startswith("arn:") and draw(st.integers(0, 4)) == 0:
        statement["NotResource"] = draw(
            st.sampled_from(["arn:aws:s3:::nobodys/*", ["arn:aws:sqs:*:*:*", "arn:aws:sns:*:*:*"]])
        )
    else:
        fixed = where.rfind(":") + 1 if where.startswith("arn:aws:s3:::") else where.rfind("/") + 1
        place = written_wider(draw, where, fixed or len(where)) if where != "*" else "*"
        statement["Resource"] = draw(st.sampled_from([place, [place], ["arn:aws:sqs:::x", place]]))
    if draw(st.integers(0, 2)) == 0:
        statement["Condition"] = dict(draw(st.sampled_from(MET)))
    if draw(st.booleans()):
        statement["Sid"] = "More"
    where_to = draw(st.sampled_from(["inline", "managed", "into"]))
    if where_to == "into" and policies:
        number = draw(st.integers(0, len(policies) - 1))
        known = document_of(policies[number][1])
        assert known is not None
        both = {**known, "Statement": [*listed(known["Statement"]), statement]}
        policies[number] = [policies[number][0], json.dumps(both)]
    else:
        label = "more" if where_to != "managed" else f"arn:aws:iam::{CUSTOMER}:policy/more"
        policies.append([label, json.dumps(document([statement]))])
    return with_role(setup, history, policies=policies), statement, proof


def _a_place(action: str, setup: LabSetup) -> str:
    service = action.partition(":")[0]
    if service == "s3" and action not in ("s3:CreateAccessPoint",):
        return f"arn:aws:s3:::{setup.target.bucket}"
    return {
        "iam": f"arn:aws:iam::{CUSTOMER}:role/data-team",
        "sts": f"arn:aws:iam::{CUSTOMER}:role/data-team",
        "kms": f"arn:aws:kms:us-east-1:{CUSTOMER}:key/0b2c3d4e-1111-2222-3333-444455556666",
    }.get(service, "*")


def _fits(pattern: str, action: str) -> bool:
    text = re.escape(pattern.lower()).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(text, action.lower()) is not None


def goes_through(setup: LabSetup, state: LabState, action: str, place: str) -> bool:
    """Ask the evaluator whether a session of the role may do something in a state."""
    situation = state.situation(setup.target)
    context = {
        "aws:PrincipalArn": situation.role_arn,
        "aws:PrincipalType": "AssumedRole",
        "aws:SecureTransport": "true",
        "aws:RequestedRegion": "us-east-1",
        "aws:SourceIp": "198.51.100.7",
        "aws:UserAgent": "curl/8",
        "aws:CurrentTime": "2026-12-30T18:00:00Z",
        "aws:EpochTime": "1798653600",
        "aws:TokenIssueTime": "2026-12-30T17:30:00Z",
    }
    named = re.match(r"arn:aws:[a-z0-9]+:([a-z]+-[a-z]+-\d):", place)
    if named or place.startswith(f"arn:aws:s3:::{setup.target.bucket}"):
        # What is asked of elsewhere is not there.
        context["aws:RequestedRegion"] = named[1] if named else situation.bucket.region_name
    resource = None
    if bucket := re.match(r"arn:aws:s3:::([^/]+)", place):
        piece = state.pieces.get(f"bucket {bucket[1]}")
        resource = document_of(piece["policy"]) if piece else None
    elif ":key/" in place:
        piece = state.pieces.get(f"key {place}")
        own = {"Effect": "Allow", "Principal": {"AWS": CUSTOMER}, "Action": "kms:*",
               "Resource": "*"}  # fmt: skip
        resource = document_of(piece["policy"]) if piece else document([own])
    identity = [policy for _, policy in situation.identity]
    policies = Policies(
        identity=identity,
        resource=resource,
        boundary=situation.boundary[1] if situation.boundary else None,
    )
    return evaluate(Request(situation.role_arn, action, place, CUSTOMER, context), policies).allowed


# Who else may assume the role ---------------------------------------------------------------------

ACCOUNTS = (RISINGWAVE_CLOUD, THIRD_PARTY, "999999999999")
OIDC = f"arn:aws:iam::{CUSTOMER}:oidc-provider/token.actions.githubusercontent.com"
STRANGERS: tuple[tuple[Any, str], ...] = (
    ("*", "sts:AssumeRole"),
    ({"AWS": "*"}, "sts:AssumeRole"),
    ({"AWS": ["*"]}, "sts:AssumeRole"),
    *(({"AWS": account}, "sts:AssumeRole") for account in ACCOUNTS),
    *(({"AWS": f"arn:aws:iam::{account}:root"}, "sts:AssumeRole") for account in ACCOUNTS),
    *(({"AWS": f"arn:aws:iam::{account}:role/x"}, "sts:AssumeRole") for account in ACCOUNTS),
    ({"AWS": f"arn:aws:iam::{CUSTOMER}:user/ada"}, "sts:AssumeRole"),
    ({"AWS": CUSTOMER}, "sts:AssumeRole"),
    ({"AWS": UNRELATED}, "sts:AssumeRole"),
    ({"AWS": [WORKLOAD_IDENTITY_ARN, UNRELATED]}, "sts:AssumeRole"),
    ({"AWS": f"arn:aws:sts::{CUSTOMER}:assumed-role/unrelated-app/me"}, "sts:AssumeRole"),
    ({"AWS": WORKLOAD_IDENTITY_ARN[:-5]}, "sts:AssumeRole"),
    ({"Service": "ec2.amazonaws.com"}, "sts:AssumeRole"),
    ({"Service": ["lambda.amazonaws.com", "glue.amazonaws.com"]}, "sts:AssumeRole"),
    ({"Service": "redshift.eu-west-1.amazonaws.com"}, "sts:AssumeRole"),
    ({"Service": "eks.amazonaws.com", "AWS": WORKLOAD_IDENTITY_ARN}, "sts:AssumeRole"),
    ({"Federated": OIDC}, "sts:AssumeRoleWithWebIdentity"),
    ({"Federated": "cognito-identity.amazonaws.com"}, "sts:AssumeRoleWithWebIdentity"),
    ({"Federated": "accounts.google.com"}, "sts:AssumeRoleWithWebIdentity"),
    ({"Federated": f"arn:aws:iam::{CUSTOMER}:saml-provider/okta"}, "sts:AssumeRoleWithSAML"),
)
OF_STRANGERS = (
    None,
    None,
    {"StringEquals": {"sts:ExternalId": "acme-7391"}},
    {"StringLike": {"sts:ExternalId": ["*"]}},
    {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}},
    {"StringLike": {"sts:RoleSessionName": "req*"}},
    {"StringNotEquals": {"aws:PrincipalArn": "arn:aws:iam::999999999999:role/known"}},
    {"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}},
    {"NumericLessThanEquals": {"sts:DurationSeconds": 3600}},
    {"StringNotEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}},
)


def more_trusted(draw: Draw, setup: LabSetup, history: LabHistory) -> tuple[LabHistory, Any]:
    """Let somebody else assume the role: return the state and the statement."""
    role = the_role(setup, history)
    trust = document_of(role["trust"])
    assert trust is not None
    statements = [dict(each) for each in listed(trust["Statement"])]
    principal, action = draw(st.sampled_from(STRANGERS))
    statement: Statement = {"Effect": "Allow", "Principal": principal, "Action": action}
    statement["Action"] = draw(
        st.sampled_from([action, [action], [action, "sts:TagSession"], "sts:Assume*", "sts:*",
                         action.swapcase().replace("STS:", "sts:"), "*"])
    )  # fmt: skip
    condition = draw(st.sampled_from(OF_STRANGERS))
    federated = isinstance(principal, dict) and "Federated" in principal
    if condition and not (federated or _is_service(principal)):
        statement["Condition"] = condition
    elif federated and draw(st.booleans()):
        statement["Condition"] = {"StringLike": {"token.actions.githubusercontent.com:sub": "*"}}
        if principal["Federated"] != OIDC:
            del statement["Condition"]
    more = {**trust, "Statement": [*statements, statement]}
    return with_role(setup, history, trust=json.dumps(more)), statement


def _is_service(principal: Any) -> bool:
    return isinstance(principal, dict) and "Service" in principal


# What stands beside the role ----------------------------------------------------------------------

PUBLIC = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
EVERYBODY = "READ to http://acs.amazonaws.com/groups/global/AllUsers"


def beside_opened(draw: Draw, setup: LabSetup, history: LabHistory) -> tuple[LabHistory, Any]:
    """Open something that is not the role's own: settings, other buckets, keys, roles."""
    state, name = history.now, f"bucket {setup.target.bucket}"
    bucket, role = state.pieces[name], the_role(setup, history)
    own_key = str(bucket.get("kms_key") or "")
    others = [each for each in state.pieces if each.startswith("bucket ") and each != name
              and state.pieces[each]["account"] == CUSTOMER]  # fmt: skip
    keys = [each for each in state.pieces if each.startswith("key ") and f":{CUSTOMER}:" in each]
    ways = ["block", "acl", "other bucket", "user", "role", "data team", "session",
            *(["other key", "other grant"] if keys else []),
            *(["encryption"] if own_key else [])]  # fmt: skip
    way = draw(st.sampled_from(ways))
    if way == "block":
        gone = draw(st.sampled_from(PUBLIC))
        kept = [each for each in bucket["public_access_block"] if each != gone]
        less = {**bucket, "public_access_block": kept}
        return with_pieces(history, **{name: less}), way
    if way == "acl":
        return with_pieces(history, **{name: {**bucket, "acl": [EVERYBODY]}}), way
    if way == "encryption":
        changed = {**bucket, "algorithm": "AES256", "kms_key": ""}
        return with_pieces(history, **{name: changed}), way
    if way in ("other bucket", "session"):
        where = draw(st.sampled_from(others)) if way == "other bucket" else name
        place = f"arn:aws:s3:::{where.removeprefix('bucket ')}"
        who = {"AWS": str(role["arn"])}
        if way == "session":
            # What names the session itself is bounded by no boundary.
            who = {"AWS": f"arn:aws:sts::{CUSTOMER}:assumed-role/{role['name']}/reqsign"}
        elif draw(st.booleans()):
            who = {"AWS": draw(st.sampled_from([UNRELATED, "*", THIRD_PARTY]))}
        action = draw(
            st.sampled_from(["s3:DeleteObject", "s3:GetObjectVersion", "s3:PutObjectAcl"])
        )
        statement = {"Effect": "Allow", "Principal": who, "Action": action,
                     "Resource": f"{place}/*"}  # fmt: skip
        return _with_statement(history, where, statement), (way, statement)
    if way in ("other key", "other grant"):
        where = draw(st.sampled_from(keys))
        who = draw(st.sampled_from([UNRELATED, f"arn:aws:iam::{THIRD_PARTY}:root"]))
        if way == "other grant":
            key = state.pieces[where]
            grants = [*key.get("grants", ()),
                      {"principal": who, "operations": ["Decrypt"], "constraints": {}}]  # fmt: skip
            return with_pieces(history, **{where: {**key, "grants": grants}}), way
        statement = {"Effect": "Allow", "Principal": {"AWS": who}, "Action": "kms:Decrypt",
                     "Resource": "*"}  # fmt: skip
        return _with_statement(history, where, statement), (way, statement)
    if way == "data team":
        arn = f"role arn:aws:iam::{CUSTOMER}:role/data-team"
        if arn not in state.pieces:
            return beside_opened(draw, setup, history)
        trust = json.dumps(document([{"Effect": "Allow", "Principal": {"AWS": "*"},
                                      "Action": "sts:AssumeRole"}]))  # fmt: skip
        return with_pieces(history, **{arn: {**state.pieces[arn], "trust": trust}}), way
    arn = f"arn:aws:iam::{CUSTOMER}:{way}/helper"
    action = draw(st.sampled_from(["s3:*", "iam:*", "*", "secretsmanager:GetSecretValue"]))
    trust = json.dumps(document([{"Effect": "Allow", "Principal": {"Service":
                       "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]))  # fmt: skip
    made = {
        "kind": way, "arn": arn, "name": "helper", "id": "AROARTX3GSDSQXXXXXXXX",
        "trust": trust if way == "role" else "", "boundary": "", "boundary_arn": "", "tags": {},
        "policies": [["all", json.dumps(document([{"Effect": "Allow", "Action": action,
                                                   "Resource": "*"}]))]],
    }  # fmt: skip
    return with_pieces(history, **{f"{way} {arn}": made}), (way, action)


def _with_statement(history: LabHistory, name: str, statement: Statement) -> LabHistory:
    piece = history.now.pieces[name]
    known = document_of(piece["policy"]) or document([])
    both = {**known, "Statement": [*listed(known["Statement"]), statement]}
    return with_pieces(history, **{name: {**piece, "policy": json.dumps(both)}})


# What means the same ------------------------------------------------------------------------------

# Conditions that every request of the role's session meets.
ALWAYS: tuple[Mapping[str, Any], ...] = (
    {"Null": {"aws:PrincipalArn": "false"}},
    {"Null": {"aws:principalarn": False}},
    {"StringLike": {"aws:PrincipalArn": "*"}},
    {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{CUSTOMER}:role/*"}},
    {"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}},
    {"NumericGreaterThan": {"aws:EpochTime": 1577836800}},
    {"NumericGreaterThan": {"aws:EpochTime": "1577836800"}},
    {"StringNotEquals": {"aws:PrincipalAccount": "999999999999"}},
    {"StringEquals": {"aws:PrincipalAccount": CUSTOMER}},
    {"Bool": {"aws:SecureTransport": "true"}},
    {"Bool": {"aws:SecureTransport": True}},
    {"BoolIfExists": {"aws:PrincipalIsAWSService": "false"}},
)
# Denies that refuse nothing that the role needs.
HARMLESS: tuple[Statement, ...] = (
    {"Effect": "Deny", "Action": ["iam:*", "ec2:*"], "Resource": "*"},
    {"Effect": "Deny", "Action": "s3:DeleteBucket*", "Resource": "*"},
    {"Effect": "Deny", "Action": "s3:*", "Resource": "*",
     "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
    {"Effect": "Deny", "NotAction": ["s3:*", "kms:*"], "Resource": "*"},
    {"Effect": "Deny", "Action": "s3:*", "Resource": "*",
     "Condition": {"StringNotEquals": {"aws:PrincipalAccount": CUSTOMER}}},
)  # fmt: skip
SENT_BY_S3 = "s3:resourceaccount"


def rewritten_policy(draw: Draw, given: Mapping[str, Any], *, own: bool) -> dict[str, Any]:
    """Write a document another way; ``own`` says that it is the role's own policy."""
    made: list[Statement] = []
    for statement in listed(given["Statement"]):
        parts = [json.loads(json.dumps(statement))]
        for element in ("Action", "Resource"):
            if element in statement and draw(st.booleans()):
                parts = [
                    {**part, element: each} for part in parts for each in listed(part[element])
                ]
        for part in parts:
            made += _rewritten(draw, json.loads(json.dumps(part)), own=own)
    if own and draw(st.integers(0, 3)) == 0:
        made.append(json.loads(json.dumps(draw(st.sampled_from(HARMLESS)))))
    if made and draw(st.integers(0, 5)) == 0:
        made.append(json.loads(json.dumps(made[0])))  # said twice
    for index, statement in enumerate(made):
        statement.pop("Sid", None)
        if draw(st.booleans()):
            statement["Sid"] = f"Mine{index}"
    made = draw(st.permutations(made))
    result: dict[str, Any] = {**given, "Statement": made}
    if len(made) == 1 and draw(st.booleans()):
        result["Statement"] = made[0]
    if "${" not in json.dumps(made) and draw(st.integers(0, 3)) == 0:
        result["Version"] = "2008-10-17"
    return result


def _rewritten(draw: Draw, statement: Statement, *, own: bool) -> list[Statement]:
    allows = statement["Effect"] == "Allow"
    condition = statement.pop("Condition", {})
    for operator in [*condition]:
        for key in [*condition[operator]]:
            if key.lower() == SENT_BY_S3:
                # The bucket's name is known, so the account that has it is.
                way = draw(st.sampled_from(["variable", "written", "other key", "left out"]))
                values = condition[operator].pop(key)
                if way == "other key":
                    condition[operator]["aws:ResourceAccount"] = values
                elif way == "written":
                    condition[operator][key] = draw(st.sampled_from([CUSTOMER, [CUSTOMER]]))
                elif way == "variable":
                    condition[operator][key] = values
        if not condition[operator]:
            del condition[operator]
    for operator in [*condition]:
        plain = operator.removesuffix("IfExists")
        for key in [*condition[operator]]:
            values = listed(condition[operator][key])
            texts = [str(each) for each in values]
            without = not set("*?") & set("".join(texts))
            arns = plain.startswith("Arn") and all(each.startswith("arn:") for each in texts)
            negated = "Not" if "Not" in plain else ""
            others = [plain]
            if plain in ("StringEquals", "StringLike", "StringNotEquals", "StringNotLike"):
                others = [f"String{negated}Like", *([f"String{negated}Equals"] if without else [])]
                if "Like" in plain and not without:
                    others = [plain]
            elif arns and without:
                others = [f"Arn{negated}Equals", f"Arn{negated}Like", f"String{negated}Equals",
                          f"String{negated}Like"]  # fmt: skip
            other = draw(st.sampled_from(others)) + operator[len(plain) :]
            if "${" in "".join(texts):
                other = operator
            name = draw(st.sampled_from([key, key.upper(), key.lower()]))
            if key.lower().startswith("kms:encryptioncontext:"):
                name = key
            if other != operator and (
                name in condition.get(other, {})
                or any(known.lower() == key.lower() for known in condition.get(other, {}))
            ):
                continue  # fmt: skip
            written = [_spelled(draw, each) for each in values]
            flat = [one for each in written for one in each]
            flat = draw(st.permutations(flat))
            del condition[operator][key]
            condition.setdefault(other, {})[name] = (
                flat[0] if len(flat) == 1 and draw(st.booleans()) else flat
            )
        if operator in condition and not condition[operator]:
            del condition[operator]
    if own and allows and draw(st.integers(0, 2)) == 0:
        more = draw(st.sampled_from(ALWAYS))
        ((operator, tests),) = more.items()
        there = {key.lower() for keys in condition.values() for key in keys}
        if operator not in condition and not {key.lower() for key in tests} & there:
            condition[operator] = dict(tests)
    if condition:
        statement["Condition"] = condition
    for element in ("Action", "Resource"):
        if element in statement:
            values = [
                one for each in listed(statement[element]) for one in _named(draw, element, each)
            ]
            statement[element] = (
                values[0] if len(values) == 1 and draw(st.booleans()) else draw(
                    st.permutations(values))
            )  # fmt: skip
    if statement.get("Principal") == "*" and draw(st.booleans()):
        statement["Principal"] = draw(st.sampled_from([{"AWS": "*"}, {"AWS": ["*"]}]))
    return [statement]


def _spelled(draw: Draw, value: Any) -> list[Any]:
    """Write a pattern's last star otherwise: it fits nothing, or one character and any more."""
    if isinstance(value, str) and value.endswith("/*") and draw(st.booleans()):
        ways = [[f"{value}*"], [value[:-1], f"{value[:-1]}?*"]]
        return list(draw(st.sampled_from(ways)))
    if value in ("true", "false", True, False) and draw(st.booleans()):
        return [str(value).lower() if isinstance(value, bool) else value == "true"]
    return [value]


def _named(draw: Draw, element: str, value: str) -> list[str]:
    if element == "Resource":
        return [str(each) for each in _spelled(draw, value)]
    service, _, name = value.partition(":")
    way = draw(st.sampled_from(["as it is", "case", "question mark", "service"]))
    if way == "case":
        return [f"{service}:{name.swapcase()}"]
    if way == "service":
        return [f"{service.upper()}:{name}"]
    if way == "question mark" and name in ("PutObject", "GetObject", "ListBucket", "Decrypt",
                                           "GenerateDataKey"):  # fmt: skip
        return [f"{service}:{name[:-1]}?"]
    return [value]


def rewritten_trust(draw: Draw, trust: Mapping[str, Any]) -> dict[str, Any]:
    """Write the statement of RisingWave another way, and put the statements in any order."""
    made: list[Statement] = []
    for statement in (json.loads(json.dumps(each)) for each in listed(trust["Statement"])):
        if draw(st.booleans()):
            statement["Action"] = draw(
                st.sampled_from([[*listed(statement["Action"])], "sts:AssumeRol?"])
            ) if statement["Action"] == "sts:AssumeRole" else statement["Action"]  # fmt: skip
        plain = statement.get("Principal") == {"AWS": WORKLOAD_IDENTITY_ARN}
        if plain and statement["Effect"] == "Allow" and "Condition" not in statement:
            way = draw(
                st.sampled_from(["as it is", "list", "account", "everybody", "tags", "narrower",
                                 "id"])
            )  # fmt: skip
            operator = draw(st.sampled_from(["ArnEquals", "ArnLike", "StringEquals", "StringLike"]))
            key = draw(st.sampled_from(["aws:PrincipalArn", "AWS:principalarn"]))
            named = draw(st.sampled_from([WORKLOAD_IDENTITY_ARN, [WORKLOAD_IDENTITY_ARN]]))
            if way == "list":
                statement["Principal"] = {"AWS": [WORKLOAD_IDENTITY_ARN]}
            elif way in ("account", "id"):
                statement["Principal"] = {"AWS": ROOT if way == "account" else RISINGWAVE_CLOUD}
                statement["Condition"] = {operator: {key: named}}
            elif way == "everybody":
                statement["Principal"] = draw(st.sampled_from(["*", {"AWS": "*"}]))
                statement["Condition"] = {operator: {key: named}}
            elif way == "tags":
                statement["Action"] = ["sts:AssumeRole", "sts:TagSession"]
            elif way == "narrower":
                statement["Condition"] = {operator: {key: named}}
        statement.pop("Sid", None)
        made.append(statement)
    if draw(st.integers(0, 3)) == 0:
        made.append({"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole", "Condition":
                     {"StringEquals": {"aws:PrincipalAccount": "999999999999"}}})  # fmt: skip
    return {**trust, "Statement": draw(st.permutations(made))}


def the_same(draw: Draw, setup: LabSetup, history: LabHistory) -> LabHistory:
    """Write everything that a repair may touch another way, with the same effect."""
    role = the_role(setup, history)
    given = [document_of(text) for _, text in role["policies"]]
    documents = [rewritten_policy(draw, each, own=True) for each in given if each]
    way = draw(st.sampled_from(["as they are", "regrouped", "bucket policy"]))
    statements = [each for one in documents for each in listed(one["Statement"])]
    for_bucket: list[Statement] = []
    if way == "bucket policy":
        place = f"arn:aws:s3:::{setup.target.bucket}"
        moved = [
            each for each in statements
            if each["Effect"] == "Allow" and "Resource" in each
            and all(one.startswith(place) for one in listed(each["Resource"]))
            and "${" not in json.dumps(each)
        ]  # fmt: skip
        who = draw(st.sampled_from([role["arn"], [role["arn"]]]))
        for_bucket = [{**each, "Principal": {"AWS": who}} for each in moved]
        statements = [each for each in statements if each not in moved]
    if way != "as they are":
        for each in [*statements, *for_bucket]:
            each.pop("Sid", None)
        half = draw(st.integers(0, len(statements)))
        documents = [document(part) for part in (statements[:half], statements[half:]) if part]
    names = [
        f"arn:aws:iam::{CUSTOMER}:policy/mine-{index}" if draw(st.booleans()) else f"mine-{index}"
        for index, _ in enumerate(documents)
    ]
    trust = document_of(role["trust"])
    assert trust is not None
    changes: dict[str, Any] = {
        "policies": [[name, json.dumps(each)]
                     for name, each in zip(names, documents, strict=True)],
        "trust": json.dumps(rewritten_trust(draw, trust)),
    }  # fmt: skip
    if role["boundary_arn"]:
        bounds = document_of(role["boundary"])
        assert bounds is not None
        changes["boundary"] = json.dumps(rewritten_policy(draw, bounds, own=False))
    history = with_role(setup, history, **changes)
    bucket = history.now.bucket(setup.target.bucket) or {}
    for name in (f"bucket {setup.target.bucket}", f"key {bucket.get('kms_key')}"):
        piece = history.now.pieces.get(name)
        known = document_of(piece["policy"]) if piece and piece.get("policy") else None
        more = for_bucket if name.startswith("bucket ") else []
        if piece is None or (known is None and not more):
            continue
        other = rewritten_policy(draw, known, own=False) if known else document([])
        other["Statement"] = [*listed(other["Statement"]), *more]
        if more:
            other["Version"] = "2012-10-17"
        history = with_pieces(history, **{name: {**piece, "policy": json.dumps(other)}})
    return history


def nothing_left(draw: Draw, setup: LabSetup, history: LabHistory) -> LabHistory:
    """Take away what the role may do, as somebody does who begins anew."""
    deny = document([{"Effect": "Deny", "Action": "*", "Resource": "*"}])
    kept = the_role(setup, history)["policies"]
    ways: tuple[list[Any], ...] = (
        [],
        [["no", json.dumps(deny)]],
        [*kept, ["no", json.dumps(deny)]],
    )
    return with_role(setup, history, policies=draw(st.sampled_from(ways)))
