"""Roles, users, buckets and keys as the authorisation layer sees them, free of moto's classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Policies = tuple[tuple[str, str], ...]
"""Policy documents with the names they are known by."""


@dataclass(frozen=True)
class PrincipalView:
    """A role or a user, with everything that decides what it may do."""

    kind: str
    account: str
    name: str
    path: str
    arn: str
    id: str
    policies: Policies
    boundary_arn: str | None = None
    boundary: str | None = None
    trust: str = ""
    max_session_duration: int = 3600
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class BucketView:
    """A bucket with what decides who may reach it.

    ``public_access_block`` holds the names of the settings that are on. ``ownership`` is the
    object ownership rule. ``encryption`` is the default: algorithm, key and bucket key.
    """

    name: str
    account: str
    region: str
    policy: str | None
    public_access_block: frozenset[str]
    ownership: str
    algorithm: str | None = None
    kms_key: str | None = None
    bucket_key: bool = False


@dataclass(frozen=True)
class ObjectView:
    """An object with what decides who may reach it."""

    algorithm: str | None
    kms_key: str | None
    tags: Mapping[str, str]
    public_read: bool = False


@dataclass(frozen=True)
class StampView:
    """What tells one content of an object from another; ``parts`` are its parts' sizes."""

    etag: str
    modified: datetime
    size: int
    parts: tuple[int, ...] = ()


@dataclass(frozen=True)
class PartView:
    """A part of a multipart upload; ``checksum`` is empty where it came with none."""

    etag: str
    size: int
    checksum: str = ""


@dataclass(frozen=True)
class UploadView:
    """A multipart upload under way."""

    key: str
    initiator: str
    algorithm: str | None
    kms_key: str | None
    checksum_algorithm: str = ""


@dataclass(frozen=True)
class KeyView:
    """A KMS key with what decides who may use it.

    ``grants`` are grantee and operations; ``multi_region`` is empty, ``PRIMARY`` or ``REPLICA``.
    """

    arn: str
    account: str
    region: str
    id: str
    policy: str
    state: str
    manager: str
    aliases: tuple[str, ...]
    grants: tuple[tuple[str, frozenset[str], Mapping[str, Any]], ...] = ()
    asymmetric: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)
    multi_region: str = ""


@dataclass(frozen=True)
class CorsView:
    """One rule of a bucket's CORS configuration."""

    origins: tuple[str, ...]
    methods: tuple[str, ...]
    headers: tuple[str, ...]
    exposed: tuple[str, ...]
    max_age: str | None
