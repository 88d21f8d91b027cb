"""`notifier evidence`: all that is recorded of one incident, as a support case needs it."""

import asyncio
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import click

from notifier.adapters.database.evidence import Evidence, Gathering, Kept
from notifier.adapters.database.reading import Wanted
from notifier.cli.context import Context
from notifier.cli.desk import Desk, account_ids, at, clock
from notifier.domain.chain import EntryKind, canonical, plain
from notifier.domain.duration import format_duration
from notifier.domain.incident import IncidentKind
from notifier.errors import NotifierError
from notifier.settings import Settings

_SHOWN = 4000  # characters of an answer in the text; the archive has all of it
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip knows: the same rows make the same archive
_SHORT = 12  # digits of a hash, where the whole of it stands elsewhere

_HOW_TO_CHECK = """How to check these rows by hand
===============================

case.md     the text for the case
rows.jsonl  what was observed, and what followed from it: one row a line
told.jsonl  who was told of it, what the receivers answered, and what operators did; for you, hardly for others

Each line holds a row as it is in the database (`columns`, those that are not empty) and its `entry` in the chain, null
where it has none: such rows are older than the chain, or not sealed yet.

1. The digest is the SHA-256 of the row, as JSON with sorted keys, no spaces, in UTF-8:

       sed -n 1p rows.jsonl | python3 -c '
       import hashlib, json, sys
       row = json.load(sys.stdin)["columns"]
       text = json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
       print(hashlib.sha256(text.encode()).hexdigest())'

   It has to be the entry's `digest`. Where a line says `"redacted": true`, a secret stood in the row: the row as it is
   shown has another digest; `notifier verify` checks the row itself.

2. The hash is the SHA-256 of the JSON list of what the entry says, in this order:

       sed -n 1p rows.jsonl | python3 -c '
       import hashlib, json, sys
       entry = json.load(sys.stdin)["entry"]
       names = "previous base number account kind row part at about digest".split()
       text = json.dumps([entry[name] for name in names], separators=(",", ":"), ensure_ascii=False)
       print(hashlib.sha256(text.encode()).hexdigest())'

   It has to be the entry's `hash`; `previous` is the hash of the entry with the number before, `base` that of the last
   entry before it that retention never removes.

3. `answer_hash` is the SHA-256 of `answer`, Cloudflare's answer as text. A transition's `answers` are those of the
   answers that led to it; they stay when the text is gone.

That the chain as a whole holds, from its beginning to its head, only the database can show: `notifier verify`.
"""


@click.command()
@click.argument("incident")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=".",
    show_default=True,
    help="Where the archive with the rows goes.",
)
@click.pass_obj
def evidence(context: Context, *, incident: str, out: Path) -> None:
    """Print the text of a support case about INCIDENT, and write it with all rows, hashed, into an archive (zip).

    INCIDENT is its key, or the interconnect, site or account if only one incident, or one open one, is about it.
    """
    settings = context.settings()
    desk = Desk(settings, Wanted(), as_json=False)
    found = asyncio.run(_gather(settings, incident, desk.now))
    text = "".join(f"{line}\n" for line in _Case(found, desk).lines())
    file = out / f"evidence-{re.sub(r'[^A-Za-z0-9.-]+', '-', found.incident.key)}.zip"
    try:
        file.write_bytes(_archive(text, found, desk))
    except OSError as error:
        raise NotifierError(f"cannot write {file}: {error.strerror}; choose another folder with --out") from error
    click.echo(text, nl=False)
    click.echo(f"notifier: wrote {file}", err=True)


async def _gather(settings: Settings, incident: str, now: datetime) -> Evidence:
    async with at(settings) as database, database.look() as conn:
        return await Gathering(conn).of(incident, account_ids(settings), now)


