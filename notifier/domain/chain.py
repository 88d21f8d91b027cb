"""The chain of the record: each entry is sealed with the hash of the one before, so that nothing can be altered unseen.

An entry holds the digest of the row that it is about. Entries of one account are numbered without gaps. What retention
removes leaves a run: from which number to which, how many of each kind, and the hash that the last of them had. So the
next entry can still be checked; and because each entry also holds the hash of the last one that is never removed (its
base), nothing before a run can be altered either.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

START = bytes(32)  # what stands in the place of the hash before the first entry


class EntryKind(StrEnum):
    """What an entry is about: one row of these."""

    OBSERVATION = "observation"
    TRANSITION = "transition"
    GAP = "gap"
    NOTIFICATION = "notification"
    ATTEMPT = "attempt"
    ACT = "act"
    RETENTION = "retention"  # that rows were removed because they were too old


REMOVABLE = frozenset({EntryKind.OBSERVATION, EntryKind.NOTIFICATION, EntryKind.ATTEMPT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of the record, as it was written: `row` is its id; attempts have a second part.

    `at` and `about` say what it was even when the row is gone; `digest` is that of the row (`digest_of`).
    """

    account: str
    kind: EntryKind
    row: int
    part: int | None = None
    at: datetime
    about: str
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where an account's chain ends: the last entry's number and hash, and those of the last that is never removed."""

    account: str
    number: int = 0
    hash: bytes = START
    lasting: int = 0
    base: bytes = START

    def sealed(self, entry: Entry) -> "Head":
        """Return the head after one more entry."""
        number, sealed = self.number + 1, hashlib.sha256(canonical(self._terms(entry))).digest()
        if entry.kind in REMOVABLE:
            return Head(account=self.account, number=number, hash=sealed, lasting=self.lasting, base=self.base)
        return Head(account=self.account, number=number, hash=sealed, lasting=number, base=sealed)

    def _terms(self, entry: Entry) -> list[Any]:
        """What an entry's hash is made of, in this order."""
        where = [self.hash.hex(), self.base.hex(), self.number + 1, entry.account]
        return [*where, entry.kind, entry.row, entry.part, entry.at, entry.about, entry.digest.hex()]


def canonical(value: Any) -> bytes:
    """Write a value as JSON in the one way that has a hash: sorted keys, no spaces, UTF-8, moments in UTC."""
    return _CANONICAL(value).encode()


def _moment(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    raise TypeError(f"{type(value).__name__} is not part of a row")


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_moment).encode


def plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a row counts: empty columns don't, so that those of later releases change no digest."""
    return {name: value for name, value in row.items() if value is not None}


def digest_of(row: Mapping[str, Any]) -> bytes:
    """Return the SHA-256 of a row as it is stored."""
    return hashlib.sha256(canonical(plain(row))).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Entries that retention has removed: from number `first` to `last`, whose hash was `hash`; how many of a kind."""

    first: int
    last: int
    hash: bytes
    counts: Mapping[str, int]


def joined(runs: Iterable[Run]) -> list[Run]:
    """Join runs that touch one another."""
    found: list[Run] = []
    for run in sorted(runs, key=lambda run: run.first):
        if found and found[-1].last + 1 == run.first:
            counts = dict(Counter(found[-1].counts) + Counter(run.counts))
            found[-1] = Run(first=found[-1].first, last=run.last, hash=run.hash, counts=counts)
        else:
            found.append(run)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """What is wrong with an account's chain, at which number (None: with all of it), and of what and when that was."""

    problem: str
    number: int | None = None
    kind: str | None = None
    about: str | None = None
    at: datetime | None = None


