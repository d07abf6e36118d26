"""The live state of one target, as the diagnosis asks for it: one verification, read once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rwlib.errors import RunbookError
from rwlib.verify import Check, CheckedFacts


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
            found = _check_of(error)
            if found is None:
                self.problem = error
                return []
            return [found]
        except RunbookError as error:
            self.problem = error
            return []


def _check_of(error: Any) -> Check | None:
    """Turn a refused bucket into the check that the diagnosis asks for."""
    message = str(error)
    if error.field == "bucket" and "does not exist" in message:
        return Check("bucket_exists", "bucket", "The bucket exists", "fail", (message,))
    if error.field == "bucket" and "is not in account" in message:
        return Check(
            "bucket_owner", "bucket", "The bucket is in the role's account", "fail", (message,)
        )
    if error.field == "region_name":
        return Check(
            "bucket_region", "bucket", "The region in the SQL is the bucket's", "fail", (message,)
        )
    return None
