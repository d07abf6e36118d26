"""RisingWave's SQL as text: its tokens, its statements as values, and the parser between them.

For rooms that read statements without checking or writing any, such as the sandbox's engine.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
