"""What statements of RisingWave look like: tokens, syntax and parser."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
