"""What would have been told with other settings: the past, led through the real pipeline once more."""

import asyncio
import tempfile
from pathlib import Path

from notifier.adapters.database.past import Workbench
from notifier.app import Outside, assemble, channels_of
from notifier.past import Past, Telling
from notifier.replay.engine import Engine, TravellingClock
from notifier.replay.outside import Before, Receivers, Silent
from notifier.settings import Settings


async def replay(past: Past, settings: Settings, in_force: Settings) -> list[Telling]:
    """Return what would have been told with these settings, in the order of its promising.

    `in_force` are the settings by which the past came about. Nothing is asked, sent or kept.

    Raises:
        ConfigurationError: A channel's URL is none.
    """
    channels = {name: Silent.of(channel) for name, channel in channels_of(settings).items()}
    with tempfile.TemporaryDirectory(prefix="notifier-replay-") as folder:
        bench = Workbench(Path(folder))
        try:
            await bench.make(past.opening)
            return await _replay(past, settings, in_force, bench, channels)
        finally:
            await bench.close()


async def _replay(
    past: Past, settings: Settings, in_force: Settings, bench: Workbench, channels: dict[str, Silent]
) -> list[Telling]:
    clock, before = TravellingClock(past.begins_at), Before()
    receivers = Receivers(past, clock.pass_by)
    outside = Outside(cloudflare=before.account, channels=channels, settling=receivers.settling)
    async with asyncio.TaskGroup() as tasks:
        pipeline = assemble(
            settings,
            database=bench,
            clock=clock,
            tasks=tasks,
            owner="replay",
            chance=lambda: 0.5,
            outside=outside,
        )
        try:
            for watch in pipeline.watches:
                await watch.begin()
            engine = Engine(
                past,
                pipeline=pipeline,
                bench=bench,
                clock=clock,
                before=before,
                receivers=receivers,
                settings=settings,
                in_force=in_force,
            )
            await engine.run()
        finally:
            await pipeline.close()
    return await bench.tellings()
