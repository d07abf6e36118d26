"""Fixtures. Before anything else: no real credentials, and no endpoint but loopback."""

from __future__ import annotations

import functools
import json
import os
import re

from rwlib.environment import PROXIES, enter_sandbox

_DEAD_END = "http://127.0.0.1:9"  # the discard port: nobody answers
# What a run of the tests may be told: to fail where it would skip, and how long to wait.
_FOR_TESTS = {
    *("RWLIB_BROWSER_TESTS", "RWLIB_BROWSER_SECONDS"),
    *("RWLIB_CLIENT_TESTS", "RWLIB_ORACLE_REQUIRED", "RWLIB_WHEEL_TESTS"),
    *("RWLIB_EXPORT_STATES", "RWLIB_PROXIES"),
}


def _leave_the_real_world() -> None:
    # Only who installs the wheel from a registry gets these back; see tests/project/test_wheel.py.
    proxies = {name: value for name, value in os.environ.items() if name.upper() in PROXIES}
    os.environ.setdefault("RWLIB_PROXIES", json.dumps(proxies))
    for name in list(os.environ):
        if name.startswith("RWLIB_") and name not in _FOR_TESTS:
            del os.environ[name]
    dead_ends = {
        "AWS_ENDPOINT_URL": _DEAD_END,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_DEFAULT_REGION": "us-east-1",
        "RWC_ENDPOINT": _DEAD_END,
        "JUPYTER_PLATFORM_DIRS": "1",
        # The common runtime comes with the extra [clients]; one test of them signs with it.
        "BOTO_DISABLE_CRT": "true",
    }
    enter_sandbox(dead_ends, os.environ)


_leave_the_real_world()

import gc  # noqa: E402

import pytest  # noqa: E402

# All that is imported and collected is kept; looking at it again and again takes seconds.
gc.disable()
# A test makes more objects than a process of a user: what is young is looked at less often.
gc.set_threshold(20_000, 20, 20)

WORKLOAD_IDENTITY_ARN = "arn:aws:iam::444455556666:role/g1jk13sq56ejdref71h1cvokbh-role"
OTHER_CLUSTER_ARN = "arn:aws:iam::444455556666:role/other-cluster-role"


# Files that take long, longest first: one that begins last leaves a worker idle.
LONGEST = (
    "browser/test_guided_path.py",
    "notebooks/test_labs.py",
    "labs/test_labs.py",
    "project/test_wheel.py",
    "batch/test_dask.py",
    "batch/test_runner.py",
    "headless/test_engine.py",
    "notebooks/test_notebooks.py",
    "notebooks/test_stored.py",
    "runbook/test_runbook.py",
    "steps/test_ownership.py",
    "cli/test_lab.py",
    "labs/test_class.py",
    "cli/test_hostile_surroundings.py",
    "headless/test_engine_errors.py",
    "labs/test_repairs.py",
    "batch/test_plan.py",
    "batch/test_watch.py",
    "export/test_operator.py",
    "export/test_any_target.py",
    "steps/test_strangers.py",
    "docs/test_samples.py",
    "steps/test_killed.py",
    "clients/test_clients.py",
    "verify/test_mutations.py",
)


def pytest_sessionstart(session):
    # The process that hands out the tests runs none: it needs neither clients nor sandboxes.
    if not session.config.pluginmanager.hasplugin("dsession"):
        left_out = marks_left_out(session.config.option.markexpr)
        _prepare(fast="slow" in left_out, long="long" not in left_out)


def _prepare(fast, long):
    from hypothesis import HealthCheck, settings
    from hypothesis.internal.conjecture import providers

    from rwlib.report.schema import quick_jsonschema
    from tests.support.quick_clients import keep_what_all_clients_share
    from tests.support.quick_sandbox import keep_the_example_world

    keep_what_all_clients_share()
    keep_the_example_world()
    quick_jsonschema()
    # How long an example takes says how busy the machine is, not whether the code is right. A run
    # of the same code tries the same examples; the long run draws new ones each time.
    settings.register_profile(
        "any-machine",
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        derandomize=not long,
    )
    settings.load_profile("any-machine")
    if fast and hasattr(providers, "_get_local_constants"):
        # Hypothesis tries out, now and then, what stands in the source; for every kind of text it
        # looks through all of rwlib's and the tests' first, which takes a second each time.
        providers._get_local_constants = providers.Constants


