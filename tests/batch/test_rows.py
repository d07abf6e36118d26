"""The rows of a batch: the same from every format, checked before anything is done for any."""

from __future__ import annotations

import csv
import json
import tracemalloc

import pytest
import yaml

from rwlib.batch.rows import count_targets, read_targets
from rwlib.cli import main
from rwlib.errors import InputError

WORKLOAD = "arn:aws:iam::444455556666:role/g1jk13sq56ejdref71h1cvokbh-role"
CLUSTER = "019d023e-68a6-74db-b73c-e18859fc5171"
ROWS = [
    {"name": f"t{n}", "workload_identity_arn": WORKLOAD, "bucket": "acme-analytics",
     "prefix": f"p{n}", "role_name": f"role-{n}", "connectors": ["s3_sink", "s3_source"],
     "tags": {"team": "data"}}
    for n in range(3)
]  # fmt: skip


def write_csv(path, rows, delimiter=","):
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        for row in rows:
            writer.writerow(
                {
                    **row,
                    "connectors": ",".join(row["connectors"]),
                    "tags": ",".join(f"{k}={v}" for k, v in row["tags"].items()),
                }
            )


def write_jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n\n" for row in rows))


WRITERS = {
    "list.yaml": lambda path: path.write_text(yaml.safe_dump(ROWS)),
    "under_targets.yml": lambda path: path.write_text(yaml.safe_dump({"targets": ROWS})),
    "documents.yaml": lambda path: path.write_text(yaml.safe_dump_all(ROWS)),
    "anchors.yaml": lambda path: path.write_text(
        f"- &first {json.dumps(ROWS[0])}\n"
        "- {<<: *first, name: t1, prefix: p1, role_name: role-1}\n"
        "- {<<: *first, name: t2, prefix: p2, role_name: role-2}\n"
    ),
    "commas.csv": lambda path: write_csv(path, ROWS),
    "semicolons.csv": lambda path: write_csv(path, ROWS, ";"),
    "blank_first.csv": lambda path: (
        write_csv(path, ROWS, ";"),
        path.write_text("\n" + path.read_text("utf-8-sig")),
    ),
    "tabs.tsv": lambda path: write_csv(path, ROWS, "\t"),
    "lines.jsonl": lambda path: write_jsonl(path, ROWS),
}


@pytest.mark.parametrize("name", WRITERS)
def test_targets_are_the_same_when_the_format_differs(tmp_path, name):
    path = tmp_path / name
    WRITERS[name](path)
    found = [(row, target.model_dump()) for row, target in read_targets(path)]
    expected = tmp_path / "expected.jsonl"
    write_jsonl(expected, ROWS)
    assert found == [(row, target.model_dump()) for row, target in read_targets(expected)]
    assert [target["role_name"] for _, target in found] == ["role-0", "role-1", "role-2"]
    assert count_targets(path) == 3


