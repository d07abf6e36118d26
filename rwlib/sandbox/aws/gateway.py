"""The way of a request to AWS: read, authenticated, authorised, answered, written down."""

from __future__ import annotations

import logging
import re
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from html import unescape
from itertools import count
from typing import Any

from rwlib.sandbox.answer import Answer, AwsError, error_answer
from rwlib.sandbox.aws.access_analyzer.service import AnalyzerService
from rwlib.sandbox.aws.authorize import Authorizer
from rwlib.sandbox.aws.caller import ANONYMOUS, Caller, authenticate
from rwlib.sandbox.aws.catalogs import CatalogService
from rwlib.sandbox.aws.directory import Directory
from rwlib.sandbox.aws.faults import FaultMachine, LostAnswerError
from rwlib.sandbox.aws.iam.service import IamService
from rwlib.sandbox.aws.kms.access import KeyAccess
from rwlib.sandbox.aws.kms.service import KmsService
from rwlib.sandbox.aws.protocols import read_operation
from rwlib.sandbox.aws.redshift_serverless import Namespaces, ServerlessService
from rwlib.sandbox.aws.request import AwsRequest, read_request
from rwlib.sandbox.aws.s3.content import open_content
from rwlib.sandbox.aws.s3.cors import cors_headers, matching_rule
from rwlib.sandbox.aws.s3.operations import s3_operation
from rwlib.sandbox.aws.s3.post import (
    UploadForm,
    answer_form,
    authorization_of,
    check_form_signature,
    check_policy,
    is_form,
    put_instead,
    read_form,
)
from rwlib.sandbox.aws.s3.service import S3Service
from rwlib.sandbox.aws.session_tokens import Mint
from rwlib.sandbox.aws.sts import StsService
from rwlib.sandbox.aws.wire import inner_authorization
from rwlib.sandbox.moto_seam.world import World
from rwlib.sandbox.origin import is_of_another_site
from rwlib.sandbox.views import CorsView

REMEMBERED = 20_000
"""Calls that are kept in the list of calls."""

