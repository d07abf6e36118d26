"""One target: `rwlib run` beside plain `papermill` on the same notebook, in the same sandbox."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import yaml

from rwlib.sandbox.server.server import Sandbox
from rwlib.target.target import Target

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "examples" / "redshift.yaml"


def measured(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:4])} failed:\n{done.stderr[-2000:]}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(rounds: int = 5) -> None:
    with tempfile.TemporaryDirectory() as folder, Sandbox.spawn() as box:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            **box.environment(),
            "RWLIB_RUNS": folder,
            "PYTHONPATH": str(ROOT),
        }
        values = Target.from_file(TARGET, apply=True).model_dump()
        parameters = Path(folder) / "parameters.yaml"
        parameters.write_text(yaml.safe_dump(values))
        notebook = str(ROOT / "notebooks" / "runbook.ipynb")
        executed = str(Path(folder) / "executed.ipynb")
        plain = [sys.executable, "-m", "papermill", notebook, executed, "-f", str(parameters)]
        ours = [sys.executable, "-m", "rwlib", "run", "--target", str(TARGET), "--apply"]
        commands = {
            "papermill": [*plain, "--no-progress-bar"],
            "rwlib run": ours,
        }
        measured(ours, environment)  # the first run creates, all others find it done
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, command in commands.items():
                found[name].append(measured(command, environment))
    wall = {name: median(each[0] for each in times) for name, times in found.items()}
    cpu = {name: median(each[1] for each in times) for name, times in found.items()}
    print(f"{'command':<12} {'wall s':>7} {'ratio':>6} {'CPU s':>7} {'ratio':>6}  (of {rounds})")
    for name in commands:
        ratios = wall[name] / wall["papermill"], cpu[name] / cpu["papermill"]
        print(
            f"{name:<12} {wall[name]:>7.2f} {ratios[0]:>6.2f} {cpu[name]:>7.2f} {ratios[1]:>6.2f}"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
