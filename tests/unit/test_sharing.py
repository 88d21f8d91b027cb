"""Accounts are spread evenly over the live replicas, with as few moves as that takes (R29)."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from notifier.domain.sharing import spread

ACCOUNTS = tuple("abcdef")


def able(*replicas: str, accounts: tuple[str, ...] = ACCOUNTS) -> dict[str, tuple[str, ...]]:
    return dict.fromkeys(replicas, accounts)


def loads(share: dict[str, str]) -> list[int]:
    return sorted(Counter(share.values()).values())


def test_one_replica_watches_everything() -> None:
    assert spread(able("one"), {}) == dict.fromkeys(ACCOUNTS, "one")


def test_nobody_watches_where_nobody_lives() -> None:
    assert spread({}, {"a": "gone"}) == {}


def test_three_replicas_watch_two_accounts_each() -> None:
    assert loads(spread(able("one", "two", "three"), {})) == [2, 2, 2]


def test_a_fourth_takes_one_account_and_no_other_moves() -> None:
    before = spread(able("one", "two", "three"), {})
    after = spread(able("one", "two", "three", "four"), before)
    assert loads(after) == [1, 1, 2, 2]
    assert sum(before[account] != after[account] for account in ACCOUNTS) == 1


def test_what_a_dead_replica_watched_goes_to_the_others_and_nothing_else_moves() -> None:
    before = spread(able("one", "two", "three"), {})
    after = spread(able("one", "two"), before)
    assert loads(after) == [3, 3]
    assert all(after[account] == who for account, who in before.items() if who != "three")


def test_an_account_goes_only_to_those_who_know_it() -> None:
    share = spread({"old": ("a", "b"), "new": ("a", "b", "c")}, {"a": "old", "b": "old"})
    assert share == {"a": "old", "b": "old", "c": "new"}


def test_an_account_that_only_the_busy_one_knows_stays_with_it() -> None:
    assert spread({"one": ACCOUNTS, "two": ("a",)}, dict.fromkeys(ACCOUNTS, "one"))["b"] == "one"


NAMES = st.sampled_from(["one", "two", "three", "four"])


@given(
    able=st.dictionaries(NAMES, st.frozensets(st.sampled_from(ACCOUNTS))),
    held=st.dictionaries(st.sampled_from(ACCOUNTS), NAMES),
)
def test_everybody_finds_the_same_and_nothing_is_left_out(
    able: dict[str, frozenset[str]], held: dict[str, str]
) -> None:
    share = spread(able, held)
    assert share.keys() == {account for its in able.values() for account in its}
    assert all(account in able[replica] for account, replica in share.items())
    assert spread(dict(reversed(able.items())), dict(reversed(held.items()))) == share
    assert spread(able, share) == share, "nothing moves once it is even"
    for account, holder in share.items():
        others = [sum(who == other for who in share.values()) for other in able if account in able[other]]
        assert sum(who == holder for who in share.values()) - min(others) <= 1
