"""The inputs: what makes a target, and the one sentence where they do not."""

from __future__ import annotations

import datetime

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rwlib.errors import InputError
from rwlib.target.rules.names import CONNECTORS
from rwlib.target.rules.text import input_notes
from rwlib.target.target import Target, field_problems, read_yaml, refuse_options


def field_errors(values):
    return {name: str(problem) for name, problem in field_problems(values).items()}


ARN = "arn:aws:iam::444455556666:role/g1jk13sq56ejdref71h1cvokbh-role"
VALUES = {
    "workload_identity_arn": ARN,
    "bucket": "acme-analytics",
    "prefix": "risingwave",
    "connectors": ["redshift"],
}


def refusal(**changes):
    with pytest.raises(InputError) as caught:
        Target(**{**VALUES, **changes})
    return caught.value


def test_target_has_the_defaults_that_most_want_when_little_is_given():
    target = Target(**VALUES)
    assert target.role_name == "risingwave-s3-access"
    assert target.policy_name == "risingwave-s3-access-acme-analytics-b3e12c8a"
    assert target.name == target.policy_name
    assert (target.policy_style, target.max_session_duration) == ("recommended", 3600)
    assert target.apply is False
    assert target.role_arn_in("111122223333") == (
        "arn:aws:iam::111122223333:role/risingwave-s3-access"
    )


def test_role_arn_has_the_path_when_one_is_given():
    target = Target(**VALUES, role_path="/data/risingwave/")
    assert target.role_arn_in("111122223333") == (
        "arn:aws:iam::111122223333:role/data/risingwave/risingwave-s3-access"
    )


def test_policy_name_differs_when_only_the_end_of_a_long_bucket_name_differs():
    names = {
        Target(**{**VALUES, "role_name": "r" * 64, "bucket": "b" * 60 + end}).policy_name
        for end in ("aaa", "bbb")
    }
    assert len(names) == 2
    assert {len(name) for name in names} == {128}


def test_name_can_be_a_tag_when_derived_from_a_role_name_with_a_comma():
    assert "," not in Target(**VALUES, role_name="a,b").name


@pytest.mark.parametrize(
    ("given", "bucket", "prefix"),
    [
        ({"bucket": "s3://acme-analytics"}, "acme-analytics", "risingwave"),
        ({"bucket": "s3://acme-analytics/a/b/", "prefix": ""}, "acme-analytics", "a/b"),
        ({"bucket": "s3://acme-analytics/risingwave"}, "acme-analytics", "risingwave"),
        ({"bucket": " acme-analytics "}, "acme-analytics", "risingwave"),
        ({"prefix": "risingwave/"}, "acme-analytics", "risingwave"),
        ({"prefix": None}, "acme-analytics", ""),
    ],
)
def test_place_is_understood_when_written_otherwise(given, bucket, prefix):
    target = Target(**{**VALUES, **given})
    assert (target.bucket, target.prefix) == (bucket, prefix)


@pytest.mark.parametrize("given", ["redshift, s3_sink", '["redshift", "s3_sink"]'])
def test_connectors_are_read_when_given_as_text(given):
    assert Target(**{**VALUES, "connectors": given}).connectors == ["redshift", "s3_sink"]


def test_tags_are_read_when_given_as_text():
    assert Target(**VALUES, tags="team=data, env = prod").tags == {"team": "data", "env": "prod"}


