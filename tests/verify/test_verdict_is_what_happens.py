"""Random conditions in every policy of the way: the verdict is what the calls then meet.

Policies are drawn, planted in a sandbox and judged; then the Workload Identity assumes the role and
makes each request, by the internet and through endpoints. What is said to be allowed is allowed,
what is said to be refused is refused, and unknown is said only where a key decides that nobody here
can know: where all those keys are of the network, some way is let through and some way is not.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
from contextlib import suppress
from dataclasses import replace
from itertools import product

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from rwlib.cloud import Cloud
from rwlib.evaluate import judge_all
from rwlib.sql import statements_for
from rwlib.verify.deciding import models_of, policies_for
from tests.support.example_names import CLUSTER
from tests.verify.accounts import CUSTOMER, ROLE_ARN, WORKLOAD, Account
from tests.verify.random_policies import (
    VERSIONS,
    key_grants,
    key_statements,
    redshift_statements,
    s3_statements,
    trust_statements,
)

pytestmark = pytest.mark.slow

UNKNOWABLE = {
    *("aws:sourceip", "aws:sourcevpce", "aws:sourcevpc", "aws:vpcsourceip", "aws:principalorgid"),
    *("aws:resourceorgid", "aws:useragent", "aws:userid", "aws:tokenissuetime"),
    *("aws:principaltag/team", "the name of risingwave's session", "aws:federatedprovider"),
    *("aws:principalorgpaths", "aws:vpceaccount", "aws:resourceorgpaths"),
    *("s3:existingobjecttag/team", "kms:resourcealiases", "kms:requestalias", "s3:tlsversion"),
    *("aws:ec2instancesourceprivateipv4", "ec2:roledelivery", "ec2:sourceinstancearn"),
    "s3:x-amz-content-sha256",
}
# The verdict reads the tags of the role, not those of a bucket or key.
UNREAD = ("aws:resourcetag/team",)
NETWORK = {"aws:sourceip", "aws:sourcevpce", "aws:sourcevpc", "aws:vpcsourceip"}
NETWORK |= {"aws:principalorgid"}
WAYS = [
    {},
    {"source_ip": "203.0.113.7"},
    {"source_vpce": "vpce-1", "source_vpc": "vpc-1"},
    {"source_vpce": "vpce-2", "source_vpc": "vpc-2", "source_ip": "192.168.0.1"},
    {"organization": "o-1"},
]


def possible_ways(*policies):
    """Return ways of a request that stand for all that these policies can tell apart."""
    text = json.dumps(policies)
    addresses = ["198.51.100.99", "127.0.0.1", "203.0.113.7", "203.0.99.9", "1.2.3.4"]
    for each in re.findall(r"\d+\.\d+\.\d+\.\d+(?:/\d+)?", text):
        with suppress(ValueError):
            addresses += [str(ipaddress.ip_network(each, strict=False)[0])]
    endpoints = [*re.findall(r"vpce-\w+", text), "vpce-none"]
    clouds = [*re.findall(r"vpc-\w+", text), "vpc-none"]
    organizations = [None, *re.findall(r"o-\w+", text), "o-none"]
    addresses, endpoints, clouds, organizations = (
        list(dict.fromkeys(each)) for each in (addresses, endpoints, clouds, organizations)
    )
    for organization in organizations:
        of = {"organization": organization} if organization else {}
        for address in addresses:
            yield {"source_ip": address, **of}
        for endpoint, cloud, address in product(endpoints, clouds, addresses):
            yield {"source_vpce": endpoint, "source_vpc": cloud, "source_ip": address, **of}


def undecided(account, call, line, policies, *more):
    """See that a verdict of unknown is due: keys that nobody knows, and either way is possible."""
    keys = set(line.split("depends on ", 1)[1].split(";")[0].lower().split(" and "))
    assert keys <= {*UNKNOWABLE, *more}, line
    event("unknown")
    if not keys <= NETWORK:
        return
    met = set()
    for way in possible_ways(*policies):
        account.come_from(**way)
        met.add(call())
        if len(met) == 2:
            event("unknown, and both happen")
            return
    raise AssertionError((line, met, policies))


LATEST = "2012-10-17"
LET_IN = {"Effect": "Allow", "Principal": {"AWS": WORKLOAD}, "Action": "sts:AssumeRole"}
TESTED = ["s3:PutObject", "s3:GetObject", "s3:ListBucket", "s3:DeleteObject"]


def made(aws, sandbox, example, **changes):
    account = Account(aws, sandbox, {**example, "connectors": ["s3_sink", "s3_source"], **changes})
    account.come_from()
    account.tag(team="data")
    # A missing object is a refusal to those who may not list.
    for key in ("risingwave/part-0.json", "risingwave-other/a.json"):
        account.s3.put_object(
            Bucket=account.target.bucket, Key=key, Body=b"{}", Tagging="team=data"
        )
    return account


@pytest.fixture
def account(aws, sandbox, example):
    yield made(aws, sandbox, example)
    sandbox.set_network(secure_transport=False)


@pytest.fixture
def encrypted(aws, sandbox, example):
    yield made(aws, sandbox, example, bucket="acme-encrypted")
    sandbox.set_network(secure_transport=False)


def planted(account, *attempts):
    """Plant policies; False where AWS does not take one of them."""
    account.come_from()
    try:
        for plant, statements in attempts:
            plant(*statements)
    except ClientError as error:
        event(f"not saved: {error.response['Error']['Message'][:70]}")
        return False
    return True


def compare_trust(account, statements, ways=({},), version=LATEST, names=("reqsign",)):
    account.version = version
    if not planted(account, (account.trust, statements)):
        return
    checks, _ = account.verdict()
    hop = [checks[each] for each in ("trust_principal", "trust_conditions", "trust_deny")]
    said = checks["trust"]

    def happens():
        return all(account.assume(each) is not None for each in names)

    if said.status == "unknown":
        # The Workload Identity's tags are RisingWave's own.
        undecided(account, happens, said.evidence[0], [statements], "aws:principaltag/none")
        return
    allowed = said.status == "pass" or said.reason == "trust_too_wide"
    if said.reason == "trust_too_wide":
        # Whether RisingWave gets in too, the other checks say.
        if any(each.status == "unknown" for each in hop):
            return
        allowed = all(each.status == "pass" for each in hop)
    for way in ways:
        account.come_from(**way)
        happened = happens()
        event(f"{said.status}, {happened}")
        assert allowed is happened, (said, way, statements)
    if said.reason != "trust_too_wide":
        assert any(each.status != "pass" for each in hop) or allowed or said.reason


def compare_s3(account, on_bucket, own, boundary, ways=({},), version=LATEST, session=()):
    account.version = version
    nothing = {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}
    account.come_from()
    account.s3.delete_bucket_policy(Bucket=account.target.bucket)
    if not planted(
        account,
        (account.trust, [LET_IN]),
        *([(account.bucket_policy, on_bucket)] if on_bucket else []),
        (account.inline, own or [nothing]),
        (account.boundary, boundary),
    ):
        return
    _, verdicts = account.verdict()
    account.come_from()
    keys = account.assume()
    for verdict in verdicts:
        if verdict.probe.action not in TESTED or "acme-analytics-other" in verdict.probe.place:
            continue
        policies = (on_bucket, own, boundary)

        def happens(verdict=verdict, keys=keys):
            return account.happens(verdict, keys)

        if verdict.depends:
            undecided(account, happens, verdict.line, policies, *UNREAD)
            continue
        for way in ways:
            account.come_from(**way)
            happened = happens()
            event(f"{verdict.answer}, {happened}")
            said = verdict.decision.allowed
            assert said is happened, (verdict.line, way, *policies)
    if session:
        compare_session(account, session, verdicts, ways)


def compare_session(account, statements, verdicts, ways):
    """Judge the same requests of a session that was given a policy of its own."""
    text = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    account.come_from()
    try:
        keys = account.assume(Policy=text)
    except ClientError as error:
        event(f"no session: {error.response['Error']['Code']}")
        return
    situation = account.situation()
    for verdict in [each for each in verdicts if each.probe.action in TESTED]:
        if "acme-analytics-other" in verdict.probe.place:
            continue
        models = models_of(situation, verdict.probe)
        policies = replace(policies_for(situation, verdict.probe), session=text)
        decision = judge_all(models, policies)
        for way in ways if decision.effect != "depends" else ():
            account.come_from(**way)
            happened = account.happens(verdict, keys)
            event(f"session {decision.allowed}, {happened}")
            assert decision.allowed is happened, (str(decision), way, statements, policies)


KEEPS_THE_KEY = {
    "Effect": "Allow",
    "Principal": {"AWS": f"arn:aws:iam::{CUSTOMER}:root"},
    "Action": [
        *("kms:Put*", "kms:Get*", "kms:Describe*", "kms:List*", "kms:Create*", "kms:RevokeGrant"),
    ],
    "Resource": "*",
}


def compare_key(account, on_key, own, grants=(), version=LATEST, ways=({},)):
    """Compare with a write and a read of the bucket that the key encrypts."""
    account.version = version
    nothing = {"Effect": "Allow", "Action": "s3:List*", "Resource": "*"}
    if not planted(
        account,
        (account.key_policy, [KEEPS_THE_KEY]),
        (account.grants_of_key, grants),
        (account.key_policy, [KEEPS_THE_KEY, *on_key]),
        (account.inline, own or [nothing]),
    ):
        return
    _, verdicts = account.verdict()
    keys = account.assume()
    operations = {"s3:PutObject": "kms:GenerateDataKey", "s3:GetObject": "kms:Decrypt"}
    for asked, behind in operations.items():
        for verdict in [each for each in verdicts if each.probe.action == asked]:
            if not verdict.probe.allow:
                continue
            both = [verdict, *(e for e in verdicts if e.probe.allow and e.probe.action == behind)]

            def happens(verdict=verdict, keys=keys):
                return account.happens(verdict, keys)

            refused = [each for each in both if each.answer == "refused"]
            if not refused and any(each.depends for each in both):
                for each in both:
                    if each.depends:
                        undecided(account, happens, each.line, (on_key, own), *UNREAD)
                continue
            for way in ways:
                account.come_from(**way)
                happened = happens()
                expected = not refused
                event(f"{behind} {expected}, {happened}")
                said = [each.line for each in both]
                assert expected is happened, (said, way, on_key, own, grants)


COPYING = {
    "connectors": ["redshift"],
    "sql_options": {
        "jdbc.url": "jdbc:redshift://analytics.abc.us-east-1.redshift.amazonaws.com:5439/dev",
        "user": "loader", "from": "orders", "table.name": "facts",
    },
}  # fmt: skip


class Warehouse:
    """A sink to Redshift, which assumes the role for each COPY."""

    def __init__(self, aws, sandbox, example, folder):
        self.account = Account(aws, sandbox, {**example, **COPYING})
        self.account.come_from()
        self.account.tag(team="data")
        given = sandbox.environment()
        keys = (given[each] for each in ("RWC_ENDPOINT", "RWC_API_KEY", "RWC_API_SECRET"))
        self.cloud = Cloud(*keys, lock_folder=folder)
        self.cloud.add_allowed_role(CLUSTER, ROLE_ARN)
        for written in statements_for(self.account.target, ROLE_ARN, "us-east-1"):
            for statement in written.statements:
                self.cloud.execute_sql(CLUSTER, statement.sql)

    def log(self):
        return self.account.sandbox.switch("GET", f"clusters/{CLUSTER}/log", None)["lines"]

    def copies(self):
        """Let RisingWave write and Redshift copy, and say whether Redshift got in.

        None where RisingWave itself did not get in, so that nothing was copied.
        """
        before = len(self.log())
        self.cloud.execute_sql(CLUSTER, "INSERT INTO orders VALUES (9, 1.5, now())")
        self.cloud.execute_sql(CLUSTER, "FLUSH")
        said = self.log()[before:]
        if any("request to AWS STS Services failed" in line for line in said):
            return None
        return not any("not authorized to assume" in line for line in said)


def compare_redshift(warehouse, statements, told):
    """Compare with a COPY; what is not told of the sink is not known of the external id."""
    account = warehouse.account
    if not planted(account, (account.trust, [LET_IN, *statements])):
        return
    options = {"from": "orders", "table.name": "facts", **(COPYING["sql_options"] if told else {})}
    account.target = account.target.model_copy(update={"sql_options": options})
    said = account.verdict()[0]["redshift_trust"]
    happened = warehouse.copies()
    event(f"{said.status}, {happened}")
    if happened is None:
        return
    if said.status == "unknown":
        keys = said.evidence[0].split("depends on ", 1)[1].split(";")[0].lower().split(" and ")
        kept = {"sts:externalid"} if not told else set()
        kept |= {"aws:sourcearn", "aws:sourceip", "aws:sourcevpce"}
        assert set(keys) <= kept, (said, statements)
        return
    assert (said.status == "pass") is happened, (said, statements, warehouse.log()[-1:])


FIXED = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}
MANY = int(os.environ.get("VERDICT_EXAMPLES", "1000"))
TWO_WAYS = st.lists(st.sampled_from(WAYS), min_size=1, max_size=2)
ON_BUCKET = st.lists(s3_statements(True), max_size=2)
OF_ROLE = st.lists(s3_statements(False), max_size=2)


@settings(max_examples=25, **FIXED)
@given(st.lists(trust_statements(), min_size=1, max_size=3), TWO_WAYS, VERSIONS)
def test_verdict_on_the_trust_policy_is_what_happens(account, statements, ways, version):
    compare_trust(account, statements, ways, version)


@settings(max_examples=15, **FIXED)
@given(ON_BUCKET, OF_ROLE, OF_ROLE, TWO_WAYS, VERSIONS)
def test_verdict_on_a_request_is_what_happens(account, on_bucket, own, boundary, ways, version):
    compare_s3(account, on_bucket, own, boundary, ways, version)


@settings(max_examples=15, **FIXED)
@given(
    st.lists(key_statements(True), max_size=2),
    st.lists(key_statements(False), max_size=2),
    st.lists(key_grants(), max_size=2),
    VERSIONS,
)
def test_verdict_on_a_key_is_what_happens(encrypted, on_key, own, grants, version):
    compare_key(encrypted, on_key, own, grants, version)


REDSHIFT = st.lists(redshift_statements(), min_size=1, max_size=3)


@pytest.fixture
def warehouse(aws, sandbox, example, tmp_path):
    yield Warehouse(aws, sandbox, example, tmp_path)
    sandbox.set_network(secure_transport=False)


@settings(max_examples=6, **FIXED)
@given(REDSHIFT, st.booleans())
def test_verdict_on_redshift_is_what_happens(warehouse, statements, told):
    compare_redshift(warehouse, statements, told)


@pytest.mark.long
@settings(max_examples=MANY, **FIXED)
@given(REDSHIFT, st.booleans())
def test_many_verdicts_on_redshift_are_what_happens(warehouse, statements, told):
    compare_redshift(warehouse, statements, told)


@pytest.mark.long
@settings(max_examples=MANY, **FIXED)
@given(st.lists(trust_statements(), min_size=1, max_size=3), TWO_WAYS, VERSIONS)
def test_many_verdicts_on_the_trust_policy_are_what_happens(account, statements, ways, version):
    compare_trust(account, statements, ways, version)


@pytest.mark.long
@settings(max_examples=MANY, **FIXED)
@given(ON_BUCKET, OF_ROLE, OF_ROLE, TWO_WAYS, VERSIONS, OF_ROLE)
def test_many_verdicts_on_requests_are_what_happens(
    account, on_bucket, own, boundary, ways, version, session
):
    compare_s3(account, on_bucket, own, boundary, ways, version, session)


@pytest.mark.long
@settings(max_examples=MANY, **FIXED)
@given(
    st.lists(key_statements(True), max_size=2),
    st.lists(key_statements(False), max_size=2),
    st.lists(key_grants(), max_size=2),
    VERSIONS,
    TWO_WAYS,
)
def test_many_verdicts_on_keys_are_what_happens(encrypted, on_key, own, grants, version, ways):
    compare_key(encrypted, on_key, own, grants, version, ways)
