"""Who may see and do what over HTTP: tokens, sessions, other sites, other names."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx
import pytest
from starlette.requests import Request

from notifier.adapters.web import App, Backing, Rules
from notifier.adapters.web.access import Doors, Tries
from tests.support.asked import backing
from tests.support.fakes import FakeClock

TOKEN = "planted-web-token-1a2b"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
DOCUMENT = "/api/v1/openapi.json"
SILENCES = "/api/v1/silences"
BROWSER = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def behind(clock: FakeClock) -> Backing:
    return backing(clock=clock, rules=Rules(token=TOKEN))


@asynccontextmanager
async def asking(
    behind: Backing, *, host: str = "localhost", address: str = "192.0.2.7"
) -> AsyncIterator[httpx.AsyncClient]:
    """Ask the application as a browser at an address would, by a name."""
    scheme = "https" if (behind.rules.url or "").startswith("https") else "http"
    transport = httpx.ASGITransport(App(behind), client=(address, 50000))
    async with httpx.AsyncClient(transport=transport, base_url=f"{scheme}://{host}") as client:
        yield client


async def logs_in(client: httpx.AsyncClient, token: str = TOKEN, then: str = "/") -> httpx.Response:
    return await client.post("/login", data={"token": token, "next": then})


async def sees(client: httpx.AsyncClient, **headers: str) -> bool:
    answer = await client.get(DOCUMENT, headers=headers)
    assert answer.status_code in {200, 401}
    return answer.status_code == 200


# --- Programs -----------------------------------------------------------------------------------------------


async def test_a_program_shows_the_token_in_a_header(behind: Backing) -> None:
    async with asking(behind) as client:
        assert await sees(client, **BEARER)
        assert await sees(client, Authorization=f"bearer {TOKEN}")
        refused = await client.get(DOCUMENT)
        wrong = await client.get(DOCUMENT, headers={"Authorization": f"Bearer {TOKEN}x"})
    assert refused.status_code == wrong.status_code == 401
    assert refused.headers["WWW-Authenticate"] == 'Bearer realm="cni-notifier"'
    assert 'error="invalid_token"' in wrong.headers["WWW-Authenticate"]
    assert refused.headers["Content-Type"] == wrong.headers["Content-Type"] == "application/problem+json"
    assert refused.json()["status"] == 401
    assert TOKEN not in refused.text + wrong.text


@pytest.mark.parametrize(
    "shown", ["Bearer", "Bearer ", "Basic eDp5", "Bearer é", f"Token {TOKEN}", f"Bearer {TOKEN[:-1]}"]
)
async def test_nothing_but_the_token_is_taken_for_it(shown: str, behind: Backing) -> None:
    async with asking(behind) as client:
        answer = await client.get(DOCUMENT, headers={b"Authorization": shown.encode()})
    assert answer.status_code == 401


async def test_health_is_told_to_everybody_by_whatever_name(behind: Backing) -> None:
    async with asking(behind, host="replica-1") as client:
        assert (await client.get("/livez")).status_code == 200
        assert (await client.get("/readyz")).status_code == 200


async def test_another_token_counts_from_the_reload_on(behind: Backing) -> None:
    async with asking(behind) as client:
        await logs_in(client)
        behind.rules = Rules(token="another-token-3c4d")
        assert not await sees(client, **BEARER)
        assert not await sees(client)  # the session was signed with the other
        assert await sees(client, Authorization="Bearer another-token-3c4d")


# --- People -------------------------------------------------------------------------------------------------


async def test_who_comes_without_a_session_is_sent_to_the_form_and_back(behind: Backing) -> None:
    async with asking(behind) as client:
        sent = await client.get("/interconnects/a/b?days=30", headers=BROWSER)
        assert sent.status_code == 303
        assert sent.headers["Location"] == "/login?next=/interconnects/a/b%3Fdays%3D30"
        form = await client.get(sent.headers["Location"])
        assert form.status_code == 200
        assert 'value="/interconnects/a/b?days=30"' in form.text
        back = await logs_in(client, then="/interconnects/a/b?days=30")
        assert back.status_code == 303
        assert back.headers["Location"] == "/interconnects/a/b?days=30"
        assert await sees(client)


@pytest.mark.parametrize(
    "then", ["https://evil.example/", "//evil.example", "/\\evil.example", "evil", "", "/a\nb", "/a b"]
)
async def test_nobody_is_sent_to_another_site(then: str, behind: Backing) -> None:
    async with asking(behind) as client:
        assert (await logs_in(client, then=then)).headers["Location"] == "/"


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites_and_ends(
    behind: Backing, clock: FakeClock
) -> None:
    async with asking(behind) as client:
        cookie = (await logs_in(client)).headers["Set-Cookie"]
        assert TOKEN not in cookie
        assert {"HttpOnly", "Path=/", "SameSite=lax", "Max-Age=43200"} <= set(cookie.split("; "))
        clock.advance(timedelta(hours=11, minutes=59))
        assert await sees(client)
        clock.advance(timedelta(minutes=2))
        assert not await sees(client)


async def test_over_https_the_cookie_stays_there(behind: Backing) -> None:
    behind.rules = Rules(token=TOKEN, url="https://status.example.net")
    async with asking(behind, host="status.example.net") as client:
        cookie = (await logs_in(client)).headers["Set-Cookie"]
        assert cookie.startswith("__Host-notifier=")
        assert "Secure" in cookie.split("; ")
        assert await sees(client)


@pytest.mark.parametrize("place", [0, 10, -10])
async def test_a_cookie_that_was_tampered_with_opens_nothing(place: int, behind: Backing) -> None:
    async with asking(behind) as client:
        await logs_in(client)
        kept = client.cookies["notifier"]
        at = place % len(kept)
        client.cookies.clear()
        changed = kept[:at] + ("A" if kept[at] != "A" else "B") + kept[at + 1 :]
        client.cookies.set("notifier", changed, domain="localhost.local")
        assert not await sees(client)
        client.cookies.clear()
        client.cookies.set("notifier", kept, domain="localhost.local")
        assert await sees(client)


async def test_who_logs_out_has_to_show_the_token_again(behind: Backing) -> None:
    async with asking(behind) as client:
        await logs_in(client)
        csrf = await csrf_of(client, behind)
        out = await client.post("/logout", data={"csrf": csrf})
        assert (out.status_code, out.headers["Location"]) == (303, "/login")
        assert not await sees(client)


# --- Other sites --------------------------------------------------------------------------------------------


async def csrf_of(client: httpx.AsyncClient, behind: Backing) -> str:
    """Return what a page would put into its forms: the application's own way to it."""
    cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    headers = [(b"cookie", cookies.encode()), (b"host", b"localhost")]
    request = Request({"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": headers})
    assert await Doors(behind).judge(request) is None
    return str(request.scope["asking"].csrf)


