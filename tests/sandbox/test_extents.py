"""Where contents lie: in memory, or in the one file, and what comes back of them."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rwlib.sandbox.moto_seam import contents
from rwlib.sandbox.server.server import Sandbox
from tests.support.sandbox_clients import client

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.binary(max_size=40)),
        st.tuples(st.just("read"), st.integers(-1, 60)),
        st.tuples(st.just("seek"), st.integers(0, 60)),
        st.tuples(st.just("truncate"), st.integers(0, 60)),
    ),
    max_size=12,
)


@pytest.fixture(scope="module")
def running():
    with Sandbox() as found:
        yield found


@pytest.fixture
def small(monkeypatch):
    """Let a content of more than eight bytes lie in a file of its own."""
    monkeypatch.setattr(contents, "KEPT_IN_MEMORY", 8)
    monkeypatch.setattr(contents, "EXTENTS", contents.Extents())


@settings(max_examples=40)
@given(st.lists(STEPS, min_size=1, max_size=4))
def test_content_is_read_back_as_from_any_file(many):
    """Several contents in one file, changed in turn, say what so many files in memory say."""
    before = contents.KEPT_IN_MEMORY, contents.EXTENTS
    contents.KEPT_IN_MEMORY, contents.EXTENTS = 8, contents.Extents()
    try:
        pairs = [(contents.Content(), io.BytesIO()) for _ in many]
        for round_number in range(max(map(len, many))):
            for (mine, plain), steps in zip(pairs, many, strict=True):
                if round_number >= len(steps):
                    continue
                name, value = steps[round_number]
                if name == "truncate":
                    value = min(value, len(plain.getvalue()))
                assert getattr(mine, name)(value) == getattr(plain, name)(value)
                assert mine.tell() == plain.tell()
        for mine, plain in pairs:
            assert mine.whole() == plain.getvalue()
            assert mine.digest() == hashlib.sha256(plain.getvalue()).hexdigest()
        for mine, _ in pairs:
            mine.close()
        assert contents.EXTENTS.size == 0, "what was given back is not taken again"
    finally:
        contents.KEPT_IN_MEMORY, contents.EXTENTS = before


def test_place_of_a_content_that_is_gone_is_taken_again(small):
    many = [contents.Content() for _ in range(4)]
    for content in many:
        content.write(b"x" * 100)
    del content, many[1]
    again = contents.Content()
    again.write(b"y" * 60)
    assert contents.EXTENTS.size == 400
    assert [each.whole() for each in many] == [b"x" * 100] * 3
    assert again.whole() == b"y" * 60
    del many, again
    assert contents.EXTENTS.size == 0


def test_place_is_taken_back_although_the_file_is_in_use(small):
    """The garbage collector may free a content while another one is being written."""
    content = contents.Content()
    content.write(b"x" * 100)
    with contents.EXTENTS._lock:
        del content
    again = contents.Content()
    again.write(b"y" * 60)
    assert contents.EXTENTS.size == 60


def test_forked_process_leaves_its_parents_contents(small):
    content = contents.Content()
    content.write(b"x" * 100)
    child = os.fork()
    if not child:
        content.close()
        os._exit(0)
    os.waitpid(child, 0)
    assert content.whole() == b"x" * 100


def open_files():
    """Count what this process has open, where that can be seen."""
    there = Path("/proc/self/fd")
    return len(list(there.iterdir())) if there.is_dir() else 0


def test_many_objects_leave_one_more_file_open(running, monkeypatch):
    monkeypatch.setenv("MOTO_S3_DEFAULT_KEY_BUFFER_SIZE", "1000")
    s3 = client(running, "s3")
    s3.put_object(Bucket="acme-analytics", Key="first", Body=bytes(100_000))
    before = open_files()
    bodies = {f"{number}": bytes([number]) * 200_000 for number in range(30)}
    for key, body in bodies.items():
        s3.put_object(Bucket="acme-analytics", Key=key, Body=body)
    assert open_files() <= before + 2
    for key, body in bodies.items():
        assert s3.get_object(Bucket="acme-analytics", Key=key)["Body"].read() == body


@pytest.mark.parametrize(
    "kind",
    ["application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "text/csv"],
)
@pytest.mark.parametrize(
    "body",
    [
        b"key=1&file=2",
        b'--b\r\nContent-Disposition: form-data; name="key"\r\n\r\n1\r\n--b--\r\n',
    ],
)
def test_content_is_kept_whatever_type_it_says_it_has(running, kind, body):
    s3 = client(running, "s3")
    s3.put_object(Bucket="acme-analytics", Key="typed", Body=body, ContentType=kind)
    found = s3.get_object(Bucket="acme-analytics", Key="typed")
    assert (found["Body"].read(), found["ContentType"]) == (body, kind)
