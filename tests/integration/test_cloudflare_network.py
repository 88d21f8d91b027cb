"""What the network does to a request, what a request costs, and what it must not tell."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web

from notifier.adapters.cloudflare import CloudflareApi, Key, Token
from notifier.domain.budget import RequestBudget
from notifier.domain.observation import Cause, CauseKind, Seen, Unseen
from notifier.errors import ConfigurationError
from tests.support.cloudflare_server import (
    ACCOUNT,
    SECRET,
    TOKEN,
    Answer,
    SetClock,
    asking,
    drop,
    replay,
    say,
    serving,
)

HEALTHY = say(200, {"state": "Healthy"})
SHORT = timedelta(seconds=0.3)
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXIES, "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


def cause_of(sight: Any) -> Cause:
    assert isinstance(sight, Unseen)
    return sight.cause


def in_pieces(pieces: Iterable[bytes], pause: float, length: int | None = None) -> Answer:
    """Answer slowly; with a length that isn't reached, the connection breaks at the end."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = length
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
            await asyncio.sleep(pause)
        if length is not None and request.transport is not None:
            request.transport.abort()
        return response

    return answer


async def hang(_: web.BaseRequest) -> web.StreamResponse:
    await asyncio.Event().wait()
    return web.Response()


# --- troubles -----------------------------------------------------------------------------------------------


async def test_a_server_that_hangs_is_a_timeout() -> None:
    async with serving(hang) as server, asking(server.url, timeout=SHORT) as api:
        cause = cause_of(await api.status("icon"))
    assert (cause.kind, cause.text) == (CauseKind.TIMEOUT, "timed out after 0.3s")


async def test_a_slow_drip_is_cut_by_the_time_for_the_whole_answer() -> None:
    drip = in_pieces([b" "] * 50, pause=0.1)
    async with serving(drip, HEALTHY) as server, asking(server.url, timeout=SHORT) as api:
        began = asyncio.get_running_loop().time()
        assert cause_of(await api.status("icon")).kind is CauseKind.TIMEOUT
        assert asyncio.get_running_loop().time() - began < 2
        assert await api.status("icon") == Seen("Healthy")


async def test_an_endless_answer_is_not_read_to_its_end() -> None:
    endless = in_pieces([b" " * 65_536] * 1000, pause=0.05)
    async with serving(endless) as server, asking(server.url) as api:
        assert "longer than 64 KiB" in cause_of(await api.status("icon")).text


async def test_an_answer_that_breaks_off_is_not_seen() -> None:
    half = in_pieces([b'{"state":"Healthy"}'], pause=0.01, length=100)
    async with serving(half) as server, asking(server.url) as api:
        cause = cause_of(await api.status("icon"))
    assert (cause.kind, cause.text) == (CauseKind.UNREACHABLE, "127.0.0.1 broke off its answer")


async def test_a_new_connection_that_breaks_is_not_tried_again() -> None:
    async with serving(drop, HEALTHY) as server, asking(server.url) as api:
        cause = cause_of(await api.status("icon"))
    assert (cause.kind, cause.text) == (
        CauseKind.UNREACHABLE,
        "127.0.0.1 closed the connection without an answer",
    )
    assert len(server.requests) == 1


async def test_a_kept_connection_that_breaks_is_tried_again_once_at_the_budgets_cost() -> None:
    budget = RequestBudget(100, timedelta(minutes=5))
    async with serving(HEALTHY, drop, HEALTHY) as server, asking(server.url, budget=budget) as api:
        assert [await api.status("icon"), await api.status("icon")] == [Seen("Healthy")] * 2
    assert len(server.requests) == 3
    assert budget.used(SetClock().now()) == 3


async def test_a_second_break_is_the_answer() -> None:
    async with serving(HEALTHY, drop) as server, asking(server.url) as api:
        await api.status("icon")
        assert cause_of(await api.status("icon")).kind is CauseKind.UNREACHABLE
    assert len(server.requests) == 3


async def test_a_second_try_without_a_permit_is_not_made() -> None:
    budget = RequestBudget(2, timedelta(minutes=5))
    async with serving(HEALTHY, drop, HEALTHY) as server, asking(server.url, budget=budget) as api:
        await api.status("icon")
        assert cause_of(await api.status("icon")).kind is CauseKind.OVER_BUDGET
    assert len(server.requests) == 2


async def test_nobody_listening_is_unreachable() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        async with asking(f"http://127.0.0.1:{port}") as api:
            cause = cause_of(await api.listing())
    assert (cause.kind, cause.text) == (
        CauseKind.UNREACHABLE,
        "no connection to 127.0.0.1 (connection refused)",
    )


async def test_a_name_that_cannot_be_resolved_is_unreachable() -> None:
    async with asking("https://cloudflare.invalid/client/v4", timeout=timedelta(seconds=30)) as api:
        cause = cause_of(await api.status("icon"))
    assert (cause.kind, cause.text) == (
        CauseKind.UNREACHABLE,
        "the name cloudflare.invalid cannot be resolved",
    )


