"""The verdict: what stands there, read or planned, and a check for every hop."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
