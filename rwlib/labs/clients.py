"""The boto3 clients of one sandbox, made once in a process: making them costs more than a call."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from rwlib.environment import only_sandbox
from rwlib.sandbox import CUSTOMER, Endpoint

if TYPE_CHECKING:
    from rwlib.aws import Aws

_ENVIRONMENT = threading.RLock()


@contextmanager
def only_lab(endpoint: Endpoint) -> Iterator[None]:
    """Point this process at a lab's sandbox for a while; one lab after the other.

    The environment is the whole process's: two threads that each put it back as they found it
    would leave it at a sandbox.
    """
    with _ENVIRONMENT, only_sandbox(endpoint.environment()):
        yield


class Connections:
    """Clients of one sandbox and Region, as the root user of any account.

    Configuration files and credentials of the machine are shut out.
    """

    def __init__(self, endpoint: Endpoint, region_name: str) -> None:
        import boto3
        import botocore.session

        self._endpoint = endpoint
        self._clients: dict[tuple[str, str], Any] = {}
        self._runbook_clients: dict[tuple[str, bool, str], Any] = {}
        with only_lab(endpoint):
            core = botocore.session.Session()
            core.register_component("data_loader", _service_models())
            self.session = boto3.Session(
                CUSTOMER, endpoint.secret, region_name=region_name, botocore_session=core
            )
            # Reads the configuration now, while it is the sandbox's.
            self.session.get_available_services()

    def client(self, service: str, account: str) -> Any:
        """Return the client of a service as an account's root user."""
        key = (service, account)
        if key not in self._clients:
            self._clients[key] = self._make(
                service, aws_access_key_id=account, aws_secret_access_key=self._endpoint.secret
            )
        return self._clients[key]

    def client_with(self, service: str, credentials: Any) -> Any:
        """Return a client of a service with credentials of a session."""
        return self._make(service, **credentials.arguments())

    def aws(self) -> Aws:
        """Return the runbook's way to AWS, nothing remembered."""
        from rwlib.aws import Aws

        return Aws(self.session, _clients=self._runbook_clients)

    def _make(self, service: str, **credentials: str) -> Any:
        from botocore.config import Config

        config = Config(retries={"max_attempts": 2}, s3={"addressing_style": "path"})
        # A client reads the environment when it is made: its profile, its proxies, its CA bundle.
        with only_lab(self._endpoint):
            return self.session.client(
                service,  # type: ignore[call-overload]
                endpoint_url=self._endpoint.url,
                config=config,
                **credentials,
            )


@cache
def _service_models() -> Any:
    """Read each of botocore's service models once in a process, not once for every sandbox."""
    from botocore.loaders import create_loader

    return create_loader()


def connections(endpoint: Endpoint, region_name: str) -> Connections:
    """Return the connections of a sandbox; a forked process makes its own."""
    return _connections(os.getpid(), endpoint.url, endpoint.secret, region_name)


@cache
def _connections(_process: int, url: str, secret: str, region_name: str) -> Connections:
    return Connections(Endpoint(url, secret=secret), region_name)
