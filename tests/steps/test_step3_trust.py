"""Step 3: what the merge adds, what it keeps, what it refuses, and what AWS is ever sent."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rwlib.aws.calls import policy_json
from rwlib.errors import ForeignTrustError, InputError, PolicyLimitError, RunbookError
from rwlib.evaluate.evaluator import evaluate
from rwlib.evaluate.model import Policies, Request
from rwlib.steps.changes import Ledger
from rwlib.steps.step3_documents import (
    REDSHIFT_SID,
    SID,
    merge_trust,
    remove_own_statements,
    restrictions,
    trust_policy,
)
from rwlib.steps.step3_trust import ensure_trust
from tests.support.example_names import EC2, ROLE, ROLE_ARN, WORKLOAD
from tests.support.interference import BusyAws, Sleeps, client_error, writes

OTHER_CLUSTER = "arn:aws:iam::444455556666:role/other-cluster-role"
OWN = {
    "Sid": "RisingWaveCloudAssumeRole",
    "Effect": "Allow",
    "Principal": {"AWS": WORKLOAD},
    "Action": "sts:AssumeRole",
}
COPY = {
    "Sid": "RisingWaveCloudRedshiftCopy",
    "Effect": "Allow",
    "Principal": {"Service": "redshift.amazonaws.com"},
    "Action": "sts:AssumeRole",
}
TEAM = {
    "Sid": "Team",
    "Effect": "Allow",
    "Principal": {"AWS": ["arn:aws:iam::111122223333:root"]},
    "Action": ["sts:AssumeRole", "sts:TagSession"],
    "Condition": {"StringEquals": {"aws:PrincipalTag/team": ["data"]}},
}


def document(*statements, **more):
    return {"Version": "2012-10-17", "Statement": list(statements), **more}


def may_assume(trust, caller, **context):
    session = caller
    if ":role/" in caller:
        session = (
            f"arn:aws:sts::{caller.split(':')[4]}:assumed-role/{caller.split('/')[-1]}/reqsign"
        )
        context["aws:PrincipalArn"] = caller
    allow = document({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"})
    request = Request(
        session, "sts:AssumeRole", ROLE_ARN, "111122223333",
        {"sts:RoleSessionName": "reqsign", **context},
    )  # fmt: skip
    return evaluate(request, Policies(identity=[allow], resource=trust)).effect == "allowed"


# The merge ------------------------------------------------------------------------------------


def test_trust_policy_names_the_workload_identity_alone():
    assert trust_policy(WORKLOAD) == document(OWN)


def test_trust_policy_names_redshift_when_its_copy_uses_the_role():
    trust = trust_policy(WORKLOAD, ["redshift"])
    assert trust == document(OWN, COPY)
    assert may_assume(trust, WORKLOAD)
    assert may_assume(trust, "redshift.amazonaws.com")
    assert not may_assume(trust, OTHER_CLUSTER)
    assert not may_assume(trust, "ec2.amazonaws.com")


@pytest.mark.parametrize(
    ("existing", "connectors", "merged"),
    [
        (None, [], document(OWN)),
        (document(TEAM), [], document(TEAM, OWN)),
        (document(TEAM), ["redshift"], document(TEAM, OWN, COPY)),
        ({"Version": "2008-10-17", "Id": "x", "Statement": EC2}, [],
         {"Version": "2008-10-17", "Id": "x", "Statement": [EC2, OWN]}),
        ({"Statement": [EC2]}, [], {"Statement": [EC2, OWN]}),
        (document({**OWN, "Principal": {"AWS": "AROA1234567890ABCDEFG"}}), [], document(OWN)),
    ],
)  # fmt: skip
def test_merge_adds_its_statements_and_keeps_the_rest(existing, connectors, merged):
    before = copy.deepcopy(existing)
    merge = merge_trust(existing, WORKLOAD, connectors)
    assert (merge.document, merge.changed) == (merged, True)
    assert existing == before
    again = merge_trust(merge.document, WORKLOAD, connectors)
    assert (again.document, again.changed) == (merged, False)


SOMEBODYS = [
    {**OWN, "Principal": {"AWS": OTHER_CLUSTER}},
    {**OWN, "Principal": {"AWS": [WORKLOAD, OTHER_CLUSTER]}},
    {**OWN, "Effect": "Deny"},
    {**OWN, "Action": ["sts:AssumeRole", "sts:TagSession"]},
    {**OWN, "Condition": {"StringEquals": {"aws:SourceVpc": "vpc-1"}}},
    {**OWN, "Principal": {"AWS": "AROA1234567890ABCDEFG"}, "Effect": "Deny"},
    {**COPY, "Principal": {"Service": "ec2.amazonaws.com"}},
    {**COPY, "Condition": {"StringEquals": {"aws:SourceAccount": "111122223333"}}},
]


@pytest.mark.parametrize("statement", SOMEBODYS)
def test_merge_refuses_a_statement_with_its_sid_that_it_did_not_write(statement):
    kept = "belongs to somebody else and stays as it is; give"
    with pytest.raises(ForeignTrustError, match=kept):
        merge_trust(document(TEAM, statement), WORKLOAD, ["redshift"])


@pytest.mark.parametrize("statement", SOMEBODYS)
def test_merge_replaces_what_it_wrote(statement):
    merge = merge_trust(
        document(TEAM, statement), WORKLOAD, ["redshift"], written=lambda each: each == statement
    )
    assert sorted(each["Sid"] for each in merge.document["Statement"]) == sorted(
        [SID, REDSHIFT_SID, "Team"]
    )
    assert statement not in merge.document["Statement"]
    assert OWN in merge.document["Statement"]


@pytest.mark.parametrize(("wrote", "needed"), [(True, False), (True, True), (False, False)])
def test_merge_takes_redshift_away_when_it_wrote_it_and_nobody_needs_it(wrote, needed):
    merge = merge_trust(
        document(OWN, COPY), WORKLOAD, written=lambda _: wrote, keep_redshift=needed
    )
    assert (COPY in merge.document["Statement"]) == (needed or not wrote)


@pytest.mark.parametrize(
    "existing",
    [
        document(OWN),
        document({**OWN, "Principal": {"AWS": [WORKLOAD]}, "Action": ["sts:AssumeRole"]}),
        {"Version": "2012-10-17", "Statement": OWN},
        document({key: OWN[key] for key in ("Effect", "Principal", "Action")}),
        document({**OWN, "Sid": "ByHand", "Principal": {"AWS": ["arn:aws:iam::111122223333:root",
                                                               WORKLOAD]}}),
        document({**OWN, "Sid": "ByHand", "Action": ["sts:TagSession", "sts:AssumeRole"]}),
    ],
)  # fmt: skip
def test_merge_changes_nothing_when_it_is_granted_already(existing):
    merge = merge_trust(existing, WORKLOAD)
    assert (merge.document, merge.changed) == (existing, False)


@pytest.mark.parametrize(
    "statement",
    [
        {**OWN, "Sid": "ByHand", "Principal": {"AWS": OTHER_CLUSTER}},
        {**OWN, "Sid": "ByHand", "Action": "sts:TagSession"},
        {**OWN, "Sid": "ByHand", "Effect": "Deny"},
    ],
)
def test_merge_adds_its_own_when_another_statement_grants_less(statement):
    assert merge_trust(document(statement), WORKLOAD).document == document(statement, OWN)


ROOT = {"AWS": "arn:aws:iam::444455556666:root"}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"Condition": {"StringEquals": {"aws:SourceVpc": "vpc-1"}}}, "depends on aws:SourceVpc"),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}},
         "allowed from 203.0.113.0/24"),
        ({"Principal": ROOT, "Condition": {"ArnEquals": {"aws:PrincipalArn": WORKLOAD}}},
         "which are met"),
        ({"Condition": {"StringLike": {"sts:RoleSessionName": "reqsign"}}}, "which are met"),
        ({"Principal": {"AWS": "*"}, "Condition": {"ArnLike": {"aws:PrincipalArn": WORKLOAD}}},
         "which are met"),
    ],
)  # fmt: skip
def test_merge_adds_nothing_beside_a_restriction(changes, says):
    """A statement beside it would lift the restriction, whoever set it."""
    existing = document({**OWN, "Sid": "ByHand", **changes})
    merge = merge_trust(existing, WORKLOAD, role_arn="arn:aws:iam::111122223333:role/r",
                        region_name="us-east-1")  # fmt: skip
    assert (merge.document, merge.changed) == (existing, False)
    assert any(says in flag and "ByHand lets RisingWave in" in flag for flag in merge.flags)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"Principal": ROOT, "Condition": {"StringEquals": {"sts:ExternalId": "x"}}},
         "sts:ExternalId, which RisingWave cannot send"),
        ({"Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": "true"}}},
         "cannot meet.*MultiFactorAuthPresent"),
        ({"Principal": ROOT, "Condition": {"ArnEquals": {"aws:PrincipalArn": OTHER_CLUSTER}}},
         "cannot meet.*PrincipalArn"),
    ],
)  # fmt: skip
def test_merge_refuses_a_restriction_that_cannot_be_met(changes, says):
    existing = document({**OWN, "Sid": "ByHand", **changes})
    with pytest.raises(ForeignTrustError, match=says):
        merge_trust(existing, WORKLOAD, region_name="us-east-1")


@pytest.mark.parametrize(
    "condition",
    [
        {"StringEquals": {"aws:PrincipalOrgID": "o-1234567890"}},
        {"ArnEquals": {"aws:PrincipalArn": OTHER_CLUSTER}},
    ],
)
def test_merge_adds_its_own_beside_a_statement_for_other_people(condition):
    everybody = {**OWN, "Sid": "Us", "Principal": {"AWS": "*"}, "Condition": condition}
    assert merge_trust(document(everybody), WORKLOAD).document == document(everybody, OWN)


USER = "arn:aws:redshift:us-east-1:111122223333:dbuser:sales/ada"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"Condition": {"StringEquals": {"sts:ExternalId": USER}}}, USER),
        ({"Condition": {"StringEquals": {"aws:SourceAccount": "111122223333"}}}, "which are met"),
        ({"Principal": {"Service": "redshift.us-east-1.amazonaws.com"}}, "which are met"),
    ],
)
def test_merge_adds_nothing_beside_a_restriction_of_redshift(changes, says):
    existing = document(OWN, {**COPY, "Sid": "ByHand", **changes})
    merge = merge_trust(existing, WORKLOAD, ["redshift"], region_name="us-east-1",
                        role_arn="arn:aws:iam::111122223333:role/r")  # fmt: skip
    assert (merge.document, merge.changed) == (existing, False)
    assert any("ByHand lets Redshift in" in flag and says in flag for flag in merge.flags)


@pytest.mark.parametrize(
    "changes",
    [
        {"Condition": {"StringEquals": {"aws:SourceAccount": "777788889999"}}},
        {"Principal": {"Service": "redshift.eu-west-1.amazonaws.com"}},
        {"Condition": {"StringEquals": {"sts:ExternalId": "x"}}},
    ],
)
def test_merge_refuses_a_restriction_that_redshift_cannot_meet(changes):
    existing = document(OWN, {**COPY, "Sid": "ByHand", **changes})
    with pytest.raises(ForeignTrustError, match="ByHand lets Redshift in only under conditions"):
        merge_trust(existing, WORKLOAD, ["redshift"], region_name="us-east-1",
                    role_arn="arn:aws:iam::111122223333:role/r")  # fmt: skip


def test_merge_adds_redshift_alone_when_the_workload_is_there():
    by_hand = {**OWN, "Sid": "ByHand"}
    assert merge_trust(document(by_hand), WORKLOAD, ["redshift"]).document == document(
        by_hand, COPY
    )


@pytest.mark.parametrize("key", ["sts:ExternalId", "STS:externalid", "sts:RoleSessionName"])
@pytest.mark.parametrize("sid", [SID, "ByHand", None])
def test_merge_refuses_a_condition_that_risingwave_cannot_meet(key, sid):
    statement = {**OWN, "Sid": sid, "Condition": {"StringEquals": {key: "x"}}}
    if sid is None:
        del statement["Sid"]
    with pytest.raises(ForeignTrustError, match=r"cannot send.*another role_name"):
        merge_trust(document(TEAM, statement), WORKLOAD)


def test_merge_leaves_the_condition_when_it_is_on_somebody_elses_statement():
    vendor = {
        **OWN,
        "Sid": "Vendor",
        "Principal": {"AWS": "arn:aws:iam::777788889999:root"},
        "Condition": {"StringEquals": {"sts:ExternalId": "x"}},
    }
    assert merge_trust(document(vendor), WORKLOAD).document == document(vendor, OWN)


@pytest.mark.parametrize(
    "principal",
    ["*", {"AWS": "*"}, {"AWS": [WORKLOAD, "*"]}, {"AWS": "arn:aws:iam::444455556666:role/*"}],
)
def test_merge_refuses_a_wildcard_in_the_runbooks_own_statement(principal):
    with pytest.raises(ForeignTrustError, match=f"wildcard principal.*{WORKLOAD}"):
        merge_trust(document({**OWN, "Principal": principal}), WORKLOAD)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ({**EC2, "Principal": "*"}, "trusts everybody (*)"),
        ({**EC2, "Principal": {"AWS": "*"}}, "trusts everybody (*)"),
        ({**EC2, "Principal": {"AWS": "arn:aws:iam::777788889999:root"}}, "whole account"),
        ({**EC2, "Principal": {"AWS": "777788889999"}}, "whole account 777788889999"),
        ({**EC2, "Principal": {"AWS": ["AROA1234567890ABCDEFG"]}}, "deleted principal"),
        ({**EC2, "Effect": "Deny", "Principal": "*"}, "denies *, which can shut RisingWave out"),
        ({**EC2, "Effect": "Deny", "Principal": {"AWS": WORKLOAD}}, "shut RisingWave out"),
        ({**EC2, "Effect": "Deny", "Principal": {"AWS": "444455556666"}}, "shut RisingWave out"),
        (
            {"Effect": "Allow", "NotPrincipal": {"AWS": WORKLOAD}, "Action": "sts:AssumeRole"},
            "NotPrincipal",
        ),
        (
            {"Effect": "Deny", "NotPrincipal": {"AWS": WORKLOAD}, "Action": "sts:AssumeRole"},
            "denies everybody except",
        ),
    ],
)
def test_merge_flags_what_deserves_a_look_and_keeps_it(statement, words):
    merge = merge_trust(document(statement), WORKLOAD)
    assert any(words in flag for flag in merge.flags)
    assert merge.document["Statement"][0] == statement


def test_merge_flags_nothing_when_the_others_are_ordinary():
    assert merge_trust(document(EC2), WORKLOAD).flags == ()


words = st.text("abcdefgh", min_size=1, max_size=6)
one_or_many = lambda values: values | st.lists(values, min_size=1, max_size=3)  # noqa: E731
principal_arns = st.one_of(
    st.builds("arn:aws:iam::{}:role/{}".format, st.sampled_from(["111122223333"]), words),
    st.builds("arn:aws:iam::{}:root".format, st.sampled_from(["777788889999", "444455556666"])),
    st.sampled_from(["*", OTHER_CLUSTER, "AROA1234567890ABCDEFG", "777788889999"]),
)
statements = st.fixed_dictionaries(
    {
        "Effect": st.sampled_from(["Allow", "Deny"]),
        "Principal": st.one_of(
            st.just("*"),
            st.dictionaries(st.just("AWS"), one_or_many(principal_arns), min_size=1),
            st.dictionaries(
                st.sampled_from(["Service", "Federated"]),
                one_or_many(st.sampled_from(["ec2.amazonaws.com", "redshift.amazonaws.com"])),
                min_size=1,
            ),
        ),
        "Action": one_or_many(st.sampled_from(["sts:AssumeRole", "sts:TagSession", "sts:*"])),
    },
    optional={
        "Sid": words,
        "Condition": st.dictionaries(
            st.sampled_from(["StringEquals", "ArnLike", "Bool"]),
            st.dictionaries(
                st.sampled_from(["sts:ExternalId", "aws:PrincipalArn", "aws:SourceIp"]),
                one_or_many(words),
                min_size=1,
            ),
            min_size=1,
        ),
    },
)
documents = st.fixed_dictionaries(
    {"Statement": statements | st.lists(statements, min_size=1, max_size=4)},
    optional={"Version": st.sampled_from(["2012-10-17", "2008-10-17"]), "Id": words},
)


@pytest.mark.slow
@given(documents, st.sampled_from([[], ["redshift"], ["s3_sink"]]))
def test_merge_keeps_every_foreign_statement_whatever_it_says(existing, connectors):
    before = json.dumps(existing)
    try:
        merge = merge_trust(existing, WORKLOAD, connectors)
    except ForeignTrustError:
        assert restrictions(existing, WORKLOAD, connectors)
        return
    assert json.dumps(existing) == before
    foreign = existing["Statement"]
    foreign = foreign if isinstance(foreign, list) else [foreign]
    there = merge.document["Statement"]  # a document that stays may have one statement as such
    there = there if isinstance(there, list) else [there]
    kept = [each for each in there if each.get("Sid") not in (SID, REDSHIFT_SID)]
    assert json.dumps(kept) == json.dumps(foreign)
    assert {key: merge.document[key] for key in merge.document if key != "Statement"} == {
        key: existing[key] for key in existing if key != "Statement"
    }
    restricted = {each.who for each in restrictions(existing, WORKLOAD, connectors)}
    assert (OWN in merge.document["Statement"]) is ("RisingWave" not in restricted)
    assert not merge_trust(merge.document, WORKLOAD, connectors).changed
    # Nobody but the Workload Identity (and Redshift) gets in who did not get in before.
    for caller in (OTHER_CLUSTER, "arn:aws:iam::777788889999:role/r", "ec2.amazonaws.com"):
        assert may_assume(merge.document, caller) == may_assume(existing, caller)
    # And back.
    if not merge.changed:
        return
    rest = remove_own_statements(merge.document)
    assert json.dumps(rest["Statement"]) == json.dumps(foreign)


def test_remove_leaves_nothing_when_only_the_runbooks_own_were_there():
    assert remove_own_statements(document(OWN, COPY)) is None


# The role in AWS ------------------------------------------------------------------------------


def make_role(iam, trust, **more):
    iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(trust), **more)


def live_trust(iam):
    return policy_json(iam.get_role(RoleName=ROLE)["Role"]["AssumeRolePolicyDocument"])


def put_trust(iam, *statements):
    iam.update_assume_role_policy(RoleName=ROLE, PolicyDocument=json.dumps(document(*statements)))


def ensure(aws, **more):
    return ensure_trust(aws, ROLE, WORKLOAD, more.pop("connectors", ()), **more)


FRIEND = {**EC2, "Sid": "Friend", "Principal": {"Service": "glue.amazonaws.com"}}


def test_trust_is_merged_and_read_back_when_others_have_statements(aws, iam, tmp_path):
    make_role(iam, document(EC2))
    ledger = Ledger(tmp_path / "ledger.jsonl")
    preview = ensure(aws)
    assert (preview.action, writes(aws)) == ("update", [])
    assert (preview.before, preview.after) == (document(EC2), document(EC2, OWN))
    change = ensure(aws, apply=True, ledger=ledger)
    assert change.applied
    assert live_trust(iam) == document(EC2, OWN)
    assert ledger.entries[0]["before"] == document(EC2)
    assert "kept: statement 1" in change.notes


def test_trust_is_not_written_when_it_is_right(aws, iam):
    make_role(iam, document(EC2, OWN, COPY))
    change = ensure(aws, connectors=["redshift"], apply=True)
    assert (change.action, writes(aws)) == ("none", [])


def test_trust_is_not_written_when_it_is_refused(aws, iam):
    bad = {**OWN, "Sid": "ByHand", "Condition": {"StringEquals": {"sts:ExternalId": "x"}}}
    make_role(iam, document(bad))
    with pytest.raises(ForeignTrustError):
        ensure(aws, apply=True)
    assert (live_trust(iam), writes(aws)) == (document(bad), [])


def test_trust_says_what_to_do_when_there_is_no_role(aws):
    with pytest.raises(RunbookError, match="does not exist; run Step 2 first"):
        ensure(aws, apply=True)


def test_trust_is_refused_before_the_call_when_it_passes_the_accounts_quota(iam, monkeypatch):
    make_role(iam, document(EC2))
    large = document(*({**FRIEND, "Sid": f"Statement{n}{'x' * 100}"} for n in range(10)))

    class Account(BusyAws):
        quota = 4096

        def _call(self, service, operation, parameters, *rest):
            answer = super()._call(service, operation, parameters, *rest)
            if operation == "get_account_summary":
                return {"SummaryMap": {"AssumeRolePolicySizeQuota": self.quota}}
            if operation == "get_role":
                answer["Role"]["AssumeRolePolicyDocument"] = large
            return answer

    roomy = Account()
    assert ensure(roomy).action == "update"
    narrow = Account()
    narrow.quota = 2048
    with pytest.raises(PolicyLimitError, match=r"AWS allows 2,048; remove statements"):
        ensure(narrow, apply=True)
    assert writes(narrow) == []


def test_quota_is_not_asked_for_when_the_document_is_small(aws, iam):
    make_role(iam, document(EC2))
    ensure(aws, apply=True)
    assert "get_account_summary" not in [call.operation for call in aws.calls]


def test_trust_keeps_both_when_somebody_overwrites_it_after_the_write(iam):
    make_role(iam, document(EC2))
    busy = BusyAws(after={"update_assume_role_policy": [lambda: put_trust(iam, EC2, FRIEND)]})
    sleeps = Sleeps()
    assert ensure(busy, apply=True, sleep=sleeps).applied
    assert live_trust(iam) == document(EC2, FRIEND, OWN)
    assert writes(busy) == ["update_assume_role_policy"] * 2
    assert len(sleeps) == 2


def test_trust_keeps_what_was_written_between_preview_and_apply(iam):
    make_role(iam, document(EC2))
    busy = BusyAws()
    ensure(busy)
    put_trust(iam, EC2, FRIEND)
    ensure(busy, apply=True)
    assert live_trust(iam) == document(EC2, FRIEND, OWN)


def test_trust_needs_no_write_when_another_run_was_quicker(iam):
    make_role(iam, document(EC2))
    busy = BusyAws()
    ensure(busy)
    put_trust(iam, EC2, OWN)
    change = ensure(busy, apply=True)
    assert (change.action, writes(busy)) == ("none", [])


def test_trust_gives_up_with_a_sentence_when_somebody_keeps_overwriting_it(iam):
    make_role(iam, document(EC2))
    fights = [lambda: put_trust(iam, EC2)] * 9
    busy = BusyAws(after={"update_assume_role_policy": fights})
    with pytest.raises(RunbookError, match="somebody else keeps writing it"):
        ensure(busy, apply=True, sleep=Sleeps())
    assert live_trust(iam) == document(EC2)


def test_trust_is_never_wider_than_before_and_the_grant_asked_for(iam):
    make_role(iam, document(EC2))
    busy = BusyAws(
        after={"update_assume_role_policy": [lambda: put_trust(iam, FRIEND), lambda: None]}
    )
    ensure(busy, connectors=["redshift"], apply=True, sleep=Sleeps())
    sent = [json.loads(text) for operation, text in busy.sent if "assume" in operation]
    assert len(sent) == 2
    strangers = (
        OTHER_CLUSTER,
        "arn:aws:iam::444455556666:user/u",
        "arn:aws:iam::444455556666:root",
        "arn:aws:iam::999999999999:role/r",
        "lambda.amazonaws.com",
    )
    for trust in sent:
        assert may_assume(trust, WORKLOAD)
        assert [caller for caller in strangers if may_assume(trust, caller)] == []


def test_trust_is_refused_when_the_role_serves_another_target(aws, iam):
    tags = [{"Key": "risingwave-iam-runbook:target", "Value": "first"}]
    make_role(iam, document({**OWN, "Principal": {"AWS": OTHER_CLUSTER}}), Tags=tags)
    with pytest.raises(ForeignTrustError, match=f"serves target 'first'.*{OTHER_CLUSTER}"):
        ensure(aws, owner="second", apply=True)
    assert writes(aws) == []


def test_trust_is_shared_when_the_other_target_has_the_same_workload_identity(aws, iam):
    tags = [{"Key": "risingwave-iam-runbook:target", "Value": "first"}]
    make_role(iam, document(OWN), Tags=tags)
    ensure(aws, owner="second", connectors=["redshift"], apply=True)
    assert live_trust(iam) == document(OWN, COPY)


@pytest.mark.parametrize(
    ("unknown", "existing", "error", "words"),
    [
        (WORKLOAD, EC2, InputError, "workload_identity_arn.*does not exist in AWS"),
        (
            "AROA1234567890ABCDEFG",
            {**EC2, "Sid": "Old", "Principal": {"AWS": "AROA1234567890ABCDEFG"}},
            ForeignTrustError,
            "Old names AROA1234567890ABCDEFG, which does not exist",
        ),
    ],
)
def test_trust_names_who_does_not_exist_when_aws_refuses_a_principal(
    iam, unknown, existing, error, words
):
    make_role(iam, document(EC2))
    message = f'Invalid principal in policy: "AWS":"{unknown}"'
    refusal = client_error("MalformedPolicyDocument", message=message)

    class Account(BusyAws):
        def _call(self, service, operation, parameters, *rest):
            answer = super()._call(service, operation, parameters, *rest)
            if operation == "get_role":
                answer["Role"]["AssumeRolePolicyDocument"] = document(existing)
            return answer

    busy = Account(before={"update_assume_role_policy": [lambda: refusal]})
    with pytest.raises(error, match=words):
        ensure(busy, apply=True)
