"""``rwlib lab``: labs to learn from, each in a sandbox of its own."""

from __future__ import annotations

import json
import shlex
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

if TYPE_CHECKING:
    from rwlib.labs import Lab, LabTexts, OpenLab


def _options(command: Any) -> Any:
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON"),
        click.option(
            "--state",
            type=click.Path(file_okay=False),
            help="Folder of all learners; RWLIB_LABS, or one of your state folder",
        ),
        click.option("--learner", default="me", show_default=True, help="Who is learning"),
    ):
        command = option(command)
    return command


_key_file = click.option(
    "--key-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File with the class's key; RWLIB_CLASS_KEY_FILE",
)


@click.group("lab")
def command() -> None:
    """Learn on set-ups that are broken, and be scored.

    Each lab has a notebook under notebooks/labs and a sandbox of its own; no AWS account is
    touched.
    """


@command.command("list")
@_options
def list_labs(learner: str, state: str | None, as_json: bool) -> int:
    """List the labs, and how far the learner has come."""
    from rwlib.labs import Learner, all_labs, own_seat, read_results, workplace

    if (seat := own_seat()) is not None:
        words = seat.words()
    else:
        file = workplace(learner, state).results_file
        known = read_results(file) if file.exists() else Learner(learner)
        words = {lab.number: known.of(lab.number).word for lab in all_labs()}
    rows = [
        {
            "lab": lab.number,
            "title": lab.title,
            "minutes": lab.minutes,
            "status": words[lab.number],
            "notebook": f"notebooks/labs/{lab.file_name}",
        }
        for lab in all_labs()
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return 0
    for row in rows:
        click.echo(f"{row['lab']:>3}  {row['minutes']:>3} min  {row['status']:<12} {row['title']}")
    return 0


@command.command("start")
@click.argument("number")
@click.option(
    "--seed",
    type=int,
    help="Changes names, places and the fault",
)
@click.option("--again", is_flag=True, help="Start at the beginning, whatever is there")
@_options
def start(
    number: str, seed: int | None, again: bool, learner: str, state: str | None, as_json: bool
) -> int:
    """Start a lab and its sandbox, which serves until `rwlib lab stop`.

    Prints the environment to export.
    """
    from rwlib.environment import environment_text
    from rwlib.labs import need_sandbox, start_lab

    need_sandbox()
    opened = start_lab(
        number,
        learner,
        seed=seed,
        home=state,
        again=again,
        how="background",
        environment=False,
    )
    lab = opened.lab
    environment = opened.environment
    if as_json:
        facts = {
            "lab": lab.number,
            "title": lab.title,
            "learner": opened.place.learner,
            "bucket": opened.bucket,
            "prefix": opened.prefix,
            "role_arn": opened.role_arn,
            "cluster_id": opened.cluster_id,
            "folder": str(opened.place.folder(lab)),
            "environment": environment,
        }
        click.echo(json.dumps(facts, indent=2))
        return 0
    click.echo(f"# Lab {lab.number} - {lab.title}, {lab.minutes} minutes")
    for objective in lab.objectives:
        click.echo(f"#   {objective}")
    click.echo(f"# Role {opened.role_arn}, place s3://{opened.bucket}/{opened.prefix}")
    click.echo(f"# Go on in notebooks/labs/{lab.file_name}, or in a shell with:")
    click.echo(environment_text(environment, as_json=False), nl=False)
    who = _as_learner(learner, state)
    click.echo(f"# What to do: rwlib lab tasks {lab.number}{who}")
    do = f"rwlib lab check {lab.number}{who}"
    click.echo(f"# Then: {do}, and at the end rwlib lab stop {lab.number}{who}")
    return 0


@command.command("check")
@click.argument("number")
@_options
def check(number: str, learner: str, state: str | None, as_json: bool) -> int:
    """Check a lab against its sandbox; exit code 0 when it is solved, 1 when it is not."""
    with _opened(number, learner, state) as opened:
        result = opened.check()
    if as_json:
        click.echo(json.dumps(result.to_dict(), indent=2))
    else:
        click.echo(repr(result))
    return 0 if result.passed else 1


@command.command("symptom")
@click.argument("number")
@_options
def symptom(number: str, learner: str, state: str | None, as_json: bool) -> int:
    """Let RisingWave run the lab's statement, and show what it says."""
    with _opened(number, learner, state) as opened:
        text = opened.symptom().text
    click.echo(json.dumps({"lab": opened.lab.number, "text": text}) if as_json else text)
    return 0


@command.command("tasks")
@click.argument("number")
@_options
def tasks(number: str, learner: str, state: str | None, as_json: bool) -> int:
    """Show what happened in a lab, and its tasks."""
    lab, texts = _texts(number, learner, state)
    if as_json:
        facts = {"lab": lab.number, "title": lab.title, "story": texts.story, "tasks": texts.tasks}
        click.echo(json.dumps(facts, indent=2))
        return 0
    click.echo(f"Lab {lab.number} - {lab.title}, {lab.minutes} minutes\n")
    click.echo(f"{texts.story}\n\n{texts.tasks}\n")
    hint = f"rwlib lab hint {lab.number}{_as_learner(learner, state)}"
    click.echo(f"There are {len(texts.hints)} hints: {hint} shows the first.")
    who = _as_learner(learner, state)
    click.echo(f"In a shell, lab.look is: rwlib lab look {lab.number} LETTER{who}")
    click.echo(f"The letters are in: rwlib lab question {lab.number}{who}")
    given = [str(lab.number), *([repr(learner)] if learner != "me" else [])]
    given += [f"home={state!r}"] if state else []
    start = f"lab = start_lab({', '.join(given)})"
    click.echo(f"In Python, lab is: from rwlib.labs import start_lab; {start}")
    return 0


@command.command("hint")
@click.argument("number")
@click.argument("which", type=click.IntRange(1), default=1)
@_options
def hint(number: str, which: int, learner: str, state: str | None, as_json: bool) -> int:
    """Show one hint, the first without WHICH; the score sheet notes it."""
    from rwlib.errors import InputError

    lab, texts = _texts(number, learner, state)
    if which > len(texts.hints):
        raise InputError("hint", which, f"is not there; lab {lab.number} has {len(texts.hints)}")
    with _opened(number, learner, state) as opened:
        text = opened.hint(which).text
    if as_json:
        click.echo(json.dumps({"lab": lab.number, "hint": which, "text": text}, indent=2))
        return 0
    click.echo(f"Hint {which} of {len(texts.hints)}\n\n{text}")
    return 0


@command.command("solution")
@click.argument("number")
@click.option(
    "--apply", "applies", is_flag=True, help="Make the calls instead of only showing them"
)
@_options
def solution(number: str, applies: bool, learner: str, state: str | None, as_json: bool) -> int:
    """Show a lab's solution; the score sheet notes it."""
    with _opened(number, learner, state) as opened:
        lab, texts = opened.lab, opened.texts
        code = opened.repair_code()
        shown = opened.solution(apply=applies)
    if as_json:
        facts = {"lab": lab.number, "why": texts.solution, "code": code, "applied": applies}
        click.echo(json.dumps(facts, indent=2))
        return 0
    click.echo(f"{texts.solution}\n\n{shown.text}")
    return 0


@command.command("look")
@click.argument("number")
@click.argument("layer")
@_options
def look(number: str, layer: str, learner: str, state: str | None, as_json: bool) -> int:
    """Show what stands at a LAYER: a letter of `rwlib lab question`, or a name; changes nothing."""
    with _opened(number, learner, state) as opened:
        text = opened.look(layer).text
    click.echo(json.dumps({"lab": opened.lab.number, "text": text}) if as_json else text)
    return 0


@command.command("question")
@click.argument("number")
@click.argument("when", type=click.Choice(["before", "after"]), default="before")
@click.argument("choice", default="")
@_options
def question(
    number: str,
    when: Literal["before", "after"],
    choice: str,
    learner: str,
    state: str | None,
    as_json: bool,
) -> int:
    """Show the question before the repair or after it; with a CHOICE answer it.

    The first answer goes on the score sheet, apart from the repair.
    """
    with _opened(number, learner, state) as opened:
        shown = opened.answer(when, choice) if choice else opened.question(when)
    if as_json:
        click.echo(json.dumps({"lab": opened.lab.number, "text": shown.text}))
        return 0
    click.echo(shown.text)
    if not choice:
        who = _as_learner(learner, state)
        click.echo(f"\nAnswer with: rwlib lab question {opened.lab.number} {when} LETTER{who}")
    return 0


@command.command("reset")
@click.argument("number")
@_options
def reset(number: str, learner: str, state: str | None, as_json: bool) -> int:
    """Put a lab back to its beginning; the score sheet keeps what it has."""
    from rwlib.labs import need_sandbox, reset_lab

    need_sandbox()
    with reset_lab(number, learner, home=state) as opened:
        pass
    done = {"lab": opened.lab.number, "reset": True}
    click.echo(json.dumps(done) if as_json else f"Lab {opened.lab.number} is as at its start.")
    return 0


@command.command("stop")
@click.argument("number", default="all")
@_options
def stop(number: str, learner: str, state: str | None, as_json: bool) -> int:
    """Stop a lab's sandbox, or all of the learner's; what was done in them is kept."""
    from rwlib.labs import all_labs, find_lab, own_seat, stop_serving, workplace

    seat = own_seat()
    place = workplace(seat.learner if seat else learner, state)
    labs = all_labs() if number == "all" else (find_lab(number),)
    stopped = [
        lab.number for lab in labs if (seat.stop(lab.number) if seat else stop_serving(place, lab))
    ]
    if as_json:
        click.echo(json.dumps({"stopped": stopped}))
    else:
        names = ", ".join(map(str, stopped))
        click.echo(f"Stopped: {names}." if stopped else "No sandbox of a lab is running.")
    return 0


@command.command("score")
@click.argument("paths", metavar="[PLACES]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--html", "html_file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--csv", "csv_file", type=click.Path(dir_okay=False, path_type=Path))
@_key_file
@click.option("--state", type=click.Path(file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON")
def score(
    paths: tuple[Path, ...],
    html_file: Path | None,
    csv_file: Path | None,
    key_file: Path | None,
    state: Path | None,
    as_json: bool,
) -> int:
    """Print the score sheet of a class.

    PLACES are learners' results under any names, or folders that hold them; without any, the
    folder of all learners on this machine. A file that cannot be read costs its own row. With the
    class's key, given here or in RWLIB_CLASS_KEY_FILE, the seal on each result is held against it.
    """
    from rwlib.errors import InputError
    from rwlib.labs import class_key, labs_home, scores
    from rwlib.report import write_text

    places = paths or (state or labs_home(),)
    learners, unreadable = scores.read_class(places, class_key(key_file))
    if not learners and unreadable:
        raise InputError("results", str(unreadable[0].file), unreadable[0].reason)
    for file, make in ((html_file, scores.as_html), (csv_file, scores.as_csv)):
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_text(file, make(learners, unreadable))
    show = scores.as_json if as_json else scores.as_text
    click.echo(show(learners, unreadable))
    return 0


@command.command("live")
@click.argument("paths", metavar="[PLACES]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="0 takes a free one")
@click.option("--every", type=click.IntRange(1, 3600), default=5, show_default=True)
@_key_file
@click.option("--state", type=click.Path(file_okay=False, path_type=Path))
def live(
    paths: tuple[Path, ...], port: int, every: int, key_file: Path | None, state: Path | None
) -> int:
    """Serve the score sheet on loopback, for the trainer's screen; it looks again by itself.

    PLACES as for `rwlib lab score`; a folder that all machines of the class write to will do.
    """
    from rwlib.labs import LiveSheet, class_key, labs_home

    places = paths or (state or labs_home(),)
    with LiveSheet(places, key=class_key(key_file), port=port, every=every) as sheet:
        told = _told_to_end()
        click.echo(f"Score sheet, for this machine alone: {sheet.url}\nEnd it with Ctrl-C.")
        sys.stdout.flush()
        _until(told)
    return 0


@command.command("key")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def key(file: Path) -> int:
    """Make a class's key in FILE, with which results are signed; it is never printed."""
    from rwlib.labs import make_key

    make_key(file)
    click.echo(f"The class's key is in {file}. Keep it from the learners.")
    return 0


@command.command("material")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--answers", is_flag=True, help="Also answer key and trainer's guide")
def material(folder: Path, answers: bool) -> int:
    """Write slides, handout and primer into FOLDER, as pages that open without a network."""
    from rwlib.headless import notebook_path
    from rwlib.labs import find_lab, write_material

    notebooks = notebook_path(f"labs/{find_lab(1).file_name}").parent
    for file in write_material(folder, notebooks, answers=answers):
        click.echo(str(file))
    return 0


@command.command("serve")
@click.option(
    "--learners",
    type=click.IntRange(0, 200),
    default=0,
    help="How many seats, with those of --names",
)
@click.option(
    "--names",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File with the learners' names, one per line",
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="The first seat's; 0 takes free ones"
)
@click.option(
    "--workers", type=click.IntRange(0, 64), default=0, help="Processes; 0 means one per core"
)
@_key_file
@click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of all learners; RWLIB_LABS, or one of your state folder",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, tokens included")
def serve(
    learners: int,
    names: Path | None,
    port: int,
    workers: int,
    key_file: Path | None,
    state: Path | None,
    as_json: bool,
) -> int:
    """Serve a class on this machine until Ctrl-C: a port, token and folder for each learner.

    A learner needs RWLIB_SEAT in the environment, with the path of the own seat.json or its text;
    notebooks and `rwlib lab` work there as ever. With a class's key, results are signed here.
    """
    from rwlib.labs import ClassServer, labs_home, learner_names, need_sandbox

    need_sandbox()
    known = learner_names(learners, names)
    home = state or labs_home()
    with ClassServer(known, home, port=port, workers=workers, key_file=key_file) as served:
        seats = [
            {
                "learner": seat.learner,
                "port": int(seat.url.rpartition(":")[2]),
                "url": seat.url,
                "folder": str(served.seat_file(seat).parent),
                "seat": str(served.seat_file(seat)),
                **({"state": seat.home, "token": seat.token} if as_json else {}),
            }
            for seat in served.seats
        ]
        told = _told_to_end()
        if as_json:
            click.echo(json.dumps({"signed": served.is_signed, "seats": seats}))
        else:
            signed = "signed" if served.is_signed else "not signed: there is no --key-file"
            click.echo(f"{len(seats)} seats; results are {signed}.")
            for each in seats:
                where = shlex.quote(str(each["seat"]))
                click.echo(f"  {each['learner']:<16} {each['url']}  RWLIB_SEAT={where}")
            live = ["rwlib", "lab", "live", str(home)]
            live += ["--key-file", str(key_file)] if key_file else []
            click.echo(f"The class's score sheet: {shlex.join(live)}\nEnd the class with Ctrl-C.")
        sys.stdout.flush()
        return 4 if _until(told, served.ended) else 0


def _told_to_end() -> threading.Event:
    """Give what SIGINT and SIGTERM set; taken before anybody is told to press Ctrl-C."""
    told = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: told.set())
    return told


def _until(told: threading.Event, ended: Callable[[], list[int]] = list) -> list[int]:
    """Wait until told to end, or until something has ended by itself; give what did."""
    while not told.wait(timeout=0.5):
        if codes := ended():
            return codes
    return []


def _texts(number: str, learner: str, state: str | None) -> tuple[Lab, LabTexts]:
    """Return a lab's texts, in the names of the learner's own where it was started."""
    from rwlib.headless import notebook_path
    from rwlib.labs import drawn_lab, find_lab, own_seat, texts_of, workplace

    lab = find_lab(number)
    seat = own_seat()
    place = workplace(seat.learner, seat.home) if seat else workplace(learner, state)
    if (known := place.remembered(lab)) is not None:
        lab = drawn_lab(lab, int(known["seed"]), known)
    return lab, texts_of(lab, notebook_path(f"labs/{lab.file_name}"))


def _as_learner(learner: str, state: str | None) -> str:
    """Return the options with which the next command finds the same learner."""
    words = [] if learner == "me" else ["--learner", learner]
    words += ["--state", state] if state else []
    return "".join(f" {shlex.quote(word)}" for word in words)


def _opened(number: str, learner: str, state: str | None) -> OpenLab:
    from rwlib.labs import need_sandbox, open_lab

    need_sandbox()
    opened = open_lab(number, learner, home=state)
    if opened.is_served_here:
        start = f"rwlib lab start {opened.lab.number}{_as_learner(learner, state)}"
        click.echo(
            "note: The lab's sandbox was not running; it is served as it was left, for this "
            f"command alone. `{start}` lets it run on.",
            err=True,
        )
    return opened
