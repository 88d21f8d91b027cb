"""The chain, by itself: whatever retention removes, in whatever order, it holds; whatever else is done is found."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from notifier.domain.chain import REMOVABLE, Entry, EntryKind, Head, Run, Walk, canonical, digest_of, joined
from tests.support.examples import ACCOUNT, NIGHT, seconds

Sealed = tuple[Entry, Head, dict[str, Any]]
KINDS = st.lists(
    st.sampled_from([kind for kind in EntryKind if kind is not EntryKind.RETENTION]), min_size=1, max_size=30
)


def chain_of(kinds: list[EntryKind]) -> list[Sealed]:
    head, found = Head(account=ACCOUNT), []
    for number, kind in enumerate(kinds):
        row = {"id": number, "text": f"text {number}", "nothing": None}
        head, entry = sealed(head, kind, row)
        found.append((entry, head, row))
    return found


def sealed(head: Head, kind: EntryKind, row: dict[str, Any]) -> tuple[Head, Entry]:
    at = NIGHT + seconds(head.number)
    entry = Entry(account=ACCOUNT, kind=kind, row=row["id"], at=at, about="it", digest=digest_of(row))
    return head.sealed(entry), entry


def retained(chain: list[Sealed], gone: set[int]) -> tuple[dict[int, Sealed], list[Run]]:
    """Remove entries by number, as retention does, and say so at the end; return what is left."""
    runs = [
        Run(first=head.number, last=head.number, hash=head.hash, counts={entry.kind: 1})
        for entry, head, _ in chain
        if head.number in gone and entry.kind in REMOVABLE
    ]
    counts: dict[str, int] = {}
    for run in runs:
        for kind in run.counts:
            counts[kind] = counts.get(kind, 0) + 1
    row = {"id": 10**6, "removed": counts}
    head, entry = sealed(chain[-1][1], EntryKind.RETENTION, row)
    removed = {run.first for run in runs}
    return {h.number: (e, h, r) for e, h, r in [*chain, (entry, head, row)] if h.number not in removed}, joined(runs)


def walked(left: dict[int, Sealed], runs: list[Run], *noted: bytes) -> Walk:
    walk = Walk(ACCOUNT, noted)
    steps: list[tuple[int, Any]] = [*left.items(), *((run.last, run) for run in runs)]
    for number, step in sorted(steps, key=lambda step: step[0]):
        if isinstance(step, Run):
            walk.run(step)
        else:
            walk.entry(number, step[0], step[1].hash, step[2])
    walk.end(max((head for _, head, _ in left.values()), key=lambda head: head.number))
    return walk


@settings(deadline=None)  # in milliseconds, on a machine that does much else
@given(KINDS, st.data())
def test_whatever_retention_removes_the_rest_holds_and_holds_every_head_that_lasts(
    kinds: list[EntryKind], data: st.DataObject
) -> None:
    chain = chain_of(kinds)
    gone = data.draw(st.sets(st.integers(1, len(chain))))
    left, runs = retained(chain, gone)
    walk = walked(left, runs, *(head.base for _, head, _ in chain if head.lasting))
    assert walk.first is None
    assert walk.head == max((head for _, head, _ in left.values()), key=lambda head: head.number)
    assert sum(walk.entries.values()) + sum(walk.removed.values()) == len(chain) + 1
    assert all(one.last + 1 < other.first for one, other in pairwise(runs))


@settings(deadline=None)  # in milliseconds, on a machine that does much else
@given(KINDS, st.data())
def test_what_is_altered_or_goes_otherwise_is_found_at_its_number_or_the_next(
    kinds: list[EntryKind], data: st.DataObject
) -> None:
    chain = chain_of(kinds)
    left, runs = retained(chain, data.draw(st.sets(st.integers(1, len(chain)))))
    number = data.draw(st.sampled_from(sorted(left)))
    entry, head, row = left[number]
    match data.draw(st.sampled_from(["row", "column", "no row", "entry", "digest", "forged run"])):
        case "row":
            left[number] = entry, head, row | {"id": -1}
        case "column":
            left[number] = entry, head, row | {"nothing": "something"}
        case "no row":
            walk = Walk(ACCOUNT)
            walk.waiting(entry, None)
            assert walk.first is not None
            return
        case "entry" if number < max(left):
            del left[number]
        case "digest":
            left[number] = replace(entry, digest=bytes(32)), head, row
        case "forged run" if number < max(left):
            del left[number]
            runs = joined([*runs, Run(first=number, last=number, hash=head.hash, counts={"observation": 1})])
        case _:
            return
    first = walked(left, runs).first
    assert first is not None
    if first.number is not None:
        beside = [n for n in (*left, *(run.first for run in runs)) if n > number]
        assert number <= first.number <= min(beside, default=number) or first.number in {r.first for r in runs}


def test_columns_that_are_empty_and_the_order_of_columns_do_not_count() -> None:
    row = {"id": 1, "at": NIGHT, "text": "Zürich", "more": None}
    shuffled = dict(reversed(row.items()))
    assert digest_of(row) == digest_of(shuffled) == digest_of({"id": 1, "at": NIGHT, "text": "Zürich"})
    assert canonical(row | {"more": 0.5}) == (
        '{"at":"2026-11-23T03:12:04+00:00","id":1,"more":0.5,"text":"Zürich"}'.encode()
    )
