"""Every grant beyond the need is found, and every finding has a request that goes through."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rwlib.aws import BucketFacts
from rwlib.errors import CheckFailedError, InputError
from rwlib.evaluate import Policies, Request, evaluate
from rwlib.runbook.criteria import plan_problem
from rwlib.runbook.runbook import Runbook
from rwlib.steps import policy_document, trust_policy
from rwlib.target import Target
from rwlib.verify.grants import excess_grants, judge_reach, needed_documents
from rwlib.verify.hops import check_situation
from rwlib.verify.situation import Situation
from tests.support.example_names import ACCOUNT, ROLE, WORKLOAD
from tests.support.interference import BusyAws, client_error

BUCKET = "arn:aws:s3:::acme-analytics"
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
VALUES = {
    "workload_identity_arn": WORKLOAD,
    "bucket": "acme-analytics",
    "prefix": "risingwave",
    "connectors": ["redshift"],
}


def target_of(**changes):
    return Target(**{**VALUES, **changes})


def situation_of(target, *extra, trust=None, bucket_policy=None, boundary=None):
    arn = target.policy_arn_in(ACCOUNT)
    document = policy_document(target, account_id=ACCOUNT, region_name="us-east-1")
    return Situation(
        caller_arn=f"arn:aws:iam::{ACCOUNT}:user/ada",
        account_id=ACCOUNT,
        role_arn=target.role_arn_in(ACCOUNT),
        trust_policy=trust or trust_policy(WORKLOAD, target.connectors),
        identity=((arn, document), *((f"extra-{n}", doc) for n, doc in enumerate(extra))),
        policy_arn=arn,
        policy_document=document,
        attached=(arn,),
        boundary=boundary,
        bucket=BucketFacts(target.bucket, "us-east-1", True, policy=bucket_policy),
        role_id="AROAEXAMPLE",
    )


def document(effect="Allow", **statement):
    return {"Version": "2012-10-17", "Statement": [{"Effect": effect, **statement}]}


def allow(actions, resources, **more):
    return document(Action=actions, Resource=resources, **more)


def stranger(condition):
    """A trust policy that lets a stranger in under conditions, beside RisingWave."""
    arn = "arn:aws:iam::999999999999:role/stranger"
    found = trust_policy(WORKLOAD, VALUES["connectors"])
    found["Statement"].append(
        {"Effect": "Allow", "Principal": {"AWS": arn}, "Action": "sts:AssumeRole",
         "Condition": condition}
    )  # fmt: skip
    return found


@pytest.mark.parametrize("count", [1, 9, 14])
def test_stranger_is_found_behind_any_number_of_conditions(count):
    keys = {f"aws:RequestTag/k{number}": f"v{number}" for number in range(count)}
    target = target_of()
    situation = situation_of(target, trust=stranger({"StringEquals": keys}))
    (found,) = excess_grants(target, situation, WORKLOAD)
    assert found.kind == "outside"
    assert evaluate(
        found.witness,
        Policies(identity=allow("*", "*"), resource=situation.trust_policy),
    ).allowed


@pytest.mark.parametrize(
    ("operator", "value"),
    [
        ("StringLike", f"*/{WORKLOAD.rpartition('/')[2]}"),
        ("StringLike", f"arn:*:role/{WORKLOAD.rpartition('/')[2]}"),
        ("ArnLike", f"arn:aws:iam::*:role/{WORKLOAD.rpartition('/')[2]}"),
    ],
)
def test_everybody_narrowed_to_a_name_lets_in_the_same_name_of_any_account(operator, value):
    target = target_of()
    trust = trust_policy(WORKLOAD, VALUES["connectors"])
    trust["Statement"][0] |= {
        "Principal": {"AWS": "*"},
        "Condition": {operator: {"aws:PrincipalArn": value}},
    }
    (found,) = excess_grants(target, situation_of(target, trust=trust), WORKLOAD)
    assert (found.kind, found.lets_in) == ("outside", "everybody")
    exact = {operator: {"aws:PrincipalArn": WORKLOAD}}
    trust["Statement"][0]["Condition"] = exact
    assert excess_grants(target, situation_of(target, trust=trust), WORKLOAD) == ()


def test_account_narrowed_to_an_id_lets_in_others_unless_it_is_the_workloads():
    target = target_of()
    trust = trust_policy(WORKLOAD, VALUES["connectors"])
    account = WORKLOAD.split(":")[4]
    trust["Statement"][0] |= {
        "Principal": {"AWS": account},
        "Condition": {"StringLike": {"aws:userid": "AROA4EXAMPLEWORKLOAD1:*"}},
    }
    situation = situation_of(target, trust=trust)
    (found,) = excess_grants(target, situation, WORKLOAD)
    assert found.lets_in == "account"
    known = {"workload_id": "AROA4EXAMPLEWORKLOAD1"}
    assert excess_grants(target, situation, WORKLOAD, **known) == ()
    assert excess_grants(target, situation, WORKLOAD, workload_id="AROA4EXAMPLEANOTHER11")


def test_action_of_no_known_resource_is_asked_for_on_a_star():
    target = target_of()
    found = excess_grants(target, situation_of(target, allow("brandnew:ReadIt", "*")), WORKLOAD)
    assert [each.witness.resource for each in found] == ["*"]


def test_answer_is_unknown_where_not_every_combination_was_looked_at():
    """A Deny that tests many keys refuses the stranger in all of the first combinations."""
    trust = stranger({})
    for number in range(12):
        trust["Statement"].append(
            {"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole",
             "Condition": {"StringNotEquals": {f"aws:RequestTag/k{number}": "v"}}}
        )  # fmt: skip
    target = target_of()
    check, found, _ = judge_reach(target, situation_of(target, trust=trust), WORKLOAD)
    assert (check.status, check.reason, found) == ("unknown", "grants_not_decided", ())
    assert "not every combination was looked at" in check.evidence[0]
    (found_id,) = re.findall(r"\[(undecided-[0-9a-f]{8})\]", check.evidence[0])
    assert found_id in check.fix
    accepting = target_of(accept_findings=[found_id])
    check, *_ = judge_reach(accepting, situation_of(accepting, trust=trust), WORKLOAD)
    assert (check.status, check.reason) == ("unknown", "undecided_grants_accepted")
    # Accepted is what was judged by hand, and not what comes to it later.
    trust["Statement"][2]["Condition"] = {"Bool": {"aws:ViaAWSService": "false"}}
    check, *_ = judge_reach(accepting, situation_of(accepting, trust=trust), WORKLOAD)
    assert check.reason == "grants_not_decided"


@pytest.mark.parametrize(
    ("resource", "condition", "kind"),
    [
        ("arn:aws:s3:::${aws:Referer}/*", {}, "outside"),
        ("arn:aws:s3:::acme-analytics/${aws:Referer}/*", {}, "outside"),
        ("arn:aws:s3:::acme-analytics/${aws:Referer, 'risingwave'}/*", {}, "outside"),
        ("arn:aws:s3:::acme-${aws:RequestedRegion}-logs/*", {}, "outside"),
        ("arn:aws:s3:::${aws:PrincipalOrgID}-logs/*", {}, "outside"),
        ("arn:aws:s3:::acme-analytics/risingwave/${aws:UserAgent}/*", {}, "unused"),
        ("arn:aws:s3:::${aws:Referer}/*", {"StringEquals": {"aws:Referer": "acme-lake"}},
         "outside"),
        ("arn:aws:s3:::acme-analytics/${aws:Referer}/*",
         {"StringEquals": {"aws:Referer": "risingwave"}}, "unused"),
        # No session of the role has a user's name.
        ("arn:aws:s3:::${aws:username}/*", {}, ""),
    ],
)  # fmt: skip
def test_variable_that_the_caller_fills_in_reaches_wherever_it_likes(resource, condition, kind):
    extra = allow("s3:PutObjectAcl", resource, **({"Condition": condition} if condition else {}))
    target = target_of()
    found = excess_grants(target, situation_of(target, extra), WORKLOAD)
    assert [each.kind for each in found] == ([kind] if kind else [])
    for each in found:
        decision = evaluate(each.witness, Policies(identity=[("extra", json.dumps(extra))]))
        assert decision.allowed


@pytest.mark.parametrize(
    "resource", ["arn:aws:s3:::acme-*", "arn:aws:s3:::*-", "arn:aws:s3:::.*", "arn:aws:s3:::a?/*"]
)
def test_what_is_reached_in_s3_is_a_bucket_that_there_can_be(resource):
    """Source: Amazon S3 User Guide, "General purpose bucket naming rules"."""
    extra = allow(["s3:ListBucket", "s3:PutObjectAcl"], resource)
    target = target_of()
    buckets = [
        each.witness.resource.removeprefix("arn:aws:s3:::").partition("/")[0]
        for each in excess_grants(target, situation_of(target, extra), WORKLOAD)
    ]
    assert bool(buckets) is (resource in ("arn:aws:s3:::acme-*", "arn:aws:s3:::*-"))
    for bucket in buckets:
        assert re.fullmatch(r"[a-z0-9][a-z0-9.-]+[a-z0-9]", bucket)


ADDRESS = {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}


@pytest.mark.parametrize(
    ("resource", "condition", "kind"),
    [
        # By the internet there is no endpoint, and through an endpoint no address.
        ("arn:aws:s3:::other/*", {**ADDRESS, "StringEquals": {"aws:SourceVpce": "vpce-1"}}, ""),
        ("arn:aws:s3:::other/${aws:SourceVpce}/*", ADDRESS, ""),
        ("arn:aws:s3:::other/${aws:SourceVpce, 'x'}/*", ADDRESS, "outside"),
        ("arn:aws:s3:::other/*", {"Null": {"aws:SourceIp": "true"}}, "outside"),
        ("arn:aws:s3:::other/*", {"Null": {"aws:SourceIp": "true", "aws:SourceVpce": "true"}}, ""),
        # A bucket is asked in its Region, and always in some Region; a session is at most 12 h old.
        ("arn:aws:s3:::acme-analytics/*", {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}},
         ""),
        ("arn:aws:s3:::acme-analytics/*", {"StringLike": {"aws:RequestedRegion": "us-*"}},
         "outside"),
        ("arn:aws:s3:::other/*", {"StringLike": {"aws:RequestedRegion": "me-*"}}, "outside"),
        ("arn:aws:s3:::other/*", {"StringLike": {"aws:RequestedRegion": "nowhere-*"}}, ""),
        ("arn:aws:s3:::other/*", {"Null": {"aws:RequestedRegion": "true"}}, ""),
        ("arn:aws:s3:::other/*", {"DateLessThan": {"aws:TokenIssueTime": "2020-01-01T00:00:00Z"}},
         ""),
    ],
)  # fmt: skip
def test_grant_that_no_request_can_use_is_none(resource, condition, kind):
    target = target_of()
    extra = allow("s3:PutObjectAcl", resource, Condition=condition)
    found = excess_grants(target, situation_of(target, extra), WORKLOAD)
    assert [each.kind for each in found] == ([kind] if kind else [])
    for each in found:
        names = {key.lower() for key in each.witness.context}
        assert not {"aws:sourceip", "aws:sourcevpce"} <= names


def test_key_policy_that_leaves_it_to_the_account_grants_nothing_itself():
    root = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    policy = document(Principal=root, Action="s3:*", Resource=[BUCKET, f"{BUCKET}/*"])
    target = target_of()
    assert excess_grants(target, situation_of(target, bucket_policy=policy), WORKLOAD) == ()
    policy["Statement"][0]["Principal"]["AWS"] = [root["AWS"], target.role_arn_in(ACCOUNT)]
    assert excess_grants(target, situation_of(target, bucket_policy=policy), WORKLOAD) != ()


def test_answer_is_unknown_where_variables_have_more_values_than_were_tried():
    names = {"StringEquals": {"aws:Referer": ["a", "b", "c", "d"],
                              "aws:UserAgent": ["e", "f", "g", "h"]}}  # fmt: skip
    place = "arn:aws:s3:::acme-analytics/risingwave/${aws:Referer}/${aws:UserAgent}"
    extra = allow("s3:PutObjectAcl", place, Condition=names)
    target = target_of()
    check, found, _ = judge_reach(target, situation_of(target, extra), WORKLOAD)
    assert [each.kind for each in found] == ["unused"]
    assert (check.status, check.reason) == ("unknown", "grants_not_decided")


def test_accepting_what_is_outside_does_not_accept_what_is_undecided():
    denials = [
        {"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole",
         "Condition": {"StringNotEquals": {f"aws:RequestTag/k{number}": "v"}}}
        for number in range(12)
    ]  # fmt: skip
    trust = stranger({})
    trust["Statement"] += denials
    target = target_of()
    situation = situation_of(target, allow("s3:GetObject", "arn:aws:s3:::other/*"), trust=trust)
    check, (grant,), _ = judge_reach(target, situation, WORKLOAD)
    assert check.reason == "grant_beyond_need"
    assert "undecided-" in check.fix
    accepting = target_of(accept_findings=[grant.id])
    check, *_ = judge_reach(accepting, situation, WORKLOAD)
    assert check.reason == "grants_not_decided"


@pytest.mark.slow
def test_run_stops_before_the_first_write_where_the_reach_is_not_decided(aws, example):
    trust = stranger({})
    trust["Statement"] += [
        {"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole",
         "Condition": {"StringNotEquals": {f"aws:RequestTag/k{number}": "v"}}}
        for number in range(12)
    ]  # fmt: skip
    trust["Statement"][2]["Principal"] = {"AWS": "arn:aws:iam::999999999999:root"}
    aws.client("iam").create_role(
        RoleName="risingwave-s3-access", AssumeRolePolicyDocument=json.dumps(trust)
    )
    book = Runbook.start({**example, "apply": True})
    with pytest.raises(CheckFailedError, match="reach is not decided") as stopped:
        book.run_step(1)
    assert [call for call in book.aws.calls if call.writes] == []
    ids = re.findall(r"accept_findings: \[(.*)\]", str(stopped.value))[0].split(", ")
    book = Runbook.start({**example, "apply": True, "accept_findings": ids})
    book.run_step(1)
    assert [call for call in book.aws.calls if call.writes]


CASES = [
    ("nothing more", (), set()),
    ("administrator", (allow("*", "*"),), {"outside"}),
    ("sibling", (allow("s3:GetObject", f"{BUCKET}/risingwave*"),), {"outside"}),
    ("inside, not needed", (allow("s3:PutObjectAcl", f"{BUCKET}/risingwave/*"),), {"unused"}),
    ("inside, needed", (allow("s3:GetObject", f"{BUCKET}/risingwave/a/*"),), set()),
    ("another bucket", (allow("s3:PutObject", "arn:aws:s3:::acme-*/*"),), {"outside"}),
    ("the bucket's policy", (allow("s3:PutBucketPolicy", BUCKET),), {"outside"}),
    ("the bucket's region", (allow("s3:GetBucketLocation", BUCKET),), {"unused"}),
    ("iam", (allow("iam:*", "*"),), {"outside"}),
    ("another role", (allow("sts:AssumeRole", "arn:aws:iam::*:role/*"),), {"outside"}),
    ("other keys", (allow("kms:Decrypt", f"arn:aws:kms:*:{ACCOUNT}:key/*"),), {"outside"}),
    ("every listing", (allow("s3:ListBucket", BUCKET),), {"outside"}),
    (
        "listing of a sibling",
        (allow("s3:ListBucket", BUCKET, Condition={"StringLike": {"s3:prefix": "risingwave*"}}),),
        {"outside"},
    ),
    (
        "listing of a part",
        (allow("s3:ListBucket", BUCKET, Condition={"StringLike": {"s3:prefix": "risingwave/a*"}}),),
        set(),
    ),
    (
        "listing of the whole place, the key in capitals",
        (allow("s3:ListBucket", BUCKET, Condition={"StringLike": {"S3:PREFIX": "risingwave"}}),),
        {"unused"},
    ),
    ("all but iam", (document(NotAction="iam:*", Resource="*"),), {"outside"}),
    ("all other objects", (document(Action="s3:GetObject", NotResource=f"{BUCKET}/*"),),
     {"outside"}),
    ("denied again", (allow("s3:*", "*"), document("Deny", Action="s3:*",
     NotResource=f"{BUCKET}/risingwave/*")), {"unused"}),
    ("denied wholly", (allow("ec2:*", "*"), document("Deny", Action="ec2:*", Resource="*")),
     set()),
    ("from one network", (allow("s3:GetObject", "*", Condition={"IpAddress": {
        "aws:SourceIp": "10.0.0.0/8"}}),), {"outside"}),
    ("never true", (allow("s3:GetObject", "*", Condition={"StringEquals": {
        "aws:PrincipalAccount": "999999999999"}}),), set()),
    ("an action on no such resource", (allow("s3:GetObject", BUCKET),), set()),
]  # fmt: skip


OTHER = "arn:aws:s3:::acme-other/x"


def under(**conditions):
    return allow("s3:GetObject", OTHER, Condition=conditions)


def but(**conditions):
    return document("Deny", Action="*", Resource="*", Condition=conditions)


ADDRESSES = under(IpAddress={"aws:SourceIp": "10.0.0.0/8"})
CASES += [
    ("a range but its start", (ADDRESSES, but(IpAddress={"aws:SourceIp": "10.0.0.0/16"})),
     {"outside"}),
    ("a range but both ends",
     (ADDRESSES, but(IpAddress={"aws:SourceIp": ["10.0.0.0/16", "10.255.0.0/16"]})), {"outside"}),
    ("a range but all of it",
     (ADDRESSES, but(IpAddress={"aws:SourceIp": ["10.0.0.0/9", "10.128.0.0/9"]})), set()),
    ("a range of IPv6", (under(IpAddress={"aws:SourceIp": "2001:db8::/32"}),
     but(IpAddress={"aws:SourceIp": "2001:db8::/48"})), {"outside"}),
    ("between two dates", (under(DateGreaterThan={"aws:TokenIssueTime": "2027-01-01T00:00:00Z"},
     DateLessThan={"aws:TokenIssueTime": "2028-01-01T00:00:00Z"}),), {"outside"}),
    ("after a second of the epoch", (under(NumericGreaterThan={"aws:EpochTime": "1577836800"}),),
     {"outside"}),
    ("a session's issue", (under(Null={"aws:TokenIssueTime": "false"}),), {"outside"}),
    ("no session's issue", (under(Null={"aws:TokenIssueTime": "true"}),), set()),
    ("not for a service", (under(Bool={"aws:PrincipalIsAWSService": "false"}),), {"outside"}),
    ("from a day on", (under(DateGreaterThan={"aws:CurrentTime": "2099-01-01T00:00:00Z"}),),
     {"outside"}),
    ("until a day that is past", (under(DateLessThan={"aws:CurrentTime": "2020-01-01T00:00:00Z"}),),
     set()),
    ("refused until a day", (allow("s3:GetObject", OTHER),
     but(DateLessThan={"aws:CurrentTime": "2099-01-01T00:00:00Z"})), {"outside"}),
    ("between two numbers", (under(NumericGreaterThan={"s3:TlsVersion": "1.1"},
     NumericLessThan={"s3:TlsVersion": "1.3"}),), {"outside"}),
    ("many keys with many values", (
     under(StringLike={"aws:SourceVpce": "vpce-*"}),
     but(StringNotEquals={"aws:SourceVpc": ["vpc-1", "vpc-2", "vpc-3", "vpc-4"]}),
     but(StringNotEquals={"aws:SourceVpce": ["vpce-1", "vpce-2", "vpce-3"]}),
     but(StringNotLike={"aws:UserAgent": ["x*", "y*", "z*"]}),
     but(StringNotLike={"aws:Referer": ["x*", "y*", "z*"]}),
     but(StringNotLike={"aws:PrincipalOrgID": ["o-1", "o-2"]})), {"outside"}),
]  # fmt: skip


@pytest.mark.parametrize(("extra", "kinds"), [row[1:] for row in CASES], ids=[r[0] for r in CASES])
def test_grant_beyond_the_need_is_found_with_its_kind(extra, kinds):
    target = target_of()
    situation = situation_of(target, *extra)
    found = excess_grants(target, situation)
    assert {each.kind for each in found} == kinds
    for each in found:
        proves(target, situation, each)


def proves(target, situation, grant):
    """See that the witness goes through, and that the need doesn't cover it."""
    if grant.assumes or ":role/" in grant.witness.resource:
        return
    policies = Policies(
        identity=list(situation.identity),
        resource=situation.bucket.policy if grant.witness.resource.startswith(BUCKET) else None,
        boundary=situation.boundary,
    )
    assert evaluate(grant.witness, policies).allowed
    needed = Policies(identity=[("needed", each) for each in needed_documents(target, situation)])
    assert not evaluate(grant.witness, needed).allowed


