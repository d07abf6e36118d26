"""A class on one machine: seats that know nothing of each other, and results of the server."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import boto3
import psutil
import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner

from rwlib.cli.lab import command
from rwlib.errors import InputError, ServiceError
from rwlib.labs.class_server import ClassServer, learner_names
from rwlib.labs.clients import only_lab
from rwlib.labs.scores import read_class, read_results
from rwlib.labs.seal import class_key, make_key
from rwlib.labs.seat import Seat
from rwlib.labs.session import open_lab, start_lab
from rwlib.sandbox import Endpoint

pytestmark = pytest.mark.slow

LARGEST = 120 * 1024 * 1024
"""Bytes of memory that an open lab may take."""


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("class")
    make_key(folder / "key")
    with ClassServer(
        ["ada", "grace"], folder / "home", workers=1, key_file=folder / "key"
    ) as running:
        yield running


@pytest.fixture
def sit(served, monkeypatch):
    """Work at a learner's seat."""

    def sit(number):
        seat = served.seats[number]
        monkeypatch.setenv("RWLIB_SEAT", str(served.seat_file(seat)))
        return seat

    return sit


def result_of(served, name):
    file = served.home / name / "results.json"
    return read_results(file, class_key(served.home.parent / "key"))


def test_learner_at_a_seat_works_as_ever_and_is_signed_for(served, sit):
    sit(0)
    lab = start_lab(3, environment=False)
    assert lab.place.learner == "ada"
    assert "sts:AssumeRole" in lab.symptom().text
    assert not lab.check().passed
    lab.solution()
    lab.solution(apply=True)
    result = lab.check()
    assert result.passed, result
    assert repr(result).endswith("Lab solved.")
    learner = result_of(served, "ada")
    assert learner.trust == "signed"
    score = learner.of(3)
    assert (score.checks, score.after_change, score.solution) == (2, 1, "applied")
    assert score.seed == 1
    # Another kernel goes on in the same lab; a reset puts it back.
    again = open_lab(3)
    assert again.setup.endpoint.url == lab.setup.endpoint.url
    assert not again.reset().check().passed


def test_seat_needs_nothing_of_the_servers_folder(served, sit, monkeypatch):
    seat = sit(1)
    elsewhere = {**seat.to_dict(), "home": "/nowhere/that/a/learner/could/read"}
    monkeypatch.setenv("RWLIB_SEAT", json.dumps(elsewhere))
    run = CliRunner().invoke
    for words in (
        ["start", "3", "--json"],
        ["hint", "3"],
        ["solution", "3", "--apply"],
        ["check", "3"],
    ):
        assert run(command, words, standalone_mode=False).return_value == 0
    asked = run(command, ["question", "3", "before", "a"], standalone_mode=False).output
    assert asked.startswith("Right.")
    looked = run(command, ["look", "3", "a"], standalone_mode=False).output
    assert "AssumeRolePolicyDocument" in looked
    listed = run(command, ["list"], standalone_mode=False).output
    assert [line.split()[3] for line in listed.splitlines()[:3]] == ["not", "not", "passed"]
    score = result_of(served, "grace").of(3)
    assert (score.hints, score.answers) == (1, {"before": True})


def test_learner_at_a_seat_cannot_write_a_pass(served, sit):
    seat = sit(0)
    start_lab(4, environment=False)
    seat.note(4, passed="2026-01-01T10:00:00+00:00", checks=0)
    assert not result_of(served, "ada").of(4).passed


def test_seats_know_nothing_of_each_other(served, sit):
    sit(0)
    one = start_lab(4, environment=False)
    sit(1)
    two = start_lab(4, environment=False)
    assert one.setup.endpoint.url != two.setup.endpoint.url
    one.solution(apply=True)
    assert not two.check().passed
    ada, grace = served.seats
    assert ada.token != grace.token
    with pytest.raises(ServiceError, match="token is not this seat's"):
        Seat("ada", ada.url, grace.token, ada.home).check(4)
    # Nor is a neighbour's sandbox reached by accident: its secret is the token.
    iam = boto3.client(
        "iam",
        endpoint_url=one.setup.endpoint.url,
        region_name="us-east-1",
        aws_access_key_id="111122223333",
        aws_secret_access_key=grace.token,
    )
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        iam.list_roles()
    assert one.check().passed


def test_seat_says_what_a_learner_did_wrong_in_one_sentence(sit, monkeypatch):
    seat = sit(1)
    with pytest.raises(InputError, match="was not started by grace"):
        open_lab(9)
    with pytest.raises(InputError, match="there are 1 to"):
        start_lab(99)
    with pytest.raises(ServiceError):
        seat._ask("nothing", {"lab": 1})
    monkeypatch.setenv("RWLIB_SEAT", "nowhere.json")
    with pytest.raises(InputError, match="ask your trainer"):
        start_lab(1)
    wrong = [{"url": url} for url in (1, "zz", "file:///etc/passwd", "http://a b", "")]
    for each in [*wrong, {"token": "a\nb"}, {"token": "é"}]:
        monkeypatch.setenv("RWLIB_SEAT", json.dumps({**seat.to_dict(), **each}))
        with pytest.raises(InputError, match=r"is not a class's seat\.json"):
            start_lab(1)
    gone = {**seat.to_dict(), "url": "http://127.0.0.1:9"}
    monkeypatch.setenv("RWLIB_SEAT", json.dumps(gone))
    with pytest.raises(ServiceError, match="ask your trainer whether"):
        start_lab(1)


def test_seat_file_is_its_owners_alone(served):
    for seat in served.seats:
        assert stat.S_IMODE(served.seat_file(seat).stat().st_mode) == 0o600
        assert seat.token not in repr(seat)


