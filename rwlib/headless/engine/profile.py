"""The user's IPython profile, read and never written.

A kernel of papermill's own creates the profile where there is none, and keeps a data base in it.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

from IPython.core.profiledir import ProfileDir
from traitlets import observe
from traitlets.config import Config
from traitlets.config.loader import ConfigFileNotFound, PyFileConfigLoader


def ipython_dir() -> Path:
    """Return IPython's directory, which need not exist; IPython's own function creates it."""
    return Path(os.environ.get("IPYTHONDIR") or "~/.ipython").expanduser()


class MemoryStore(dict[str, Any]):
    """The shell's small data base (aliases, bookmarks, ``%store``), for one run only."""

    def __init__(self, *_: object) -> None:
        super().__init__()

    def keys(self, pattern: str | None = None) -> Any:
        """Return the keys, or those that match a glob pattern."""
        if pattern is None:
            return super().keys()
        return [key for key in self if Path(key).match(pattern)]


class ReadOnlyProfile(ProfileDir):
    """The user's profile as it is: nothing is created in it, and it need not exist."""

    def __init__(self, location: str) -> None:
        super().__init__()
        self._location_isset = True
        self.set_trait("location", location)
        for name in ("startup", "log", "security", "pid", "static"):
            self.set_trait(f"{name}_dir", os.path.join(location, name))  # noqa: PTH118

    @observe("location")
    def _location_changed(self, _: object) -> None: ...

    def _mkdir(self, path: str, mode: int | None = None) -> bool:
        return False

    def check_dirs(self) -> None:
        """Leave everything as it is."""


def profile_config(profile: Path) -> Config:
    """Return the user's configuration of the shell, with a history that stays in memory."""
    config = Config()
    for name in ("ipython_config.py", "ipython_kernel_config.py"):
        with contextlib.suppress(ConfigFileNotFound):
            config.merge(PyFileConfigLoader(name, path=str(profile)).load_config())
    config.HistoryManager.enabled = False
    config.HistoryManager.hist_file = ":memory:"
    config.IPKernelApp.capture_fd_output = True
    return config
