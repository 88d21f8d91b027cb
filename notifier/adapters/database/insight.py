"""What people look at, of either database; on connections that can't write."""

import asyncio
import base64
import binascii
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from fnmatch import translate
from re import compile as compiled
from typing import Any, TypeVar

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Result,
    Text,
    any_,
    bindparam,
    case,
    func,
    literal,
    or_,
    select,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from notifier.adapters.database import rows
from notifier.adapters.database.engine import connection
from notifier.adapters.database.explaining import UNPROMISED, Explaining
from notifier.adapters.database.journal import settled
from notifier.adapters.database.reading import BELIEVED, Found, Position, Reading, Wanted
from notifier.adapters.database.tables import deliveries, events, gaps, incidents, interconnects, silences, transitions
from notifier.domain.incident import Acknowledgement, IncidentKind, incident_key
from notifier.domain.interconnect import Link
from notifier.domain.site import Member, Site
from notifier.domain.status import Severity, is_problem
from notifier.domain.suppression import Silence
from notifier.insight import (
    EVERYTHING,
    AccountNow,
    ActEntry,
    Attempt,
    Change,
    CursorError,
    DeliveryEntry,
    EventEntry,
    Feed,
    Filter,
    GapEntry,
    IncidentEntry,
    LinkNow,
    LinkStory,
    Notice,
    ObservationEntry,
    Overview,
    Page,
    SiteNow,
    Span,
    Spans,
    Standing,
    Telling,
    TransitionEntry,
)
from notifier.ports import Clock

_T = TypeVar("_T")
_Links = Callable[[Any, Any], ColumnElement[bool]]

_SHARED, _BRIDGED = 1.0, 3.0  # seconds for which an overview is shown, and for which it is while the next is read
_WORST = 200  # open incidents that are shown with all that was told of them
_BREATH = 500  # rows between which others have their turn
_FREE = frozenset({"reason", "cause", "receipt", "title", "why", "kept", "comment"})  # texts that may hold anything
# By their key: the database needs not sort them.
_WATCHED = (
    BELIEVED.where(interconnects.c.watched).order_by(None).order_by(interconnects.c.account, interconnects.c.name)
)
_RANKS = {"gap": 0, "observation": 1, "transition": 2}  # of what is of one moment, the later first


