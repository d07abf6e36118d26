"""``rwlib app``: the notebooks in a browser, beside a sandbox."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("app")
@click.option("--lab", "with_code", is_flag=True, help="Open JupyterLab instead of pages")
@click.option("--aws", is_flag=True, help="Work in AWS with your credentials, not in the sandbox")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port; 0 takes a free one")
@click.option("--runs", default="runs", show_default=True, help="Folder of runs and copies")
@click.option("--no-browser", is_flag=True, help="Do not open a browser")
@click.option(
    "--copy",
    "folder",
    type=click.Path(file_okay=False),
    help="Only copy the notebooks there, for a Jupyter of your own",
)
def command(
    with_code: bool, aws: bool, port: int, runs: str, no_browser: bool, folder: str | None
) -> int:
    """Open the notebooks as pages without code, until Ctrl-C.

    Works on copies below the folder of runs; one that was edited is not written over. Prints the
    address.
    """
    from rwlib.launcher import START, copy_packaged, main

    if folder is not None:
        copies = copy_packaged(Path(folder))
        click.echo(f"{len(copies)} notebooks are in {folder}; begin with {Path(folder) / START}")
        return 0
    arguments = ["--port", str(port), "--runs", runs]
    arguments += [] if with_code else ["--app"]
    arguments += ["--aws"] if aws else []
    arguments += ["--no-browser"] if no_browser else []
    return main(arguments)
