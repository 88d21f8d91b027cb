"""What each answer of Cloudflare means: every recorded body, served by a real server."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from notifier.adapters.cloudflare import CloudflareApi, Token
from notifier.domain.budget import RequestBudget
from notifier.domain.interconnect import Interconnect
from notifier.domain.observation import CauseKind, Seen, Unseen
from notifier.ports import Listed
from tests.support.cloudflare_server import FIXTURES, MANIFEST, Answer, Server, replay, say, serving

ACCOUNT = "023e105f4ecef8ad9ca31a8372d0c353"
TOKEN = "cfat_0123456789abcdefghijklmnopqrstuvwxyzABCD"
PERMISSIONS = ("Magic WAN Read", "Magic WAN Write", "Magic Transit Read", "Magic Transit Write")


class SetClock:
    def now(self) -> datetime:
        return datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


async def ask(server: Server) -> AsyncIterator[CloudflareApi]:
    api = CloudflareApi(
        account=ACCOUNT,
        url=server.url,
        credential=Token(TOKEN),
        timeout=timedelta(seconds=5),
        budget=RequestBudget(100, timedelta(minutes=5)),
        clock=SetClock(),
    )
    yield api
    await api.close()


async def status_of(*answers: Answer) -> Seen | Unseen:
    async with serving(*answers) as server:
        async for api in ask(server):
            return await api.status("icon-gru-01")
    raise AssertionError


async def listing_of(*answers: Answer) -> Listed | Unseen:
    async with serving(*answers) as server:
        async for api in ask(server):
            return await api.listing()
    raise AssertionError


GRU_1 = Interconnect(
    account=ACCOUNT,
    name="icon-gru-01",
    site="gru-b",
    facility="Equinix SP4",
    speed="10G",
    type="direct",
    reservation="5d1c7a70-0000-4000-8000-000000000001",
)
