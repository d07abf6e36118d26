"""AWS: one session's calls, and what IAM and S3 say about a role, a policy and a bucket."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
