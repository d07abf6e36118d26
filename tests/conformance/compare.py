"""Plays the tables against the sandbox and against plain moto, and prints both scores.

Usage: python -m tests.conformance.compare [--rows]
"""

from __future__ import annotations

import logging
import sys

from tests.conformance.scenario import Play, World, agrees, rows


def play(url: str, *, account_header: bool = False) -> dict[str, str]:
    """Every row's answer at an endpoint."""
    world = World(url, account_header).build()
    return {row["id"]: Play(world, row).answer() for row in rows()}


def main() -> None:
    """Print the scores, and with ``--rows`` every row."""
    from moto.server import ThreadedMotoServer

    from rwlib.sandbox.server.server import Sandbox

    with Sandbox.spawn(seed=False) as sandbox:
        ours = play(sandbox.url)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    try:
        plain = play(f"http://{host}:{port}", account_header=True)
    finally:
        moto.stop()
    table = rows()
    if "--rows" in sys.argv:
        sys.stdout.write("| id | scenario | AWS | sandbox | plain moto |\n|---|---|---|---|---|\n")
        for row in table:
            name = row["id"]
            wrong = "" if agrees(row["aws"], plain[name]) else " (wrong)"
            ours_wrong = "" if agrees(row["aws"], ours[name]) else " (wrong)"
            sys.stdout.write(
                f"| {name} | {row['what']} | {row['aws']} | {ours[name]}{ours_wrong} "
                f"| {plain[name]}{wrong} |\n"
            )
    settled = [row for row in table if row["aws"] != "?"]
    for label, answers in (("sandbox", ours), ("plain moto", plain)):
        agreed = sum(agrees(row["aws"], answers[row["id"]]) for row in settled)
        share = 100 * agreed / len(settled)
        sys.stdout.write(f"{label}: {agreed} of {len(settled)} as AWS answers ({share:.1f} %)\n")
    left_out = ", ".join(row["id"] for row in table if row["aws"] == "?")
    sys.stdout.write(f"not counted, since AWS's documentation does not settle it: {left_out}\n")


if __name__ == "__main__":
    main()