async def test_a_server_without_tls_is_unreachable_over_tls() -> None:
    async with serving(HEALTHY) as server, asking(server.url.replace("http:", "https:")) as api:
        cause = cause_of(await api.status("icon"))
    assert (cause.kind, cause.text) == (CauseKind.UNREACHABLE, "no secure connection to 127.0.0.1")


async def test_a_certificate_is_checked_against_the_trusted_ones(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    async with serving(HEALTHY, tls=tls) as server:
        async with asking(server.url) as api:
            cause = cause_of(await api.status("icon"))
        assert (cause.kind, cause.text) == (
            CauseKind.UNREACHABLE,
            "the certificate of 127.0.0.1 is not trusted",
        )
        assert server.requests == []
        authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        async with asking(server.url) as api:
            assert await api.status("icon") == Seen("Healthy")


async def test_what_is_not_http_is_malformed() -> None:
    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(speak, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with asking(f"http://127.0.0.1:{port}") as api:
            assert cause_of(await api.status("icon")).kind is CauseKind.MALFORMED


async def test_stopping_is_not_swallowed() -> None:
    reached = asyncio.Event()

    async def hang_visibly(request: web.BaseRequest) -> web.StreamResponse:
        reached.set()
        return await hang(request)

    async with serving(hang_visibly) as server, asking(server.url) as api:
        asked = asyncio.create_task(api.status("icon"))
        await reached.wait()
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked


async def test_waiting_for_ones_turn_is_not_cloudflares_delay() -> None:
    slow = in_pieces([b'{"state":', b'"Healthy"}'], pause=0.05)
    async with serving(slow) as server, asking(server.url, timeout=timedelta(seconds=1.2)) as api:
        sights = await asyncio.gather(*(api.status("icon") for _ in range(150)))
    assert set(sights) == {Seen("Healthy")}
    assert len(server.connections) <= 10


# --- the wire -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "segment"),
    [
        ("a b/c", "a%20b%2Fc"),
        ("a%2Fb", "a%252Fb"),
        ("%2e%2e", "%252e%252e"),
        ("../../../user", "..%2F..%2F..%2Fuser"),
        ("a?b#c", "a%3Fb%23c"),
        ("zürich", "z%C3%BCrich"),
        ("...", "..."),
    ],
)
async def test_a_name_stays_one_segment_of_the_path(name: str, segment: str) -> None:
    async with serving(HEALTHY) as server, asking(server.url) as api:
        await api.status(name)
    assert server.paths == [f"/client/v4/accounts/{ACCOUNT}/cni/interconnects/{segment}/status"]


@pytest.mark.parametrize("name", [".", ".."])
async def test_a_name_that_no_path_can_hold_is_not_asked_for(name: str) -> None:
    async with serving(HEALTHY) as server, asking(server.url) as api:
        assert cause_of(await api.status(name)).kind is CauseKind.MALFORMED
    assert server.requests == []


async def test_a_connection_is_kept_from_poll_to_poll() -> None:
    async with serving(HEALTHY) as server, asking(server.url) as api:
        for _ in range(20):
            await api.status("icon")
    assert len(server.requests) == 20
    assert len(server.connections) == 1


async def test_a_refusal_does_not_cost_the_connection() -> None:
    async with serving(replay("error_403_10000.json")) as server, asking(server.url) as api:
        for _ in range(3):
            await api.status("icon")
    assert len(server.connections) == 1


async def test_a_token_is_sent_as_a_bearer_and_cookies_are_not_taken_by_two() -> None:
    cookie = say(200, {"state": "Healthy"}, set_cookie="__cf_bm=1; Path=/")
    async with serving(cookie) as server, asking(server.url + "/") as api:
        await api.status("icon")
        await api.status("icon")
    headers = server.requests[1].headers
    assert headers["Authorization"] == f"Bearer {SECRET}"
    assert headers.get("Cookie", "__cf_bm=1") == "__cf_bm=1"
    assert "//accounts" not in server.paths[0]


async def test_a_key_is_sent_with_its_address_and_no_bearer() -> None:
    key = Key(email="noc@example.net", secret=SECRET)
    async with serving(HEALTHY) as server, asking(server.url, credential=key) as api:
        await api.status("icon")
    headers = server.requests[0].headers
    assert (headers["X-Auth-Email"], headers["X-Auth-Key"]) == ("noc@example.net", SECRET)
    assert "Authorization" not in headers


async def test_the_environments_proxy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(HEALTHY) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.removesuffix("/client/v4"))
        async with asking("http://cloudflare.invalid/client/v4") as api:
            assert await api.status("icon") == Seen("Healthy")
    assert proxy.requests[0].host == "cloudflare.invalid"


async def test_a_host_the_environment_excepts_is_asked_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.invalid:3128")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    async with serving(HEALTHY) as server, asking(server.url) as api:
        assert await api.status("icon") == Seen("Healthy")


