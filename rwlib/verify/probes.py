"""The requests that a connector makes, and those that must be refused.

A probe is one request with the answer it should get. The requests of each connector were read
from RisingWave's sources; beside what must work stands what must fail, so that a grant that is
too wide is found like one that is too narrow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rwlib.connectors import ConnectorRequest, connector_profile
from rwlib.steps import glue_settings, listed_at_create
from rwlib.target import connector_options

if TYPE_CHECKING:
    from rwlib.target import Target


@dataclass(frozen=True)
class Probe:
    """One request and the answer it should get.

    Parameters
    ----------
    id
        Stable within a target, such as ``redshift.put``.
    title
        The request in plain words.
    allow
        True when it must be allowed.
    action, resource, context
        As in `rwlib.evaluate.model.Request`.
    principal
        Empty for a session of the role; else the ARN that asks.
    """

    id: str
    title: str
    allow: bool
    action: str
    resource: str
    context: Mapping[str, Any] = field(default_factory=dict)
    principal: str = ""

    @property
    def place(self) -> str:
        """What the request is about, without ``arn:aws:s3:::``."""
        return self.resource.removeprefix("arn:aws:s3:::")


def required_probes(
    target: Target,
    *,
    account_id: str,
    region_name: str,
    kms_key_arn: str = "",
    bucket_key: bool | None = None,
) -> list[Probe]:
    """Return what the target's connectors must be allowed to do.

    S3 sends the object's ARN as encryption context, with a bucket key the bucket's (Amazon S3
    User Guide, "Reducing the cost of SSE-KMS with Amazon S3 Bucket Keys").
    """
    probes = [probe for name in target.connectors for probe in _connector_probes(target, name)]
    key = target.kms_key_arn or kms_key_arn
    if key:
        writes = any(probe.action == "s3:PutObject" for probe in probes)
        # With a bucket key S3 names the bucket in the encryption context, without one the object.
        bucket = f"arn:aws:s3:::{target.bucket}"
        folder = f"{target.prefix}/" if target.prefix else ""
        for what, where, encrypted in (
            ("", "", f"{bucket}/{folder}part-0.json"),
            (".bucket", ", with a bucket key", bucket),
        ):
            if bucket_key is not None and bucket_key is not bool(what):
                continue
            context = {
                "kms:ViaService": f"s3.{region_name}.amazonaws.com",
                "kms:EncryptionContext:aws:s3:arn": encrypted,
            }
            probes.append(
                Probe(f"kms.decrypt{what}", f"decrypt with the bucket's key{where}", True,
                      "kms:Decrypt", key, context)
            )  # fmt: skip
            if writes:
                probes.append(
                    Probe(f"kms.encrypt{what}", f"encrypt with the bucket's key{where}", True,
                          "kms:GenerateDataKey", key, context)
                )  # fmt: skip
    probes += _glue_probes(target, account_id, region_name)
    return probes


_TITLES = {
    "s3:PutObject": "write",
    "s3:GetObject": "read",
    "s3:DeleteObject": "delete",
}


def _connector_probes(target: Target, name: str) -> Iterator[Probe]:
    """Yield what the connector's file says that it asks for, at this target's place."""
    bucket = f"arn:aws:s3:::{target.bucket}"
    profile = connector_profile(name)
    root = place_of_files(target, name)
    for request in profile.requests:
        probe_id = f"{name}.{request.id}"
        if request.action == "s3:ListBucket":
            prefix = _listed(target, name, request, root)
            context = {"s3:prefix": prefix} if prefix else {}
            title = f"list files {f'under {prefix}' if prefix else 'of the bucket'}"
            yield Probe(
                probe_id, title, True, request.action, bucket, {**context, "s3:delimiter": "/"}
            )
        elif not request.key:
            yield Probe(probe_id, f"{request.action} of the bucket", True, request.action, bucket)
        else:
            key = _file_read(target, name, request) or f"{root}{request.key}"
            title = f"{_TITLES.get(request.action, request.action)} {key}"
            yield Probe(probe_id, title, True, request.action, f"{bucket}/{key}")


def place_of_files(target: Target, name: str) -> str:
    """Return the folder below which a connector's files are, with its slash; empty for none."""
    profile = connector_profile(name)
    given = connector_options(target, name).get(profile.folder_option) or profile.example_folder
    parts = (target.prefix, str(given) if profile.folder_option else "")
    folder = "/".join(part for part in parts if part)
    return f"{folder}/" if folder else ""


