"""Requests of the role as real calls in the sandbox, whatever condition keys they have."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from rwlib.evaluate import Request
from tests.verify.accounts import Account

_S3: dict[str, tuple[str, dict[str, Any]]] = {
    "s3:getobject": ("get_object", {}),
    "s3:putobject": ("put_object", {"Body": b"{}"}),
    "s3:deleteobject": ("delete_object", {}),
    "s3:getobjectacl": ("get_object_acl", {}),
    "s3:getobjecttagging": ("get_object_tagging", {}),
    "s3:putobjecttagging": ("put_object_tagging", {"Tagging": {"TagSet": []}}),
    "s3:deleteobjecttagging": ("delete_object_tagging", {}),
    "s3:listbucket": ("list_objects_v2", {}),
    "s3:listbucketversions": ("list_object_versions", {}),
    "s3:listbucketmultipartuploads": ("list_multipart_uploads", {}),
    "s3:getbucketlocation": ("get_bucket_location", {}),
    "s3:getbucketacl": ("get_bucket_acl", {}),
    "s3:getbucketpolicy": ("get_bucket_policy", {}),
    "s3:getbuckettagging": ("get_bucket_tagging", {}),
    "s3:getbucketversioning": ("get_bucket_versioning", {}),
    "s3:listallmybuckets": ("list_buckets", {}),
}
_IAM: dict[str, tuple[str, str]] = {
    "iam:getuser": ("get_user", "UserName"),
    "iam:listaccesskeys": ("list_access_keys", "UserName"),
    "iam:getrole": ("get_role", "RoleName"),
    "iam:listroletags": ("list_role_tags", "RoleName"),
}
_ARGUMENTS = {"s3:prefix": "Prefix", "s3:delimiter": "Delimiter", "s3:max-keys": "MaxKeys"}
_HEADERS = {
    "aws:useragent": "User-Agent",
    "s3:x-amz-acl": "x-amz-acl",
    "s3:x-amz-storage-class": "x-amz-storage-class",
}
_NETWORK = {
    "aws:sourceip": "source_ip",
    "aws:sourcevpce": "source_vpce",
    "aws:sourcevpc": "source_vpc",
    "aws:principalorgid": "organization",
}
# What every request of the role has, and this module does not choose.
_GIVEN = {
    *("aws:principalarn", "aws:viaawsservice", "aws:multifactorauthpresent", "aws:currenttime"),
    *("s3:resourceaccount", "aws:userid", "aws:requestedregion", "aws:securetransport"),
    *("aws:principaltag/team", "aws:tokenissuetime", "aws:epochtime"),
}
_REFUSED = {"AccessDenied", "AccessDeniedException", "403", "AllAccessDisabled"}


def can_be_made(request: Request) -> bool:
    """Tell whether this module makes a call of it; the evaluator speaks for the rest.

    Of a request that is let through at a later time, too.
    """
    if str(request.context.get("aws:CurrentTime", "")) > f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}":
        return False
    action = request.action.lower()
    known = {*_GIVEN, *_NETWORK, *_ARGUMENTS, *_HEADERS}
    keys = {key.lower() for key in request.context}
    return keys <= known and (action in _S3 or action in _IAM)


def role_may(account: Account, keys: Mapping[str, str], request: Request) -> bool:
    """Make a request as a session of the role, and say whether it goes through."""
    context = {key.lower(): str(value) for key, value in request.context.items()}
    way: dict[str, Any] = {name: context[key] for key, name in _NETWORK.items() if key in context}
    if context.get("aws:securetransport", "true") == "false":
        way["secure_transport"] = False
    action = request.action.lower()
    region = context.get("aws:requestedregion") or account.region
    if action.startswith("iam:"):
        call = _iam_call(account, keys, request.resource, *_IAM[action])
    else:
        call = _s3_call(account, keys, request.resource, region, context, *_S3[action])
    account.come_from(**way)
    try:
        call()
        if action == "s3:deleteobject":
            account.made.discard(request.resource.removeprefix("arn:aws:s3:::"))
    except ClientError as error:
        code, status = error.response["Error"]["Code"], error.response["ResponseMetadata"]
        return code not in _REFUSED and status["HTTPStatusCode"] not in (301, 307)
    return True


def _iam_call(
    account: Account, keys: Mapping[str, str], resource: str, name: str, argument: str
) -> Callable[[], Any]:
    iam = account.client("iam", **keys)
    return lambda: getattr(iam, name)(**{argument: resource.rpartition("/")[2]})


def _s3_call(
    account: Account,
    keys: Mapping[str, str],
    resource: str,
    region: str,
    context: Mapping[str, str],
    name: str,
    given: Mapping[str, Any],
) -> Callable[[], Any]:
    bucket, _, key = resource.removeprefix("arn:aws:s3:::").partition("/")
    arguments = {**given, **({"Bucket": bucket} if bucket != "*" else {})}
    if key:
        arguments["Key"] = key
    arguments |= {_ARGUMENTS[each]: context[each] for each in _ARGUMENTS if each in context}
    if "MaxKeys" in arguments:
        arguments["MaxKeys"] = int(arguments["MaxKeys"])
    _put_there(account, bucket, key, region)
    s3 = account.client("s3", region, **keys)

    def add_headers(request: Any, **_: Any) -> None:
        for condition, header in _HEADERS.items():
            if condition in context:
                request.headers[header] = context[condition]

    def call() -> None:
        s3.meta.events.register("before-sign.s3", add_headers, "headers")
        try:
            getattr(s3, name)(**arguments)
        finally:
            s3.meta.events.unregister("before-sign.s3", unique_id="headers")

    return call


def _put_there(account: Account, bucket: str, key: str, region: str) -> None:
    """Let there be such a bucket and object, so that only permissions decide."""
    if bucket == "*":
        return
    owner = account.client("s3", region)
    if bucket != account.target.bucket and account.regions.get(bucket) != region:
        if bucket in account.regions:
            _take_away(account, bucket)
        place = {} if region == "us-east-1" else {
            "CreateBucketConfiguration": {"LocationConstraint": region}
        }  # fmt: skip
        owner.create_bucket(Bucket=bucket, **place)
        account.regions[bucket] = region
    if key and f"{bucket}/{key}" not in account.made:
        account.come_from()
        own = account.s3 if bucket == account.target.bucket else owner
        with _without_policy(own, bucket):
            own.put_object(Bucket=bucket, Key=key, Body=b"{}")
        account.made.add(f"{bucket}/{key}")


def _take_away(account: Account, bucket: str) -> None:
    """Delete a bucket that an earlier example asked for in another Region."""
    account.come_from()
    owner = account.client("s3", account.regions.pop(bucket))
    for each in owner.list_objects_v2(Bucket=bucket).get("Contents", []):
        owner.delete_object(Bucket=bucket, Key=each["Key"])
    owner.delete_bucket(Bucket=bucket)
    account.made = {each for each in account.made if not each.startswith(f"{bucket}/")}


@contextmanager
def _without_policy(s3: Any, bucket: str) -> Iterator[None]:
    """Take a bucket's policy off for a moment: it may keep the owner from writing."""
    try:
        policy = s3.get_bucket_policy(Bucket=bucket)["Policy"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchBucketPolicy":
            raise
        yield
        return
    s3.delete_bucket_policy(Bucket=bucket)
    yield
    s3.put_bucket_policy(Bucket=bucket, Policy=policy)