BAD = [
    # field, given, a word of what is wrong, a word of what to do
    ("workload_identity_arn", "my-role", "not an ARN", "arn:aws:iam::"),
    ("workload_identity_arn", "arn:aws:iam::444455556666:user/ada", "is a user", "a role"),
    ("workload_identity_arn", "arn:aws:iam::444455556666:root", "whole account", "one role"),
    (
        "workload_identity_arn",
        "arn:aws:sts::444455556666:assumed-role/app/reqsign",
        "session",
        "arn:aws:iam::444455556666:role/app",
    ),
    ("workload_identity_arn", "arn:aws-cn:iam::444455556666:role/r", "aws-cn", "arn:aws:iam"),
    ("workload_identity_arn", "arn:aws-us-gov:iam::444455556666:role/r", "aws-us-gov", "give"),
    ("workload_identity_arn", "arn:aws:iam::44445555666:role/r", "44445555666", "12 digits"),
    ("workload_identity_arn", "arn:aws:iam::٤٤٤٤٥٥٥٥٦٦٦٦:role/r", "account", "12 digits"),
    ("workload_identity_arn", "arn:aws:s3:::acme-analytics", "ARN of s3", "IAM role"),
    ("workload_identity_arn", "arn:aws:iam::444455556666:role/*", "wildcard", "exactly one"),
    ("workload_identity_arn", "arn:aws:iam::444455556666:role/", "not a role ARN", "write"),
    ("workload_identity_arn", "arn:aws:iam::444455556666:role/a b", "not a role ARN", "write"),
    ("workload_identity_arn", "", "is empty", "Cloud Meta"),
    ("workload_identity_arn", 444455556666, "not text", "quotes"),
    ("bucket", "", "empty", "name"),
    ("bucket", "arn:aws:s3:::acme-analytics/x", "is an ARN", "acme-analytics"),
    ("bucket", "https://acme-analytics.s3.amazonaws.com/x", "URL", "acme-analytics"),
    ("bucket", "acme-analytics/risingwave", "slash", "prefix: risingwave"),
    ("bucket", "s3://acme-analytics/other", "another prefix", "bucket: acme-analytics"),
    ("bucket", "ab", "2 characters", "3 to 63"),
    ("bucket", "a" * 64, "64 characters", "3 to 63"),
    ("bucket", "Acme-Analytics", "capital", "acme-analytics"),
    ("bucket", "acme_analytics", "only lower-case", "hyphens"),
    ("bucket", "-acme", "begin and end", "letter or a digit"),
    ("bucket", "acme..data", "two dots", "not"),
    ("bucket", "192.168.1.1", "IP address", "form"),
    ("bucket", "xn--acme", "reserved", "xn--"),
    ("bucket", "sthree-acme", "reserved", "sthree-"),
    ("bucket", "amzn-s3-demo-bucket", "reserved", "amzn-s3-demo-"),
    ("bucket", "acme-s3alias", "not belong to general purpose", "-s3alias"),
    ("bucket", "acme--x-s3", "not belong to general purpose", "--x-s3"),
    ("prefix", "/risingwave", "slash", "'risingwave'"),
    ("prefix", "/", "slash", "write"),
    ("prefix", "a/../b", "..", "segment"),
    ("prefix", "a\x00b", "control character", "remove"),
    ("prefix", "a\u2028b", "control character", "remove"),
    ("prefix", "a" * 1025, "1,025 bytes", "1,024"),
    ("prefix", "ü" * 513, "1,026 bytes", "1,024"),
    ("prefix", "a//b", "empty segment", "remove"),
    ("prefix", " a", "space", "'a'"),
    ("prefix", "s3://acme-analytics/a", "URL", "follows"),
    ("prefix", "a\udc80", "Unicode", "not valid"),
    ("prefix", False, "not text", "quotes"),
    ("prefix", datetime.date(2026, 1, 1), "not text", "quotes"),
    ("region_name", "frankfurt", "not a region", "eu-central-1"),
    ("region_name", "cn-north-1", "partition", "cannot"),
    ("role_name", "r" * 65, "65 characters", "64"),
    ("role_name", "my role", "character", "'my-role'"),
    ("role_name", "arn:aws:iam::111122223333:role/app", "is an ARN", "app"),
    ("role_name", "", "empty", "name"),
    ("role_name", "a+b", "plus", "'a-b'"),
    ("policy_name", "arn:aws:iam::111122223333:policy/app", "is an ARN", "app"),
    ("policy_name", "p" * 129, "129 characters", "128"),
    ("role_path", "data", "not a valid IAM path", "/data/"),
    ("role_path", "/a//b/", "not a valid IAM path", "slash"),
    ("permissions_boundary_arn", "boundary", "not a policy ARN", "arn:aws:iam::"),
    ("max_session_duration", 3599, "range", "3600"),
    ("max_session_duration", 43201, "range", "43200"),
    ("max_session_duration", True, "whole number", "not"),
    ("max_session_duration", "an hour", "whole number", "not"),
    ("max_session_duration", 10**5000, "range", "3600"),
    ("tags", ["team"], "not a mapping", "key: value"),
    ("tags", {"team": 1}, "not a pair", "quotes"),
    ("tags", {"aws:team": "x"}, "aws:", "keeps"),
    ("tags", {"Managed-By": "terraform"}, "this runbook", "another key"),
    ("tags", {"risingwave-iam-runbook:target": "x"}, "this runbook", "another key"),
    ("tags", {"Team": "a", "team": "b"}, "twice", "case"),
    ("tags", {"team": "a<b"}, "character", "tags"),
    ("tags", {f"t{n}": "x" for n in range(46)}, "46 tags", "45"),
    ("tags", "team", "not a pair", "key=value"),
    ("connectors", [], "empty", "redshift"),
    ("connectors", "", "empty", "redshift"),
    ("connectors", ["redshit"], "not known", "redshift"),
    ("connectors", ["snowflake_v3"], "not known", "snowflake_v2"),
    ("connectors", ["mongodb"], "not known", "use one of"),
    ("connectors", "[1,", "JSON", "valid"),
    ("connectors", "[" * 100_000, "JSON", "valid"),
    ("connectors", {"redshift": True}, "not a list", "list"),
    ("policy_style", "narrow", "not known", "recommended"),
    ("kms_key_arn", "alias/acme", "alias", "key"),
    ("kms_key_arn", "1234", "not a key ARN", "arn:aws:kms"),
    ("glue_catalog_id", "1234", "not an account id", "12 digits"),
    ("glue_catalog_id", 111122223333, "not text", "quotes"),
    ("glue_database", "lake*", "not a valid Glue name", "letters"),
    ("cluster_id", "my-cluster", "not a cluster id", "UUID"),
    ("aws_profile", "a\nb", "single line", "256"),
    ("allowed_principal_confirmed_by", "\udcff", "Unicode", "not valid"),
    ("operator_role_arn", "operator", "not an ARN", "arn:aws:iam::"),
    ("name", "a/b", "not a valid name", "letters"),
    ("name", "..", "runs folder", "not a valid name"),
    ("name", "a,b", "not a valid name", "letters"),
    ("sql_options", ["x"], "pair", "key=value"),
    ("sql_options", {"since": datetime.date(2026, 1, 1)}, "date", "quotes"),
    ("sql_options", {"n": float("nan")}, "not a number", "nan"),
    ("sql_options", {"key": "a\udc80"}, "Unicode", "not valid"),
    ("apply", "perhaps", "neither true nor false", "neither"),
]


