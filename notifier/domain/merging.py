"""What a receiver that keeps incidents need not be told any more: it was over before it could be sent (R17)."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from notifier.domain.notification import Action


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A delivery to a stateful receiver that is pending and not being sent, about the incident of that key.

    `uncertain`: an attempt was made that may have arrived.
    """

    id: int
    key: str
    action: Action
    uncertain: bool = False


def moot(queue: Iterable[Waiting]) -> set[int]:
    """Return which of the deliveries waiting in this order are not to be sent.

    Of an incident that closes in the queue nothing before its close is told; nor is that, if it opens there as well.
    If one of them may have arrived, the close is sent all the same: a receiver ignores one that it does not know.
    """
    over: set[int] = set()
    stories: defaultdict[str, list[Waiting]] = defaultdict(list)
    for waiting in queue:
        story = stories[waiting.key]
        story.append(waiting)
        if waiting.action is Action.CLOSE:
            unknown = story[0].action is Action.OPEN and not any(told.uncertain for told in story)
            over |= {told.id for told in story if unknown or told is not waiting}
            story.clear()
    return over
