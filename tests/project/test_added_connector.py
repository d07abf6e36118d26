"""A connector is one file: one that no code knows goes through policy, probes, SQL and form."""

from __future__ import annotations

import ast
import json
import re

import pytest
import yaml

import rwlib.connectors
from rwlib.aws.bucket import BucketFacts
from rwlib.connectors import connector_names, connector_profile
from rwlib.errors import InputError
from rwlib.export.exporting import FORMATS, export_target
from rwlib.export.plan import make_plan
from rwlib.steps.step1_documents import policy_document
from rwlib.steps.step3_documents import trust_policy
from rwlib.target.target import Target
from rwlib.verify.deciding import probe_role
from rwlib.verify.hops import check_situation
from rwlib.verify.situation import Situation
from tests.support import places, tree
from tests.support.command_line import rwlib as rwlib_command
from tests.support.connector_files import GLACIER_LOG, add_connector, forget_connectors

ACCOUNT = "111122223333"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/risingwave-s3-access"
WORKLOAD = "arn:aws:iam::444455556666:role/g1jk13sq56ejdref71h1cvokbh-role"


@pytest.fixture
def added(tmp_path, monkeypatch):
    add_connector(tmp_path, "glacier_log", GLACIER_LOG)
    monkeypatch.setattr(rwlib.connectors, "_FOLDER", tmp_path)
    forget_connectors()
    yield "glacier_log"
    forget_connectors()


@pytest.fixture
def target(added):
    return Target(
        workload_identity_arn=WORKLOAD,
        bucket="acme-analytics",
        prefix="risingwave",
        connectors=[added],
        sql_options={"glacier.name": "fiescher", "from": "orders", "force_append_only": True},
    )


def document_of(target):
    return policy_document(target, account_id=ACCOUNT, region_name="us-east-1")


def test_it_is_offered_last_and_by_its_label(added):
    assert connector_names()[-1] == added
    assert connector_profile(added).label == "Sink to a glacier (glacier_log)"


def test_its_policy_is_what_its_file_needs(target):
    statements = {each["Sid"]: each for each in document_of(target)["Statement"]}
    assert {sid: each["Action"] for sid, each in statements.items()} == {
        "RisingWaveListPrefix": ["s3:ListBucket"],
        "RisingWaveBucket": ["s3:GetBucketLocation"],
        "RisingWaveWriteObjects": ["s3:PutObject", "s3:PutObjectTagging"],
        "RisingWaveDeleteManifests": ["s3:DeleteObject"],
    }
    deleted = statements["RisingWaveDeleteManifests"]["Resource"]
    assert deleted == "arn:aws:s3:::acme-analytics/risingwave/*/staging/*"


def test_its_requests_are_allowed_and_nothing_beside_them(target):
    document = document_of(target)
    policy_arn = target.policy_arn_in(ACCOUNT)
    situation = Situation(
        caller_arn=f"arn:aws:iam::{ACCOUNT}:user/operator",
        account_id=ACCOUNT,
        role_arn=ROLE_ARN,
        trust_policy=trust_policy(WORKLOAD, target.connectors),
        identity=((policy_arn, document),),
        policy_arn=policy_arn,
        policy_document=document,
        attached=(policy_arn,),
        boundary=None,
        bucket=BucketFacts("acme-analytics", "us-east-1", policy=None, unknown={}),
    )
    verdicts = {each.probe.id: each for each in probe_role(target, situation)}
    own = {name: each for name, each in verdicts.items() if name.startswith("glacier_log.")}
    assert len(own) == 5
    assert own["glacier_log.stage"].probe.place == (
        "acme-analytics/risingwave/fiescher/staging/part-0.ice"
    )
    assert [each.line for each in verdicts.values() if not each.as_expected] == []
    checks = check_situation(target, situation, document)
    assert [each.id for each in checks if each.status == "fail"] == []


def test_its_sql_names_the_role_in_its_own_option(target):
    from rwlib.sql import check_sql, statements_for

    (written,) = statements_for(target, ROLE_ARN, "us-east-1")
    assert f"glacier.role_arn = '{ROLE_ARN}'" in written.sql
    assert "glacier.bucket = 'acme-analytics'" in written.sql
    assert check_sql(written.sql, target=target, role_arn=ROLE_ARN) == []


def test_the_form_offers_it(added):
    from rwlib.widgets.fields import ConnectorPicker

    picker = ConnectorPicker(())
    assert picker.boxes[added].description == "Sink to a glacier (glacier_log)"
    picker.boxes[added].value = True
    assert picker.value == (added,)


def test_every_export_holds_its_policy_and_its_sql(target):
    plan = make_plan(target.model_copy(update={"region_name": "us-east-1"}), account_id=ACCOUNT)
    for format_name in FORMATS:
        written = "\n".join(export_target(plan, format_name).values())
        assert "s3:PutObjectTagging" in written, format_name
        assert "glacier.role_arn" in written, format_name
    (_, sql), = plan.sql  # fmt: skip
    assert "fiescher" in sql


