"""Runs JupyterLab's or Voilà's server with what they look up again and again looked up once.

Run as ``python -m rwlib.kernels.serving MODULE [OPTION]...``. Both servers read the entry points
of every installed package anew for each exporter, kernel and page: thousands of files for the
list of export formats alone, which JupyterLab asks for while a page is opened.
"""

from __future__ import annotations

import functools
import importlib.metadata
import runpy
import sys
from typing import Any


def read_entry_points_once() -> None:
    """Let the entry points of the installed packages be read once in this process."""
    read: Any = importlib.metadata.entry_points
    if not hasattr(read, "cache_info"):
        once: Any = functools.cache(read)
        importlib.metadata.entry_points = once


def main() -> None:
    """Run the module that is named first with the options after it."""
    _, module, *options = sys.argv
    read_entry_points_once()
    sys.argv = [module, *options]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
