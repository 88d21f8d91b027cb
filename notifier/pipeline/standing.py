"""All that bears on whether a channel is told now: routes, suppressions, the site, who has it in hand (R20-R24)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from notifier.domain.condition import Condition
from notifier.domain.duration import format_duration
from notifier.domain.incident import Acknowledgement, Incident, IncidentKind, Subject
from notifier.domain.pacing import Storm
from notifier.domain.routing import Reach, Route, reached
from notifier.domain.site import Site
from notifier.domain.suppression import Kept, Silence, Window, suppressed
from notifier.domain.telling import Told
from notifier.ports import Channel


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the configuration says of telling.

    `wait` is how long what belongs together is gathered, `storm` how many messages a message channel bears, `remind`
    the time between reminders (0: none).
    """

    channels: Mapping[str, Channel]
    routes: Sequence[Route] = ()
    windows: Sequence[Window] = ()
    wait: timedelta = timedelta(seconds=10)
    storm: Storm = field(default_factory=Storm)
    remind: timedelta = timedelta(hours=4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The account as it stands at one moment: conditions by subject, sites by name, open incidents by key.

    `calendar` is what the machine's clock says at this moment: people set silences, windows and acknowledgements by it.
    """

    now: datetime
    calendar: datetime
    rules: Rules
    silences: Collection[Silence]
    conditions: Mapping[Subject, Condition]
    sites: Mapping[str, Site]
    incidents: Mapping[str, Incident]

    def reached(self, condition: Condition) -> dict[str, Reach]:
        """Return the channels to which a route leads."""
        return reached(self.rules.routes, condition, self.rules.channels)

    def kept(
        self, condition: Condition, channel: Channel, told: Told, reach: Reach | None, *, site_told: bool
    ) -> Kept | None:
        """Say what keeps a message back from a channel; `site_told`: the loss of its site is an open incident there."""
        if condition.flapping and not channel.stateful:
            return Kept("flapping", None)
        if (suppression := self.suppression(condition)) is not None:
            return suppression
        if condition.incident is None or told.incident == condition.incident:
            return None
        if channel.stateful and condition.link is not None:
            if site_told:
                return Kept(f"the loss of site {condition.site}, which is told as one incident,", None)
            until = condition.changed_at + self.rules.wait
            if self.now < until and self._doubtful(condition):
                return Kept(HOLD, until)
        return self._escalation(condition, reach) if reach is not None and reach.after is not None else None

    def suppression(self, condition: Condition) -> Kept | None:
        """Say which silence or maintenance window keeps a condition back, if one does.

        None does when every link of a site has a problem and not every one is covered: the plan went wrong (R24).
        """
        site = self.sites.get(condition.site or "")
        if condition.subject.kind is IncidentKind.SITE:
            return self._all_covered(site) if site is not None else None
        kept = self._suppressed(condition)
        if kept is None or condition.link is None or site is None or not site.lost:
            return kept
        return kept if self._all_covered(site) is not None else None

    def _all_covered(self, site: Site) -> Kept | None:
        """Return the suppression that ends first, if each link of a site is covered by one."""
        covers: list[Kept] = []
        for member in site.members:
            subject = Subject(kind=IncidentKind.INTERCONNECT, account=site.account, name=member.name)
            condition = self.conditions.get(subject)
            if condition is None:
                return None
            kept = self._suppressed(condition)
            if kept is None:
                return None
            covers.append(kept)
        return min(covers, key=lambda kept: kept.until or self.now, default=None)

    def _suppressed(self, condition: Condition) -> Kept | None:
        kept = suppressed(condition, self.silences, self.rules.windows, self.calendar)
        return kept and self._kept(kept.why, kept.until)

    def _kept(self, why: str, until: datetime | None) -> Kept:
        """Keep back until a moment of the calendar."""
        return Kept(why, until and until - (self.calendar - self.now))

    def _doubtful(self, condition: Condition) -> bool:
        site = self.sites.get(condition.site or "")
        return site is not None and condition.link is not None and site.doubtful(condition.link)

    def _escalation(self, condition: Condition, reach: Reach) -> Kept | None:
        """Hold an escalation back until its time has come without acknowledgement (R23)."""
        incident = self.incidents.get(condition.key or "")
        if incident is None or reach.after is None:
            return None
        if (acknowledged := self.acknowledged(condition)) is not None:
            return self._kept(f"the acknowledgement by {acknowledged.by}", acknowledged.until)
        due = incident.opened_at + reach.after
        wait = f"the wait of {format_duration(reach.after)} for an acknowledgement"
        return Kept(wait, due) if self.now < due else None

    def acknowledged(self, condition: Condition) -> Acknowledgement | None:
        """Return who has it in hand, by its own incident or by that of its lost site (R22)."""
        for key in (condition.key, self._site_key(condition)):
            incident = self.incidents.get(key or "")
            acknowledged = incident.acknowledgement if incident is not None else None
            if acknowledged is not None and acknowledged.holds(self.calendar):
                return acknowledged
        return None

    def _site_key(self, condition: Condition) -> str | None:
        subject = Subject(kind=IncidentKind.SITE, account=condition.subject.account, name=condition.site or "")
        site = self.conditions.get(subject)
        return site.key if site is not None else None


HOLD = "the look at the other interconnects of its site"
