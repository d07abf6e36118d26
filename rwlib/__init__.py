"""Give RisingWave Cloud access to an S3 bucket through an IAM role, and prove it works."""

from __future__ import annotations

__version__ = "0.1.0"
