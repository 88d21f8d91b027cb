"""Conditions that tests share."""

from notifier.domain.condition import FAILING, Condition
from notifier.domain.incident import IncidentKind, Subject
from notifier.domain.status import DOWN, HEALTHY, Severity
from tests.support.examples import ACCOUNT, NIGHT


def down(name: str, site: str | None = None) -> Condition:
    """Make the condition of a link that has just gone Down."""
    subject = Subject(kind=IncidentKind.INTERCONNECT, account=ACCOUNT, name=name)
    return Condition(
        subject=subject,
        status=DOWN,
        before=HEALTHY,
        problem=True,
        severity=Severity.CRITICAL,
        incident=1,
        changed_at=NIGHT,
        site=site,
    )


def about(kind: IncidentKind, name: str, site: str | None = None) -> Condition:
    """Make the condition of something else in trouble; a channel's and the audit's belong to no account."""
    account = "" if kind in {IncidentKind.CHANNEL, IncidentKind.AUDIT} else ACCOUNT
    return Condition(
        subject=Subject(kind=kind, account=account, name=name),
        status=FAILING,
        before=None,
        problem=True,
        severity=Severity.WARNING,
        incident=1,
        changed_at=NIGHT,
        site=site,
    )
