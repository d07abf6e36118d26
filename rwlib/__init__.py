"""Give RisingWave Cloud access to an S3 bucket through an IAM role, and prove it works."""

import lazy_loader

__version__ = "0.2.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
