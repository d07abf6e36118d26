"""Where a target's marginal CPU goes: children of a warm process, profiled one by one.

    python benchmarks/profile_target.py 8

Each target is new and is run in a child of its own, as a batch does it. Half of the children are
only measured (CPU in user and system mode, page faults), the others run under cProfile, which makes
everything slower but leaves the shares as they are.
"""

from __future__ import annotations

import cProfile
import os
import pstats
import resource
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from batch import NOTEBOOK, sandbox_environment, target

PYTHON = "Python's own, called by nobody above"
WAITING = ("recv", "acquire", "sleep", "poll", "lockf")
# What a function's file belongs to; the first that fits.
PARTS = (
    ("rwlib/verify", "verdicts (rwlib.verify)"),
    ("rwlib/evaluate", "verdicts (rwlib.evaluate)"),
    ("rwlib/report", "report and its pages"),
    ("jinja2", "report and its pages"),
    ("jsonschema", "notebook and report held against their schemas"),
    ("nbformat", "notebook and report held against their schemas"),
    ("rwlib/headless", "the engine of the notebook"),
    ("nbclient", "the engine of the notebook"),
    ("papermill", "the engine of the notebook"),
    ("ipykernel", "cells (IPython)"),
    ("IPython", "cells (IPython)"),
    ("traitlets", "cells (IPython)"),
    ("botocore", "calls to AWS"),
    ("boto3", "calls to AWS"),
    ("urllib3", "calls to AWS"),
    ("http/", "calls to AWS"),
    ("email/", "calls to AWS"),
    ("socket", "calls to AWS"),
    ("ssl", "calls to AWS"),
    ("xml", "calls to AWS"),
    ("pydantic", "pydantic"),
    ("rwlib/", "the rest of rwlib"),
)


def part_of(file: str) -> str:
    """Return what a file's functions belong to."""
    return next((part for piece, part in PARTS if piece in file), PYTHON)


def in_child(work: Callable[[], None]) -> resource.struct_rusage:
    """Do the work in a forked child and return what it used."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    _, _, used = os.wait4(child, 0)
    return used


def shares_of(found: dict[Any, Any], count: int) -> tuple[Counter[str], Counter[str]]:
    """Return the seconds of each part, with what it used of Python itself, and of each function."""
    functions: Counter[str] = Counter()
    shares: Counter[str] = Counter()
    left: Counter[Any] = Counter()
    for key, (_, calls, own, _, _) in found.items():
        file, line, name = key
        if file == "~" and any(word in name for word in WAITING):
            continue
        left[key] = own
        functions[f"{Path(file).name}:{line} {name}, {calls // count} calls"] += own
    for _ in range(20):  # as deep as Python's own functions call each other
        passed: Counter[Any] = Counter()
        for key, seconds in left.items():
            part, callers = part_of(key[0]), found[key][4]
            whole = sum(given[3] for given in callers.values())
            if part != PYTHON or not whole:
                shares[part] += seconds
                continue
            for caller, given in callers.items():
                passed[caller] += seconds * given[3] / whole
        left = passed
    shares[PYTHON] += left.total()
    return shares, functions


def main(count: int) -> None:
    """Print the measurements and the shares."""
    from rwlib.batch.job import perform
    from rwlib.batch.warm_up import warm_up

    with tempfile.TemporaryDirectory() as name, sandbox_environment(Path(name)):
        folder = Path(name)
        warm_up()

        def job(number: int) -> dict[str, object]:
            place = str(folder / f"profile-{number}")
            return {"kind": "run", "target": target("profile", number), "folder": place,
                    "notebook": str(NOTEBOOK)}  # fmt: skip

        in_child(lambda: perform(job(0)))  # the sandbox's own first calls take longer
        nothing = in_child(lambda: None)
        used = [in_child(lambda n=n: perform(job(n))) for n in range(1, count + 1)]
        for title, members in (("a child that does nothing", [nothing]), ("a target", used)):
            mean = {
                key: sum(getattr(each, key) for each in members) / len(members)
                for key in ("ru_utime", "ru_stime", "ru_minflt", "ru_majflt")
            }
            print(f"{title}: user {mean['ru_utime']:.3f} s, system {mean['ru_stime']:.3f} s")
            print(f"  page faults: {mean['ru_minflt']:.0f}, with the disk {mean['ru_majflt']:.0f}")

        def profiled(number: int) -> None:
            profiler = cProfile.Profile()
            profiler.runcall(perform, job(number))
            profiler.dump_stats(folder / f"{number}.prof")

        for number in range(1000, 1000 + count):
            in_child(lambda n=number: profiled(n))
        if len(sys.argv) > 2:
            pstats.Stats(*(str(path) for path in folder.glob("*.prof"))).dump_stats(sys.argv[2])
        stats = pstats.Stats(*(str(path) for path in folder.glob("*.prof")))
    shares, functions = shares_of(stats.stats, count)  # type: ignore[attr-defined]
    whole = sum(shares.values())
    print(f"\n{'part':<50}{'share':>8}")
    for part, seconds in shares.most_common():
        print(f"{part:<50}{seconds / whole:>8.1%}")
    print()
    for function, seconds in functions.most_common(25):
        print(f"{seconds / whole:>7.1%}  {function}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 8)
