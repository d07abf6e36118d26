"""moto's answers without a web framework around them.

moto's server puts each service into a Flask application. What that adds to a request, contexts,
signals and CORS, the sandbox has no use for and pays for as much as for the answer itself; so a
request goes to moto's own handler, found by the same rules for the same path.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache, cached_property
from typing import Any, cast
from uuid import uuid4

from botocore.exceptions import ClientError
from moto.core import responses
from moto.core.request import Request
from moto.moto_server.werkzeug_app import create_backend_app
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from rwlib.sandbox.answer import Answer

OF_THE_WAY = frozenset(
    {
        *("HTTP_TRANSFER_ENCODING", "HTTP_EXPECT", "HTTP_CONNECTION", "HTTP_ACCEPT_ENCODING"),
        *("HTTP_X_AMZ_DATE", "HTTP_X_AMZ_SECURITY_TOKEN", "HTTP_USER_AGENT"),
        *("HTTP_AMZ_SDK_INVOCATION_ID", "HTTP_AMZ_SDK_REQUEST"),
    }
)
"""Headers about the way of a request and who sent it, which are settled when moto is asked.

moto would take a Region's name in a user agent for the Region that is meant.
"""


class _MotoRequest(Request):
    """A request as moto's handlers take it, come over HTTP."""

    from_wsgi_server = True

    @cached_property
    def raw_url(self) -> str:
        """The whole URL, which moto asks for again and again."""
        return super().raw_url


class _ContentRequest(_MotoRequest):
    """A request whose body is a content and nothing else, whatever type it says it has."""

    want_form_data_parsed = False


class MotoDispatcher:
    """Hands requests for one service to moto's handlers."""

    def __init__(self, service: str) -> None:
        application = create_backend_app(service)  # type: ignore[arg-type]
        self._kind = _ContentRequest if service == "s3" else _MotoRequest
        self._rules = application.url_map
        self._handlers: dict[str, Callable[..., Any]] = {
            # moto wraps each handler for Flask and keeps it there.
            endpoint: view.callback
            for endpoint, view in cast(dict[str, Any], application.view_functions).items()
        }

    def answer(self, environ: dict[str, Any], body: bytes, account: str) -> Answer:
        """Let moto answer on behalf of an account."""
        inner = {key: value for key, value in environ.items() if key not in OF_THE_WAY}
        inner["wsgi.input"] = io.BytesIO(body)
        inner["CONTENT_LENGTH"] = str(len(body))
        inner["HTTP_HOST"] = "localhost"
        inner["HTTP_X_MOTO_ACCOUNT_ID"] = account
        # Not put into its own environment: in that circle the body would wait for the collector.
        request = self._kind(inner, populate_request=False)
        try:
            endpoint, _ = self._rules.bind_to_environ(inner).match()
            handle = self._handlers[endpoint]
            result = handle(request, request.raw_url, dict(request.headers))
        except ClientError as error:
            result = 400, {}, error.response["Error"]["Message"]
        except HTTPException as error:
            return _answer_of(error.get_response(inner), inner)
        status, headers, content = result if len(result) == 3 else (200, {}, result)
        if isinstance(content, str):
            content = content.encode()
        if not isinstance(content, bytes):
            return _answer_of(Response(content, status, headers), inner)
        return Answer(int(status), tuple((name, str(headers[name])) for name in headers), content)


def _answer_of(response: Any, environ: dict[str, Any]) -> Answer:
    response.direct_passthrough = False
    chunks, _, headers = response.get_wsgi_response(environ)
    try:
        content = b"".join(chunks)
    finally:
        response.close()
    return Answer(response.status_code, tuple(headers), content)


def _request_id(headers: dict[str, Any]) -> str:
    """Put a request's id into the answer; AWS's are UUIDs, moto's 52 letters drawn one by one."""
    found = headers["x-amzn-requestid"] = str(uuid4())
    return found


responses.gen_amzn_requestid_long = _request_id  # type: ignore[assignment,attr-defined]
# moto lists the names of a class's methods again for every request.
responses.method_names_from_class = cache(responses.method_names_from_class)  # type: ignore[attr-defined]
