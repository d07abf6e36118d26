"""The one page: inputs once, sections that open one after the other, and back again."""

from __future__ import annotations

import boto3
import pytest

from rwlib import widgets
from rwlib.steps.step import State
from tests.widgets.test_guide import ROLE, complete, trust_of, world

pytestmark = pytest.mark.slow

__all__ = ["complete", "world"]


@pytest.fixture
def page(world, complete, monkeypatch):
    monkeypatch.setenv("RWLIB_GUIDED", "1")
    return widgets.page(complete)


def shown(section):
    return section.body.layout.display != "none"


def test_sections_open_one_after_the_other_and_fold_to_their_verdict(page, world):
    form, sections = page.inputs(), [page.section(number) for number in range(1, 6)]
    verdict = page.verdict()
    assert [shown(each) for each in sections] == [True, False, False, False, False]
    assert not shown(verdict)
    world.forget_calls()
    for at, section in enumerate(sections[:4]):
        if section.guide.state_of(at + 1).state is State.SUCCESS:
            continue  # the trust policy came with the role
        assert shown(section)
        if at == 0:
            assert not [call for call in world.calls() if call["action"].startswith("Create")]
        section.apply.button.click()
        assert not shown(section)
        assert "Done. " in section.head.value
        assert "✓ done" in section.head.value
    assert "checks" in sections[0].head.value
    assert shown(sections[4])
    assert shown(verdict)
    assert "None of" in verdict.verdict.summary.value
    assert "<svg" in verdict.verdict.drawing.value
    sections[0].fold.value = True
    assert shown(sections[0])
    assert "Nothing to apply" in sections[0].apply.why.value
    form.fields["prefix"].value = "finance"
    assert not any(map(shown, [*sections, verdict]))


def test_taking_back_asks_first_and_what_was_said_grows_old(page, world):
    sections = [page.section(number) for number in range(1, 5)]
    for each in sections:
        each.apply.button.click()
    back = page.finish()
    assert back.panel is None
    assert trust_of()
    back.ask.value = True
    assert "Would delete IAM role" in repr(back.panel)
    assert ROLE in [role["RoleName"] for role in boto3.client("iam").list_roles()["Roles"]]
    back.panel.button.click()
    assert "Deleted IAM role" in back.panel.result.value
    assert ROLE not in [role["RoleName"] for role in boto3.client("iam").list_roles()["Roles"]]
    assert "Created" not in "".join(each.apply.result.value for each in sections)
    assert shown(sections[0])
    assert not any(map(shown, sections[1:]))


def test_headless_page_loads_no_widget(world, complete):
    import subprocess
    import sys

    code = (
        "import sys; from rwlib import widgets; page = widgets.page({!r}); page.plan(); "
        "page.section(1); assert 'ipywidgets' not in sys.modules"
    )
    values = {name: value for name, value in complete.items() if value}
    subprocess.run([sys.executable, "-c", code.format(values)], check=True)


def test_the_steps_guide_opens_also_after_the_page():
    assert callable(widgets.page)
    from rwlib.widgets import sections

    assert sections.SectionPanel
    assert not isinstance(widgets.guide, type(sections))
