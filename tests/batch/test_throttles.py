"""Odd throttles and odd ways to AWS, on paper: what is chosen follows, and nothing storms.

``THROTTLES`` says how many random worlds are tried.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rwlib.batch.driving import per_account_chosen
from rwlib.batch.options import Options
from rwlib.batch.schedule import Limits
from rwlib.batch.worker_count import MOST
from tests.support.paper_aws import CALLS, PaperAws

pytest.importorskip("fcntl")

WORLDS = int(os.environ.get("THROTTLES", "6"))
ASSUMED = {
    "iam:read": (20, 40),
    "iam:write": (5, 15),
    "iam:simulate": (5, 15),
    "sts:read": (50, 99),
}
ATTEMPTS = 10  # of a call, `rwlib.aws.clients`: then its target would fail
OPTIONS = Options(Path("rows.csv"), Path("runbook.ipynb"))


@pytest.fixture(autouse=True, scope="module")
def no_waiting():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rwlib.batch.schedule._TICK", 0.0)
        yield


def sixty(kind, now):
    return 0.06


def least(rates, targets):
    """The seconds that the buckets of one account allow at least."""
    calls = Counter(CALLS)
    return max((calls[kind] * targets - size) / rate for kind, (rate, size) in rates.items())


def test_throttled_account_is_used_as_far_as_its_buckets_allow():
    world = PaperAws(sixty, lambda account, kind, *_: ASSUMED.get(kind))
    took = world.run(["a"] * 150)
    assert took < 1.3 * least(ASSUMED, 150), took
    assert world.share_refused < 0.05
    assert "AWS throttled the calls" in world.workers.why


@pytest.mark.parametrize("kind", sorted(ASSUMED))
def test_one_class_of_call_that_is_throttled_holds_up_no_more_than_it_must(kind):
    rates = {kind: (4, 8)}
    world = PaperAws(sixty, lambda account, each, *_: rates.get(each))
    took = world.run(["a"] * 80)
    assert took < 1.3 * max(least(rates, 80), 80 * 0.05), took
    assert world.share_refused < 0.05
    assert {each for each in world.refused if world.refused[each]} == {kind}
    limits = Limits(adapting={
        (name, "a"): limit
        for name, limit in zip(("account reads", "account"), world.limits["a"], strict=True)
    })  # fmt: skip
    told = {each["calls"]: each["why"] for each in per_account_chosen(OPTIONS, limits)}
    throttled, other = ("write", "read") if kind == "iam:write" else ("read", "write")
    assert told[throttled].startswith(f"AWS throttled {world.refused[kind]} call")
    assert other not in told


def test_throttled_account_leaves_the_others_their_targets():
    def rates(account, kind, *_):
        return ASSUMED.get(kind) if account == "a" else None

    world = PaperAws(sixty, rates)
    took = world.run(list("abcd") * 40)
    assert took < 1.3 * least(ASSUMED, 40), took
    assert [world.limits[each][1].refused for each in "bcd"] == [0, 0, 0]


def test_throttling_that_begins_late_is_found_and_one_that_ends_is_forgotten():
    late = PaperAws(
        sixty, lambda _, kind, now, started: ASSUMED.get(kind) if started > 50 else None
    )
    took = late.run(["a"] * 150)
    assert took < 1.3 * (least(ASSUMED, 100) + 5), took
    assert late.share_refused < 0.05
    assert max(late.numbers) > 16 > late.numbers[-1]

    early = PaperAws(sixty, lambda _, kind, now, __: ASSUMED.get(kind) if now < 30 else None)
    early.run(["a"] * 250)
    assert early.numbers[-1] > 1.9 * min(early.numbers)


def test_burst_that_is_used_up_ends_no_target():
    def rates(account, kind, now, started):
        return ((5, 15) if now > 30 else (0.01, 150)) if kind == "iam:write" else None

    world = PaperAws(sixty, rates)
    world.run(["a"] * 100)
    assert max(world.tries) < ATTEMPTS
    assert world.share_refused < 0.05


@pytest.mark.parametrize(
    ("way", "more"),
    [
        (lambda kind, now: 0.3 if 4 < now < 40 else 0.01, 40),
        (lambda kind, now: 0.5 if kind.startswith("s3") else 0.02, 40),
        (lambda kind, now: 0.3, 100),
    ],
    ids=["jumps and comes back", "one service is slow", "always slow"],
)
def test_number_follows_the_way_to_aws(way, more):
    world = PaperAws(way, lambda *_: None)
    took = world.run(["a"] * 400)
    assert max(world.numbers) > more, world.workers
    assert took < 400 * 0.05 * 1.3 + 3 * 0.3 * len(CALLS), took


def test_number_that_is_given_is_kept_while_aws_throttles():
    world = PaperAws(sixty, lambda account, kind, *_: ASSUMED.get(kind))
    world.run(["a"] * 60, workers=12)
    assert set(world.numbers) == {12}
    assert world.share_refused < 0.05


@st.composite
def worlds(draw):
    rates = {}
    for kind in draw(st.sets(st.sampled_from(sorted(ASSUMED)), min_size=1)):
        rate = draw(st.integers(2, 50))
        rates[kind] = (rate, max(5, rate * draw(st.integers(1, 4))))
    return {
        "rates": rates,
        "accounts": draw(st.sampled_from([1, 2, 4])),
        "one_alone": draw(st.booleans()),
        "begins": draw(st.sampled_from([0, 0, 30])),
        "ways": draw(st.lists(st.floats(0.005, 0.3), min_size=4, max_size=4)),
        "every": draw(st.sampled_from([5.0, 20.0, 1e9])),
        "cpu": draw(st.sampled_from([0.05, 0.1, 0.3])),
        "seed": draw(st.integers(0, 1000)),
    }


@given(drawn=worlds())
@settings(max_examples=WORLDS)
def test_any_throttle_is_kept_to_without_a_storm(drawn):
    rates, ways, targets = drawn["rates"], drawn["ways"], 100

    def allowed(account, kind, now, started):
        free = started < drawn["begins"] or (drawn["one_alone"] and account != "0")
        return None if free else rates.get(kind)

    world = PaperAws(
        lambda kind, now: ways[int(now // drawn["every"]) % 4],
        allowed, cpu=drawn["cpu"], seed=drawn["seed"],
    )  # fmt: skip
    took = world.run([str(number % drawn["accounts"]) for number in range(targets)])
    assert world.ended == targets
    assert 1 <= min(world.numbers) <= max(world.numbers) <= MOST
    # What it takes to find the rate comes on top, where a batch is as short as these.
    assert world.refused.total() < 0.05 * world.sent.total() + 30 * len(rates)
    assert max(world.tries, default=0) < ATTEMPTS
    each = least(rates, targets / drawn["accounts"])
    found = 4 * max(ways) * len(CALLS) + drawn["begins"] * 0.2 + 10
    assert took < 1.3 * max(each, targets * drawn["cpu"] / 2) + found, took
