"""One field of the form: its label, its input, what was detected, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, get_args

import ipywidgets

from rwlib.connectors import connector_names, connector_profile
from rwlib.errors import InputError, RunbookError
from rwlib.target import Target, split_text
from rwlib.widgets.choices import Choices
from rwlib.widgets.panel import fill, looking_alike, page, shared_look, small

LABELS = {
    "workload_identity_arn": "Workload Identity (IAM Role ARN)",
    "cluster_id": "RisingWave Cloud cluster",
    "bucket": "S3 bucket",
    "prefix": "Prefix inside the bucket",
    "region_name": "Region of the bucket",
    "role_name": "IAM role",
    "aws_profile": "AWS profile",
    "connectors": "What you are going to create in RisingWave",
    "kms_key_arn": "KMS key",
    "sql_options": "Options of the connectors",
    "accept_findings": "Findings to accept",
    "run_sql": "Run the SQL in RisingWave from here",
    "allowed_principal_confirmed_by": "Who added the role in the console",
}
WHERE = {
    "cluster_id": "With RWC_API_KEY and RWC_API_SECRET set the clusters are in the list, and the "
    "Workload Identity is filled in",
    "workload_identity_arn": "In RisingWave Cloud's console: the cluster, Network Access, tab "
    "Cloud Meta, Workload Identity (IAM Role ARN)",
    "bucket": "The list shows what your credentials may see",
    "prefix": "The folder that RisingWave may use; empty means the whole bucket",
    "role_name": "Yours to choose; an existing role is adopted and keeps what it has",
}
_COLLECTIONS = ("tags", "sql_options")
_CHOSEN = ("bucket", "prefix", "role_name", "aws_profile", "workload_identity_arn")


def _help_of(name: str) -> str:
    """Return what a field is, and where its value is found."""
    said = Target.model_fields[name].description or ""
    return f"{said}. {WHERE[name]}" if name in WHERE else said


def label_of(name: str) -> str:
    """Return a field's name in plain words."""
    return LABELS.get(name, name.replace("_", " ").capitalize())


class FieldLine:
    """A sentence under a field; all that are under one field are one widget."""

    def __init__(self, draw: Callable[[], None]) -> None:
        self.value = ""
        self._draw = draw

    def say(self, body: str) -> None:
        """Show a part of the page; nothing for no text."""
        if body != self.value:
            self.value = body
            self._draw()


