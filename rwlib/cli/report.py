"""``rwlib report``: whether a run's evidence is still what was written."""

from __future__ import annotations

from pathlib import Path

import click

from rwlib.errors import InputError


@click.command("report")
@click.option(
    "--verify",
    "folder",
    default="",
    is_flag=False,
    flag_value="",
    metavar="FOLDER",
    help="Folder of a run or a batch, such as runs/2026-01-31T120000Z_orders",
)
@click.option("--sha256", default="", help="Hash of manifest.json, as the batch printed it")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON")
def command(folder: str, sha256: str, as_json: bool) -> int:
    """Compare every file of a run's evidence with its manifest.

    Exits with 1 when a file was changed, removed or added. The manifest itself is vouched for by
    its hash alone: keep the one that the batch printed somewhere else, and give it as --sha256.
    """
    from rwlib.cli.printing import echo_json
    from rwlib.runs import MANIFEST, file_hash, verify_manifest

    if not folder:
        raise InputError(
            "--verify",
            "",
            "is empty; give the folder of a run or a batch, whose files are then compared with "
            "its manifest.json",
            reason="empty",
        )
    place = Path(folder)
    problems, compared = verify_manifest(place, sha256)
    digest = file_hash(place / MANIFEST)
    if as_json:
        echo_json(
            {
                "folder": str(place),
                "sha256": digest,
                "compared": compared,
                "problems": [{"path": each.path, "problem": each.problem} for each in problems],
            }
        )
    else:
        for each in problems:
            click.echo(f"  ✗ {each}")
        click.echo(
            f"{_files(len(problems), ' not')} ({compared} compared)"
            if problems
            else f"{_files(compared)} (manifest sha256 {digest})"
        )
    return 1 if problems else 0


def _files(number: int, negation: str = "") -> str:
    if number == 1:
        return f"1 file is{negation} as it was written"
    return f"{number} files are{negation} as they were written"
