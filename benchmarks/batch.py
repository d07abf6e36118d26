"""How many targets a minute: papermill in a shell loop, xargs -P2 papermill, rwlib batch, boto3.

    python benchmarks/batch.py                       small, in about two minutes
    python benchmarks/batch.py --slow 200 --fast 200 what is promised, in about half an hour
    python benchmarks/batch.py --flat 10,100,1000,2000
                                                     the cost of a target by the batch's size
    python benchmarks/batch.py --plan 10000          memory of the parent during a plan
    python benchmarks/batch.py --chaos 500           throttling, lost answers and kill -9
    python benchmarks/batch.py --latency 60          with 60 ms before every call, and throttled as
                                                     AWS does; --fast is the number of targets

With --other FOLDER, another checkout of this repository with an environment in .venv runs its own
batch against the same sandbox, in the comparison and with --latency.

All ways run one after the other against the same sandbox, two targets at once where they can, and
every target is new. "boto3" is a script that makes the runbook's 21 calls and nothing else, in two
warm processes: with a session for each target, as it needs for targets of several accounts; with
that and the models of AWS's services read once, which the engine's `warm` does; and with one
session and its clients for all targets, which sees all of them with the same credentials.

CPU is that of the client's side alone, with everything that ran for it. A target's marginal CPU is
that of the whole way, without what the way costs before its first target.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from flaky import FlakyProxy
from same_notebook import plain

from rwlib.sandbox.server.server import Sandbox

ROOT = Path(__file__).parent.parent
NOTEBOOK = ROOT / "notebooks" / "runbook.ipynb"
WORKLOAD = "arn:aws:iam::444455556666:role/g1jk13sq56ejdref71h1cvokbh-role"
BARE, BARE_WARM, BARE_SHARED = "boto3", "boto3-models", "boto3-shared"
LOOP_RATIO, XARGS_RATIO, BOTO3_RATIO = 25.0, 8.0, 2.0


def target(way: str, number: int) -> dict[str, Any]:
    """Return a target of its own for a way and a number."""
    return {
        "name": f"{way}-{number}",
        "workload_identity_arn": WORKLOAD,
        "bucket": "acme-analytics",
        "prefix": f"{way}/{number}",
        "role_name": f"{way}-{number}",
        "policy_name": f"{way}-{number}-policy",
        "connectors": ["s3_sink"],
        "allowed_principal_confirmed_by": "Ada Example",
        "apply": True,
    }


def papermill_command(way: str, number: int, folder: Path) -> list[str]:
    """Return the command that runs one target with papermill's own engine."""
    out = folder / f"{way}-{number}.ipynb"
    values = json.dumps(target(way, number))
    program = [sys.executable, "-m", "papermill", "--no-progress-bar", "-k", "python3"]
    return [*program, "-y", values, str(NOTEBOOK), str(out)]


def run_loop(count: int, folder: Path) -> None:
    """Run papermill once for each target, one after the other."""
    script = folder / "loop.sh"
    lines = [shlex.join(papermill_command("loop", n, folder)) for n in range(count)]
    script.write_text("set -e\n" + "\n".join(lines) + "\n")
    subprocess.run(["sh", str(script)], check=True, capture_output=True)


def run_xargs(count: int, folder: Path) -> None:
    """Run papermill for two targets at a time."""
    lines = [shlex.join(papermill_command("xargs", n, folder)) for n in range(count)]
    # NUL between the commands, since they hold quotes.
    subprocess.run(
        ["xargs", "-0", "-P2", "-n1", "sh", "-c", 'eval "$0"'],
        input="\0".join(lines), check=True, capture_output=True, text=True,
    )  # fmt: skip


def batch_command(path: Path, *more: str, python: str = sys.executable) -> list[str]:
    """Return the command that runs a batch."""
    return [python, "-m", "rwlib", "batch", str(path), "--workers", "2", "--json", *more]


def default_command(path: Path, *more: str, python: str = sys.executable) -> list[str]:
    """Return the command that writes a batch with whatever number of workers it chooses."""
    return [python, "-m", "rwlib", "batch", str(path), "--json", "--apply", *more]


def python_of(tree: Path | None) -> str:
    """Return the interpreter of another checkout, or this one."""
    return str(tree.resolve() / ".venv" / "bin" / "python") if tree else sys.executable


def imports_of(tree: Path | None) -> dict[str, str]:
    """Return an environment in which a command imports a checkout."""
    return {**os.environ, "PYTHONPATH": str(tree.resolve() if tree else ROOT)}