class SqlInsight:
    """Keeps `insight.Insight`; an overview is read once, however many ask for it at the same time."""

    def __init__(self, engine: AsyncEngine, clock: Clock, redact: Callable[[str], str]) -> None:
        self._engine = engine
        self._clock = clock
        self._redact = redact  # what a receiver echoed is in the database as it came
        self._reading: asyncio.Task[Overview] | None = None
        self._shown: Overview | None = None
        self._shown_at = 0.0

    @asynccontextmanager
    async def _read(self) -> AsyncIterator[Reading]:
        async with connection(self._engine) as conn:
            yield Reading(conn)

    async def overview(self) -> Overview:
        """Return how everything stands."""
        shown, age = self._shown, asyncio.get_running_loop().time() - self._shown_at
        if shown is not None and age <= _SHARED:
            return shown
        reading = self._reading or self._begin()
        if shown is not None and age <= _BRIDGED:
            return shown
        return await asyncio.shield(reading)  # who asked may go; others wait for the same

    def _begin(self) -> asyncio.Task[Overview]:
        loop = asyncio.get_running_loop()
        began_at, reading = loop.time(), loop.create_task(self._overview())

        def over(_: object) -> None:
            failed = reading.cancelled() or reading.exception() is not None  # whoever waited has been told
            if reading is self._reading:
                self._reading = None
                if not failed:
                    self._shown, self._shown_at = reading.result(), began_at

        reading.add_done_callback(over)
        self._reading = reading
        return reading

    def refresh(self) -> None:
        """Show nothing any more that was read before."""
        self._reading = self._shown = None

    async def _overview(self) -> Overview:
        now = self._clock.now()
        async with self._read() as reading:
            links = await reading.conn.execute(_WATCHED)
            blind = {found["id"]: self._hidden(found) for found in await reading.blind()}
            i = incidents.c
            query = select(incidents).where(i.closed_at.is_(None))
            severities = {severity: -badness for badness, severity in enumerate(Severity)}
            worst = query.order_by(case(severities, value=i.severity), i.opened_at.desc(), i.id.desc()).limit(_WORST)
            number = await reading.conn.scalar(select(func.count()).where(i.closed_at.is_(None)))
            listed = await reading.incidents_in(worst)
            told = await self._told_of(reading.conn, [found["id"] for found in listed]) if listed else {}
        accounts: defaultdict[str, defaultdict[str, list[LinkNow]]] = defaultdict(lambda: defaultdict(list))
        async for some in _gently(links):
            for link in map(self._link, some):
                accounts[link.account][link.site or ""].append(link)
        return Overview(
            at=now,
            accounts=tuple(
                AccountNow(
                    account=account,
                    blind_since=blind[account]["since"] if account in blind else None,
                    cause=blind[account]["cause"] if account in blind else None,
                    sites=tuple(_site(account, name, its) for name, its in sorted(accounts[account].items())),
                )
                for account in sorted({*accounts, *blind})
            ),
            incidents=tuple(_incident(found, told.get(found["id"], ())) for found in listed),
            open_incidents=number or 0,
        )

    async def link(self, account: str, name: str, *, limit: int = 50) -> LinkStory | None:
        """Return all about an interconnect."""
        now = self._clock.now()
        wanted = Wanted(account=account, limit=limit)
        async with self._read() as reading:
            known = interconnects.c.account == account, interconnects.c.name == name
            believed = (await reading.conn.execute(BELIEVED.where(*known))).one_or_none()
            explaining = Explaining(reading.conn)
            link = next((link for link in await explaining.links(name) if link.account == account), None)
            if link is None or believed is None:
                return None
            story = [self._hidden(event) for event in await explaining.explain(link, limit=limit, now=now)][::-1]
            observed, unobserved = await reading.observations(wanted, name), await reading.gaps(wanted, name)
            its = incidents.c.subject == name, incidents.c.kind == IncidentKind.INTERCONNECT
            query = select(incidents).where(incidents.c.account == account, *its).order_by(incidents.c.id.desc())
            affected = await reading.incidents_in(query.limit(limit))
        return LinkStory(
            at=now,
            link=self._link(believed),
            transitions=tuple(_transition(found) for found in story if found["kind"] == "transition"),
            notices=tuple(
                Notice(id=found["id"], at=found["at"], title=found["title"], tellings=_tellings(found["channels"]))
                for found in story
                if found["kind"] == "notice"
            ),
            acts=tuple(_made(ActEntry, found) for found in story if found["kind"] == "act"),
            observations=tuple(_made(ObservationEntry, self._hidden(found)) for found in observed),
            gaps=tuple(_made(GapEntry, found) for found in unobserved),
            incidents=tuple(_incident(found) for found in affected),
            channels=tuple(_made(Standing, found) for found in story[0]["channels"]),
        )

    async def history(
        self, account: str, name: str, *, wanted: Filter = EVERYTHING, limit: int = 50, after: str | None = None
    ) -> Page[TransitionEntry | ObservationEntry | GapEntry]:
        """Return what happened to an interconnect."""
        at, rank, number = _read_cursor(after, 3) if after is not None else (None, 0, 0)
        asked = Wanted(account=account, since=wanted.since, until=wanted.until, limit=limit + 1)
        async with self._read() as reading:
            found: list[Found] = []
            for kind, ask in (
                ("transition", reading.transitions),
                ("observation", reading.observations),
                ("gap", reading.gaps),
            ):
                # Of those of the cursor's own moment, kinds of a higher rank came before it, those of a lower come yet.
                below = number if _RANKS[kind] == rank else (0 if _RANKS[kind] > rank else _LARGEST)
                found += await ask(replace(asked, after=at and Position(at, below)), name)
        found.sort(key=lambda row: (row["at"], _RANKS[row["kind"]], _number(row)), reverse=True)
        made: dict[str, Callable[[Found], Any]] = {
            "transition": _transition,
            "observation": lambda row: _made(ObservationEntry, row),
            "gap": lambda row: _made(GapEntry, row),
        }
        return _page(
            found,
            limit,
            lambda row: made[row["kind"]](self._hidden(row)),
            lambda row: (row["at"], _RANKS[row["kind"]], _number(row)),
        )

    async def incidents(
        self, wanted: Filter = EVERYTHING, *, is_open: bool | None = None, limit: int = 50, after: str | None = None
    ) -> Page[IncidentEntry]:
        """Return incidents."""
        async with self._read() as reading:
            narrowed = await self._narrowed(reading.conn, wanted, limit, after, sites=True)
            found = await reading.newest_incidents(narrowed, is_open=is_open)
        return _page(found, limit, _incident, lambda row: (row["opened_at"], row["row"]))

    async def incident(self, key: str) -> IncidentEntry | None:
        """Return an incident, with who was told of it."""
        async with self._read() as reading:
            found = await reading.incidents_in(select(incidents).where(incidents.c.key == key))
            told = await self._told_of(reading.conn, [key]) if found else {}
        return _incident(found[0], told.get(key, ())) if found else None

    async def transitions(
        self, wanted: Filter = EVERYTHING, *, limit: int = 50, after: str | None = None
    ) -> Page[TransitionEntry]:
        """Return transitions."""
        async with self._read() as reading:
            found = await reading.transitions(await self._narrowed(reading.conn, wanted, limit, after), None)
        return _page(found, limit, lambda row: _transition(self._hidden(row)), lambda row: (row["at"], _number(row)))

    async def deliveries(
        self, wanted: Filter = EVERYTHING, *, failed: bool = False, limit: int = 50, after: str | None = None
    ) -> Page[DeliveryEntry]:
        """Return deliveries."""
        async with self._read() as reading:
            narrowed = await self._narrowed(reading.conn, wanted, limit, after, sites=True)
            found = await reading.deliveries(narrowed, failed=failed)
        return _page(
            found,
            limit,
            lambda row: _made(DeliveryEntry, self._hidden(row)),
            lambda row: (row["recorded_at"], row["id"]),
        )

    async def delivery(self, number: int) -> Telling | None:
        """Return a delivery with its attempts."""
        async with self._read() as reading:
            query = select(deliveries.c.notification).where(deliveries.c.id == number)
            notification = await reading.conn.scalar(query)
            told = [] if notification is None else await Explaining(reading.conn).deliveries([notification])
        return next((telling for telling in _tellings(map(self._hidden, told)) if telling.id == number), None)

    async def silences(
        self, *, ends_after: datetime | None = None, limit: int = 50, after: str | None = None
    ) -> Page[Silence]:
        """Return silences."""
        s = silences.c
        query = select(silences).order_by(s.id.desc()).limit(limit + 1)
        if ends_after is not None:
            query = query.where(s.until_at > ends_after)
        if after is not None:
            query = query.where(s.id < _position(after).id)
        async with self._read() as reading:
            found = [self._silence(row) for row in await reading.conn.execute(query)]
        return _page(found, limit, lambda silence: silence, lambda silence: (silence.from_at, silence.id))

    async def acts(self, *, since: datetime | None = None, limit: int = 50, after: str | None = None) -> Page[ActEntry]:
        """Return what operators did."""
        async with self._read() as reading:
            position = None if after is None else _position(after)
            found = await reading.acts(Wanted(since=since, limit=limit + 1, after=position))
        return _page(
            found, limit, lambda row: _made(ActEntry, self._hidden(row)), lambda row: (row["at"], _number(row))
        )

    async def events(self, after: str | None = None, *, limit: int = 500) -> Feed:
        """Return what happened after a cursor."""
        e = events.c
        place = tuple_(e.written_by, e.id)
        async with self._read() as reading:
            conn = reading.conn
            sure = select(events).where(settled(postgresql=conn.dialect.name == "postgresql"))
            at = None if after is None else await _known(conn, _read_place(after))
            if at is None:
                last = (await conn.execute(sure.order_by(e.written_by.desc(), e.id.desc()).limit(1))).one_or_none()
                now = (0, 0) if last is None else (last.written_by, last.id)
                return Feed(events=(), cursor=_cursor(_EPOCH, *now), place=now, lost=after is not None)
            later = (
                sure.where(place > tuple_(*(literal(number, BigInteger) for number in at)))
                .order_by(e.written_by, e.id)
                .limit(limit + 1)
            )
            found = (await conn.execute(later)).all()
        entries = tuple(map(self._event, found[:limit]))
        end = entries[-1].place if entries else at
        return Feed(events=entries, cursor=_cursor(_EPOCH, *end), place=end, more=len(found) > limit)

    def _event(self, row: Any) -> EventEntry:
        place = row.written_by, row.id
        return EventEntry(
            place=place,
            cursor=_cursor(_EPOCH, *place),
            kind=row.kind,
            at=row.at,
            account=row.account,
            subject=row.subject,
            content=self._hidden(row.content),
        )

    async def spans(self, since: datetime, links: Collection[Link]) -> Spans:
        """Return what happened since a moment."""
        t, g = transitions.c, gaps.c
        accounts, names = sorted({account for account, _ in links}), sorted({name for _, name in links})
        keys = [field.name for field in fields(Change)]
        changed: defaultdict[Link, list[Change]] = defaultdict(list)
        missed: defaultdict[Link, list[tuple[datetime, datetime]]] = defaultdict(list)
        async with self._read() as reading:
            moved = select(t.account, t.name, *(t[key] for key in keys)).where(t.confirmed_at >= since)
            unseen = select(g.account, g.name, g.from_at, g.until_at).where(g.until_at >= since)
            moved, unseen = (
                query.where(_any_of(reading.conn, its.account, accounts), _any_of(reading.conn, its.name, names))
                for query, its in ((moved, t), (unseen, g))
            )
            async for some in _gently(await reading.conn.execute(moved.order_by(t.confirmed_at, t.id))):
                for row in some:
                    changed[row[0], row[1]].append(Change(**dict(zip(keys, row[2:], strict=True))))
            async for some in _gently(await reading.conn.execute(unseen.order_by(g.from_at, g.id))):
                for row in some:
                    missed[row[0], row[1]].append((row[2], row[3]))
        return {
            link: Span(changes=tuple(changed[link]), gaps=tuple(missed[link]))
            for link in links
            if link in changed or link in missed
        }

    async def _told_of(self, conn: AsyncConnection, keys: Sequence[str]) -> dict[str, tuple[Telling, ...]]:
        told: defaultdict[str, list[Found]] = defaultdict(list)
        for found in await Explaining(conn).about(keys):
            told[found["incident"]].append(self._hidden(found))
        return {key: _tellings(its) for key, its in told.items()}

    def _link(self, row: Any) -> LinkNow:
        """Read a link; there may be ten thousand of them, so each step counts."""
        account, name, site, facility, speed, watched, status, reason, *state = row
        since, last_seen_at, blind, cause, candidate, incident, number, was_healthy, flapping = state
        return LinkNow(
            account=account,
            name=name,
            site=site,
            facility=facility,
            speed=speed,
            status=status,
            problem=status is not None and is_problem(status, was_healthy=was_healthy),
            reason=None if reason is None else self._redact(reason),
            since=since,
            last_seen_at=last_seen_at,
            blind=bool(blind),
            cause=None if cause is None else self._redact(cause["text"]),
            flapping=bool(flapping),
            candidate=None if candidate is None else candidate["status"],
            sightings=None if candidate is None else candidate["sightings"],
            incident=None if incident is None else incident_key(IncidentKind.INTERCONNECT, account, name, incident),
            number=number,
            watched=watched,
        )

    def _silence(self, row: Any) -> Silence:
        silence = rows.to_silence(row)
        return replace(silence, comment=self._redact(silence.comment))

    def _hidden(self, found: Any) -> Any:
        """Hide secrets in texts that came from elsewhere, however deep they lie."""
        for key, value in found.items():
            if key in _FREE and value is not None:
                found[key] = self._redact(value)
            elif isinstance(value, list):
                for inner in value:
                    self._hidden(inner)
        return found

    async def _narrowed(
        self, conn: AsyncConnection, wanted: Filter, limit: int, after: str | None, *, sites: bool = False
    ) -> Wanted:
        """Find the interconnects that are meant; `sites`: what is named after a site is meant with it."""
        links: _Links | None = None
        if wanted.name is not None or wanted.site is not None:
            listed = await conn.execute(select(interconnects.c.name, interconnects.c.site).distinct())
            links = _among(conn, list(listed), wanted, sites=sites)
        return Wanted(
            account=wanted.account,
            since=wanted.since,
            until=wanted.until,
            limit=limit + 1,
            after=None if after is None else _position(after),
            links=links,
        )


