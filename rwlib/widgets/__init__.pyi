from .form import TargetForm as TargetForm
from .notebook_guide import NotebookGuide as NotebookGuide
from .notebook_guide import form as form
from .notebook_guide import guide as guide
from .panel import is_guided as is_guided