ANOTHERS = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost.evil.example"},
    {"Origin": "http://localhost", "Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


@pytest.mark.parametrize("headers", ANOTHERS)
async def test_another_site_can_do_nothing_through_the_browser_of_who_needs_no_token(
    headers: dict[str, str], behind: Backing
) -> None:
    behind.rules = Rules()
    async with asking(behind) as client:
        answer = await client.post(SILENCES, json={}, headers=headers)
    assert answer.status_code == 403
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("headers", [{}, {"Origin": "http://localhost"}, {"Sec-Fetch-Site": "same-origin"}])
async def test_the_page_itself_and_programs_can(headers: dict[str, str], behind: Backing) -> None:
    behind.rules = Rules()
    async with asking(behind) as client:
        answer = await client.post(SILENCES, json={}, headers=headers)
    assert answer.status_code == 422  # it got as far as being read


async def test_an_act_with_a_cookie_needs_the_pages_own_token_too(behind: Backing) -> None:
    async with asking(behind) as client, asking(behind) as other:
        await logs_in(client)
        await logs_in(other)
        csrf, others = await csrf_of(client, behind), await csrf_of(other, behind)
        without = await client.post(SILENCES, json={})
        wrong = await client.post(SILENCES, json={}, headers={"X-CSRF-Token": csrf + "x"})
        stolen = await client.post(SILENCES, json={}, headers={"X-CSRF-Token": others})
        elsewhere = await client.post(
            SILENCES, json={}, headers={"X-CSRF-Token": csrf, "Origin": "https://evil.example"}
        )
        meant = await client.post(SILENCES, json={}, headers={"X-CSRF-Token": csrf})
        form = await client.post("/logout", data={"csrf": csrf})
    assert [a.status_code for a in (without, wrong, stolen, elsewhere)] == [403] * 4
    assert meant.status_code == 422
    assert form.status_code == 303


async def test_a_program_with_the_token_needs_no_other(behind: Backing) -> None:
    async with asking(behind, host="replica-1") as client:
        headers = BEARER | {"Origin": "https://tool.example"}
        assert (await client.post(SILENCES, json={}, headers=headers)).status_code == 422


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "notifier", ""])
async def test_by_a_name_that_is_not_its_own_it_is_not_asked(host: str, behind: Backing) -> None:
    behind.rules = Rules()
    async with asking(behind) as client:
        answer = await client.get(DOCUMENT, headers={"Host": host})
        assert answer.status_code == 421
        assert "web.url" in answer.json()["detail"]
        assert (await client.get("/", headers={"Host": host})).status_code == 421


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8080", "127.0.0.1:8080", "[::1]:8080", "10.1.2.3", "status.example.net:8443"]
)
async def test_by_its_own_names_and_by_addresses_it_is(host: str, behind: Backing) -> None:
    behind.rules = Rules(url="http://status.example.net")
    async with asking(behind) as client:
        assert (await client.get(DOCUMENT, headers={"Host": host})).status_code == 200