def test_the_whole_form_takes_it(added):
    from rwlib.widgets.form import TargetForm

    values = {"bucket": "acme-analytics", "workload_identity_arn": WORKLOAD, "connectors": [added]}
    form = TargetForm(values, ("bucket", "connectors"), guided=False)
    assert form.values["connectors"] == [added]
    assert form.errors == {}


GUIDE = (places.ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def how_to_add():
    """What CONTRIBUTING says about a new connector."""
    return GUIDE.partition("**A new connector**")[2].partition("\n\n")[0]


def test_what_contributing_says_is_all_that_there_is_to_do(tmp_path, monkeypatch, aws_environment):
    """Follow the paragraph to the letter: its one file, its keys, its target, then each use."""
    file, example = re.findall(r"`([\w/<>.]+(?:\.yaml|/))`", how_to_add())
    assert places.ROOT / file.rpartition("/")[0] == rwlib.connectors._FOLDER
    keys = re.findall(r"`(\w+)`", how_to_add())
    assert {"place", "label", "needs", "requests", "options", "since"} <= set(keys)
    described = yaml.safe_load(GLACIER_LOG)
    assert set(keys) - set(described) == set()

    folder = tmp_path / file.rpartition("/")[0]
    folder.mkdir(parents=True)
    add_connector(folder, "glacier_log", GLACIER_LOG)
    monkeypatch.setattr(rwlib.connectors, "_FOLDER", folder)
    forget_connectors()
    try:
        (tmp_path / example).mkdir()
        written = tmp_path / example / "glacier_log.yaml"
        written.write_text(
            f"name: glacier\nworkload_identity_arn: {WORKLOAD}\nbucket: acme-analytics\n"
            "prefix: risingwave\nregion_name: us-east-1\nconnectors: [glacier_log]\n"
            "sql_options: {glacier.name: fiescher, from: orders, force_append_only: true}\n",
            encoding="utf-8",
        )
        for command in (["sql"], ["verify"], ["export", "--format", "terraform"]):
            code, out, err = rwlib_command(*command, "--target", written)
            assert (code, err) in ((0, ""), (1, "")), (command, err)
            assert "glacier" in out or command == ["verify"], out
        code, out, _ = rwlib_command("verify", "--json", "--target", written)
        assert json.loads(out)["target"]["connectors"] == ["glacier_log"]
    finally:
        forget_connectors()


# What is RisingWave's own of one connector, and no list of connectors.
NAMED_FOR_A_REASON = {
    "sql": "the SQL of Iceberg's engine tables and connections",
    "sandbox": "the stand-in of RisingWave's engine, which makes each connector's requests",
    "diagnose": "what the texts of RisingWave say of each connector",
}
STAND_INS = {
    # The narrowest target that there is, where only its place matters.
    ("target/target.py", "s3_source"),
    ("widgets/form.py", "s3_source"),
    ("verify/live.py", "s3_source"),
    ("verify/grants.py", "s3_sink"),
    ("verify/grants.py", "redshift"),
    ("batch/warm_up.py", "s3_sink"),
    # A statement for Redshift, and names of AWS's own services.
    ("steps/step3_documents.py", "redshift"),
    ("steps/ownership.py", "redshift"),
    ("steps/step2_role.py", "redshift"),
    ("verify/connectors.py", "redshift"),
    ("verify/trust.py", "redshift"),
    ("export/operator.py", "redshift"),
    ("batch/warm_up.py", "redshift"),
}


@pytest.mark.slow
def test_no_code_has_a_list_of_connectors():
    names = set(connector_names())
    found = {}
    for path in tree.modules():
        where = path.relative_to(tree.PACKAGE).as_posix()
        if where.partition("/")[0] in NAMED_FOR_A_REASON:
            continue
        named = {
            node.value
            for node in ast.walk(tree.parsed(path))
            if isinstance(node, ast.Constant) and node.value in names
        }
        left = {name for name in named if (where, name) not in STAND_INS}
        if left:
            found[where] = left
    assert found == {}


def test_file_that_lacks_keys_is_refused_with_one_sentence(tmp_path, monkeypatch):
    begun = tmp_path / "begun.yaml"
    begun.write_text("place: 9\nlabel: Begun\nneeds: []\nrequests: []\noptions: {}\n")
    monkeypatch.setattr(rwlib.connectors, "_FOLDER", tmp_path)
    rwlib.connectors.connector_names.cache_clear()
    rwlib.connectors.connector_data.cache_clear()
    try:
        with pytest.raises(InputError, match="'begun' has no title, source, since, connector"):
            rwlib.connectors.connector_data("begun")
    finally:
        monkeypatch.undo()
        rwlib.connectors.connector_names.cache_clear()
        rwlib.connectors.connector_data.cache_clear()
