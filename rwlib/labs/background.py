"""``python -m rwlib.labs.background STATE ADDRESS``: serve a lab's sandbox until told to stop.

Ends by itself when nobody has asked for `IDLE_SECONDS`: a forgotten lab leaves no process behind,
and its state is in the folder.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path

from rwlib.errors import InputError
from rwlib.report import write_text
from rwlib.sandbox import MemoryKeeper, Sandbox, told

IDLE_SECONDS = 4 * 3600.0


def main(arguments: list[str]) -> int:
    """Serve the state folder, and write the address into a file once it answers."""
    state, address = Path(arguments[0]), Path(arguments[1])
    sandbox = Sandbox(state=state, own_process=True)
    try:
        sandbox.start()
    except InputError as error:
        write_text(address, json.dumps({"problem": told(error)}))
        return error.exit_code
    with sandbox:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: sandbox.stopped.set())
        write_text(address, json.dumps({"url": sandbox.url}))
        seen, last = sandbox.last_call(), time.monotonic()
        memory = MemoryKeeper(sandbox.last_call)
        while not sandbox.stopped.wait(timeout=1.0):
            memory.look()
            if (asked := sandbox.last_call()) != seen:
                seen, last = asked, time.monotonic()
            if time.monotonic() - last > IDLE_SECONDS:
                break
    address.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
