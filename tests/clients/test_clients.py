"""Clients that nobody here wrote: what may be done works, and nothing else."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import replace

import pytest

from tests.clients.adapters import ADAPTERS, JavaScript
from tests.support.sandbox_clients import client

pytestmark = pytest.mark.slow

LARGE = 11 * 1024 * 1024 + 7
REQUIRED = os.environ.get("RWLIB_CLIENT_TESTS") == "required"
"""In CI a client that is missing is a failure, not a skip; node's SDK may be missing."""


@pytest.fixture(params=ADAPTERS, ids=lambda adapter: adapter.__name__)
def adapter(request):
    kind = request.param
    if kind is JavaScript:
        if not kind.is_there():
            pytest.skip("node has no @aws-sdk/client-s3")
    elif importlib.util.find_spec(kind.needs) is None:
        if REQUIRED:
            pytest.fail(f"{kind.needs} is not installed; it is in the extra [clients]")
        pytest.skip(f"{kind.needs} is not installed; it is in the extra [clients]")
    return kind


def round_trip(made, place, name):
    """Write, read, list and delete in the prefix."""
    key, second = f"{place.prefix}/{name}/a b+ü.txt", f"{place.prefix}/{name}/second"
    made.put(key, b"content")
    made.put(second, b"")
    assert made.get(key) == b"content"
    assert sorted(made.list(f"{place.prefix}/{name}/")) == sorted([key, second])
    made.delete([key, second])


def test_works_in_its_prefix_and_deletes_what_it_says(adapter, sandbox, place):
    round_trip(adapter(place), place, adapter.__name__)
    assert _left(sandbox, place, f"{place.prefix}/{adapter.__name__}/") == []


def test_large_content_comes_back_whole(adapter, place):
    made, key = adapter(place), f"{place.prefix}/large/{adapter.__name__}"
    content = os.urandom(1024) * (LARGE // 1024) + os.urandom(LARGE % 1024)
    made.put(key, content)
    assert made.get(key) == content
    made.delete([key])


def test_is_refused_outside_its_prefix(adapter, sandbox, place):
    made = adapter(place)
    for attempt in (
        lambda: made.put("elsewhere/new", b"1"),
        lambda: made.get("elsewhere/there"),
        lambda: made.list("elsewhere/"),
    ):
        with pytest.raises(Exception, match=r"(?i)denied|forbidden|not authorized|403"):
            attempt()
    assert _left(sandbox, place, "elsewhere/") == ["elsewhere/there"]


def _left(sandbox, place, prefix):
    """The keys there are, but for the folders that pyarrow makes when it deletes."""
    found = client(sandbox, "s3").list_objects_v2(Bucket=place.bucket, Prefix=prefix)
    keys = [entry["Key"] for entry in found.get("Contents", [])]
    return [key for key in keys if not key.endswith("/")]


@pytest.fixture
def under_localhost(place, names):
    """The place with the bucket in the host name; a proxy knows the name, resolvers need not."""
    url = place.url.replace("127.0.0.1", "localhost")
    return replace(place, url=url, virtual=True, proxy=names[0])


def test_works_with_the_bucket_in_the_host_name(adapter, sandbox, place, names, under_localhost):
    names[1].clear()
    round_trip(adapter(under_localhost), under_localhost, f"virtual-{adapter.__name__}")
    assert names[1] == {f"{place.bucket}.localhost"}
    assert _left(sandbox, place, f"{place.prefix}/virtual-{adapter.__name__}/") == []


def test_is_refused_with_the_bucket_in_the_host_name(adapter, under_localhost):
    made = adapter(under_localhost)
    for attempt in (
        lambda: made.put("elsewhere/new", b"1"),
        lambda: made.get("elsewhere/there"),
    ):
        with pytest.raises(Exception, match=r"(?i)denied|forbidden|not authorized|403"):
            attempt()


def test_wrong_secret_is_refused(adapter, place):
    made = adapter(replace(place, secret="wrong"))
    with pytest.raises(Exception, match=r"(?i)signature|denied|forbidden|403"):
        made.get(f"{place.prefix}/anything")


def test_token_that_has_ended_is_refused(adapter, sandbox, place):
    role = "arn:aws:iam::111122223333:role/clients"
    keys = sandbox.credentials_for(role, duration=-10)
    ended = replace(
        place, key=keys.access_key_id, secret=keys.secret_access_key, token=keys.session_token
    )
    with pytest.raises(Exception, match=r"(?i)expired|400|bad request"):
        adapter(ended).get(f"{place.prefix}/anything")
