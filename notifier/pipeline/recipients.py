"""Who is told: which channels a notification is promised to, to do what there (R12, R26)."""

from collections.abc import Mapping
from dataclasses import dataclass

from notifier.domain.backoff import gives_up_at
from notifier.domain.notification import Action, Kind, Notification, action
from notifier.ports import Promise


@dataclass(frozen=True, slots=True)
class Recipients:
    """The channels that are told, and whether each keeps incidents."""

    stateful: Mapping[str, bool]

    def promises(self, told: Notification, *, but: str | None = None) -> list[Promise]:
        """Promise a notification to every channel it is for, but one."""
        return [
            _promise(told, channel, what)
            for channel, stateful in self.stateful.items()
            if channel != but and (what := action(told.kind, stateful=stateful)) is not None
        ]


def _promise(told: Notification, channel: str, what: Action) -> Promise:
    mild = told.kind in {Kind.RECOVERED, Kind.UP, Kind.EASED, Kind.SEEN_AGAIN, Kind.CHANNEL_WORKS}
    return Promise(
        channel=channel,
        lane=f"{told.account}/{told.subject}",
        action=what,
        urgency=1 if mild else 0,
        due_at=told.recorded_at,
        give_up_at=gives_up_at(told.recorded_at, what),
    )
