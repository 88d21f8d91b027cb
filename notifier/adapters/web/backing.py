"""What stands behind everything that is answered over HTTP. It outlives the pipeline; a reload sets its parts anew."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from notifier.domain.health import Vital
from notifier.insight import Acts, Insight


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the configuration says of access: the `token` that has to be shown, if any; whether others may look, too.

    `url` is where people reach it, if not where it listens.
    """

    token: str | None = None
    public: bool = False
    url: str | None = None


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
