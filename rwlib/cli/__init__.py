"""The command line: a command parses, calls one function and prints.

Commands are imported when they are called, so that ``rwlib --help`` and ``rwlib sql`` start
without boto3, papermill and Jupyter.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
from contextlib import suppress
from typing import Any

import click

from rwlib import __version__
from rwlib.cli.surroundings import (
    CLOSED,
    drop_output,
    ended_by_signals,
    exit_code_of_signal,
    explain,
    flush_output,
    prepare_output,
)
from rwlib.errors import EvidenceError, RunbookError

COMMANDS = {
    "run": "Run Steps 1-5 and the verification for one target.",
    "batch": "Run the runbook for every target of a file.",
    "verify": "Report a verdict for every hop; reads only.",
    "sql": "Print the SQL of Step 5, or check a statement.",
    "report": "Check that a run's evidence is as it was written.",
    "teardown": "Undo what this runbook made for a target.",
    "diagnose": "Say what an error means, and what to do.",
    "export": "Write the same set-up for Terraform, CloudFormation or a shell.",
    "hand-over": "Write a page for the AWS administrator and one for the cluster's owner.",
    "operator-policy": "Print the least IAM policy that an operator needs.",
    "app": "Open the notebooks in a browser.",
    "lab": "Practise on broken set-ups, and be scored.",
    "sandbox": "Serve AWS and RisingWave Cloud on loopback.",
    "completion": "Print the completion script of a shell.",
}
VARIABLE = "_RWLIB_COMPLETE"
"""What a shell sets when it asks for completions; click's own name for this program."""


class _OutputError(Exception):
    """An `OSError` on its way to `main`."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


class _Commands(click.Group):
    """A group whose commands are imported on use."""

    def invoke(self, ctx: click.Context) -> Any:
        # Here and not in `main`, because click answers a closed pipe with exit code 1.
        try:
            result = super().invoke(ctx)
            flush_output()
        except OSError as error:
            raise _OutputError(error) from error
        return result

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"rwlib.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="rwlib")
def cli() -> None:
    """Give RisingWave Cloud access to an S3 bucket through an IAM role, and prove it works.

    Writing commands preview by default; --apply writes. Exit codes: 0 done and verified, 1 a
    check failed, 2 bad input, 3 a person must act, 4 credentials or a service refused.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code; every ordinary mistake is one sentence."""
    # A command is short: collecting its garbage in the middle costs more than it frees.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    prepare_output()
    as_json = "--json" in (sys.argv[1:] if arguments is None else arguments)
    try:
        with ended_by_signals():
            code = cli.main(
                args=arguments,
                prog_name="rwlib",
                standalone_mode=False,
                complete_var=VARIABLE,
                color=_colours(),
            )
        code = code if isinstance(code, int) else 0
    except RunbookError as error:
        code = _say(str(error), error.exit_code, as_json)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        code = _say("no command is given; choose one of the commands above", 2, as_json)
    except click.UsageError as error:
        code = _say(_of_usage(error, arguments), 2, as_json)
    except click.exceptions.Exit as error:
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = _say("stopped; run it again to go on", exit_code_of_signal(), as_json)
    except _OutputError as found:
        code = _of_output(found.error)
    except Exception as error:
        known = _unanswered(error)
        if known is None:
            raise
        code = _say(str(known), known.exit_code, as_json)
    try:
        flush_output()
    except OSError as error:
        code = _of_output(error)
    sys.exit(code)


def _colours() -> bool | None:
    """Return False where the user wants none, None to leave it to the terminal.

    Source: https://no-color.org, "when present and not an empty string (regardless of its value)".
    """
    return False if os.environ.get("NO_COLOR") else None


def _of_usage(error: click.UsageError, arguments: list[str] | None) -> str:
    """Say what is wrong with a command line in one line, and where its options are listed."""
    said = " ".join(error.format_message().split()).rstrip(".")
    # An option without its value is found before click knows the command.
    given = (sys.argv[1:] if arguments is None else arguments)[:1]
    named = f" {given[0]}" if given and given[0] in COMMANDS else ""
    where = error.ctx.command_path if error.ctx is not None else f"rwlib{named}"
    return f"{said}; `{where} --help` lists what it takes"


def _unanswered(error: Exception) -> RunbookError | None:
    """Return what AWS said where no step expected it, such as throttling; None for all else."""
    if type(error).__module__ != "botocore.errorfactory" and type(error).__name__ != "ClientError":
        return None
    from rwlib.aws import unanswered

    return unanswered(error)


def _of_output(error: OSError) -> int:
    """Say what could not be written; a reader that went away is told nothing."""
    drop_output()
    if isinstance(error, BrokenPipeError):
        return CLOSED
    with suppress(OSError):
        click.echo(f"error: {_masked(explain(error))}", err=True)
    return EvidenceError.exit_code


def _say(message: str, code: int, as_json: bool) -> int:
    message = _masked(message)
    try:
        click.echo(f"error: {message}", err=True)
        if as_json:
            click.echo(json.dumps({"error": message, "exit_code": code}))
    except OSError as error:
        return _of_output(error)
    return code


def _masked(message: str) -> str:
    """Take secrets out of what is said; its patterns are compiled only where something is."""
    from rwlib.masking import mask_output

    return mask_output(message)
