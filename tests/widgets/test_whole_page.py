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


@pytest.mark.parametrize("connector", ["redshift", "iceberg_sink"])
@pytest.mark.parametrize("name", ["orders", ""])
def test_what_was_made_can_be_taken_back_after_options_and_files(
    name, connector, world, complete, monkeypatch
):
    monkeypatch.setenv("RWLIB_GUIDED", "1")
    page = widgets.page({**complete, "name": name, "connectors": [connector], "sql_options": {}})
    page.inputs()
    sections = [page.section(number) for number in range(1, 6)]
    for each in sections[:4]:
        if not each.done:
            each.apply.button.click()
    back = page.finish()
    options = sections[4].preview.options
    options.fields[connector]["table.name"].input.value = "orders_of_today"
    options.take.click()
    assert page.guide.values["sql_options"] == {connector: {"table.name": "orders_of_today"}}
    back.downloads.button.click()
    assert "report.html" in back.downloads.files
    assert not back.ask.disabled
    back.ask.value = True
    assert not back.panel.button.disabled
    assert "Would delete IAM role" in repr(back.panel)


def test_little_is_made_before_somebody_is_to_see_it(page, world):
    from ipywidgets.widgets.widget import _instances

    before = set(_instances)
    for number in range(1, 7):
        page.section(number)
    first = len(set(_instances) - before)
    form = page.inputs()
    assert len(set(_instances) - before) - first < 80
    assert not form.fields["permissions_boundary_arn"].is_made
    form.more.value = True
    assert form.fields["permissions_boundary_arn"].is_made
    form.fields["permissions_boundary_arn"].value = "nonsense"
    assert "nonsense" in form.fields["permissions_boundary_arn"].message.value


def test_a_page_made_ahead_looks_again_when_opened(world, complete, monkeypatch, tmp_path):
    from comm import get_comm_manager

    monkeypatch.setenv("RWLIB_GUIDED", "1")
    monkeypatch.setenv("VOILA_PREHEAT", "True")
    monkeypatch.delenv("RWLIB_TARGET", raising=False)
    monkeypatch.chdir(tmp_path)
    made = widgets.page({})
    form, start = made.inputs(), made.plan()
    assert "Fill in the form first" in start.why.value
    other = widgets.guide(complete, guided=True)
    other.edit(complete)
    boto3.client("s3").create_bucket(Bucket="made-meanwhile")
    manager, answered, looked = get_comm_manager(), [], []
    comm = type("Line", (), {"on_msg": lambda self, call: setattr(self, "asked", call)})()
    for name in ("handle_control_comm_opened", "_handle_control_comm_msg"):
        monkeypatch.setattr(
            f"ipywidgets.Widget.{name}",
            classmethod(lambda cls, *given: answered.append(made.guide.waits)),
        )
    with monkeypatch.context() as patch:
        patch.setattr("rwlib.widgets.guide_state.Guide.look", lambda self: looked.append(1))
        manager.targets["jupyter.widget.control"](comm, {})
    assert looked == []  # the page waits four seconds for the answer, and a look may take longer
    comm.asked({})
    manager.targets["jupyter.widget.control"](comm, {})
    assert answered == [True, True, False]
    assert made.guide.values["bucket"] == complete["bucket"]
    assert form.fields["bucket"].input.value == complete["bucket"]
    assert "made-meanwhile" in form.fields["bucket"].options
    assert made.guide.begun == 1
    assert "Fill in" not in start.why.value


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
