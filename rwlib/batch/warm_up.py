"""A rehearsal: one preview of an example target before any process is forked, without a call.

Much is computed when it is first needed: patterns, templates, the models of AWS's calls and
errors. A child that is forked for one target would compute all of it for that target alone.
"""

from __future__ import annotations

import contextlib
import gc
import json
import tempfile
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from rwlib.aws import Aws, ClientsAhead, open_ahead, open_pacing
from rwlib.errors import InputError, RunbookError


def warm_up() -> None:
    """Import and compile what every job needs; makes no call and reads no credentials."""
    from rwlib.headless import warm

    warm(
        (
            "rwlib.batch.job",
            "rwlib.cloud.client",
            "rwlib.verify.connectors",
            "rwlib.display",
            "rwlib.runs.manifest",
            "rwlib.headless.run",
            "rwlib.runs.lock",
            "rwlib.report.sentence",
            "rwlib.runbook.runbook",
            "rwlib.verify.aws_simulation",
            "rwlib.sql.checker",
            "rwlib.sql.writing.targets",
            "rwlib.widgets.guided",
            "rwlib.widgets.whole_page",
            "filelock",
            "jsonschema",
        )
    )
    from rwlib.headless import prepare
    from rwlib.report import prepare_schema
    from rwlib.runs import versions

    versions()
    prepare_schema()
    rehearse()
    _rehearse_files()
    _load_models("glue", "redshift")
    # At last: the kernel knows the modules that are there.
    prepare(_cells())
    # What is frozen is never visited by a collection, so its memory stays shared.
    gc.collect()
    gc.freeze()


def _cells() -> list[str]:
    """Return the code of the runbook's cells; none where there is no notebook."""
    from rwlib.headless import notebook_path

    with contextlib.suppress(InputError, OSError, ValueError, KeyError):
        cells = json.loads(notebook_path("runbook.ipynb").read_text(encoding="utf-8"))["cells"]
        return ["".join(each["source"]) for each in cells if each["cell_type"] == "code"]
    return []


def _rehearse_files() -> None:
    """Read and write a notebook, and seal a folder, for what is computed at the first time."""
    from rwlib.headless import notebook_path, rehearse_notebook
    from rwlib.masking import secret_forms, secret_values
    from rwlib.runs import seal

    with contextlib.suppress(InputError):
        rehearse_notebook(notebook_path("runbook.ipynb"))
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "notes").write_text("none")
        seal(Path(name), {}, [*secret_values(), *secret_forms(["none-0"])])


def _load_models(*services: str) -> None:
    """Read botocore's models of services that the engine does not read ahead."""
    import botocore.session

    loader: Any = botocore.session.Session().get_component("data_loader")
    for service in services:
        for kind in ("service-2", "endpoint-rule-set-1"):
            loader.load_service_model(service, kind)


ACCOUNT_ID = "111122223333"
_IDENTITY = (
    "<GetCallerIdentityResponse><GetCallerIdentityResult><UserId>example</UserId>"
    f"<Account>{ACCOUNT_ID}</Account><Arn>arn:aws:iam::{ACCOUNT_ID}:root</Arn>"
    "</GetCallerIdentityResult></GetCallerIdentityResponse>"
)
_CREATED = "<Role><RoleName>example</RoleName><CreateDate>2026-01-01T00:00:00Z</CreateDate></Role>"
_ROLE, _POLICY = "example", f"arn:aws:iam::{ACCOUNT_ID}:policy/example"
# Beside what a preview reads: what an apply writes, and what is read of a role that is there.
_CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("create_policy", {"PolicyName": _ROLE, "PolicyDocument": "{}"}),
    ("create_role", {"RoleName": _ROLE, "AssumeRolePolicyDocument": "{}"}),
    ("attach_role_policy", {"RoleName": _ROLE, "PolicyArn": _POLICY}),
    ("list_attached_role_policies", {"RoleName": _ROLE}),
    ("list_role_policies", {"RoleName": _ROLE}),
    ("get_policy_version", {"PolicyArn": _POLICY, "VersionId": "v1"}),
    (
        "simulate_principal_policy",
        {"PolicySourceArn": _POLICY, "ActionNames": ["s3:PutObject"], "ResourceArns": ["*"]},
    ),
)


def rehearse() -> None:
    """Make the children's clients, and go once through what a target does with them.

    Nothing is sent, written or kept. Where the AWS configuration cannot be used nothing is
    rehearsed: each target says so itself.
    """
    pacing = open_pacing()
    ahead = open_ahead("paced" if pacing else "adaptive", pacing)
    if ahead is None:
        return
    with contextlib.suppress(RunbookError), ahead.answered(answer):
        preview_example(ahead)


def answer(call: str) -> tuple[int, dict[str, str], str]:
    """Answer as AWS does where the bucket exists and nothing else does."""
    service, _, operation = call.partition(".")
    if operation == "GetCallerIdentity":
        return 200, {"content-type": "text/xml"}, _IDENTITY
    if operation == "HeadBucket":
        return 200, {}, ""
    if service == "accessanalyzer":
        return 200, {"content-type": "application/json"}, '{"findings": []}'
    if operation.startswith(("Create", "Attach", "Simulate")):
        result = _CREATED if operation == "CreateRole" else ""
        inner = f"<{operation}Result>{result}</{operation}Result>"
        text = f"<{operation}Response>{inner}</{operation}Response>"
        return 200, {"content-type": "text/xml"}, text
    error = "<Error><Code>NoSuchEntity</Code><Message>none</Message></Error>"
    wrapped = error if service == "s3" else f"<ErrorResponse>{error}</ErrorResponse>"
    return 404, {"content-type": "text/xml"}, wrapped


def preview_example(ahead: ClientsAhead) -> dict[str, Any]:
    """Preview and judge the example, make an apply's calls, and return the report."""
    from rwlib.report import render_html, validate_report
    from rwlib.runbook import Runbook
    from rwlib.target import Target

    workload_identity_arn = f"arn:aws:iam::{ACCOUNT_ID}:role/example"
    target = Target(
        name="example",
        workload_identity_arn=workload_identity_arn,
        bucket="example",
        prefix="example",
        connectors=["s3_sink"],
    )
    aws = Aws(ahead.session, ahead=ahead)
    book = Runbook(target, aws, workload_identity_arn=workload_identity_arn)
    book.look()
    book.verify()
    for operation, parameters in _CALLS:
        with contextlib.suppress(ClientError):
            aws.read("iam", operation, optional=operation.startswith("simulate"), **parameters)
    report = book.finish()
    validate_report(report)
    render_html(report)
    return report