class Walk:
    """Checks the chain of one account, fed with its entries and runs in the order of their numbers.

    Keeps the first flaw, and counts them all; after one it goes on with what is there.
    """

    def __init__(self, account: str, noted: Iterable[bytes] = ()) -> None:
        """`noted` are heads that somebody kept: they have to be met on the way."""
        self.head = Head(account=account)
        self.first: Flaw | None = None
        self.flaws = 0
        self.entries: Counter[str] = Counter()
        self.removed: Counter[str] = Counter()
        self.unsealed = 0
        self._announced: Counter[str] = Counter()
        self._unmet = set(noted)

    def entry(self, number: int, entry: Entry, sealed: bytes, row: Mapping[str, Any] | None) -> None:
        """Check one entry; `row` is what it is about, as it is now."""
        self._follows(number)
        after = self.head.sealed(entry)
        about = {"number": number, **_about(entry)}
        if after.hash != sealed:
            problem = "it does not follow from the entry before it: one of the two was altered"
            self._found(f"{problem} (found {sealed.hex()}, expected {after.hash.hex()})", **about)
            # What is stored is taken for right, so that what comes next is not found for the same reason.
            after = replace(after, hash=sealed, base=sealed if after.lasting == number else after.base)
        else:
            self._row(entry, row, about)
        self.head = after
        self._unmet.discard(sealed)
        self.entries[entry.kind] += 1
        if entry.kind is EntryKind.RETENTION and row is not None:
            self._announced.update(row["removed"])

    def run(self, run: Run) -> None:
        """Pass over what retention has removed."""
        self._follows(run.first)
        length, counted = run.last - run.first + 1, sum(run.counts.values())
        if strange := sorted(run.counts.keys() - REMOVABLE):
            self._found(f"retention removes no {strange[0]}", number=run.first, kind="removed")
        if counted != length:
            problem = f"{length} entries are gone from there on, {counted} are counted as removed"
            self._found(problem, number=run.first, kind="removed")
        self.removed.update(run.counts)
        self._unmet.discard(run.hash)
        self.head = replace(self.head, number=run.last, hash=run.hash)

    def waiting(self, entry: Entry, row: Mapping[str, Any] | None) -> None:
        """Check a row that is entered, but not sealed yet."""
        self.unsealed += 1
        self._row(entry, row, _about(entry))

    def end(self, head: Head | None) -> None:
        """Compare with where the chain ought to end."""
        stored = head or Head(account=self.head.account)
        if stored != self.head:
            its = f"it ends with number {self.head.number} ({self.head.hash.hex()})"
            self._found(f"{its}, its head says {stored.number} ({stored.hash.hex()})")
        for kind in sorted(self.removed.keys() | self._announced.keys()):
            removed, announced = self.removed[kind], self._announced[kind]
            if removed != announced:
                self._found(f"{removed} entries ({kind}) are gone as if by retention, which removed {announced}")
        for noted in sorted(self._unmet):
            problem = "is not in the chain: what came last was cut off, or all of it was written anew"
            self._found(f"the head {noted.hex()} {problem}")

    def missing(self, name: str, number: int) -> None:
        """Say that a transition's number was given, and the transition is not there."""
        self._found("it is missing: the next one is there", kind=EntryKind.TRANSITION, about=f"{name} #{number}")

    def _follows(self, number: int) -> None:
        expected = self.head.number + 1
        if number != expected:
            gone = f"number {expected} is" if number == expected + 1 else f"numbers {expected} to {number - 1} are"
            self._found(f"{gone} missing" if number > expected else f"number {number} is there twice", number=expected)
            self.head = replace(self.head, number=number - 1)

    def _row(self, entry: Entry, row: Mapping[str, Any] | None, about: Mapping[str, Any]) -> None:
        if row is None:
            self._found("the row is missing", **about)
        elif (found := digest_of(row)) != entry.digest:
            problem = f"the row was altered (found {found.hex()}, expected {entry.digest.hex()})"
            self._found(problem, **about)

    def _found(self, problem: str, **about: Any) -> None:
        self.flaws += 1
        self.first = self.first or Flaw(problem=problem, **about)


def _about(entry: Entry) -> dict[str, Any]:
    return {"kind": entry.kind, "about": entry.about, "at": entry.at}