def test_common_value_is_used_when_the_row_has_none(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("name,bucket,prefix\na,acme-analytics,x\nb,,y\n")
    common = {
        "workload_identity_arn": WORKLOAD, "bucket": "acme-frankfurt", "connectors": ["s3_sink"],
    }  # fmt: skip
    found = [target.bucket for _, target in read_targets(path, common)]
    assert found == ["acme-analytics", "acme-frankfurt"]


BAD = {
    "field": (lambda rows: rows[1].update(bucket="UPPER"), ["row 2", "bucket", "UPPER"]),
    "missing": (lambda rows: rows[2].update(workload_identity_arn=""), ["row 3", "workload_id"]),
    "unknown field": (lambda rows: rows[1].update(buckets="x"), ["row 2", "buckets"]),
    "same name": (lambda rows: rows[2].update(name="t0"), ["row 3", "name", "row 1"]),
    "same folder": (
        lambda rows: (rows[0].update(name="a-b"), rows[2].update(name="A-B")),
        ["row 3", "name", "row 1"],
    ),
    "same policy": (lambda rows: rows[1].update(policy_name="p") or rows[2].update(policy_name="p"),
                    ["row 3", "policy_name", "row 2"]),
    "same role, other cluster": (
        lambda rows: (
            rows[1].update(role_name="r"),
            rows[2].update(role_name="r", workload_identity_arn="arn:aws:iam::444455556666:role/b"),
        ),
        ["row 3", "workload_identity_arn", "row 2", "role r"],
    ),
    "same role, other setting": (
        lambda rows: (
            rows[0].update(role_name="r", max_session_duration=7200),
            rows[2].update(role_name="r"),
        ),
        ["row 3", "max_session_duration", "3600", "row 1"],
    ),
    "incomplete SQL": (
        lambda rows: rows[1].update(run_sql=True, cluster_id=CLUSTER),
        ["row 2", "sql_options", "is missing"],
    ),
    "own file": (lambda rows: rows[1].update(name="manifest.json"), ["row 2", "name"]),
    "secret": (
        lambda rows: rows[1].update(
            connectors=["redshift"],
            sql_options={"jdbc.url": "jdbc:redshift://h:5439/dev?user=u&password=hunter2secret"},
        ),
        ["row 2", "sql_options"],
    ),
    "two": (lambda rows: (rows[0].update(bucket="X"), rows[2].update(bucket="Y")),
            ["row 1", "one more row"]),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("case", BAD)
def test_bad_row_is_one_sentence_and_nothing_is_created(
    aws_environment, tmp_path, monkeypatch, capsys, case
):
    change, words = BAD[case]
    rows = json.loads(json.dumps(ROWS))
    change(rows)
    path = tmp_path / "t.jsonl"
    write_jsonl(path, rows)
    monkeypatch.setenv("RWLIB_RUNS", str(tmp_path / "runs"))
    with pytest.raises(SystemExit) as ended:
        main(["batch", str(path), "--apply"])
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.count("\n") == 1
    assert all(word in said for word in words), said
    assert "hunter2secret" not in said
    assert not (tmp_path / "runs").exists()
    assert aws_environment.calls() == []


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("t.csv", "name,bukket\na,b\n", ["header", "bukket"]),
        ("t.csv", "name,name\na,b\n", ["header", "twice"]),
        ("t.csv", "name,bucket\na,b,c\n", ["row 1", "one cell too many"]),
        ("t.csv", "name,bucket\n", ["no target"]),
        ("t.jsonl", '{"name": "a"}\nrubbish\n', ["row 2", "not a JSON object"]),
        ("t.jsonl", "[1]\n", ["row 1", "not a JSON object"]),
        ("t.yaml", "- name: a\n  bucket: [\n", ["YAML"]),
        ("t.yaml", "- a\n", ["row 1", "no fields"]),
        ("t.yaml", "- name: a\n  name: b\n", ["'name' appears twice", "line 2"]),
        ("t.txt", "x", [".yaml, .csv or .jsonl"]),
    ],
)
def test_bad_file_says_where_it_is_bad(tmp_path, name, text, words):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InputError) as raised:
        count_targets(path)
    assert all(word in str(raised.value) for word in words), raised.value


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["csv", "jsonl", "yaml"])
def test_memory_is_flat_when_there_are_many_rows(tmp_path, ending):
    def peak(count):
        path = tmp_path / f"{count}.{ending}"
        rows = ({"name": f"t{n}", "workload_identity_arn": WORKLOAD, "prefix": "p" * 400 + str(n),
                 "bucket": "acme-analytics", "connectors": "s3_sink"}
                for n in range(count))  # fmt: skip
        with path.open("w") as file:
            if ending == "csv":
                file.write("name,workload_identity_arn,prefix,bucket,connectors\n")
                file.writelines(",".join(row.values()) + "\n" for row in rows)
            elif ending == "jsonl":
                file.writelines(json.dumps(row) + "\n" for row in rows)
            else:
                file.writelines(f"- {json.dumps(row)}\n" for row in rows)
        tracemalloc.start()
        seen = sum(1 for _ in read_targets(path))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert seen == count
        return most

    peak(20)  # what is cached at the first use
    assert peak(600) < peak(60) * 1.5 + 60_000
