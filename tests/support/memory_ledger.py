"""The ledger in memory; a part of the fake database."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from notifier.domain.condition import Condition
from notifier.domain.incident import Acknowledgement, Incident, Subject, key_of
from notifier.domain.suppression import Silence
from notifier.domain.telling import Told
from notifier.ports import Configured


@dataclass
class LedgerTables:
    """What a ledger keeps."""

    conditions: dict[Subject, Condition] = field(default_factory=dict)
    told: dict[tuple[str, Subject], Told] = field(default_factory=dict)
    verdicts: dict[tuple[int, str], str] = field(default_factory=dict)
    silences: list[Silence] = field(default_factory=list)
    channels: dict[str, Configured] = field(default_factory=dict)
    since: dict[str, datetime] = field(default_factory=dict)
    acts: list[tuple[datetime, str, str, str, str]] = field(default_factory=list)


class MemoryLedger:
    """Keeps `ports.Ledger`."""

    def __init__(self, tables: LedgerTables, incidents: dict[str, Incident]) -> None:
        self._tables = tables
        self._incidents = incidents

    async def lock(self, *accounts: str) -> None:
        """One writer only, anyway."""

    async def lock_all(self) -> None:
        """One writer only, anyway."""

    async def accounts(self) -> set[str]:
        return {subject.account for subject in self._tables.conditions}

    async def conditions(self, account: str, subjects: Collection[Subject], sites: Collection[str]) -> list[Condition]:
        return [
            c
            for c in self._tables.conditions.values()
            if c.subject.account == account and (c.subject in subjects or (c.site is not None and c.site in sites))
        ]

    async def save_conditions(self, conditions: Collection[Condition]) -> None:
        self._tables.conditions |= {c.subject: c for c in conditions}

    async def unsettled(self, account: str) -> list[Subject]:
        told = self._tables.told.values()
        busy = {t.subject for t in told if t.kept is not None or t.incident is not None}
        return [
            c.subject
            for c in self._tables.conditions.values()
            if c.subject.account == account and (c.incident is not None or c.subject in busy)
        ]

    async def told(self, account: str, subjects: Collection[Subject]) -> list[Told]:
        return [t for t in self._tables.told.values() if t.subject.account == account and t.subject in subjects]

    async def told_by(self, notification: int, channel: str) -> Told | None:
        found = (t for t in self._tables.told.values() if (t.notification, t.channel) == (notification, channel))
        return next(found, None)

    async def save_told(self, told: Collection[Told]) -> None:
        self._tables.told |= {(t.channel, t.subject): t for t in told}

    async def due(self, now: datetime) -> list[Subject]:
        return list({t.subject for t in self._tables.told.values() if t.look_at is not None and t.look_at <= now})

    async def look_again(self, now: datetime, *, channel: str | None = None, subject: Subject | None = None) -> None:
        for key, told in self._tables.told.items():
            if told.kept is not None and channel in {None, told.channel} and subject in {None, told.subject}:
                self._tables.told[key] = replace(told, look_at=min(told.look_at or now, now))

    async def bring_back(self, account: str, now: datetime, *, remind: timedelta) -> None:
        conditions, told = self._tables.conditions, self._tables.told
        conditions |= {
            subject: replace(c, changed_at=min(c.changed_at, now))
            for subject, c in conditions.items()
            if subject.account == account
        }
        told |= {
            key: replace(t, remind_at=min(t.remind_at, now + remind))
            for key, t in told.items()
            if t.remind_at is not None and t.subject.account == account
        }
        for key, incident in self._incidents.items():
            if incident.account == account and incident.closed_at is None:
                self._incidents[key] = replace(incident, opened_at=min(incident.opened_at, now))

    async def reminders(self, now: datetime) -> list[Subject]:
        return list({t.subject for t in self._tables.told.values() if t.remind_at is not None and t.remind_at <= now})

    async def silences(self, at: datetime) -> list[Silence]:
        return [s for s in self._tables.silences if s.from_at <= at < s.until_at]

    async def add_silence(self, silence: Silence) -> int:
        number = len(self._tables.silences) + 1
        self._tables.silences.append(replace(silence, id=number))
        return number

    async def end_silence(self, number: int, at: datetime) -> bool:
        for place, silence in enumerate(self._tables.silences):
            if silence.id == number and silence.until_at > at:
                self._tables.silences[place] = replace(silence, until_at=at)
                return True
        return False

    async def acknowledge(self, key: str, acknowledgement: Acknowledgement | None) -> bool:
        incident = self._incidents.get(key)
        if incident is None or incident.closed_at is not None:
            return False
        self._incidents[key] = replace(incident, acknowledgement=acknowledgement)
        return True

    async def lapse(self, keys: Collection[str]) -> None:
        for key in keys:
            incident = self._incidents.get(key)
            if incident is not None and incident.acknowledgement is not None and not incident.acknowledgement.sticky:
                self._incidents[key] = replace(incident, acknowledgement=None)

    async def act(
        self,
        *,
        at: datetime,
        by: str,
        act: str,
        target: str,
        comment: str,
        given: Acknowledgement | Silence | None = None,  # noqa: ARG002 - the port's
    ) -> None:
        self._tables.acts.append((at, by, act, target, comment))

    async def explain(self, verdicts: Collection[tuple[int, str, str]], at: datetime) -> None:  # noqa: ARG002 - the port's
        self._tables.verdicts |= {(number, channel): why for number, channel, why in verdicts}

    async def channels(self) -> dict[str, Configured]:
        return dict(self._tables.channels)

    async def save_channels(self, channels: Mapping[str, Configured], at: datetime) -> None:
        known, since = self._tables.channels, self._tables.since
        self._tables.since = {name: since[name] if known.get(name) == new else at for name, new in channels.items()}
        self._tables.channels = dict(channels)

    async def rename_channel(self, old: str, new: str) -> None:
        told = self._tables.told
        kept = {key: value for key, value in told.items() if key[0] != old}
        moved = {(new, subject): replace(t, channel=new) for (name, subject), t in told.items() if name == old}
        self._tables.told = kept | moved

    async def held_open(self, channel: str) -> list[str]:
        found = [t for t in self._tables.told.values() if t.channel == channel]
        return [key_of(t.subject, t.incident) for t in found if t.incident is not None]
