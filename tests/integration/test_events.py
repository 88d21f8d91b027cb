"""What happens, as it happens: each event once and in order, also for who was away."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest

from notifier.adapters.database.database import SqlDatabase
from notifier.adapters.listening import address, bind
from notifier.adapters.web import App, Backing, Rules, WebServer
from notifier.ports import UnitOfWork
from tests.support.asked import backing
from tests.support.examples import ACCOUNT
from tests.support.fakes import FakeClock
from tests.support.receivers import HttpReceiver
from tests.support.scenes import KEY, NAME, down, noc
from tests.support.stage import TOKEN, Stage


@dataclass(frozen=True)
class Told:
    """One event as it was sent."""

    kind: str
    id: str
    data: Any


class Listener:
    """Somebody who follows what happens."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines
        self.told: list[Told] = []

    async def next(self, within: float = 5) -> Told | None:
        """Return the next event; None when there are no more."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(within):
            async for line in self._lines:
                if not line and fields:
                    self.told.append(Told(fields["event"], fields["id"], json.loads(fields["data"])))
                    return self.told[-1]
                name, _, value = line.partition(": ")
                if name:
                    fields[name] = value
        return None

    async def until(self, *kinds: str) -> list[Told]:
        """Return all events up to one of each of these kinds."""
        missing = list(kinds)
        while missing:
            told = await self.next()
            assert told is not None, f"{missing} were never told of"
            if told.kind in missing:
                missing.remove(told.kind)
        return self.told


@asynccontextmanager
async def serving(behind: Backing, *, streams: int = 500) -> AsyncIterator[WebServer]:
    """Serve on a free port, in this loop, as the service does."""
    server = WebServer(App(behind, streams=streams), bind("127.0.0.1", 0))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.serve())
        try:
            yield server
        finally:
            server.stop()


@asynccontextmanager
async def listening(server: WebServer, headers: Mapping[str, str] | None = None) -> AsyncIterator[Listener]:
    """Follow what happens, over a connection of one's own."""
    url = f"http://{address(server.listening)}/api/v1/events"
    async with (
        httpx.AsyncClient(trust_env=False, timeout=10) as client,
        client.stream("GET", url, headers=headers) as answer,
    ):
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        listener = Listener(answer.aiter_lines())
        yield listener


async def act(database: SqlDatabase, number: int) -> None:
    async with database.begin() as work:
        await acts(work, number)


async def acts(work: UnitOfWork, number: int) -> None:
    await work.ledger.act(at=FakeClock().now(), by="anna", act="ack", target=f"{number}", comment="")


def targets(told: list[Told]) -> list[int]:
    return [int(each.data["subject"]) for each in told if each.kind == "act"]


async def test_what_happens_is_told_as_it_happens(stage: Stage, http_receiver: HttpReceiver) -> None:
    async with (
        stage.at_work(**noc(http_receiver)),
        serving(backing(stage.beside, stage.clock)) as server,
        listening(server) as listener,
    ):
        hello = await listener.next()
        assert hello is not None
        assert (hello.kind, hello.data) == ("hello", {})
        await down(stage)
        await stage.acknowledge(KEY)
        told = await listener.until("transition", "transition", "incident", "delivery", "incident")
        stage.account.token = "another"
        await stage.advance(900)
        await listener.until("blindness")
    assert len({each.id for each in told}) == len(told)
    problem = [each.data for each in told if each.kind == "transition"][-1]
    assert (problem["account_name"], problem["subject"], problem["after"]) == ("production", NAME, "Down")
    assert (problem["reason"], problem["incident"]) == ("no light", KEY)
    assert [each.data["what"] for each in told if each.kind == "incident"] == ["opened", "acknowledged"]
    (delivery,) = [each.data for each in told if each.kind == "delivery"]
    assert (delivery["channel"], delivery["outcome"], delivery["incident"]) == ("noc", "sent", KEY)
    blind = listener.told[-1].data
    assert (blind["what"], blind["about"]) == ("opened", "blind")
    assert TOKEN not in repr(listener.told)


async def test_who_was_away_is_told_what_was_missed_and_nothing_twice(sql_database: SqlDatabase) -> None:
    async with serving(backing(sql_database)) as server:
        async with listening(server) as listener:
            await listener.next()
            for number in range(3):
                await act(sql_database, number)
            while len(targets(listener.told)) < 2:
                await listener.next()
            last = listener.told[-1].id
        for number in range(3, 600):
            await act(sql_database, number)
        async with listening(server, {"Last-Event-ID": last}) as listener:
            busy = asyncio.ensure_future(asyncio.gather(*(act(sql_database, number) for number in range(600, 620))))
            while len(targets(listener.told)) < 618:
                await listener.next()
            await busy
            assert targets(listener.told)[:598] == list(range(2, 600))
            assert sorted(targets(listener.told)) == list(range(2, 620))


async def test_another_replica_goes_on_where_one_was_left(sql_database: SqlDatabase, database_url: str) -> None:
    other = SqlDatabase(database_url)
    async with serving(backing(sql_database)) as server, serving(backing(other)) as replica:
        async with listening(server) as listener:
            await listener.next()
            await act(sql_database, 1)
            await listener.until("act")
        await act(sql_database, 2)
        async with listening(replica, {"Last-Event-ID": listener.told[-1].id}) as listener:
            await listener.until("act")
    await other.close()
    assert targets(listener.told) == [2]


