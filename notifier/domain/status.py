"""Cloudflare's words for a link, kept as they came, and how bad each is (R3, R5, R8)."""

from collections.abc import Mapping
from enum import StrEnum

HEALTHY = "Healthy"
PENDING = "Pending"
UNHEALTHY = "Unhealthy"
DOWN = "Down"

KNOWN = frozenset({HEALTHY, PENDING, UNHEALTHY, DOWN})


class Severity(StrEnum):
    """How urgent a notification is, mildest first."""

    OK = "ok"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


def severity(status: str, overrides: Mapping[str, Severity] | None = None) -> Severity:
    """Return the severity of a problem with this status; a word we don't know is a warning (R8).

    `overrides` are an operator's own, by status.
    """
    if overrides and status in overrides:
        return overrides[status]
    match status:
        case "Down" | "Unhealthy":
            return Severity.CRITICAL
        case "Pending":
            return Severity.ERROR
        case "Healthy":
            return Severity.OK
        case _:
            return Severity.WARNING


def is_problem(status: str, *, was_healthy: bool) -> bool:
    """Tell whether a link with this status is not as it should be.

    `Pending` is a problem only after the link had been Healthy; before, it was never up (R5).
    A word outside the four is never read as good (R8).
    """
    if status == PENDING:
        return was_healthy
    return status != HEALTHY


def is_worse(status: str, than: str) -> bool:
    """Order problems: an unknown word < Pending < Unhealthy < Down."""
    return _BADNESS.get(status, _UNKNOWN) > _BADNESS.get(than, _UNKNOWN)


_UNKNOWN = 1
_BADNESS = {HEALTHY: 0, PENDING: 2, UNHEALTHY: 3, DOWN: 4}
