"""Every state that the sandbox's permissions passed through, once somebody asks for it.

A state is what decides who may do what: principals with their policies, buckets, keys. What two
states have in common is kept once, so that a long history stays small. Nothing is kept until it is
switched on: a sandbox that serves thousands of runs has no use for it.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from rwlib.sandbox.moto_seam.world import World


class History:
    """The states since `begin`, oldest first.

    Parameters
    ----------
    kept
        What `to_dict` gave before, to go on with.
    """

    def __init__(self, kept: dict[str, Any] | None = None) -> None:
        self._states: list[dict[str, Any]] | None = None
        self._pieces: dict[str, Any] = {}
        if kept:
            self._states, self._pieces = list(kept["states"]), dict(kept["pieces"])

    def begin(self, world: World) -> None:
        """Forget what was kept, and start with the state as it is; the world must be entered."""
        self._states, self._pieces = [], {}
        self.note(world, "", "")

    def note(self, world: World, call: str, caller: str) -> None:
        """Keep the state after a call, if it is another one; the world must be entered."""
        if self._states is None:
            return
        names: dict[str, str] = {}
        for name, piece in _read(world).items():
            text = json.dumps(piece, sort_keys=True)
            digest = hashlib.sha256(text.encode()).hexdigest()[:24]
            names[name] = digest
            self._pieces.setdefault(digest, piece)
        if self._states and self._states[-1]["pieces"] == names:
            return
        at = datetime.now(UTC).isoformat(timespec="seconds")
        self._states.append({"at": at, "call": call, "caller": caller, "pieces": names})

    def to_dict(self) -> dict[str, Any] | None:
        """Give the history as plain JSON values; None when it was not switched on."""
        if self._states is None:
            return None
        return {"states": self._states, "pieces": self._pieces}


def _read(world: World) -> dict[str, Any]:
    pieces: dict[str, Any] = {}
    for account in world.iam.accounts():
        for each in world.iam.principals(account):
            pieces[f"{each.kind} {each.arn}"] = {
                "kind": each.kind,
                "arn": each.arn,
                "name": each.name,
                "id": each.id,
                "trust": each.trust,
                "policies": [list(pair) for pair in each.policies],
                "boundary_arn": each.boundary_arn or "",
                "boundary": each.boundary or "",
                "tags": dict(each.tags),
            }
    for moto_bucket in world.s3.all_buckets():
        bucket = world.s3.bucket(moto_bucket.name)
        assert bucket is not None
        pieces[f"bucket {bucket.name}"] = {
            "name": bucket.name,
            "account": bucket.account,
            "region": bucket.region,
            "policy": bucket.policy or "",
            "public_access_block": sorted(bucket.public_access_block),
            "ownership": bucket.ownership,
            "acl": world.s3.acl_grants(bucket.name),
            "algorithm": bucket.algorithm or "",
            "kms_key": bucket.kms_key or "",
            "bucket_key": bucket.bucket_key,
            "deletes_later": world.s3.deletes_later(bucket.name),
            "copies_to": world.s3.copies_to(bucket.name),
        }
    for moto_key in world.kms.all_keys():
        account = str(moto_key.arn).split(":")[4]
        key = world.kms.key(account, moto_key.region, moto_key.id)
        if key is None:
            continue
        pieces[f"key {key.arn}"] = {
            "arn": key.arn,
            "policy": key.policy,
            "state": key.state,
            "grants": [
                {"principal": principal, "operations": sorted(operations), "constraints": limits}
                for principal, operations, limits in key.grants
            ],
        }
    return pieces
