"""When the heartbeat is heard, and when it is not (R30)."""

import pytest

from notifier.simulator import faults
from tests.support.receivers import HttpReceiver
from tests.support.scenes import down, noc, titles
from tests.support.stage import Stage

pytestmark = pytest.mark.slow

PING = "/ping/5bf66975-d4c7-4bf5-bcc8-b8d8a82ea278"
PINGED, FAILED = f"GET {PING}", f"POST {PING}/fail"


@pytest.fixture(autouse=True)
def _with_a_heartbeat(stage: Stage, http_receiver: HttpReceiver) -> None:
    stage.more["heartbeat"] = {"url": http_receiver.url + PING}


async def beats(stage: Stage, receiver: HttpReceiver) -> list[str]:
    """Let it beat; return what was heard so far."""
    await stage.beat()
    return [f"{heard.method} {heard.path}" for heard in receiver.requests if heard.path.startswith(PING)]


async def test_scenario_44_a_stuck_sender_stops_the_heartbeat_though_polls_go_on(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    async with stage.at_work(**noc(http_receiver)):
        await stage.polls(stage.link(), "Healthy")
        stage.sending = False
        await down(stage)
        assert await beats(stage, http_receiver) == [PINGED]
        polls = stage.simulator.requests.total
        await stage.advance(360)
        assert stage.simulator.requests.total > polls + 5
        assert await beats(stage, http_receiver) == [PINGED, FAILED]
        assert http_receiver.requests[-1].body.startswith(b"a delivery is due for 6m")
        assert b"\n" not in http_receiver.requests[-1].body
        stage.sending = True
        await stage.step()
        assert await beats(stage, http_receiver) == [PINGED, FAILED, PINGED]


async def test_r30_a_receiver_that_is_down_does_not_stop_it(stage: Stage, http_receiver: HttpReceiver) -> None:
    async with stage.at_work(noc="json://127.0.0.1:1/"):
        await down(stage)
        await stage.advance(900)
        assert [delivery["outcome"] for delivery in await stage.deliveries()] == ["pending"]
        assert await beats(stage, http_receiver) == [PINGED]


@pytest.mark.parametrize("fault", [faults.FORBIDDEN, faults.rate_limited(3600)])
async def test_r30_nor_does_blindness_or_a_pause(
    fault: faults.Fault, stage: Stage, http_receiver: HttpReceiver
) -> None:
    async with stage.at_work(**noc(http_receiver)):
        await stage.polls(stage.link(), "Healthy")
        stage.account.fault(fault)
        await stage.advance(900)
        assert len(titles(http_receiver)) == 1
        assert await beats(stage, http_receiver) == [PINGED]
