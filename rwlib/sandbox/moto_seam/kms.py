"""moto's KMS, read as the sandbox sees it: keys with their policy and grants."""

from __future__ import annotations

from typing import Any

from moto.kms import models
from moto.kms.utils import KEY_ID_LEN, generate_private_key

from rwlib.sandbox.moto_seam.backends import backends, loaded
from rwlib.sandbox.views import KeyView


class MotoKms:
    """What the sandbox asks of moto's KMS; the world must be entered."""

    def key(self, account: str, region: str, key_id: str) -> KeyView | None:
        """Give the KMS key of that id or alias name in an account and Region."""
        backend = backends("kms")[account][region]
        if key_id.startswith("alias/"):
            key_id = backend.get_key_id_from_alias(key_id) or ""
        key = backend.keys.get(key_id)
        if key is None:
            return None
        grants = tuple(
            (grant.grantee_principal, frozenset(grant.operations), dict(grant.constraints or {}))
            for grant in key.grants.values()
        )
        return KeyView(
            key.arn,
            account,
            region,
            key.id,
            key.policy,
            key.key_state,
            key.key_manager,
            tuple(key.aliases),
            grants,
            asymmetric=not _is_symmetric(key.key_spec),
            tags=backend.tagger.get_tag_dict_for_resource(key.id),
            multi_region=key.multi_region_configuration["MultiRegionKeyType"]
            if key.multi_region
            else "",
        )

    def all_keys(self) -> list[Any]:
        """List moto's KMS keys of every account and Region."""
        if "kms" not in loaded():
            return []
        return [
            key
            for _, _, backend in backends("kms").iter_backends()
            for key in backend.keys.values()
        ]

    def key_of_ciphertext(self, blob: bytes, region: str) -> str | None:
        """Give the ARN of the key a ciphertext was made with; moto writes its id first."""
        key_id = blob[:KEY_ID_LEN].decode("ascii", "replace")
        for key in self.all_keys():
            if key.id == key_id and key.region == region:
                return str(key.arn)
        return None


def _is_symmetric(key_spec: str) -> bool:
    return key_spec == "SYMMETRIC_DEFAULT" or key_spec.startswith("HMAC_")


def _private_key(key_spec: str) -> Any:
    """Spare a symmetric key the RSA key that moto makes for it, the longest part of a start."""
    return None if _is_symmetric(key_spec) else generate_private_key(key_spec)


models.generate_private_key = _private_key  # type: ignore[attr-defined]
