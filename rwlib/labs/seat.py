"""A learner's seat in a class: the address and token at which the class's server keeps the labs.

With ``RWLIB_SEAT`` set, `rwlib.labs.session.start_lab` and ``rwlib lab`` open labs there instead
of starting a sandbox of their own. The set-up, the check and the score sheet are the server's, so
a result is signed where the check was made, with a key that the learner never sees.
"""

from __future__ import annotations

import json
import os
import re
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rwlib.errors import InputError, RunbookError, ServiceError
from rwlib.labs.result import Finding, Result

SEAT = "RWLIB_SEAT"
"""Environment variable with the path of a ``seat.json``, or its text."""
_PATIENCE = 120.0
_ADDRESS = re.compile(r"https?://[^/?#\s@]+")


@dataclass(frozen=True)
class Seat:
    """Where one learner's labs are kept.

    Parameters
    ----------
    url
        The learner's own address, on loopback.
    token
        The learner's own token; every sandbox that is opened here asks for it too.
    home
        The folder of all learners on the server's side.
    """

    learner: str
    url: str
    token: str = field(repr=False)
    home: str

    def open(
        self, number: int, *, seed: int | None = None, again: bool = False, started: bool = False
    ) -> dict[str, Any]:
        """Open a lab; give its sandbox's address and its seed.

        Parameters
        ----------
        started
            Refuse a lab that was not started before.
        """
        values = {"lab": number, "seed": seed, "again": again, "started": started}
        return self._ask("open", values)

    def check(self, number: int) -> Result:
        """Let the server check a lab and write the score."""
        found = self._ask("check", {"lab": number})
        findings = tuple(
            Finding(each["title"], each["passed"], tuple(each["evidence"]))
            for each in found["findings"]
        )
        return Result(int(found["lab"]), findings)

    def reset(self, number: int) -> dict[str, Any]:
        """Put a lab back to its beginning; give what `open` gives."""
        return self._ask("reset", {"lab": number})

    def next_round(self, number: int) -> dict[str, Any]:
        """Go on to a closing lab's next round; give what `open` gives."""
        return self._ask("next", {"lab": number})

    def note(self, number: int, **what: Any) -> None:
        """Tell the server what only the learner's side sees: a hint, the solution, an answer."""
        self._ask("note", {"lab": number, **what})

    def words(self) -> dict[int, str]:
        """Say of each lab how far the learner has come; the score sheet is the server's."""
        found = self._ask("list", {"lab": 1})["labs"]
        return {int(number): str(word) for number, word in found.items()}

    def stop(self, number: int) -> bool:
        """Put a lab away; its state is kept. False when it was not open."""
        return bool(self._ask("stop", {"lab": number})["stopped"])

    def _ask(self, what: str, values: Mapping[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self.url}/{what}",
            data=json.dumps(dict(values)).encode(),
            method="POST",
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=_PATIENCE) as answer:
                found: dict[str, Any] = json.loads(answer.read())
                return found
        except urllib.error.HTTPError as error:
            raise _told(error) from None
        except OSError as error:
            raise ServiceError(
                f"class: nothing answers at {self.url} ({error}); ask your trainer whether "
                "`rwlib lab serve` is running"
            ) from error

    def to_dict(self) -> dict[str, str]:
        """Give it as a ``seat.json`` has it."""
        return {
            "learner": self.learner,
            "url": self.url,
            "token": self.token,
            "home": self.home,
        }


def _told(error: urllib.error.HTTPError) -> RunbookError:
    """Turn a refusal of the server into the error that a lab on this machine would raise."""
    try:
        found = json.loads(error.read())
        if found.get("field"):
            return InputError(found["field"], found["given"], found["hint"])
        return ServiceError(f"class: {found['message']}")
    except (ValueError, KeyError, TypeError, AttributeError):
        return ServiceError(f"class: the server answered {error.code}")


def own_seat() -> Seat | None:
    """Return the seat that the environment names; None for a learner without a class.

    Raises
    ------
    InputError
        ``RWLIB_SEAT`` names no seat.
    """
    given = os.environ.get(SEAT, "").strip()
    if not given:
        return None
    if given.startswith("{"):
        return _read(given, "the text in the environment")
    try:
        return _read(Path(given).read_text(encoding="utf-8"), given)
    except OSError as error:
        raise InputError(
            SEAT, given, f"cannot be read: {error.strerror}; ask your trainer for your seat"
        ) from error


def _read(text: str, where: str) -> Seat:
    try:
        found = json.loads(text)
        seat = Seat(
            str(found["learner"]), str(found["url"]), str(found["token"]), str(found["home"])
        )
        if not (_ADDRESS.fullmatch(seat.url) and seat.token.isascii() and seat.token.isprintable()):
            raise ValueError("not an address and a token")
        return seat
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(SEAT, where, "is not a class's seat.json") from error
