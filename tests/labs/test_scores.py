"""Results that can be trusted and gathered: the seal, tries, and the sheet of a class."""

from __future__ import annotations

import csv
import json
import os
import re
import stat
import urllib.error
import urllib.request

import pytest
from click.testing import CliRunner

from rwlib.cli.lab import command
from rwlib.errors import InputError
from rwlib.labs import scores
from rwlib.labs.learner_folder import Workplace
from rwlib.labs.live_sheet import LiveSheet
from rwlib.labs.model import all_labs
from rwlib.labs.seal import class_key, make_key

KEY = b"0123456789abcdef0123456789abcdef"


@pytest.fixture
def signing(monkeypatch):
    monkeypatch.setenv("RWLIB_CLASS_KEY", KEY.decode())


def run(*arguments):
    result = CliRunner().invoke(command, list(map(str, arguments)), standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result


def test_result_is_signed_when_there_is_a_key(tmp_path, signing):
    place = Workplace("ada", tmp_path)
    scores.record_check(place, 3, ["Nobody else may assume the role"], changed=True, seed=7)
    text = place.results_file.read_text()
    assert KEY.decode() not in text
    assert scores.read_results(place.results_file, KEY).trust == "signed"
    assert scores.read_results(place.results_file).trust == "not checked"
    assert scores.read_results(place.results_file, b"another key, long enough").trust == (
        "another key"
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.update(learner="grace"),
        lambda data: data["labs"]["3"].update(passed="2026-01-01T10:00:00+00:00"),
        lambda data: data["labs"]["3"].update(solution=""),
        lambda data: data["labs"].update({"4": data["labs"]["3"]}),
        lambda data: data["seal"].update(mac="0" * 64),
        lambda data: data.pop("seal"),
    ],
)
def test_result_that_somebody_changed_is_never_signed_again(tmp_path, signing, change):
    place = Workplace("ada", tmp_path)
    scores.record_solution(place, 3, applied=True)
    data = json.loads(place.results_file.read_text())
    change(data)
    place.results_file.write_text(json.dumps(data))
    assert scores.read_results(place.results_file, KEY).trust in ("altered", "unsigned")
    # The next check writes the file anew, with the key at hand; that must not launder it.
    scores.record_check(place, 5, [], changed=True, seed=1)
    assert scores.read_results(place.results_file, KEY).trust == "altered"


def test_result_without_a_key_is_kept_and_called_unsigned(tmp_path):
    place = Workplace("ada", tmp_path)
    scores.record_check(place, 3, [], changed=True, seed=1)
    assert scores.read_results(place.results_file, KEY).trust == "unsigned"
    assert "unsigned" in scores.as_html([scores.read_results(place.results_file, KEY)])


def test_key_is_made_for_its_owner_alone_and_never_shown(tmp_path):
    file = tmp_path / "key"
    shown = run("key", file).output
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text().strip() not in shown
    assert class_key(file)
    with pytest.raises(InputError, match="is there already"):
        make_key(file)
    file.write_text("short")
    with pytest.raises(InputError, match="fewer than 16") as caught:
        class_key(file)
    assert "short" not in str(caught.value).replace("shorter", "")
    with pytest.raises(InputError, match="cannot be read"):
        class_key(tmp_path / "nowhere")


def test_check_of_the_untouched_lab_is_no_try(tmp_path):
    place = Workplace("ada", tmp_path)
    scores.record_check(place, 3, ["x"], changed=False, seed=1)
    scores.record_check(place, 3, ["x"], changed=True, seed=1)
    scores.record_check(place, 3, ["y"], changed=False, seed=1)  # taken back: still a try
    score = scores.record_check(place, 3, [], changed=True, seed=1)
    assert (score.checks, score.after_change, score.missed, score.last) == (4, 3, ("x", "y"), ())
    again = scores.record_check(place, 3, ["z"], changed=True, seed=1)
    assert (again.passed, again.after_change) == (score.passed, 3)


def test_hints_and_solution_count_before_the_pass_alone(tmp_path):
    place = Workplace("ada", tmp_path)
    scores.record_hint(place, 3, 2)
    scores.record_hint(place, 3, 1)
    scores.record_solution(place, 3, applied=True)
    score = scores.record_solution(place, 3, applied=False)
    assert (score.hints, score.solution) == (2, "applied")
    scores.record_check(place, 4, [], changed=True, seed=1)
    score = scores.record_solution(place, 4, applied=False)
    assert scores.record_hint(place, 4, 3).hints == 0
    assert score.solution == ""


