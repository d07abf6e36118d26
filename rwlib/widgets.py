"""The guided forms: fields seeded from the parameters, checked as they are edited.

The only module that imports ipywidgets. Headless, a form is shown and its values are the
parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, get_args

import ipywidgets

from rwlib.target import Target, field_errors
from rwlib.validate import CONNECTORS, split_text

_COLLECTIONS = ("tags", "sql_options")


class TargetForm:
    """A form for some fields of a target.

    Parameters
    ----------
    parameters
        The notebook's ``globals()``, or a target's values.
    fields
        Names of the fields to show, in their order; the others keep their parameters.
    """

    def __init__(self, parameters: Mapping[str, Any], fields: tuple[str, ...]) -> None:
        from rwlib.runbook import parameter_values

        self._values = parameter_values(parameters)
        self.fields = {name: _field(name, self._values.get(name)) for name in fields}
        self.messages = {name: ipywidgets.HTML() for name in fields}
        for name, field in self.fields.items():
            field.observe(self._edited(name), names="value")
        self._show_errors()
        rows = [
            ipywidgets.VBox([field, self.messages[name]]) for name, field in self.fields.items()
        ]
        self.box = ipywidgets.VBox(rows)

    @property
    def values(self) -> dict[str, Any]:
        """The target's values as they stand in the form."""
        return dict(self._values)

    def _edited(self, name: str) -> Callable[[Any], None]:
        def read(change: Any) -> None:
            value = change["new"]
            if name in _COLLECTIONS:
                try:
                    value = split_text(name, value)
                except ValueError as error:
                    self.messages[name].value = _message(str(error))
                    return
            self._values[name] = list(value) if isinstance(value, tuple) else value
            self._show_errors()

        return read

    def _show_errors(self) -> None:
        errors = field_errors(self._values)
        for name, message in self.messages.items():
            message.value = _message(errors.get(name, ""))

    def __repr__(self) -> str:
        return "\n".join(f"{name}: {self._values.get(name)!r}" for name in self.fields)

    def _ipython_display_(self) -> None:
        from IPython.display import display

        from rwlib.display import show_facts

        display(self.box)  # type: ignore[no-untyped-call]
        rows = {name: str(self._values.get(name) or "") for name in self.fields}
        display(show_facts(rows))  # type: ignore[no-untyped-call]


def form(parameters: Mapping[str, Any], *fields: str) -> TargetForm:
    """Show a form for the given fields, seeded from the notebook's parameters."""
    return TargetForm(parameters, fields or tuple(Target.model_fields))


def _field(name: str, value: Any) -> Any:
    info = Target.model_fields[name]
    label = name.replace("_", " ")
    common: dict[str, Any] = {
        "description": label,
        "tooltip": info.description,
        "style": {"description_width": "12rem"},
        "layout": ipywidgets.Layout(width="44rem"),
    }
    if name == "connectors":
        chosen = tuple(each for each in value or () if each in CONNECTORS)
        return ipywidgets.SelectMultiple(options=CONNECTORS, value=chosen, rows=7, **common)
    if name == "policy_style":
        options = get_args(info.annotation)
        return ipywidgets.Dropdown(options=options, value=value or options[0], **common)
    if info.annotation is bool:
        return ipywidgets.Checkbox(value=bool(value), **common)
    if info.annotation is int:
        return ipywidgets.IntText(value=int(value or 0), **common)
    if name in _COLLECTIONS:
        text = ", ".join(f"{key}={item}" for key, item in (value or {}).items())
        return ipywidgets.Text(value=text, placeholder="key=value, key=value", **common)
    return ipywidgets.Text(value=str(value or ""), placeholder=info.description or "", **common)


def _message(text: str) -> str:
    import html

    return f'<span style="color:#a61b1b" role="alert">{html.escape(text)}</span>' if text else ""
