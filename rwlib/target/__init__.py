"""The inputs of one target: its fields, their rules, and where they are read from."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