def test_names_of_a_class(tmp_path):
    assert learner_names(3) == ["learner01", "learner02", "learner03"]
    listed = tmp_path / "names"
    listed.write_text("ada\n\n grace \nada\nada\n")
    assert learner_names(0, listed) == ["ada", "grace", "ada-2", "ada-3"]
    assert learner_names(5, listed)[4:] == ["learner05"]
    listed.write_text("Ada\nada\nÅsa\nA\u030asa\nlearner06\n", encoding="utf-8")
    assert learner_names(6, listed) == ["Ada", "ada-2", "Åsa", "Åsa-2", "learner06", "learner06-2"]
    with pytest.raises(InputError, match="is not a valid class size"):
        learner_names(0)
    with pytest.raises(InputError, match="cannot be read"):
        learner_names(0, tmp_path / "nowhere")


def test_folder_is_served_once_and_a_port_that_cannot_be_had_makes_nothing(served, tmp_path):
    with pytest.raises(InputError, match=rf"is served already by process {os.getpid()}, since"):
        ClassServer(["ada"], served.home).start()
    told = json.loads(served.seat_file(served.seats[0]).read_text())
    assert told["url"] == served.seats[0].url
    taken = served.seats[0].url.rpartition(":")[2]
    for port, why in ((taken, f"{taken} is taken"), (65535, "begin at 65534 or lower")):
        with pytest.raises(InputError, match=why):
            ClassServer(["ada", "grace"], tmp_path / "new", port=int(port)).start()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be made a folder"):
        ClassServer(["ada"], tmp_path / "file" / "class").start()
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_class_goes_on_after_a_restart_with_the_same_tokens(tmp_path, monkeypatch):
    command = [sys.executable, "-m", "rwlib", "lab", "serve", "--learners", "2", "--json"]
    seats = []
    for turn in range(2):
        with subprocess.Popen(
            [*command, "--state", str(tmp_path), "--workers", "1"],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ},
        ) as process:
            told = json.loads(process.stdout.readline())
            seats.append(told["seats"])
            assert told["signed"] is False
            monkeypatch.setenv("RWLIB_SEAT", told["seats"][1]["seat"])
            lab = start_lab(3, environment=False)
            if turn == 0:
                lab.solution(apply=True)
            assert lab.check().passed
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=60) == 0
    assert seats[0] == seats[1]
    assert len({seat["port"] for seat in seats[0]}) == 2
    assert len({seat["token"] for seat in seats[0]}) == 2
    assert {Path(seat["folder"]).name for seat in seats[0]} == {"learner01", "learner02"}


def play(seat: Seat, number: int, pause: float, times: dict[str, float]) -> None:
    """Do what a learner does in a lab: look, think, try, look again, repair."""
    begun = time.monotonic()
    seat.open(number)
    time.sleep(pause)
    assert not seat.check(number).passed
    time.sleep(pause)
    found = seat.open(number)
    lab = _lab(seat, number, found)
    lab.try_again()
    time.sleep(pause)
    lab.setup.make(lab.lab.repair)
    lab.try_again()
    time.sleep(pause)
    assert seat.check(number).passed
    times[seat.learner] = time.monotonic() - begun


def _lab(seat, number, found):
    from rwlib.labs.model import find_lab
    from rwlib.labs.session import _at_seat

    return _at_seat(seat, find_lab(number), found)


def simulate(count: int, home: Path, pause: float, workers: int) -> tuple[float, float, int]:
    """Give the slowest lab beside one alone, and the memory of an open lab, in bytes."""
    make_key(home / "key")
    labs = (3, 5, 9, 7)
    alone: dict[str, float] = {}
    names = ["alone", *learner_names(count)]
    with ClassServer(names, home, workers=workers, key_file=home / "key") as served:
        first, *others = served.seats
        play(first, labs[0], pause, alone)  # warms the first process
        first.open(labs[0], again=True)
        play(first, labs[0], pause, alone)
        times: dict[str, float] = {}
        threads = [
            threading.Thread(target=play, args=(seat, labs[n % len(labs)], pause, times))
            for n, seat in enumerate(others)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=500)
        memory = sum(psutil.Process(each.pid).memory_info().rss for each in served.processes)
    learners, broken = read_class([home], class_key(home / "key"))
    assert not broken
    assert {each.name: (each.passed, each.trust) for each in learners} == dict.fromkeys(
        names, (1, "signed")
    )
    for n, seat in enumerate(others):
        score = next(each for each in learners if each.name == seat.learner).of(labs[n % 4])
        assert (score.checks, score.after_change, bool(score.passed)) == (2, 1, True)
    assert len(times) == count
    return max(times.values()), alone["alone"], memory // (count + 1)


def test_threads_of_labs_do_not_mix_their_environments_up(monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "mine")
    before, wrong = dict(os.environ), []

    def work(number):
        endpoint = Endpoint(f"http://127.0.0.1:{number}")
        try:
            for _ in range(200):
                with only_lab(endpoint):
                    assert os.environ["AWS_ENDPOINT_URL"] == endpoint.url
                    assert "AWS_PROFILE" not in os.environ
        except (AssertionError, LookupError, RuntimeError) as error:
            wrong.append(error)

    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
    finally:
        sys.setswitchinterval(usual)
    assert not wrong
    assert dict(os.environ) == before


def test_learners_at_once_are_each_scored_right(tmp_path):
    _, _, memory = simulate(4, tmp_path, 0.0, workers=1)
    assert memory < LARGEST


@pytest.mark.long
def test_class_of_twenty_at_once(tmp_path):
    """Nobody waits more than three times as long as alone, thinking included."""
    slowest, alone, memory = simulate(20, tmp_path, 5.0, workers=2)
    assert memory < LARGEST, memory
    assert slowest < 3 * alone, (slowest, alone)