def test_first_answer_to_a_question_counts(tmp_path):
    place = Workplace("ada", tmp_path)
    scores.record_answer(place, 3, "before", False)
    scores.record_answer(place, 3, "before", True)
    scores.record_answer(place, 3, "after", True)
    assert scores.read_results(place.results_file).answered == (1, 2)


def test_two_learners_of_one_name_stay_two(tmp_path):
    for machine, lab in (("a", 1), ("b", 2)):
        scores.record_check(Workplace("ada", tmp_path / machine), lab, [], changed=True, seed=1)
    learners, _ = scores.read_class([tmp_path])
    assert len(learners) == 2
    assert len({each.name for each in learners}) == 2
    assert all(each.name.startswith("ada (") for each in learners)
    assert sorted(each.passed for each in learners) == [1, 1]


def test_copies_of_one_learner_are_one(tmp_path):
    place = Workplace("ada", tmp_path / "a")
    scores.record_check(place, 1, ["x"], changed=True, seed=1)
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail" / "ada (1).json").write_text(place.results_file.read_text())
    scores.record_check(place, 1, [], changed=True, seed=1)
    learners, _ = scores.read_class([tmp_path])
    assert [(each.name, each.passed) for each in learners] == [("ada", 1)]


def test_earlier_file_put_back_is_never_signed_again(tmp_path, signing):
    place = Workplace("ada", tmp_path)
    scores.record(place, 3, started=at(0))
    early = place.results_file.read_bytes()
    scores.record_solution(place, 3, applied=True)
    place.results_file.write_bytes(early)
    # By itself it is as it was signed; what is written next tells.
    assert scores.read_results(place.results_file, KEY).trust == "signed"
    scores.record_check(place, 3, [], changed=True, seed=1)
    found = scores.read_results(place.results_file, KEY)
    assert found.trust == "altered"
    assert "an earlier file was put back" in scores.as_text([found])
    place.results_file.unlink()
    scores.record_check(place, 4, [], changed=True, seed=1)
    again = scores.read_results(place.results_file, KEY)
    assert (again.trust, again.id) == ("altered", found.id)
    assert again.count > found.count
    assert "the file was removed, and begun anew" in scores.as_html([again])


@pytest.mark.parametrize("extra", [0, 1, 3, pytest.param(600, marks=pytest.mark.long)])
def test_newest_of_a_learners_files_counts_and_the_sheet_says_so(tmp_path, signing, extra):
    place = Workplace("ada", tmp_path / "class")
    scores.record(place, 3, started=at(0))
    (tmp_path / "class" / "z.json").write_bytes(place.results_file.read_bytes())
    scores.record_solution(place, 3, applied=True)
    for _ in range(extra):
        scores.record(place, 3, resets=lambda count: count + 1)
    scores.record_check(place, 3, [], changed=True, seed=1)
    (ada,), broken = scores.read_class([tmp_path], KEY)
    assert not broken
    assert (ada.passed, ada.trust, ada.of(3).solution) == (1, "signed", "applied")
    assert (ada.of(3).resets, ada.count) == (extra, extra + 3)
    assert [each for each in ada.notes if "an earlier file" in each]
    assert "went" not in scores.as_text([ada])


def test_nobody_gains_by_going_on_from_an_earlier_file(tmp_path, signing):
    """The late file is collected already when the earlier one is put back elsewhere."""
    place, other = Workplace("ada", tmp_path / "a"), Workplace("ada", tmp_path / "b")
    scores.record(place, 3, started=at(0))
    other.folder_of_learner.mkdir(parents=True)
    other.results_file.write_bytes(place.results_file.read_bytes())
    scores.record_hint(place, 3, 3)
    scores.record_solution(place, 3, applied=True)
    scores.record_check(place, 5, [], changed=True, seed=1)
    for _ in range(3):
        scores.record(other, 3, resets=lambda count: count + 1)
    scores.record_check(other, 3, [], changed=True, seed=1)
    (ada,), _ = scores.read_class([tmp_path], KEY)
    assert (ada.passed, ada.of(3).hints, ada.of(3).solution) == (2, 3, "applied")
    assert "two files have gone different ways" in scores.as_text([ada])


def test_file_that_cannot_be_read_is_put_aside_and_told(tmp_path, signing):
    place = Workplace("ada", tmp_path)
    scores.record_check(place, 3, [], changed=True, seed=1)
    half = place.results_file.read_bytes()[:200]
    place.results_file.write_bytes(half)
    scores.record_check(place, 4, [], changed=True, seed=1)
    (ada,), (broken,) = scores.read_class([tmp_path], KEY)
    assert (ada.passed, ada.trust) == (1, "altered")
    assert broken.file.read_bytes() == half
    assert "could not be read, and is kept beside it" in scores.as_text([ada])