def write_targets(path: Path, way: str, count: int) -> Path:
    """Write the file of a batch."""
    with path.open("w") as file:
        file.writelines(json.dumps(target(way, number)) + "\n" for number in range(count))
    return path


def run_batch(count: int, folder: Path, way: str = "ours", tree: Path | None = None) -> None:
    """Run a batch of this checkout's, or of another one's."""
    path = write_targets(folder / f"{way}.jsonl", way, count)
    command = batch_command(path, "--apply", python=python_of(tree))
    subprocess.run(command, check=True, capture_output=True, env=imports_of(tree), cwd=tree)


_shared_clients: dict[str, Any] = {}


def bare_calls(way: str, number: int) -> None:
    """Make the calls that the runbook makes for a new target, and nothing else."""
    from botocore.exceptions import ClientError

    from rwlib.steps.step1_documents import policy_document
    from rwlib.steps.step3_documents import trust_policy
    from rwlib.target.target import Target

    wanted = Target(**target(way, number))
    sts, s3, iam, analyzer = (_shared_clients or _clients()).values()
    account = sts.get_caller_identity()["Account"]
    s3.head_bucket(Bucket=wanted.bucket, ExpectedBucketOwner=account)
    s3.get_bucket_encryption(Bucket=wanted.bucket)
    policy = json.dumps(
        policy_document(wanted, account_id=account, region_name="us-east-1", kms_key_arn="")
    )
    arn = wanted.policy_arn_in(account)
    for call, given in (
        (s3.get_bucket_policy, {"Bucket": wanted.bucket}),
        (s3.get_public_access_block, {"Bucket": wanted.bucket}),
        (iam.get_role, {"RoleName": wanted.role_name}),
        (iam.get_policy, {"PolicyArn": arn}),
        (iam.create_policy, {"PolicyName": wanted.policy_name, "PolicyDocument": policy}),
        (iam.create_role, {
            "RoleName": wanted.role_name,
            "AssumeRolePolicyDocument": json.dumps(trust_policy(WORKLOAD, wanted.connectors)),
        }),
        (iam.get_role, {"RoleName": wanted.role_name}),
        (iam.list_attached_role_policies, {"RoleName": wanted.role_name}),
        (iam.attach_role_policy, {"RoleName": wanted.role_name, "PolicyArn": arn}),
        *[(iam.list_attached_role_policies, {"RoleName": wanted.role_name})] * 3,
        (iam.get_policy, {"PolicyArn": arn}),
        (iam.get_policy_version, {"PolicyArn": arn, "VersionId": "v1"}),
        (iam.list_role_policies, {"RoleName": wanted.role_name}),
        (analyzer.validate_policy, {"policyDocument": policy, "policyType": "IDENTITY_POLICY"}),
        *[(iam.simulate_principal_policy, {
            "PolicySourceArn": wanted.role_arn_in(account),
            "ActionNames": ["s3:PutObject", "s3:GetObject"],
            "ResourceArns": [f"arn:aws:s3:::{wanted.bucket}/{wanted.prefix}/x"],
        })] * 2,
    ):  # fmt: skip
        try:
            call(**given)
        except ClientError as error:
            if "NoSuch" not in str(error):
                raise


def _clients() -> dict[str, Any]:
    import boto3

    session = boto3.Session()
    return {name: session.client(name) for name in ("sts", "s3", "iam", "accessanalyzer")}


def run_boto3(way: str, count: int) -> float:
    """Make the bare calls for every target in two warm processes; return the CPU seconds of one."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(2, initializer=_warm_boto3, initargs=(way,)) as pool:
        # Both have imported everything and made every call once.
        pool.map(_timed_bare, [(f"{way}-first", n) for n in range(8)], chunksize=1)
        return sum(pool.map(_timed_bare, [(way, n) for n in range(count)], chunksize=1)) / count


def _warm_boto3(way: str) -> None:
    from rwlib.headless.engine.warm import warm

    if way == BARE_WARM:
        warm(("rwlib.steps.step1_policy", "rwlib.steps.step3_trust"))
    if way == BARE_SHARED:
        _shared_clients.update(_clients())


def _timed_bare(which: tuple[str, int]) -> float:
    before = time.process_time()
    bare_calls(*which)
    return time.process_time() - before


@contextmanager
def sandbox_environment(folder: Path) -> Iterator[Any]:
    """Run a sandbox in a process of its own and point this process's children at it."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "RWC_", "RW_DSN"))]:
        del os.environ[name]
    with Sandbox.spawn() as box:
        os.environ.update(box.environment())
        for name in ("RWC_API_KEY", "RWC_API_SECRET"):
            del os.environ[name]
        os.environ["RWLIB_RUNS"] = str(folder / "runs")
        os.environ["PYTHONPATH"] = str(ROOT)
        yield box


