"""Write the reference pages from the code's own tables: ``python docs/make_reference.py``.

The pages are stored, and ``tests/docs/test_reference.py`` compares them with what this makes, so a
command, a field, a check or a cause that is added or taken away shows.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from rwlib import errors
from rwlib.cli import COMMANDS, surroundings
from rwlib.cli.groups import TargetCommand, grouped
from rwlib.diagnose.ids import CAUSES, CLASSES
from rwlib.export import export_target, operator_policy
from rwlib.export.plan import Existing, make_plan
from rwlib.labs import all_labs
from rwlib.runbook import criteria
from rwlib.target import Target
from rwlib.verify.check import HOPS
from rwlib.verify.kinds import CHECKS
from rwlib.verify.reasons import REASONS

HERE = Path(__file__).resolve().parent
MADE = "<!-- Made by docs/make_reference.py from the code's own tables; do not edit. -->"
EXIT_CODES = {
    0: "Done and verified.",
    1: "A check failed, or the plan would let RisingWave reach more than was asked for.",
    2: "Bad input: one sentence says which field, what was given and what to do; nothing was made.",
    3: "A person must act: Step 4 without an API key, or a plan that was not approved.",
    4: "Credentials or a service refused, or could not be reached.",
    129: "Stopped by SIGHUP, the folder sealed; run it again to go on.",
    130: "Stopped by Ctrl-C; run it again to go on.",
    141: "The reader of the output went away, as with `head -1`.",
    143: "Stopped by SIGTERM, the folder sealed; run it again to go on.",
}


def pages() -> dict[str, str]:
    """Return the text of each page by its path below docs/."""
    return {
        "reference/commands.md": commands(),
        "reference/target.md": target(),
        "reference/checks.md": checks(),
        "reference/causes.md": causes(),
        "reference/exit-codes.md": exit_codes(),
        "reference/exports.md": exports(),
        "reference/notebooks.md": notebooks(),
        "reference/python.md": python(),
    }


def commands() -> str:
    """Describe every command and its options, as click knows them."""
    lines = ["# Commands", "", MADE, ""]
    for name, sentence in COMMANDS.items():
        module = importlib.import_module(f"rwlib.cli.{name.replace('-', '_')}")
        lines += [f"## rwlib {name}", ""]
        if not _paragraphs(module.command.help or "").startswith(sentence):
            lines += [sentence, ""]
        lines += list(_command(module.command))
    return _text(lines)


def _command(command: click.Command, prefix: str = "") -> Iterator[str]:
    if command.help:
        yield from (_paragraphs(command.help), "")
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from (f"### {prefix or command.name} {name}", "")
            yield from _command(inner, f"{prefix or command.name} {name}")
        return
    context = click.Context(command)
    arguments = [each for each in command.params if isinstance(each, click.Argument)]
    if arguments:
        shown = ", ".join(f"`{each.make_metavar(context)}`" for each in arguments)
        yield from (f"Arguments: {shown}", "")
    for title, options in grouped(command, context):
        rows = [each for each in options if "--help" not in each.opts]
        if not rows:
            continue
        if isinstance(command, TargetCommand):
            yield from (f"**{title}**", "")
        yield from ("| option | |", "|---|---|")
        for each in rows:
            names = ", ".join(f"`{name}`" for name in [*each.opts, *each.secondary_opts])
            yield f"| {names} | {_cell(each.help or '')} |"
        yield ""


def target() -> str:
    """Describe every field of a target."""
    lines = [
        "# Target",
        "",
        MADE,
        "",
        "The same names are the keys of a target file, the papermill parameters of every notebook, "
        "the columns of a batch file and the options of the command line "
        "(`--role-name` for `role_name`).",
        "",
        "| field | default | |",
        "|---|---|---|",
    ]
    for name, info in Target.model_fields.items():
        default = info.get_default(call_default_factory=True)
        shown = "" if default in ("", [], {}, None) else f"`{default}`"
        lines.append(f"| `{name}` | {shown} | {_cell(info.description or '')} |")
    return _text(lines)


def checks() -> str:
    """Describe every hop, and every reason for which a check does not pass."""
    lines = [
        "# Checks",
        "",
        MADE,
        "",
        "A check says `pass`, `fail`, `unknown` or `manual`. In JSON it carries a `reason`, one of "
        "the codes below, and in `fixed_by` the step that mends it, where one does.",
        "Each hop has its checks in a table, and below it what is said when one does not pass.",
        "",
    ]
    for title in ["", *HOPS]:
        rows = [each for each in REASONS.values() if each.hop == title]
        kinds = [each for each in CHECKS.values() if each.hop == title]
        if not rows and not kinds:
            continue
        lines += [f"## {title or 'Any hop'}", ""]
        if kinds:
            lines += ["| check | passes when | |", "|---|---|---|"]
            lines += [f"| `{each.id}` | {_filled(each.title)} | {each.meaning} |" for each in kinds]
            lines.append("")
        for each in rows:
            apply = f"Apply Step {each.fixed_by}."
            mended = f" {apply}" if each.fixed_by and each.fix != apply else ""
            lines += [f"### {each.code}", "", f"{_sentence(each.title)} {each.meaning}", ""]
            lines += [f"*What to do:* {each.fix}{mended}", ""] if each.fix else []
    return _text(lines)


def _filled(title: str) -> str:
    """Return a title with its names marked as such."""
    return title.replace("{", "*").replace("}", "*")


def causes() -> str:
    """Describe what an error can be, and why it can have happened."""
    lines = [
        "# Errors and causes",
        "",
        MADE,
        "",
        "## What an error is",
        "",
        "| class | |",
        "|---|---|",
    ]
    lines += _rows(CLASSES)
    lines += ["", "## Why it happened", "", "| cause | |", "|---|---|", *_rows(CAUSES), ""]
    return _text(lines)


def codes_of_the_code() -> set[int]:
    """Return every exit code: of the errors, the verdict, signals, and a reader that went away."""
    of_errors = {
        found.exit_code
        for found in vars(errors).values()
        if isinstance(found, type) and issubclass(found, errors.RunbookError)
    }
    verdict = ast.walk(ast.parse(inspect.getsource(criteria.exit_code_of)))
    of_verdict = {
        number.value
        for each in verdict
        if isinstance(each, ast.Return) and each.value is not None
        for number in ast.walk(each.value)
        if isinstance(number, ast.Constant) and isinstance(number.value, int)
    }
    signals = {128 + number for number in (signal.SIGINT, *surroundings.ENDING)}
    return of_errors | of_verdict | signals | {surroundings.CLOSED}


def exit_codes() -> str:
    """Describe the exit codes, and hold them against the code's own."""
    known = codes_of_the_code()
    if known != set(EXIT_CODES):
        raise ValueError(f"exit codes of code or page alone: {sorted(known ^ set(EXIT_CODES))}")
    lines = ["# Exit codes", "", MADE, "", "| code | |", "|---|---|"]
    lines += [f"| {code} | {_cell(text)} |" for code, text in EXIT_CODES.items()]
    return _text(lines)


