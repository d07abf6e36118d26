"""Names and other limits of S3.

Source: Amazon S3 User Guide, "General purpose bucket naming rules" and "Naming objects".
"""

from __future__ import annotations

import re

from rwlib.sandbox.answer import AwsError

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ADDRESS = re.compile(r"\d{1,3}(\.\d{1,3}){3}")
RESERVED_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
RESERVED_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
LONGEST_KEY = 1024


def check_bucket_name(name: str, account: str, region: str, namespace: str = "") -> None:
    """Refuse a name that a bucket cannot have.

    Raises
    ------
    AwsError
        ``InvalidBucketName``.
    """
    regional = f"-{account}-{region}-an"
    good = (
        _BUCKET.fullmatch(name) is not None
        and ".." not in name
        and ".-" not in name
        and "-." not in name
        and not _ADDRESS.fullmatch(name)
        and not name.startswith(RESERVED_PREFIXES)
        and not name.endswith(RESERVED_SUFFIXES)
        and (not name.endswith("-an") or (namespace != "" and name.endswith(regional)))
    )
    if not good:
        raise AwsError(
            "InvalidBucketName", "The specified bucket is not valid.", fields={"BucketName": name}
        )


def could_exist(name: str) -> bool:
    """Whether any bucket could have that name; old ones had looser rules."""
    return re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9._-]{2,254}", name) is not None


def check_key(key: str) -> None:
    """Refuse a key that is too long.

    Raises
    ------
    AwsError
        ``KeyTooLongError``.
    """
    size = len(key.encode("utf-8", "surrogatepass"))
    if size > LONGEST_KEY:
        raise AwsError(
            "KeyTooLongError",
            "Your key is too long",
            fields={"Size": str(size), "MaxSizeAllowed": str(LONGEST_KEY)},
        )
