"""`notifier simulate`: the simulated Cloudflare API alone, for trying things out."""

import asyncio
import shlex
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from notifier import logs
from notifier.cli.context import Context
from notifier.simulator import Limit, Script, Simulator, World, load_script, parse_limit

_TOKEN = "simulated-token"  # noqa: S105 - opens nothing but this simulation
_ACCOUNT = "023e105f4ecef8ad9ca31a8372d0c353"
_PORTS = range(65_536)
_PLACES = (("ams-a", "Equinix AM7"), ("fra-b", "Equinix FR5"), ("iad-a", "Equinix DC11"))


class _Parsed(click.ParamType[Any]):
    """What a function makes of the text; its ValueError tells what was expected."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return self._parse(value) if isinstance(value, str) else value
        except ValueError as error:
            self.fail(f"found {value!r}, {error}", param, ctx)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not (host and port.isascii() and port.isdigit() and int(port) in _PORTS):
        raise ValueError("expected HOST:PORT, such as 127.0.0.1:8081")
    return host.strip("[]"), int(port)


@click.command()
@click.option(
    "--listen",
    type=_Parsed("HOST:PORT", _address),
    default="127.0.0.1:8081",
    show_default=True,
    help="Where to serve; port 0 picks a free one.",
)
@click.option(
    "--script",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A scenario in YAML: what there is, and what happens when.",
)
@click.option("--accounts", type=click.IntRange(1, 1000), help="Make this many accounts.")
@click.option("--links", type=click.IntRange(0, 100_000), help="Make this many interconnects in each account.")
@click.option("--token", help="The token that opens the accounts made.  [default: simulated-token]")
@click.option(
    "--rate-limit",
    type=_Parsed("REQUESTS/DURATION", parse_limit),
    help="Limit each token, as Cloudflare does with 1200/5m.",
)
@click.pass_obj
def simulate(
    context: Context,
    *,
    listen: tuple[str, int],
    script: Path | None,
    accounts: int | None,
    links: int | None,
    token: str | None,
    rate_limit: Limit | None,
) -> None:
    """Serve a simulated Cloudflare API until SIGINT or SIGTERM.

    Without a script it has one account with six interconnects at three sites; change them over HTTP under /control.
    """
    if script is not None and (accounts, links, token) != (None, None, None):
        raise click.UsageError("--accounts, --links and --token make a world; with --script, the script does")
    scenario = Script() if script is None else load_script(script)
    logs.configure(format=context.log_format or "text", level=context.log_level or "info", secrets=())
    world = scenario.world() if script else _made(accounts or 1, 6 if links is None else links, token or _TOKEN)
    world.limit = rate_limit or world.limit
    asyncio.run(_serve(Simulator(world), scenario, *listen))


def _made(accounts: int, links: int, token: str) -> World:
    world = World()
    for number in range(accounts):
        account = world.account(f"{int(_ACCOUNT, 16) + number:032x}", token=token)
        for index in range(links):
            site, facility = _PLACES[index // 2 % len(_PLACES)]
            nth = index // 6 * 2 + index % 2 + 1
            account.link(f"icon-{site[:3]}-{nth:02}", site=site, facility=facility)
    return world


async def _serve(simulator: Simulator, script: Script, host: str, port: int) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    try:
        await simulator.start(host, port)
    except OSError as error:
        raise click.ClickException(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
    try:
        click.echo(_greeting(simulator))
        async with asyncio.TaskGroup() as tasks:
            playing = tasks.create_task(simulator.play(script))
            await stopping.wait()
            playing.cancel()
    finally:
        await simulator.stop()


def _greeting(simulator: Simulator) -> str:
    accounts = simulator.world.accounts.values()
    links = sum(len(account.links) for account in accounts)
    lines = [f"# accounts: {len(accounts)}, interconnects: {links}, controls: {simulator.control_url}"]
    first = next((account for account in accounts if account.token or not account.email), None)
    if first is not None:
        lines.append(f"export CLOUDFLARE_API_TOKEN={shlex.quote(first.token or _TOKEN)}")
        lines.append(f"export CLOUDFLARE_ACCOUNT_ID={shlex.quote(first.id)}")
    return "\n".join([*lines, f"export NOTIFIER_CLOUDFLARE__URL={simulator.url}"])