async def test_what_is_committed_out_of_order_is_neither_missed_nor_told_in_disorder(postgres_url: str) -> None:
    database = SqlDatabase(postgres_url)
    await database.prepare(migrate=True)
    insight = database.insight(FakeClock(), str)
    cursor = (await insight.events()).cursor
    async with database.begin() as slow:
        await acts(slow, 1)
        await slow.journal.flush()  # the row has its number, and nobody sees it yet
        await act(database, 2)
        assert (await insight.events(cursor)).events == ()
    feed = await insight.events(cursor)
    assert [event.subject for event in feed.events] == ["1", "2"]
    async with database.begin() as slow:
        await acts(slow, 3)
        async with database.begin() as quick:
            await acts(quick, 4)
            await quick.journal.flush()
        await act(database, 5)
        seen = await insight.events(feed.cursor)
    rest = await insight.events(seen.cursor)
    assert sorted(event.subject for event in (*seen.events, *rest.events)) == ["3", "4", "5"]
    await database.close()


async def test_what_is_rolled_back_never_happened(sql_database: SqlDatabase) -> None:
    insight = sql_database.insight(FakeClock(), str)
    cursor = (await insight.events()).cursor

    async def broken_off() -> None:
        async with sql_database.begin() as work:
            await acts(work, 1)
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        await broken_off()
    await act(sql_database, 2)
    assert [event.subject for event in (await insight.events(cursor)).events] == ["2"]


async def test_who_was_away_for_longer_than_events_are_kept_is_told_so(sql_database: SqlDatabase) -> None:
    later = FakeClock().now() + timedelta(days=1)
    behind = backing(sql_database)
    async with serving(behind) as server, listening(server) as listener:
        await listener.next()
        await act(sql_database, 1)
        await listener.until("act")
    await act(sql_database, 2)
    await act(sql_database, 3)
    async with sql_database.begin() as work:
        await work.chain.prune(later, deliveries_before=later, observations_before=later)
    async with serving(behind) as server, listening(server, {"Last-Event-ID": listener.told[-1].id}) as listener:
        lost = await listener.next()
        await act(sql_database, 4)
        await listener.until("act")
    assert lost is not None
    assert lost.kind == "lost"
    assert targets(listener.told) == [4]


async def test_a_last_event_that_never_was_is_refused(sql_database: SqlDatabase) -> None:
    async with serving(backing(sql_database)) as server, httpx.AsyncClient(trust_env=False) as client:
        url = f"http://{address(server.listening)}/api/v1/events"
        answer = await client.get(url, headers={"Last-Event-ID": "nonsense"})
        head = await client.head(url)
    assert (answer.status_code, answer.headers["Content-Type"]) == (422, "application/problem+json")
    assert head.status_code == 200


async def test_who_shows_no_token_follows_states_but_no_words_and_no_acts(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    behind = backing(stage.beside, stage.clock, rules=Rules(token="planted-token", public=True))
    async with stage.at_work(**noc(http_receiver)), serving(behind) as server, listening(server) as listener:
        await listener.next()
        await down(stage)
        await stage.acknowledge(KEY)
        await listener.until("transition", "transition", "incident", "incident")
        begin = listener.told[0].id
        async with listening(server, {"Last-Event-ID": begin}) as other:
            await other.until("transition", "transition", "incident", "incident")
    for told in (listener.told, other.told):
        assert {each.kind for each in told} == {"hello", "transition", "incident"}
        assert "no light" not in repr(told)
        assert "'noc'" not in repr(told)
        assert {each.data["account"] for each in told[1:]} == {ACCOUNT}


async def test_nobody_reads_the_database_where_nobody_listens(sql_database: SqlDatabase) -> None:
    behind = backing(sql_database)
    async with serving(behind) as server:
        async with listening(server) as listener:
            await listener.next()
            app = server._app
            assert isinstance(app, App)
            reading = app._events._reading
            assert reading is not None
            assert not reading.done()
        async with asyncio.timeout(5):
            await reading


async def test_other_rules_send_everybody_away_to_come_back(sql_database: SqlDatabase) -> None:
    behind = backing(sql_database)
    async with serving(behind) as server, listening(server) as listener:
        await listener.next()
        behind.names = {ACCOUNT: "another name"}  # a reload that changes nothing of access
        await act(sql_database, 1)
        await listener.until("act")
        behind.rules = Rules(token="another-token-3c4d")
        assert await listener.next() is None


async def test_streams_end_at_once_when_the_service_stops(
    sql_database: SqlDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as connections, serving(backing(sql_database)) as server:
        listeners = [await connections.enter_async_context(listening(server)) for _ in range(20)]
        for listener in listeners:
            await listener.next()
        began = loop.time()
        server.stop()
        for listener in listeners:
            assert await listener.next() is None
    assert loop.time() - began < 2
    assert [record for record in caplog.records if record.levelname in {"WARNING", "ERROR"}] == []


async def test_one_more_than_there_may_be_is_asked_to_come_back(sql_database: SqlDatabase) -> None:
    async with (
        serving(backing(sql_database), streams=2) as server,
        listening(server) as one,
        listening(server) as two,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        await one.next()
        await two.next()
        answer = await client.get(f"http://{address(server.listening)}/api/v1/events")
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "30"
