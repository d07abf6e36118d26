"""Write the outputs that the README and the pages show from real runs: ``python docs/samples.py``,
or ``python docs/samples.py diagnose`` for the samples whose command holds that word.

A sample is a fenced block after a comment that names its command, and where needed the lines
between which it is cut::

    <!-- output of: rwlib lab list; until: 4 -->

``tests/docs/test_samples.py`` runs the commands again and compares. What differs from run to run
(dates, hashes) is written as ``…``.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_SAMPLE = re.compile(
    r"<!-- output of: (?P<command>rwlib [^;]+?)"
    r"(?:; from: (?P<first>[^;]+?))?(?:; until: (?P<until>[^;]+?))? -->\n\n?"
    r"```text\n(?P<text>.*?)```",
    re.DOTALL,
)
_CHANGING = (
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d{6}Z_"), "…_"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "…"),
)


@dataclass(frozen=True)
class Sample:
    """One output that a page shows.

    Parameters
    ----------
    first, until
        The beginnings of the line it starts with, and of the one before which it ends.
    """

    page: Path
    command: str
    first: str
    until: str
    text: str


def pages() -> list[Path]:
    """Return every page that a person wrote."""
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"]
    return sorted([*found, *(ROOT / "docs").rglob("*.md")])


def samples() -> Iterator[Sample]:
    """Yield the samples of all pages."""
    for page in pages():
        for match in _SAMPLE.finditer(page.read_text(encoding="utf-8")):
            found = match.groupdict(default="")
            yield Sample(page, found["command"], found["first"], found["until"], found["text"])


def prepare(folder: Path) -> None:
    """Make the files that the pages name: the README's own target, examples, a batch, a log."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"```yaml\n(# orders\.yaml\n.*?)```", readme, re.DOTALL)
    assert block is not None, "the README shows no orders.yaml"
    (folder / "orders.yaml").write_text(block[1], encoding="utf-8")
    (folder / "examples").symlink_to(ROOT / "examples")
    (folder / "targets.csv").write_bytes((ROOT / "examples" / "batch.csv").read_bytes())
    (folder / "sink.sql").write_text(
        "CREATE SINK orders FROM orders WITH (connector = 's3', s3.path = 'risingwave/orders');\n",
        encoding="utf-8",
    )
    (folder / "risingwave.log").write_text(
        "ERROR User: arn:aws:sts::444455556666:assumed-role/g1jk13sq56ejdref71h1cvokbh-role/"
        "reqsign is not authorized to perform: sts:AssumeRole on resource: "
        "arn:aws:iam::111122223333:role/risingwave-s3-access\n",
        encoding="utf-8",
    )


def output(command: str) -> str:
    """Run a command in an empty folder and return what it prints, without what always differs."""
    with tempfile.TemporaryDirectory() as place:
        prepare(Path(place))
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "RWC_", "RW_", "RWLIB_"))
        }
        python_path = {"PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "80"}
        done = subprocess.run(
            [sys.executable, "-m", *shlex.split(command)],
            cwd=place,
            env={**inherited, **python_path, "RWLIB_LABS": f"{place}/labs"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
    if done.returncode not in (0, 1, 3) or "Traceback" in done.stdout:
        raise SystemExit(f"{command}: {done.stdout}")
    text = done.stdout.replace(f"{Path(place).resolve()}/", "").replace(f"{place}/", "")
    for pattern, instead in _CHANGING:
        text = pattern.sub(instead, text)
    return text


def cut(text: str, first: str, until: str) -> str:
    """Return the part of an output that a sample shows."""
    lines = text.splitlines()
    begin = next((at for at, line in enumerate(lines) if first and line.startswith(first)), 0)
    end = next(
        (at for at, line in enumerate(lines) if until and at > begin and line.startswith(until)),
        len(lines),
    )
    return "\n".join(lines[begin:end]).strip("\n") + "\n"


def _is_chosen(command: str) -> bool:
    return not sys.argv[1:] or any(word in command for word in sys.argv[1:])


def main() -> None:
    """Write every sample again, or those whose command holds one of the words given."""
    commands = {each.command for each in samples()}
    chosen = [each for each in commands if _is_chosen(each)]
    ran = {command: output(command) for command in chosen}

    def again(match: re.Match[str]) -> str:
        found = match.groupdict(default="")
        if found["command"] not in ran:
            return match[0]
        new = cut(ran[found["command"]], found["first"], found["until"])
        start, end = match.span("text")
        whole, offset = match[0], match.start()
        return whole[: start - offset] + new + whole[end - offset :]

    for page in pages():
        text = page.read_text(encoding="utf-8")
        if (new := _SAMPLE.sub(again, text)) != text:
            page.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
