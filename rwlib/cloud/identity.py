"""How a cluster's id and the name of its workload role belong together.

``risingwavelabs/terraform-provider-risingwavecloud``, ``internal/utils/rwcloud/rwcloud.go``
(``ToBase32``, ``BuildEncodedClusterID``) writes a cluster's NsID as 26 characters. The role that
RisingWave's documentation shows as an example carries exactly such a name. RisingWave does not
document this, so it serves to notice a role of another cluster, never to make up an ARN.
"""

from __future__ import annotations

import uuid

from rwlib.errors import InputError

_ALPHABET = "0123456789abcdefghijklmnopqrstuv"
_LENGTH = 26
# 26 characters of 5 bits are 130: the two bits above the 128 of the UUID are always "10".
_MARK = 0b10 << 128


def parse_cluster_id(cluster_id: str) -> uuid.UUID:
    """Read a cluster's NsID.

    Raises
    ------
    InputError
        The text is not a UUID.
    """
    try:
        # uuid.UUID also takes braces, "urn:uuid:" and 32 bare digits; a path takes one form only.
        parsed = uuid.UUID(cluster_id.strip())
    except (ValueError, AttributeError):
        parsed = None
    if parsed is None or str(parsed) != cluster_id.strip().lower():
        raise InputError(
            "cluster_id",
            cluster_id,
            "is not the NsID of a cluster; it is a UUID such as "
            "'019d023e-68a6-74db-b73c-e18859fc5171', shown on the cluster's page in the console.",
        )
    return parsed


def encode_cluster_id(cluster_id: str) -> str:
    """Write a cluster's NsID as the 26 characters that RisingWave Cloud uses in names."""
    number = _MARK | parse_cluster_id(cluster_id).int
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))


def expected_role_name(cluster_id: str) -> str:
    """Name the workload role of a cluster by the pattern seen in RisingWave's documentation."""
    return f"{encode_cluster_id(cluster_id)}-role"


def tenant_identifier(cluster_id: str, cluster_name: str) -> str:
    """Name a cluster as the SQL proxy routes it: ``rwc-<encoded id>-<name>``."""
    return f"rwc-{encode_cluster_id(cluster_id)}-{cluster_name}"
