"""The notebooks: one set of parameters, plain cells, and each runs alone under papermill."""

from __future__ import annotations

import ast
import json
import typing

import nbformat
import pytest

from rwlib.errors import InputError
from rwlib.headless.engine.startup import quick_imports
from rwlib.target.target import Target
from tests.support import places

quick_imports()

import papermill  # noqa: E402
from papermill.exceptions import PapermillExecutionError  # noqa: E402

NOTEBOOKS = places.ROOT / "notebooks"
NAMES = sorted(path.name for path in NOTEBOOKS.glob("*.ipynb"))
# What a notebook takes beside a target's fields, before them.
EXTRA = {"07_diagnose_errors.ipynb": ("log_file",)}
STEPS = [name for name in NAMES if name[:2] in ("00", "01", "02", "03", "04", "05", "06")]


def cells(name, kind="code"):
    book = nbformat.read(NOTEBOOKS / name, as_version=4)
    return [cell for cell in book.cells if cell.cell_type == kind]


@pytest.mark.parametrize("name", NAMES)
def test_no_notebook_repeats_what_the_form_says_itself(name):
    calls = [
        node
        for cell in cells(name)
        for node in ast.walk(ast.parse(cell.source))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "guide.form"
    ]
    assert [ast.unparse(each) for each in calls if each.args or each.keywords] == []
    texts = [cell.source for cell in cells(name, "markdown")]
    tables = [text for text in texts if "|---" in text and "Cloud Meta" in text]
    # The start says once where each input is found.
    assert len(tables) == (name == "00_start_here.ipynb")


def parameters(name):
    tagged = [cell for cell in cells(name) if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1
    return tagged[0].source


def execute(name, values, folder):
    return papermill.execute_notebook(
        str(NOTEBOOKS / name),
        str(folder / name),
        values,
        progress_bar=False,
        shutdown_kernel="immediate",
        kernel_name="python3",
    )


def outputs_of(book):
    return json.dumps([cell.get("outputs", []) for cell in book.cells])


def test_notebooks_of_every_step_are_there():
    assert {name[:2] for name in NAMES} >= {"00", "01", "02", "03", "04", "05", "06", "90", "ru"}


@pytest.mark.parametrize("name", NAMES)
def test_parameters_cell_follows_the_target(name):
    wanted = []
    for field, info in Target.model_fields.items():
        base = typing.get_origin(info.annotation) or info.annotation
        kind = "str" if base is typing.Literal else base.__name__
        default = info.get_default(call_default_factory=True)
        wanted.append((field, kind, default, info.description))
    given = []
    for line, node in zip(
        parameters(name).splitlines(), ast.parse(parameters(name)).body, strict=True
    ):
        assert isinstance(node, ast.AnnAssign)
        given.append(
            (
                node.target.id,
                ast.unparse(node.annotation),
                ast.literal_eval(node.value),
                line.split("  # ", 1)[1],
            )
        )
    assert given[len(EXTRA.get(name, ())) :] == wanted
    assert [field for field, *_ in given[: len(EXTRA.get(name, ()))]] == [*EXTRA.get(name, ())]


@pytest.mark.parametrize("name", NAMES)
def test_papermill_reads_the_parameters_and_their_help(name):
    found = papermill.inspect_notebook(str(NOTEBOOKS / name))
    assert list(found) == [*EXTRA.get(name, ()), *Target.model_fields]
    assert found["bucket"]["help"] == Target.model_fields["bucket"].description


@pytest.mark.parametrize("name", NAMES)
def test_cells_are_short_and_define_nothing(name):
    for cell in cells(name):
        if "parameters" in cell.metadata.get("tags", []):
            continue
        lines = [line for line in cell.source.splitlines() if line.strip()]
        assert len(lines) <= 12, cell.source
        defined = [
            node
            for node in ast.walk(ast.parse(cell.source))
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Lambda)
        ]
        assert defined == [], cell.source


@pytest.mark.parametrize("name", NAMES)
def test_notebook_says_what_it_needs_changes_and_how_it_is_undone(name):
    first = cells(name, "markdown")[0].source
    for words in ("# ", "**You need**", "**This changes**", "**Undo**"):
        assert words in first
    text = "\n".join(cell.source for cell in cells(name, "markdown"))
    assert "**Pass criterion" in text
    assert "## What is next" in text


@pytest.mark.slow
def test_each_notebook_runs_alone_in_order(aws_environment, example, tmp_path):
    for name in [*STEPS, "90_tear_down.ipynb"]:
        book = execute(name, {**example, "apply": True}, tmp_path)
        errors = [
            output
            for cell in book.cells
            for output in cell.get("outputs", [])
            if output.output_type == "error"
        ]
        assert errors == [], name


@pytest.mark.slow
def test_notebooks_preview_when_apply_is_false(aws_environment, example, tmp_path, warm_process):
    aws_environment.forget_calls()
    for name in ("01_create_s3_policy.ipynb", "02_create_role.ipynb"):
        assert "Would create" in outputs_of(
            warm_process.execute(NOTEBOOKS / name, tmp_path / name, example)
        )
    actions = {call["action"] for call in aws_environment.calls()}
    assert not {a for a in actions if a.startswith(("Create", "Put", "Update", "Attach"))}


@pytest.mark.slow
def test_wrong_input_is_one_sentence_in_a_notebook(
    aws_environment, example, tmp_path, warm_process
):
    with pytest.raises(PapermillExecutionError) as caught:
        warm_process.execute(
            NOTEBOOKS / "01_create_s3_policy.ipynb",
            tmp_path / "01_create_s3_policy.ipynb",
            {**example, "bucket": "Bad_Bucket"},
        )
    assert caught.value.ename == InputError.__name__
    assert "is not a valid bucket name" in caught.value.evalue
    book = nbformat.read(tmp_path / "01_create_s3_policy.ipynb", as_version=4)
    error = next(o for c in book.cells for o in c.get("outputs", []) if o.output_type == "error")
    assert "Traceback" not in "\n".join(error.traceback)


@pytest.mark.slow
def test_diagnosis_names_the_cause_in_a_notebook(aws_environment, example, tmp_path, warm_process):
    log = tmp_path / "error.log"
    log.write_text(
        "User: arn:aws:sts::444455556666:assumed-role/g1jk13sq56ejdref71h1cvokbh-role/reqsign is "
        "not authorized to perform: sts:AssumeRole on resource: "
        "arn:aws:iam::111122223333:role/risingwave-s3-access "
        "aws_secret_access_key=wJalrXUtnFEMI/K7M"
    )
    values = {**example, "log_file": str(log)}
    book = warm_process.execute(
        NOTEBOOKS / "07_diagnose_errors.ipynb", tmp_path / "07_diagnose_errors.ipynb", values
    )
    assert "Certain: The role does not exist (role_missing)" in outputs_of(book)
    assert "wJalrXUtnFEMI" not in outputs_of(book)


@pytest.mark.slow
def test_check_ends_the_notebook_when_the_set_up_is_broken(
    aws_environment, example, tmp_path, warm_process
):
    with pytest.raises(PapermillExecutionError) as caught:
        warm_process.execute(
            NOTEBOOKS / "06_verify_setup.ipynb", tmp_path / "06_verify_setup.ipynb", example
        )
    assert caught.value.ename == "CheckFailedError"
