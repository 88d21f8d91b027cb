"""What stands behind everything that is answered over HTTP. It outlives the pipeline; a reload sets its parts anew."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from notifier.adapters.web.access import Rules
from notifier.domain.health import Vital
from notifier.insight import Acts, Insight


@dataclass(slots=True, kw_only=True)
class Backing:
    """Whoever answers asks this, each time anew.

    `ailments` are the notifier's own troubles, `names` what accounts are called, by id, `rules` say who may do what.
    """

    insight: Insight
    acts: Acts
    ailments: Callable[[], Mapping[Vital, str]]
    names: Mapping[str, str]
    rules: Rules
