"""What a person is told while AWS refuses a call for now, or does not answer it.

botocore sends such a call again after a pause. What is known of each try is said to whoever
watches (`rwlib.waiting`), and nothing is sent once more after somebody said stop.
"""

from __future__ import annotations

from typing import Any

from rwlib.aws.errors import is_throttled
from rwlib.waiting import go_on, is_watched, known


def tell_tries(client: Any) -> None:
    """Tell of a client's tries, where somebody watches."""
    events = client.meta.events
    events.register_first("request-created", _begin, unique_id="rwlib-tries")
    retries = getattr(client.meta.config, "retries", None) or {}
    # botocore turns `max_attempts`, which counts what comes after the first, into this one.
    most = int(retries.get("total_max_attempts") or retries.get("max_attempts", 0) + 1)

    def ended(**given: Any) -> None:
        _end(most, **given)

    events.register("response-received", ended, unique_id="rwlib-tries-end")


def _begin(**_: object) -> None:
    go_on()


def _end(
    most: int,
    *,
    event_name: str = "",
    parsed_response: Any = None,
    exception: Any = None,
    context: Any = None,
    **_: object,
) -> None:
    if not is_watched():
        return
    answer = parsed_response or {}
    code = str(answer.get("Error", {}).get("Code", ""))
    status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    number = int(((context or {}).get("retries") or {}).get("attempt", 1))
    if number >= most:
        return
    operation = event_name.rpartition(".")[2]
    if exception is not None:
        why = f"AWS did not answer {operation} ({type(exception).__name__})"
    elif is_throttled(code):
        why = f"AWS throttles this account's calls: it refused {operation} for now ({code})"
    elif status >= 500:
        why = f"AWS has a fault of its own: it answered {operation} with {status} {code}".rstrip()
    else:
        return
    known(f"{why}; trying again, {number + 1} of at most {most} times")
