"""Jupyter messages between the process that holds the notebook and the one that runs its cells.

A frame is the number of its parts, the length of each, then the parts: the channel's name and
what :class:`jupyter_client.session.Session` would hand to a ZeroMQ socket. No socket of any
network is opened, and nothing that was received is ever unpickled.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jupyter_client.session import Session

Buffer = bytes | bytearray | memoryview
Deliver = Callable[[list[bytes]], None]

_LENGTH = struct.Struct("!Q")


def readable(source: socket.socket | int, patience: float | None) -> bool:
    """Wait until there is something to read; unlike ``select``, with a descriptor of any number.

    Parameters
    ----------
    patience
        Seconds; None waits for ever.
    """
    poll = select.poll()
    poll.register(source, select.POLLIN)
    return bool(poll.poll(None if patience is None else max(0.0, patience) * 1000))


def new_session() -> Session:
    """Return a Jupyter session whose messages are not signed: nobody else is on the line."""
    kind, packer = _plain_session()
    session = kind()
    session.auth = None
    session.pack = packer
    return session


@cache
def _plain_session() -> tuple[type[Session], Callable[[Any], bytes]]:
    """Return Jupyter's session without the search for dates in every text, and its packer."""
    from jupyter_client.jsonutil import json_default
    from jupyter_client.session import Session, json_packer

    encoder = json.JSONEncoder(default=json_default, ensure_ascii=False, allow_nan=False)

    def packed(value: Any) -> bytes:
        try:
            return encoder.encode(value).encode()
        except (TypeError, ValueError):
            return json_packer(value)

    class PlainSession(Session):
        """A session that knows where a date stands."""

        def deserialize(
            self, msg_list: list[Any], content: bool = True, copy: bool = True
        ) -> dict[str, Any]:
            header, parent, metadata = (_unpacked(part) for part in msg_list[1:4])
            for each in (header, parent):
                if each.get("date"):
                    each["date"] = datetime.fromisoformat(each["date"])
            return {
                "header": header,
                "msg_id": header["msg_id"],
                "msg_type": header["msg_type"],
                "parent_header": parent,
                "metadata": metadata,
                "content": _unpacked(msg_list[4]) if content else msg_list[4],
                "buffers": [memoryview(part) for part in msg_list[5:]],
            }

    return PlainSession, packed


def _unpacked(part: bytes) -> Any:
    return json.loads(part.decode("utf-8", "replace"))


def pack(parts: Sequence[Buffer]) -> bytes:
    """Return the frame of these parts."""
    views = [memoryview(part).cast("B") for part in parts]
    head = _LENGTH.pack(len(views)) + b"".join(_LENGTH.pack(view.nbytes) for view in views)
    return b"".join([head, *views])


class Unpacker:
    """Cut a stream of bytes back into frames."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> Iterator[list[bytes]]:
        """Add what was read and yield every frame that is now complete."""
        self._data += data
        while (frame := self._take()) is not None:
            yield frame

    def _take(self) -> list[bytes] | None:
        size = _LENGTH.size
        if len(self._data) < size:
            return None
        (count,) = _LENGTH.unpack_from(self._data)
        start = size * (1 + count)
        if len(self._data) < start:
            return None
        lengths = [_LENGTH.unpack_from(self._data, size * (1 + i))[0] for i in range(count)]
        if len(self._data) < start + sum(lengths):
            return None
        parts = []
        for length in lengths:
            parts.append(bytes(self._data[start : start + length]))
            start += length
        del self._data[:start]
        return parts


class Channel:
    """What a Jupyter session takes for a ZeroMQ socket: it gets the parts of a message."""

    def __init__(self, name: str, deliver: Deliver) -> None:
        self._name = name.encode()
        self._deliver = deliver

    def send_multipart(self, parts: Sequence[Buffer], **_: object) -> None:
        """Deliver a message; its parts are copied, so the sender may change them afterwards."""
        self._deliver([self._name, *(bytes(part) for part in parts)])

    def flush(self, *_: object) -> None:
        """Do nothing: a message is delivered when it is sent."""


def socket_delivery(connection: socket.socket) -> Deliver:
    """Return a function that writes frames to a blocking socket, whole, from any thread."""
    lock = threading.Lock()

    def deliver(parts: list[bytes]) -> None:
        with lock:
            connection.sendall(pack(parts))

    return deliver