def test_clock_that_is_set_back_is_told(tmp_path, monkeypatch):
    place = Workplace("ada", tmp_path)
    for minute in (50, 49, 20, 25):
        monkeypatch.setattr(scores, "now", lambda minute=minute: at(minute))
        scores.record(place, 3, resets=lambda count: count + 1)
    told = scores.as_text([scores.read_results(place.results_file)])
    assert "the clock was set back by 29 minutes" in told


def test_key_is_changed_while_a_class_goes_on(tmp_path, monkeypatch):
    place, file = Workplace("ada", tmp_path / "class"), tmp_path / "key"
    make_key(file)
    monkeypatch.setenv("RWLIB_CLASS_KEY_FILE", str(file))
    scores.record_check(place, 3, [], changed=True, seed=1)
    old = file.read_text()
    file.unlink()
    make_key(file)
    assert scores.read_results(place.results_file, class_key()).trust == "another key"
    file.write_text(file.read_text() + old)
    assert scores.read_results(place.results_file, class_key()).trust == "signed"
    scores.record_check(place, 4, [], changed=True, seed=1)
    assert scores.read_results(place.results_file, class_key()).trust == "signed"
    assert scores.read_results(place.results_file, old.strip().encode()).trust == "another key"


def test_unsigned_copy_never_replaces_a_signed_result(tmp_path, signing):
    place = Workplace("ada", tmp_path / "a")
    scores.record_check(place, 1, ["x"], changed=True, seed=1)
    data = json.loads(place.results_file.read_text())
    data["labs"]["1"]["passed"] = "2026-01-01T10:00:00+00:00"
    del data["seal"]
    (tmp_path / "forged.json").write_text(json.dumps(data))
    learners, _ = scores.read_class([tmp_path], KEY)
    assert {each.trust: each.passed for each in learners} == {"signed": 0, "unsigned": 1}
    assert len({each.name for each in learners}) == 2


BROKEN = {
    "empty.json": b"",
    "binary.json": b"\xff\xfe\x00\x01",
    "list.json": b"[1, 2]",
    "number.json": b"7",
    "deep.json": b"[" * 5000,
    "text.json": b'{"format": 2, "learner": "x", "labs": {"1": {"started": "yesterday"}}}',
    "naive.json": b'{"format": 2, "learner": "x", "labs": {"1": {"started": '
    b'"2026-01-01T10:00:00", "passed": "2026-01-01T10:00:00+00:00", "checks": 1}}}',
    "labs.json": b'{"format": 2, "learner": "x", "labs": []}',
    "newer.json": b'{"format": 99, "learner": "x", "labs": {}}',
    "latin 1.json": '{"format": 2, "learner": "Åsa", "labs": {}}'.encode("latin-1"),
    "huge.json": b'{"format": 2, "learner": "' + b"x" * 1_100_000 + b'", "labs": {}}',
    "half.json": b'{"format": 2, "learner": "x", "labs": {"1": {"started": "2026-0',
    "half a character.json": b'{"format": 2, "learner": "\\ud800", "labs": {}}',
    "name.json": b'{"format": 2, "learner": ["x"], "labs": {}}',
    "of something else.json": b'{"name": "x", "version": "1"}',
    "new\nline.json": b"{",
    **{
        f"checks {number}.json": b'{"format": 2, "learner": "x", "labs": {"1": {"started": "", '
        b'"passed": "", "checks": %s}}}' % value
        for number, value in enumerate((b"1e999", b"NaN", b"-1", b"true", b"9" * 3000, b'"1"'))
    },
}


def test_folder_of_any_names_is_read_and_a_broken_file_costs_its_own_row(tmp_path):
    good = tmp_path / "from ada, final.JSON"
    scores.record_check(Workplace("ada", tmp_path / "x"), 1, [], changed=True, seed=1)
    (tmp_path / "x" / "ada" / "results.json").rename(good)
    for name, content in BROKEN.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "notes.txt").write_text("no result")
    os.mkfifo(tmp_path / "pipe.json")
    links = {"nowhere.json": "/nowhere", "itself.json": "itself.json", "endless.json": "/dev/zero"}
    for name, target in links.items():
        (tmp_path / name).symlink_to(target)
    (tmp_path / "round").symlink_to(tmp_path)
    names = sorted(name.replace("\n", " ") for name in [*BROKEN, *links, "pipe.json"])
    out = tmp_path / "out" / "s.csv"
    shown = run("score", tmp_path, "--csv", out, "--html", tmp_path / "out" / "s.html")
    assert sum(line.startswith("ada ") for line in shown.output.splitlines()) == 1
    rows = list(csv.DictReader(out.open()))
    assert sorted(row["learner"] for row in rows if row["status"] == "cannot be read") == names
    assert len(rows) == len(all_labs()) + len(names)
    page = (tmp_path / "out" / "s.html").read_text()
    assert all(name in page for name in names)
    found = json.loads(run("score", tmp_path, "--json").output)
    assert sum("problem" in row for row in found) == len(names)


