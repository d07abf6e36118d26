"""Allowed Principals with effect: the list becomes an IAM policy of the workload role.

The list is RisingWave's side of ``sts:AssumeRole``. It is written with real IAM calls into the
account that stands for RisingWave Cloud, and the sandbox's evaluation does the rest. A change is
accepted at once and applied a little later, and a second one meanwhile is answered 500, as the
real platform does (terraform-provider-risingwavecloud, commit f824548).
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable

from rwlib.sandbox.example_world import RISINGWAVE_CLOUD, may_assume_policy
from rwlib.sandbox.risingwave.clusters import SandboxCluster
from rwlib.sandbox.risingwave.engine.signed import Reply, SignedClient

POLICY_NAME = "assume-customer-roles"

_ROLE_ARN = re.compile(r"arn:aws:iam::\d{12}:role/\S+", re.ASCII)
_INVALID = (
    "validate arn failed: invalid target format, expected format: "
    "arn:aws:iam::{account}:role/{role_name}"
)

Verdict = tuple[int, str]


class AllowedPrincipals:
    """The Allowed Principals of the clusters.

    Parameters
    ----------
    aws
        The sandbox's AWS side.
    clock
        A monotonic clock.
    """

    def __init__(self, aws: SignedClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._aws = aws
        self._clock = clock

    def read(self, cluster: SandboxCluster) -> dict[str, object]:
        """Give the list and its status, and let time pass for a change in flight."""
        with cluster.lock:
            self.settle(cluster, reading=True)
            return {"roleArns": list(cluster.allowed.role_arns), "status": cluster.allowed.status}

    def add(self, cluster: SandboxCluster, role_arn: str) -> Verdict:
        """Accept one more role."""
        if not _ROLE_ARN.fullmatch(role_arn):
            return 400, _INVALID
        with cluster.lock:
            refused = self._refusal(cluster)
            if refused is not None:
                return refused
            if role_arn in cluster.allowed.role_arns:
                return 409, "the role is already allowed"
            cluster.allowed.role_arns.append(role_arn)
            self._begin(cluster)
        return 202, "accepted"

    def remove(self, cluster: SandboxCluster, role_arn: str) -> Verdict:
        """Accept that a role is taken off the list."""
        with cluster.lock:
            refused = self._refusal(cluster)
            if refused is not None:
                return refused
            if role_arn not in cluster.allowed.role_arns:
                return 404, "the role is not in the list"
            cluster.allowed.role_arns.remove(role_arn)
            self._begin(cluster)
        return 202, "accepted"

    def settle(self, cluster: SandboxCluster, *, reading: bool = False) -> None:
        """Apply what is in flight, if it is due."""
        with cluster.lock:
            self._govern(cluster)
            state = cluster.allowed
            if state.status != "Updating":
                return
            if reading and state.reads > 0:
                state.reads -= 1
                return
            if state.reads > 0 or self._clock() < state.ready_at:
                return
            state.status = "Failed" if state.fail or not self._apply(cluster) else "Ready"
            state.fail = False

    def _refusal(self, cluster: SandboxCluster) -> Verdict | None:
        self.settle(cluster)
        if cluster.settings.overlap_next > 0:
            cluster.settings.overlap_next -= 1
            return 500, "internal error"
        return (500, "internal error") if cluster.allowed.status == "Updating" else None

    def _begin(self, cluster: SandboxCluster) -> None:
        state, settings = cluster.allowed, cluster.settings
        state.status = "Updating"
        state.reads = settings.settle_reads
        state.ready_at = self._clock() + settings.settle_seconds
        state.fail, settings.fail_next = settings.fail_next, False

    def _govern(self, cluster: SandboxCluster) -> None:
        """Make the role's policies what the list says, once: an empty list allows nothing."""
        if cluster.governed or not cluster.workload_role:
            return
        role = {"RoleName": cluster.workload_role}
        if self._iam("GetRole", role).status == 404:
            trust = json.dumps(_trust_policy())
            self._iam("CreateRole", {**role, "AssumeRolePolicyDocument": trust})
        for name in self._iam("ListRolePolicies", role).elements("member"):
            if name != POLICY_NAME:
                self._iam("DeleteRolePolicy", {**role, "PolicyName": name})
        if cluster.allowed.status == "Ready":
            self._apply(cluster)
        cluster.governed = True

    def _apply(self, cluster: SandboxCluster) -> bool:
        target = {"RoleName": cluster.workload_role, "PolicyName": POLICY_NAME}
        role_arns = tuple(cluster.allowed.role_arns)
        if not role_arns:
            return self._iam("DeleteRolePolicy", target).status in (200, 404)
        document = json.dumps(may_assume_policy(role_arns), separators=(",", ":"))
        # IAM's own limit on inline policies is what ends a list that has become too long.
        return self._iam("PutRolePolicy", {**target, "PolicyDocument": document}).ok

    def _iam(self, action: str, parameters: dict[str, str]) -> Reply:
        return self._aws.query(
            self._aws.root(RISINGWAVE_CLOUD), "iam", "us-east-1", action, "2010-05-08", parameters
        )


def _trust_policy() -> dict[str, object]:
    principal = {"AWS": f"arn:aws:iam::{RISINGWAVE_CLOUD}:root"}
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [statement]}
