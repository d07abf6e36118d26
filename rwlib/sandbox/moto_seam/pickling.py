"""moto's objects to bytes and back, for a state that survives a restart.

Reading is restricted: only classes of moto and a few of the standard library are made, so that a
state folder cannot run code. The bodies of S3 objects stand outside, each in a file of its own.
"""

from __future__ import annotations

import copyreg
import io
import pickle
import re
import threading
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from moto.iam.models import AWSManagedPolicy
from moto.s3.models import FakeKey
from moto.s3.utils import _VersionedKeyStore

from rwlib.sandbox.moto_seam.contents import Content
from rwlib.sandbox.moto_seam.redshift import make_no_network

_LOCK = type(threading.Lock())
_DIGEST = re.compile(r"[0-9a-f]{64}")
_PLAIN = {
    ("builtins", name)
    for name in ("set", "frozenset", "bytearray", "complex", "object", "list", "dict", "tuple")
} | {
    ("datetime", "datetime"),
    ("datetime", "date"),
    ("datetime", "timedelta"),
    ("datetime", "timezone"),
    ("collections", "OrderedDict"),
    ("collections", "defaultdict"),
    ("copyreg", "_reconstructor"),
    ("collections", "deque"),
    ("decimal", "Decimal"),
    ("uuid", "UUID"),
    *(
        ("ipaddress", f"IPv{version}{kind}")
        for version in (4, 6)
        for kind in ("Address", "Network")
    ),
    ("requests.structures", "CaseInsensitiveDict"),
    (__name__, "make_lock"),
    (__name__, "make_key_store"),
    (__name__, "make_private_key"),
    (__name__, "make_pattern"),
    (__name__, "make_method"),
    (make_no_network.__module__, make_no_network.__name__),
}

Store = Callable[[str, Callable[[], bytes]], None]
"""Takes the digest of a body, and what gives the body where it is not kept yet."""
Fetch = Callable[[str], bytes]


class UnreadableStateError(Exception):
    """A kept state that this version does not read."""


def make_lock() -> Any:
    """Make a new lock in place of a kept one."""
    return threading.Lock()


def make_key_store(entries: list[tuple[str, list[Any]]]) -> Any:
    """Make moto's dictionary of a bucket's objects, with all their versions."""
    store = _VersionedKeyStore()
    for name, versions in entries:
        store.setlist(name, versions)
    return store


def make_private_key(pem: bytes) -> Any:
    """Read the private key of an asymmetric KMS key."""
    return serialization.load_pem_private_key(pem, password=None)


def make_pattern(text: str, flags: int) -> re.Pattern[str]:
    """Compile a pattern again."""
    return re.compile(text, flags)


def make_method(owner: Any, name: str) -> Any:
    """Bind one of moto's methods again.

    Raises
    ------
    UnreadableStateError
        The owner is not moto's, or has no such method.
    """
    function = getattr(type(owner), name, None)
    if not type(owner).__module__.startswith("moto.") or not isinstance(function, FunctionType):
        raise UnreadableStateError(f"a kept state may not hold the method {name}")
    return MethodType(function, owner)


class _Pickler(pickle.Pickler):
    def __init__(self, out: io.BytesIO, store: Store) -> None:
        super().__init__(out, protocol=5)
        self._store = store

    def persistent_id(self, obj: Any) -> Any:
        if isinstance(obj, Content):
            self._store(obj.digest(), obj.whole)
            return ("body", obj.digest())
        if isinstance(obj, AWSManagedPolicy):
            return ("aws-managed", obj.account_id, obj.arn, obj.attachment_count)
        return None

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, FakeKey):
            state = {
                key: value
                for key, value in obj.__dict__.items()
                if key not in ("_value_buffer", "lock")
            }
            state["value"] = obj._value_buffer
            return copyreg.__newobj__, (type(obj),), state  # type: ignore[attr-defined]
        if isinstance(obj, _VersionedKeyStore):
            # It pickles as a dictionary of the latest versions alone.
            return make_key_store, ([(name, obj.getlist(name)) for name in dict.keys(obj)],)
        if isinstance(obj, (RSAPrivateKey, EllipticCurvePrivateKey)):
            pem = obj.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            return make_private_key, (pem,)
        if isinstance(obj, MethodType):
            return make_method, (obj.__self__, obj.__name__)
        if isinstance(obj, _LOCK):
            return make_lock, ()
        if isinstance(obj, re.Pattern):
            return make_pattern, (obj.pattern, obj.flags)
        return NotImplemented


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: io.BytesIO, fetch: Fetch, managed: Callable[..., Any]) -> None:
        super().__init__(data)
        self._fetch = fetch
        self._managed = managed

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _PLAIN:
            return super().find_class(module, name)
        if module.startswith("moto.") and "." not in name:
            found = super().find_class(module, name)
            if isinstance(found, type) and found.__module__ == module:
                return found
        raise UnreadableStateError(f"a kept state may not hold {module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        match pid:
            case ("body", str(digest)) if _DIGEST.fullmatch(digest):
                return self._fetch(digest)
            case ("aws-managed", str(account), str(arn), int(count)):
                return self._managed(account, arn, count)
        raise UnreadableStateError("a kept state holds something unknown")


def dumps(thing: Any, store: Store) -> bytes:
    """Write one of moto's objects; bodies go to ``store``."""
    out = io.BytesIO()
    _Pickler(out, store).dump(thing)
    return out.getvalue()


def loads(data: bytes, fetch: Fetch, managed: Callable[..., Any]) -> Any:
    """Read one of moto's objects.

    Parameters
    ----------
    managed
        Gives one of AWS's own managed policies: account, ARN, how often it is attached.

    Raises
    ------
    UnreadableStateError
        It holds what a state may not hold, or is cut short.
    """
    try:
        return _Unpickler(io.BytesIO(data), fetch, managed).load()
    except (pickle.UnpicklingError, EOFError, AttributeError, ImportError, ValueError) as error:
        raise UnreadableStateError(str(error)) from error
