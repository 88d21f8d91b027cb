"""What was over before a receiver that keeps incidents could be told of it (R17)."""

from hypothesis import given
from hypothesis import strategies as st

from notifier.domain.merging import Waiting, moot
from notifier.domain.notification import Action

OPEN, UPDATE, CLOSE = Action.OPEN, Action.UPDATE, Action.CLOSE


def queue(words: str, uncertain: str = "") -> list[Waiting]:
    """Read "open close" as a queue of one incident's deliveries, numbered from 0."""
    doubtful = {int(number) for number in uncertain.split()}
    return [
        Waiting(id=number, key="cni:a:b:1", action=Action(word), uncertain=number in doubtful)
        for number, word in enumerate(words.split())
    ]


def test_what_opens_and_closes_in_the_queue_is_not_told_at_all() -> None:
    assert moot(queue("open close")) == {0, 1}
    assert moot(queue("open update update close")) == {0, 1, 2, 3}


def test_what_may_have_been_opened_is_closed() -> None:
    assert moot(queue("open close", uncertain="0")) == {0}
    assert moot(queue("open update close", uncertain="1")) == {0, 1}


def test_a_close_of_what_was_opened_before_is_sent() -> None:
    assert moot(queue("close")) == set()
    assert moot(queue("update close")) == {0}


def test_what_is_still_open_is_told() -> None:
    assert moot(queue("open update")) == set()
    assert moot(queue("open close open")) == {0, 1}


def test_each_incident_is_a_story_of_its_own() -> None:
    one, other = Waiting(id=1, key="a", action=OPEN), Waiting(id=2, key="b", action=CLOSE)
    assert moot([one, other]) == set()


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([OPEN, UPDATE, CLOSE]), st.booleans()), max_size=12),
    st.sets(st.sampled_from("ab")),
)
def test_what_the_receiver_holds_open_in_the_end_is_the_same(
    plan: list[tuple[str, Action, bool]], open_before: set[str]
) -> None:
    """Whether what may have arrived did or not: the moot part could as well have been sent, and closes everything."""
    waiting = [Waiting(id=n, key=key, action=action, uncertain=odd) for n, (key, action, odd) in enumerate(plan)]
    arrived = {w.key for w in waiting if w.uncertain and w.action is OPEN}
    opened = {w.key for w in waiting if w.action is OPEN}
    over = moot(waiting)
    before = (open_before - opened) | arrived  # what the queue opens was not open before, unless that did arrive
    sent = [w for w in waiting if w.id not in over]
    assert _held_open(before, sent) == _held_open(before, waiting)
    assert {w.id for w in waiting if w.action is CLOSE and w.key in before and w.key not in opened} <= {
        w.id for w in sent
    }


def _held_open(before: set[str], queue: list[Waiting]) -> set[str]:
    held = set(before)
    for waiting in queue:
        if waiting.action is CLOSE:
            held.discard(waiting.key)
        elif waiting.action is OPEN:
            held.add(waiting.key)
    return held
