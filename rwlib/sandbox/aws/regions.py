"""AWS Regions: which exist, and which an account must switch on first."""

from __future__ import annotations

from functools import cache

OPT_IN = frozenset(
    {
        "af-south-1",
        "ap-east-1",
        "ap-east-2",
        "ap-south-2",
        "ap-southeast-3",
        "ap-southeast-4",
        "ap-southeast-5",
        "ap-southeast-6",
        "ap-southeast-7",
        "ca-west-1",
        "eu-central-2",
        "eu-south-1",
        "eu-south-2",
        "il-central-1",
        "me-central-1",
        "me-south-1",
        "mx-central-1",
    }
)
"""Regions that are off in a new account.

Source: AWS Account Management Reference Guide, "Enable or disable AWS Regions in your account".
"""


@cache
def all_regions() -> frozenset[str]:
    """Give the Regions of the standard partition, as botocore knows them."""
    import botocore.session

    session = botocore.session.get_session()
    found: list[str] = session.get_available_regions("s3")
    return frozenset(found) | OPT_IN


def exists(region: str) -> bool:
    """Whether there is such a Region."""
    return region in all_regions()
