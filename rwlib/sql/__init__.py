"""Step 5 - SQL that makes RisingWave use the role, and a checker for SQL that exists.

Everything here is pure: it imports no boto3 and touches nothing. What the connectors take is data
(`rwlib.sql.connectors`, ``rwlib/data``), each option with its line in RisingWave's source.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
