from .notebook_guide import guide as guide
