"""Faults in a live set-up, alone and in pairs: the diagnosis names them, its fix repairs them."""

from __future__ import annotations

import pytest

from rwlib.diagnose.diagnosis import diagnose
from rwlib.errors import ForeignTrustError
from rwlib.runbook.runbook import Runbook
from rwlib.target.target import Target
from rwlib.verify.hops import check_situation
from rwlib.verify.known import CheckedFacts
from rwlib.verify.situation import read_situation
from tests.support.agreement import assert_agree
from tests.verify.test_mutations import MUTATIONS, set_up

pytestmark = pytest.mark.slow

BY_NAME = {mutation.name: mutation for mutation in MUTATIONS}

# A fault, and the causes of which one must be named first or beside the others.
REPAIRED_BY_APPLY = {
    "own statement removed": {"trust_missing", "trust_principal_mismatch"},
    "redshift removed": {"redshift_trust_missing"},
    "detached": {"policy_not_attached"},
    "no put": {"s3_action_missing"},
    "no get": {"s3_action_missing"},
    "no list": {"s3_action_missing"},
    "no delete of manifests": {"s3_action_missing"},
    "misspelt action": {"s3_action_missing"},
    "objects named as the folder": {"s3_resource_mismatch"},
    "list of one exact name": {"list_condition_too_narrow"},
    "list on the objects": {"s3_resource_mismatch"},
    "other bucket": {"s3_resource_mismatch"},
    "other prefix": {"s3_resource_mismatch", "list_condition_too_narrow"},
    "old default version": {"s3_action_missing", "policy_old_version"},
    "role deleted": {"role_missing"},
    "policy deleted": {"policy_not_attached"},
    "no KMS statement": {"kms_role_permission"},
    "no data key": {"kms_role_permission"},
    "no Glue statement": {"glue_permission_missing"},
}
# Somebody wrote another principal into the statement that bears the runbook's Sid. A Sid is a name
# and no ownership: Step 3 refuses, and leaves the statement as it is.
LEFT_TO_WHO_WROTE_IT = {
    "other cluster": {"trust_principal_mismatch"},
    "third party": {"trust_principal_mismatch"},
    "own account's root": {"trust_principal_mismatch"},
}
REPAIRED_BY_OTHERS = {
    "external id": {"trust_external_id_required"},
    "deny for the workload": {"trust_explicit_deny"},
    "boundary too narrow": {"boundary_denies"},
    "deny for the role": {"bucket_policy_denies"},
    "key disabled": {"kms_key_disabled"},
    "key policy without the role": {"kms_key_policy"},
}
PAIRS = [
    ("other cluster", "no put"),
    ("other cluster", "detached"),
    ("own statement removed", "no list"),
    ("redshift removed", "no get"),
    ("third party", "list of one exact name"),
    ("redshift removed", "detached"),
    ("no put", "boundary too narrow"),
    ("other cluster", "deny for the role"),
    ("no list", "deny for the workload"),
    ("redshift removed", "objects named as the folder"),
    ("own account's root", "other bucket"),
    ("third party", "misspelt action"),
]
EXPECTED = {**REPAIRED_BY_APPLY, **LEFT_TO_WHO_WROTE_IT, **REPAIRED_BY_OTHERS}


def checks_of(aws, values):
    aws.forget()
    target = Target(**values)
    book = Runbook(target, aws, workload_identity_arn=target.workload_identity_arn)
    situation = read_situation(aws, target, book.bucket)
    return book, check_situation(target, situation, book.policy_document)


def named(aws, values):
    _, checks = checks_of(aws, values)
    found = diagnose(None, target=Target(**values), live=CheckedFacts(checks))
    return {cause.id: cause for each in found for cause in each.causes}


def trust_of(aws, values):
    """The role's trust policy as it stands."""
    aws.forget()
    target = Target(**values)
    book = Runbook(target, aws, workload_identity_arn=target.workload_identity_arn)
    return read_situation(aws, target, book.bucket).trust_policy


def repair(aws, values):
    """Apply the steps again, as the offered fix says."""
    book, _ = checks_of(aws, {**values, "apply": True})
    for number in (1, 2, 3):
        book.run_step(number)
    _, checks = checks_of(aws, values)
    return {check.id for check in checks if check.status == "fail"}, book


@pytest.mark.parametrize("name", EXPECTED)
def test_fault_is_named_and_repaired_by_its_fix(aws, example, name):
    mutation = BY_NAME[name]
    values = {**example, **mutation.changes}
    mutation.make(set_up(aws, values))
    causes = named(aws, values)
    assert EXPECTED[name] & set(causes), sorted(causes)
    certain = {each.id for each in causes.values() if each.confidence == "certain"}
    assert certain & EXPECTED[name] or not certain, certain
    for cause in causes.values():
        assert cause.fix.summary
        assert cause.fix.how
    if name in REPAIRED_BY_OTHERS:
        return
    if name in LEFT_TO_WHO_WROTE_IT:
        before = trust_of(aws, values)
        with pytest.raises(ForeignTrustError):
            repair(aws, values)
        assert trust_of(aws, values) == before
        return
    cause = causes[next(iter(EXPECTED[name] & set(causes)))]
    assert "rwlib run" in cause.fix.how
    left, book = repair(aws, values)
    assert left == set()
    trusted = read_situation(aws, book.target, book.bucket).trust_policy["Statement"]
    own = [each for each in trusted if each["Sid"] == "RisingWaveCloudAssumeRole"]
    assert [each["Principal"] for each in own] == [{"AWS": example["workload_identity_arn"]}]


@pytest.mark.parametrize("pair", PAIRS, ids=" and ".join)
def test_both_faults_of_a_pair_are_named(aws, example, pair):
    values = {**example}
    account = set_up(aws, values)
    for name in pair:
        assert BY_NAME[name].changes == {}
        BY_NAME[name].make(account)
    causes = set(named(aws, values))
    assert_agree(Target(**values), checks_of(aws, values)[1])
    for name in pair:
        assert EXPECTED[name] & causes, (name, sorted(causes))
    if set(pair) & set(REPAIRED_BY_OTHERS):
        return
    if set(pair) & set(LEFT_TO_WHO_WROTE_IT):
        with pytest.raises(ForeignTrustError):
            repair(aws, values)
        return
    assert repair(aws, values)[0] == set()


def test_table_covers_enough_faults():
    assert len(EXPECTED) + len(PAIRS) >= 40
