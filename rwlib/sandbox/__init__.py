"""AWS and RisingWave Cloud on loopback, refusing what the real ones refuse."""

from __future__ import annotations

from rwlib.sandbox.endpoint import Endpoint, RoleCredentials
from rwlib.sandbox.serve import serve
from rwlib.sandbox.server import Sandbox
from rwlib.sandbox.spawn import Spawned

__all__ = ["Endpoint", "RoleCredentials", "Sandbox", "Spawned", "serve"]
