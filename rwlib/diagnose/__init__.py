"""Common errors: an error text, and the live state, into causes and fixes.

Offline, and with no AWS library imported: `diagnose` reads a line, psql's numbered causes or a
log of any size; `classify_line` says only what a line is; `mask` takes secrets out of a text.
With `LiveFacts` the causes that the text leaves open are settled by read-only checks.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
