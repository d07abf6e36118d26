"""Start-up of the command line, as a ratio to `python -c pass`, side by side in one run."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
TARGET = str(ROOT / "examples" / "redshift.yaml")
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "rwlib --help": ["-m", "rwlib", "--help"],
    "rwlib sql": ["-m", "rwlib", "sql", "--target", TARGET],
    "import boto3": ["-c", "import boto3"],
    "import papermill": ["-c", "import papermill"],
}


def cpu_seconds(arguments: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True, cwd=ROOT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(rounds: int = 9) -> None:
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, arguments in COMMANDS.items():
            times[name].append(cpu_seconds(arguments))
    base = median(times["python -c pass"])
    print(f"{'command':<20} {'CPU s':>7} {'ratio':>7}   (median of {rounds})")
    for name, found in times.items():
        print(f"{name:<20} {median(found):>7.3f} {median(found) / base:>7.1f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
