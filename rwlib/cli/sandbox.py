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
    from rwlib.sandbox import need_packages, serve

    need_packages()
    return serve(port, state, faults, as_json, sql_port=sql_port)
