"""RisingWave Cloud's management API: Cloud metadata, Allowed Principals, SQL and sinks.

There is no public specification of this API. What is relied on was read from the client of
`risingwavelabs/terraform-provider-risingwavecloud` (commit f824548, ``internal/cloudsdk``), and
every rule names the file it comes from.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
