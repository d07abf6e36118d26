"""Step 5's options as fields: one for each option of each chosen connector.

What is offered comes from the connector's own file. The SQL is drawn while somebody types; the
guide's inputs change when the fields are taken, so that nothing above folds under their hands.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import ipywidgets

from rwlib.connectors import connector_names, connector_profile
from rwlib.errors import InputError
from rwlib.sql import OptionField, option_fields, statements_for
from rwlib.steps import State
from rwlib.target import Target
from rwlib.widgets.panel import fill, note, page, small

if TYPE_CHECKING:
    from rwlib.widgets.guide_state import Guide


_NO_NAME = (
    "this is a secret in plain text, which is never taken; run CREATE SECRET in RisingWave first, "
    "and write the secret's name here"
)


class SqlField:
    """One option as a field with its help and what is wrong with it."""

    def __init__(self, option: OptionField, value: Any) -> None:
        self.option = option
        common: dict[str, Any] = {"description": option.name}
        self.input: Any
        if option.choices:
            self.input = ipywidgets.Dropdown(options=["", *option.choices], **common)
        else:
            shown = f"for example {option.example}" if option.example else ""
            self.input = ipywidgets.Text(placeholder=shown, **common)
        self.put(value)
        self.message = page()
        self.box = ipywidgets.VBox([self.input, page(small(option.help)), self.message])
        self.box.add_class("rw-field")

    def put(self, value: Any) -> None:
        """Show a value."""
        if self.option.choices:
            chosen = str(value).lower() if isinstance(value, bool) else str(value or "")
            self.input.options = list(dict.fromkeys(["", *self.option.choices, chosen]))
            self.input.value = chosen
            return
        text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
        text = f"secret {text['secret']}" if isinstance(text, Mapping) else text
        self.input.value = "" if text is None else self._plain(str(text))

    def _plain(self, text: str) -> str:
        """Show a secret as its name alone."""
        word, _, name = text.partition(" ")
        named = self.option.by_name and word.lower() == "secret" and name
        return name.strip() if named else text

    @property
    def value(self) -> str:
        """What stands in the field, as ``sql_options`` takes it; empty for nothing."""
        text = str(self.input.value).strip()
        named = self.option.by_name and text.isidentifier()
        return f"secret {text}" if named else text

    def complain(self, text: str) -> None:
        """Say what is wrong under the field."""
        fill(self.message, small(text, "fail"))


def _typed_there(fields: Mapping[str, SqlField], given: str) -> SqlField | None:
    """Return the field whose text is in what was refused, where that is made of several."""
    typed = [each for each in fields.values() if each.value and each.value.lower() in given.lower()]
    return max(typed, key=lambda each: len(each.value), default=None)


def _is_one_line(value: Any) -> bool:
    """Tell whether a field can hold a value; one that it cannot stays as it is."""
    if isinstance(value, Mapping):
        return set(value) == {"secret"}
    return not isinstance(value, list | tuple) or all(isinstance(each, str) for each in value)


class SqlFields:
    """The fields of all chosen connectors, the SQL that they come to, and the button.

    Parameters
    ----------
    guide
        Its inputs are read, and changed when the fields are taken.
    """

    def __init__(self, guide: Guide) -> None:
        self.guide = guide
        self.box = ipywidgets.VBox([])
        self.fields: dict[str, dict[str, SqlField]] = {}
        self.take = ipywidgets.Button(
            description="Use these options", tooltip="Take them into the inputs; writes nothing"
        )
        self.take.on_click(self._taken)
        self.said, self.drawn = page(), page()
        self._made_of: Any = None
        self._inputs: Any = None
        self._silent = False

    def refresh(self) -> None:
        """Offer the fields of the connectors as they are chosen now.

        A field that stays is the same one, so that nobody who types in it loses the place.
        """
        guide = self.guide
        self.box.layout.display = "none" if guide.waits else ""
        if guide.waits:
            return
        target = guide.runbook.target
        options = {name: self._given(name, target) for name in target.connectors}
        made_of = [
            (name, str(own.get("kind")), tuple(key for key in own if not _is_one_line(own[key])))
            for name, own in options.items()
        ]
        inputs = (tuple(target.connectors), repr(dict(target.sql_options)))
        if inputs == self._inputs:
            return
        self._inputs = inputs
        if made_of == self._made_of:
            self._put(options)
        else:
            self._made_of, self.fields = made_of, {}
            children = [part for name in options for part in self._fields_of(name, options[name])]
            self.box.children = [*children, self.take, self.said, self.drawn]
        fill(self.said, "")
        fill(self.drawn, "")
        self.take.disabled = True

    def _put(self, given: Mapping[str, Mapping[str, Any]]) -> None:
        """Show other values in the fields that are there, as nobody's typing."""
        self._silent = True
        try:
            for name, fields in self.fields.items():
                for key, field in fields.items():
                    field.complain("")
                    field.put(given[name].get(key))
        finally:
            self._silent = False

    def _fields_of(self, name: str, given: Mapping[str, Any]) -> list[Any]:
        known = option_fields(name, given.get("kind"))
        options = [each for each in known if _is_one_line(given.get(each.name))]
        made = {each.name: SqlField(each, given.get(each.name)) for each in options}
        self.fields[name] = made
        for field in made.values():
            field.input.observe(self._typed, names="value")
        first = [made[each.name].box for each in options if each.needed]
        rest = [made[each.name].box for each in options if not each.needed]
        others = ipywidgets.VBox(rest)
        others.layout.display = "none"
        more = ipywidgets.ToggleButton(value=False, description=f"Show {len(rest)} more options")

        def toggle(change: Any) -> None:
            others.layout.display = "" if change["new"] else "none"
            more.description = f"{'Hide' if change['new'] else 'Show'} {len(rest)} more options"

        more.observe(toggle, names="value")
        title = page(f"<strong>{connector_profile(name).label}</strong>")
        return [title, *first, more, others]

    def _given(self, name: str, target: Target) -> dict[str, Any]:
        """Return what a connector is given: what is shared, and its own over it."""
        return {**self._shared(target), **self._own(name, target)}

    def _chosen(self) -> dict[str, Any]:
        """Return ``sql_options`` as the fields have them; what has no field stays as it is."""
        target = self.guide.runbook.target
        chosen: dict[str, Any] = {}
        for name, fields in self.fields.items():
            kept = {k: v for k, v in self._own(name, target).items() if k not in fields}
            typed = {key: field.value for key, field in fields.items() if field.value}
            if kept or typed:
                chosen[name] = {**kept, **typed}
        offered = {key for fields in self.fields.values() for key in fields}
        shared = {k: v for k, v in self._shared(target).items() if k not in offered}
        return {**shared, **chosen}

    @staticmethod
    def _shared(target: Target) -> dict[str, Any]:
        names = connector_names()
        return {key: item for key, item in target.sql_options.items() if key not in names}

    @staticmethod
    def _own(name: str, target: Target) -> Mapping[str, Any]:
        own = target.sql_options.get(name)
        return own if isinstance(own, Mapping) else {}

    def _typed(self, change: Any) -> None:
        """Draw the SQL anew, or say at its field what is wrong."""
        from rwlib.display import page_parts

        if self.guide.waits or self._silent:
            return
        runbook = self.guide.runbook
        wrong, rows = False, []
        chosen = self._chosen()
        for name, fields in self.fields.items():
            own = {k: v for k, v in chosen.items() if k not in connector_names() or k == name}
            target = runbook.target.model_copy(update={"connectors": [name], "sql_options": own})
            for field in fields.values():
                field.complain("")
            try:
                found = statements_for(target, runbook.role_arn, runbook.bucket.region_name)
            except InputError as error:
                wrong = True
                self._complain(fields, error)
                continue
            rows += [
                {"connector": e.connector, "sql": e.sql, "notes": list(e.notes)} for e in found
            ]
        self.take.disabled = wrong
        said = "Not taken yet. The SQL as it would be:"
        said = "One of the options cannot be used." if wrong else said
        fill(self.said, note(said, "bad" if wrong else ""))
        fill(self.drawn, str(page_parts().sql_list(rows, True)))

    @staticmethod
    def _complain(fields: Mapping[str, SqlField], error: InputError) -> None:
        named = error.field.partition(".")[2] or str(error.given)
        field = fields.get(named) or _typed_there(fields, str(error.given))
        if field is not None and field.option.by_name and not field.input.value.isidentifier():
            field.complain(_NO_NAME)
        elif field is None or named != field.option.name:
            shown = field or next(iter(fields.values()))
            shown.complain(f"{named}: {error.clause}" if named else error.clause)
        else:
            field.complain(error.clause)

    def _taken(self, button: Any) -> None:
        """Take the fields into the inputs and look again; writes nothing."""
        guide = self.guide
        guide.edit({**guide.values, **self._policy_kept(), "sql_options": self._chosen()})
        guide.look()

    def _policy_kept(self) -> dict[str, str]:
        """Name the policy that Step 1 has written, where it would have another name after this.

        A target without a name tells its policy from others by the tables of its catalogs too.
        """
        guide = self.guide
        target = guide.runbook.target
        catalogs = any(connector_profile(name).catalog for name in target.connectors)
        written = guide.state_of(1).state is State.SUCCESS
        given = guide.values.get("policy_name") or guide.values.get("name")
        if not catalogs or not written or given:
            return {}
        return {"policy_name": target.policy_name}
