"""What the engine is given by the platform it runs on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rwlib.sandbox.risingwave.engine.credentials import Identity
from rwlib.sandbox.risingwave.engine.opendal import OpenDalOperator
from rwlib.sandbox.risingwave.engine.signed import Keys, SignedClient

Options = dict[str, str]

RELEASED = "v3.0.3"
MAIN = "3.2.0-alpha"


@dataclass(frozen=True)
class Platform:
    """One cluster's engine: its version, its settings, and who it is on AWS.

    Parameters
    ----------
    aws
        Where AWS answers.
    workload
        Gives a session of the cluster's workload identity.
    session_of
        Gives a session of any role without asking its trust policy, for services that act as the
        role (Redshift) after their own check.
    version
        The image tag. A release up to v3.0.3 drops options that a sink does not know; the main
        branch refuses them (``src/connector/src/sink/mod.rs:291-317``).
    config_load
        False where the platform sets ``DISABLE_DEFAULT_CREDENTIAL``.
    enforce_secret
        Secrets must be SECRETs, as on RisingWave Cloud.
    licensed
        The features that need a license are there.
    """

    aws: SignedClient
    workload: Callable[[], Keys]
    session_of: Callable[[str, str], Keys]
    version: str = RELEASED
    config_load: bool = True
    enforce_secret: bool = True
    licensed: bool = True

    @property
    def refuses_unknown_sink_options(self) -> bool:
        """Whether sinks refuse options they do not know."""
        return self.version.lstrip("v").split(".")[:2] >= ["3", "1"]

    def identity(self, base: Keys | None, enable_config_load: bool, role_arn: str = "") -> Identity:
        """Say who a connector calls AWS as."""
        return Identity(base, enable_config_load and self.config_load, self.workload, role_arn)

    def operator(self, options: Options, *, role: bool = True) -> OpenDalOperator:
        """Give the S3 operator of a file connector (``s3.region_name`` and so on)."""
        identity = self.identity(
            static_keys(options, "s3.credentials.access", "s3.credentials.secret"),
            is_on(options, "enable_config_load"),
            options.get("s3.assume_role", "") if role else "",
        )
        return OpenDalOperator(
            self.aws, identity, options["s3.bucket_name"], options["s3.region_name"]
        )


def static_keys(options: Options, access: str, secret: str) -> Keys | None:
    """Give the static keys of a statement, if it has both."""
    if options.get(access) and options.get(secret):
        return Keys(options[access], options[secret])
    return None


def is_on(options: Options, name: str, default: bool = False) -> bool:
    """Tell whether a switch is on."""
    return options[name].lower() == "true" if name in options else default
