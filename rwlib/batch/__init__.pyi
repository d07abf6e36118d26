from .options import BatchResult as BatchResult
from .options import Options as Options
from .rows import count_targets as count_targets
from .rows import read_targets as read_targets
from .rows import row_notes as row_notes
from .runner import run_batch as run_batch
from .watch import read_drift as read_drift
from .watch import watch_targets as watch_targets