@pytest.mark.parametrize(
    ("field", "value", "wrong", "advice"), BAD, ids=[f"{n}-{row[0]}" for n, row in enumerate(BAD)]
)
def test_target_names_field_value_and_remedy_when_an_input_is_bad(field, value, wrong, advice):
    error = refusal(**{field: value} if field != "sql_options" or value != ["x"] else {field: "x"})
    text = str(error)
    assert error.field == field
    assert text.startswith(f"{field}: ")
    assert wrong in text
    assert advice in text
    assert "\n" not in text
    assert len(text) < 420
    assert error.exit_code == 2


def test_target_names_the_nearest_field_when_one_is_unknown():
    assert "did you mean bucket" in str(refusal(buket="x"))


def test_target_refuses_a_field_that_is_called_like_pythons_own():
    assert "'self' is not known" in str(refusal(self="x"))


def test_target_refuses_connector_options_that_contain_themselves():
    options: dict[str, object] = {}
    options["again"] = options
    assert "nested too deeply" in str(refusal(sql_options=options))


def test_field_errors_blames_the_field_when_a_form_is_filled_in():
    assert list(field_errors({**VALUES, "role_name": "a b"})) == ["role_name"]
    assert field_errors(VALUES) == {}


def test_field_errors_blames_every_field_at_once_when_several_are_wrong():
    wrong = field_errors({**VALUES, "role_name": "a b", "bucket": "UPPER", "connectors": ["ftp"]})
    assert sorted(wrong) == ["bucket", "connectors", "role_name"]
    assert all(message.startswith(f"{name}: ") for name, message in wrong.items())


