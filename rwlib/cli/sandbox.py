"""``rwlib sandbox``: AWS and RisingWave Cloud on loopback."""

from __future__ import annotations

import click


@click.command("sandbox")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port; 0 takes a free one")
@click.option(
    "--sql-port",
    type=click.IntRange(0, 65535),
    default=0,
    help="Port of RisingWave's Postgres protocol; 0 takes a free one",
)
@click.option("--state", type=click.Path(file_okay=False), help="Folder that survives a restart")
@click.option("--fault", "faults", multiple=True, metavar="NAME=VALUE", help="Switch a fault on")
@click.option("--json", "as_json", is_flag=True, help="Print the environment as JSON")
def command(
    port: int, sql_port: int, state: str | None, faults: tuple[str, ...], as_json: bool
) -> int:
    """Serve AWS and RisingWave Cloud on loopback, until Ctrl-C.

    Prints the environment to export; RW_DSN leads to the first RisingWave cluster.
    """
    try:
        from rwlib.sandbox import serve
    except ModuleNotFoundError as error:
        from rwlib.errors import RunbookError

        raise RunbookError(
            f"the sandbox needs {error.name}; install it with "
            "`pip install 'risingwave-iam-runbook[sandbox]'`"
        ) from None
    return serve(port, state, faults, as_json, sql_port=sql_port)
