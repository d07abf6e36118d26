"""Common errors: an error text, and the live state, into causes and fixes.

Offline, and with no AWS library imported: `diagnose` reads a line, psql's numbered causes or a
log of any size; `classify_line` says only what a line is; `mask` takes secrets out of a text.
With `LiveFacts` the causes that the text leaves open are settled by read-only checks.
"""

from rwlib.diagnose.deciders import DECIDERS, Decider
from rwlib.diagnose.engine import classify_line, diagnose
from rwlib.diagnose.ids import CAUSES, CLASSES, UNRELATED
from rwlib.diagnose.masking import mask
from rwlib.diagnose.model import Cause, CheckResult, Diagnosis, Fix, LiveFacts

__all__ = [
    "CAUSES",
    "CLASSES",
    "DECIDERS",
    "UNRELATED",
    "Cause",
    "CheckResult",
    "Decider",
    "Diagnosis",
    "Fix",
    "LiveFacts",
    "classify_line",
    "diagnose",
    "mask",
]
