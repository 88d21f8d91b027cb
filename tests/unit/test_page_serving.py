"""What readers of the status page get while it takes long to find out how everything stands."""

import asyncio
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Any, cast

import httpx

from notifier.adapters.web import App
from notifier.domain.interconnect import Link
from notifier.errors import DatabaseError
from notifier.insight import Acts, Insight, LinkNow, Overview, Page, Spans
from tests.support.asked import backing
from tests.support.board import NOW, link, overview


class SlowInsight:
    """Answers when it is let."""

    def __init__(self, *links: LinkNow) -> None:
        self.links = links
        self.asked = 0
        self.fails = False
        self.began, self.let = asyncio.Event(), asyncio.Event()
        self.let.set()

    async def overview(self) -> Overview:
        self.asked += 1
        self.began.set()
        await self.let.wait()
        if self.fails:
            raise DatabaseError("it is away")
        return overview(*self.links)

    async def spans(self, _since: datetime, _links: Collection[Link]) -> Spans:
        return {}

    async def silences(self, **_: Any) -> Page[Any]:
        return Page(entries=())

    def refresh(self) -> None:
        """Nothing is kept."""


class Clock:
    def now(self) -> datetime:
        return NOW


def asking(insight: SlowInsight) -> httpx.AsyncClient:
    stands = replace(backing(), insight=cast("Insight", insight), acts=cast("Acts", Clock()), names={})
    return httpx.AsyncClient(transport=httpx.ASGITransport(App(stands)), base_url="http://127.0.0.1")


async def ask_until(client: httpx.AsyncClient, words: str) -> None:
    async with asyncio.timeout(20):
        while words not in (await client.get("/")).text:
            pass


async def test_who_looks_again_does_not_wait_for_a_new_board_and_gets_it_when_it_is_made() -> None:
    insight = SlowInsight(link("icon-old"))
    async with asking(insight) as client:
        assert "icon-old" in (await client.get("/")).text
        insight.let.clear()
        insight.links = (link("icon-new"),)
        async with asyncio.timeout(20):
            while insight.asked == 1:
                assert "icon-old" in (await client.get("/")).text
        for _ in range(3):
            assert "icon-old" in (await client.get("/")).text
        assert insight.asked == 2  # it is asked by one for all
        insight.let.set()
        await ask_until(client, "icon-new")


async def test_of_a_board_that_took_long_nobody_waits_for_the_next() -> None:
    insight = SlowInsight(link("icon-old"))
    insight.let.clear()
    async with asking(insight) as client:
        loop = asyncio.get_running_loop()
        loop.call_later(0.2, insight.let.set)
        assert "icon-old" in (await client.get("/")).text
        insight.let.clear()
        while insight.asked == 1:
            assert "icon-old" in (await client.get("/")).text
            await asyncio.sleep(0)  # no socket is between the two
        began = loop.time()
        for _ in range(20):
            assert "icon-old" in (await client.get("/")).text
        assert loop.time() - began < 20 * 0.1


async def test_the_first_to_look_waits() -> None:
    insight = SlowInsight(link("icon-here"))
    insight.let.clear()
    async with asking(insight) as client:
        looking = asyncio.create_task(client.get("/"))
        await insight.began.wait()
        insight.let.set()
        assert "icon-here" in (await looking).text


async def test_when_the_database_is_away_that_is_said_and_over_when_it_is_back() -> None:
    insight = SlowInsight(link("icon-here"))
    insight.fails = True
    async with asking(insight) as client:
        assert (await client.get("/")).status_code == 503
        insight.fails = False
        await ask_until(client, "icon-here")
