"""Calls keep a rate once AWS throttles them: with buckets on paper, and between processes."""

from __future__ import annotations

import heapq
import multiprocessing
import os
import random
import signal
from itertools import count

import pytest

from rwlib.aws import pacing
from rwlib.aws.calls import Aws
from rwlib.aws.pacing import Pacing, Rates, kind_of

pytest.importorskip("fcntl")


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


class Bucket:
    """A token bucket, as AWS throttles with."""

    def __init__(self, rate, burst):
        self.rate, self.burst, self.tokens, self.at = rate, burst, burst, 1000.0

    def gives(self, now):
        self.tokens = min(self.burst, self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class Chance:
    """Refuses a share of the calls whatever their rate, as a service in trouble does."""

    def __init__(self, share, seed):
        self.share, self.rng = share, random.Random(seed)

    def gives(self, now):
        return self.rng.random() >= self.share


def simulate(clients, calls, bucket, *, way=0.06, seed=1):
    """Make calls from many clients through one `Rates`; return the seconds and the refused."""
    clock, rng, numbers = Clock(), random.Random(seed), count()
    rates = Rates(clock)
    events, refused, left = [], 0, calls
    for client in range(clients):
        heapq.heappush(events, (clock.now + client * 0.01, next(numbers), "want", 0, 0, False, 0.0))
    done = 0
    while done < calls:
        clock.now, _, what, again, tries, waited, reserved = heapq.heappop(events)

        def later(seconds, what, again, tries, waited, reserved):
            event = (clock.now + seconds, next(numbers), what, again, tries, waited, reserved)
            heapq.heappush(events, event)

        if what == "want":
            if not again and not tries:
                if not left:
                    continue
                left -= 1
            wait, has_turn = rates.reserve("a", "iam:read", 0.5 * (1 + tries))
            if has_turn:
                later(wait, "send", again, tries, waited or wait > 0, clock.now)
            else:
                later(rng.uniform(0.25, 0.5), "want", again, tries + 1, True, 0.0)
        elif what == "send" and not rates.stands("a", "iam:read", reserved):
            later(0.0, "want", again, tries + 1, True, 0.0)
        elif what == "send":
            later(way / 2, "arrive", again, 0, waited, reserved)
        elif bucket.gives(clock.now):
            rates.answered("a", "iam:read", waited=waited)
            done += 1
            later(way / 2 + 0.02, "want", 0, 0, False, 0.0)
        else:
            refused += 1
            rates.refused("a", "iam:read", reserved)
            later(way / 2 + rng.random() * min(20, 2**again), "want", again + 1, 0, True, 0.0)
    return clock.now - 1000.0, refused


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("rate", "burst", "clients", "calls"),
    [(20, 40, 30, 2000), (5, 15, 30, 500), (100, 100, 60, 6000), (20, 40, 4, 1000)],
)
def test_throttled_calls_come_near_the_buckets_rate_and_few_are_refused(
    rate, burst, clients, calls, seed
):
    took, refused = simulate(clients, calls, Bucket(rate, burst), seed=seed)
    least = max((calls - burst) / rate, calls / clients * 0.08)
    assert took < 1.3 * least, (took, least, refused)
    assert refused < 0.05 * (calls + refused), refused


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("clients", "calls"), [(4, 600), (5, 1500), (12, 3000)])
def test_calls_refused_by_chance_do_not_crawl(clients, calls, seed):
    took, _ = simulate(clients, calls, Chance(0.05, seed), seed=seed)
    assert took < calls / 10, took


def test_chance_is_forgotten_where_a_bucket_refuses():
    class Both(Chance):
        bucket = Bucket(20, 40)

        def gives(self, now):
            return (now < 1020.0 and super().gives(now)) or self.bucket.gives(now)

    for seed in range(3):
        Both.bucket = Bucket(20, 40)
        took, refused = simulate(30, 4000, Both(0.05, seed), seed=seed)
        assert took < 1.3 * 4000 / 20
        assert refused < 0.06 * 4000


def test_nothing_is_held_back_before_a_call_is_refused():
    rates = Rates()
    assert rates.reserve("a", "iam:read", 0.0) == (0.0, True)
    rates.answered("a", "iam:read", waited=False)
    rates.refused("a", "iam:read", 1e12)
    assert rates.rate("a", "iam:read") > 0
    assert rates.rate("a", "iam:write") == rates.rate("b", "iam:read") == 0


def test_rate_falls_once_for_the_calls_that_were_under_way():
    clock = Clock()
    rates = Rates(clock)
    for _ in range(20):
        rates.answered("a", "iam:write", waited=False)
    rates.refused("a", "iam:write", clock.now - 0.1)
    first = rates.rate("a", "iam:write")
    rates.refused("a", "iam:write", clock.now - 0.05)
    assert rates.rate("a", "iam:write") == first == pytest.approx(14.0)
    clock.now += 1.0
    rates.refused("a", "iam:write", clock.now)
    assert rates.rate("a", "iam:write") == pytest.approx(0.8 * first)


def test_more_accounts_than_are_told_apart_share_rates(monkeypatch):
    monkeypatch.setattr(pacing, "SLOTS", 3)
    rates = Rates()
    for number in range(10):
        rates.refused(str(number), "iam:read", 1e12)
        assert rates.rate(str(number), "iam:read") > 0


def test_processes_share_the_rate_and_one_that_dies_holds_nobody_up():
    rates = Rates()
    fork = multiprocessing.get_context("fork")

    def refuse_and_die():
        rates.refused("a", "iam:read", 1e12)
        with rates._slot("a", "iam:read"):
            os.kill(os.getpid(), signal.SIGKILL)

    child = fork.Process(target=refuse_and_die)
    child.start()
    child.join(20)
    assert child.exitcode == -signal.SIGKILL
    assert rates.rate("a", "iam:read") > 0


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ("request-created.iam.GetRole", "iam:read"),
        ("request-created.iam.CreateRole", "iam:write"),
        ("request-created.iam.SimulatePrincipalPolicy", "iam:simulate"),
        ("response-received.s3.HeadBucket", "s3:read"),
        ("request-created.sts.AssumeRole", "sts:read"),
    ],
)
def test_calls_are_told_apart_by_class(event, kind):
    assert kind_of(event) == kind


@pytest.mark.slow
def test_throttled_calls_are_made_again_at_the_rate_and_counted(aws_environment, aws):
    slept = []
    paced = Pacing(Rates(), sleep=slept.append)
    own = Aws(aws.session, retry_mode="paced", pacing=paced)
    assert own.account_id == paced.account == "111122223333"
    aws_environment.set_faults(rates="iam:read=1/2,iam:simulate=20/1")
    for number in range(4):
        role = {"RoleName": f"none-{number}"}
        with pytest.raises(own.client("iam").exceptions.NoSuchEntityException):
            own.read("iam", "get_role", **role)
    assert paced.refused["iam:read"] >= 1
    assert slept
    assert paced.waited >= 0
    # An optional call, which botocore tries once, waits for its turn too.
    arn = "arn:aws:iam::111122223333:role/none"
    for number in range(3):
        with pytest.raises(own.client("iam").exceptions.NoSuchEntityException):
            own.read("iam", "simulate_principal_policy", optional=True, PolicySourceArn=arn,
                     ActionNames=[f"s3:GetObject{number}"], ResourceArns=["*"])  # fmt: skip
    codes = [call["error"] for call in aws_environment.calls() if "Simulate" in call["action"]]
    assert codes.count("NoSuchEntity") == 3
