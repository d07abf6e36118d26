"""Step 4 - Register the role: one entry is added, the others stay, or a person gets the clicks."""

from __future__ import annotations

import pytest

from rwlib.cloud.client import Cloud
from rwlib.errors import InputError
from rwlib.steps.changes import Ledger
from rwlib.steps.step4_principals import (
    console_steps,
    ensure_allowed_principal,
    fetch_workload_identity,
)
from rwlib.target.target import Target
from tests.support.example_names import CLUSTER

ROLE = "arn:aws:iam::111122223333:role/risingwave-s3-access"
OTHER = "arn:aws:iam::111122223333:role/somebody-elses"


@pytest.fixture
def cloud(sandbox, monkeypatch):
    for name, value in sandbox.environment().items():
        monkeypatch.setenv(name, value)
    return Cloud.from_environment()


@pytest.fixture
def target(example):
    return Target(**{**example, "cluster_id": CLUSTER})


def test_preview_says_what_would_be_listed_and_writes_nothing(cloud):
    before = list(cloud.allowed_iam_roles(CLUSTER).role_arns)
    change = ensure_allowed_principal(cloud, CLUSTER, ROLE)
    assert (change.action, change.applied) == ("create", False)
    assert change.after == [*before, ROLE]
    assert list(cloud.allowed_iam_roles(CLUSTER).role_arns) == before


@pytest.mark.slow
def test_role_is_listed_beside_the_others_when_applied(cloud):
    ensure_allowed_principal(cloud, CLUSTER, OTHER, apply=True)
    ledger = Ledger()
    change = ensure_allowed_principal(cloud, CLUSTER, ROLE, ledger=ledger, apply=True)
    assert change.applied
    assert {OTHER, ROLE} <= set(cloud.allowed_iam_roles(CLUSTER).role_arns)
    assert [entry["phase"] for entry in ledger.entries] == ["intended", "done"]


@pytest.mark.slow
def test_nothing_is_written_when_the_role_is_listed_already(cloud):
    ensure_allowed_principal(cloud, CLUSTER, ROLE, apply=True)
    ledger = Ledger()
    change = ensure_allowed_principal(cloud, CLUSTER, ROLE, ledger=ledger, apply=True)
    assert (change.action, ledger.entries) == ("none", [])


def test_workload_identity_is_fetched_when_none_is_typed(cloud, target):
    untyped = target.model_copy(update={"workload_identity_arn": ""})
    found, metadata = fetch_workload_identity(cloud, untyped)
    assert found == target.workload_identity_arn
    assert metadata.workload_role_arn == found


def test_workload_identity_of_another_cluster_is_refused(cloud, target):
    other = "arn:aws:iam::444455556666:role/other-cluster-role"
    typed = target.model_copy(update={"workload_identity_arn": other})
    with pytest.raises(InputError, match="is not the Workload Identity of cluster"):
        fetch_workload_identity(cloud, typed)


def test_workload_identity_must_be_typed_when_there_is_no_key(target):
    assert fetch_workload_identity(None, target) == (target.workload_identity_arn, None)
    with pytest.raises(InputError, match="cannot be fetched"):
        fetch_workload_identity(None, target.model_copy(update={"workload_identity_arn": ""}))


def test_person_is_told_cluster_identity_and_role(target):
    told = "\n".join(console_steps(target, ROLE))
    for value in (CLUSTER, target.workload_identity_arn, ROLE):
        assert value in told
