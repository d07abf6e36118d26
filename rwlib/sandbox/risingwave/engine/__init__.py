"""A stand-in for the RisingWave engine behind the management API's SQL calls.

It reads and checks statements as RisingWave does, and makes the connectors' calls to AWS for real,
against the sandbox: as the cluster's workload identity, with the session names, regions and
prefixes that RisingWave uses. It is no stream processor: a checkpoint happens when a sink is
created, at FLUSH, and whenever somebody looks at the sinks.
"""

from __future__ import annotations
