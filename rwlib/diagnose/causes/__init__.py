"""From the class of an error to its causes, ranked, and to what to do about each."""

from rwlib.diagnose.causes.candidates import Candidates, Reading
from rwlib.diagnose.causes.fixes import fix_for
from rwlib.diagnose.causes.other import BY_CLASS

__all__ = ["BY_CLASS", "Candidates", "Reading", "fix_for"]
