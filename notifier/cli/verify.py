"""`notifier verify`: whether the record is as it was written."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import click

from notifier.adapters.database.reading import Found, Wanted
from notifier.cli.context import Context
from notifier.cli.desk import Desk, account_ids, at, clock
from notifier.domain.chain import Walk
from notifier.settings import Settings

_HASH = 32  # bytes


@click.command()
@click.option("--account", help="Only of this account, by its id or name.")
@click.option(
    "--head",
    "noted",
    multiple=True,
    metavar="ACCOUNT=HASH",
    help="A head that was printed before: the chain has to hold it still. May be given several times.",
)
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_obj
def verify(context: Context, *, account: str | None, noted: Sequence[str], format_: str) -> int:
    """Walk the chain of the record and name, for each account, the first row that was altered or is missing.

    Exit code 1 if there is one. Keep the heads that are printed in another place: see docs/evidence.md.
    """
    settings = context.settings()
    ids = account_ids(settings)
    desk = Desk(settings, Wanted(account=account and ids.get(account, account)), as_json=format_ == "json")
    walks = asyncio.run(_walk(settings, desk.wanted.account, _noted(noted, ids)))
    if desk.as_json:
        desk.print_json([_found(walk, desk) for walk in walks])
    elif not walks:
        click.echo("nothing is recorded yet")
    else:
        for walk in walks:
            for line in _lines(_found(walk, desk)):
                click.echo(desk.printable(line))
    return 1 if any(walk.flaws for walk in walks) else 0


def _noted(noted: Sequence[str], ids: dict[str, str]) -> dict[str, list[bytes]]:
    found: defaultdict[str, list[bytes]] = defaultdict(list)
    for each in noted:
        account, separator, head = each.rpartition("=")
        try:
            value = bytes.fromhex(head)
        except ValueError:
            value = b""
        if not separator or len(value) != _HASH:
            raise click.BadParameter(f"found {each!r}, expected ACCOUNT=HASH, a hash having 64 hexadecimal digits")
        found[ids.get(account, account)].append(value)
    return found


async def _walk(settings: Settings, account: str | None, noted: dict[str, list[bytes]]) -> list[Walk]:
    async with at(settings) as database, database.verify() as verifying:
        known = await verifying.accounts()
        wanted = sorted({*known, *noted} if account is None else {account})
        if account is not None and account not in {*known, *noted}:
            raise click.BadParameter(f"nothing of account {account} is recorded in a chain")
        return [await verifying.walk(each, noted.get(each, ())) for each in wanted]


def _found(walk: Walk, desk: Desk) -> Found:
    head, first = walk.head, walk.first
    return {
        "account": head.account,
        "account_name": desk.name(head.account),
        "holds": first is None,
        "flaws": walk.flaws,
        "first": first
        and {
            "number": first.number,
            "kind": first.kind,
            "about": first.about,
            "at": first.at,
            "problem": first.problem,
        },
        "sealed": dict(walk.entries),
        "removed": dict(walk.removed),
        "unsealed": walk.unsealed,
        "head": {"number": head.lasting, "hash": head.base.hex()},
        "end": {"number": head.number, "hash": head.hash.hex()},
    }


def _lines(found: Found) -> Iterator[str]:
    account, name = found["account"], found["account_name"]
    whose = "of no account" if not account else account if name == account else f"{name} ({account})"
    first = found["first"]
    yield f"{whose}: {'holds' if first is None else 'DOES NOT HOLD'}"
    if first is not None:
        yield f"  first: {_first(first)}"
        if (more := found["flaws"] - 1) > 0:
            yield f"  and {more} more, which may follow from it"
    yield f"  sealed: {_counted(found['sealed'])}"
    if found["removed"]:
        yield f"  removed by retention: {_counted(found['removed'])}"
    if found["unsealed"]:
        yield f"  not sealed yet: {found['unsealed']}"
    head, end = found["head"], found["end"]
    if head["number"]:
        yield f"  head: number {head['number']} {head['hash']}"
    if end["number"] > head["number"]:
        yield f"  end: number {end['number']} {end['hash']} (until retention removes it)"


def _first(first: dict[str, Any]) -> str:
    number = f"number {first['number']}" if first["number"] is not None else ""
    of = f" of {clock(first['at'])}" if first["at"] else ""
    what = f"{first['kind']} {first['about'] or ''}".strip() + of if first["kind"] else ""
    where = ", ".join(filter(None, (number, what)))
    return f"{where}: {first['problem']}" if where else first["problem"]


def _counted(counts: dict[str, int]) -> str:
    kinds = ", ".join(f"{kind} {n:,}" for kind, n in sorted(counts.items()))
    return f"{sum(counts.values()):,}" + (f" ({kinds})" if kinds else "")