def _among(conn: AsyncConnection, listed: Sequence[Any], wanted: Filter, *, sites: bool) -> _Links:
    """Name those that fit: a pattern in the database's own words would mean something else, and may never end."""
    names = _fitting(wanted.name, {name for name, _ in listed})
    places = _fitting(wanted.site, {site for _, site in listed if site is not None})
    link = interconnects.alias().c

    def holds(account: Any, name: Any) -> ColumnElement[bool]:
        these = select(link.name).where(link.account == account, link.name == name)
        if names is not None:
            these = these.where(_any_of(conn, link.name, names))
        if places is not None:
            these = these.where(_any_of(conn, link.site, places))
        if sites and names is None and places is not None:
            return or_(these.exists(), _any_of(conn, name, places))
        return these.exists()

    return holds


def _fitting(pattern: str | None, texts: Iterable[str]) -> list[str] | None:
    if pattern is None:
        return None
    fits = compiled(translate(pattern)).match
    return sorted(text for text in texts if fits(text))


def _any_of(conn: AsyncConnection, column: Any, texts: Sequence[str]) -> ColumnElement[bool]:
    """One parameter, however many there are."""
    if conn.dialect.name == "postgresql":
        return column == any_(bindparam(None, list(texts), type_=ARRAY(Text)))  # type: ignore[no-any-return]
    each = func.json_each(json.dumps(list(texts))).table_valued("value")
    return column.in_(select(each.c.value))  # type: ignore[no-any-return]