# --- Wrong tokens -------------------------------------------------------------------------------------------


async def test_who_tries_many_wrong_tokens_has_to_wait_and_nobody_else(behind: Backing, clock: FakeClock) -> None:
    async with asking(behind) as guesser, asking(behind, address="192.0.2.8") as other:
        answers = [await logs_in(guesser, f"guess-{number}") for number in range(1000)]
        assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 990
        assert int(answers[-1].headers["Retry-After"]) <= 6
        assert "Too many wrong tokens" in answers[-1].text
        assert (await logs_in(guesser)).status_code == 429
        assert (await logs_in(other)).status_code == 303
        assert await sees(guesser, **BEARER)  # who has it is never kept out
        clock.advance(timedelta(seconds=7))
        assert (await logs_in(guesser)).status_code == 303


async def test_wrong_tokens_of_programs_count_as_well(behind: Backing) -> None:
    wrong = {"Authorization": "Bearer guess"}
    async with asking(behind) as client:
        codes = [(await client.get(DOCUMENT, headers=wrong)).status_code for _ in range(12)]
        assert codes == [401] * 10 + [429] * 2
        assert (await logs_in(client)).status_code == 429


async def test_who_was_in_before_is_not_kept_out_by_a_guesser_at_the_same_address(
    behind: Backing, clock: FakeClock
) -> None:
    async with asking(behind) as operator, asking(behind) as guesser:
        await logs_in(operator)
        clock.advance(timedelta(days=3))
        for number in range(50):
            await logs_in(guesser, f"guess-{number}")
        assert (await logs_in(guesser)).status_code == 429
        assert (await logs_in(operator)).status_code == 303


async def test_a_whole_network_of_guessers_takes_no_more_memory_than_a_few(clock: FakeClock) -> None:
    tries = Tries(clock.now)
    for number in range(5000):
        tries.wrong(f"address-{number}")
    assert len(tries._even) == 1000
    assert tries.wait("address-4999") is None


# --- Everybody ----------------------------------------------------------------------------------------------

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}


@pytest.mark.parametrize("path", ["/livez", "/login", "/nowhere", DOCUMENT, "/api/nowhere"])
async def test_every_answer_keeps_a_browser_from_being_misled(path: str, behind: Backing) -> None:
    behind.rules = Rules()
    async with asking(behind) as client:
        answer = await client.get(path)
    policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
    assert (policy["default-src"], policy["frame-ancestors"], policy["script-src"]) == ("'none'", "'none'", "'self'")
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert "Cache-Control" in answer.headers


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_large_body_is_refused_before_it_is_read(chunked: bool, behind: Backing) -> None:  # noqa: FBT001 - a case
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield b"x" * 10240

    async with asking(behind) as client:
        body = parts() if chunked else b"x" * (64 * 1024 + 1)
        answer = await client.post(SILENCES, content=body, headers=BEARER)
        fits = await client.post(SILENCES, content=b"x" * (64 * 1024), headers=BEARER)
    assert answer.status_code == 413
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert fits.status_code == 422
