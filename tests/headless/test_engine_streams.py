"""Frames on the line, and text in the streams."""

from __future__ import annotations

import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rwlib.headless.engine.streams import Capture
from rwlib.headless.engine.wire import Channel, Unpacker, pack


@pytest.mark.slow
@given(
    frames=st.lists(st.lists(st.binary(max_size=40), max_size=4), max_size=6),
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=50),
)
def test_frames_arrive_as_they_were_sent_when_they_are_cut_anywhere(frames, sizes):
    data = b"".join(pack(frame) for frame in frames)
    unpacker = Unpacker()
    arrived, position, turn = [], 0, 0
    while position < len(data):
        size = sizes[turn % len(sizes)]
        arrived += unpacker.feed(data[position : position + size])
        position, turn = position + size, turn + 1
    assert arrived == frames


def test_frame_holds_the_bytes_when_a_part_is_an_array():
    [parts] = Unpacker().feed(pack([memoryview(b"abcd").cast("I"), bytearray(b"x")]))
    assert parts == [b"abcd", b"x"]


def test_message_is_as_it_was_sent_when_its_buffer_changes_afterwards():
    delivered = []
    buffer = bytearray(b"before")
    Channel("iopub", delivered.append).send_multipart([b"topic", buffer])
    buffer[:] = b"after!"
    assert delivered == [[b"iopub", b"topic", b"before"]]


@pytest.fixture
def published():
    return []


@pytest.fixture
def capture(published):
    capture = Capture(lambda name, text, parent: published.append((name, text, parent)))
    capture.start()
    yield capture
    capture.restore()
    capture.stop()


def test_text_is_attributed_to_its_request_when_another_has_begun(capture, published):
    one, two = {"header": {"msg_id": "1"}}, {"header": {"msg_id": "2"}}
    capture.stdout.set_parent(one)
    capture.stdout.write("first")
    capture.stdout.set_parent(two)
    capture.stdout.write("second")
    capture.stdout.flush()
    assert published == [
        ("stdout", "first", {"msg_id": "1"}),
        ("stdout", "second", {"msg_id": "2"}),
    ]


def test_streams_are_the_process_s_own_when_the_capture_is_over(capture, published):
    before = (sys.stdin, sys.stdout, sys.stderr, os.fstat(0).st_ino, os.fstat(1).st_ino)
    capture.redirect()
    os.write(2, b"to two")
    sys.stdout.write("to one")
    capture.restore()
    assert sorted(published) == [("stderr", "to two", {}), ("stdout", "to one", {})]
    assert (sys.stdin, sys.stdout, sys.stderr, os.fstat(0).st_ino, os.fstat(1).st_ino) == before
    capture.restore()


@pytest.mark.parametrize("end", ["close", "detach"])
def test_input_is_empty_when_an_earlier_cell_has_ended_it(end, capture):
    for _ in range(2):
        capture.redirect()
        said = sys.stdin.read()
        getattr(sys.stdin, end)()
        capture.restore()
        assert said == ""


def test_stream_refuses_what_is_no_text(capture):
    with pytest.raises(TypeError, match="must be str, not <class 'bytes'>"):
        capture.stdout.write(b"x")
    capture.stderr.writelines(["a", "b"])
    assert (capture.stdout.encoding, capture.stdout.isatty(), capture.stdout.writable()) == (
        "UTF-8",
        False,
        True,
    )
    assert (capture.stdout.fileno(), capture.stderr.fileno()) == (1, 2)


def test_bytes_that_are_no_text_are_shown_when_a_process_writes_them(capture, published):
    capture.redirect()
    os.write(1, b"\xff\xc3")
    os.write(1, b"\xa9\n")
    capture.restore()
    assert "".join(text for _, text, _ in published) == "\N{REPLACEMENT CHARACTER}é\n"
