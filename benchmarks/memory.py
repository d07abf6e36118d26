"""What the sandbox's process keeps of large uploads.

Puts objects of one size into a sandbox in a process of its own, and prints how large that process
is on the way and at the end, as the operating system counts it.

Usage: python benchmarks/memory.py [--puts N] [--megabytes N] [--keys N] [--most MB]
"""

from __future__ import annotations

import argparse
import os
import sys
import time

import boto3
import psutil

from rwlib.sandbox.server.server import Sandbox

_MEGABYTE = 1024 * 1024


def resident(pid: int) -> float:
    """Megabytes that a process has in memory."""
    return psutil.Process(pid).memory_info().rss / _MEGABYTE


def main() -> int:
    """Measure and print; 1 when the process is larger than it may be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--puts", type=int, default=500)
    parser.add_argument("--megabytes", type=int, default=20)
    parser.add_argument("--keys", type=int, default=20, help="different keys that are written")
    parser.add_argument("--most", type=float, default=400, help="megabytes the process may have")
    given = parser.parse_args()
    content = os.urandom(_MEGABYTE) * given.megabytes
    with Sandbox.spawn(seed=False) as sandbox:
        keys = {"aws_access_key_id": "123456789012", "aws_secret_access_key": "test"}
        s3 = boto3.client("s3", endpoint_url=sandbox.url, region_name="us-east-1", **keys)
        s3.create_bucket(Bucket="large-objects")
        (pid,) = (child.pid for child in psutil.Process().children())
        print(f"{'puts':>6} {'resident':>10}")
        print(f"{0:6} {resident(pid):7.0f} MB")
        largest, begin = 0.0, time.perf_counter()
        for number in range(1, given.puts + 1):
            s3.put_object(Bucket="large-objects", Key=str(number % given.keys), Body=content)
            largest = max(largest, resident(pid))
            if number % max(1, given.puts // 10) == 0:
                print(f"{number:6} {resident(pid):7.0f} MB")
        seconds = (time.perf_counter() - begin) / given.puts
        print(f"largest {largest:.0f} MB, {seconds * 1000:.0f} ms a put")
        left = resident(pid)
    return 1 if left > given.most else 0


if __name__ == "__main__":
    sys.exit(main())
