"""What judges a chaos run: each wrong is found, and what is right is not."""

import pytest

from notifier.simulator import Asked, Request, World
from tests.support.chaos import verdicts
from tests.support.chaos.story import Life, Span, Story
from tests.support.chaos.verdicts import Change, Page, Shown

A, B = "one door", "other door"


def told(states: str, *, door: str = A, began: float = 100, every: float = 1) -> list[Request]:
    """Return the answers for a link, one after the other; `-` is one that told nothing."""
    return [
        Request(began + every * n, Asked.STATUS, "account", "link", 200, None if state == "-" else state, door)
        for n, state in enumerate(states.split())
    ]


def changes(*afters: str, began: float = 90, every: float = 10) -> list[Change]:
    return [
        Change(link="link", number=number, after=after, at=began + every * (number - 1))
        for number, after in enumerate(afters, start=1)
    ]


def story(*pauses: Span, away: Span | None = None, began: float = 0, ended: float = 1000) -> Story:
    lives = [Life(A, Span(began, ended), pauses=list(pauses)), Life(B, Span(0, 1000))]
    return Story(lives=lives, away=[away] if away else [])


# --- what was shown must be believed ------------------------------------------------------------------------


def test_a_state_that_one_process_saw_often_enough_must_be_believed() -> None:
    asked = told("Down Down Down Down Down")
    assert verdicts.shown(asked, story()) == [Shown("link", "Down", 100, 111)]


@pytest.mark.parametrize("answers", ["Down Down Down", "Down Down Healthy Down Down"])
def test_a_state_that_was_not_seen_often_enough_need_not_be(answers: str) -> None:
    assert verdicts.shown(told(answers), story()) == []


def test_an_answer_that_told_nothing_does_not_interrupt() -> None:
    assert verdicts.shown(told("Down Down - - Down Down"), story()) == [Shown("link", "Down", 100, 113)]


def test_what_several_processes_saw_is_nothing_for_any_of_them() -> None:
    asked = told("Down Down", door=A) + told("Down Down", door=B, began=102)
    assert verdicts.shown(asked, story()) == []


@pytest.mark.parametrize(
    "hindered",
    [
        story(began=99.5),
        story(ended=105),
        story(Span(90, 99.5)),
        story(Span(105, 110)),
        story(away=Span(80, 96)),
        story(away=Span(105, 107)),
    ],
    ids=["just started", "killed", "just resumed", "paused", "no database yet", "database gone"],
)
def test_a_process_that_was_hindered_need_not_have_believed_it(hindered: Story) -> None:
    assert verdicts.shown(told("Down Down Down Down Down"), hindered) == []


MUST = [Shown("link", "Down", 100, 106)]


@pytest.mark.parametrize(
    "believed",
    [changes("Healthy", "Down"), changes("Down"), changes("Healthy", "Down", "Healthy", every=7)],
    ids=["confirmed then", "since before", "and then no more"],
)
def test_what_was_believed_is_not_missed(believed: list[Change]) -> None:
    assert list(verdicts.missed(MUST, believed)) == []


@pytest.mark.parametrize(
    "believed",
    [[], changes("Healthy"), changes("Healthy", "Unhealthy"), changes("Down", "Healthy", every=5)],
    ids=["nothing", "good", "another problem", "before, and no more"],
)
def test_what_was_never_believed_is_missed(believed: list[Change]) -> None:
    [wrong] = verdicts.missed(MUST, believed)
    assert wrong.startswith("link was shown Down from 100.0")


# --- what is believed must have been shown ------------------------------------------------------------------


def test_what_was_seen_twice_is_not_invented() -> None:
    asked = told("Healthy Healthy Unhealthy Down", began=98)
    assert list(verdicts.invented(asked, changes("Healthy", "Down", every=12), story())) == []


@pytest.mark.parametrize(
    "answers", ["Healthy Healthy Healthy", "Healthy Healthy Down", "Unhealthy Unhealthy - Healthy"]
)
def test_what_was_not_seen_or_once_only_is_invented(answers: str) -> None:
    [wrong] = verdicts.invented(told(answers, began=92), changes("Healthy", "Down"), story())
    assert wrong.startswith("link #2 Down at 100.0")


def test_what_was_seen_before_the_state_that_went_before_does_not_count() -> None:
    asked = told("Down Down", began=70) + told("Healthy Healthy", began=85)
    assert len(list(verdicts.invented(asked, changes("Healthy", "Down"), story()))) == 1
    assert list(verdicts.invented(asked, changes("Healthy", "Down"), story(Span(60, 95)))) == []  # read when it woke up


# --- numbers, order, documents ------------------------------------------------------------------------------


def test_transitions_are_numbered_one_by_one() -> None:
    rows = changes("Healthy", "Down", "Healthy")
    assert list(verdicts.misnumbered(rows)) == []
    assert list(verdicts.misnumbered(rows[:1] + rows[2:])) == ["link has the transitions [1, 3]"]


def document(title: str) -> dict[str, object]:
    return {"name": title, "data": {"interconnect": "link"}}


