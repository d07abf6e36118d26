"""Who may do what: IAM policy evaluation with reasons.

`evaluate` answers a `Request` under `Policies` with a `Decision`: allowed, denied by a statement,
or not allowed by any, and for each the statements and elements that made it so. It is pure: no
AWS, no network, no clock.
"""

from rwlib.evaluate.evaluator import evaluate
from rwlib.evaluate.model import (
    LAYER_NAMES,
    Decision,
    Effect,
    Layer,
    Mismatch,
    Policies,
    Policy,
    Reason,
    Request,
)

__all__ = [
    "LAYER_NAMES",
    "Decision",
    "Effect",
    "Layer",
    "Mismatch",
    "Policies",
    "Policy",
    "Reason",
    "Request",
    "evaluate",
]