async def _known(conn: AsyncConnection, at: tuple[int, int]) -> tuple[int, int] | None:
    """Return a place again, if everything that came after it is still there."""
    e = events.c
    if at == (0, 0):
        gone = (await conn.scalar(select(func.min(e.id))) or 1) > 1
    else:
        # Of a database that was restored on another server, a place may lie in what is the future there.
        sure = settled(postgresql=conn.dialect.name == "postgresql")
        gone = await conn.scalar(select(e.id).where(e.written_by == at[0], e.id == at[1], sure)) is None
    return None if gone else at


async def _gently(found: Result[Any]) -> AsyncIterator[Sequence[Any]]:
    """Give some rows at a time, so that others have their turn in between."""
    for some in found.partitions(_BREATH):
        yield some
        await asyncio.sleep(0)


def _made(kind: type[_T], found: Found) -> _T:
    return kind(**{field.name: found[field.name] for field in fields(kind)})  # type: ignore[arg-type]


def _site(account: str, name: str, links: Sequence[LinkNow]) -> SiteNow:
    members = (Member(name=link.name, status=link.status, problem=link.incident is not None) for link in links)
    return SiteNow(standing=Site(account=account, name=name, members=tuple(members)), links=tuple(links))


def _incident(found: Found, tellings: tuple[Telling, ...] = ()) -> IncidentEntry:
    by, at = found["acknowledged_by"], found["acknowledged_at"]
    until, sticky = found["acknowledged_until"], found["sticky"]
    return IncidentEntry(
        key=found["id"],
        kind=IncidentKind(found["kind"]),
        severity=Severity(found["severity"]),
        acknowledgement=by and Acknowledgement(by=by, at=at, until=until, sticky=sticky),
        tellings=tellings,
        **{key: found[key] for key in ("account", "subject", "number", "opened_at", "closed_at")},
    )


