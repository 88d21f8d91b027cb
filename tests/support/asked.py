"""The service as it is asked over HTTP: what stands behind it, on a database of the test's choice."""

from collections.abc import Callable, Mapping

from notifier.adapters.database.database import SqlDatabase
from notifier.adapters.web import Backing, Rules
from notifier.domain.health import Vital
from notifier.pipeline.acting import Acting
from notifier.ports import Clock
from tests.support.examples import ACCOUNT
from tests.support.fakes import FakeClock


def backing(
    database: SqlDatabase | None = None,
    clock: Clock | None = None,
    *,
    ailments: Callable[[], Mapping[Vital, str]] = dict,
    redact: Callable[[str], str] = str,
    rules: Rules | None = None,
) -> Backing:
    """Make what stands behind the answers, as the service does."""
    kept, now = database or SqlDatabase("sqlite:////nowhere/notifier.db"), clock or FakeClock()
    return Backing(
        insight=kept.insight(now, redact),
        acts=Acting(kept, now),
        ailments=ailments,
        names={ACCOUNT: "production"},
        rules=rules or Rules(),
    )
