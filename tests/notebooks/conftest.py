from __future__ import annotations

import pytest

from tests.support.warm_process import WarmProcess


@pytest.fixture(scope="package")
def warm_process():
    process = WarmProcess()
    yield process
    process.close()