def test_boundary_takes_away_what_a_policy_grants():
    target = target_of()
    boundary = ("boundary", allow("s3:*", f"{BUCKET}/risingwave/*"))
    found = excess_grants(target, situation_of(target, allow("*", "*"), boundary=boundary))
    assert [each.kind for each in found] == ["unused"]


@pytest.mark.parametrize(
    ("principal", "reached"),
    [
        ("*", True),
        ({"AWS": f"arn:aws:sts::{ACCOUNT}:assumed-role/risingwave-s3-access/reqsign"}, True),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:role/risingwave-s3-access"}, False),
    ],
)
def test_boundary_does_not_limit_what_a_bucket_policy_gives_everybody(principal, reached):
    policy = document(Principal=principal, Action="s3:GetObject", Resource=f"{BUCKET}/finance/*")
    boundary = ("boundary", allow("s3:PutObject", f"{BUCKET}/risingwave/*"))
    target = target_of()
    situation = situation_of(target, bucket_policy=policy, boundary=boundary)
    found = excess_grants(target, situation)
    assert [each.sources for each in found] == [("the bucket policy",)] * reached


def test_bucket_policy_that_names_everybody_counts():
    policy = document(Principal="*", Action="s3:GetObject", Resource=f"{BUCKET}/*")
    target = target_of()
    (found,) = excess_grants(target, situation_of(target, bucket_policy=policy))
    assert (found.kind, found.sources) == ("outside", ("the bucket policy",))