class Field:
    """A field of a target as a widget, made when somebody is to see it.

    What is said of a field that nobody has seen yet is kept, and there when it is made.

    Parameters
    ----------
    on_edit
        Called with the field's name and its new value.
    """

    def __init__(self, name: str, value: Any, on_edit: Callable[[str, Any], None]) -> None:
        self.name = name
        self.touched = False
        self._given = value
        self._choices: Choices | None = None
        self._asks_while_typing = True
        self._on_edit = on_edit
        self._silent = False
        self.help, self.detected = FieldLine(self._draw), FieldLine(self._draw)
        self.warning, self.message = FieldLine(self._draw), FieldLine(self._draw)
        self.help.say(small(_help_of(name)))

    @cached_property
    def input(self) -> Any:
        """What is typed into, or chosen from."""
        made = self._make(self._given)
        if self._choices is not None:
            self._offer_in(made, self._choices)
        if isinstance(made, ipywidgets.Combobox):
            made.continuous_update = self._asks_while_typing
        made.observe(self._changed, names="value")
        return made

    @cached_property
    def box(self) -> ipywidgets.VBox:
        """The field with what is said under it."""
        self._said = page()
        box = ipywidgets.VBox([self.input, self._said], **shared_look(ipywidgets.VBox))
        box.add_class("rw-field")
        box.add_class(f"rw-field-{self.name.replace('_', '-')}")
        self._draw()
        return box

    @property
    def is_made(self) -> bool:
        """True as soon as there is a widget for it."""
        return "input" in self.__dict__

    def _draw(self) -> None:
        if "_said" in self.__dict__:
            lines = (self.help, self.detected, self.warning, self.message)
            fill(self._said, "".join(f"<div>{each.value}</div>" for each in lines if each.value))

    @property
    def value(self) -> Any:
        """The value as it stands in the field."""
        return self._read(self.input.value if self.is_made else self._text(self._given))

    @value.setter
    def value(self, value: Any) -> None:
        self.input.value = self._text(value)

    @property
    def options(self) -> Mapping[str, str]:
        """What can be chosen, each with its text; empty where nothing could be read."""
        found = self._choices or Choices()
        return {each: found.label(each) for each in found.options}

    def put(self, value: Any) -> None:
        """Show a value without telling anybody: it was detected, not typed."""
        self._given = value
        if not self.is_made:
            return
        self._silent = True
        try:
            if isinstance(self.input, ipywidgets.Dropdown):
                known = {
                    each[1] if isinstance(each, tuple) else each for each in self.input.options
                }
                if value not in known:
                    self.input.options = [*self.input.options, (str(value), value)]
            self.input.value = self._text(value)
        finally:
            self._silent = False

    def complain(self, problem: RunbookError | str | None) -> None:
        """Say what is wrong, under the field; nothing when it is right.

        What nobody has filled in yet is no fault: it is said in a quiet voice.
        """
        text, empty = str(problem or ""), False
        if isinstance(problem, InputError) and problem.field == self.name:
            empty = problem.reason == "empty"
            text = f"Needed: {problem.todo}" if empty and problem.todo else problem.clause
        self.message.say(small(text, "" if empty and not self.touched else "fail"))

    def tell(self, text: str) -> None:
        """Say what was detected."""
        self.detected.say(small(f"Detected: {text}" if text else ""))

    def warn(self, text: str) -> None:
        """Say what is right in form and may still not be what is meant."""
        self.warning.say(small(f"Note: {text}" if text else "", "unknown"))

    def offer(self, choices: Choices) -> None:
        """Offer what can be chosen; free text stays possible."""
        self._choices = choices
        if self.is_made:
            self._offer_in(self.input, choices)
        said = _help_of(self.name)
        self.help.say(small(f"{said}. {choices.why_not}." if choices.why_not else said))

    def ask_while_typing(self, asks: bool) -> None:
        """Say whether every key is a question, or only what stands there when it is left."""
        self._asks_while_typing = asks
        if self.is_made:
            self.input.continuous_update = asks

    def _offer_in(self, made: Any, choices: Choices) -> None:
        if isinstance(made, ipywidgets.Combobox):
            made.options = choices.options
        elif isinstance(made, ipywidgets.Dropdown) and self.name == "cluster_id":
            self._offer_clusters(made, choices)

    def _offer_clusters(self, made: Any, choices: Choices) -> None:
        current = made.value or ""
        options = [(choices.label(each), each) for each in choices.options]
        if current and current not in choices.options:
            options.append((current, current))
        empty = "choose a cluster" if choices.options else "none can be read; type the ARN below"
        self._silent = True
        try:
            made.options = [(empty, ""), *options]
            made.value = current
        finally:
            self._silent = False

    def _make(self, value: Any) -> Any:
        name, info = self.name, Target.model_fields[self.name]
        common: dict[str, Any] = {"description": label_of(name)}
        if name == "connectors":
            return ConnectorPicker(value or ())
        if name == "cluster_id":
            given = value or ""
            options = [("choose a cluster", "")] + ([(given, given)] if given else [])
            return looking_alike(ipywidgets.Dropdown, options=options, value=given, **common)
        if name in _CHOSEN:
            return looking_alike(ipywidgets.Combobox, value=self._text(value), **common)
        if name == "policy_style":
            known = get_args(info.annotation)
            chosen = value if value in known else known[0]
            return looking_alike(ipywidgets.Dropdown, options=known, value=chosen, **common)
        if info.annotation is bool:
            return looking_alike(ipywidgets.Checkbox, value=bool(value), indent=False, **common)
        return looking_alike(ipywidgets.Text, value=self._text(value), **common)

    def _changed(self, change: Any) -> None:
        if self._silent:
            return
        self.touched = True
        try:
            value = self._read(change["new"])
        except ValueError:
            # Taken as it was typed: what is wrong with it is said, and nothing older counts.
            value = change["new"]
        self._on_edit(self.name, value)

    def _read(self, value: Any) -> Any:
        if self.name in (*_COLLECTIONS, "accept_findings"):
            return split_text(self.name, value)
        if isinstance(value, str) and self.name != "prefix":
            return value.strip()
        return list(value) if isinstance(value, tuple) else value

    def _text(self, value: Any) -> Any:
        if self.name == "connectors":
            return tuple(value or ())
        if self.name == "accept_findings":
            return value if isinstance(value, str) else ", ".join(map(str, value or ()))
        if self.name in _COLLECTIONS:
            if isinstance(value, str):
                return value
            import json

            nested = any(isinstance(item, dict) for item in (value or {}).values())
            pairs = ", ".join(f"{key}={item}" for key, item in (value or {}).items())
            return json.dumps(value) if nested else pairs
        if self.name == "policy_style":
            return value or "recommended"
        return bool(value) if isinstance(value, bool) else str(value or "")


class ConnectorPicker(ipywidgets.VBox):  # type: ignore[misc]
    """The connectors as boxes to tick: nothing to hold down, nothing to type."""

    def __init__(self, chosen: Any) -> None:
        import traitlets

        self.boxes = {
            name: looking_alike(
                ipywidgets.Checkbox,
                value=name in chosen,
                description=connector_profile(name).label,
                indent=False,
            )
            for name in connector_names()
        }
        title = page(f"<strong>{LABELS['connectors']}</strong>")
        super().__init__([title, *self.boxes.values()], **shared_look(ipywidgets.VBox))
        self.add_traits(value=traitlets.Tuple())
        self.value = self._ticked()
        for box in self.boxes.values():
            box.observe(self._follow, names="value")
        self.observe(self._tick, names="value")

    def _ticked(self) -> tuple[str, ...]:
        return tuple(name for name, box in self.boxes.items() if box.value)

    def _follow(self, change: Any) -> None:
        self.value = self._ticked()

    def _tick(self, change: Any) -> None:
        for name, box in self.boxes.items():
            box.value = name in change["new"]
