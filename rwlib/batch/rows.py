"""The targets of a batch, read one after the other from YAML, CSV or JSON Lines.

Every row is checked before anything is done for any of them. Of a row that was checked only its
name and what it writes are remembered.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from rwlib.errors import InputError, RunbookError
from rwlib.target import Target

OWN_FILES = frozenset({"manifest.json", "junit.xml", "plan"})
"""Names in a batch's folder that no target's folder may have; so may none like summary.*."""

# What rows that share a role must agree about; each has a policy of its own.
_OF_THE_ROLE = (
    "workload_identity_arn", "cluster_id", "role_path", "permissions_boundary_arn",
    "max_session_duration", "tags",
)  # fmt: skip
_PLACE = "arn:aws:iam::111122223333:role/example"


@dataclass(frozen=True)
class Row:
    """One row: its number, counted from 1, and its values as they were written."""

    number: int
    values: Mapping[str, Any]


@dataclass
class Known:
    """What is remembered of the rows before: who has a folder, and who writes what."""

    folders: dict[str, int] = field(default_factory=dict)
    policies: dict[tuple[str, ...], int] = field(default_factory=dict)
    roles: dict[tuple[str, ...], tuple[int, dict[str, str]]] = field(default_factory=dict)

    def same_role(self, row: int, target: Target) -> tuple[int, str] | None:
        """Return the row before that asks for the same role otherwise, and in which field."""
        asked = {name: _short(getattr(target, name)) for name in _OF_THE_ROLE}
        other, before = self.roles.setdefault((*_account(target), target.role_name), (row, asked))
        differing = (name for name in _OF_THE_ROLE if before[name] != asked[name])
        name = next(differing, "")
        return (other, name) if name else None


def read_targets(
    path: str | Path, common: Mapping[str, Any] | None = None
) -> Iterator[tuple[int, Target]]:
    """Yield each row's number and target; a row's value goes before a common one.

    Raises
    ------
    InputError
        The file or a row cannot be used; the message names the row and the field.
    """
    file = Path(path)
    for row in read_rows(file):
        try:
            yield row.number, Target(**{**(common or {}), **row.values})
        except InputError as error:
            raise _in_row(file, row.number, error) from None


def count_targets(
    path: str | Path, common: Mapping[str, Any] | None = None, *, sandbox: bool = False
) -> int:
    """Check every row and return how many there are; nothing is kept and nothing is called.

    Raises
    ------
    InputError
        The file has no row, or one that cannot be used: two rows with one name or one policy,
        a secret in ``sql_options``. The message names the first of them and counts the others.
    """
    file = Path(path)
    known = Known()
    first: InputError | None = None
    bad = count = 0
    for row in read_rows(file):
        count += 1
        try:
            check_row(row, common or {}, known)
        except InputError as error:
            bad += 1
            first = first or _in_row(file, row.number, error)
    if first is not None:
        more = f" ({bad - 1} more rows cannot be used)" if bad > 2 else ""
        more = more or (" (one more row cannot be used)" if bad == 2 else "")
        raise InputError(first.field, first.given, f"{first.hint}{more}")
    if not count:
        raise InputError("targets", str(path), "holds no target; write one in each row")
    return count


def check_row(row: Row, common: Mapping[str, Any], known: Known) -> Target:
    """Check one row, by itself and against those before it.

    Raises
    ------
    InputError
        It cannot be used.
    """
    from rwlib.sql import statements_for

    target = Target(**{**common, **row.values})
    try:
        sql = statements_for(target, _PLACE, target.region_name or "us-east-1")
        if target.run_sql:
            from rwlib.execution import require_complete

            require_complete(sql)
    except InputError:
        raise
    except RunbookError as error:
        raise InputError("sql_options", "", f"cannot be used: {error}") from None
    folder = folder_name(target.name)
    if folder in OWN_FILES or folder.startswith((".", "summary.", "state.", "plan-")):
        raise InputError("name", target.name, "is a name of the batch's own files; choose another")
    other = known.folders.setdefault(folder.casefold(), row.number)
    if other != row.number:
        raise InputError("name", target.name, f"is row {other}'s too; give each row its own name")
    policy = (*_account(target), target.policy_name)
    other = known.policies.setdefault(policy, row.number)
    if other != row.number:
        raise InputError(
            "policy_name",
            target.policy_name,
            f"is row {other}'s too, and the two would write each other's policy; give each its own",
        )
    shared = known.same_role(row.number, target)
    if shared is not None:
        other, name = shared
        raise InputError(
            name,
            getattr(target, name),
            f"is not as in row {other}, which has the same role {target.role_name}; write the same "
            "in both, or give each its own role_name",
        )
    return target


def _account(target: Target) -> tuple[str, str]:
    return target.operator_role_arn, target.aws_profile


def folder_name(name: str) -> str:
    """Return the name of a target's folder."""
    return re.sub(r"[^\w.@+=,-]", "-", name)


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
        raise InputError("targets", str(path), "does not exist") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "no UTF-8 text"
        raise InputError("targets", str(path), f"cannot be read: {reason}") from None


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
        raise InputError(f"{path.name} row {number + 1}", str(error), "is no CSV") from None


def _check_header(path: Path, header: list[str]) -> None:
    from rwlib.validate import unknown_name

    for name in header:
        if name not in Target.model_fields:
            raise unknown_name(f"{path.name} header", name, list(Target.model_fields))
        if header.count(name) > 1:
            raise InputError(f"{path.name} header", name, "is there twice; remove one column")


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
        yield _mapping(path, number, values, "is no JSON object; write one on each line")


def _yaml_rows(path: Path, file: TextIO) -> Iterator[Row]:
    import yaml

    from rwlib import yaml_keys

    number = 0
    try:
        for value in _yaml_items(yaml, file):
            number += 1
            yield _mapping(path, number, value, "holds no fields; write '- name: ...'")
    except yaml.YAMLError as error:
        raise InputError("targets", str(path), yaml_keys.problem_of(error)) from None
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
    from rwlib import yaml_keys

    if not yaml.__with_libyaml__:
        return yaml_keys.Loader
    from yaml.composer import Composer
    from yaml.constructor import SafeConstructor
    from yaml.cyaml import CParser  # type: ignore[attr-defined]
    from yaml.resolver import Resolver

    class Loader(yaml_keys.OneKeyEach, CParser, Composer, SafeConstructor, Resolver):
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
        raise InputError(f"{path.name} row {number}", _short(values), hint)
    return Row(number, {str(key): value for key, value in values.items()})


def _short(value: Any) -> str:
    return "" if value is None else str(value)[:60]


def _in_row(path: Path, number: int, error: InputError) -> InputError:
    return InputError(f"{path.name} row {number}, {error.field}", error.given, error.hint)
