"""Whether the diagnosis says the same as the verification on which it rests."""

from __future__ import annotations

from collections.abc import Sequence

from rwlib.diagnose.deciders import DECIDERS
from rwlib.diagnose.diagnosis import diagnose
from rwlib.diagnose.ids import CAUSES
from rwlib.target.target import Target
from rwlib.verify.check import Check
from rwlib.verify.known import CheckedFacts
from rwlib.verify.reasons import REASONS


def reasons_of(checks: Sequence[Check]) -> set[str]:
    """The codes of all that fails."""
    failed = [check for check in checks if check.status == "fail"]
    return {check.reason for check in failed} | {
        ground.reason for check in failed for ground in check.grounds
    }


def assert_agree(target: Target, checks: Sequence[Check]) -> None:
    """Every cause is a reason of a check that fails, and every such reason is named as a cause."""
    reasons = reasons_of(checks)
    assert reasons <= set(REASONS)
    found = diagnose(None, target=target, live=CheckedFacts(checks))
    causes = {cause.id for each in found for cause in each.causes}
    for cause in causes:
        assert DECIDERS[cause].reasons & reasons, f"{cause} is said, the checks say {reasons}"
    for reason in reasons & set(CAUSES):
        assert reason in causes, f"the checks say {reason}, the diagnosis {causes}"
