"""The connectors, each read from its own file under ``rwlib/data/connectors``.

A file says everything that this package knows of a connector: what it is called, what it asks of
S3, which requests it makes, which options it takes. No code has a list of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rwlib.errors import InputError

_FOLDER = Path(__file__).resolve().parent / "data" / "connectors"
_PLACE = re.compile(r"^place: (\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class Need:
    """An action that the connector's role must be allowed.

    Parameters
    ----------
    action
        Such as ``s3:PutObject``.
    only
        For a delete: the folder that it is about, such as ``manifest``; empty for all files.
    """

    action: str
    only: str = ""


@dataclass(frozen=True)
class ConnectorRequest:
    """A request that the connector makes.

    Parameters
    ----------
    id
        Stable within the connector, such as ``stage``.
    action
        Such as ``s3:PutObject``.
    key
        Object below the place of the files; for a listing, what follows that place.
    listed
        For a listing of something else than a folder: ``path`` for the connector's path as it is
        written, ``pattern`` for the fixed part of its ``match_pattern``.
    """

    id: str
    action: str
    key: str = ""
    listed: str = ""


@dataclass(frozen=True)
class ConnectorProfile:
    """What a connector asks of the role and of S3.

    Parameters
    ----------
    label
        What a person chooses in the form.
    folder_option
        The option that names the folder of the files below the prefix; empty where there is none.
    example_folder
        What stands for that option until it is given.
    trusted_service
        An AWS service that uses the same role, such as ``redshift.amazonaws.com``.
    catalog
        ``read`` or ``write`` where it works with the tables of a catalog.
    example
        Options that make a complete statement, for documentation and tests.
    """

    name: str
    label: str
    needs: tuple[Need, ...]
    requests: tuple[ConnectorRequest, ...]
    folder_option: str = ""
    example_folder: str = ""
    trusted_service: str = ""
    catalog: str = ""
    example: Mapping[str, Any] = field(default_factory=dict)


NEEDED_KEYS = (
    *("place", "label", "title", "source", "since", "connector", "kind", "needs", "requests"),
    *("options", "role_options", "region_option", "path_option", "types", "format_encode"),
    *("s3_at_create", "notes"),
)
"""What the file of every connector says that a target can name."""


@cache
def connector_names() -> tuple[str, ...]:
    """Return the connectors that a target can name, in the order in which they are offered.

    Only the first lines of the files are looked at: this is asked at every start.
    """
    places = {}
    for path in _FOLDER.glob("*.yaml"):
        found = _PLACE.search(path.read_text(encoding="utf-8"))
        if found:
            places[path.stem] = int(found[1])
    return tuple(sorted(places, key=lambda name: (places[name], name)))


@cache
def connector_files() -> tuple[str, ...]:
    """Return the names of all files: what a target can name, then its further kinds."""
    offered = connector_names()
    others = sorted(path.stem for path in _FOLDER.glob("*.yaml") if path.stem not in offered)
    return (*offered, *others)


@cache
def connector_data(name: str) -> Mapping[str, Any]:
    """Return everything that a connector's file says; a further kind has its first kind's too.

    Raises
    ------
    InputError
        A connector that a target can name lacks keys that every such file has.
    """
    data = _read(name)
    base = _read(data["options_of"]) if "options_of" in data else {}
    data = {**base, **data}
    missing = [key for key in NEEDED_KEYS if key not in data]
    if missing and name in connector_names():
        raise InputError(
            "connectors",
            name,
            f"has no {', '.join(missing)} in its file; copy them from the nearest connector's",
            reason="cannot_be_read",
        )
    return MappingProxyType(data)


@cache
def connector_profile(name: str) -> ConnectorProfile:
    """Return what a connector asks of the role and of S3.

    Raises
    ------
    InputError
        There is no such connector.
    """
    if name not in connector_names():
        raise InputError(
            "connectors",
            name,
            f"is not known; use one of {', '.join(connector_names())}",
            reason="unknown_name",
        )
    data = connector_data(name)
    return ConnectorProfile(
        name=name,
        label=data["label"],
        needs=tuple(Need(**each) for each in data["needs"]),
        requests=tuple(ConnectorRequest(**each) for each in data["requests"]),
        folder_option=data.get("folder_option", ""),
        example_folder=data.get("example_folder", ""),
        trusted_service=data.get("trusted_service", ""),
        catalog=data.get("catalog", ""),
        example=MappingProxyType(dict(data.get("example", {}))),
    )


def uses_service(connectors: Iterable[str], service: str) -> bool:
    """Tell whether an AWS service uses the role of one of the connectors."""
    return any(connector_profile(name).trusted_service == service for name in connectors)


def _read(name: str) -> Mapping[str, Any]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = (_FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.load(text, Loader=loader)
    return loaded
