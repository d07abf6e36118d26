"""A learner's place: a folder for each lab, and the sandbox that serves it.

``<home>/<learner>/<lab>/sandbox`` is the sandbox's state and survives the process that serves it;
``lab.json`` beside it remembers the address of a running one, and what stood when the lab began.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import threading
import time
import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from rwlib.errors import InputError, RunbookError, ServiceError
from rwlib.labs.model import Lab
from rwlib.sandbox import Endpoint, environment_of_server, in_use, need_packages

Serving = Literal["here", "child", "background"]

GIVEN = "RWLIB_LAB_SANDBOX"
"""Environment variable with the address of a running sandbox that labs take instead of their own.

It is emptied by every start of a lab.
"""
HOME = "RWLIB_LABS"
_LONGEST = 40
_BETWEEN = frozenset("_.@+'’ -\u200c\u200d")
"""What a name may have between its letters; the last two are joiners, which Persian and Hindi need.
"""
# A share of Windows holds no folder of these names, whatever follows a dot:
# https://learn.microsoft.com/windows/win32/fileio/naming-a-file#naming-conventions
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
LOG = "class.log"
"""The file beside learners' folders in which a served class says what went wrong."""
_PATIENCE = 60.0
_START_PATIENCE = 600.0
"""Seconds that a sandbox may take to its first answer while its process lives.

The first start of an installation compiles moto, and a class of twenty starts at the same moment.
"""
_children: dict[Path, Any] = {}


class _Stops(Protocol):
    def stop(self) -> None: ...


def labs_home() -> Path:
    """Return where learners' folders are: ``RWLIB_LABS``, or a folder of the user's state."""
    if given := os.environ.get(HOME, ""):
        return Path(given)
    state = os.environ.get("XDG_STATE_HOME", "") or str(Path.home() / ".local" / "state")
    return Path(state) / "risingwave-iam-runbook" / "labs"


@dataclass(frozen=True)
class Workplace:
    """Where one learner works.

    Parameters
    ----------
    home
        The folder of all learners.
    """

    learner: str
    home: Path

    def folder(self, lab: Lab) -> Path:
        """Return the folder of one lab; what was begun under an earlier name stays where it is."""
        folders = [
            self.folder_of_learner / f"{lab.number:02d}_{name}" for name in (lab.name, *lab.also)
        ]
        # A learner at a seat may not look there, and `Path.exists` would raise.
        return next((each for each in folders if os.path.exists(each)), folders[0])  # noqa: PTH110

    @property
    def folder_of_learner(self) -> Path:
        """The folder of all that one learner does."""
        return self.home / self.learner

    @property
    def results_file(self) -> Path:
        """Where the learner's results are."""
        return self.folder_of_learner / "results.json"

    def remembered(self, lab: Lab) -> dict[str, Any] | None:
        """Return what is known of a started lab, None when it was not started."""
        file = self.folder(lab) / "lab.json"
        if not file.exists():
            return None
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
            if not isinstance(found, dict) or not isinstance(found["seed"], int):
                raise TypeError("it holds something else")
        except OSError as error:
            raise self.unreadable(lab, file, str(error.strerror)) from error
        except (ValueError, KeyError, TypeError) as error:
            raise self.unreadable(lab, file, "it is not whole") from error
        return found

    def unreadable(self, lab: Lab, where: Path, why: str) -> InputError:
        """Return the error that says what to do where a lab's state cannot be read."""
        words = [str(lab.number), *(["--learner", self.learner] if self.learner != "me" else [])]
        words += ["--state", str(self.home)] if self.home != labs_home() else []
        return InputError(
            "state",
            str(where),
            f"cannot be read: {why}; reset the lab with `rwlib lab reset {shlex.join(words)}`, "
            "which begins it anew and keeps the score",
            reason="cannot_be_read",
        )

    def remember(self, lab: Lab, facts: Mapping[str, Any]) -> None:
        """Keep what is known of a started lab."""
        folder = self.folder(lab)
        make_folder(folder)
        write_state(folder / "lab.json", json.dumps(facts, indent=1, default=str) + "\n")

    def require(self, lab: Lab) -> dict[str, Any]:
        """Return what is known of a started lab.

        Raises
        ------
        InputError
            The lab was not started.
        """
        found = self.remembered(lab)
        if found is None:
            who = "" if self.learner == "me" else f" --learner {shlex.quote(self.learner)}"
            raise InputError(
                "lab",
                lab.number,
                f"was not started by {self.learner}; "
                f"`rwlib lab start {lab.number}{who}` comes first",
            )
        return found