READS = (
    "Get",
    "List",
    "Head",
    "Describe",
    "Simulate",
    "Generate",
    "Encrypt",
    "Decrypt",
    "ReEncrypt",
    "Sign",
    "Verify",
    "Validate",
    "Check",
    "AssumeRole",
    "Preflight",
)
_MESSAGE = re.compile(rb'<Message>([^<]*)</Message>|"[mM]essage":\s*"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ABOUT = ("RoleName", "PolicyArn", "PolicyName", "UserName", "RoleArn", "RoleSessionName", "KeyId")
_CODE = re.compile(rb'<Code>([^<]+)</Code>|"(?:__type|code)":\s*"([^"]+)"')


class Gateway:
    """Answers AWS requests.

    Parameters
    ----------
    changed
        Called after a call that may have changed something, with the services it concerns, the
        call's name and its caller's ARN; the world is entered.
    """

    def __init__(
        self,
        world: World,
        mint: Mint,
        namespaces: Namespaces,
        changed: Callable[[frozenset[str], str, str], None],
    ) -> None:
        self.world = world
        self.mint = mint
        self.directory = Directory(world)
        self.authorizer = Authorizer(self.directory)
        self.faults = FaultMachine()
        self.calls: deque[dict[str, Any]] = deque(maxlen=REMEMBERED)
        self._changed = changed
        self._numbers = count(1)
        keys = KeyAccess(self.authorizer)
        catalog = CatalogService(self.authorizer)
        self.sts = StsService(self.authorizer, mint)
        self._services: dict[str, Any] = {
            "s3": S3Service(self.authorizer, keys),
            "iam": IamService(self.authorizer),
            "sts": self.sts,
            "kms": KmsService(self.authorizer, keys),
            "glue": catalog,
            "redshift": catalog,
            "s3control": catalog,
            "redshift-serverless": ServerlessService(self.authorizer, namespaces),
            "accessanalyzer": AnalyzerService(self.authorizer),
        }

    def handle(self, environ: dict[str, Any], body: bytes) -> tuple[Answer, bool]:
        """Answer one request.

        Returns
        -------
        tuple of Answer and bool
            The answer, and whether the process is to end after it.

        Raises
        ------
        LostAnswerError
            The call took effect, and its answer is to be lost.
        """
        caller, number, rule = ANONYMOUS, 0, None
        request: AwsRequest | None = None
        self.faults.wait()
        try:
            request = read_request(environ, body)
            with self.world.entered():
                bucket = request.path[1:].partition("/")[0]
                rule = self._cors_rule(request, bucket)
                if rule is None and request.method != "OPTIONS":
                    _refuse_other_sites(request)
                form = self._form(request)
                caller = authenticate(request, self.mint, self.directory)
                if form is not None:
                    put_instead(request, form, bucket)
                if request.service == "s3":
                    open_content(request)
                signed_for = "s3" if request.service == "s3control" else request.service
                request.environ["HTTP_AUTHORIZATION"] = inner_authorization(
                    signed_for, request.region
                )
                self._name(request)
                number = self.faults.before(request, caller.account)
                answer = self._services[request.service].answer(request, caller)
                if form is not None:
                    answer = answer_form(request, form, bucket, answer)
                if answer.status >= 500 or _says_nothing(request, answer):
                    answer = self._broken(request, answer.body or answer.status)
                if answer.status < 300 and not request.action.startswith(READS):
                    name = f"{request.service}:{request.action}"
                    self._changed(_touched(request), name, caller.arn)
        except AwsError as error:
            answer = self._refused(request, error)
        except Exception as error:  # noqa: BLE001 - whatever breaks, AWS's shape goes out
            answer = self._broken(request, error)
        if rule is not None and request is not None and request.method != "OPTIONS":
            more = cors_headers(rule, request.headers["origin"])
            answer = replace(answer, headers=(*answer.headers, *more))
        self._write_down(request, caller, answer)
        if self.faults.loses(number):
            raise LostAnswerError
        return answer, self.faults.kills(number)

    def _form(self, request: AwsRequest) -> UploadForm | None:
        """Read an upload from a form, and who signed it."""
        if request.service != "s3" or request.authorization is not None or not is_form(request):
            return None
        form = read_form(request)
        request.authorization = given = authorization_of(form)
        if given is not None:
            request.region = given.region or request.region
            request.check_form_signature = partial(check_form_signature, form, given)
        check_policy(form, request.path[1:].partition("/")[0])
        return form

    def _cors_rule(self, request: AwsRequest, bucket: str) -> CorsView | None:
        """Give the rule of the bucket that lets the page in whose name a browser asks."""
        origin = request.headers.get("origin")
        if origin is None or request.service != "s3":
            return None
        return matching_rule(self.world.s3.cors_rules(bucket), origin, request.method)

    def _name(self, request: AwsRequest) -> None:
        if request.service == "s3":
            request.action = s3_operation(request).name
        else:
            read_operation(request)

    def _refused(self, request: AwsRequest | None, error: AwsError) -> Answer:
        if request is None:
            return error_answer("s3", error)
        head = request.method == "HEAD"
        return error_answer(request.service, error, resource=request.path, head=head)

    def _broken(self, request: AwsRequest | None, why: object) -> Answer:
        """Answer with an internal error in AWS's shape, and keep the cause in the log."""
        cause = why if isinstance(why, BaseException) else None
        if isinstance(why, NotImplementedError) and request is not None:
            action = f"{request.service}:{request.action}"
            text = f"The sandbox does not have the action {action}"
            return self._refused(request, AwsError("NotImplemented", text, 501))
        logging.getLogger(__name__).error(
            "%s broke: %r", request and request.action, why, exc_info=cause
        )
        text = "We encountered an internal error. Please try again."
        error = AwsError("InternalError", text, 500)
        if request is not None and request.service not in ("s3", "s3control"):
            error = AwsError("InternalFailure", text, 500)
        return self._refused(request, error)

    def _write_down(self, request: AwsRequest | None, caller: Caller, answer: Answer) -> None:
        code, message = None, ""
        if answer.status >= 300:
            found = _CODE.search(answer.body[:2000])
            code = (found[1] or found[2]).decode() if found else str(answer.status)
            said = _MESSAGE.search(answer.body[:4000])
            message = unescape((said[1] or said[2]).decode("utf-8", "replace")) if said else ""
        self.calls.append(
            {
                "number": next(self._numbers),
                "service": request.service if request else "",
                "action": request.action if request else "",
                "region": request.region if request else "",
                "caller": caller.arn,
                "account": caller.account,
                "status": answer.status,
                "error": code,
                "message": message,
                "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "parameters": _named(request) if request else {},
            }
        )


def _named(request: AwsRequest) -> dict[str, str]:
    """Give what a request is about, by the names that CloudTrail has; no document, no content."""
    if request.service == "s3":
        bucket, _, key = request.path[1:].partition("/")
        return {"bucketName": bucket, **({"key": key} if key else {})}
    found = {}
    for name in _ABOUT:
        value = request.parameters.get(name)
        if isinstance(value, str) and value:
            found[name[:1].lower() + name[1:]] = value
    return found


def _says_nothing(request: AwsRequest, answer: Answer) -> bool:
    """Whether an answer is a refusal without a code, which no service of AWS gives."""
    if answer.status < 400 or request.method == "HEAD" or answer.header("x-amzn-ErrorType"):
        return False
    return _CODE.search(answer.body[:2000]) is None


def _refuse_other_sites(request: AwsRequest) -> None:
    if is_of_another_site(request.headers):
        raise AwsError(
            "AccessDenied",
            "This request was sent by a page of another site. The sandbox answers programs on "
            "this machine, and pages that a bucket's CORS configuration lets in.",
            403,
        )


def _touched(request: AwsRequest) -> frozenset[str]:
    """Name the services whose state a call may have changed."""
    if request.service == "iam" and request.action in ("DeleteRole", "DeleteUser"):
        return frozenset({"iam", "s3", "kms"})
    return frozenset({request.service})
