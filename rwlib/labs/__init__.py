"""Labs: set-ups that are broken, repaired by a learner, and checked in a sandbox of their own.

`start_lab` opens one from a notebook; ``rwlib lab`` does from a shell. A lab's scenario is data,
under ``rwlib/data/labs``; its text is the notebook of the same name under ``notebooks/labs``.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