async def test_a_proxy_we_cannot_use_is_a_mistake_in_the_configuration(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("https_proxy", "socks5://user:hidden@proxy.invalid:1080")
    with pytest.raises(ConfigurationError, match=r"found socks5://$"):
        async with asking("https://cloudflare.invalid"):
            pass


# --- the budget ---------------------------------------------------------------------------------------------


async def test_after_a_429_nothing_is_asked_for_as_long_as_it_says() -> None:
    """Scenario 37."""
    clock, budget = SetClock(), RequestBudget(100, timedelta(minutes=5))
    async with (
        serving(say(429, retry_after="120"), HEALTHY) as server,
        asking(server.url, clock=clock, budget=budget) as api,
        asking(server.url, clock=clock, budget=budget) as other_account,
    ):
        first = cause_of(await api.status("icon"))
        assert (first.kind, first.retry_after) == (CauseKind.RATE_LIMITED, timedelta(seconds=120))
        assert first.text == "429 from Cloudflare, asked to wait 120s"

        clock.at += timedelta(seconds=119)
        for cause in (cause_of(await api.listing()), cause_of(await other_account.status("icon"))):
            assert (cause.kind, cause.retry_after) == (CauseKind.RATE_LIMITED, timedelta(seconds=1))
            assert cause.text == "rate limited by Cloudflare, not asking before 12:02:00Z"
        assert len(server.requests) == 1

        clock.at += timedelta(seconds=1)
        assert await api.status("icon") == Seen("Healthy")


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("300", 300),
        ("0", 0),
        (format_datetime(datetime(2026, 11, 23, 12, 2, tzinfo=UTC), usegmt=True), 120),
        (format_datetime(datetime(2026, 11, 23, 11, 0, tzinfo=UTC), usegmt=True), 0),
        ("", 300),
        ("soon", 300),
        ("-5", 300),
        ("1.5", 300),
        ("9" * 30, 86_400),
    ],
)
@pytest.mark.parametrize("apart", [timedelta(), timedelta(hours=1), -timedelta(hours=1)])
async def test_a_retry_after_is_read_in_both_its_forms_whatever_our_clock_says(
    retry_after: str, seconds: int, apart: timedelta
) -> None:
    noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
    answer = say(429, retry_after=retry_after, date=format_datetime(noon, usegmt=True))
    async with serving(answer) as server, asking(server.url, clock=SetClock(noon + apart)) as api:
        assert cause_of(await api.status("icon")).retry_after == timedelta(seconds=seconds)


async def test_the_budget_is_a_hard_cap_on_requests() -> None:
    clock, budget = SetClock(), RequestBudget(5, timedelta(minutes=5))
    async with serving(HEALTHY) as server, asking(server.url, clock=clock, budget=budget) as api:
        sights = await asyncio.gather(*(api.status("icon") for _ in range(20)))
        assert len(server.requests) == sights.count(Seen("Healthy")) == 5
        cause = cause_of(await api.status("icon"))
        assert (cause.kind, cause.retry_after) == (CauseKind.OVER_BUDGET, timedelta(minutes=5))
        assert cause.text == "request budget used up until 12:05:00Z"
        clock.at += timedelta(minutes=5)
        assert await api.status("icon") == Seen("Healthy")


async def test_each_page_of_a_listing_costs_a_permit() -> None:
    pages = [say(200, {"items": [{"name": "a"}], "next": 2}), say(200, {"items": []})]
    budget = RequestBudget(1, timedelta(minutes=5))
    async with serving(*pages) as server, asking(server.url, budget=budget) as api:
        assert cause_of(await api.listing()).kind is CauseKind.OVER_BUDGET
    assert len(server.requests) == 1


# --- secrets ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("credential", [TOKEN, Key(email="noc@example.net", secret=SECRET)])
async def test_a_secret_is_in_no_log_and_no_representation(
    credential: Token | Key, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    echo = say(403, {"errors": [{"code": 1000, "message": f"bad token {SECRET}"}]})
    async with serving(echo, drop, HEALTHY) as server, asking(server.url, credential=credential) as api:
        sights = [await api.status("icon") for _ in range(3)]
        told = f"{api!r} {vars(api)!r} {credential!r} {credential} {sights!r}"
    assert "bad token ***" in told
    assert "noc@" in told or credential is TOKEN
    assert SECRET not in told
    assert SECRET not in caplog.text


@pytest.mark.parametrize("secret", ["", "two words", "line\n", "tökén", "tab\t"])
def test_a_secret_no_header_can_carry_is_refused_without_being_shown(secret: str) -> None:
    for make in (Token, lambda secret: Key(email="noc@example.net", secret=secret)):
        with pytest.raises(ConfigurationError) as refused:
            make(secret)
        assert not secret or secret not in str(refused.value)


async def test_a_client_that_never_asked_closes_quietly() -> None:
    async with asking("https://cloudflare.invalid") as api:
        assert isinstance(api, CloudflareApi)
