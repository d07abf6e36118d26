"""The documents that a person is given to write: what others wrote in them stays."""

from __future__ import annotations

from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from rwlib.verify.mending import _with_room, _with_the_role

ROLE = "arn:aws:iam::111122223333:role/risingwave"
POLICY = "arn:aws:iam::111122223333:policy/risingwave"
SIDS = st.sampled_from(["", "RisingWaveCloudRole", "RisingWaveCloudAssumeRole", "Admins"])


@st.composite
def statements(draw):
    made = {
        "Effect": draw(st.sampled_from(["Allow", "Deny"])),
        "Action": draw(st.sampled_from(["kms:*", ["kms:Decrypt", "kms:GenerateDataKey"], "s3:*"])),
        "Principal": {"AWS": draw(st.sampled_from([ROLE, "*", ROLE.replace("risingwave", "etl")]))},
        "Resource": "*",
    }
    if sid := draw(SIDS):
        made["Sid"] = sid
    if draw(st.booleans()):
        made["Condition"] = {"StringEquals": {"kms:CallerAccount": "111122223333"}}
    return made


@given(st.lists(statements(), max_size=5, unique_by=str))
def test_every_statement_of_a_key_policy_or_boundary_stays_as_it_is(others):
    document = {"Version": "2012-10-17", "Statement": others}
    bucket = SimpleNamespace(kms_key_policy=document, region_name="us-east-1")
    wanted = {"Statement": [{"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}]}
    situation = SimpleNamespace(
        bucket=bucket,
        boundary=("arn:aws:iam::111122223333:policy/boundary", document),
        role_arn=ROLE,
        identity=[(POLICY, wanted)],
        policy_arn=POLICY,
    )
    for offered in (_with_the_role(situation, ["kms:Decrypt"]), _with_room(situation)):
        assert offered["Statement"][:-1] == others
        assert offered["Version"] == "2012-10-17"
        sids = [each["Sid"] for each in offered["Statement"][len(others) :] if "Sid" in each]
        assert sids == []
