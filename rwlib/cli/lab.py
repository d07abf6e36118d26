"""``rwlib lab``: labs to learn from, each in a sandbox of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rwlib.labs import OpenLab


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
    from rwlib.labs import Learner, all_labs, read_results, workplace

    place = workplace(learner, state)
    file = place.results_file
    known = read_results(file) if file.exists() else Learner(learner)
    rows = [
        {
            "lab": lab.number,
            "title": lab.title,
            "minutes": lab.minutes,
            "status": known.of(lab.number).word,
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
@click.option("--seed", type=int, help="What the last lab draws its faults from")
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
            "learner": learner,
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
    click.echo(f"# Then: rwlib lab check {lab.number}, and at the end rwlib lab stop {lab.number}")
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


@command.command("reset")
@click.argument("number")
@_options
def reset(number: str, learner: str, state: str | None, as_json: bool) -> int:
    """Put a lab back to its beginning; the score sheet keeps what it has."""
    with _opened(number, learner, state) as opened:
        opened.reset()
    done = {"lab": opened.lab.number, "reset": True}
    click.echo(json.dumps(done) if as_json else f"Lab {opened.lab.number} is as at its start.")
    return 0


@command.command("stop")
@click.argument("number", default="all")
@_options
def stop(number: str, learner: str, state: str | None, as_json: bool) -> int:
    """Stop a lab's sandbox, or all of the learner's; what was done in them is kept."""
    from rwlib.labs import all_labs, find_lab, stop_serving, workplace

    place = workplace(learner, state)
    labs = all_labs() if number == "all" else (find_lab(number),)
    stopped = [lab.number for lab in labs if stop_serving(place, lab)]
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
@click.option("--state", type=click.Path(file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON")
def score(
    paths: tuple[Path, ...],
    html_file: Path | None,
    csv_file: Path | None,
    state: Path | None,
    as_json: bool,
) -> int:
    """Print the score sheet of a class.

    PLACES are learners' results.json files, or folders that hold them; without any, the folder of
    all learners on this machine.
    """
    from rwlib.labs import labs_home, scores
    from rwlib.report import write_text

    files = scores.find_results(paths or (state or labs_home(),))
    learners = scores.merge(scores.read_results(file) for file in files)
    for file, make in ((html_file, scores.as_html), (csv_file, scores.as_csv)):
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_text(file, make(learners))
    click.echo(scores.as_json(learners) if as_json else scores.as_text(learners))
    return 0


def _opened(number: str, learner: str, state: str | None) -> OpenLab:
    from rwlib.labs import need_sandbox, open_lab

    need_sandbox()
    return open_lab(number, learner, home=state)
