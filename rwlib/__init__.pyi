from .runbook import LiveChecks as LiveChecks
from .runbook import Runbook as Runbook
from .target import Target as Target

__version__: str