def _file_read(target: Target, name: str, request: ConnectorRequest) -> str:
    """Return a file that a source's ``match_pattern`` fits: it reads no others; empty for none."""
    patterned = any(each.listed == "pattern" for each in connector_profile(name).requests)
    pattern = str(connector_options(target, name).get("match_pattern") or "")
    if not patterned or request.action != "s3:GetObject" or not pattern or "\\" in pattern:
        return ""
    from rwlib.sql import listed_prefix

    start, *ends = re.split(r"[*?\[\]{}]+", pattern)
    return f"{listed_prefix(pattern) or ''}part-0{ends[-1]}" if ends else start


def _listed(target: Target, name: str, request: ConnectorRequest, root: str) -> str:
    if request.listed == "path":
        # Lists the path as it is written, without a slash of its own.
        return listed_at_create(target, name) or ""
    if request.listed == "pattern":
        from rwlib.sql import listed_prefix

        pattern = connector_options(target, name).get("match_pattern") or f"{root}*"
        return listed_prefix(str(pattern)) or ""
    return f"{root}{request.key}"


def _glue_probes(target: Target, account_id: str, region_name: str) -> Iterator[Probe]:
    glue = glue_settings(target, account_id, region_name)
    if glue is None:
        return
    place = f"arn:aws:glue:{glue['region_name']}:{glue['account_id']}"
    database = glue["database"] or "analytics"
    table = f"{place}:table/{database}/{glue['table'] or 'orders'}"
    yield Probe(
        "glue.database", f"look up Glue database {database}", True, "glue:GetDatabase",
        f"{place}:database/{database}",
    )  # fmt: skip
    yield Probe("glue.table", "look up a Glue table", True, "glue:GetTable", table)
    if glue["writes"]:
        yield Probe("glue.commit", "commit to a Glue table", True, "glue:UpdateTable", table)


def forbidden_probes(target: Target) -> list[Probe]:
    """Return what the role must not be allowed to do."""
    bucket = f"arn:aws:s3:::{target.bucket}"
    name = f"{target.bucket[:50]}-other"
    other = f"arn:aws:s3:::{name if name != target.bucket else f'another-{name[:50]}'}"
    probes = [
        Probe("bucket.delete", "delete the bucket", False, "s3:DeleteBucket", bucket),
        Probe("bucket.policy", "change the bucket policy", False, "s3:PutBucketPolicy", bucket),
        Probe("other.read", "read from another bucket", False, "s3:GetObject", f"{other}/a.json"),
        Probe("other.write", "write to another bucket", False, "s3:PutObject", f"{other}/a.json"),
        Probe(
            "other.list", "list another bucket", False, "s3:ListBucket", other, {"s3:prefix": ""}
        ),
    ]
    if target.prefix:
        beside = f"{target.prefix}-other"
        probes += [
            Probe("beside.read", f"read {beside}/a.json", False, "s3:GetObject",
                  f"{bucket}/{beside}/a.json"),
            Probe("beside.write", f"write {beside}/a.json", False, "s3:PutObject",
                  f"{bucket}/{beside}/a.json"),
            Probe("beside.delete", f"delete {beside}/a.json", False, "s3:DeleteObject",
                  f"{bucket}/{beside}/a.json"),
            Probe("beside.list", f"list files under {beside}/", False, "s3:ListBucket", bucket,
                  {"s3:prefix": f"{beside}/"}),
            Probe("root.list", "list the bucket's root", False, "s3:ListBucket", bucket),
            Probe("root.write", "write to the bucket's root", False, "s3:PutObject",
                  f"{bucket}/a.json"),
        ]  # fmt: skip
    return probes


def forbidden_callers(workload_identity_arn: str, account_id: str) -> dict[str, str]:
    """Return who must not be able to assume the role: a title for each ARN."""
    account = workload_identity_arn.split(":")[4]
    stranger = "999999999999" if "999999999999" not in (account, account_id) else "888888888888"
    return {
        f"arn:aws:iam::{account}:role/some-other-role": "another role of RisingWave's account",
        f"arn:aws:iam::{account}:user/some-user": "a user of RisingWave's account",
        f"arn:aws:iam::{stranger}:role/some-role": "a role of a stranger's account",
    }