def measure(run: Callable[[], Any]) -> tuple[float, float]:
    """Return the wall seconds and the CPU seconds of this process's children for a run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    run()
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def compare(slow: int, fast: int, folder: Path, other: Path | None = None) -> int:
    """Run all ways and print them side by side."""
    marginal: dict[str, float] = {}

    def bare(way: str) -> None:
        marginal[way] = run_boto3(way, fast)

    with sandbox_environment(folder) as box:
        run_batch(2, folder, "first")  # the sandbox's own first calls take longer
        table = []
        ways = [
            ("papermill, shell loop", slow, lambda: run_loop(slow, folder)),
            ("xargs -P2 papermill", slow, lambda: run_xargs(slow, folder)),
            ("rwlib batch of 2", 2, lambda: run_batch(2, folder, "two")),
            ("rwlib batch", fast, lambda: run_batch(fast, folder)),
            ("boto3, session each", fast, lambda: bare(BARE)),
            ("  and models read once", fast, lambda: bare(BARE_WARM)),
            ("boto3, one session", fast, lambda: bare(BARE_SHARED)),
        ]
        if other:
            ways += [
                ("the other's, of 2", 2, lambda: run_batch(2, folder, "other-two", other)),
                ("the other's batch", fast, lambda: run_batch(fast, folder, "other", other)),
            ]
        for name, count, run in ways:
            wall, cpu = measure(run)
            table.append((name, count, wall, cpu))
            box.forget_calls()
        differing = compare_notebooks(folder)
    rates = {name: 60 * count / wall for name, count, wall, _ in table}
    loop, xargs, _, batch = (rates[name] for name, *_ in table[:4])
    (_, _, _, start), (_, _, _, all_of_it) = table[2:4]
    ours = (all_of_it - start) / (fast - 2)
    print(f"{'way':<24}{'targets':>8}{'a minute':>10}{'wall s each':>13}{'CPU s each':>12}")
    for name, count, wall, cpu in table:
        print(f"{name:<24}{count:>8}{rates[name]:>10.1f}{wall / count:>13.3f}{cpu / count:>12.3f}")
    print(f"rwlib batch: {batch / loop:.1f} times the loop, {batch / xargs:.1f} times xargs")
    print(f"marginal CPU of a target: rwlib batch {ours:.3f} s")
    for name, way in (
        ("boto3 with a session each", BARE),
        ("boto3 with a session each and models read once", BARE_WARM),
        ("boto3 with one session for all", BARE_SHARED),
    ):
        print(f"  {ours / marginal[way]:.2f} times {name}, {marginal[way]:.3f} s")
    if other:
        (_, _, _, start), (_, _, _, all_of_it) = table[-2:]
        theirs = (all_of_it - start) / (fast - 2)
        print(f"  {ours / theirs:.2f} times the other checkout's batch, {theirs:.3f} s")
    print(f"executed notebooks that differ in more than ids and times: {differing}")
    cheap = ours / marginal[BARE] <= BOTO3_RATIO
    met = batch / loop >= LOOP_RATIO and batch / xargs >= XARGS_RATIO and cheap
    return 0 if met and not differing else 1


def compare_notebooks(folder: Path) -> int:
    """Count the loop's notebooks that are not as the batch's, but for names, ids and times."""
    differing = 0
    for path in sorted(folder.glob("loop-*.ipynb")):
        number = path.stem.partition("-")[2]
        (other,) = (folder / "runs").glob(f"*_ours/ours-{number}/runbook.ipynb")
        if plain(path, "loop") != plain(other, "ours"):
            differing += 1
    return differing


def flat(sizes: list[int], folder: Path) -> int:
    """Print the cost of a target in batches of several sizes, each in a new sandbox."""
    print(f"{'targets':>8}{'wall s each':>13}{'CPU s each':>12}{'parent MB':>11}")
    costs = []
    for size in sizes:
        with sandbox_environment(folder) as _:
            run_batch(2, folder, f"first{size}")
            path = write_targets(folder / f"flat{size}.jsonl", f"flat{size}", size)
            start = time.perf_counter()
            memory, out = watched(batch_command(path, "--apply"))
            wall = time.perf_counter() - start
            summary = json.loads((Path(out["folder"]) / "summary.json").read_text())["targets"]
            cpu = sum(each["cpu_seconds"] for each in summary) / size
        costs.append(cpu)
        print(f"{size:>8}{wall / size:>13.3f}{cpu:>12.3f}{memory:>11.0f}")
    spread = max(costs) / min(costs) - 1
    print(f"cost of a target: flat within {spread:.0%}")
    return int(spread > 0.15)


# What the defaults were before they adapted, on two CPUs.
FIXED = ("--workers", "4", "--per-account", "4")
LATENCY_RATIO, FIXED_RATIO, REFUSED_SHARE, RATE_RATIO = 0.8, 4.0, 0.05, 1.3


def latency(
    milliseconds: float, count: int, rates: str, folder: Path, other: Path | None = None
) -> int:
    """Run batches with and without latency, and one that is throttled; all in one sandbox.

    What was the default is the other checkout's, or where none is given this one's with the numbers
    that were the default before they adapted.
    """
    seconds = milliseconds / 1000
    fixed_count = max(4, count // 5)
    found: dict[str, float] = {}
    print(f"{'batch':<34}{'targets':>8}{'a minute':>10}{'at once':>9}{'refused':>9}")
    with sandbox_environment(folder) as box:
        run_batch(2, folder, "first")
        before = "the other's default" if other else "4 and 4 an account"
        given = () if other else FIXED
        ways = (
            ("0 ms, default", 0.0, "", count, (), None),
            (f"{milliseconds:g} ms, {before}", seconds, "", fixed_count, given, other),
            (f"{milliseconds:g} ms, default", seconds, "", count, (), None),
            (f"{milliseconds:g} ms, default, throttled", seconds, rates, count, (), None),
        )
        for number, (name, wait, limits, targets, options, tree) in enumerate(ways):
            path = write_targets(folder / f"latency{number}.jsonl", f"latency{number}", targets)
            box.forget_calls()
            box.set_faults(latency=wait, rates=limits)
            start = time.perf_counter()
            command = default_command(path, *options, python=python_of(tree))
            done = subprocess.run(
                command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                env=imports_of(tree), cwd=tree,
            )  # fmt: skip
            out = json.loads(done.stdout)
            wall = time.perf_counter() - start
            calls = box.calls()
            refused = sum(call["error"] in ("Throttling", "ThrottlingException") for call in calls)
            summary = json.loads((Path(out["folder"]) / "summary.json").read_text())
            rate = found[name] = 60 * targets / wall
            chosen = summary["workers"] if tree is None else {"highest": "", "why": ""}
            print(f"{name:<34}{targets:>8}{rate:>10.1f}{chosen['highest']:>9}"
                  f"{refused / len(calls):>9.1%}  {chosen['why']}")  # fmt: skip
            if out["counts"].get("done", 0) + out["counts"].get("unchanged", 0) != targets:
                print(f"  {out['headline']}")
                return 1
        ideal = least_seconds(calls, rates)
    none, fixed, default, _ = found.values()
    print(f"{milliseconds:g} ms: {default / none:.2f} times the throughput of 0 ms, "
          f"{default / fixed:.1f} times what was the default")  # fmt: skip
    print(
        f"throttled: {wall:.1f} s, {wall / ideal:.2f} times the {ideal:.1f} s that the rates allow"
    )
    met = default / none >= LATENCY_RATIO and default / fixed >= FIXED_RATIO
    slow = wall / ideal > RATE_RATIO or refused / len(calls) > REFUSED_SHARE
    return int(slow or not met)


def least_seconds(calls: list[dict[str, Any]], rates: str) -> float:
    """Return how long the answered calls take at least at these rates."""
    from rwlib.sandbox.aws.faults import class_of, read_rates

    counts = Counter(
        f"{call['service']}:{class_of(call['action'])}"
        for call in calls
        if call["error"] != "Throttling"
    )
    return max(
        max(0.0, counts[name] - burst) / rate for name, (rate, burst) in read_rates(rates).items()
    )


def watched(command: list[str]) -> tuple[float, dict[str, Any]]:
    """Run a command; return the most memory of its own process in MB, and what it printed."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    status = Path(f"/proc/{process.pid}/status")
    most = 0
    assert process.stdout is not None
    told: list[bytes] = []
    reader = threading.Thread(target=lambda: told.append(process.stdout.read()), daemon=True)
    reader.start()
    while reader.is_alive():
        for line in status.read_text().splitlines() if status.exists() else []:
            if line.startswith("VmHWM"):
                most = max(most, int(line.split()[1]))
        reader.join(0.2)
    process.wait()
    return most / 1024, json.loads(told[0])


