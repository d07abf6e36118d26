"""The guided path: forms, previews, one Apply per step and verdicts, as widgets.

The only room that imports ipywidgets. Headless, each of them is its plain HTML twin, and the
parameters do what the clicks would.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
