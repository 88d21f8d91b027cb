"""The polls of all accounts, started evenly: everything else would have to wait for a burst of them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from notifier.pipeline.polling import Poller

_log = logging.getLogger(__name__)

_AT_A_TIME = 10  # polls, as long as that makes no more moments than
_MOMENTS = 20

Pause = Callable[[timedelta], Awaitable[None]]


async def _pause(span: timedelta) -> None:
    await asyncio.sleep(span.total_seconds())


async def sweep(pollers: Sequence[Poller], tick: timedelta, pause: Pause = _pause) -> None:
    """Start what is due now and, at moments spread over the `tick` until the next sweep, what becomes due meanwhile.

    A fault of ours at one account doesn't blind the others (R7).
    """
    expected = sum(poller.watched * (tick / poller.interval) for poller in pollers)
    moments = min(_MOMENTS, 1 + int(expected / _AT_A_TIME))
    for moment in range(moments):
        if moment:
            await pause(tick / moments)
        for poller in pollers:
            try:
                poller.tick()
            except Exception:  # noqa: BLE001 - whatever it is
                _log.exception("sweep failed by a fault of ours")