def plan(count: int, folder: Path) -> int:
    """Print the memory of the parent while a small and a large number of targets is planned."""
    found = []
    for size in (count // 20, count):
        with sandbox_environment(folder):
            path = write_targets(folder / f"plan{size}.jsonl", f"plan{size}", size)
            start = time.perf_counter()
            memory, out = watched(batch_command(path, "--plan"))
            wall = time.perf_counter() - start
        found.append(memory)
        print(f"{size:>8} planned: {memory:.0f} MB, {wall / size:.3f} s each, {out['headline']}")
    return int(found[1] > found[0] * 1.15)


def chaos(count: int, folder: Path) -> int:
    """Run a disturbed batch that is killed in the middle, and compare what is left in IAM."""
    states = []
    for disturbed in (True, False):
        with sandbox_environment(folder) as box:
            path = write_targets(folder / "chaos.jsonl", "chaos", count)
            # Who is throttled waits, so many wait at once.
            command = batch_command(
                path, "--apply", "--batch-name", f"chaos{disturbed}", "--workers", "16",
                "--per-account", "16",
            )  # fmt: skip
            if disturbed:
                with FlakyProxy(os.environ["AWS_ENDPOINT_URL"], lose=0.02, seed=1) as proxy:
                    os.environ["AWS_ENDPOINT_URL"] = proxy.url
                    box.set_faults(throttle=0.05, seed=1)
                    killed = subprocess.Popen(command, stdout=subprocess.DEVNULL)
                    while len(box.calls()) < count * 10 and killed.poll() is None:
                        threading.Event().wait(0.2)
                    killed.send_signal(signal.SIGKILL)
                    killed.wait()
                    done = subprocess.run(command, capture_output=True, text=True, check=False)
                    print(f"answers lost: {proxy.lost}")
                os.environ["AWS_ENDPOINT_URL"] = box.url
                box.set_faults(throttle=0.0)
            else:
                done = subprocess.run(command, capture_output=True, text=True, check=False)
            print(
                "disturbed  " if disturbed else "undisturbed", json.loads(done.stdout)["headline"]
            )
            states.append(iam_state())
    same = states[0] == states[1]
    print(f"{len(states[1])} roles and policies; what is left in IAM is the same: {same}")
    return int(not same)


def iam_state() -> dict[str, Any]:
    """Return all roles and policies of the account, without ids and times."""
    import boto3

    iam = boto3.client("iam")
    found: dict[str, Any] = {}
    for page in iam.get_paginator("get_account_authorization_details").paginate():
        for role in page["RoleDetailList"]:
            kept = ("AssumeRolePolicyDocument", "AttachedManagedPolicies", "Tags")
            found[role["Arn"]] = {key: role[key] for key in kept}
        for policy in page["Policies"]:
            versions = [each["Document"] for each in policy["PolicyVersionList"]]
            found[policy["Arn"]] = [versions, policy["AttachmentCount"]]
    return found


def main() -> int:
    """Run what the options ask for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slow", type=int, default=6, help="targets of the two papermill ways")
    parser.add_argument("--fast", type=int, default=40, help="targets of the other two")
    parser.add_argument("--flat", metavar="N,N", help="sizes of batches whose cost is compared")
    parser.add_argument("--plan", type=int, metavar="N", help="plan so many")
    parser.add_argument("--latency", type=float, metavar="MS", help="delay before every call")
    parser.add_argument("--rates", default="aws", help="how the throttled batch is throttled")
    parser.add_argument("--chaos", type=int, metavar="N", help="disturb a batch of so many")
    parser.add_argument("--other", type=Path, metavar="FOLDER", help="another checkout")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.flat:
            return flat([int(size) for size in options.flat.split(",")], folder)
        if options.latency is not None:
            return latency(options.latency, options.fast, options.rates, folder, options.other)
        if options.plan:
            return plan(options.plan, folder)
        if options.chaos:
            return chaos(options.chaos, folder)
        return compare(options.slow, options.fast, folder, options.other)


if __name__ == "__main__":
    sys.exit(main())
