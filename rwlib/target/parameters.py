"""From a notebook's parameters to the target."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from rwlib.target.target import Target


def target_from_parameters(parameters: Mapping[str, Any]) -> Target:
    """Build the target from a notebook's parameters.

    Raises
    ------
    InputError
        A parameter cannot be used.
    """
    return Target(**parameter_values(parameters))


def parameter_values(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the target's fields among a notebook's variables.

    When nothing was given (no bucket), the file that ``RWLIB_TARGET`` names stands in: that is
    how the sandbox's example target, or one's own, reaches notebooks opened by hand.
    """
    from rwlib.target.target import read_yaml

    names = Target.model_fields
    values = {name: parameters[name] for name in names if name in parameters}
    path = os.environ.get("RWLIB_TARGET", "")
    if not values.get("bucket") and path:
        given = {
            name: value
            for name, value in values.items()
            if value != names[name].get_default(call_default_factory=True)
        }
        values = {**values, **read_yaml(path), **given}
    return values
