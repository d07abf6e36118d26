"""JupyterHub's configuration for a class: every learner gets a JupyterLab and a seat for the labs.

The Littlest JupyterHub: copy this file to ``/opt/tljh/config/jupyterhub_config.d/labs.py`` and run
``sudo tljh-config reload hub``. A JupyterHub of your own: ``jupyterhub -f jupyterhub_config.py``.
It needs the Python standard library alone; ``rwlib`` is where the learners' kernels have it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

CLASS = Path(os.environ.get("RWLIB_CLASS", "/srv/rwlib-class"))
"""The class's folder: ``names``, a hub user a line; ``key``, of `rwlib lab key`; ``learners``."""
TLJH = Path("/opt/tljh/user/bin/rwlib")
RWLIB = os.environ.get("RWLIB_COMMAND", str(TLJH) if TLJH.exists() else "rwlib")


def seat_of_user(spawner: Any) -> None:
    """Put a user's seat into the environment of the own server.

    The hub reads the seat, which only its owner can read. A name of the file is compared as the
    hub writes its users: in small letters, for most. Who has no seat works with sandboxes of the
    own machine.
    """
    spawner.environment.pop("RWLIB_SEAT", None)
    as_user = getattr(getattr(spawner, "authenticator", None), "normalize_username", str)
    for file in CLASS.glob("learners/*/seat.json"):
        try:
            seat = json.loads(file.read_text(encoding="utf-8"))
            found = as_user(seat["learner"]) == spawner.user.name
        except (OSError, ValueError, KeyError, TypeError) as error:
            spawner.log.warning("%s is no seat: %s", file, error)
            continue
        if found:
            spawner.environment["RWLIB_SEAT"] = json.dumps(seat)
            return
    spawner.log.info("no seat for %s", spawner.user.name)


c = get_config()  # type: ignore[name-defined] # noqa: F821 - JupyterHub puts it there

# One more service: The Littlest JupyterHub has one of its own, which ends idle servers.
c.JupyterHub.services.append(
    {
        "name": "labs",
        "command": [
            *(RWLIB, "lab", "serve", "--names", str(CLASS / "names")),
            *("--state", str(CLASS / "learners"), "--key-file", str(CLASS / "key")),
        ],
    }
)
c.Spawner.pre_spawn_hook = seat_of_user
c.Spawner.default_url = "/lab"
# A JupyterLab and two kernels with boto3; the sandboxes are in the service.
c.Spawner.mem_limit = "1G"
# Nothing of the machine's own AWS credentials reaches a learner.
c.Spawner.env_keep = ["PATH", "LANG", "LC_ALL", "VIRTUAL_ENV"]
c.JupyterHub.concurrent_spawn_limit = 5
# Who goes home leaves no process behind: the state is in the folders.
c.JupyterHub.shutdown_on_logout = True
