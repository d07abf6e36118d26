"""Tests that are read once and run by forked workers, file by file.

Reading all tests takes each process more than ten seconds, and telling of every report of many
short ones by message as long again. Loaded by name: `pytest -n 0 -p tests.support.forked_workers`.
"""

from __future__ import annotations

import atexit
import itertools
import os
import signal
import struct
import sys
import traceback
import warnings
from multiprocessing.connection import Pipe, wait

import pytest

# Short tests compute all the time; of the long ones, some wait for what they have started.
WORKERS_OF_SHORT, WORKERS_OF_ALL = 3, 4
_NUMBER = struct.Struct("H")


def pytest_runtestloop(session):
    """Have the collected tests run by workers, and report what they report."""
    not_here = sys.platform != "linux"  # forked processes of macOS may not use its libraries
    if not_here or session.testsfailed or session.config.option.collectonly:
        return None
    files = [list(items) for _, items in itertools.groupby(session.items, lambda it: it.path)]
    telling, workers = _start(session, files)
    silent = {item.nodeid: item for item in session.items}
    try:
        while telling:
            for ready in wait(telling):
                told = _hear(ready)
                if told:
                    _pass_on(session, *told, silent)
                else:
                    telling.remove(ready)
        _fail(session, silent.values())
    except BaseException:
        for worker in workers:
            os.kill(worker, signal.SIGTERM)
        raise
    finally:
        for worker in workers:
            os.waitpid(worker, 0)
    return True


def _hear(worker):
    try:
        return worker.recv()
    except EOFError:
        return None


def _start(session, files):
    # Whoever takes a number out of this pipe runs that file; none is handed out twice.
    numbers, put = os.pipe()
    os.write(put, b"".join(_NUMBER.pack(number) for number in range(len(files))))
    os.close(put)
    folder = session.config._tmp_path_factory.getbasetemp()
    telling, workers = [], []
    from tests.conftest import marks_left_out

    short = "slow" in marks_left_out(session.config.option.markexpr)
    count = WORKERS_OF_SHORT if short else WORKERS_OF_ALL
    for place in range(min(count, len(files))):
        hear, tell = Pipe(duplex=False)
        worker = os.fork()
        if not worker:
            status = 1
            try:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                for other in (hear, *telling):
                    other.close()
                _Worker(session, files, numbers, tell).work(folder / f"worker{place}")
                status = 0
            except BaseException:  # noqa: BLE001 --- it is told, and the worker ends
                session.config.pluginmanager.getplugin("capturemanager").stop_global_capturing()
                traceback.print_exc()
            finally:
                os._exit(status)
        tell.close()
        telling.append(hear)
        workers.append(worker)
    os.close(numbers)
    return telling, workers


def _pass_on(session, reports, warned, silent):
    hook = session.config.hook
    for report in reports:
        if silent.pop(report.nodeid, None):
            hook.pytest_runtest_logstart(nodeid=report.nodeid, location=report.location)
        hook.pytest_runtest_logreport(report=report)
    for message, category, filename, line, others in warned:
        warning = warnings.WarningMessage(category(message), category, filename, line)
        hook.pytest_warning_recorded.call_historic(kwargs={"warning_message": warning, **others})
    for stop, error in (
        (session.shouldfail, session.Failed),
        (session.shouldstop, session.Interrupted),
    ):
        if stop:
            raise error(stop)


def _fail(session, items):
    for item in items:
        text = "A worker ended before it could tell how this test ends."
        report = pytest.TestReport(item.nodeid, item.location, {}, "failed", text, "call")
        session.config.hook.pytest_runtest_logreport(report=report)


class _Worker:
    """A forked process: takes one file after the other, and tells what its tests report."""

    def __init__(self, session, files, numbers, tell):
        self._session = session
        self._files = files
        self._numbers = numbers
        self._tell = tell
        self._reports, self._warned = [], []

    def work(self, folder):
        # What the parent does when it ends is none of a worker's business.
        atexit._clear()
        folder.mkdir()
        config = self._session.config
        config._tmp_path_factory._basetemp = folder
        # The file into which output is caught would be written by all of them.
        capture = config.pluginmanager.getplugin("capturemanager")
        capture.stop_global_capturing()
        capture.start_global_capturing()
        capture.suspend_global_capture()
        config.pluginmanager.unregister(name="terminalreporter")
        config.pluginmanager.register(self, "forked worker")
        items = self._next_file()
        while items:
            following = self._run(items)
            self._tell.send((self._reports, self._warned))
            self._reports, self._warned = [], []
            items = following
        self._tell.send(None)
        atexit._run_exitfuncs()

    def _next_file(self):
        number = os.read(self._numbers, _NUMBER.size)
        return self._files[_NUMBER.unpack(number)[0]] if number else None

    def _run(self, items):
        protocol = self._session.config.hook.pytest_runtest_protocol
        for item, following in itertools.pairwise(items):
            protocol(item=item, nextitem=following)
        # Only what comes next says which fixtures are to be kept.
        next_file = self._next_file()
        protocol(item=items[-1], nextitem=next_file[0] if next_file else None)
        return next_file

    def pytest_runtest_logreport(self, report):
        self._reports.append(report)

    def pytest_warning_recorded(self, warning_message, when, nodeid, location):
        others = {"when": when, "nodeid": nodeid, "location": location}
        about = warning_message
        self._warned.append(
            (str(about.message), about.category, about.filename, about.lineno, others)
        )
