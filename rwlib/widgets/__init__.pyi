from .guided import GUIDED as GUIDED
from .notebook_guide import guide as guide
from .whole_page import page as page
