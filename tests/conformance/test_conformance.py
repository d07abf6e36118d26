"""Every scenario of the tables, played against the sandbox with boto3."""

from __future__ import annotations

from collections import Counter

import pytest

from rwlib.sandbox.server.server import Sandbox
from tests.conformance.scenario import Play, World, agrees, rows

pytestmark = pytest.mark.slow

ROWS = rows()


@pytest.fixture(scope="session")
def world():
    with Sandbox(seed=False) as sandbox:
        yield World(sandbox.url).build()


@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
def test_answer_is_the_one_aws_gives(row, world):
    answer = Play(world, row).answer()
    assert agrees(row["aws"], answer), f"{row['what']}: AWS {row['aws']}, here {answer}"


def test_table_names_every_row_once_with_its_source():
    assert [name for name, count in Counter(row["id"] for row in ROWS).items() if count > 1] == []
    assert [row["id"] for row in ROWS if not row.get("source") or not row.get("what")] == []
