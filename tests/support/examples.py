"""Examples that tests share: moments, links, observations."""

import json
from datetime import UTC, datetime, timedelta

from notifier.domain.decision import Decision, Policy, decide
from notifier.domain.interconnect import Interconnect
from notifier.domain.observation import Cause, CauseKind, Observation, Seen, Sight, Unseen
from notifier.domain.state import State

ACCOUNT = "023e105f4ecef8ad9ca31a8372d0c353"
LINK = Interconnect(account=ACCOUNT, name="icon-ams-01", site="ams-a", facility="Equinix AM5", speed="10G")
NIGHT = datetime(2026, 11, 23, 3, 12, 4, tzinfo=UTC)
TIMEOUT = Unseen(Cause(kind=CauseKind.TIMEOUT, text="timed out after 10s"))
FORBIDDEN = Unseen(Cause(kind=CauseKind.REFUSED, text="403 from Cloudflare", remedy="give the token Magic WAN Read"))


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def sight(word: str) -> Sight:
    """Read "Down", "Healthy", … or "timeout" and "403" as what a poll saw."""
    match word:
        case "timeout":
            return TIMEOUT
        case "403":
            return FORBIDDEN
        case _:
            reason = f"reason of {word}" if word in {"Down", "Unhealthy"} else None
            return Seen(word, reason, json.dumps({"state": word, "reason": reason}).encode())


def observation(word: str, at: datetime, name: str = LINK.name) -> Observation:
    return Observation(account=ACCOUNT, name=name, at=at, sight=sight(word))


def unknown(name: str = LINK.name) -> State:
    return State(account=ACCOUNT, name=name)


def run(words: str, policy: Policy | None = None, state: State | None = None, every: float = 15) -> list[Decision]:
    """Decide about a sequence of observations, `every` so many seconds, from an unknown state unless given."""
    state = state or unknown()
    start = NIGHT if state.observed_at is None else state.observed_at + seconds(every)
    decisions = []
    for step, word in enumerate(words.split()):
        decision = decide(state, observation(word, start + seconds(every * step)), policy or Policy())
        decisions.append(decision)
        state = decision.state
    return decisions


def changes(decisions: list[Decision]) -> str:
    """Write the transitions in short: "baseline:Healthy problem:Down"."""
    return " ".join(f"{d.transition.change}:{d.transition.after}" for d in decisions if d.transition is not None)