# Inputs of any kind ---------------------------------------------------------------------------

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(max_size=4),
    st.dates(), st.characters(categories=["Cs"]),
)  # fmt: skip
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner),
        st.dictionaries(scalars, inner, max_size=3),
    ),
    max_leaves=5,
)
near = st.one_of(
    st.from_regex(r"arn:aws[a-z-]*:(iam|sts|s3)::\d{11,12}:[a-z-]*/?[\w*/+-]*", fullmatch=True),
    st.from_regex(r"s3://[a-z0-9.-]{0,5}(/[^/]{0,3}){0,3}", fullmatch=True),
    st.from_regex(r"[a-zA-Z0-9._-]{0,66}", fullmatch=True),
    st.from_regex(r"[\[{][^\]]{0,9}[\]}]?", fullmatch=True),
    st.sampled_from([*CONNECTORS, ARN, "true", "3600", "a=b", "/x/", "eu-central-1"]),
)


def refused_with(make, *arguments, **values):
    """What was made, and the error when nothing was."""
    try:
        return make(*arguments, **values), None
    except InputError as error:
        return None, error


@pytest.mark.slow
@given(st.dictionaries(st.sampled_from([*Target.model_fields, "self", "x"]), anything | near))
def test_values_make_a_target_or_an_input_error_whatever_they_are(changes):
    target, error = refused_with(Target, **{**VALUES, **changes})
    if error:
        assert str(error).isprintable()
        assert error.hint
    else:
        # What was accepted can be written down and read again.
        assert Target(**yaml.safe_load(yaml.safe_dump(target.model_dump()))) == target


@given(st.text(max_size=40))
def test_bucket_is_a_name_s3_accepts_when_it_is_accepted(text):
    try:
        bucket = Target(**{**VALUES, "bucket": text, "prefix": ""}).bucket
    except InputError:
        return
    assert 3 <= len(bucket) <= 63
    assert set(bucket) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-")


@given(st.text(max_size=40))
def test_prefix_is_kept_to_the_letter_when_it_is_accepted(text):
    try:
        prefix = Target(**{**VALUES, "prefix": text}).prefix
    except InputError:
        return
    assert prefix == text.removesuffix("/")


# YAML files -----------------------------------------------------------------------------------


def test_file_makes_a_target_and_options_go_before_it(tmp_path):
    file = tmp_path / "target.yaml"
    file.write_text(yaml.safe_dump({**VALUES, "role_name": "from-file"}))
    assert Target.from_file(file).role_name == "from-file"
    assert Target.from_file(file, role_name="given").role_name == "given"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a: [", "not valid YAML"),
        (b"just text", "is not a mapping"),
        (b"- a\n- b\n", "is not a mapping"),
        (b"", "is not a mapping"),
        (b"1: x", "'1' is not known"),
        (b"\xff\xfe\x00", "cannot be read"),
        (b"name: \x07", "not valid YAML"),
        (b"name: 2026-13-45", "put it in quotes"),
        (b"name: !!timestamp x", "put it in quotes"),
        (b"name: !!python/object:os.system {}", "not valid YAML"),
        (b"{[a]: b}", "not valid YAML"),
        pytest.param(b"a: " + b"[" * 1500, "put it in quotes", marks=pytest.mark.slow),
        (b"a: *b", "not valid YAML"),
    ],
)
def test_file_is_refused_with_one_sentence_when_it_is_no_target(tmp_path, content, words):
    file = tmp_path / "target.yaml"
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"^target: ") as caught:
        read_yaml(file)
    assert words in str(caught.value)


def test_file_is_named_with_its_line_when_the_yaml_breaks(tmp_path):
    file = tmp_path / "target.yaml"
    file.write_text("bucket: acme-analytics\nprefix: x\n\trole_name: x\n")
    with pytest.raises(InputError, match=r"\(line 3\)"):
        read_yaml(file)


def test_file_is_refused_when_it_is_not_there_or_a_folder(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_yaml(tmp_path / "none.yaml")
    with pytest.raises(InputError, match="cannot be read"):
        read_yaml(tmp_path)
    with pytest.raises(InputError, match="cannot be read"):
        read_yaml("a\0b")


@given(
    st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "ignore"))
)
def test_file_makes_a_mapping_or_an_input_error_whatever_it_holds(tmp_path_factory, content):
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_bytes(content)
    values, error = refused_with(read_yaml, file)
    assert str(error).isprintable() if error else isinstance(values, dict)


