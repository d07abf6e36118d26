"""What a sandbox needs beside this package: looked for and not imported, for importing takes long.

Who has a sandbox in a child process needs none of it himself.
"""

from __future__ import annotations

from importlib.util import find_spec

from rwlib.errors import RunbookError

_TO_ANSWER = ("moto", "flask", "flask_cors", "pyparsing", "py_partiql_parser")
_TO_WRITE_FILES = ("pyarrow", "pyiceberg")


def need_packages(who: str = "the sandbox needs", *, files: bool = False) -> None:
    """Say in one sentence that a package which a sandbox needs is missing.

    Parameters
    ----------
    who
        The beginning of the sentence.
    files
        Its RisingWave is to write Parquet and Iceberg files too.

    Raises
    ------
    RunbookError
        Names the package and what installs it.
    """
    for name in _TO_ANSWER + _TO_WRITE_FILES * files:
        if find_spec(name) is None:
            raise RunbookError(
                f"{who} {name}; install it with `pip install 'risingwave-iam-runbook[sandbox]'`"
            )
