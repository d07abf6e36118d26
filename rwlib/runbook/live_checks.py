"""The live state of one target, as the diagnosis asks for it: one verification, read once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rwlib.errors import RunbookError
from rwlib.verify import Check, CheckedFacts, check_of_refusal


class LiveChecks:
    """The verification of a target, made when the first check is asked for; reads only."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self._parameters = {**parameters, "apply": False, "run_sql": False}
        self._facts: CheckedFacts | None = None
        self.problem: RunbookError | None = None

    def check(self, check_id: str, /) -> Check | None:
        """Return the check of that id, None when it cannot be looked at."""
        if self._facts is None:
            self._facts = CheckedFacts(self._verify())
        return self._facts.check(check_id)

    def _verify(self) -> list[Check]:
        from rwlib.errors import InputError
        from rwlib.runbook.runbook import Runbook

        try:
            return Runbook.start(self._parameters).verify_live()
        except InputError as error:
            found = check_of_refusal(error)
            if found is None:
                self.problem = error
                return []
            return [found]
        except RunbookError as error:
            self.problem = error
            return []
