"""``rwlib sql``: the statements of Step 5, or the faults of a statement."""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from typing import Any, Final

import click

from rwlib.cli.groups import TargetCommand
from rwlib.cli.options import read_target, target_options
from rwlib.errors import InputError


@click.command("sql", cls=TargetCommand)
@target_options(without=("apply", "run_sql"))
@click.option("--account-id", default="", help="12-digit account of the role; for the role's ARN")
@click.option("--check", "check_file", type=click.Path(), help="Check the SQL in this file")
@click.option(
    "--risingwave-version",
    default=None,
    help="Version the SQL is for: 2.8, 3.0, 3.1 or main (default: 3.0.3, the newest release)",
)
@click.option("--execute", is_flag=True, help="Run it in RisingWave and see whether it works")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON")
def command(
    target_file: str | None,
    account_id: str,
    check_file: str | None,
    risingwave_version: str | None,
    execute: bool,
    as_json: bool,
    **fields: Any,
) -> int:
    """Print the SQL of Step 5, check a statement that exists, or run it.

    Calls nobody unless --execute is given: without --account-id the role's ARN holds a
    placeholder.
    """
    given = target_file or any(value not in (None, ()) for value in fields.values())
    target = read_target(target_file, fields) if given or not check_file else None
    if check_file:
        return _check(check_file, target, risingwave_version, as_json)
    assert target is not None
    if execute:
        return _execute(target, as_json)
    return _print(target, account_id, risingwave_version, as_json)


def _print(target: Any, account_id: str, version: str | None, as_json: bool) -> int:
    import textwrap

    from rwlib.cli.printing import echo_json
    from rwlib.sql import statements_for
    from rwlib.target import account_id as check_account_id

    check_account_id("account_id", account_id)
    role_arn = target.role_arn_in(account_id or "<account-id>")
    region = target.region_name or "<region of the bucket>"
    found = statements_for(target, role_arn, region, version=version)
    if as_json:
        echo_json([{"connector": e.connector, "sql": e.sql, "notes": list(e.notes)} for e in found])
        return 0
    for each in found:
        click.echo(f"-- {each.connector}")
        for note in each.notes:
            click.echo(textwrap.fill(note, 98, initial_indent="-- ", subsequent_indent="-- "))
        click.echo(each.sql + "\n")
    return 0


def _execute(target: Any, as_json: bool) -> int:
    from rwlib.cli.printing import echo_json, print_change, print_checks
    from rwlib.runbook import Runbook

    runbook = Runbook.start({**target.model_dump(), "run_sql": True, "apply": True})
    checks = [check.to_dict() for check in runbook.run_sql()]
    changes = [change.to_dict() for change in runbook.steps[5].changes]
    if as_json:
        echo_json({"changes": changes, "checks": checks, "exit_code": runbook.exit_code})
        return runbook.exit_code
    for change in changes:
        print_change(change if change["refused"] else {**change, "notes": []})
    print_checks(checks)
    return runbook.exit_code


def _read(check_file: str) -> str:
    """Return the text of a file, in UTF-8 or in the UTF-16 that Windows writes with a mark."""
    hint = "cannot be read; give a file with SQL"
    try:
        content = Path(check_file).read_bytes()
        utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        return content.decode("utf-16" if utf16 else "utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError:
        if b"\0" not in content:
            hint = "cannot be read: it is not UTF-8 text; save it as UTF-8"
    except OSError:
        pass
    raise InputError("check", check_file, hint, reason="cannot_be_read")


# No statement of SQL begins with a name and a colon, or with a bracket.
_DATA: Final = re.compile(r"\s*(?:(?:#|---).*\n\s*)*(?:[\[{]|(?:- +)?[\"']?[\w.-]+[\"']?:(?:\s|$))")


def _refuse_data(check_file: str, text: str) -> None:
    """Refuse what is data and holds no SQL: a target, a batch file, a notebook, JSON.

    Raises
    ------
    InputError
        The file is one of these.
    """
    import yaml

    from rwlib.target import Target

    first, _, _ = text.lstrip().partition("\n")
    columns = [column.strip(" \"'\r") for column in first.split(",")]
    if len(columns) > 1 and set(columns) <= set(Target.model_fields):
        _is_not_sql(check_file, "a batch file")
    if not _DATA.match(text):
        return
    try:
        held = next(iter(yaml.safe_load_all(text)), None)
    except (yaml.YAMLError, ValueError, RecursionError):
        return
    if isinstance(held, list):
        held = next((each for each in held if isinstance(each, dict)), held)
    if not isinstance(held, dict | list):
        return
    if {"cells", "nbformat"} <= set(held):
        raise InputError("check", check_file, "is a notebook, not SQL; give a file with SQL")
    if set(held) & set(Target.model_fields):
        _is_not_sql(check_file, "a target")
    raise InputError("check", check_file, "holds YAML or JSON, not SQL; give a file with SQL")


def _is_not_sql(check_file: str, what: str) -> None:
    raise InputError(
        "check",
        check_file,
        f"is {what}, not SQL; give a file with SQL, which 'rwlib sql --target FILE' prints for "
        "a target",
    )


def _check(check_file: str, target: Any, version: str | None, as_json: bool) -> int:
    from dataclasses import asdict

    from rwlib.cli.printing import echo_json
    from rwlib.sql import check_sql, connectors_without_role, has_statements

    text = _read(check_file)
    _refuse_data(check_file, text)
    findings = check_sql(text, target=target, version=version)
    if as_json:
        echo_json([asdict(finding) for finding in findings])
    else:
        for each in findings:
            place = f"{each.line}:{each.column}" if each.column else each.line
            click.echo(f"{check_file}:{place}: {each.severity}: {each.message}")
            if each.fix:
                click.echo(f"    Do: {each.fix}")
        for line, connector in connectors_without_role(text):
            click.echo(f"{check_file}:{line}: {connector} is a connector that takes no AWS role")
        if not has_statements(text):
            click.echo(f"{check_file}: there is no statement in it, so nothing was checked")
        elif not findings:
            click.echo(f"{check_file}: nothing wrong with the role options")
    return 1 if any(finding.severity == "error" for finding in findings) else 0
