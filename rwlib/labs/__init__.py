"""Labs: set-ups that are broken, repaired by a learner, and checked in a sandbox of their own.

`start_lab` opens one from a notebook; ``rwlib lab`` does from a shell. A lab's scenario is data,
under ``rwlib/data/labs``; its text is the notebook of the same name under ``notebooks/labs``.
"""

from __future__ import annotations

from rwlib.labs.checking import Finding, Result
from rwlib.labs.model import Lab, all_labs, find_lab
from rwlib.labs.session import OpenLab, open_lab, start_lab

__all__ = ["Finding", "Lab", "OpenLab", "Result", "all_labs", "find_lab", "open_lab", "start_lab"]
