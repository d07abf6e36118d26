"""The same set-up as files for somebody else's pipeline, and the least that an operator needs."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
