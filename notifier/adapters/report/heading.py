"""What stands above a report and below it: whose it is, of when, and what has to be known to read it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from notifier.domain.availability import Period
from notifier.domain.duration import format_duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """`at` is when it was read, `first` when the record begins, `asked` how it was narrowed (label, value).

    `clipped`: the period was to end later than now. `names` are the accounts' by id. `partial` are the windows that
    are not counted as maintenance, `kept` is for how long deliveries are kept. `shown` makes a key fit to be shown.
    """

    at: datetime
    zone: ZoneInfo
    period: Period
    first: datetime
    clipped: bool
    asked: Sequence[tuple[str, str]]
    names: Mapping[str, str]
    partial: Sequence[str]
    kept: timedelta
    shown: Callable[[str], str]

    def name(self, account: str) -> str:
        """Return what an account is called."""
        return self.names.get(account, account)

    def moment(self, at: datetime | None) -> str:
        """Write a moment by the clocks of the report's zone, with its offset."""
        if at is None:
            return ""
        local = at.astimezone(self.zone)
        return f"{local:%Y-%m-%d %H:%M:%S}" + (
            f"{local:%z}"[:3] + ":" + f"{local:%z}"[3:] if local.utcoffset() else "Z"
        )

    def when(self) -> str:
        """Say which period it is about, and when it was made."""
        begin, end, made = (self.moment(at) for at in (self.period.from_at, self.period.until_at, self.at))
        return f"{begin} to {end} ({self.zone.key}), made {made}"

    def notes(self) -> tuple[str, ...]:
        """Return what has to be known to read it: first what holds for this report, then for all."""
        return (*self._own(), *_NOTES)

    def _own(self) -> list[str]:
        notes = []
        if self.clipped:
            notes.append("The period was to end later than this report was made; it ends at that moment.")
        if self.first > self.period.from_at:
            begins = self.moment(self.first.replace(microsecond=0))
            notes.append(f"The record begins at {begins}: what was before that was not watched.")
        if self.partial:
            listed = ", ".join(self.partial)
            notes.append(f"Not counted as maintenance, because they keep back only some messages: {listed}.")
        if self.period.from_at < self.at - self.kept:
            notes.append(
                f"What was told is kept for {format_duration(self.kept)}: of older incidents it is not known any more, "
                "and the mean time to tell is of the others."
            )
        return notes


_TEXT = """
Times are hours:minutes:seconds. Good, bad, maintenance and not observed add up to the period; each moment is cut
to its second first.

Good is Healthy, or Pending before the interconnect was ever Healthy; anything else is bad. A change counts from
when it was first seen; one that was not confirmed when the report was made does not count.

Not observed: nobody saw the interconnect for longer than a few polls, whatever was believed of it or planned. It
includes the time that is not watched: before the interconnect was first seen, and after it was removed.

Maintenance is what is planned in the configuration that made this report; good and bad time in it counts neither
way. A silence is no maintenance: it changes no figure.

Availability is good / (good + bad). Of observed: good / (good + bad + maintenance). Both are cut after the fourth
digit, never rounded up. Where there is nothing to divide by there is no data.

A site is good while one of its interconnects is; else not observed while one of them is not observed; else under
maintenance while one of them is; else bad. Interconnects count for the site at which they lie today.

Redundancy lost: so many were left at most; who was not observed or under maintenance is counted as left.

An incident counts if it was open in the period, its length as far as it lies in it. The means to notice and to
tell are of those opened in the period, the mean to recover of those closed in it.

To notice: from when the problem was first seen until it was confirmed; at most: from when something else was last
seen. To tell: from when it was first seen until the first message of it was accepted. To recover: from first seen
bad until first seen good; an interconnect that flaps keeps its incident until it is calm.
"""
_NOTES = tuple(" ".join(note.split()) for note in _TEXT.split("\n\n"))


def utc(at: datetime | None) -> str | None:
    """Write a moment for programs: to the second, in UTC."""
    return None if at is None else at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
