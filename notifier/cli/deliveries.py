"""`notifier deliveries`: what was promised to the channels; `retry`: send once more what was given up."""

from collections.abc import Sequence
from datetime import datetime

import click

from notifier.adapters.clock import SystemClock
from notifier.adapters.database.database import SqlUnitOfWork
from notifier.adapters.database.explaining import Explaining
from notifier.cli.acting import signed
from notifier.cli.context import Context
from notifier.cli.desk import Desk, act, clock, options
from notifier.domain.duration import format_duration
from notifier.pipeline.retrying import resend
from notifier.ports import Outcome
from notifier.settings import Settings


@click.group(invoke_without_command=True)
@click.option("--failed", is_flag=True, help="Only those abandoned, or tried in vain so far.")
@options
def deliveries(desk: Desk, *, failed: bool) -> None:
    """Show what was promised to the channels, and what came of it."""
    if click.get_current_context().invoked_subcommand is not None:
        return
    desk.show(
        desk.fetch(lambda reading: reading.deliveries(desk.wanted, failed=failed)),
        {
            "id": lambda row: str(row["id"]),
            "channel": lambda row: row["channel"],
            "does": lambda row: row["action"],
            "outcome": lambda row: row["outcome"],
            "attempts": lambda row: str(row["attempts"]),
            "recorded": lambda row: clock(row["recorded_at"]),
            "took": lambda row: format_duration(row["settled_at"] - row["recorded_at"]) if row["settled_at"] else "",
            "title": lambda row: row["title"],
            "cause": lambda row: row["cause"],
        },
        "no deliveries",
    )


@deliveries.command()
@click.argument("ids", nargs=-1, required=True, type=int, metavar="ID...")
@signed
@click.pass_obj
def retry(context: Context, *, ids: Sequence[int], by: str, comment: str) -> int:
    """Send abandoned deliveries once more, with all their time before them; exit code 1 if one can't be."""
    settings, now = context.settings(), SystemClock().now()
    problems = act(settings, lambda work: _retry(work, ids, settings, now, by, comment))
    for number, problem in zip(ids, problems, strict=True):
        click.echo(problem or f"delivery {number} is sent again")
    return 1 if any(problems) else 0


async def _retry(
    work: SqlUnitOfWork, ids: Sequence[int], settings: Settings, now: datetime, by: str, comment: str
) -> list[str | None]:
    """Return for each delivery what keeps it from being sent again, if anything does."""
    await work.ledger.lock_all()  # at once: they may be of several accounts
    problems: list[str | None] = []
    for number in ids:
        problem = await _problem(work, number, settings, now)
        problems.append(problem)
        if problem is None:
            await work.ledger.act(at=now, by=by, act="retry", target=f"delivery {number}", comment=comment)
    return problems


async def _problem(work: SqlUnitOfWork, number: int, settings: Settings, now: datetime) -> str | None:
    found = await Explaining(work.conn).delivery(number)
    if found is None:
        return f"there is no delivery {number}"
    if found["outcome"] != Outcome.ABANDONED:
        return f"delivery {number} is {found['outcome']}: only one that was abandoned can be sent again"
    if found["channel"] not in settings.channels:
        return f"delivery {number} is for {found['channel']}, which is no longer configured"
    why = await resend(work, number, now, remind=settings.remind)
    return None if why is None else f"delivery {number} {why}"