def workplace(learner: str = "", home: Path | str | None = None) -> Workplace:
    """Return a learner's place.

    Raises
    ------
    InputError
        The name cannot be a folder.
    """
    # One name however it was typed: a letter with its ring may be one character or two.
    name = unicodedata.normalize("NFC", learner).strip() or "me"
    if not (len(name) <= _LONGEST and name[0].isalnum() and all(map(_is_of_a_name, name))):
        raise InputError(
            "learner",
            learner,
            f"is not a valid learner's name; use up to {_LONGEST} letters of any language, digits, "
            'spaces, ".", "_", "-", "@", "+" or "\'", and begin with a letter or a digit',
        )
    if name.endswith(".") or _DEVICES.fullmatch(name) or name.casefold() == LOG:
        raise InputError(
            "learner",
            learner,
            "is not a valid learner's name: not every system has folders of that name; "
            "use another one",
        )
    return Workplace(name, Path(home) if home else labs_home())


def _is_of_a_name(character: str) -> bool:
    # Vowel signs of Hindi or Thai are marks, which no `isalnum` counts as letters.
    is_mark = unicodedata.category(character)[0] == "M"
    return character.isalnum() or is_mark or character in _BETWEEN


class ServedLab:
    """A lab's sandbox that answers, and how it is let go.

    Parameters
    ----------
    own
        What to stop at the end; None leaves a sandbox alone that somebody else serves.
    """

    def __init__(self, endpoint: Endpoint, own: _Stops | None) -> None:
        self.endpoint = endpoint
        self._own = own

    @property
    def is_own(self) -> bool:
        """Whether closing stops the sandbox."""
        return self._own is not None

    def close(self) -> None:
        """Stop the sandbox if this process serves it; its state stays in the folder."""
        own, self._own = self._own, None
        if own is not None:
            own.stop()


