"""Who may do what: IAM policy evaluation with reasons.

`evaluate` answers a `Request` under `Policies` with a `Decision`: allowed, denied by a statement,
or not allowed by any, and for each the statements and elements that made it so. It is pure: no
AWS, no network, no clock.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
