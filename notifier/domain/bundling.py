"""Several notifications told in one message (R17, R20, R27): what matters most leads, and nothing is left out."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from notifier.domain.notification import Fact, Kind, Notification
from notifier.domain.status import Severity
from notifier.domain.words.sites import REDUNDANCY, as_it_stands

_LINES = 20  # subjects with a line of their own; more make a message unreadable
_NAMES = 2_800  # characters of the names of all others; receivers cut what is longer than 3000
_SEVERITIES = list(Severity)
_BEGINS = {
    Kind.PROBLEM,
    Kind.SITE_LOST,
    Kind.BLIND,
    Kind.CHANNEL_FAILED,
    Kind.AUDIT_FAILED,
    Kind.OBJECTIVE_MISSED,
    Kind.DRILL_FAILED,
}
_ENDS = {
    Kind.RECOVERED,
    Kind.SITE_BACK,
    Kind.SEEN_AGAIN,
    Kind.CHANNEL_WORKS,
    Kind.AUDIT_PASSED,
    Kind.OBJECTIVE_MET,
    Kind.DRILL_PASSED,
    Kind.REMOVED,
}

_Subject = tuple[str, str]  # account and name
_Stories = dict[_Subject, list[Notification]]  # what is told of each subject, oldest first; oldest subject first


def bundle(notifications: Sequence[Notification]) -> Notification:
    """Make one notification of several (at least one), which may be of many subjects; one is returned as it is.

    They come in the order in which they were promised: their times may be those of a clock that was wrong (R7).
    The title is that of a lost site, else of what is worst now, with the number of other subjects; a site speaks for
    its links, and what it says is left there is the newest. Each subject has a line with all that is told of it; the
    times are those of the oldest.
    """
    if len(notifications) == 1:
        return notifications[0]
    stories: _Stories = {}
    for told in notifications:
        stories.setdefault((told.account, told.subject), []).append(told)
    main = max((story[-1] for story in stories.values()), key=_weight)
    now = _as_it_stands(main, notifications)
    others = sum(1 for story in stories.values() if not _belongs(story[-1], main))
    key = _common(told.incident_key for told in notifications) if others else main.incident_key
    return replace(
        now,
        title=f"{now.title} and {others} more" if others else now.title,
        lead=" ".join([*_over(stories), now.lead]),
        facts=(*_lines(stories, main), *_facts(now, stories, alone=not others)),
        incident_key=key,
        site=_common(told.site for told in notifications),
        observed_at=min(told.observed_at for told in notifications),
        recorded_at=min(told.recorded_at for told in notifications),
    )


def _weight(told: Notification) -> tuple[bool, int, bool, datetime]:
    return told.kind is Kind.SITE_LOST, _SEVERITIES.index(told.severity), _of_site(told), told.recorded_at


def _as_it_stands(main: Notification, ordered: Sequence[Notification]) -> Notification:
    """Let it say what is left at its site by the newest of all that tell of that."""
    here = (told for told in reversed(ordered) if (told.account, told.site) == (main.account, main.site))
    newest = next((fact for fact in map(_left, here) if fact is not None), None)
    return main if newest is None else as_it_stands(main, str(newest))


def _left(told: Notification) -> Fact:
    return dict(told.facts).get(REDUNDANCY)


def _of_site(told: Notification) -> bool:
    return told.subject == told.site


def _belongs(told: Notification, main: Notification) -> bool:
    """Whether the main title speaks of it as well: it is the same subject, or lies at the site that is told of."""
    at_site = _of_site(main) and told.site == main.site
    return told.account == main.account and (at_site or told.subject == main.subject)


def _over(stories: _Stories) -> list[str]:
    """Say which problems had ended before they could be told (R17)."""
    over = [
        story[-1].subject
        for story in stories.values()
        if story[-1].kind in _ENDS and any(told.kind in _BEGINS for told in story)
    ]
    if not over:
        return []
    if len(stories) == 1:
        return ["It was over before it could be told."]
    return [f"Over before it could be told: {_names(over)}."]


def _lines(stories: _Stories, main: Notification) -> list[tuple[str, Fact]]:
    accounts = {account for account, _ in stories}
    lines: list[tuple[str, Fact]] = []
    rest: list[str] = []
    for (_, subject), story in stories.items():
        untold = [told for told in story if told is not main]
        label = subject if len(accounts) == 1 else f"[{story[0].account_name}] {subject}"
        if untold and len(lines) < _LINES:
            lines.append((label, "; then ".join(_essence(told, main) for told in untold)))
        elif untold:
            rest.append(f"{label} ({story[-1].status or story[-1].kind.value})")
    return [*lines, (f"And {len(rest)} more", _names(rest))] if rest else lines


def _facts(main: Notification, stories: _Stories, *, alone: bool) -> list[tuple[str, Fact]]:
    """Return the main one's own facts but for those that have a line already; among others they say whose they are."""
    has_line = {subject for _, subject in stories}
    facts = [(label, value) for label, value in main.facts if label not in has_line]
    return facts if alone else [(f"{label} ({main.subject})", value) for label, value in facts]


def _essence(told: Notification, main: Notification) -> str:
    """Say it in a line: what its title says, in Cloudflare's words why, and when."""
    title = told.title.removeprefix(f"[{told.account_name}] ").removeprefix(f"{told.subject} is ")
    reason = f' "{" ".join(told.reason.split())}"' if told.reason else ""
    at, today = told.observed_at.astimezone(UTC), main.recorded_at.astimezone(UTC).date()
    return f"{title}{reason}, {at:%H:%M:%SZ}" if at.date() == today else f"{title}{reason}, {at:%Y-%m-%d %H:%M:%SZ}"


def _names(names: Sequence[str]) -> str:
    """Name all, as far as a message can bear; then say how many more there are."""
    room, shown = _NAMES, 0
    while shown < len(names) and (room := room - len(names[shown]) - 2) >= 0:
        shown += 1
    listed = ", ".join(names[:shown])
    return listed if shown == len(names) else f"{listed} and {len(names) - shown} more"


def _common(values: Iterable[str | None]) -> str | None:
    found: Collection[str | None] = set(values)
    return next(iter(found)) if len(found) == 1 else None
