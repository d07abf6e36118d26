"""The training's pages: from one source each, offline, and in step with the labs."""

from __future__ import annotations

import json
import re

from click.testing import CliRunner

from rwlib.cli.lab import command
from rwlib.labs.markdown import markdown_html
from rwlib.labs.material import PAGES, answer_key, page, source
from rwlib.labs.model import all_labs
from rwlib.labs.questions import LAYERS
from tests.support import places

NOTEBOOKS = places.ROOT / "notebooks" / "labs"
GUIDE = (NOTEBOOKS / "trainers_guide.md").read_text()


def test_pages_open_without_a_network_and_leave_no_markdown(tmp_path):
    out = CliRunner().invoke(command, ["material", str(tmp_path)], standalone_mode=False)
    assert out.return_value == 0, out.exception
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(f"{n}.html" for n in PAGES)
    for name in PAGES:
        text = page(name)
        shown = re.sub(r"<(style|script|pre|svg|code)\b.*?</\1>", "", text, flags=re.DOTALL)
        assert not re.search(r"https?://|src=|@import|\*\*|\{\{|^#|^\||`", shown, re.MULTILINE), (
            name
        )
        assert name == "handout" or text.count("<h") > 4


def test_answers_are_apart_and_cover_every_lab(tmp_path):
    CliRunner().invoke(command, ["material", str(tmp_path), "--answers"], standalone_mode=False)
    text = (tmp_path / "answer_key.html").read_text()
    guide = (tmp_path / "trainers_guide.md").read_text()
    assert "see\n   Teach a class." in guide
    assert guide.count("\n") == GUIDE.count("\n")
    for lab in all_labs():
        assert f"<h2>{lab.number} {lab.title}</h2>" in text
    assert "iam.update_assume_role_policy(RoleName=$role_name" in text
    for name in PAGES:
        assert "update_assume_role_policy" not in page(name)
    key = answer_key(NOTEBOOKS)
    # Whose repair names a document shows it, and every question has its answer.
    assert '"aws:PrincipalArn": [' in key.partition("## 16 ")[2].partition("## 17 ")[0]
    for lab in all_labs():
        part = key.partition(f"## {lab.number} ")[2].partition("\n## ")[0]
        assert not lab.after or LAYERS[lab.after["layer"]] in part.partition(lab.after["ask"])[2]
        assert "$trust)" not in part or "`$trust`:" in part
        told = json.loads((NOTEBOOKS / lab.file_name).read_text())["cells"]
        solution = next("".join(c["source"]) for c in told if "## Solution" in "".join(c["source"]))
        assert solution.split("\n\n")[2].split("\n")[0][:60] in key, lab.number


def test_slides_are_one_source_cut_at_its_rules():
    count = source("slides").count("\n---\n") + 1
    text = page("slides")
    assert text.count('<section class="rw-slide') == count >= 10
    assert text.count("rw-slide rw-on") == 1
    assert '<svg class="rw-picture"' in text


def test_numbers_of_labs_in_the_material_exist():
    numbers = {lab.number for lab in all_labs()}
    for text in (*(source(name) for name in PAGES), GUIDE):
        for found in re.findall(r"\b[Ll]abs? (\d+(?:(?:, | and )\d+)*)", text):
            assert set(map(int, re.findall(r"\d+", found))) <= numbers, found
    for lab in all_labs():
        assert f"| {lab.number} {lab.title} | {lab.minutes} |" in GUIDE


def minutes(clock):
    hours, _, rest = clock.partition(":")
    return int(hours) * 60 + int(rest)


def test_plans_of_the_guide_have_slots_for_set_up_and_debrief_and_their_own_length():
    for heading, length in (("## 90 minutes", 90), ("## Half a day", 240)):
        part = GUIDE.partition(f"\n{heading}\n")[2].partition("\n## ")[0]
        times = [minutes(each) for each in re.findall(r"^\| (\d:\d\d) \|", part, re.MULTILINE)]
        assert times == sorted(times)
        assert times[0] == 0
        assert times[-1] == length
        assert "Set-up" in part
        assert "Debrief" in part
    lunches = GUIDE.partition("\n## Five lunches\n")[2].partition("\n## ")[0]
    assert len(re.findall(r"^\| \d \|", lunches, re.MULTILINE)) == 5


def test_markdown_shows_html_and_obeys_none():
    text = markdown_html(
        "# A <b>\n\nx *em* **st** `a*b*c` [t](u.md)\n\n- one\n  more\n- `|`\n\n1. a"
    )
    assert "<h1>A &lt;b&gt;</h1>" in text
    assert (
        '<p>x <em>em</em> <strong>st</strong> <code>a*b*c</code> <a href="u.md">t</a></p>' in text
    )
    assert "<ul><li>one more</li><li><code>|</code></li></ul>" in text
    assert "<ol><li>a</li></ol>" in text
    assert markdown_html("| a |\n|---|\n| `b` |").count("<td><code>b</code></td>") == 1
    assert "<pre><code>&lt;x&gt; **no**</code></pre>" in markdown_html("```\n<x> **no**\n```")
