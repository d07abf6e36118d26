"""A running sandbox as its users see it: an address, credentials, and switches."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass
from typing import Any

from rwlib.errors import ServiceError
from rwlib.sandbox.aws.session_tokens import ROOT_SECRET
from rwlib.sandbox.example_world import CUSTOMER

API_KEY = "sandbox-api-key"
API_SECRET = "sandbox-api-secret"
TOKEN_HEADER = "X-Sandbox-Token"
"""Carries the secret of a sandbox that has one of its own to the sandbox's own interface."""


@dataclass(frozen=True)
class RoleCredentials:
    """Temporary credentials of a role session."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    expiration: float

    def environment(self) -> dict[str, str]:
        """Give them as environment variables."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_SESSION_TOKEN": self.session_token,
        }

    def arguments(self) -> dict[str, str]:
        """Give them as keyword arguments of `boto3.Session`."""
        return {
            "aws_access_key_id": self.access_key_id,
            "aws_secret_access_key": self.secret_access_key,
            "aws_session_token": self.session_token,
        }


class Endpoint:
    """The address of a running sandbox and what can be asked of it there.

    Parameters
    ----------
    url
        Where it answers, such as ``http://127.0.0.1:4566``.
    dsn
        Where its first RisingWave cluster answers Postgres clients, if that is known.
    secret
        What a sandbox that has a secret of its own wants to see of everybody.
    """

    def __init__(self, url: str, dsn: str = "", secret: str = "") -> None:
        self._url = url.rstrip("/")
        self._dsn = dsn
        self.secret = secret or ROOT_SECRET
        self.api_secret = secret or API_SECRET

    @property
    def url(self) -> str:
        """Where the sandbox answers, without a slash at the end."""
        return self._url

    @property
    def dsn(self) -> str:
        """The first RisingWave cluster's address for Postgres clients; a value of ``RW_DSN``.

        It stands in no environment that runs get: their statements go through the management API,
        to the cluster that the target names.
        """
        return self._dsn

    def environment(self, account: str = CUSTOMER, region: str = "us-east-1") -> dict[str, str]:
        """Give the environment which makes any AWS SDK and this package talk to the sandbox.

        The credentials are those of the account's root user. Configuration files of the machine
        are shut out, so that no real profile is used by accident.
        """
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": account,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_DEFAULT_REGION": region,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "RWC_ENDPOINT": f"{self.url}/_rwc/api/v1",
            "RWC_API_KEY": API_KEY,
            "RWC_API_SECRET": self.api_secret,
        }

    def credentials_for(
        self, role_arn: str, session_name: str = "reqsign", duration: int = 3600
    ) -> RoleCredentials:
        """Give credentials of a session of the role, without asking its trust policy.

        This is how the workload of a RisingWave cluster is acted: on AWS it gets its base
        credentials from the cluster it runs in, which no emulator has.
        """
        found = self.control(
            "POST",
            "credentials",
            {"role_arn": role_arn, "session_name": session_name, "duration": duration},
        )
        return RoleCredentials(**found)

    def credentials_as_service(self, service: str, role_arn: str) -> RoleCredentials:
        """Give credentials of the role as an AWS service gets them, if its trust policy lets it.

        Raises
        ------
        ServiceError
            The trust policy does not let the service assume the role, or there is no such role.
        """
        found = self.control(
            "POST",
            "credentials",
            {"role_arn": role_arn, "session_name": service, "service": service},
        )
        return RoleCredentials(**found)

    def calls(self) -> list[dict[str, Any]]:
        """List the AWS calls so far, oldest first: service, action, caller and status of each."""
        found: list[dict[str, Any]] = self.control("GET", "calls")
        return found

    def forget_calls(self) -> None:
        """Empty the list of calls."""
        self.control("DELETE", "calls")

    def keep_history(self) -> None:
        """Keep every state of the permissions from now on, beginning with the one that stands."""
        self.control("PUT", "history")

    def history(self) -> dict[str, Any]:
        """Return the states since `keep_history`; see `rwlib.sandbox.server.history`."""
        found: dict[str, Any] = self.control("GET", "history")
        return found

    def set_faults(self, **faults: object) -> dict[str, Any]:
        """Switch faults on or off; see `rwlib.sandbox.aws.faults.Faults` for the names."""
        found: dict[str, Any] = self.control("PUT", "faults", faults)
        return found

    def set_scps(self, account: str, *levels: list[dict[str, Any]]) -> None:
        """Give an account its service control policies, one list per level from the root down.

        Without any level the account has none, and nothing is refused by them.
        """
        self.control("PUT", f"scps/{account}", {"levels": list(levels)})

    def set_regions(self, account: str, *enabled: str) -> None:
        """Switch opt-in Regions on for an account; those not named are off."""
        self.control("PUT", f"regions/{account}", {"enabled": list(enabled)})

    def set_network(self, **attributes: object) -> None:
        """Say how requests are taken to have come; see `rwlib.sandbox.aws.context.Network`."""
        self.control("PUT", "network", attributes)

    def reset(self, *, seed: bool = True) -> None:
        """Forget all state, faults and calls, and put the example world back."""
        self.control("POST", "reset", {"seed": seed})

    def control(self, method: str, path: str, content: object = None) -> Any:
        """Call the sandbox's own interface under ``/_sandbox/``.

        Raises
        ------
        ServiceError
            The sandbox refused, or is not there.
        """
        return self._call(method, f"_sandbox/{path}", content)

    def switch(self, method: str, path: str, content: object = None) -> Any:
        """Call the switches of its RisingWave Cloud, under ``/_rwc/sandbox/``.

        Raises
        ------
        ServiceError
            The sandbox refused, or is not there.
        """
        return self._call(method, f"_rwc/sandbox/{path}", content)

    def _call(self, method: str, path: str, content: object) -> Any:
        """Call an interface that AWS and RisingWave Cloud do not have.

        Raises
        ------
        ServiceError
            The sandbox refused, or is not there.
        """
        body = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(
            f"{self.url}/{path}",
            data=body,
            method=method,
            headers={"Content-Type": "application/json", TOKEN_HEADER: self.secret},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=30) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            raise ServiceError(f"sandbox: {error.read().decode(errors='replace')}") from error
        except OSError as error:
            raise ServiceError(
                f"sandbox: nothing answers at {self.url} ({error}); start it first"
            ) from error
