"""Who RisingWave is when it calls AWS: base credentials, then the assumed role.

The order and the requests are those of reqsign 0.16.5 (``src/aws/credential.rs``) as opendal
0.55 sets it up (``core/src/services/s3/backend.rs:826-860``): static keys; else, when the
configuration may be loaded, the workload identity; in every case EC2's metadata service as the
last resort, which a pod of RisingWave Cloud cannot reach.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rwlib.sandbox.risingwave.engine.signed import Keys, SignedClient

SESSION_NAME = "reqsign"
"""What CloudTrail shows for opendal's calls (``risingwavelabs/risingwave#25921``)."""

_IMDS = "error sending request for url (http://169.254.169.254/latest/api/token)"
_STS_VERSION = "2011-06-15"


class CredentialError(Exception):
    """No credentials; the text is what reqsign puts behind ``source:``."""


@dataclass(frozen=True)
class Identity:
    """What a connector's options say about credentials.

    Parameters
    ----------
    base
        The static keys, if the statement has them.
    load_config
        ``enable_config_load`` is on and the platform honours it.
    workload
        Gives the session of the cluster's workload identity.
    role_arn
        The role to assume with them, or empty.
    """

    base: Keys | None
    load_config: bool
    workload: Callable[[], Keys]
    role_arn: str = ""

    def base_keys(self) -> Keys:
        """Give the credentials that RisingWave calls STS with.

        Raises
        ------
        CredentialError
            There are none, and the metadata service cannot be reached.
        """
        if self.base is not None:
            return self.base
        if not self.load_config:
            raise CredentialError(_IMDS)
        return self.workload()

    def keys(self, aws: SignedClient, region_name: str, session_name: str = SESSION_NAME) -> Keys:
        """Give the credentials that S3 sees: the assumed role's, or the base ones without a role.

        Raises
        ------
        CredentialError
            STS refused, with its whole answer.
        """
        base = self.base_keys()
        if not self.role_arn:
            return base
        # reqsign writes the ARN into the address as it is: a plus sign arrives as a blank.
        role_arn = self.role_arn.replace("+", " ")
        reply = aws.send(
            base,
            "sts",
            region_name,
            "GET",
            query=[
                ("Action", "AssumeRole"),
                ("RoleArn", role_arn),
                ("Version", _STS_VERSION),
                ("RoleSessionName", session_name),
                ("DurationSeconds", "3600"),
            ],
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
        if not reply.ok:
            raise CredentialError(f"request to AWS STS Services failed: {reply.text}")
        return Keys(
            reply.element("AccessKeyId"),
            reply.element("SecretAccessKey"),
            reply.element("SessionToken"),
        )
