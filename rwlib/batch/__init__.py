"""Many targets: read, planned, run and watched, one papermill execution and one folder each.

`run_batch` sets targets up, `watch_targets` compares what AWS shows with the last look.
"""

from __future__ import annotations

from rwlib.batch.batch import run_batch
from rwlib.batch.drift import watch_targets
from rwlib.batch.options import BatchResult, Options
from rwlib.batch.rows import count_targets, read_targets

__all__ = ["BatchResult", "Options", "count_targets", "read_targets", "run_batch", "watch_targets"]
