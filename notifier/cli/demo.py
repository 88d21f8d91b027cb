"""`notifier demo`: the whole service against a simulated Cloudflare, on a bad morning that lasts 48 s."""

import asyncio
import signal
import socket
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from notifier.adapters.database.database import SqlDatabase
from notifier.adapters.database.reading import Wanted
from notifier.logs import configure
from notifier.service import Service
from notifier.settings import Settings, load
from notifier.settings.source import Source
from notifier.simulator import Account, Simulator, faults

_USUAL_PORT = 8080
_CONFIGURATION = """\
database: sqlite:///{folder}/demo.db
accounts: [{{id: 023e105f4ecef8ad9ca31a8372d0c353, name: production, token: demo-token}}]
cloudflare: {{url: "{url}", timeout: 2s, rate_limit: {{share: 1}}}}
poll: {{interval: 1500ms, recheck: 500ms, discovery: 5s}}
detection: {{confirm: 2, recover: 2, recover_for: 1s, blind_after: 2}}
group: {{wait: 1s}}
channels: {{console: {{url: "console://here"}}}}
web: {{listen: "127.0.0.1:{port}"}}
maintenance: [{{name: line card, match: {{name: icon-lhr-01}}, from: "{begin:%FT%TZ}", until: "{end:%FT%TZ}"}}]
"""


@dataclass(frozen=True, slots=True)
class _Scene:
    """What happens at a moment (seconds from the start), and the words that announce it."""

    at: float
    words: str
    happens: Callable[[Account], None]


def _set(state: str, reason: str | None, *names: str) -> Callable[[Account], None]:
    def happens(account: Account) -> None:
        for name in names:
            account.links[name].set(state, reason)

    return happens


_MORNING = (
    _Scene(
        3,
        "icon-lhr-01 flickers: one bad answer. Nobody is woken for that.",
        lambda account: account.links["icon-lhr-01"].fault(faults.answering({"state": "Down"}), 1),
    ),
    _Scene(
        6,
        "a fibre is cut: icon-ams-01 goes Down",
        _set("Down", "no light received (rx -40.0 dBm)", "icon-ams-01"),
    ),
    _Scene(
        12,
        "icon-lhr-01 goes Down, in its maintenance window: on record, but nobody is told.",
        _set("Down", "administratively down", "icon-lhr-01"),
    ),
    _Scene(15, "the fibre is spliced: icon-ams-01 is good again", _set("Healthy", None, "icon-ams-01")),
    _Scene(
        21,
        "site fra-a loses both of its links",
        _set("Unhealthy", "cannot negotiate Ethernet", "icon-fra-01", "icon-fra-02"),
    ),
    _Scene(24, "icon-lhr-01 is good again before its window ends", _set("Healthy", None, "icon-lhr-01")),
    _Scene(27, "icon-fra-01 is good again: the site is back, on one link", _set("Healthy", None, "icon-fra-01")),
    _Scene(33, "icon-fra-02 is good again", _set("Healthy", None, "icon-fra-02")),
    _Scene(
        38,
        "somebody takes the permission from our API token. Not seeing is not Down.",
        lambda account: account.fault(faults.FORBIDDEN),
    ),
    _Scene(43, "the token has its permission again", lambda account: account.heal()),
    _Scene(48, "the morning is over", lambda _account: None),
)


@click.command()
@click.option("--stay", is_flag=True, help="Go on running after the morning, until interrupted.")
def demo(*, stay: bool) -> int:
    """Show the whole service at work: no token, no account, nothing to set up; under a minute."""
    with tempfile.TemporaryDirectory(prefix="notifier-demo-") as folder:
        return asyncio.run(_demonstrate(Path(folder), stay=stay))


async def _demonstrate(folder: Path, *, stay: bool) -> int:
    async with Simulator() as simulator:
        account = simulator.account("023e105f4ecef8ad9ca31a8372d0c353", token="demo-token")  # noqa: S106 - no secret
        for name in ("icon-ams-01", "icon-ams-02", "icon-fra-01", "icon-fra-02", "icon-lhr-01"):
            account.link(name, site=f"{name[5:8]}-a", facility=f"Equinix {name[5:8].upper()}1")
        port = _free_port()
        settings = _settings(folder, simulator.url, port)
        configure(format="text", level="error", secrets=settings.secrets())
        click.echo(f"A simulated Cloudflare at {simulator.url} lists {len(account.links)} interconnects.")
        click.echo("The service polls each every 1.5 s; a change is believed after a second look 0.5 s later.")
        click.echo(f"The status page: http://127.0.0.1:{port}/\n")
        service = Service(Source(load=lambda: settings))
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(service.run())
            await _morning(account, stay=stay)
            service.stop()
            await running
        return await _summary(settings)


def _free_port() -> int:
    """Return the usual port of the page, or any other if somebody has it."""
    for wanted in (_USUAL_PORT, 0):
        with suppress(OSError), socket.create_server(("127.0.0.1", wanted)) as found:
            return int(found.getsockname()[1])
    return _USUAL_PORT


def _settings(folder: Path, url: str, port: int) -> Settings:
    path = folder / "notifier.yaml"
    now = datetime.now(UTC)
    window = {"begin": now - timedelta(hours=1), "end": now + timedelta(hours=1)}
    path.write_text(_CONFIGURATION.format(folder=folder, url=url, port=port, **window), encoding="utf-8")
    return load(path, {}, folder)


async def _morning(account: Account, *, stay: bool) -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()
    for scene in _MORNING:
        await asyncio.sleep(start + scene.at - loop.time())
        click.secho(f"[{scene.at:4.0f} s] {scene.words}", bold=True)
        scene.happens(account)
    if stay:
        click.echo("\nStill running, and so is the page; interrupt it (Ctrl-C) to end.")
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        await stop.wait()


async def _summary(settings: Settings) -> int:
    """Say what came of it; 0 if all that was opened is closed, all that was promised sent, and the record holds."""
    database = SqlDatabase(settings.database.get_secret_value())
    try:
        async with database.read() as reading:
            incidents = await reading.incidents(Wanted(limit=1000))
            deliveries = await reading.deliveries(Wanted(limit=1000), failed=False)
        async with database.verify() as verifying:
            walks = [await verifying.walk(account) for account in await verifying.accounts()]
    finally:
        await database.close()
    closed = sum(1 for incident in incidents if incident["closed_at"])
    outcomes = Counter(delivery["outcome"] for delivery in deliveries)
    told = f"{outcomes['sent']} notifications sent"
    click.secho(f"\n{len(incidents)} incidents opened, {closed} closed; {told}.", bold=True)
    holds = not any(walk.flaws for walk in walks)
    entries = sum(walk.entries.total() + walk.unsealed for walk in walks)
    click.echo(
        f"The record of it, {entries} entries in a chain, {'holds' if holds else 'DOES NOT HOLD'} (notifier verify)."
    )
    click.echo(
        "Nobody heard of the flicker and the planned work, or twice of an outage. With your own account: README."
    )
    return 0 if closed == len(incidents) > 0 and set(outcomes) == {"sent"} and holds else 1