def test_documents_are_read_by_link_and_number_and_others_left_out() -> None:
    documents = [document("[a] link is Down (was Healthy) #2"), document("[a] cannot see interconnects: 503")]
    assert verdicts.heard(documents) == {"link": [2]}


@pytest.mark.parametrize("numbers", [[2, 3], [2, 2, 3, 3]])
def test_every_transition_after_the_first_is_told_in_order_and_may_be_repeated(numbers: list[int]) -> None:
    assert list(verdicts.untold({"link": numbers}, changes("Healthy", "Down", "Healthy"))) == []


@pytest.mark.parametrize("numbers", [[], [2], [3], [2, 3, 4], [3, 2], [2, 3, 2]])
def test_what_is_not_told_made_up_or_out_of_order_is_found(numbers: list[int]) -> None:
    assert list(verdicts.untold({"link": numbers}, changes("Healthy", "Down", "Healthy"))) != []


# --- pages --------------------------------------------------------------------------------------------------


def page(key: str = "k", *, site: bool = False, began: float = 0, ended: float | None = 9, outcome: str | None) -> Page:
    return Page(key, "site" if site else "interconnect", "ams-a", began, ended, outcome)


def test_an_incident_is_opened_once_and_closed_once() -> None:
    assert list(verdicts.mispaged([page(outcome="sent")], {"k": 1}, {"k": 1})) == []


def test_what_was_over_before_it_could_be_sent_or_told_of_the_site_is_not_paged() -> None:
    alike = [page(outcome="moot"), page("m", outcome=None), page("s", site=True, outcome="sent")]
    assert list(verdicts.mispaged(alike, {"s": 1}, {"s": 1})) == []


@pytest.mark.parametrize(
    ("pages", "opens", "closes"),
    [
        ([page(outcome="sent")], {"k": 2}, {"k": 2}),
        ([page(outcome="sent")], {"k": 1}, {}),
        ([page(outcome="sent")], {}, {}),
        ([page(outcome=None)], {}, {}),
        ([page(outcome="moot")], {"k": 1}, {}),
        ([page(outcome="sent", ended=None)], {"k": 1}, {"k": 1}),
        ([], {"k": 1}, {"k": 1}),
        ([page(outcome=None), page("s", site=True, began=20, ended=30, outcome="moot")], {}, {}),
    ],
    ids=["twice", "left open", "not at all", "never promised", "half", "not ended", "made up", "another time's site"],
)
def test_any_other_page_is_wrong(pages: list[Page], opens: dict[str, int], closes: dict[str, int]) -> None:
    assert len(list(verdicts.mispaged(pages, opens, closes))) == 1


def test_the_pager_holds_open_what_is_in_a_problem_or_its_site_and_nothing_else() -> None:
    account = World().account("a")
    one, two = account.link("one", site="s"), account.link("two", site="s")
    one.set("Down")
    assert list(verdicts.misheld([one, two], ["cni:a:one:3"])) == []
    assert len(list(verdicts.misheld([one, two], []))) == 1
    assert len(list(verdicts.misheld([one, two], ["cni:a:one:3", "cni:a:two:1"]))) == 1
    two.set("Down")
    assert list(verdicts.misheld([one, two], ["cni:a:site:s:1"])) == []


# --- replicas -----------------------------------------------------------------------------------------------


def turns(doors: str, *, began: float = 100, every: float = 0.1) -> list[Request]:
    return [r for n, d in enumerate(doors) for r in told("Healthy", door={"A": A, "B": B}[d], began=began + every * n)]


@pytest.mark.parametrize("doors", ["AAAABBBB", "AABBBAAA"])
def test_an_account_may_change_hands(doors: str) -> None:
    assert list(verdicts.contested(turns(doors), story())) == []


def test_two_who_ask_for_one_account_are_found() -> None:
    assert list(verdicts.contested(turns("ABABABAB"), story())) == ["account was asked for by two processes at 100.1"]


def test_what_a_process_sends_on_as_it_wakes_up_is_no_contest() -> None:
    assert list(verdicts.contested(turns("BABABBBB"), story(Span(80, 99.9)))) == []


def test_a_lease_is_given_once_under_one_fence() -> None:
    assert list(verdicts.doubled([("a", 1), ("a", 2), ("b", 1)])) == []
    assert list(verdicts.doubled([("a", 1), ("a", 1)])) == ["a was taken 2 times under fence 1"]


def test_a_token_is_counted_over_its_accounts_and_all_processes() -> None:
    asked = told("Healthy Healthy Healthy", door=A) + told("Healthy Healthy Healthy", door=B)
    asked.sort(key=lambda request: request.at)
    assert list(verdicts.overdrawn(asked, {"account": "token"}, 4, 2)) == []
    assert list(verdicts.overdrawn(asked, {"account": "token"}, 3, 2)) == [
        "token asked 4 times in 2 s, and may 3 times"
    ]


def test_a_failover_lasts_from_the_kill_to_the_first_request_of_another() -> None:
    lives = story(ended=105)
    lives.lives[0].killed = True
    asked = told("Healthy Healthy Healthy Healthy Healthy") + told("Healthy Healthy", door=B, began=117)
    assert verdicts.failovers(asked, lives) == [12]
