"""RisingWave's error frames, as psql shows them (``e2e_test/**/*.slt``)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class RefusedStatementError(Exception):
    """RisingWave refuses a statement; the text is the whole error."""


def failure(*causes: str, hint: str = "") -> RefusedStatementError:
    """Build an error from its causes, the outermost first."""
    if len(causes) == 1:
        text = f"ERROR:  Failed to run the query\n\nCaused by:\n  {causes[0]}"
    else:
        listed = "\n".join(f"  {number}: {cause}" for number, cause in enumerate(causes, 1))
        text = (
            "ERROR:  Failed to run the query\n\n"
            f"Caused by these errors (recent errors listed first):\n{listed}"
        )
    return RefusedStatementError(f"{text}\n\nHint: {hint}" if hint else text)


def from_meta(call: str, kind: str, causes: Sequence[str], hint: str = "") -> RefusedStatementError:
    """Build an error that the meta service answered to a call of the frontend."""
    head = f"gRPC request to meta service (call `/ddl_service.DdlService/{call}`) failed: {kind}"
    return failure(head, *causes, hint=hint)


def config_error(call: str, *causes: str) -> RefusedStatementError:
    """Build an error of a sink's options."""
    return from_meta(call, "Sink error", ["config error", *causes])


def not_found(kind: str, name: str) -> RefusedStatementError:
    """Build the error of a name that the catalog does not have."""
    return failure("Catalog error", f"{kind} not found: {name}")


def exists(kind: str, name: str) -> RefusedStatementError:
    """Build the error of a name that is taken."""
    return failure("Catalog error", f"{kind} with name {name} exists")


def unknown_fields(fields: Iterable[tuple[str, str]]) -> str:
    """Say which options a connector does not have, as Rust prints a map."""
    inner = ", ".join(f'"{name}": "{value}"' for name, value in fields)
    return f"Unknown fields in the WITH clause: {{{inner}}}"
