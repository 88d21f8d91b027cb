"""What the tests on the bench have around them: one link, one message channel, everything in memory."""

import pytest

from tests.support.examples import LINK
from tests.support.fakes import FakeChannel, FakeClock, FakeCloudflare
from tests.support.memory import MemoryDatabase


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def cloudflare() -> FakeCloudflare:
    api = FakeCloudflare()
    api.add(LINK)
    return api


@pytest.fixture
def noc() -> FakeChannel:
    return FakeChannel("noc")


@pytest.fixture
def memory() -> MemoryDatabase:
    return MemoryDatabase()
