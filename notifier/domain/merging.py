"""What a queue means to a receiver that keeps incidents: what is over before it is sent, what is open without it."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
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
    """Return which of the deliveries waiting in this order are not to be sent (R17).

    Of an incident that closes in the queue nothing before its close is told; nor is that, if it opens there as well.
    If one of them may have arrived, the close is sent all the same: a receiver ignores one that it does not know.
    """
    over: set[int] = set()
    stories: defaultdict[str, list[Waiting]] = defaultdict(list)
    for waiting in queue:
        story = stories[waiting.key]
        story.append(waiting)
        if waiting.action is Action.CLOSE:
            unknown = not _may_be_open(story)
            over |= {told.id for told in story if unknown or told is not waiting}
            story.clear()
    return over


def left_open(queue: Iterable[Waiting], counted: Collection[str]) -> list[str]:
    """Return the keys of what a receiver may hold open if nothing of the queue is sent any more (R18).

    `counted` are those that it counts as told of; that may still be in the queue.
    """
    stories: dict[str, list[Waiting]] = {key: [] for key in counted}
    for waiting in queue:
        stories.setdefault(waiting.key, []).append(waiting)
    return [key for key, story in stories.items() if _may_be_open(story) and (key in counted or _closes(story))]


def _may_be_open(story: Sequence[Waiting]) -> bool:
    """Whether an incident may be open before the first of these is sent."""
    return not story or story[0].action is not Action.OPEN or any(told.uncertain for told in story)


def _closes(story: Sequence[Waiting]) -> bool:
    return any(told.action is Action.CLOSE for told in story)
