"""``python -m rwlib.sandbox``: serve a sandbox in the foreground."""

from __future__ import annotations

import argparse
import json
import sys

from rwlib.errors import InputError, RunbookError
from rwlib.sandbox.server.serve import serve
from rwlib.sandbox.server.spawn import told


def main(arguments: list[str] | None = None) -> int:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(prog="python -m rwlib.sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=4566, help="0 takes a free port")
    parser.add_argument("--state", help="folder in which everything is kept")
    parser.add_argument("--fault", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--json", action="store_true", help="print the environment as JSON")
    parser.add_argument("--no-seed", action="store_true", help="start empty")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    try:
        return serve(
            options.port,
            options.state,
            options.fault,
            options.json,
            seed=not options.no_seed,
            child=options.child,
        )
    except InputError as error:
        if options.child:  # the parent raises it again
            sys.stdout.write(json.dumps({"problem": told(error)}) + "\n")
        else:
            sys.stderr.write(f"{error}\n")
        return error.exit_code
    except RunbookError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except OSError as error:
        sys.stderr.write(f"port: {options.port} cannot be bound ({error.strerror})\n")
        return 4


if __name__ == "__main__":
    sys.exit(main())