def test_results_in_any_unicode_encoding_below_a_linked_folder_are_read(tmp_path):
    there = tmp_path / "elsewhere"
    scores.record_check(Workplace("Åsa", there), 1, [], changed=True, seed=1)
    file = there / "Åsa" / "results.json"
    file.write_bytes(file.read_text().encode("utf-16"))
    (tmp_path / "collected").mkdir()
    (tmp_path / "collected" / "asa").symlink_to(there)
    learners, broken = scores.read_class([tmp_path / "collected"])
    assert [(each.name, each.passed) for each in learners] == [("Åsa", 1)]
    assert not broken


def test_name_is_shown_and_obeyed_by_no_terminal(tmp_path):
    data = {"format": 2, "learner": "", "id": "1", "labs": {}}
    names = {"1": "a\x1b[31mb\nc", "2": "\u202eadA", "3": "x" * 500, "4": "王小明", "5": ""}
    for number, name in names.items():
        told = json.dumps({**data, "id": number, "learner": name})
        (tmp_path / f"{number}.json").write_text(told)
    lines = run("score", tmp_path).output.splitlines()
    assert len(lines) == 1 + len(names)
    assert not any(each in "".join(lines) for each in "\x1b\u202e")
    assert max(map(len, lines)) <= 110
    assert any("(no name)" in line for line in lines)
    column = {len(line) for line in lines if "王" not in line}
    (chinese,) = (line for line in lines[1:] if "王" in line)
    assert {len(chinese) + 3} <= column  # three letters of two columns each


def test_who_has_a_seat_and_has_not_begun_is_on_every_sheet(tmp_path):
    for name in ("ada", "grace", "zoë"):
        seat = Workplace(name, tmp_path).folder_of_learner / "seat.json"
        seat.parent.mkdir()
        seat.write_text(json.dumps({"learner": name}))
    # Before the first start, too.
    assert [each.name for each in scores.read_class([tmp_path])[0]] == ["ada", "grace", "zoë"]
    with LiveSheet([tmp_path]) as sheet:
        assert "3 learners," in read(sheet.url)
    scores.record_check(Workplace("grace", tmp_path), 1, [], changed=True, seed=1)
    learners, broken = scores.read_class([tmp_path])
    assert not broken
    assert [(each.name, each.passed, each.trust) for each in learners] == [
        ("grace", 1, "unsigned"),
        ("ada", 0, "nothing yet"),
        ("zoë", 0, "nothing yet"),
    ]
    out = tmp_path / "s.csv"
    assert "0/21    nothing yet" in run("score", tmp_path, "--csv", out).output
    rows = list(csv.DictReader(out.open()))
    assert {(row["solution"], row["id"]) for row in rows if row["learner"] == "ada"} == {("", "")}


def test_another_learners_file_in_ones_own_place_is_found(tmp_path, signing):
    ada, grace = (Workplace(name, tmp_path) for name in ("ada", "grace"))
    scores.record_check(ada, 1, [], changed=True, seed=1)
    grace.folder_of_learner.mkdir()
    grace.results_file.write_text(ada.results_file.read_text())
    (grace.folder_of_learner / "seat.json").write_text(json.dumps({"learner": "grace"}))
    learners, broken = scores.read_class([tmp_path], KEY)
    assert [(each.name, each.trust) for each in learners] == [("ada", "signed")]
    assert [each.reason for each in broken] == ["holds the results of ada, not grace's"]
    # Nor does the next check of hers sign them as her own.
    scores.record_check(grace, 2, [], changed=True, seed=1)
    learners, broken = scores.read_class([tmp_path], KEY)
    assert not broken
    assert {(each.name, each.trust) for each in learners} == {
        ("ada", "signed"),
        ("grace", "altered"),
    }


