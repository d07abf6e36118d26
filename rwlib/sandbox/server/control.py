"""The sandbox's own interface, under ``/_sandbox/``.

An underscore cannot stand in a bucket's name, so nothing of S3 is hidden by it.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Protocol

from rwlib.errors import RunbookError
from rwlib.evaluate import Policies, Request, evaluate
from rwlib.sandbox.answer import Answer, AwsError, json_answer
from rwlib.sandbox.aws.faults import Faults, read_faults
from rwlib.sandbox.aws.regions import all_regions
from rwlib.sandbox.aws.session_tokens import SessionToken, new_access_key_id

if TYPE_CHECKING:
    from rwlib.sandbox.aws.gateway import Gateway
    from rwlib.sandbox.aws.session_tokens import Mint
    from rwlib.sandbox.moto_seam.world import World
    from rwlib.sandbox.server.history import History
    from rwlib.sandbox.views import PrincipalView


class Controlled(Protocol):
    """What is behind the socket, as far as it is controlled from here."""

    gateway: Gateway
    world: World
    mint: Mint
    history: History
    parent: int | None

    def keep_history(self) -> None:
        """Keep every state from now on."""

    def set_faults(self, faults: Faults) -> None:
        """Switch faults on or off."""

    def keep(self) -> None:
        """Write the whole state to its folder, where there is one."""

    def reset(self, *, seed: bool) -> None:
        """Forget everything, and start again."""

    def stop(self) -> None:
        """Tell the server to stop."""


def answer_control(application: Controlled, environ: dict[str, Any], body: bytes) -> Answer:
    """Answer a call of the sandbox's own interface.

    A page in a browser must not reach it: whatever names an ``Origin`` is refused.
    """
    if "HTTP_ORIGIN" in environ:
        return json_answer({"message": "only for programs on this machine"}, 403)
    method = environ["REQUEST_METHOD"]
    name, _, rest = environ["PATH_INFO"].removeprefix("/_sandbox/").partition("/")
    try:
        content = json.loads(body) if body else {}
        if not isinstance(content, dict):
            raise ValueError("the body is not a JSON object")
        return json_answer(_answer(application, f"{method} {name}", rest, content))
    except LookupError as error:
        return json_answer({"message": str(error.args[0]) if error.args else ""}, 404)
    except (RunbookError, AwsError, ValueError, TypeError) as error:
        return json_answer({"message": str(error)}, 400)


def _answer(application: Controlled, call: str, rest: str, content: dict[str, Any]) -> Any:
    gateway = application.gateway
    match call:
        case "GET health":
            ending = application.parent not in (None, os.getppid())
            return {"status": "ok", **({"ending": True} if ending else {})}
        case "POST credentials":
            return _credentials(application, **content)
        case "GET calls":
            return list(gateway.calls)
        case "DELETE calls":
            gateway.calls.clear()
        case "GET history" | "PUT history":
            return _history(application, begin=call.startswith("PUT"))
        case "GET faults" | "PUT faults" | "DELETE faults":
            return _faults(application, call.partition(" ")[0], content)
        case "PUT scps":
            _set_scps(application, rest, content["levels"])
        case "PUT regions":
            _enable_regions(application, rest, frozenset(content["enabled"]))
        case "PUT network":
            gateway.authorizer.network = replace(gateway.authorizer.network, **content)
        case "POST reset":
            application.reset(seed=bool(content.get("seed", True)))
        case "POST shutdown":
            application.stop()
        case _:
            raise LookupError(f"there is no {call}")
    return {}


def _faults(application: Controlled, method: str, content: dict[str, Any]) -> dict[str, Any]:
    now = application.gateway.faults
    if method == "PUT":
        application.set_faults(read_faults(content, now.faults))
    elif method == "DELETE":
        application.set_faults(read_faults({}))
        return {}
    return asdict(now.faults)


def _enable_regions(application: Controlled, account: str, enabled: frozenset[str]) -> None:
    unknown = sorted(enabled - all_regions())
    if unknown:
        raise ValueError(f"there is no Region {unknown[0]}")
    application.gateway.directory.enabled_regions[_account(account)] = enabled
    application.keep()


def _history(application: Controlled, *, begin: bool) -> dict[str, Any]:
    if begin:
        application.keep_history()
    return application.history.to_dict() or {"states": [], "pieces": {}}


def _account(text: str) -> str:
    if len(text) != 12 or not text.isdigit():
        raise ValueError(f"{text!r} is not an account id of 12 digits")
    return text


def _set_scps(application: Controlled, account: str, levels: list[list[dict[str, Any]]]) -> None:
    """Take service control policies, once the evaluator could read them."""
    request = Request(f"arn:aws:iam::{_account(account)}:user/nobody", "s3:GetObject")
    evaluate(request, Policies(scps=[list(level) for level in levels]))
    scps = application.gateway.directory.scps
    scps[account] = levels
    if not levels:
        del scps[account]
    application.keep()


def _credentials(
    application: Controlled,
    role_arn: str,
    session_name: str = "reqsign",
    duration: int = 3600,
    service: str | None = None,
) -> dict[str, Any]:
    """Make credentials of a role session.

    With a ``service`` the role's trust policy must let that service assume it, as when Redshift
    uses a role for ``COPY``; without one nothing is asked.
    """
    with application.world.entered():
        role = application.gateway.directory.principal(role_arn)
    if role is None or role.kind != "role":
        raise LookupError(f"there is no role {role_arn}")
    if service is not None and not _trusts(role, service):
        raise ValueError(f"{service} is not authorized to perform: sts:AssumeRole on {role_arn}")
    now = time.time()
    token = SessionToken(
        new_access_key_id("ASIA", role.account),
        role.account,
        "role",
        role.arn,
        role.id,
        session_name,
        now,
        now + duration,
    )
    made = application.mint.issue(token)
    return {
        "access_key_id": made.access_key_id,
        "secret_access_key": made.secret_access_key,
        "session_token": made.session_token,
        "expiration": made.expires,
    }


def _trusts(role: PrincipalView, service: str) -> bool:
    request = Request({"Service": service}, "sts:AssumeRole", role.arn, role.account)
    return evaluate(request, Policies(resource=role.trust)).allowed
