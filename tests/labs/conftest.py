"""Labs as they stand after their solution, for tests that exchange documents in them."""

from __future__ import annotations

import pytest

from rwlib.labs.guards import read_history
from rwlib.labs.session import start_lab


@pytest.fixture(scope="module")
def solved(shared_sandbox, tmp_path_factory):
    """Return the set-up of a lab, and its history after the solution.

    A lab is its number, or its number with the seed of lab 15, or with the round of lab 21.
    """
    known = {}

    def of(which):
        number, drawn = which if isinstance(which, tuple) else (which, 0)
        if which not in known:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("RWLIB_LAB_SANDBOX", shared_sandbox.url)
                patch.setenv("RWLIB_LABS", str(tmp_path_factory.mktemp("labs")))
                seed = drawn if number == 15 else 1
                lab = start_lab(number, "ada", environment=False, seed=seed, again=True)
                for _ in range(drawn - 1 if number == 21 else 0):
                    lab.next_round()
                lab.setup.make(lab.lab.repair)
                lab.setup.look_again()
                history = read_history(lab.setup, lab._started["began"], ())
            known[which] = lab.setup, history
        return known[which]

    return of