def _transition(found: Found) -> TransitionEntry:
    own = {field.name: found[field.name] for field in fields(TransitionEntry) if field.name != "tellings"}
    return TransitionEntry(**own, tellings=_tellings(found.get("channels", ())))


def _tellings(found: Iterable[Found]) -> tuple[Telling, ...]:
    return tuple(map(_telling, found))


def _telling(found: Found) -> Telling:
    keys = {field.name for field in fields(Telling)} - {"attempts"}
    promised = found["outcome"] != UNPROMISED
    attempts = tuple(_made(Attempt, each) for each in found["attempts"]) if promised else ()
    return Telling(**{key: found[key] for key in keys & found.keys()}, attempts=attempts)


# --- Cursors ------------------------------------------------------------------------------------------------

_LARGEST = 2**63 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def _page(
    found: Sequence[Any], limit: int, made: Callable[[Any], _T], key: Callable[[Any], tuple[Any, ...]]
) -> Page[_T]:
    """Make a page of what was found: one more than fits, if there are more."""
    more = len(found) > limit
    return Page(entries=[made(row) for row in found[:limit]], next=_cursor(*key(found[limit - 1])) if more else None)


def _cursor(at: datetime, *numbers: int) -> str:
    text = ".".join(map(str, ((at - _EPOCH) // _MICROSECOND, *numbers)))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _position(cursor: str) -> Position:
    return Position(*_read_cursor(cursor, 2))


def _read_cursor(cursor: str, parts: int) -> tuple[Any, ...]:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
        micros, *numbers = map(int, text.split("."))
        at = _EPOCH + micros * _MICROSECOND
    except (ValueError, OverflowError, binascii.Error):
        raise CursorError(f"found {cursor[:40]!r}, expected a cursor as an answer gave it in next") from None
    if len(numbers) != parts - 1 or not all(0 <= number <= _LARGEST for number in numbers):
        raise CursorError(f"found {cursor[:40]!r}, expected the cursor of the same question")
    return at, *numbers


def _read_place(cursor: str) -> tuple[int, int]:
    _, written_by, number = _read_cursor(cursor, 3)
    return written_by, number


def _number(found: Found) -> int:
    return int(str(found["id"]).rpartition("-")[2])