def test_copy_under_another_name_keeps_both_rows_and_both_are_told(tmp_path):
    ada = Workplace("ada", tmp_path / "a")
    scores.record_check(ada, 1, [], changed=True, seed=1)
    data = json.loads(ada.results_file.read_text())
    (tmp_path / "grace.json").write_text(json.dumps({**data, "learner": "grace"}))
    shown = run("score", tmp_path).output
    assert "ada: the same results as grace: one is a copy" in shown
    assert "grace: the same results as ada: one is a copy" in shown


@pytest.mark.parametrize(
    ("values", "doubt"),
    [
        ({"started": 9, "passed": 8, "checks": 1}, "passed before it was started"),
        ({"passed": 8, "checks": 1}, "passed without a start"),
        ({"started": 8, "passed": 9}, "without a check"),
        ({"started": 9, "after_change": 2, "checks": 1}, "more tries than checks"),
        ({"started": 8, "passed": 9, "checks": 2, "after_change": 1, "seen": 9}, ""),
    ],
)
def test_times_and_numbers_that_cannot_be_are_asked_about(values, doubt):
    times = {"started", "passed", "seen"}
    ada = learner("ada", **{n: at(v) if n in times else v for n, v in values.items()})
    assert (doubt in scores.as_text([ada], at=at(30))) if doubt else not scores.doubts(ada, at(30))
    assert ("What to ask about" in scores.as_html([ada], at=at(30))) is bool(doubt)
    yesterday = "2025-12-30T10:00:00+00:00"
    assert "has not come yet" in scores.as_text([ada], at=yesterday)


def test_score_of_broken_files_alone_is_one_sentence(tmp_path):
    file = tmp_path / "results.json"
    file.write_text("{")
    with pytest.raises(InputError, match=r"is not a learner's results\.json"):
        run("score", file)


def at(minute):
    return f"2026-01-01T10:{minute:02}:00+00:00"


def learner(name, **values):
    return scores.Learner(name, {3: scores.Score(3, **values)})


def test_sheet_shows_where_a_class_is_stuck():
    tries = {"started": at(0), "seen": at(4), "checks": 4, "after_change": 3, "last": ("Trust",)}
    slow = {"started": at(0), "seen": at(14), "checks": 1}
    gone = {"started": at(0), "seen": at(1), "checks": 1}
    done = {"started": at(0), "passed": at(9), "seen": at(9), "after_change": 9}
    begun = {"started": at(13), "seen": at(14), "after_change": 2}
    learners = [
        learner("tries", **tries),
        learner("slow", **slow),
        learner("gone", **gone),
        learner("done", **done),
        learner("begun", **begun),
    ]
    found = {each.lab.number: each for each in scores.summarise(learners, at(22))}
    assert found[3].lab.minutes == 10
    assert found[3].stuck == ("tries", "slow")
    assert (found[3].started, found[3].passed) == (5, 1)
    assert found[3].now_missed == (("Trust", 1),)
    text = scores.as_text(learners, at=at(22))
    assert "Stuck in lab 3: tries, slow: Trust" in text
    page = scores.as_html(learners, at=at(22))
    assert page.count('class="rw-stuck"') == 3  # two cells and the sum


def test_sheet_of_twenty_fits_a_terminal_and_sorts_in_a_browser():
    learners = [learner(f"learner{number:02}", started=at(0)) for number in range(20)]
    lines = scores.as_text(learners, at=at(0)).splitlines()
    assert len(lines) == 21
    assert max(map(len, lines)) <= 100
    page = scores.as_html(learners, refresh=5)
    assert len(re.findall(r"<th scope=\"col\"><button", page)) == len(all_labs()) + 5
    assert "aria-sort" in page
    assert "setTimeout(() => location.reload(), 5000)" in page
    assert "setTimeout" not in scores.as_html(learners)


def test_live_sheet_shows_a_shared_folder_as_it_fills(tmp_path):
    shared = tmp_path / "shared"
    with LiveSheet([shared], every=5) as sheet:
        assert "is not there yet" in read(sheet.url)
        scores.record_check(Workplace("ada", shared), 1, [], changed=True, seed=1)
        page = read(sheet.url)
        assert "ada" in page
        assert "1 learner," in page
        # Another machine's file while it is being copied: a row until it is whole.
        whole = (shared / "ada" / "results.json").read_bytes().replace(b"ada", b"grace")
        for part, count in ((whole[:70], 1), (b"", 1), (whole, 2)):
            (shared / "grace.json").write_bytes(part)
            assert f"{count} learner" in read(sheet.url)
            assert ("it is not whole" in read(sheet.url)) is (count == 1)
        with pytest.raises(urllib.error.HTTPError, match="404"):
            read(sheet.url.rstrip("/").rpartition("/")[0] + "/")


def read(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()
