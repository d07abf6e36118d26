"""Every lab's judge on drawn repairs: what is wider is refused, what means the same is not.

`tests.labs.drawn_repairs` says what is drawn; `RWLIB_GUARD_EXAMPLES` how often in the long runs.
"""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rwlib.labs.guards import lost, opened, strangers_let_in, too_much_granted
from rwlib.verify import probe_role
from tests.labs.drawn_repairs import (
    beside_opened,
    goes_through,
    more_granted,
    more_trusted,
    nothing_left,
    the_same,
)
from tests.labs.test_guards import FEW, LABS, MANY, MEDIUM, SOME, with_piece, with_statements

WITNESS = re.compile(r"\b[a-z0-9-]+:[A-Z]\w+|ACL grants")


def widened(setup, history):
    """Name what a history has too much of; each line with its proof."""
    return [
        each.line
        for each in (
            *strangers_let_in(setup, history),
            *too_much_granted(setup, history),
            *opened(setup, history),
        )
    ]


def check_more(solved, which, draw):
    setup, history = solved(which)
    wide, statement, (action, place) = more_granted(draw, setup, history)
    lines = [each.line for each in too_much_granted(setup, wide)]
    if lines:
        assert "for example " in lines[0]
        return
    # Nothing of it is granted: by the boundary or a Deny, or because it was all along.
    now, before = (goes_through(setup, state, action, place) for state in (wide.now, history.now))
    assert before or not now, (statement, action, place)


def check_trusted(solved, which, draw):
    setup, history = solved(which)
    wide, statement = more_trusted(draw, setup, history)
    lines = [each.line for each in strangers_let_in(setup, wide)]
    assert lines, statement
    assert "for example sts:AssumeRole" in lines[0]


def check_beside(solved, which, draw):
    setup, history = solved(which)
    wide, what = beside_opened(draw, setup, history)
    lines = [*widened(setup, wide), *(each.line for each in lost(setup, wide))]
    assert lines, what
    assert WITNESS.search(lines[0]), (what, lines)


def check_same(solved, which, draw):
    setup, history = solved(which)
    same = the_same(draw, setup, history)
    assert [*widened(setup, same), *(each.line for each in lost(setup, same))] == []
    verdicts = probe_role(setup.target, same.now.situation(setup.target))
    assert all(each.decision.allowed for each in verdicts if each.probe.allow)


def between(history, way):
    """Let a state stand between the fault and the solution."""
    state = replace(way.now, call="iam:PutRolePolicy")
    return replace(history, states=(history.before, state, history.now))


def check_wrong_way(solved, which, draw):
    """What the fault itself had open was not opened on the way."""
    setup, history = solved(which)
    make = draw(st.sampled_from([more_granted, more_trusted, beside_opened]))
    way, what = make(draw, setup, history)[:2]
    if not widened(setup, replace(way, base=way.before)):
        return
    lines = [each.line for each in opened(setup, between(history, way))]
    assert lines, what
    assert "closed again since" in lines[0]


def check_right_way(solved, which, draw):
    setup, history = solved(which)
    way = draw(st.sampled_from([the_same, nothing_left]))(draw, setup, history)
    assert widened(setup, between(history, way)) == []


CHECKS = [
    *((check_more, 5, FEW, MANY), (check_trusted, 8, FEW, MANY), (check_beside, 8, FEW, MANY)),
    *((check_same, 17, SOME, MEDIUM), (check_wrong_way, 9, SOME, MEDIUM)),
    (check_right_way, 3, SOME, MEDIUM),
]
NAMES = [check.__name__.removeprefix("check_") for check, _, _, _ in CHECKS]


@pytest.mark.slow
@pytest.mark.parametrize(("check", "number", "few", "many"), CHECKS, ids=NAMES)
def test_drawn_repair_is_judged_as_it_must_be(solved, check, number, few, many):
    few(given(st.data())(lambda data: check(solved, (number, 0), data.draw)))()


@pytest.mark.long
@pytest.mark.parametrize("which", LABS)
@pytest.mark.parametrize(("check", "number", "few", "many"), CHECKS, ids=NAMES)
def test_drawn_repairs_are_judged_as_they_must_be(solved, check, number, few, many, which):
    many(given(st.data())(lambda data: check(solved, which, data.draw)))()


OPEN = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "name", "changes", "kind"),
    [
        (10, "role", {"boundary": "", "boundary_arn": ""}, "boundary_removed"),
        (17, "bucket", {"bucket_key": False}, "bucket_key_changed"),
        (17, "bucket", {"algorithm": "AES256", "kms_key": ""}, "encryption_changed"),
        (9, "bucket", {"policy": ""}, "bucket_policy_opened"),
        (9, "bucket acme-frankfurt", OPEN, "bucket_policy_widened"),
        (17, "bucket acme-encrypted", OPEN, "bucket_policy_widened"),
    ],
)
def test_mistake_is_called_by_what_it_is_in_its_lab(solved, number, name, changes, kind):
    """A guard that refused is not said to be another's, nor the other way round."""
    setup, history = solved((number, 0))
    if changes is OPEN:
        where = f"arn:aws:s3:::{name.removeprefix('bucket ')}/*"
        changed = with_statements(history, name, {**OPEN, "Resource": where})
    else:
        piece = {"role": f"role {setup.role_arn}", "bucket": f"bucket {setup.target.bucket}"}[name]
        changed = with_piece(history, piece, **changes)
    kinds = [each.mistake for each in (*opened(setup, changed), *lost(setup, changed))]
    assert kind in kinds
    assert set(kinds) <= {kind, None, "refuses_what_it_allowed", "denies"}
