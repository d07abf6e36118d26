"""``python -m rwlib.labs.class_worker``: serve some of a class's seats until told to stop.

Many sandboxes live in one process, because most of what one needs - moto, botocore's models, the
evaluator - is the same for all. A few such processes, one for each core, serve a class. What they
serve comes on standard input as one line of JSON; when it closes, the process ends.
"""

from __future__ import annotations

import hmac
import json
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from rwlib.errors import ConflictError, InputError, RunbookError, ServiceError
from rwlib.labs.learner_folder import workplace
from rwlib.labs.model import all_labs, find_lab
from rwlib.labs.scores import (
    Learner,
    read_results,
    record_answer,
    record_change,
    record_hint,
    record_solution,
)
from rwlib.labs.session import OpenLab, open_lab, reset_lab, start_lab
from rwlib.sandbox import MemoryKeeper

MOST_OPEN = 4
"""Labs that a learner may have open at once; the one that was not used longest is put away."""
_LARGEST = 64 * 1024


class SeatServer:
    """One learner's labs behind a port of their own.

    Parameters
    ----------
    turn
        Taken for every call: a check speaks for this process's whole environment.
    """

    def __init__(
        self, learner: str, token: str, port: int, home: Path, turn: threading.Lock
    ) -> None:
        self.learner = learner
        self._token = token
        self._home = home
        self._turn = turn
        self._open: dict[int, OpenLab] = {}
        self._used: dict[int, float] = {}
        self.asked = 0
        """How often the learner's side has asked."""
        self._listener = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._listener.daemon_threads = True
        self.port = int(self._listener.server_address[1])

    def start(self) -> None:
        """Answer from a thread."""
        threading.Thread(
            target=self._listener.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True
        ).start()

    def stop(self) -> None:
        """Put every lab away, and answer no more."""
        self._listener.shutdown()
        self._listener.server_close()
        with self._turn:
            for number in list(self._open):
                self._put_away(number)

    def answer(self, what: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Do what was asked, one call after the other.

        Raises
        ------
        LookupError
            There is no such call.
        """
        lab = find_lab(values.get("lab", ""))
        self.asked += 1
        with self._turn:
            if what in ("open", "check", "reset", "next", "note"):
                self._used[lab.number] = time.monotonic()
            match what:
                case "open":
                    return self._opened(lab.number, values)
                case "check":
                    return self._lab(lab.number).check().to_dict()
                case "reset":
                    return _facts(self._reset(lab.number))
                case "next":
                    return _facts(self._lab(lab.number).next_round())
                case "note":
                    self._note(lab.number, values)
                case "list":
                    return {"labs": self._words()}
                case "stop":
                    return {"stopped": self._put_away(lab.number)}
                case _:
                    raise LookupError(what)
        return {}

    def _opened(self, number: int, values: Mapping[str, Any]) -> dict[str, Any]:
        seed = values.get("seed")
        if values.get("started") and not values.get("again"):
            found = self._lab(number)
        else:
            found = self._start(number, None if seed is None else int(seed), values.get("again"))
        return _facts(found)

    def _start(self, number: int, seed: int | None, again: Any) -> OpenLab:
        there = self._open.get(number)
        if there is not None and not again and seed in (None, there.seed):
            return there
        self._put_away(number)
        self._make_room()
        self._open[number] = start_lab(
            number,
            self.learner,
            seed=seed,
            home=self._home,
            again=bool(again),
            how="here",
            environment=False,
            secret=self._token,
        )
        return self._open[number]

    def _lab(self, number: int) -> OpenLab:
        """Give an open lab; one that was put away is opened again where it was left."""
        if number not in self._open:
            self._make_room()
            self._open[number] = open_lab(number, self.learner, home=self._home, secret=self._token)
        return self._open[number]

    def _reset(self, number: int) -> OpenLab:
        """Put a lab back to its beginning, also one that was put away or cannot be read."""
        if number in self._open:
            return self._open[number].reset()
        self._make_room()
        self._open[number] = reset_lab(number, self.learner, home=self._home, secret=self._token)
        return self._open[number]

    def _words(self) -> dict[int, str]:
        file = workplace(self.learner, self._home).results_file
        known = read_results(file) if file.exists() else Learner(self.learner)
        return {lab.number: known.of(lab.number).word for lab in all_labs()}

    def _make_room(self) -> None:
        while len(self._open) >= MOST_OPEN:
            self._put_away(min(self._open, key=lambda number: self._used.get(number, 0.0)))

    def _put_away(self, number: int) -> bool:
        lab = self._open.pop(number, None)
        if lab is not None:
            lab.close()
        return lab is not None

    def _note(self, number: int, values: Mapping[str, Any]) -> None:
        place = self._lab(number).place
        if "hint" in values:
            record_hint(place, number, int(values["hint"]))
        if "solution" in values:
            record_solution(place, number, applied=values["solution"] == "applied")
        if values.get("changed"):
            record_change(place, number)
        if "question" in values:
            record_answer(place, number, str(values["question"])[:80], bool(values.get("right")))

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        seat = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 60

            def do_POST(self) -> None:
                status, content = self._answered()
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def _answered(self) -> tuple[int, dict[str, Any]]:
                given = self.headers.get("Authorization", "")
                length = self.headers.get("Content-Length", "")
                if not length.isdecimal() or int(length) > _LARGEST:
                    self.close_connection = True
                    return 400, {"message": "the body is missing or too long"}
                body = self.rfile.read(int(length))
                wanted = f"Bearer {seat._token}"
                if not hmac.compare_digest(wanted.encode(), given.encode("utf-8", "replace")):
                    return 403, {"message": "the token is not this seat's"}
                try:
                    values = json.loads(body)
                    if not isinstance(values, dict):
                        raise ValueError("the body is not a JSON object")
                    return 200, seat.answer(self.path.strip("/"), values)
                except InputError as error:
                    content = {"field": error.field, "given": str(error.given)}
                    return 400, {**content, "hint": error.hint, "message": str(error)}
                except (ConflictError, ServiceError, RunbookError, ValueError, TypeError) as error:
                    return 400, {"message": str(error)}
                except LookupError:
                    return 404, {"message": f"there is no {self.path}"}
                except Exception as error:  # noqa: BLE001 - one learner's call ends nobody's class
                    return 500, {"message": f"{type(error).__name__}: {error}"}

            def log_message(self, format: str, *arguments: Any) -> None:
                """Write nothing: a class of twenty asks often."""

        return Handler


def _facts(lab: OpenLab) -> dict[str, Any]:
    """Give what the learner's side needs to know of an open lab."""
    return {"url": lab.setup.endpoint.url, "seed": lab.seed, "round": lab.round}


def main() -> int:
    """Serve what the first line of standard input names."""
    given = json.loads(sys.stdin.readline())
    turn = threading.Lock()
    seats: list[SeatServer] = []
    try:
        for each in given["seats"]:
            home = Path(given["home"])
            seats.append(SeatServer(each["learner"], each["token"], each["port"], home, turn))
    except OSError as error:
        sys.stdout.write(json.dumps({"problem": f"port {each['port']}: {error.strerror}"}) + "\n")
        return 4
    for seat in seats:
        seat.start()
    sys.stdout.write(json.dumps({"ports": [seat.port for seat in seats]}) + "\n")
    sys.stdout.flush()
    asked = MemoryKeeper(lambda: sum(seat.asked for seat in seats))
    ended = threading.Event()
    threading.Thread(target=asked.watch, args=(ended,), daemon=True).start()
    with suppress(KeyboardInterrupt):
        sys.stdin.read()
    ended.set()
    for seat in seats:
        seat.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