# What was meant ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "given", "read"),
    [
        ("bucket", "  acme-analytics ", "acme-analytics"),
        ("bucket", "\ts3://acme-analytics/risingwave/ ", "acme-analytics"),
        ("name", " orders ", "orders"),
        ("role_name", " risingwave\n", "risingwave"),
        ("connectors", [" s3_sink "], ["s3_sink"]),
        ("connectors", " s3_sink , redshift ", ["s3_sink", "redshift"]),
        ("policy_style", " documented ", "documented"),
        ("glue_database", " lake ", "lake"),
        ("region_name", " us-east-1 ", "us-east-1"),
    ],
)
def test_blanks_around_a_value_do_not_count(field, given, read):
    values = {**VALUES, "prefix": "", field: given}
    assert getattr(Target(**values), field) == read


@pytest.mark.parametrize(
    ("prefix", "better"),
    [
        ("risingwave/*", "'risingwave'"),
        ("a/b/**/", "'a/b'"),
        ("*", "leave the prefix empty"),
    ],
)
def test_prefix_that_ends_as_a_pattern_is_refused_with_what_to_write(prefix, better):
    assert better in str(refusal(prefix=prefix))
    assert better in str(refusal(bucket=f"s3://acme-analytics/{prefix}", prefix=""))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"bucket": "acme-analytics", "prefix": "risingwave"}, []),
        ({"bucket": " s3://acme/a/b/ "}, ["is read as bucket 'acme' and prefix 'a/b'"]),
        ({"bucket": "s3://acme"}, ["no prefix, which means all of it"]),
        ({"prefix": "year=20??/a*"}, ["'year=20??/a*' is taken literally: * and ?"]),
        ({"bucket": "s3://acme/a*"}, ["is read as bucket", "taken literally: * stands"]),
        ({}, []),
        ({"bucket": None, "prefix": 7}, []),
    ],
)
def test_what_is_read_otherwise_than_it_was_written_is_said(values, said):
    notes = input_notes(values)
    assert len(notes) == len(said)
    assert [words for words, note in zip(said, notes, strict=True) if words not in note] == []


@pytest.mark.parametrize(
    ("connectors", "options", "words"),
    [
        (["s3_sink"], {"frm": "orders"}, "'frm' is not an option of s3_sink; did you mean from"),
        (["s3_sink", "redshift"], {"frm": "orders"}, "of s3_sink, redshift; did you mean from"),
        (["redshift"], {"redshift": {"tabel.name": "x"}}, "did you mean table.name"),
        (["s3_sink"], {"type": "upsert"}, "s3_sink only appends"),
    ],
)
def test_options_that_no_version_takes_are_refused_at_input(connectors, options, words):
    values = {**VALUES, "connectors": connectors, "sql_options": options}
    assert words in field_errors(values)["sql_options"]
    with pytest.raises(InputError, match="sql_options"):
        refuse_options(Target(**values))


def test_options_that_one_version_takes_are_left_to_whoever_knows_the_version():
    since_main = {"from": "orders", "path_partition_prefix": "day"}
    values = {**VALUES, "connectors": ["s3_sink"], "sql_options": since_main}
    assert field_errors(values) == {}


def test_options_that_no_policy_holds_leave_the_policy_its_name():
    place = {"cluster_id": "019d023e-68a6-74db-b73c-e18859fc5171", "bucket": "acme-analytics"}
    options = {"table.name": "orders_of_today", "schema.name": "public"}
    for connectors in (["redshift"], ["s3_sink"], ["redshift", "s3_source"]):
        plain = Target(**place, connectors=connectors)
        assert Target(**place, connectors=connectors, sql_options=options).policy_name == (
            plain.policy_name
        )
    of_both = {"connectors": ["redshift", "iceberg_sink"]}
    plain = Target(**place, **of_both)
    theirs = Target(**place, **of_both, sql_options={"redshift": options})
    assert theirs.policy_name == plain.policy_name
    tables = Target(**place, **of_both, sql_options={"iceberg_sink": options})
    assert tables.policy_name != plain.policy_name