MARKED_WHOLE = re.compile(r"^pytestmark = pytest\.mark\.(\w+)$", re.MULTILINE)
_NOT = re.compile(r"\bnot (\w+)")
_NOTHING_BUT_NOT = re.compile(r"not \w+( and not \w+)*$")


def pytest_ignore_collect(collection_path, config):
    """Leave a file unread that is marked as a whole with what this run leaves out."""
    left_out = marks_left_out(config.option.markexpr)
    if left_out and collection_path.name.startswith("test_"):
        whole = MARKED_WHOLE.search(collection_path.read_text(encoding="utf-8"))
        return True if whole and whole[1] in left_out else None
    return None


@functools.cache
def marks_left_out(expression):
    """The marks of which each is enough for a test to be left out, whatever else it has."""
    return set(_NOT.findall(expression)) if _NOTHING_BUT_NOT.match(expression) else set()


def pytest_collection_modifyitems(items):
    places = {name: number for number, name in enumerate(LONGEST)}

    @functools.cache
    def place(path):
        return places.get("/".join(path.parts[-2:]), len(LONGEST))

    items.sort(key=lambda item: place(item.path))


def pytest_collection_finish():
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def no_run_of_another_test(monkeypatch):
    """Take away what leads a run to its folder: a target performed in this process sets it."""
    for name in ("RWLIB_TARGET", "RWLIB_RUN_DIR", "RWLIB_APPROVED"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def shared_sandbox():
    from rwlib.sandbox.server.server import Sandbox

    with Sandbox() as running:
        yield running


@pytest.fixture
def sandbox(shared_sandbox):
    """A sandbox with its example world, as new."""
    shared_sandbox.reset()
    shared_sandbox.forget_calls()
    return shared_sandbox


@pytest.fixture
def aws_environment(sandbox, monkeypatch, tmp_path):
    """The sandbox's environment, and a folder for runs, for this process and its children."""
    for name, value in sandbox.environment().items():
        monkeypatch.setenv(name, value)
    for name in ("RWC_API_KEY", "RWC_API_SECRET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RWLIB_RUNS", str(tmp_path / "runs"))
    return sandbox


@pytest.fixture(scope="session")
def kept_clients():
    """Clients of the customer's account serve all tests; what was read does not."""
    return {}


@pytest.fixture
def aws(aws_environment, kept_clients):
    """AWS calls as the customer's account, nothing remembered."""
    import boto3

    from rwlib.aws.calls import Aws

    return Aws(boto3.Session(), _clients=kept_clients)


@pytest.fixture
def example():
    """A target's values that fit the sandbox's example world."""
    return {
        "name": "orders",
        "workload_identity_arn": WORKLOAD_IDENTITY_ARN,
        "bucket": "acme-analytics",
        "prefix": "risingwave",
        "connectors": ["redshift"],
        "allowed_principal_confirmed_by": "Ada Example",
    }


@pytest.fixture
def runs(aws_environment, tmp_path):
    """The folder of all runs."""
    return tmp_path / "runs"


@pytest.fixture(scope="session")
def warm_fork_server(shared_sandbox):
    """A process that has warmed up for the sandbox."""
    environment = {**os.environ, **shared_sandbox.environment()}
    for name in ("RWC_API_KEY", "RWC_API_SECRET"):
        del environment[name]
    from rwlib.batch.fork_server import ForkServer

    with ForkServer(environment) as fork_server:
        yield fork_server


@pytest.fixture
def one_fork_server(warm_fork_server, monkeypatch):
    """Spare the batches of a test their own warming up; what runs in them is not changed."""

    made = []

    class Shared:
        run = staticmethod(warm_fork_server.run)
        kill_children = staticmethod(warm_fork_server.kill_children)

        def __init__(self):
            made.append(self)

        def close(self):
            pass

    monkeypatch.setattr("rwlib.batch.executors.ForkServer", Shared)
    yield
    assert made, "the batches of this test warm up a fork server of their own"


def pytest_terminal_summary(terminalreporter):
    """Print how many of the conformance scenarios were answered as AWS answers them."""
    name = "test_conformance.py::test_answer_is_the_one_aws_gives["
    agreed, differed = (
        sum(name in each.nodeid for each in terminalreporter.stats.get(outcome, []))
        for outcome in ("passed", "failed")
    )
    if agreed + differed:
        terminalreporter.write_sep("=", "conformance")
        share = 100 * agreed / (agreed + differed)
        total = agreed + differed
        terminalreporter.write_line(
            f"{agreed} of {total} scenarios answered as AWS answers ({share:.1f} %)"
        )