class _StandIn:
    """Serves a lab on, at the same address, when the kernel that serves it ends.

    So that a lab is open in two kernels, and closing one of them leaves the other at work.
    """

    def __init__(self, state: Path, url: str) -> None:
        self._state = state
        self._port = int(url.rpartition(":")[2])
        self._ended = threading.Event()
        self._child: _Stops | None = None
        self._thread = threading.Thread(target=self._wait, name="lab-stand-in", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join(timeout=_PATIENCE)
        if self._child is not None:
            self._child.stop()

    def _wait(self) -> None:
        from rwlib.sandbox import Spawned

        while not self._ended.wait(0.25):
            if in_use(self._state):
                continue
            try:
                child = Spawned(port=self._port, state=self._state)
            except RunbookError:
                continue  # another kernel was quicker
            self._child = child
            as_through_tls(child)
            return


def serve(place: Workplace, lab: Lab, how: Serving, secret: str = "") -> ServedLab:
    """Make a lab's sandbox answer: the one that runs already, or a new one on the same state.

    Parameters
    ----------
    how
        ``here`` in a thread of this process, ``child`` in a process that ends with this one,
        ``background`` in a process that goes on until `stop_serving`, or nobody asked for hours.
    secret
        What a sandbox that is served here wants to see of everybody.

    Raises
    ------
    ServiceError
        It does not start.
    """
    served = _served(place, lab, how, secret)
    as_through_tls(served.endpoint)
    return served


def as_through_tls(endpoint: Endpoint) -> None:
    """Let requests count as made through TLS, as those to AWS are.

    Else a policy that asks for it, as many companies' do, would shut the learner out.
    """
    endpoint.set_network(secure_transport=True)


def _served(place: Workplace, lab: Lab, how: Serving, secret: str) -> ServedLab:
    if given := os.environ.get(GIVEN, ""):
        return ServedLab(Endpoint(given), None)
    state = place.folder(lab) / "sandbox"
    make_folder(state)
    if (running := running_at(place, lab)) is not None:
        follows = how == "child" and not _address_file(state).exists()
        return ServedLab(running, _StandIn(state, running.url) if follows else None)
    try:
        return _started(state, how, secret)
    except InputError as error:
        if error.reason == "cannot_be_read":
            why = "it is not whole, or another version has kept it"
            raise place.unreadable(lab, state, why) from error
        raise
    except RunbookError:
        # Another kernel or shell has started the same lab at the same moment.
        if (running := running_at(place, lab)) is None:
            raise
        return ServedLab(running, None)


def make_folder(folder: Path) -> None:
    """Make a folder that labs need.

    Raises
    ------
    InputError
        It cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            "state",
            str(folder),
            f"cannot be made a folder: {error.strerror}; name another one with --state or {HOME}",
        ) from error


def write_state(file: Path, text: str) -> None:
    """Write a file of a learner's folder whole.

    Raises
    ------
    InputError
        It cannot be written; what was there before still is.
    """
    from rwlib.report import write_text

    try:
        write_text(file, text)
    except OSError as error:
        raise InputError(
            "state",
            str(file),
            f"cannot be written: {error.strerror}; mend that, then run this again",
        ) from error


def _started(state: Path, how: Serving, secret: str) -> ServedLab:
    """Start a sandbox on a state that nobody serves."""
    need_sandbox()
    if how == "background":
        return ServedLab(_background(state), None)
    if how == "child":
        from rwlib.sandbox import Spawned

        # Kept here: it would end with the last reference, and a notebook's set-up cell may run
        # twice under one name.
        child = _children[state] = Spawned(state=state)
        return ServedLab(child, child)
    from rwlib.sandbox import Sandbox

    own = Sandbox(state=state, secret=secret).start()
    return ServedLab(own, own)


def running_at(place: Workplace, lab: Lab) -> Endpoint | None:
    """Return a lab's sandbox when one is running.

    The address alone is no proof, another process may have it by now; the lock on the state is.
    """
    state = place.folder(lab) / "sandbox"
    end = time.monotonic() + 3 * _PATIENCE
    while state.exists() and in_use(state):
        for url in _addresses(place, lab):
            endpoint = Endpoint(url)
            try:
                health = endpoint.control("GET", "health")
            except ServiceError:
                continue
            if not health.get("ending"):
                return endpoint
        # Its server is coming up, or keeps the state and goes: a kernel has just ended.
        if time.monotonic() > end:
            return None
        time.sleep(0.05)
    return None


def _addresses(place: Workplace, lab: Lab) -> list[str]:
    """Return where a lab's sandbox may answer: as it was remembered, as it said itself."""
    found: list[str] = []
    with suppress(InputError):
        found.append((place.remembered(lab) or {}).get("url", ""))
    address = _address_file(place.folder(lab) / "sandbox")
    if address.exists():
        # Half a file is one of a process that has ended with the machine.
        with suppress(ValueError, KeyError, TypeError):
            found.append(json.loads(address.read_text(encoding="utf-8"))["url"])
    return [url for url in found if url]


def _address_file(state: Path) -> Path:
    return state.parent / "address.json"


def stop_serving(place: Workplace, lab: Lab) -> bool:
    """Stop a lab's running sandbox; its state stays. False when none was running."""
    endpoint = running_at(place, lab)
    if endpoint is None:
        return False
    endpoint.control("POST", "shutdown")
    state = place.folder(lab) / "sandbox"
    _until(lambda: not in_use(state), f"the sandbox at {endpoint.url} does not stop")
    return True


def _background(state: Path) -> Endpoint:
    address = _address_file(state)
    address.unlink(missing_ok=True)

    def told() -> dict[str, Any]:
        return dict(json.loads(address.read_text(encoding="utf-8"))) if address.exists() else {}

    with (state.parent / "sandbox.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "rwlib.labs.background", str(state), str(address)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=environment_of_server(),
        )

    def ready() -> bool:
        if process.poll() is not None:
            if "problem" in (said := told()):
                from rwlib.sandbox import retold

                address.unlink()
                raise retold(said["problem"])
            raise ServiceError(f"the lab's sandbox did not start; see {state.parent}/sandbox.log")
        return "url" in told()

    _until(
        ready,
        f"the lab's sandbox does not answer; see {state.parent}/sandbox.log",
        patience=_START_PATIENCE,
    )
    return Endpoint(told()["url"])


def _until(done: Any, problem: str, *, patience: float = _PATIENCE) -> None:
    """Look again until something is so."""
    end = time.monotonic() + patience
    while not done():
        if time.monotonic() > end:
            raise RunbookError(problem)
        time.sleep(0.05)


def need_sandbox() -> None:
    """Say in one sentence that a package which the labs' sandbox needs is missing.

    Raises
    ------
    RunbookError
        Names the package and what installs it.
    """
    need_packages("labs need", files=True)