def exports() -> str:
    """Show the exports of an example, and the operator's policy."""
    example = HERE.parent / "examples" / "redshift.yaml"
    target = Target.from_file(example, run_sql=False)
    plan = make_plan(
        target,
        workload_identity_arn="arn:aws:iam::444455556666:role/g1jk13sq56ejdref71h1cvokbh-role",
        region_name="us-east-1",
        kms_key_arn="arn:aws:kms:us-east-1:111122223333:key/1111aaaa-22bb-33cc-44dd-555566667777",
        account_id="111122223333",
        existing=Existing(principals=()),
        looked=True,
    )
    languages = {"tf": "terraform", "yaml": "yaml", "sh": "sh"}
    lines = ["# Exports", "", MADE, "", "What `rwlib export` writes for `examples/redshift.yaml`."]
    for name in ("terraform", "cloudformation", "cli"):
        lines += ["", f"## {name}", ""]
        for file, text in export_target(plan, name).items():
            language = languages[file.rpartition(".")[2]]
            lines += [f"`{file}`", "", f"```{language}", text.rstrip(), "```", ""]
    lines += ["## The operator's policy", "", "What `rwlib operator-policy` prints for a run.", ""]
    document = operator_policy(target, "run", account_id="111122223333")
    return _text([*lines, "```json", json.dumps(document, indent=2), "```"])


def notebooks() -> str:
    """List the notebooks by what they change, and the labs."""
    lines = [
        "# Notebooks",
        "",
        MADE,
        "",
        "`make lab` opens them on copies, and `rwlib app --copy FOLDER` copies them for a Jupyter "
        "of your own. Each runs alone, under papermill too; `runbook.ipynb` is all of it in one "
        "kernel.",
        "",
        "| notebook | | changes |",
        "|---|---|---|",
    ]
    for path in sorted((HERE.parent / "notebooks").glob("*.ipynb")):
        first = "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"])
        title = first.partition("\n")[0].lstrip("# ")
        changes = first.partition("**This changes** ")[2].partition("\n")[0]
        lines.append(f"| `{path.name}` | {_cell(title)} | {_cell(changes)} |")
    lines += ["", "## Labs", "", "| lab | | minutes |", "|---|---|---|"]
    lines += [f"| {lab.number} | {_cell(lab.title)} | {lab.minutes} |" for lab in all_labs()]
    return _text(lines)


# The command line is no library, and the sandbox is described by a page of its own.
_NO_LIBRARY = ("cli", "sandbox", "data")


def python() -> str:
    """Describe what each room offers to programs, from its door and its docstrings."""
    lines = [
        "# From Python",
        "",
        MADE,
        "",
        "Each room is a module, `from rwlib.steps import ensure_role`. What writes takes "
        "`apply=False` and returns a `Change`; what checks only reads. `help(ensure_role)` has "
        "parameters, errors, and the source of each rule of AWS and RisingWave.",
        "",
    ]
    for door in sorted((HERE.parent / "rwlib").glob("*/__init__.pyi")):
        room = door.parent.name
        if room in _NO_LIBRARY:
            continue
        module = importlib.import_module(f"rwlib.{room}")
        names = re.findall(r"import \w+ as (\w+)", door.read_text(encoding="utf-8"))
        rows = [row for name in sorted(names, key=str.lower) if (row := _offer(module, name))]
        if rows:
            lines += [f"## rwlib.{room}", "", _first_line(module), ""]
            lines += ["| | |", "|---|---|", *rows, ""]
    return _text(lines)


def _offer(module: Any, name: str) -> str:
    offered = getattr(module, name)
    if not callable(offered) or not (said := _first_line(offered)):
        return ""
    shown = f"`{name}`"
    if inspect.isfunction(offered):
        shown = f"`{name}({', '.join(inspect.signature(offered).parameters)})`"
    return f"| {shown} | {_cell(said)} |"


def _first_line(documented: Any) -> str:
    return " ".join((inspect.getdoc(documented) or "").partition("\n\n")[0].split())


def _rows(table: Mapping[str, Any]) -> list[str]:
    return [f"| `{name}` | {_cell(_sentence(text))} |" for name, text in table.items()]


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith(".") else f"{text}."


def _paragraphs(text: str) -> str:
    return inspect.cleandoc(text.replace("\b", "")).strip()


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _text(lines: list[str]) -> str:
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    """Write the pages."""
    for name, text in pages().items():
        path = HERE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
