"""The rows of a batch's file: YAML, CSV or JSON Lines, one in memory at a time."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from rwlib.errors import InputError
from rwlib.target import Target


@dataclass(frozen=True)
class Row:
    """One row: its number, counted from 1, and its values as they were written."""

    number: int
    values: Mapping[str, Any]


def read_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a file by what its name ends in; one is in memory at a time.

    Raises
    ------
    InputError
        The file cannot be read, or a row has no fields.
    """
    readers = {
        ".csv": _csv_rows,
        ".tsv": _csv_rows,
        ".jsonl": _jsonl_rows,
        ".ndjson": _jsonl_rows,
        ".yaml": _yaml_rows,
        ".yml": _yaml_rows,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InputError("targets", str(path), "must end in .yaml, .csv or .jsonl")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from reader(path, file)
    except FileNotFoundError:
        raise InputError("targets", str(path), "does not exist", reason="does_not_exist") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise InputError(
            "targets", str(path), f"cannot be read: {reason}", reason="cannot_be_read"
        ) from None


def _csv_rows(path: Path, file: TextIO) -> Iterator[Row]:
    first = next((line for line in file if line.strip()), "")
    file.seek(0)
    # What spreadsheets write depends on the language they speak.
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(file, delimiter=delimiter, strict=True)
    header: list[str] = []
    number = 0
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if not header:
                header = [cell.strip() for cell in cells]
                _check_header(path, header)
                continue
            number += 1
            if len(cells) > len(header):
                raise InputError(
                    f"{path.name} row {number}",
                    cells[len(header)],
                    "is one cell too many; put a text that holds a comma in double quotes",
                )
            yield Row(number, {k: v.strip() for k, v in zip(header, cells, strict=False) if v})
    except csv.Error as error:
        raise InputError(f"{path.name} row {number + 1}", str(error), "is not CSV") from None


def _check_header(path: Path, header: list[str]) -> None:
    from rwlib.target import unknown_name

    for name in header:
        if name not in Target.model_fields:
            raise unknown_name(f"{path.name} header", name, list(Target.model_fields))
        if header.count(name) > 1:
            raise InputError(f"{path.name} header", name, "appears twice; remove one column")


def _jsonl_rows(path: Path, file: TextIO) -> Iterator[Row]:
    number = 0
    for line in file:
        if not line.strip():
            continue
        number += 1
        try:
            values = json.loads(line)
        except (ValueError, RecursionError):
            values = None
        yield _mapping(path, number, values, "is not a JSON object; write one on each line")


def _yaml_rows(path: Path, file: TextIO) -> Iterator[Row]:
    import yaml

    from rwlib.target import problem_of

    number = 0
    try:
        for value in _yaml_items(yaml, file):
            number += 1
            yield _mapping(path, number, value, "holds no fields; write '- name: ...'")
    except yaml.YAMLError as error:
        raise InputError("targets", str(path), problem_of(error)) from None
    except (ArithmeticError, AttributeError, LookupError, TypeError, RecursionError):
        raise InputError(
            f"{path.name} row {number + 1}", "", "holds a value that YAML cannot build; quote it"
        ) from None


def _yaml_items(yaml: Any, file: TextIO) -> Iterator[Any]:
    """Yield the items of a list, of the list ``targets``, or the documents of a stream."""
    loader = _streaming_loader(yaml)(file)
    try:
        loader.get_event()
        while not loader.check_event(yaml.StreamEndEvent):
            loader.get_event()
            yield from _document_items(yaml, loader)
            loader.get_event()
    finally:
        loader.dispose()


def _document_items(yaml: Any, loader: Any) -> Iterator[Any]:
    if not loader.check_event(yaml.SequenceStartEvent):
        node = loader.compose_node(None, None)
        loader.anchors = {}
        value = loader.construct_document(node)
        if isinstance(value, dict) and list(value) == ["targets"]:
            value = value["targets"]
            yield from value if isinstance(value, list) else [value]
        elif value is not None:
            yield value
        return
    loader.get_event()
    while not loader.check_event(yaml.SequenceEndEvent):
        yield loader.construct_document(loader.compose_node(None, None))
    loader.get_event()
    loader.anchors = {}


def _streaming_loader(yaml: Any) -> Any:
    """Return PyYAML's safe loader, with libyaml's parser where there is one."""
    from rwlib.target import Loader as PlainLoader
    from rwlib.target import OneKeyEach

    if not yaml.__with_libyaml__:
        return PlainLoader
    from yaml.composer import Composer
    from yaml.constructor import SafeConstructor
    from yaml.cyaml import CParser  # type: ignore[attr-defined]
    from yaml.resolver import Resolver

    class Loader(OneKeyEach, CParser, Composer, SafeConstructor, Resolver):
        """libyaml's parser, which composes a whole document, with a composer that need not."""

        compose_node = Composer.compose_node

        def __init__(self, stream: TextIO) -> None:
            CParser.__init__(self, stream)
            Composer.__init__(self)
            SafeConstructor.__init__(self)
            Resolver.__init__(self)

    return Loader


def _mapping(path: Path, number: int, values: Any, hint: str) -> Row:
    if not isinstance(values, dict) or not values:
        raise InputError(f"{path.name} row {number}", short(values), hint)
    return Row(number, {str(key): value for key, value in values.items()})


def short(value: Any) -> str:
    """Return a value as a message may show it."""
    return "" if value is None else str(value)[:60]
