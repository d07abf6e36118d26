"""What the sandbox's process keeps of large uploads.

Puts objects of one size into a sandbox in a process of its own, and prints how large that process
is on the way and at the end, as the operating system counts it. With ``--url`` it measures a
sandbox that is already running, so that many uploads can be measured in slices.

Usage: python benchmarks/memory.py [--puts N] [--megabytes N] [--keys N] [--most MB] [--url URL]
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import boto3
import psutil

from rwlib.sandbox.server.server import Sandbox

_MEGABYTE = 1024 * 1024


def resident(pid: int) -> float:
    """Megabytes that a process has in memory."""
    return psutil.Process(pid).memory_info().rss / _MEGABYTE


@contextmanager
def measured(url: str | None) -> Iterator[tuple[str, int]]:
    """Give the address and the process of the sandbox: one of its own, or the one at ``url``."""
    if url is not None:
        port = urlsplit(url).port
        pids = {
            each.pid
            for each in psutil.net_connections("tcp")
            if each.status == psutil.CONN_LISTEN and each.laddr.port == port and each.pid
        }
        if len(pids) != 1:
            sys.exit(f"url: nothing of this user listens at {url}; start rwlib sandbox first")
        yield url, pids.pop()
        return
    with Sandbox.spawn(seed=False) as sandbox:
        (pid,) = (child.pid for child in psutil.Process().children())
        yield sandbox.url, pid


def main() -> int:
    """Measure and print; 1 when the process is larger than it may be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--puts", type=int, default=500)
    parser.add_argument("--megabytes", type=int, default=20)
    parser.add_argument("--keys", type=int, default=20, help="different keys that are written")
    parser.add_argument("--most", type=float, default=400, help="megabytes the process may have")
    parser.add_argument("--url", help="a sandbox that is running; without it one is started")
    given = parser.parse_args()
    content = os.urandom(_MEGABYTE) * given.megabytes
    with measured(given.url) as (url, pid):
        keys = {"aws_access_key_id": "123456789012", "aws_secret_access_key": "test"}
        s3 = boto3.client("s3", endpoint_url=url, region_name="us-east-1", **keys)
        s3.create_bucket(Bucket="large-objects")
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
