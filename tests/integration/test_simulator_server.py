"""The simulated API on a socket, asked by the notifier's own client and driven over HTTP."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from notifier.adapters.cloudflare import CloudflareApi
from notifier.domain.observation import CauseKind, Seen, Unseen
from notifier.ports import Listed
from notifier.simulator import Asked, Fault, Simulator, faults, parse_limit, parse_script
from tests.support.cloudflare_server import ACCOUNT, SECRET, asking

NAME = "icon-ams-01"
SHORT = timedelta(milliseconds=300)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator() as simulator:
        simulator.account(ACCOUNT, token=SECRET).link(NAME, site="ams-a", speed="100G")
        yield simulator


@pytest.fixture
async def client(simulator: Simulator) -> AsyncIterator[CloudflareApi]:
    async with asking(simulator.url) as client:
        yield client


@pytest.fixture
async def hasty(simulator: Simulator) -> AsyncIterator[CloudflareApi]:
    async with asking(simulator.url, timeout=SHORT) as client:
        yield client


async def control(simulator: Simulator, method: str, path: str = "", body: Any = None) -> tuple[int, Any]:
    data = body if isinstance(body, str | None) else json.dumps(body)
    async with aiohttp.request(method, f"{simulator.control_url}{path}", data=data) as response:
        return response.status, await response.json()


# --- asked --------------------------------------------------------------------------------------------------


async def test_the_client_sees_each_state_and_reason(simulator: Simulator, client: CloudflareApi) -> None:
    link = simulator.account(ACCOUNT).link(NAME)
    assert await client.status(NAME) == Seen("Healthy")
    link.set("Down", "port operationally down")
    assert await client.status(NAME) == Seen("Down", "port operationally down")
    link.set("Maintenance")
    assert await client.status(NAME) == Seen("Maintenance")


async def test_the_client_reads_all_pages_of_a_listing(simulator: Simulator, client: CloudflareApi) -> None:
    account = simulator.account(ACCOUNT)
    account.page_size = 2
    account.link("icon-gcp-01", region="us-east4", type="gcp_partner", speed="1G")
    account.link("a b/c")
    listed = await client.listing()
    assert isinstance(listed, Listed)
    assert [(link.name, link.site, link.speed) for link in listed.interconnects] == [
        (NAME, "ams-a", "100G"),
        ("icon-gcp-01", "us-east4", "1G"),
        ("a b/c", "ams-a", "10G"),
    ]
    assert len(simulator.requests.of(asked=Asked.LISTING)) == 2


async def test_the_client_finds_a_link_by_any_name(simulator: Simulator, client: CloudflareApi) -> None:
    for name in ("a b/c", "50%?#x", "ünïcode"):
        simulator.account(ACCOUNT).link(name).set("Pending")
        assert await client.status(name) == Seen("Pending")


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (faults.UNAUTHORIZED, CauseKind.REFUSED),
        (faults.FORBIDDEN, CauseKind.REFUSED),
        (faults.IP_FILTER, CauseKind.REFUSED),
        (faults.NOT_FOUND, CauseKind.NOT_FOUND),
        (faults.server_error(502), CauseKind.SERVER_ERROR),
        (faults.HTML, CauseKind.MALFORMED),
        (faults.SUCCESS_FALSE, CauseKind.MALFORMED),
        (faults.ENVELOPE, CauseKind.MALFORMED),
        (faults.TRUNCATED, CauseKind.MALFORMED),
        (faults.oversized(), CauseKind.MALFORMED),
        (faults.redirect("http://127.0.0.1:9/"), CauseKind.REDIRECTED),
        (faults.rate_limited(120), CauseKind.RATE_LIMITED),
        (faults.BROKEN_OFF, CauseKind.UNREACHABLE),
        (faults.RESET, CauseKind.UNREACHABLE),
        (faults.HANG, CauseKind.TIMEOUT),
        (faults.drip(timedelta(milliseconds=50)), CauseKind.TIMEOUT),
        (faults.latency(timedelta(seconds=60)), CauseKind.TIMEOUT),
    ],
    ids=lambda value: value.name if isinstance(value, Fault) else str(value),
)
async def test_the_client_is_blinded_by_a_fault(
    simulator: Simulator, client: CloudflareApi, hasty: CloudflareApi, fault: Fault, kind: CauseKind
) -> None:
    simulator.account(ACCOUNT).fault(fault)
    sight = await (hasty if kind is CauseKind.TIMEOUT else client).status(NAME)
    assert isinstance(sight, Unseen)
    assert sight.cause.kind is kind


async def test_a_late_or_dripping_answer_is_still_the_truth(simulator: Simulator, client: CloudflareApi) -> None:
    link = simulator.account(ACCOUNT).link(NAME)
    link.fault(faults.latency(timedelta(milliseconds=50)), times=1)
    link.fault(faults.drip(timedelta(milliseconds=1)), times=1)
    began = time.monotonic()
    assert await client.status(NAME) == Seen("Healthy")
    assert time.monotonic() - began >= 0.05
    assert await client.status(NAME) == Seen("Healthy")


async def test_a_connection_is_good_again_after_it_was_reset(simulator: Simulator, client: CloudflareApi) -> None:
    simulator.account(ACCOUNT).fault(faults.RESET, times=2)
    assert isinstance(await client.status(NAME), Unseen)
    simulator.account(ACCOUNT).heal()
    assert await client.status(NAME) == Seen("Healthy")


async def test_the_limit_blocks_the_client(simulator: Simulator, client: CloudflareApi) -> None:
    simulator.world.limit = parse_limit("1/1h")
    assert await client.status(NAME) == Seen("Healthy")
    sight = await client.status(NAME)
    assert isinstance(sight, Unseen)
    assert sight.cause.retry_after == timedelta(hours=1)


async def test_nothing_but_asking_is_allowed(simulator: Simulator) -> None:
    async with aiohttp.request("DELETE", f"{simulator.url}/accounts/{ACCOUNT}/cni/interconnects/{NAME}") as response:
        assert response.status == 405
    assert simulator.account(ACCOUNT).links


async def test_stopping_does_not_wait_for_those_left_hanging() -> None:
    simulator = Simulator()
    await simulator.start()
    simulator.account(ACCOUNT, token=SECRET).fault(faults.HANG)
    async with asking(simulator.url) as client, asyncio.TaskGroup() as tasks:
        hanging = tasks.create_task(client.status(NAME))
        async with asyncio.timeout(5):
            while not simulator.requests:  # noqa: ASYNC110 - that a request arrived is told by the journal alone
                await asyncio.sleep(0.01)
        began = time.monotonic()
        await simulator.stop()
        assert time.monotonic() - began < 2
        simulator.account(ACCOUNT).heal()
    assert isinstance(hanging.result(), Unseen)


async def test_an_address_is_had_only_once(simulator: Simulator) -> None:
    port = int(simulator.address.rpartition(":")[2])
    with pytest.raises(OSError, match="address already in use"):
        await Simulator().start(port=port)


async def test_it_serves_on_ipv6_too() -> None:
    simulator = Simulator()
    simulator.account(ACCOUNT, token=SECRET).link(NAME)
    await simulator.start(host="::1")
    try:
        async with asking(simulator.url) as client:
            assert await client.status(NAME) == Seen("Healthy")
    finally:
        await simulator.stop()


# --- driven -------------------------------------------------------------------------------------------------


async def test_one_world_may_have_several_doors_and_knows_which_was_taken(simulator: Simulator) -> None:
    async with Simulator(simulator.world) as other:
        for door in (other, simulator):
            async with asking(door.url) as client:
                assert await client.status(NAME) == Seen("Healthy")
        assert [request.door for request in simulator.requests] == [other.address, simulator.address]


async def test_a_script_plays_in_real_time(simulator: Simulator) -> None:
    script = parse_script(f"""
