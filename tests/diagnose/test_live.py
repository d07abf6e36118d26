"""The live state settles what the text leaves open, by the read-only checks that decide."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from rwlib.diagnose.deciders import CLASS_OF, DECIDERS
from rwlib.diagnose.diagnosis import diagnose
from rwlib.diagnose.ids import CAUSES, CLASSES
from rwlib.diagnose.model import Diagnosis

pytestmark = pytest.mark.slow

CALLER = "arn:aws:sts::444455556666:assumed-role/g1jk13sq56ejdref71h1cvokbh-role/reqsign"
ROLE = "arn:aws:iam::111122223333:role/risingwave-s3-access"
ASSUME = f"User: {CALLER} is not authorized to perform: sts:AssumeRole on resource: {ROLE}"
PUT = (
    "User: arn:aws:sts::111122223333:assumed-role/risingwave-s3-access/reqsign is not authorized "
    'to perform: s3:PutObject on resource: "arn:aws:s3:::acme-lake/rw/1" because no identity-based '
    "policy allows the s3:PutObject action"
)
PASSING = {
    *("role_exists", "trust", "trust_principal", "trust_conditions", "trust_deny"),
    *("allowed_principal", "policy_attached", "policy_documents", "requests_allowed", "boundary"),
    *("scp", "sql_options", "propagation", "bucket_policy", "bucket_owner", "bucket_exists"),
    *("block_public_access", "bucket_region", "kms", "kms_key_policy", "glue"),
    *("redshift_trust", "redshift_role_attached"),
}


@dataclass(frozen=True)
class Said:
    reason: str
    evidence: str
    action: str = ""


@dataclass(frozen=True)
class Answer:
    id: str
    status: str
    evidence: tuple[str, ...] = ()
    reason: str = ""
    grounds: tuple[Said, ...] = ()


@dataclass
class Live:
    """Checks that pass, except those given."""

    answers: dict[str, Answer] = field(default_factory=dict)
    passing: bool = True
    asked: list[str] = field(default_factory=list)

    def check(self, check_id: str, /) -> Answer | None:
        self.asked.append(check_id)
        if check_id in self.answers:
            return self.answers[check_id]
        if self.passing and check_id in PASSING:
            return Answer(check_id, "pass", ("looked at",))
        return None


def live(*failed: tuple[str, str], status: str = "fail") -> Live:
    """Checks that fail, each for a reason. What they say is of no account."""
    return Live({name: Answer(name, status, (f"{name}!",), why) for name, why in failed})


def requests(reason: str, action: str, line: str = "a request") -> Live:
    said = Said(reason, line, action)
    return Live({"requests_allowed": Answer("requests_allowed", "fail", (line,), reason, (said,))})


def one(text: str, state: Live) -> Diagnosis:
    (found,) = diagnose(text, live=state)
    return found


def certain(found: Diagnosis) -> list[str]:
    return [cause.id for cause in found.causes if cause.confidence == "certain"]


NO_ROLE = tuple(
    (name, "role_missing")
    for name in ("trust", "trust_principal", "trust_conditions", "trust_deny")
)


@pytest.mark.parametrize(
    ("failed", "cause"),
    [
        ([("trust_principal", "trust_principal_mismatch")], "trust_principal_mismatch"),
        ([("trust_principal", "trust_principal_deleted")], "trust_principal_deleted"),
        ([("trust_conditions", "trust_external_id_required")], "trust_external_id_required"),
        ([("trust_conditions", "trust_condition_unmet")], "trust_condition_unmet"),
        ([("trust_deny", "trust_explicit_deny")], "trust_explicit_deny"),
        ([("role_exists", "role_missing"), *NO_ROLE], "role_missing"),
        ([("allowed_principal", "allowed_principal_missing")], "allowed_principal_missing"),
        ([("allowed_principal", "allowed_principal_other_arn")], "allowed_principal_other_arn"),
        ([("allowed_principal", "allowed_principals_failed")], "allowed_principals_failed"),
        ([("scp", "scp_denies")], "scp_denies"),
    ],
)  # fmt: skip
def test_failing_check_makes_its_cause_certain(failed: list[tuple[str, str]], cause: str) -> None:
    found = one(ASSUME, live(*failed))
    assert certain(found) == [cause]
    assert found.causes[0].id == cause
    assert f"{failed[0][0]}!" in " ".join(found.causes[0].evidence)


def test_passing_checks_exclude_their_causes() -> None:
    found = one(ASSUME, live(("trust_principal", "trust_principal_mismatch")))
    excluded = dict(found.excluded)
    for name in ("allowed_principal_missing", "role_missing", "trust_external_id_required"):
        assert excluded[name].startswith("check ")
        assert name not in [cause.id for cause in found.causes]


def test_two_faults_are_both_certain() -> None:
    state = live(
        ("trust_conditions", "trust_external_id_required"),
        ("allowed_principal", "allowed_principal_missing"),
    )
    assert set(certain(one(ASSUME, state))) == {
        "trust_external_id_required",
        "allowed_principal_missing",
    }


def test_unknown_and_manual_checks_leave_the_cause_open_and_are_named() -> None:
    state = live()
    state.answers["trust_principal"] = Answer(
        "trust_principal", "unknown", ("iam:GetRole was refused",), "not_readable"
    )
    state.answers["allowed_principal"] = Answer("allowed_principal", "manual", ("by Ann",))
    found = one(ASSUME, state)
    assert {"trust_principal_mismatch", "allowed_principal_missing"} <= {
        cause.id for cause in found.causes
    }
    assert certain(found) == []
    assert "trust_principal: iam:GetRole was refused" in found.not_looked_at
    assert "allowed_principal: a person said so, nobody looked" in found.not_looked_at


def test_check_that_is_not_there_is_named() -> None:
    found = one(ASSUME, Live(passing=False))
    assert "trust_principal: there is no such check here" in found.not_looked_at


def test_only_checks_that_decide_are_asked_and_each_once() -> None:
    state = live()
    diagnose(f"{ASSUME}\n{ASSUME.replace('reqsign', 'other')}", live=state)
    assert "kms" not in state.asked
    assert "bucket_policy" not in state.asked
    assert len(state.asked) == len(set(state.asked))


def test_everything_ruled_out_leaves_unknown() -> None:
    found = one(ASSUME, live())
    assert [cause.id for cause in found.causes] == ["unknown"]
    assert found.causes[0].confidence == "possible"


def test_what_the_text_settled_is_kept_when_it_looks_right_now() -> None:
    text = "User: x is not authorized to perform: s3:GetObject on resource: arn:aws:s3:::b/k"
    found = one(f"{text} with an explicit deny in a resource-based policy", live())
    assert found.causes[0].id == "bucket_policy_denies"
    assert found.causes[0].confidence == "likely"
    assert any("looks right now" in line for line in found.causes[0].evidence)


@pytest.mark.parametrize("cause", ["s3_action_missing", "s3_resource_mismatch"])
def test_request_that_is_refused_names_the_cause(cause: str) -> None:
    assert cause in certain(one(PUT, requests(cause, "s3:PutObject")))


def test_refusal_of_another_action_leaves_the_cause_open() -> None:
    found = one(PUT, requests("s3_action_missing", "s3:DeleteObject"))
    assert certain(found) == []
    assert "s3_action_missing" in [cause.id for cause in found.causes]


def test_deny_of_the_roles_own_policies_is_named() -> None:
    found = one(PUT, requests("role_policy_denies", "s3:PutObject", "inline policy by-hand"))
    assert found.causes[0].id == "unknown"
    assert "by-hand" in found.causes[0].evidence[0]
    assert "Deny" in found.causes[0].fix.summary


def test_check_with_several_reasons_confirms_each_of_them() -> None:
    said = (Said("trust_external_id_required", "one"), Said("trust_condition_unmet", "two"))
    state = Live()
    state.answers["trust_conditions"] = Answer("trust_conditions", "fail", (), said[0].reason, said)
    found = one(ASSUME, state)
    assert set(certain(found)) == {each.reason for each in said}
    assert "two" in " ".join(found.causes[1].evidence)


def test_statement_that_names_the_principal_but_denies_is_a_deny() -> None:
    names = ("trust_principal", "trust_deny", "trust")
    state = live(*((name, "trust_explicit_deny") for name in names))
    assert certain(one(ASSUME, state)) == ["trust_explicit_deny"]


def test_trust_that_is_too_wide_is_not_why_it_was_refused() -> None:
    found = one(ASSUME, live(("trust", "trust_too_wide")))
    assert certain(found) == []
    assert "trust_missing" in dict(found.excluded)


def test_no_text_finds_what_the_checks_say() -> None:
    state = live(
        ("trust_principal", "trust_principal_mismatch"),
        ("bucket_region", "bucket_region_mismatch"),
        ("kms", "kms_key_disabled"),
    )
    found = {each.error_class: each for each in diagnose(None, live=state)}
    assert set(found) == {"assume_role_denied", "region_wrong", "kms_denied"}
    assert found["assume_role_denied"].causes[0].id == "trust_principal_mismatch"
    assert found["kms_denied"].causes[0].id == "kms_key_disabled"
    assert found["region_wrong"].to_dict()["count"] == 0


def test_no_text_and_nothing_wrong_is_empty() -> None:
    assert diagnose("", live=live()) == []
    assert diagnose("") == []


def test_evidence_of_checks_is_masked() -> None:
    secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    state = live(("trust_principal", "trust_principal_mismatch"))
    line = f"aws_secret_access_key={secret}"
    state.answers["trust_principal"] = replace(state.answers["trust_principal"], evidence=(line,))
    found = one(ASSUME, state)
    assert "trust_principal" in str(found.to_dict())
    assert secret not in str(found.to_dict())


def test_table_names_only_public_causes_and_classes() -> None:
    assert set(DECIDERS) <= set(CAUSES)
    assert set(CLASS_OF) <= set(DECIDERS)
    assert set(CLASS_OF.values()) <= set(CLASSES)
