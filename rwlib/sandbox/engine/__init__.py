"""A stand-in for the RisingWave engine behind the management API's SQL calls.

It reads and checks statements as RisingWave does, and makes the connectors' calls to AWS for real,
against the sandbox: as the cluster's workload identity, with the session names, regions and
prefixes that RisingWave uses. It is no stream processor: a checkpoint happens when a sink is
created, at FLUSH, and whenever somebody looks at the sinks.
"""

from rwlib.sandbox.engine.engine import Outcome, RefusedStatementError, run
from rwlib.sandbox.engine.objects import Database, database_from_json, database_to_json
from rwlib.sandbox.engine.platform import MAIN, RELEASED, Platform
from rwlib.sandbox.engine.running import checkpoint
from rwlib.sandbox.engine.signed import Keys, SignedClient

__all__ = [
    "MAIN",
    "RELEASED",
    "Database",
    "Keys",
    "Outcome",
    "Platform",
    "RefusedStatementError",
    "SignedClient",
    "checkpoint",
    "database_from_json",
    "database_to_json",
    "run",
]