def _archive(text: str, found: Evidence, desk: Desk) -> bytes:
    """Pack it, the same for the same rows."""
    files = {
        "case.md": text,
        "rows.jsonl": "".join(_line(kept, desk) for kept in found.seen),
        "told.jsonl": "".join(_line(kept, desk) for kept in found.told),
        "CHECK.txt": _HOW_TO_CHECK,
    }
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content.encode(), zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _line(kept: Kept, desk: Desk) -> str:
    """Write a row and its entry as one line; secrets are hidden, and that is said (R33)."""
    whole = {"kind": kept.kind, "columns": plain(kept.row), "entry": kept.place}
    text = canonical(whole).decode()
    if (hidden := desk.redacted(text)) != text:
        hidden = desk.redacted(canonical(whole | {"redacted": True}).decode())
    return hidden + "\n"


class _Case:
    """The text, as Markdown: in the order in which Cloudflare's support asks."""

    def __init__(self, found: Evidence, desk: Desk) -> None:
        self._found = found
        self._incident = found.incident
        self._desk = desk
        self._answers: dict[str, str] = {}
        for kept in found.seen:
            if (answer := kept.row.get("answer")) is not None:
                self._answers.setdefault(kept.row["answer_hash"], answer)

    def lines(self) -> Iterator[str]:
        yield f"# {self._title()}"
        yield ""
        yield "All times are UTC."
        for kind, number in self._found.cut.items():
            yield from ("", f"Of the {kind}s only the first {number:,} are here; there are more.")
        yield from self._timeline()
        yield from self._identity()
        yield from self._observed()
        yield from self._redundancy()
        yield from self._description()

    def _title(self) -> str:
        i = self._incident
        match i.kind:
            case IncidentKind.SITE:
                return f"Site {self._text(i.subject)}: all interconnects have a problem"
            case IncidentKind.BLIND:
                return f"The status of interconnects of account {self._text(i.account)} can't be read"
            case _:
                return f"Interconnect {self._text(i.subject)}: {self._text(self._worst())}"

    def _worst(self) -> str:
        """What it changed to when the incident began."""
        own = [row for row in self._transitions() if row["incident"] == self._incident.number and row["problem_since"]]
        return str(own[0]["after"]) if own else "problem"

    def _transitions(self) -> list[Mapping[str, Any]]:
        names = {link.name for link in self._found.links}
        return [k.row for k in self._found.seen if k.kind is EntryKind.TRANSITION and k.row["name"] in names]

    def _timeline(self) -> Iterator[str]:
        i = self._incident
        yield from ("", "## Timeline", "")
        yield f"- Began: {clock(i.opened_at)}"
        yield f"- Ended: {clock(i.closed_at)}" if i.closed_at else f"- Not over at {clock(self._found.until)}"
        yield f"- Lasted: {format_duration(self._found.until - i.opened_at)}"
        yield ""
        yield from _table(("time (UTC)", "interconnect", "what"), self._changes(self._transitions()))

    def _changes(self, transitions: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
        for row in transitions:
            before = self._text(row["before"] or "not seen before")
            bounds = f"last seen so {clock(row['last_seen_before'])}, " if row["last_seen_before"] else ""
            gap = ", nobody looked in between" if row["unobserved"] else ""
            seen = f"first seen {clock(row['first_seen_at'])}{gap}"
            times = f"{row['sightings']} sighting{'s'[: row['sightings'] != 1]}"
            what = f"{before} → {self._text(row['after'])} (#{row['number']}): {bounds}{seen}, confirmed after {times}"
            yield clock(row["confirmed_at"]), self._text(row["name"]), what

    def _identity(self) -> Iterator[str]:
        yield from ("", "## Interconnects", "")
        yield f"Account: {self._text(self._incident.account)}"
        yield ""
        columns = ("name", "site", "facility", "speed", "type", "reservation")
        rows = (tuple(self._text(getattr(link, column) or "") for column in columns) for link in self._found.links)
        yield from _table(("name", "site", "facility", "speed", "type", "reservation or slot"), rows)

    def _observed(self) -> Iterator[str]:
        yield from ("", "## What was observed", "")
        yield "Answers to `GET /accounts/{account}/cni/interconnects/{name}/status`: those that differed from what was"
        yield "known, and those that told nothing."
        yield ""
        names = {link.name for link in self._found.links}
        own = sorted((k for k in self._found.seen if k.row["name"] in names), key=_when)
        yield from _table(("time (UTC)", "interconnect", "what", "answer"), self._looks(own))
        for number, (digest, answer) in enumerate(self._answers.items()):
            if not number:
                yield from ("", "### The answers")
            hidden = self._desk.redacted(answer)
            cut = f", its first {_SHOWN} characters" if len(hidden) > _SHOWN else ""
            said = ", a secret in it replaced by \\*\\*\\*" if hidden != answer else ""
            yield from ("", f"SHA-256 {digest}{cut}{said}:", "")
            shown = [self._desk.printable(line) for line in hidden[:_SHOWN].splitlines()]
            fence = "`" * (3 + max((len(run) for run in re.findall("`+", hidden)), default=0))
            yield from (fence, *shown, fence)

    def _looks(self, kept: Iterable[Kept]) -> Iterator[tuple[str, ...]]:
        for each in kept:
            row, name = each.row, self._text(each.row["name"])
            if each.kind is EntryKind.OBSERVATION:
                reason = f": {self._text(row['reason'])}" if row["reason"] else ""
                cause = f"no status: {self._text(row['cause']['text'])}" if row["cause"] else ""
                what = f"{self._text(row['status'])}{reason}" if row["status"] else cause
                yield clock(row["at"]), name, what, (row["answer_hash"] or "")[:_SHORT]
            elif each.kind is EntryKind.GAP:
                yield clock(row["until_at"]), name, f"nobody looked since {clock(row['from_at'])}", ""

    def _redundancy(self) -> Iterator[str]:
        yield from ("", "## Redundant interconnects", "")
        if not self._found.beside:
            alone = "no other interconnect is known at the site"
            yield alone.capitalize() + "." if len(self._found.links) < 2 else "None but those above are at the site."  # noqa: PLR2004
            return
        for link in self._found.beside:
            rows = (k.row for k in self._found.seen if k.kind is EntryKind.TRANSITION and k.row["name"] == link.name)
            own = [row for row in rows if row["first_seen_at"] > self._incident.opened_at]
            before = self._found.before.get(link.name)
            known = f"{self._text(before)} when it began" if before else "nothing is known of how it was when it began"
            then = "; ".join(f"{self._text(row['after'])} from {clock(row['first_seen_at'])}" for row in own)
            affected = f"then {then}" if own else "it did not change meanwhile"
            yield f"- {self._text(link.name)} (site {self._text(link.site or '')}): {known}; {affected}"

    def _description(self) -> Iterator[str]:
        i, found = self._incident, self._found
        yield from ("", "## Description", "")
        lasted = format_duration(found.until - i.opened_at)
        until = f"until {clock(i.closed_at)}" if i.closed_at else f"and still at {clock(found.until)}"
        yield f"{self._title().replace(': ', ' was ', 1) if i.kind == IncidentKind.INTERCONNECT else self._title()}"
        yield f"from {clock(i.opened_at)} {until} ({lasted}), by what Cloudflare's API answered."
        yield "Its status there is that of light and Ethernet; it says nothing of BGP or traffic."
        yield ""
        yield f"Recorded as {self._text(i.key)}; the rows, with their hashes, are in the archive."

    def _text(self, text: str) -> str:
        """Make text from elsewhere harmless in Markdown: no secret, no control, no markup."""
        return re.sub(r"([\\`*_{}\[\]<>|#~])", r"\\\1", self._desk.printable(text))


def _when(kept: Kept) -> datetime:
    column = {EntryKind.OBSERVATION: "at", EntryKind.GAP: "until_at"}.get(kept.kind, "confirmed_at")
    moment: datetime = kept.row[column]
    return moment


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{' --- |' * len(header)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
