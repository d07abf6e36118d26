"""How fast a log is diagnosed, and in how much memory, beside ``grep -E`` of the same markers.

    python benchmarks/diagnose.py                      64 MB, one error in a thousand entries
    python benchmarks/diagnose.py --megabytes 1024     the size that is promised

Prints seconds, megabytes a second, the ratio to grep and the peak memory; exits with 1 when the
ratio is over 10 or the peak over 200 MB.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rwlib.diagnose.markers import MARKERS

KNOWN = Path(__file__).parent.parent / "tests" / "data" / "diagnose" / "known.jsonl"
MOST_RATIO = 10.0
MOST_MEMORY_MB = 200.0

NOISE = (
    "INFO risingwave_meta::barrier: collected barrier epoch={n} checkpoint=true latency={m}ms",
    "INFO risingwave_storage::hummock::compactor: finished compaction task_id={n} group={m}",
    "DEBUG opendal::services: service=s3 name=acme-lake path=rw/orders/{n}.json: write finished",
    "INFO risingwave_connector::source: split kafka-{m} offset {n} region=us-east-1",
    "INFO risingwave_frontend::session: query session={m} sql=SELECT * FROM t WHERE id = {n}",
    "INFO aws_config: loaded provider=WebIdentityToken role=arn:aws:iam::444455556666:role/rw-{m}",
    "WARN risingwave_stream::executor: poll took {m}ms actor_id={n}",
    "ERROR risingwave_connector::sink::kafka: message {n} timed out after {m}ms",
)


def write_log(path: Path, megabytes: int, errors_per_thousand: float) -> int:
    """Write a log of noise and known errors; return how many errors are in it."""
    chosen = random.Random(20260801)
    known = [json.loads(line)["text"] for line in KNOWN.read_text().splitlines()]
    weights = (30, 20, 20, 10, 10, 5, 3, 2)
    size = errors = entry = 0
    with path.open("w", encoding="utf-8") as file:
        while size < megabytes * 1_000_000:
            entry += 1
            stamp = f"2026-08-{1 + entry // 8_640_000:02d}T{entry // 360_000 % 24:02d}:"
            stamp += f"{entry // 6_000 % 60:02d}:{entry // 100 % 60:02d}.{entry % 100:02d}Z"
            if chosen.random() * 1000 < errors_per_thousand:
                errors += 1
                message = f"ERROR risingwave_connector: {chosen.choice(known)}"
            else:
                message = chosen.choices(NOISE, weights)[0].format(
                    n=chosen.randrange(10**9), m=chosen.randrange(500)
                )
            size += file.write(f"{stamp} {message}\n")
    return errors


def run_grep(path: Path) -> float:
    """Return the seconds that grep takes to count the lines with a marker."""
    pattern = "|".join(marker.decode().replace(".", "\\.") for marker in MARKERS)
    start = time.perf_counter()
    # Into a pipe: grep stops at the first match when it writes to /dev/null.
    subprocess.run(["grep", "-cE", pattern, str(path)], check=True, stdout=subprocess.PIPE)
    return time.perf_counter() - start


def run_diagnosis(path: Path) -> tuple[float, float, int]:
    """Return seconds, peak memory in MB, and the errors counted, of a process of its own."""
    program = (
        "import sys, time; from rwlib.diagnose import diagnose; start = time.perf_counter();"
        "found = diagnose(sys.argv[1]); print(time.perf_counter() - start,"
        "sum(each.count for each in found))"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], check=True, capture_output=True, text=True
    )
    seconds, counted = done.stdout.split()
    peak = max(before, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024
    return float(seconds), peak, int(counted)


def main() -> int:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=64)
    parser.add_argument("--errors-per-thousand", type=float, default=1.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "risingwave.log"
        errors = write_log(path, options.megabytes, options.errors_per_thousand)
        megabytes = path.stat().st_size / 1e6
        run_grep(path)  # so that both read from the page cache
        grep = run_grep(path)
        seconds, peak, counted = run_diagnosis(path)
    ratio = seconds / grep
    print(f"log        {megabytes:8.0f} MB with {errors} errors, {counted} diagnosed")
    print(f"grep -cE   {grep:8.2f} s  {megabytes / grep:8.0f} MB/s")
    print(f"diagnose   {seconds:8.2f} s  {megabytes / seconds:8.0f} MB/s  {ratio:.1f} times grep")
    print(f"memory     {peak:8.0f} MB at most")
    return int(ratio > MOST_RATIO or peak > MOST_MEMORY_MB)


if __name__ == "__main__":
    sys.exit(main())
