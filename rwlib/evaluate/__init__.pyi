from .evaluator import evaluate as evaluate
from .model import Decision as Decision
from .model import Policies as Policies
from .model import Reason as Reason
from .model import Request as Request
from .model import Unknown as Unknown
