"""Step 5's fields: what is needed first, the SQL while typing, and nothing taken unasked."""

from __future__ import annotations

import pytest

from rwlib import widgets
from rwlib.connectors import connector_names
from rwlib.sql import option_fields, statements_for
from rwlib.target import Target
from tests.widgets.test_guide import complete, set_up, world

__all__ = ["complete", "world"]


@pytest.mark.parametrize("name", connector_names())
def test_fields_that_are_needed_are_those_the_statements_leave_open(name):
    target = Target(
        workload_identity_arn="arn:aws:iam::444455556666:role/w",
        bucket="acme-analytics",
        connectors=[name],
    )
    role = "arn:aws:iam::111122223333:role/r"
    (sql,) = statements_for(target, role, "us-east-1")
    fields = option_fields(name)
    assert {each.name for each in fields if each.needed} == set(sql.placeholders)
    offered = [each.name for each in fields]
    assert len(offered) == len(set(offered))
    assert not [each for each in offered if "assume_role" in each or "iam_role_arn" in each]
    assert [each.name for each in fields if not each.help] == []
    assert [e.name for e in fields if e.needed and not (e.example or e.choices)] == []


@pytest.mark.slow
def test_what_is_made_of_several_options_is_complained_of_where_it_was_typed(world, complete):
    values = {**complete, "connectors": ["s3_sink"], "sql_options": {}}
    set_up(values)
    fields = widgets.guide(values, step=5, guided=True).preview().options.fields["s3_sink"]
    fields["format"].input.value = "a b"
    assert "FORMAT A B" in fields["format"].message.value
    assert fields["from"].message.value == ""


@pytest.mark.slow
def test_sql_is_drawn_while_typing_and_taken_with_one_click(world, complete):
    values = {**complete, "connectors": ["redshift"], "sql_options": {}}
    set_up(values)
    guide = widgets.guide(values, step=5, guided=True)
    preview = guide.preview()
    options = preview.options
    fields = options.fields["redshift"]
    assert options.take.disabled
    # Written is not run: the badge says whose turn it is, as the step's card does.
    assert ">manual<" in preview.body.value
    assert ">done<" not in preview.body.value
    fields["table.name"].input.value = "orders_of_today"
    assert "table.name = &#39;orders_of_today&#39;" in options.drawn.value
    assert "orders_of_today" not in preview.body.value
    assert guide.values["sql_options"] == {}
    fields["password"].input.value = "p@ss word"
    assert "is a secret in plain text" in fields["password"].message.value
    assert "p@ss" not in options.drawn.value + fields["password"].message.value
    assert options.take.disabled
    fields["password"].input.value = "redshift_password"
    assert "password = secret redshift_password" in options.drawn.value
    world.forget_calls()
    options.take.click()
    assert not [call for call in world.calls() if call["action"].startswith(("Create", "Put"))]
    assert guide.values["sql_options"] == {
        "redshift": {"table.name": "orders_of_today", "password": "secret redshift_password"}
    }
    assert "orders_of_today" in preview.body.value
    assert options.fields["redshift"]["password"].input.value == "redshift_password"


@pytest.mark.slow
def test_what_no_field_holds_stays_as_it_was(world, complete):
    given = {"columns": [{"name": "id", "type": "INT"}], "name": "files"}
    values = {**complete, "connectors": ["s3_source"], "sql_options": given}
    set_up(values)
    guide = widgets.guide(values, step=5, guided=True)
    options = guide.preview().options
    options.fields["s3_source"]["refresh.interval.sec"].input.value = "60"
    options.take.click()
    assert guide.values["sql_options"]["columns"] == given["columns"]
    assert guide.values["sql_options"]["s3_source"]["name"] == "files"
