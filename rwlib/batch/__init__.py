"""Many targets: read, planned, run and watched, one papermill execution and one folder each.

`run_batch` sets targets up, `watch_targets` compares what AWS shows with the last look.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
