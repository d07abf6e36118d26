"""Run the command line with ``python -m rwlib``."""

from __future__ import annotations

from rwlib.cli import main

if __name__ == "__main__":
    main()