accounts: [{{id: a, links: [{{name: {NAME}}}]}}]
repeat: 1h
steps:
  - {{at: 30m, set: {{state: Healthy}}}}
  - {{at: 20ms, set: {{state: Down}}}}
""")
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await simulator.play(script)
    assert time.monotonic() - began >= 0.5
    assert simulator.account(ACCOUNT).link(NAME).state == "Down"


async def test_a_script_ends_with_its_last_step(simulator: Simulator) -> None:
    began = time.monotonic()
    await simulator.play(parse_script("accounts: [{id: a}]\nsteps: [{at: 20ms, heal: {}}, {at: 60ms, heal: {}}]"))
    assert time.monotonic() - began >= 0.06


async def test_a_step_without_anything_to_act_upon_is_logged_and_passed_over(
    simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    script = parse_script(
        f"accounts: [{{id: a, links: [{{name: x}}, {{name: {NAME}}}]}}]\n"
        f"steps: [{{at: 0s, set: {{link: x, state: Down}}}}, {{at: 0s, set: {{link: {NAME}, state: Down}}}}]"
    )
    await simulator.play(script)
    assert [record.getMessage() for record in caplog.records] == ["step without effect"]
    assert simulator.account(ACCOUNT).link(NAME).state == "Down"


async def test_the_world_is_seen_and_changed_over_http(simulator: Simulator, client: CloudflareApi) -> None:
    status, world = await control(simulator, "GET")
    assert status == 200
    assert [link["state"] for link in world["accounts"][0]["links"]] == ["Healthy"]

    status, world = await control(simulator, "POST", "", {"set": {"link": NAME, "state": "Down", "reason": "cut"}})
    assert (status, world["accounts"][0]["links"][0]["reason"]) == (200, "cut")
    assert await client.status(NAME) == Seen("Down", "cut")

    changes = [
        {"link": {"name": "new-{n}", "count": 2, "account": ACCOUNT, "region": "us-east4", "state": "Pending"}},
        {"remove": {"link": NAME}},
        {"fault": {"kind": "server_error", "status": 503, "times": 1}},
        {"account": {"id": "second", "token": "t"}},
        {"rate_limit": "100/1m"},
    ]
    status, world = await control(simulator, "POST", "", changes)
    assert (status, world["rate_limit"]) == (200, "100/60s")
    assert [account["id"] for account in world["accounts"]] == [ACCOUNT, "second"]
    assert [link["name"] for link in world["accounts"][0]["links"]] == ["new-1", "new-2"]
    assert world["accounts"][0]["faults"] == [{"kind": "server_error", "times": 1}]
    assert isinstance(await client.status("new-1"), Unseen)
    assert await client.status("new-1") == Seen("Pending")


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ("{", 400, 'expected JSON, such as {"set": {"link": "icon-ams-01", "state": "Down"}}'),
        ("[1]", 400, "changes[0]: found 1, expected a map"),
        ({"set": {"link": NAME}}, 400, "changes[0].set.state: missing; expected text"),
        ({"set": {"link": "nobody", "state": "Down"}}, 404, "no such link: link nobody"),
    ],
)
async def test_a_change_that_can_not_be_made_is_answered_with_what_is_wrong(
    simulator: Simulator, body: Any, status: int, error: str
) -> None:
    assert await control(simulator, "POST", "", body) == (status, {"errors": [error]})


async def test_changes_of_which_one_is_written_wrong_are_not_made(simulator: Simulator) -> None:
    changes = [{"set": {"state": "Down"}}, {"sett": {}}]
    status, answer = await control(simulator, "POST", "", changes)
    assert (status, len(answer["errors"])) == (400, 2)
    assert simulator.account(ACCOUNT).link(NAME).state == "Healthy"


async def test_requests_are_counted_over_http(simulator: Simulator, client: CloudflareApi) -> None:
    await client.listing()
    await client.status(NAME)
    await client.status("nobody")
    assert await control(simulator, "GET", "/requests") == (
        200,
        {
            "total": 3,
            "by_asked": {"listing": 1, "status": 2},
            "by_status": {"200": 2, "404": 1},
            "by_link": {NAME: 1, "nobody": 1},
            "busiest_second": 3,
        },
    )
    assert (await control(simulator, "GET", f"/requests?link={NAME}"))[1]["total"] == 1
    assert (await control(simulator, "DELETE", "/requests"))[1]["total"] == 0
    assert (await control(simulator, "GET", "/requests"))[1]["total"] == 0


async def test_other_controls_are_answered_with_those_there_are(simulator: Simulator) -> None:
    status, answer = await control(simulator, "PUT", "/world")
    assert status == 404
    assert "GET or POST /control" in answer["errors"][0]
