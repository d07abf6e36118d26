"""The sandbox's own interface, under ``/_sandbox/``.

An underscore cannot stand in a bucket's name, so nothing of S3 is hidden by it.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from rwlib.sandbox.answer import Answer, json_answer
from rwlib.sandbox.sessions import SessionToken, new_access_key_id

if TYPE_CHECKING:
    from rwlib.sandbox.app import Application

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")


def answer_control(application: Application, environ: dict[str, Any], body: bytes) -> Answer:
    """Answer a call of the sandbox's own interface.

    A page in a browser must not reach it: requests with an ``Origin``, or for another host name
    than a loopback one, are refused.
    """
    host = urlsplit(f"//{environ.get('HTTP_HOST', '')}").hostname
    if "HTTP_ORIGIN" in environ or host not in LOOPBACK_NAMES:
        return json_answer({"message": "only for programs on this machine"}, 403)
    method = environ["REQUEST_METHOD"]
    name, _, rest = environ["PATH_INFO"].removeprefix("/_sandbox/").partition("/")
    try:
        content = json.loads(body) if body else {}
        if not isinstance(content, dict):
            raise ValueError("the body is not a JSON object")
        return _answer(application, method, name, rest, content)
    except (ValueError, KeyError, TypeError) as error:
        return json_answer({"message": f"{type(error).__name__}: {error}"}, 400)


def _answer(
    application: Application, method: str, name: str, rest: str, content: dict[str, Any]
) -> Answer:
    match method, name:
        case "GET", "health":
            return json_answer({"status": "ok"})
        case "POST", "credentials":
            return json_answer(_credentials(application, **content))
        case "GET", "calls":
            return json_answer(list(application.calls))
        case "DELETE", "calls":
            application.calls.clear()
            return json_answer({})
        case "POST", "reset":
            application.reset(seed=bool(content.get("seed", True)))
            return json_answer({})
        case "POST", "shutdown":
            application.sandbox.stopped.set()
            return json_answer({})
    return json_answer({"message": f"there is no {method} {name}"}, 404)


def _credentials(
    application: Application, role_arn: str, session_name: str = "reqsign", duration: int = 3600
) -> dict[str, Any]:
    account = role_arn.split(":")[4]
    now = time.time()
    token = SessionToken(
        new_access_key_id("ASIA", account),
        account,
        "role",
        role_arn,
        "",
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
