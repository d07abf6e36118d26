"""``rwlib batch``: runbook.ipynb for every target of a file."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from rwlib.cli.groups import TargetCommand
from rwlib.cli.options import row_fields, say_row_notes, target_options
from rwlib.errors import InputError
from rwlib.headless import notebook_path
from rwlib.target import example_path

if TYPE_CHECKING:
    from rwlib.batch import BatchResult


@click.command("batch", cls=TargetCommand)
@click.argument("targets", type=click.Path())
@click.option("--apply/--no-apply", default=False, help="Write the previewed changes to AWS")
@click.option("--plan", is_flag=True, help="Preview all targets first; with --apply, then ask once")
@click.option("--yes", is_flag=True, help="Approve the plan where nobody can be asked")
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    help="Targets at once; by default as many as speed it up",
)
@click.option("--max-failures", type=click.IntRange(1), help="Start nothing new after so many")
@click.option(
    "--per-account", type=click.IntRange(1),
    help="Targets of one account that may write at once; by default as many as AWS allows",
)  # fmt: skip
@click.option(
    "--timeout", type=click.FloatRange(1), default=1800.0, show_default=True,
    help="Seconds that a target may take",
)  # fmt: skip
@click.option(
    "--batch-name", default="",
    help="Name of the batch, wherever its file is; the file's name and place otherwise",
)  # fmt: skip
@click.option("--new", is_flag=True, help="Do not resume an unfinished batch of this name")
@click.option(
    "--executor", type=click.Choice(["local", "dask"]), default="local", show_default=True,
    help="Where the targets run",
)  # fmt: skip
@click.option("--scheduler", default="", help="Address of the Dask scheduler")
@click.option("--sandbox", is_flag=True, help="Start the sandbox for this batch")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON")
@target_options(without=("apply", "name"))
def command(
    targets: str,
    apply: bool,
    plan: bool,
    yes: bool,
    sandbox: bool,
    as_json: bool,
    batch_name: str,
    workers: int | None,
    max_failures: int | None,
    per_account: int | None,
    **rest: Any,
) -> int:
    """Run the runbook's notebook for every target of a YAML, CSV or JSON Lines file.

    Each row has the fields of a target; an option of that name stands in where a row has none.
    Previews unless --apply is given. Ctrl-C finishes what is running; the same command then goes
    on. The evidence is in runs/<date>_<batch>/.
    """
    from rwlib.batch import Options, run_batch
    from rwlib.cli.printing import echo_json

    own = {name: rest.pop(name) for name in ("timeout", "new", "executor", "scheduler")}
    options = Options(
        targets=example_path(targets),
        notebook=notebook_path("runbook.ipynb"),
        apply=apply,
        plan=plan,
        approve=_approval(yes, apply and plan),
        name=batch_name,
        workers=workers or 0,
        max_failures=max_failures or 0,
        per_account=per_account or 0,
        common=row_fields(rest.pop("target_file"), rest),
        overrides={"aws_profile": ""} if sandbox else {},
        **own,
    )
    say_row_notes(options.targets, options.common)
    with ExitStack() as stack:
        if sandbox:
            _start_sandbox(options, stack)
        result = run_batch(options, None if as_json else sys.stderr)
    if as_json:
        echo_json(result.to_dict())
    else:
        click.secho(result.headline, bold=True)
        click.echo(f"Summary: {result.folder / 'summary.html'}")
        click.echo(f"Evidence: sha256 {result.manifest} of its manifest.json")
    return result.exit_code


def _approval(yes: bool, needed: bool) -> Any:
    if yes and not needed:
        raise InputError("yes", "--yes", "approves a plan; give it with --plan --apply")
    if needed and not yes and not sys.stdin.isatty():
        raise InputError(
            "plan", "--plan --apply", "asks for approval and nobody can answer; give --yes"
        )

    def approve(planned: BatchResult) -> bool:
        counts = planned.counts
        out = counts.get("failed", 0) + counts.get("error", 0) + counts.get("not run", 0)
        left = f"{out} of {planned.total} targets could not be planned and are left out"
        click.secho(planned.headline, bold=True, err=True)
        click.echo(f"Plan: {planned.folder / 'summary.html'}", err=True)
        if not planned.changes and not out:
            return True
        if yes:
            return True
        question = f"Make {planned.changes} changes for {planned.changing} targets?"
        if not planned.changes:
            question = "Nothing would change. Verify the other targets?"
        return click.confirm(f"{left}. {question}" if out else question, err=True)

    return approve


def _start_sandbox(options: Any, stack: ExitStack) -> None:
    from rwlib.headless import in_sandbox

    if options.executor == "dask":
        raise InputError(
            "sandbox",
            "--executor dask",
            "cannot start for workers elsewhere; start `rwlib sandbox` and them with its variables",
        )
    # What cannot be read is said before the sandbox starts.
    from rwlib.batch import count_targets

    count_targets(options.targets, {**options.common, **options.overrides})
    stack.enter_context(in_sandbox())
