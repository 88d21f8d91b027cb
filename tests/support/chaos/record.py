"""What is on record at the end of a run, and how it stands meanwhile."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from notifier.adapters.database.database import SqlDatabase
from notifier.adapters.database.reading import Wanted
from tests.support.chaos.verdicts import Change, Page

_ALL = Wanted(limit=10**9)


class Record:
    """Reads the database of a run; moments are told in the simulator's seconds."""

    def __init__(self, url: str, stateful: Mapping[str, bool], sites: Mapping[str, str]) -> None:
        """`stateful` says it of each channel; `sites` are by link."""
        self.url = url
        self._database = SqlDatabase(url)
        self._stateful = stateful
        self._sites = sites
        self._offset = time.time() - time.monotonic()

    async def close(self) -> None:
        """Let go of the database."""
        await self._database.close()

    async def prepare(self) -> None:
        """Make the tables."""
        await self._database.prepare(migrate=True)

    async def changes(self) -> list[Change]:
        """Return all transitions."""
        async with self._database.read() as reading:
            return [
                Change(link=row["name"], number=row["number"], after=row["after"], at=self._at(row["confirmed_at"]))
                for row in await reading.transitions(_ALL, None)
            ]

    async def pages(self) -> list[Page]:
        """Return all incidents, with what came of their openings."""
        async with self._database.read() as reading:
            incidents, deliveries = await reading.incidents(_ALL), await reading.deliveries(_ALL, failed=False)
        openings = [row for row in deliveries if row["action"] == "open"]
        outcomes = {row["incident"]: row["outcome"] for row in sorted(openings, key=lambda row: row["outcome"])}
        return [
            Page(
                key=row["id"],
                kind=row["kind"],
                site=self._sites.get(row["subject"], row["subject"]),
                began=self._at(row["opened_at"]),
                ended=None if row["closed_at"] is None else self._at(row["closed_at"]),
                outcome=outcomes.get(row["id"]),
            )
            for row in incidents
        ]

    async def violations(self) -> list[str]:
        """Make an audit that gives no time to anything."""
        now = datetime.now(UTC)
        async with self._database.begin() as work:
            found = await work.audit.violations(
                self._stateful, since=None, taken_since=now - timedelta(days=1), look_before=now, due_before=now
            )
        return [str(violation) for violation in found]

    async def unsettled(self, states: Mapping[str, str]) -> list[str]:
        """Return which links are not yet believed to be in these states or can't be seen, and what waits to be sent."""
        async with self._database.read() as reading:
            links = await reading.status(_ALL)
            deliveries = await reading.deliveries(_ALL, failed=False)
            blind = await reading.blind()
        believed = {row["name"]: row["status"] for row in links if not row["blind"]}
        return [
            *(f"{name} is {state}" for name, state in states.items() if believed.get(name) != state),
            *(f"{row['id']} can't be seen" for row in blind),
            *(f"{row['title']} waits for {row['channel']}" for row in deliveries if row["outcome"] == "pending"),
        ]

    def _at(self, moment: datetime) -> float:
        return moment.timestamp() - self._offset
