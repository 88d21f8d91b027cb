"""What the settings make of Cloudflare's limit (R32)."""

from datetime import timedelta

from notifier.domain.budget import RequestBudget
from notifier.domain.schedule import stretched
from notifier.settings.model import Settings

_RESERVE = 0.05  # of the request budget: for listings, re-checks, and
RESERVE_AT_LEAST = 8  # the unevenness of an even spread


def budget_of(settings: Settings, before: RequestBudget | None = None) -> RequestBudget:
    """Return our share of Cloudflare's limit, for one credential; what was asked `before` counts on."""
    limit = settings.cloudflare.rate_limit
    return RequestBudget(max(1, int(limit.requests * limit.share)), limit.per, before)


def kept_interval(settings: Settings, links: int) -> timedelta:
    """Return the poll interval that the request budget can keep for so many links of one credential (R32)."""
    budget = budget_of(settings)
    return stretched(
        settings.poll.interval,
        links=links,
        budget_requests=budget.requests,
        per=budget.per,
        reserve=max(RESERVE_AT_LEAST, round(budget.requests * _RESERVE)),
    )
