"""The example world, made once in this process and put back from what it was then."""

from __future__ import annotations

from rwlib.sandbox.server import app


def keep_the_example_world():
    """Seed a sandbox from kept pieces: making its accounts by calls takes twenty times as long.

    Ids and dates are those of the first one.
    """
    seed = app.seed_world
    pieces, bodies = {}, {}

    def keep(digest, body):
        bodies[digest] = body()

    def kept(world):
        with world.entered():
            if not pieces:
                seed(world)
                pieces.update(
                    (name, world.write_piece(piece, keep)) for name, piece in world.pieces()
                )
                return
            for name, data in pieces.items():
                world.read_piece(name, data, bodies.__getitem__)

    app.seed_world = kept
