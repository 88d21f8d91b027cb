"""What the settings make of Cloudflare's limit (R32)."""

from datetime import timedelta

from notifier.domain.budget import VALID, RequestBudget
from notifier.domain.schedule import stretched
from notifier.settings.model import Settings

_RESERVE = 0.05  # of the request budget: for listings, re-checks, and
_RESERVE_AT_LEAST = 8  # the unevenness of an even spread
_UNEVEN = 1.25  # what a short time may take more than the mean


def budget_of(settings: Settings, before: RequestBudget | None = None) -> RequestBudget:
    """Return our share of Cloudflare's limit, for one credential; what was asked `before` counts on."""
    limit = settings.cloudflare.rate_limit
    return RequestBudget(max(1, int(limit.requests * limit.share)), limit.per, before)


def kept_interval(settings: Settings, links: int) -> timedelta:
    """Return the poll interval that the request budget can keep for so many links of one credential (R32).

    What replicas set aside they may use until it ends, and what they do not use nobody else can meanwhile: a budget
    that they share is good for a little less.
    """
    budget = budget_of(settings)
    shared = not settings.database.get_secret_value().startswith("sqlite")
    return stretched(
        settings.poll.interval,
        links=links,
        budget_requests=budget.requests,
        per=budget.per + (1 + _UNEVEN) * VALID if shared else budget.per,
        reserve=_reserve(settings),
    )


def set_aside(settings: Settings, *, links: int, of: int, interval: timedelta) -> int:
    """Return how many permits to set aside for so many links `of` all those of their credential.

    They are for `domain.budget.VALID`. The reserve is shared like the links: who took more would starve the others.
    """
    polls = links * (VALID / interval) * _UNEVEN
    return round(polls) + max(_RESERVE_AT_LEAST, _reserve(settings) * links // max(of, 1))


def _reserve(settings: Settings) -> int:
    return max(_RESERVE_AT_LEAST, round(budget_of(settings).requests * _RESERVE))
