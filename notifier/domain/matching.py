"""Which conditions a route, a silence or a maintenance window is about."""

from dataclasses import dataclass
from fnmatch import fnmatchcase

from notifier.domain.condition import Condition
from notifier.domain.status import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Matcher:
    """Takes what fits everything that is given; of the patterns for one thing, any one suffices.

    All but `severity` are shell patterns that mind the case. `account` is an id, `name` an interconnect's name.
    What has no such thing fits none of its patterns: a blind account lies at no site.
    """

    account: tuple[str, ...] = ()
    name: tuple[str, ...] = ()
    site: tuple[str, ...] = ()
    severity: frozenset[Severity] = frozenset()
    status: tuple[str, ...] = ()

    def takes(self, condition: Condition) -> bool:
        """Whether it is about this condition."""
        return (
            self.covers(condition.subject.account, condition.link, condition.site)
            and _fits(self.status, condition.status)
            and (not self.severity or condition.severity in self.severity)
        )

    def covers(self, account: str, link: str | None, site: str | None) -> bool:
        """Whether it is about what lies there, as far as it goes by place."""
        return _fits(self.account, account) and _fits(self.name, link) and _fits(self.site, site)


def _fits(patterns: tuple[str, ...], text: str | None) -> bool:
    return not patterns or (text is not None and any(fnmatchcase(text, pattern) for pattern in patterns))
