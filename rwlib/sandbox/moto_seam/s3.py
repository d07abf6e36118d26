"""moto's S3, read as the sandbox sees it: buckets, objects and uploads."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from typing import Any

from moto.s3.models import FakeBucket, FakeKey, PublicAccessBlock, s3_backends

from rwlib.sandbox.moto_seam.backends import backends, loaded
from rwlib.sandbox.views import (
    BucketView,
    CorsView,
    ObjectView,
    PartView,
    StampView,
    UploadView,
)

BLOCKS = {
    "block_public_acls": "BlockPublicAcls",
    "ignore_public_acls": "IgnorePublicAcls",
    "block_public_policy": "BlockPublicPolicy",
    "restrict_public_buckets": "RestrictPublicBuckets",
}


class MotoS3:
    """What the sandbox asks of moto's S3; the world must be entered."""

    def knows_page(self, account: str, token: str) -> bool:
        """Whether a listing of that account gave out the continuation token."""
        return token in s3_backends[account]["aws"]._pagination_tokens

    def page_start(self, account: str, token: str) -> str | None:
        """Give the key after which the page of a token starts."""
        start = s3_backends[account]["aws"]._pagination_tokens.get(token)
        return str(start) if start is not None else None

    def was_completed(self, bucket: str, key: str, upload_id: str) -> bool:
        """Whether an object is what became of the upload."""
        item = self._key(bucket, key, None)
        return item is not None and getattr(item.multipart, "id", None) == upload_id

    def bucket(self, name: str) -> BucketView | None:
        """Give the bucket of that name, whoever owns it."""
        bucket = self.moto_bucket(name)
        if bucket is None:
            return None
        block = bucket.public_access_block
        on = {label for field, label in BLOCKS.items() if getattr(block, field, False) is True}
        algorithm, key, bucket_key = _default_encryption(bucket.encryption)
        policy = bucket.policy
        return BucketView(
            name,
            bucket.account_id,
            bucket.region_name,
            policy.decode() if isinstance(policy, bytes) else policy,
            frozenset(on),
            _ownership(bucket.ownership_rule),
            algorithm,
            key,
            bucket_key,
        )

    def account_block(self, account: str) -> frozenset[str]:
        """Give the account-wide Block Public Access settings that are on."""
        if "s3control" not in loaded():
            return frozenset()
        block = backends("s3control")[account]["aws"].public_access_block
        return frozenset(
            label for field, label in BLOCKS.items() if getattr(block, field, False) is True
        )

    def set_new_bucket_defaults(self, name: str, *, ownership: bool) -> None:
        """Give a new bucket what S3 gives it since 2023: no ACLs, no public access, SSE-S3."""
        bucket = self.moto_bucket(name)
        if bucket is None:
            return
        bucket.public_access_block = PublicAccessBlock(True, True, True, True)
        self.set_default_encryption(name)
        if ownership:
            # moto keeps the rule's bare name, whatever its annotation says.
            bucket.ownership_rule = "BucketOwnerEnforced"  # type: ignore[assignment]

    def set_default_encryption(self, name: str) -> None:
        """Encrypt a bucket with SSE-S3, which cannot be switched off."""
        bucket = self.moto_bucket(name)
        if bucket is not None:
            default = {"SSEAlgorithm": "AES256"}
            bucket.encryption = {
                "Rule": {
                    "ApplyServerSideEncryptionByDefault": default,
                    "BucketKeyEnabled": "false",
                }
            }

    def has_versions(self, name: str) -> bool:
        """Whether versioning was ever switched on for a bucket."""
        bucket = self.moto_bucket(name)
        return bucket is not None and bucket.versioning_status is not None

    def cors_rules(self, name: str) -> list[CorsView]:
        """Give the rules of a bucket's CORS configuration, none where it has none."""
        bucket = self.moto_bucket(name)
        return [
            CorsView(
                tuple(rule.allowed_origins or ()),
                tuple(rule.allowed_methods or ()),
                tuple(rule.allowed_headers or ()),
                tuple(rule.exposed_headers or ()),
                str(rule.max_age_seconds) if rule.max_age_seconds else None,
            )
            for rule in (bucket.cors if bucket is not None else ())
        ]

    def acl_grants(self, name: str) -> list[str]:
        """Name the grants of a bucket's ACL that go to groups: everybody, or any AWS account."""
        bucket = self.moto_bucket(name)
        grants = bucket.acl.grants if bucket is not None and bucket.acl is not None else ()
        return sorted(
            f"{permission} for {grantee.uri}"
            for grant in grants
            for grantee in grant.grantees
            if grantee.uri
            for permission in grant.permissions
        )

    def deletes_later(self, name: str) -> list[str]:
        """Say which objects a bucket's lifecycle rules delete, and when."""
        bucket = self.moto_bucket(name)
        found = []
        for rule in bucket.rules if bucket is not None else ():
            days, date = rule.expiration_days, rule.expiration_date
            when = f"after {days} days" if days else f"on {date}" if date else ""
            if rule.status == "Enabled" and when:
                below = rule.prefix or getattr(rule.filter, "prefix", "") or ""
                found.append(f"{name}/{below}* {when}")
        return sorted(found)

    def copies_to(self, name: str) -> list[str]:
        """Name the buckets to which a bucket's replication copies new objects."""
        rules = (getattr(self.moto_bucket(name), "replication", None) or {}).get("Rule", ())
        return sorted(
            {str(each["Destination"]["Bucket"]) for each in rules if each["Status"] == "Enabled"}
        )

    def moto_bucket(self, name: str) -> FakeBucket | None:
        """Give moto's bucket of that name."""
        where = s3_backends.bucket_accounts.get(name)
        return s3_backends[where[1]][where[0]].buckets.get(name) if where else None

    def object(self, bucket: str, key: str, version: str | None = None) -> ObjectView | None:
        """Give an object; None where there is none."""
        item = self._key(bucket, key, version)
        if item is None:
            return None
        tagger = s3_backends[str(item.account_id)]["aws"].tagger
        public = bool(item.acl and item.acl.public_read)
        tags = tagger.get_tag_dict_for_resource(item.arn)
        return ObjectView(item.encryption, item.kms_key_id, tags, public)

    def stamp(self, bucket: str, key: str, version: str | None = None) -> StampView | None:
        """Give what tells an object's content from another; None where there is no object."""
        item = self._key(bucket, key, version)
        if item is None:
            return None
        parts = tuple(getattr(item.multipart, "sandbox_sizes", ()))
        modified = item.last_modified.replace(microsecond=0, tzinfo=UTC)
        return StampView(item.etag, modified, item.size, parts)

    def retention(self, bucket: str, key: str, version: str | None) -> tuple[str, str] | None:
        """Give the mode and the end of an object's retention; None where it has none."""
        item = self._key(bucket, key, version)
        if item is None or not item.lock_mode or not item.lock_until:
            return None
        return str(item.lock_mode), str(item.lock_until)

    def has_lock(self, bucket: str) -> bool:
        """Whether Object Lock is on for a bucket."""
        found = self.moto_bucket(bucket)
        return found is not None and bool(found.object_lock_enabled)

    def _key(self, bucket: str, key: str, version: str | None) -> FakeKey | None:
        found = self.moto_bucket(bucket)
        if found is None:
            return None
        versions = found.keys.getlist(key) if key in found.keys else []
        item: Any = None
        if version is None:
            item = versions[-1] if versions else None
        else:
            item = next((v for v in versions if str(v.version_id) == version), None)
        return item if isinstance(item, FakeKey) else None

    def upload(self, bucket: str, upload_id: str) -> UploadView | None:
        """Give a multipart upload under way."""
        found = self._multipart(bucket, upload_id)
        if found is None:
            return None
        return UploadView(
            found.key_name,
            getattr(found, "sandbox_initiator", ""),
            found.sse_encryption,
            found.kms_key_id,
            str(found.metadata.get("x-amz-checksum-algorithm") or "").upper(),
        )

    def upload_parts(self, bucket: str, upload_id: str) -> dict[int, PartView] | None:
        """Give the parts of an upload under way by their numbers; None where there is none."""
        found = self._multipart(bucket, upload_id)
        if found is None:
            return None
        return {
            number: PartView(part.etag, part.size, getattr(part, "sandbox_checksum", ""))
            for number, part in found.parts.items()
        }

    def mark_checksum(self, bucket: str, upload_id: str, number: int, value: str) -> None:
        """Remember the checksum that a part came with."""
        found = self._multipart(bucket, upload_id)
        if found is not None and number in found.parts:
            found.parts[number].sandbox_checksum = value

    def forget_parts(self, bucket: str, key: str, numbers: Sequence[int]) -> None:
        """Keep of a completed upload's parts only how large they were: the object has them."""
        item = self._key(bucket, key, None)
        found = item.multipart if item is not None else None
        if found is None or hasattr(found, "sandbox_sizes"):
            return
        found.sandbox_sizes = [  # type: ignore[attr-defined]
            found.parts[number].size for number in numbers if number in found.parts
        ]
        for part in found.parts.values():
            part.etag  # noqa: B018 - computed while the content is there
            part._value_buffer.close()

    def mark_initiator(self, bucket: str, upload_id: str, arn: str) -> None:
        """Remember who began a multipart upload."""
        found = self._multipart(bucket, upload_id)
        if found is not None:
            found.sandbox_initiator = arn

    def all_buckets(self) -> list[FakeBucket]:
        """List moto's buckets of every account."""
        found = (self.moto_bucket(name) for name in list(s3_backends.bucket_accounts))
        return [bucket for bucket in found if bucket is not None]

    def _multipart(self, bucket: str, upload_id: str) -> Any:
        found = self.moto_bucket(bucket)
        return found.multiparts.get(upload_id) if found is not None else None


def _ownership(rule: Any) -> str:
    """Read the object ownership rule; without one it is BucketOwnerEnforced, as in AWS."""
    return rule if isinstance(rule, str) else "BucketOwnerEnforced"


def _default_encryption(configuration: Any) -> tuple[str | None, str | None, bool]:
    if not configuration:
        return None, None, False
    rule = configuration["Rule"]
    rule = rule[0] if isinstance(rule, list) else rule
    default = rule.get("ApplyServerSideEncryptionByDefault") or {}
    bucket_key = str(rule.get("BucketKeyEnabled", "")).lower() == "true"
    return default.get("SSEAlgorithm"), default.get("KMSMasterKeyID"), bucket_key
