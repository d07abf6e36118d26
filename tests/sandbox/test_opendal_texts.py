"""The stand-in's S3 errors beside those of opendal itself."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from rwlib.sandbox import Sandbox
from rwlib.sandbox.risingwave.engine.credentials import Identity
from rwlib.sandbox.risingwave.engine.opendal import OpendalError, OpenDalOperator
from rwlib.sandbox.risingwave.engine.signed import Keys, SignedClient

pytestmark = pytest.mark.slow

BUCKET = "acme-analytics"

if os.environ.get("RWLIB_ORACLE_REQUIRED"):
    import opendal
else:
    opendal = pytest.importorskip(
        "opendal", reason="the extra `oracle` (opendal 0.46.0) is not installed"
    )


@pytest.fixture(scope="module")
def spawned() -> Iterator[Any]:
    # In a process of its own: opendal holds Python's lock while it waits.
    with Sandbox.spawn() as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def nobody(spawned: Any) -> Keys:
    iam = boto3.client(
        "iam",
        endpoint_url=spawned.url,
        aws_access_key_id=spawned.environment()["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key="test",
        region_name="us-east-1",
    )
    iam.create_user(UserName="nobody")
    made = iam.create_access_key(UserName="nobody")["AccessKey"]
    return Keys(made["AccessKeyId"], made["SecretAccessKey"])


def theirs(url: str, keys: Keys, bucket: str, region_name: str) -> Any:
    return opendal.Operator(
        "s3",
        bucket=bucket,
        region=region_name,
        endpoint=url,
        access_key_id=keys.access_key_id,
        secret_access_key=keys.secret_access_key,
        disable_config_load="true",
        disable_ec2_metadata="true",
    )


def ours(url: str, keys: Keys, bucket: str, region_name: str) -> OpenDalOperator:
    identity = Identity(keys, False, lambda: keys)
    return OpenDalOperator(SignedClient(url), identity, bucket, region_name)


OPERATIONS: dict[str, tuple[Callable[[Any], Any], Callable[[OpenDalOperator], Any]]] = {
    "list": (lambda o: list(o.list("finance/")), lambda o: o.list("finance/")),
    "list the bucket": (lambda o: list(o.list("")), lambda o: o.list("")),
    "list odd": (lambda o: list(o.list("a b+c")), lambda o: o.list("a b+c")),
    "list all": (
        lambda o: list(o.scan("finance/")),
        lambda o: o.list("finance/", recursive=True),
    ),
    "stat": (lambda o: o.stat("finance/x"), lambda o: o.stat("finance/x")),
    "read": (lambda o: o.read("finance/x"), lambda o: o.read("finance/x")),
    "write": (lambda o: o.write("finance/x", b"abc"), lambda o: o.write("finance/x", b"abc")),
    "write odd": (lambda o: o.write("a b/é", b""), lambda o: o.write("a b/é", b"")),
    "delete": (lambda o: o.delete("finance/x"), lambda o: o.delete(["finance/x"])),
}


def parts_of(text: str) -> dict[str, str]:
    """Take an error apart: its head, and the context by name."""
    text = text.partition("\n\nBacktrace:")[0]
    text = re.sub(r"https?://(127\.0\.0\.1:\d+|s3\.[a-z0-9-]+\.amazonaws\.com)", "HOST", text)
    text = re.sub(r'request_id: \\?"[^"]*"', "request_id: ID", text)
    text = re.sub(r"\((permanent|persistent|temporary)\)", "()", text)
    if "\n\nContext:" in text:
        head, _, rest = text.partition("\n\nContext:\n")
        context, _, source = rest.partition("\n\nSource:\n")
        listed = re.findall(r"^   (\w+): (.*)$", context, re.MULTILINE)
    else:
        head, _, rest = text.partition(", context: { ")
        context, found, message = rest.partition(" } => ")
        if not found:
            context = context.removesuffix(" }")
        message, _, source = message.partition(", source: ")
        head += f" => {message}" if message else ""
        listed = re.findall(r"(\w+): (Parts \{.*?\} \}|[^,]*)(?:, |$)", context)
    found_parts = {"head": head.strip(), **dict(listed)}
    if source:
        # What the operating system says differs between clients.
        found_parts["source"] = source.strip().partition(": ")[0]
    if "response" in found_parts:
        found_parts["response"] = found_parts["response"].partition(", headers")[0]
    return found_parts


def refusal(call: Callable[[], Any], kind: type[Exception]) -> dict[str, str]:
    with pytest.raises(kind) as caught:
        call()
    return parts_of(str(caught.value))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_text_when_s3_refuses(spawned: Any, nobody: Keys, operation: str) -> None:
    their_call, our_call = OPERATIONS[operation]
    given = (spawned.url, nobody, BUCKET, "us-east-1")
    expected = refusal(lambda: their_call(theirs(*given)), Exception)
    assert expected["head"].startswith("PermissionDenied () at ")
    assert refusal(lambda: our_call(ours(*given)), OpendalError) == expected


@pytest.mark.parametrize("operation", ["list", "stat", "read", "write"])
@pytest.mark.parametrize("fault", ["no bucket", "wrong region", "unknown key", "no server"])
def test_text_when_something_is_wrong(
    spawned: Any, nobody: Keys, operation: str, fault: str
) -> None:
    their_call, our_call = OPERATIONS[operation]
    root = Keys(spawned.environment()["AWS_ACCESS_KEY_ID"], "test")
    given = (
        "http://127.0.0.1:1" if fault == "no server" else spawned.url,
        Keys("AKIAXXXXXXXXXXXXXXXX", "x") if fault == "unknown key" else root,
        "no-such-bucket-here" if fault == "no bucket" else BUCKET,
        "eu-west-1" if fault == "wrong region" else "us-east-1",
    )
    expected = refusal(lambda: their_call(theirs(*given)), Exception)
    assert refusal(lambda: our_call(ours(*given)), OpendalError) == expected


@pytest.mark.parametrize("operation", ["stat", "read"])
def test_text_when_the_object_is_absent(spawned: Any, operation: str) -> None:
    their_call, our_call = OPERATIONS[operation]
    root = Keys(spawned.environment()["AWS_ACCESS_KEY_ID"], "test")
    given = (spawned.url, root, BUCKET, "us-east-1")
    expected = refusal(lambda: their_call(theirs(*given)), Exception)
    assert expected["head"].startswith("NotFound () at ")
    assert refusal(lambda: our_call(ours(*given)), OpendalError) == expected
