"""A class on one machine: a seat for each learner, served by a few processes.

Each learner has a port, a token, a folder and sandboxes of their own; nothing is started for a
seat until its learner opens a lab.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from rwlib.errors import InputError, ServiceError
from rwlib.labs.learner_folder import GIVEN, HOME, LOG, make_folder, workplace
from rwlib.labs.seal import KEY_FILE, class_key
from rwlib.labs.seat import SEAT, Seat
from rwlib.sandbox import StateLock, end_children, environment_of_server

MOST_LEARNERS = 200
_LAST_PORT = 65535


def learner_names(count: int = 0, listed: Path | None = None) -> list[str]:
    """Return the names of a class's learners.

    Parameters
    ----------
    count
        How many; they are called ``learner01`` and so on, after those that are listed.
    listed
        A file with a name a line. A name that stands there twice is two learners: the second one
        gets a number behind it.

    Raises
    ------
    InputError
        There are none, too many, or the file cannot be read.
    """
    names: list[str] = []
    if listed is not None:
        try:
            lines = listed.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                "names", str(listed), "cannot be read as a list of names, one per line"
            ) from error
        for line in lines:
            if line.strip():
                # Refuses what cannot be a folder, and gives one name however it was typed.
                names.append(_free(workplace(line).learner, names))
    width = max(2, len(str(count)))
    for number in range(len(names) + 1, count + 1):
        names.append(_free(f"learner{number:0{width}}", names))
    if not 1 <= len(names) <= MOST_LEARNERS:
        raise InputError(
            "learners",
            len(names),
            f"is not a valid class size; give 1 to {MOST_LEARNERS} with --learners or --names",
        )
    return names


def _free(name: str, taken: Sequence[str]) -> str:
    """Return a name that nobody has yet: the second of a name gets a number behind it.

    Two names that differ in capitals alone are one folder on some systems.
    """
    known = {each.casefold() for each in taken}
    found, number = name, 1
    while found.casefold() in known:
        number += 1
        found = f"{name}-{number}"
    return found


class ClassServer:
    """Serves a class's seats; ready when `start` returns.

    A class that is served again from the same folder has the same tokens, and the same ports where
    they are free: notebooks that are still open go on.

    Parameters
    ----------
    port
        The first learner's; the others follow. 0 takes free ones.
    workers
        Processes among which the seats are dealt; by default one for each core, up to four.
    """

    def __init__(
        self,
        names: Sequence[str],
        home: Path,
        *,
        port: int = 0,
        workers: int = 0,
        key_file: Path | None = None,
    ) -> None:
        self._names = list(names)
        self.home = home.absolute()
        self._port = port
        count = workers or min(4, os.cpu_count() or 1)
        self._count = max(1, min(count, len(self._names)))
        self._key_file = key_file.absolute() if key_file else None
        self.is_signed = class_key(self._key_file) is not None
        self.processes: list[subprocess.Popen[str]] = []
        self.seats: list[Seat] = []
        self._lock = StateLock(self.home / ".served")

    def start(self) -> Self:
        """Start the processes, and write each learner's ``seat.json``.

        Raises
        ------
        InputError
            A port is taken, or the folder is served already.
        """
        self._check_ports()
        make_folder(self.home / ".served")
        if not self._lock.acquire():
            holder = self._lock.holder()
            raise InputError(
                "state",
                str(self.home),
                f"is served already{f' by {holder}' if holder else ''}; end that class first, or "
                "take another folder",
            )
        known = [self._known(name) for name in self._names]
        wanted = [
            (name, token, self._port + number if self._port else port)
            for number, (name, (token, port)) in enumerate(zip(self._names, known, strict=True))
        ]
        found: dict[str, Seat] = {}
        try:
            dealt = [wanted[number :: self._count] for number in range(self._count)]
            started = [(self._worker(seats), seats) for seats in dealt]
            for process, seats in started:
                for seat in self._told(process, seats):
                    found[seat.learner] = seat
        except BaseException:
            self.stop()
            raise
        self.seats = [found[name] for name in self._names]
        for seat in self.seats:
            self._write(seat)
        return self

    def _check_ports(self) -> None:
        """Refuse ports that cannot be had, before anything is made."""
        if not self._port:
            return
        last = self._port + len(self._names) - 1
        if last > _LAST_PORT:
            raise InputError(
                "port",
                self._port,
                f"leaves no room for {len(self._names)} seats; begin at "
                f"{_LAST_PORT + 1 - len(self._names)} or lower",
            )
        for port in range(self._port, last + 1):
            if not _is_free(port):
                raise InputError("port", self._port, f"cannot be used: {port} is taken")

    def seat_file(self, seat: Seat) -> Path:
        """Return where a learner's seat is written; only its owner can read it."""
        return workplace(seat.learner, self.home).folder_of_learner / "seat.json"

    def ended(self) -> list[int]:
        """Return the exit codes of processes that have ended by themselves."""
        return [code for each in self.processes if (code := each.poll()) is not None]

    def stop(self) -> None:
        """Stop serving; what was done is kept in the folders."""
        end_children(self.processes, patience=30.0)
        self.processes = []
        self._lock.release()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _known(self, name: str) -> tuple[str, int]:
        """Give a learner's token and port of the last time, or a new token."""
        file = workplace(name, self.home).folder_of_learner / "seat.json"
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
            port = int(str(found["url"]).rpartition(":")[2])
            return str(found["token"]), port if _is_free(port) else 0
        except (OSError, ValueError, KeyError, TypeError):
            return secrets.token_urlsafe(24), 0

    def _worker(self, seats: Sequence[tuple[str, str, int]]) -> subprocess.Popen[str]:
        """Start a process, and tell it what to serve."""
        environment = environment_of_server()
        for name in (GIVEN, SEAT):
            environment.pop(name, None)
        environment[HOME] = str(self.home)
        if self._key_file is not None:
            environment[KEY_FILE] = str(self._key_file)
        with (self.home / LOG).open("a", encoding="utf-8") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "rwlib.labs.class_worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                text=True,
            )
        self.processes.append(process)
        assert process.stdin is not None
        listed = [{"learner": name, "token": token, "port": port} for name, token, port in seats]
        try:
            process.stdin.write(json.dumps({"home": str(self.home), "seats": listed}) + "\n")
            process.stdin.flush()
        except OSError as error:
            raise ServiceError(self._not_started) from error
        return process

    @property
    def _not_started(self) -> str:
        return f"class: a process that serves seats did not start; see {self.home}/{LOG}"

    def _told(
        self, process: subprocess.Popen[str], seats: Sequence[tuple[str, str, int]]
    ) -> list[Seat]:
        """Wait until a process answers, and give the seats at their ports."""
        assert process.stdout is not None
        try:
            told: dict[str, Any] = json.loads(process.stdout.readline())
        except ValueError as error:
            raise ServiceError(self._not_started) from error
        if "problem" in told:
            raise InputError("port", self._port, f"cannot be used: {told['problem']}")
        return [
            Seat(name, f"http://127.0.0.1:{port}", token, str(self.home))
            for (name, token, _), port in zip(seats, told["ports"], strict=True)
        ]

    def _write(self, seat: Seat) -> None:
        file = self.seat_file(seat)
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = file.with_name(f".{file.name}.part")
        part.unlink(missing_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            out.write(json.dumps(seat.to_dict(), indent=1) + "\n")
        part.replace(file)


def _is_free(port: int) -> bool:
    import socket

    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
