"""Where the notebooks are."""

from rwlib.environment import notebook_path

__all__ = ["notebook_path"]