def test_documented_policy_is_only_unused_unless_its_prefix_is_a_pattern():
    plain, star = (
        target_of(policy_style="documented"),
        target_of(policy_style="documented", prefix="rw*"),
    )
    assert {each.kind for each in excess_grants(plain, situation_of(plain))} == {"unused"}
    assert "outside" in {each.kind for each in excess_grants(star, situation_of(star))}
    escaped = target_of(prefix="rw*")
    assert excess_grants(escaped, situation_of(escaped)) == ()


@pytest.mark.parametrize(
    ("principal", "kind"),
    [
        ({"AWS": "*"}, "outside"),
        ({"AWS": "arn:aws:iam::444455556666:root"}, "outside"),
        ({"AWS": "arn:aws:iam::999999999999:role/x"}, "outside"),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:role/etl"}, "unused"),
        ({"Service": "ec2.amazonaws.com"}, "unused"),
    ],
)
def test_whoever_else_may_assume_the_role_is_found(principal, kind):
    target = target_of()
    trust = trust_policy(WORKLOAD, ["redshift"])
    trust["Statement"].append(
        {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    )
    (found,) = excess_grants(target, situation_of(target, trust=trust))
    assert found.kind == kind
    assert evaluate(
        found.witness,
        Policies(identity=[allow("sts:AssumeRole", "*")], resource=trust),
    ).allowed


def test_policy_of_another_target_of_this_runbook_counts_as_asked_for():
    target = target_of()
    situation = situation_of(target, allow("s3:GetObject", "arn:aws:s3:::acme-other/rw/*"))
    assert [each.kind for each in excess_grants(target, situation)] == ["outside"]
    shared = replace(situation, ours=frozenset({"extra-0"}), redshift_claimed=True)
    assert excess_grants(target, shared) == ()
    check, *_ = judge_reach(target, shared)
    assert check.status == "pass"
    (line,) = check.evidence
    assert "extra-0 is another target's of this runbook on the same role" in line
    without = target_of(connectors=["s3_sink"])
    trusting = replace(situation_of(without), redshift_claimed=True)
    trusting = replace(trusting, trust_policy=trust_policy(WORKLOAD, ["redshift"]))
    check, found, _ = judge_reach(without, trusting)
    assert (check.status, found) == ("pass", ())
    assert "may let Redshift in" in check.evidence[0]


def test_accepted_finding_is_reported_and_passes():
    target = target_of()
    situation = situation_of(target, allow("*", "*"))
    check, (found,), _ = judge_reach(target, situation)
    assert check.status == "fail"
    assert found.id in check.fix
    accepting = target_of(accept_findings=[found.id, "outside-00000000"])
    check, *_ = judge_reach(accepting, situation)
    assert check.status == "pass"
    assert check.evidence[0].startswith("accepted: ")
    assert "outside-00000000" in check.evidence[1]


def test_id_that_is_not_a_findings_is_refused():
    with pytest.raises(InputError, match="accept_findings: 'all' is not the id of a finding"):
        target_of(accept_findings=["all"])
    assert target_of(accept_findings="outside-01234567, unused-89abcdef").accept_findings == [
        "outside-01234567",
        "unused-89abcdef",
    ]


TAGGED = {"StringEquals": {"aws:PrincipalTag/team": "data"}}
BY_TAG = [
    ("another value", under(**TAGGED), {"team": "sales"}, set()),
    ("no such tag", under(**TAGGED), {}, set()),
    ("tags not read", under(**TAGGED), None, {"outside"}),
    ("its value", under(**TAGGED), {"Team": "data"}, {"outside"}),
    ("its absence", under(Null={"aws:PrincipalTag/team": "true"}), {}, {"outside"}),
    ("a folder", allow("s3:GetObject", BUCKET + "/${aws:PrincipalTag/team}/*"), {"team": "sales"},
     {"outside"}),
    ("the prefix itself", allow("s3:GetObject", BUCKET + "/${aws:PrincipalTag/team}/*"),
     {"team": "risingwave"}, set()),
    ("a bucket", allow("s3:GetObject", "arn:aws:s3:::acme-${aws:PrincipalTag/team}/*"),
     {"team": "sales"}, {"outside"}),
    ("a listing", allow("s3:ListBucket", BUCKET, Condition={
        "StringLike": {"s3:prefix": "${aws:PrincipalTag/team}/*"}}), {"team": "sales"},
     {"outside"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("extra", "tags", "kinds"), [row[1:] for row in BY_TAG], ids=[row[0] for row in BY_TAG]
)
def test_the_roles_own_tags_decide_where_a_policy_asks_for_them(extra, tags, kinds):
    target = target_of()
    situation = replace(situation_of(target, extra), role_tags=tags)
    found = excess_grants(target, situation)
    assert {each.kind for each in found} == kinds
    for each in found:
        proves(target, situation, each)


# Random roles: what brute force finds, the analysis finds, and the other way round -------------

ACTIONS = [
    "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket", "s3:DeleteBucket",
    "s3:GetObjectAcl", "s3:*", "s3:Get*", "s3:*Object", "*", "iam:CreateUser", "iam:Pass*",
    "glue:GetTable", "ec2:Describe*",
]  # fmt: skip
RESOURCES = [
    "*", f"{BUCKET}", f"{BUCKET}/*", f"{BUCKET}/risingwave/*", f"{BUCKET}/risingwave*",
    f"{BUCKET}/r?singwave/*", f"{BUCKET}/risingwave/manifest/*", "arn:aws:s3:::acme-*",
    "arn:aws:s3:::acme-other/x/*", f"arn:aws:iam::{ACCOUNT}:user/*", "arn:aws:s3:::*/risingwave/*",
]  # fmt: skip
CONDITIONS = [
    {}, {}, {},
    {"StringLike": {"s3:prefix": "risingwave/*"}},
    {"StringLike": {"s3:prefix": ["r*", "x"]}},
    {"StringNotLike": {"s3:prefix": "risingwave*"}},
    {"Bool": {"aws:SecureTransport": "true"}},
    {"Bool": {"aws:SecureTransport": "false"}},
    {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}},
    {"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}},
    {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}},
    {"Null": {"aws:SourceVpce": "true"}},
]  # fmt: skip
PLACES = [
    BUCKET, f"{BUCKET}/a", f"{BUCKET}/risingwave/a", f"{BUCKET}/risingwave2/a",
    f"{BUCKET}/rxsingwave/a", f"{BUCKET}/risingwave/t/manifest/m", "arn:aws:s3:::acme-other",
    "arn:aws:s3:::acme-other/x/a", "arn:aws:s3:::zzz/risingwave/b",
    f"arn:aws:iam::{ACCOUNT}:user/eve", "*",
]  # fmt: skip
FITS = {
    "s3:GetObject": "object", "s3:PutObject": "object", "s3:DeleteObject": "object",
    "s3:GetObjectAcl": "object", "s3:ListBucket": "bucket", "s3:DeleteBucket": "bucket",
    "iam:CreateUser": "user", "ec2:DescribeInstances": "none",
}  # fmt: skip


def shape_of(place):
    if place == "*":
        return "none"
    if place.startswith("arn:aws:iam"):
        return "user"
    return "object" if "/" in place else "bucket"


@st.composite
def statements(draw):
    effect = draw(st.sampled_from(["Allow", "Allow", "Allow", "Deny"]))
    made = {"Effect": effect}
    actions = draw(st.lists(st.sampled_from(ACTIONS), min_size=1, max_size=3, unique=True))
    resources = draw(st.lists(st.sampled_from(RESOURCES), min_size=1, max_size=3, unique=True))
    made["NotAction" if draw(st.integers(0, 7)) == 0 else "Action"] = actions
    made["NotResource" if draw(st.integers(0, 7)) == 0 else "Resource"] = resources
    condition = draw(st.sampled_from(CONDITIONS))
    return {**made, "Condition": condition} if condition else made


def regions_of(place):
    """A bucket whose Region is known and IAM are asked there alone, any other bucket anywhere."""
    known = place == BUCKET or place.startswith((f"{BUCKET}/", "arn:aws:iam:"))
    return ("us-east-1",) if known else ("us-east-1", "eu-west-1")


def brute_force(target, situation):
    """Try requests one by one, and return those that go through though nobody needs them."""
    needed = Policies(identity=[("n", each) for each in needed_documents(target, situation)])
    held = Policies(identity=list(situation.identity), boundary=situation.boundary)
    base = {"aws:PrincipalArn": situation.role_arn, "aws:ViaAWSService": False}
    for action, shape in FITS.items():
        for place in (each for each in PLACES if shape_of(each) == shape):
            prefixes = ("risingwave", "risingwave/a", "risingwave2", "x", None)
            for prefix in prefixes if action == "s3:ListBucket" else (None,):
                for address in ("203.0.113.5", "192.0.2.1", None):
                    for secure in ("true", "false"):
                        for region in regions_of(place):
                            context = {
                                **base,
                                "aws:SecureTransport": secure,
                                "aws:RequestedRegion": region,
                                "aws:SourceIp": address,
                                "s3:prefix": prefix,
                            }
                            request = Request(
                                f"arn:aws:sts::{ACCOUNT}:assumed-role/risingwave-s3-access/reqsign",
                                action, place, ACCOUNT, context,
                            )  # fmt: skip
                            if (
                                evaluate(request, held).allowed
                                and not evaluate(request, needed).allowed
                            ):
                                yield request


def agrees_with_brute_force(extra, boundary):
    target = target_of()
    documents = [{"Version": "2012-10-17", "Statement": [each]} for each in extra]
    bound = (
        ("b", {"Version": "2012-10-17", "Statement": [{**boundary, "Effect": "Allow"}]})
        if boundary
        else None
    )
    situation = situation_of(target, *documents, boundary=bound)
    found = excess_grants(target, situation)
    for each in found:
        proves(target, situation, each)
    policies = {f"extra-{number}": doc for number, doc in enumerate(documents)}
    reported = {source for each in found for source in each.sources}
    for request in brute_force(target, situation):
        grantors = {
            name
            for name, doc in policies.items()
            if evaluate(request, Policies(identity=[(name, doc)])).allowed
        }
        assert grantors & reported, (request, [each.line for each in found])


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(st.lists(statements(), min_size=1, max_size=3), st.none() | statements())
def test_random_roles_hold_nothing_that_is_not_reported(extra, boundary):
    agrees_with_brute_force(extra, boundary)


@pytest.mark.long
@settings(max_examples=500, deadline=None)
@given(st.lists(statements(), min_size=1, max_size=4), st.none() | statements())
def test_many_random_roles_hold_nothing_that_is_not_reported(extra, boundary):
    agrees_with_brute_force(extra, boundary)


HEADERS_ASK = [
    ("s3:x-amz-acl", "private", "s3:PutObjectAcl"),
    ("s3:x-amz-grant-read", "id=1", "s3:PutObjectAcl"),
    ("s3:RequestObjectTag/team", "data", "s3:PutObjectTagging"),
    ("s3:object-lock-mode", "GOVERNANCE", "s3:PutObjectRetention"),
    ("s3:object-lock-legal-hold", "ON", "s3:PutObjectLegalHold"),
]


@pytest.mark.parametrize(("key", "value", "too"), HEADERS_ASK)
def test_write_with_a_header_is_a_grant_only_with_what_s3_asks_for_too(key, value, too):
    target = target_of()
    place = "arn:aws:s3:::acme-other/x/*"
    condition = {"StringEquals": {key: value}}
    alone = document(Action="s3:PutObject", Resource=place, Condition=condition)
    assert excess_grants(target, situation_of(target, alone)) == ()
    both = situation_of(target, alone, document(Action=too, Resource=place))
    written = [each for each in excess_grants(target, both) if "extra-0" in each.sources]
    assert [each.witness.action for each in written] == ["s3:PutObject"]


# The gate ------------------------------------------------------------------------------------


def admin_role(aws):
    iam = aws.client("iam")
    iam.create_role(
        RoleName="risingwave-s3-access",
        AssumeRolePolicyDocument=json.dumps(
            document(Principal={"Service": "ec2.amazonaws.com"}, Action="sts:AssumeRole")
        ),
    )
    iam.put_role_policy(
        RoleName="risingwave-s3-access",
        PolicyName="everything",
        PolicyDocument=json.dumps(allow("*", "*")),
    )
    return iam


def test_run_writes_nothing_when_the_adopted_role_is_an_administrator(aws, example):
    admin_role(aws)
    book = Runbook.start({**example, "apply": True})
    with pytest.raises(CheckFailedError, match="nothing was written"):
        book.run_step(1)
    assert [call for call in book.aws.calls if call.writes] == []
    report = json.loads((book.run_dir / "report.json").read_text())
    assert report["exit_code"] == 1
    (grant,) = [each for each in report["grants"] if each["kind"] == "outside"]
    assert grant["witness"]["action"]
    assert grant["accepted"] is False


def test_run_goes_on_when_the_finding_is_accepted(aws, example):
    admin_role(aws)
    seen = Runbook.start(example)
    seen.look()
    ids = [each.id for each in seen.grants if each.kind == "outside"]
    book = Runbook.start({**example, "apply": True, "accept_findings": ids})
    for number in (1, 2, 3):
        book.run_step(number)
    book.verify()
    report = book.finish()
    check = next(each for each in report["checks"] if each["id"] == "excess_grants")
    assert check["status"] == "pass"
    assert report["target"]["accept_findings"] == ids
    assert report["exit_code"] == 0
    assert report["headline"].endswith(f"accepted on purpose: {ids[0]}")
    assert [each["accepted"] for each in report["grants"] if each["kind"] == "outside"] == [True]


ROOT_OF_RISINGWAVE = {"AWS": "arn:aws:iam::444455556666:root"}
WIDE = [
    {"extra": [allow("*", "*")]},
    {"extra": [allow("s3:*", "*"), allow(["s3:GetObject", "s3:PutObject"], f"{BUCKET}/*")]},
    {"extra": [allow("s3:ListBucket", BUCKET)]},
    {"extra": [document(NotAction="iam:*", Resource="*")]},
    {"bucket_policy": document(Principal="*", Action="s3:*", Resource=[BUCKET, f"{BUCKET}/*"])},
    {"trusted": [ROOT_OF_RISINGWAVE]},
    {"trusted": [{"AWS": [WORKLOAD, "*"]}]},
    {"trusted": [{"AWS": "arn:aws:iam::444455556666:role/some-other-role"}, {"AWS": "*"}]},
]


def wide_situation(target, extra=(), trusted=(), bucket_policy=None):
    trust = trust_policy(WORKLOAD, target.connectors)
    trust["Statement"] += [
        {"Effect": "Allow", "Principal": who, "Action": "sts:AssumeRole"} for who in trusted
    ]
    return situation_of(target, *extra, trust=trust, bucket_policy=bucket_policy)


def failing(target, situation):
    check, _, beside = judge_reach(target, situation, WORKLOAD)
    checks = check_situation(
        target, situation, situation.policy_document, workload_identity_arn=WORKLOAD, beside=beside
    )
    return {each.id: each.reason for each in [*checks, check] if each.status == "fail"}


@pytest.mark.parametrize("wide", WIDE)
def test_no_check_fails_for_what_is_accepted(wide):
    target = target_of()
    situation = wide_situation(target, **wide)
    found = failing(target, situation)
    assert "excess_grants" in found
    assert len(found) == 2, "one of the samples is reached by each of these"
    ids = [each.id for each in excess_grants(target, situation, WORKLOAD)]
    accepting = target_of(accept_findings=ids)
    assert failing(accepting, situation) == {}


def test_sample_fails_while_one_of_two_grants_that_reach_it_is_not_accepted():
    target = target_of()
    situation = wide_situation(target, [allow("s3:*", "*"), allow("s3:GetObject", f"{BUCKET}/*")])
    ids = [each.id for each in excess_grants(target, situation, WORKLOAD) if each.kind == "outside"]
    assert len(ids) == 2
    for left_out in ids:
        accepting = target_of(accept_findings=[each for each in ids if each != left_out])
        assert set(failing(accepting, situation)) == {"excess_grants", "requests_refused"}


def test_principal_beside_an_accepted_one_is_not_accepted():
    named = [
        f"arn:aws:iam::444455556666:{name}" for name in ("role/some-other-role", "user/some-user")
    ]
    target = target_of()
    situation = wide_situation(target, trusted=[{"AWS": named}])
    grants = excess_grants(target, situation, WORKLOAD)
    assert len(grants) == 2
    accepting = target_of(accept_findings=[grants[0].id])
    assert set(failing(accepting, situation)) == {"excess_grants", "trust"}


def test_samples_do_not_fail_for_what_another_target_asked_for():
    target, other = target_of(), target_of(name="beside", prefix="risingwave-other")
    document_of_other = policy_document(other, account_id=ACCOUNT, region_name="us-east-1")
    situation = situation_of(target, document_of_other)
    assert set(failing(target, situation)) == {"excess_grants", "requests_refused"}
    assert failing(target, replace(situation, ours=frozenset({"extra-0"}))) == {}


@pytest.mark.parametrize("what", ["attached policies", "inline policies", ADMIN])
def test_reach_is_not_decided_while_a_policy_of_the_role_was_not_read(what):
    target = target_of()
    unread = replace(situation_of(target), unknown={what: "AccessDenied: no"})
    check, grants, _ = judge_reach(target, unread, WORKLOAD)
    assert (check.status, check.reason, grants) == ("unknown", "grants_not_decided", ())
    (found_id,) = re.findall(r"\[(undecided-[0-9a-f]{8})\]", check.evidence[0])
    assert plan_problem(target, grants, [check]).count(found_id) == 2
    accepting = target_of(accept_findings=[found_id])
    check, *_ = judge_reach(accepting, unread, WORKLOAD)
    assert (check.status, check.reason) == ("unknown", "undecided_grants_accepted")
    assert plan_problem(accepting, grants, [check]) == ""
    # Another policy that may not be read is another question.
    more = replace(unread, unknown={what: "AccessDenied: no", "another": "AccessDenied: no"})
    assert judge_reach(accepting, more, WORKLOAD)[0].reason == "grants_not_decided"


@pytest.mark.parametrize(
    "operation", ["list_role_policies", "get_role_policy", "get_policy_version"]
)
def test_run_stops_where_a_policy_of_an_adopted_role_may_not_be_read(aws, example, operation):
    iam = admin_role(aws)
    arn = iam.create_policy(PolicyName="etl", PolicyDocument=json.dumps(allow("s3:*", "*")))
    iam.attach_role_policy(RoleName=ROLE, PolicyArn=arn["Policy"]["Arn"])

    def blind(**more):
        book = Runbook.start({**example, "apply": True, **more})
        book.aws = BusyAws(before={operation: [lambda: client_error("AccessDenied")] * 9})
        return book

    book = blind()
    book.look()
    grants = [each.id for each in book.grants if each.kind == "outside"]
    accepting = blind(accept_findings=grants)
    with pytest.raises(CheckFailedError, match="nothing was written: what the role would") as found:
        accepting.run_step(1)
    assert [call for call in accepting.aws.calls if call.writes] == []
    report = json.loads((accepting.run_dir / "report.json").read_text())
    assert report["exit_code"] == 1
    assert report["headline"] == f"N{str(found.value)[1:]}"
    open_ids = re.findall(r"accept_findings: \[(undecided-[0-9a-f]{8})\]", str(found.value))
    accepting.target = accepting.target.model_copy(update={"apply": False})
    accepting.stopped = ""
    assert open_ids[0] in accepting.finish()["headline"]
    book = blind(accept_findings=[*grants, *open_ids])
    book.run_step(1)


def test_witness_goes_through_in_the_sandbox(aws, example):
    iam = admin_role(aws)
    seen = Runbook.start(example)
    seen.look()
    (grant,) = [each for each in seen.grants if each.kind == "outside"]
    answer = iam.simulate_custom_policy(
        PolicyInputList=[json.dumps(allow("*", "*"))],
        ActionNames=[grant.witness.action],
        ResourceArns=[grant.witness.resource],
    )
    assert answer["EvaluationResults"][0]["EvalDecision"] == "allowed"


@pytest.mark.slow
def test_two_buckets_of_one_cluster_share_a_role(aws, example):
    for bucket in ("acme-analytics", "acme-lake"):
        values = {**example, "name": bucket, "bucket": bucket, "apply": True}
        if bucket == "acme-lake":
            aws.client("s3").create_bucket(Bucket=bucket)
        book = Runbook.start(values)
        for number in (1, 2, 3):
            book.run_step(number)
    book.verify()
    check = next(each for each in book.checks if each.id == "excess_grants")
    assert check.status == "pass"
