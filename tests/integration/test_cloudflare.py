"""What each answer of Cloudflare means: every recorded body, served by a real server."""

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from notifier.adapters.cloudflare import CloudflareApi
from notifier.domain.budget import RequestBudget
from notifier.domain.interconnect import Interconnect
from notifier.domain.observation import Cause, CauseKind, Seen, Sight, Unseen
from notifier.ports import Listed
from tests.support.cloudflare_server import ACCOUNT, MANIFEST, Answer, SetClock, asking, replay, say, serving

PERMISSIONS = ("Magic WAN Read", "Magic WAN Write", "Magic Transit Read", "Magic Transit Write")

STATUSES = {
    "status_pending.json": Seen("Pending"),
    "status_healthy.json": Seen("Healthy"),
    "status_unhealthy_reason.json": Seen(
        "Unhealthy", "link down: no light received on interconnect port (rx power below -20 dBm)"
    ),
    "status_unhealthy_no_reason.json": Seen("Unhealthy"),
    "status_unhealthy_null_reason.json": Seen("Unhealthy"),
    "status_down_reason.json": Seen("Down", "port operationally down"),
    "status_down_no_reason.json": Seen("Down"),
    "status_down_null_reason.json": Seen("Down"),
    "status_unknown_future.json": Seen("Maintenance", "scheduled"),
    "status_lowercase_active.json": Seen("active"),
}
MALFORMED_STATUSES = {
    "status_missing_state.json": "it has no state",
    "status_wrong_envelope.json": "an envelope stands around it, with no state",
    "status_200_success_false.json": "it says success: false",
}
LISTINGS = {
    "list_docs_verbatim.json": ["name"],
    "list_page1.json": ["icon-gru-01", "icon-gru-02"],
    "list_page2.json": ["icon-ams-01", "icon-gcp-01"],
    "list_page_last_next_absent.json": [],
    "list_old_schema.json": ["icon-gru-01"],
}
ERRORS = {
    "error_400_header_format.json": (CauseKind.REFUSED, "400 from Cloudflare (6003 ", "token"),
    "error_400_key_format.json": (CauseKind.REFUSED, "400 from Cloudflare (6003 ", "key"),
    "error_400_account_token_on_accounts.json": (CauseKind.MALFORMED, "400 from Cloudflare (1001 ", None),
    "error_401.json": (CauseKind.REFUSED, "401 from Cloudflare (1000 Invalid API Token)", "Magic WAN Read"),
    "error_403_10000.json": (CauseKind.REFUSED, "403 from Cloudflare (10000 ", "Magic WAN Read"),
    "error_403_ip_filter.json": (CauseKind.REFUSED, "403 from Cloudflare (9109 ", "IP address filter"),
    "error_403_unauthorized_resource.json": (
        CauseKind.REFUSED,
        "403 from Cloudflare (9109 ",
        "Magic WAN Read",
    ),
    "error_404_route.json": (CauseKind.WRONG_ACCOUNT, "404 from Cloudflare (7003 ", "accounts[].id"),
    "error_404_empty.txt": (CauseKind.NOT_FOUND, "404 from Cloudflare", "still exists"),
    "error_429.json": (CauseKind.RATE_LIMITED, "429 from Cloudflare, asked to wait 300s", None),
    "error_429_no_headers.json": (CauseKind.RATE_LIMITED, "429 from Cloudflare, waiting 300s", None),
    "error_500.html": (CauseKind.SERVER_ERROR, "500 from Cloudflare", None),
    "error_502.html": (CauseKind.SERVER_ERROR, "502 from Cloudflare", None),
    "error_200_html.html": (CauseKind.MALFORMED, "malformed answer from Cloudflare: expected JSON", None),
    "error_200_truncated_json.txt": (
        CauseKind.MALFORMED,
        "malformed answer from Cloudflare: expected JSON, found something else",
        None,
    ),
}


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")  # the lower-case name wins over the other


async def status_of(*answers: Answer) -> Sight:
    async with serving(*answers) as server, asking(server.url) as api:
        return await api.status("icon-gru-01")


async def listing_of(*answers: Answer) -> Listed | Unseen:
    async with serving(*answers) as server, asking(server.url) as api:
        return await api.listing()


def cause_of(sight: Any) -> Cause:
    assert isinstance(sight, Unseen)
    return sight.cause


def links_of(listing: Listed | Unseen) -> tuple[Interconnect, ...]:
    assert isinstance(listing, Listed)
    return listing.interconnects


def page(*names: str, next_: Any = None) -> Answer:
    return say(200, {"items": [{"name": name} for name in names], "next": next_})


def test_every_recorded_answer_has_an_expected_outcome() -> None:
    ours = {file for file, entry in MANIFEST.items() if entry["path"] is None or "/cni/interconnects" in entry["path"]}
    single = {"get_docs_verbatim.json", "get_physical.json", "get_gcp_partner.json"}  # a call we never make
    assert STATUSES.keys() | MALFORMED_STATUSES.keys() | LISTINGS.keys() | ERRORS.keys() | single == ours


# --- a status -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("file", "seen"), STATUSES.items())
async def test_a_status_is_kept_as_it_came(file: str, seen: Seen) -> None:
    assert await status_of(replay(file)) == seen


@pytest.mark.parametrize(("file", "found"), MALFORMED_STATUSES.items())
async def test_a_body_without_a_state_is_not_seen(file: str, found: str) -> None:
    cause = cause_of(await status_of(replay(file)))
    assert (cause.kind, cause.text) == (
        CauseKind.MALFORMED,
        f"malformed answer from Cloudflare: {found}",
    )


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ('{"state": null}', "its state is null"),
        ('{"state": 1}', "its state is a number"),
        ('{"state": true}', "its state is true or false"),
        ('{"state": {"state": "Healthy"}}', "its state is an object"),
        ('{"state": ["Healthy"]}', "its state is a list"),
        ('{"state": ""}', "its state is no word"),
        ('{"state": "  "}', "its state is no word"),
        ('{"state": "Down\\u0000"}', "its state is no word"),
        ('{"state": "\\ud800"}', "its state is no word"),
        (json.dumps({"state": "x" * 101}), "its state is no word"),
        ('{"state": "Healthy", "success": false}', "it says success: false"),
        ("[]", "expected an object, found a list"),
        ('"Healthy"', "expected an object, found a string"),
        ("null", "expected an object, found null"),
        ("", "expected JSON, found nothing"),
        (b"\xff\xfe\xfa", "expected JSON, found something else"),
        ("[" * 50_000, "expected JSON, found something else"),
        ("9" * 50_000, "expected JSON, found something else"),
    ],
)
async def test_anything_but_a_word_for_the_state_is_not_seen(body: str | bytes, found: str) -> None:
    cause = cause_of(await status_of(say(200, body)))
    assert (cause.kind, cause.text) == (CauseKind.MALFORMED, f"malformed answer from Cloudflare: {found}")


@pytest.mark.parametrize("word", ["healthy", "HEALTHY", " Healthy ", "active", "Wartung läuft"])
async def test_an_unknown_word_is_kept_to_the_letter(word: str) -> None:
    assert await status_of(say(200, {"state": word})) == Seen(word)


@pytest.mark.parametrize("reason", [None, "", " ", 7, ["no light"], {"text": "no light"}])
async def test_a_reason_that_is_none_does_not_hide_the_state(reason: Any) -> None:
    assert await status_of(say(200, {"state": "Down", "reason": reason})) == Seen("Down")


async def test_a_reason_is_one_printable_line_of_bounded_length() -> None:
    sight = await status_of(say(200, {"state": "Down", "reason": "a\nb\x00c\ud800" + "x" * 5000}))
    assert isinstance(sight, Seen)
    assert sight.reason is not None
    assert sight.reason.startswith("a b c xxx")
    assert sight.reason.endswith("x…")
    assert len(sight.reason) == 2000


async def test_more_fields_than_we_know_are_no_fault() -> None:
    assert await status_of(say(200, {"state": "Healthy", "since": 1, "messages": []})) == Seen("Healthy")


async def test_an_answer_larger_than_any_status_is_not_seen() -> None:
    cause = cause_of(await status_of(say(200, {"state": "Down", "padding": "x" * 65_536})))
    assert cause.text == "malformed answer from Cloudflare: it is longer than 64 KiB"


# --- a listing ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("file", "names"), LISTINGS.items())
async def test_a_listing_names_every_interconnect(file: str, names: list[str]) -> None:
    last = say(200, {"items": []})
    assert [link.name for link in links_of(await listing_of(replay(file), last))] == names


async def test_a_listing_is_all_its_pages_and_both_kinds_of_links() -> None:
    async with (
        serving(replay("list_page1.json"), replay("list_page2.json")) as server,
        asking(server.url) as api,
    ):
        gru_1, _, _, partner = links_of(await api.listing())
    base = f"/client/v4/accounts/{ACCOUNT}/cni/interconnects"
    assert server.paths == [base, f"{base}?cursor=2"]
    assert gru_1 == Interconnect(
        account=ACCOUNT,
        name="icon-gru-01",
        site="gru-b",
        facility="Equinix SP4",
        speed="10G",
        type="direct",
        reservation="5d1c7a70-0000-4000-8000-000000000001",
    )
    assert partner == Interconnect(
        account=ACCOUNT,
        name="icon-gcp-01",
        site="us-east4",
        speed="1G",
        type="gcp_partner",
        reservation="5d1c7a70-0000-4000-8000-000000000004",
    )


async def test_a_link_of_the_older_schema_is_known_by_its_slot() -> None:
    (link,) = links_of(await listing_of(replay("list_old_schema.json")))
    assert link.reservation == "182bd5e5-6e1a-4fe4-a799-aa6d9a6ab201"


async def test_only_a_name_is_required_and_fields_of_another_type_are_nothing() -> None:
    odd = {"name": "icon", "site": 7, "facility": "x", "speed": None, "type": [], "slot_id": {}}
    (link,) = links_of(await listing_of(say(200, {"items": [odd]})))
    assert link == Interconnect(account=ACCOUNT, name="icon")


async def test_a_name_listed_twice_counts_once() -> None:
    links = links_of(await listing_of(page("a", "b", next_=2), page("b", "c")))
    assert [link.name for link in links] == ["a", "b", "c"]


@pytest.mark.parametrize("name", [None, 7, "", "  ", "a\x00b", "\ud800", "x" * 256])
async def test_an_item_without_a_proper_name_spoils_the_listing(name: Any) -> None:
    cause = cause_of(await listing_of(say(200, {"items": [{"name": "icon"}, {"name": name}]})))
    assert cause.kind is CauseKind.MALFORMED
    assert "without a proper name" in cause.text


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ('{"success": true, "result": [], "errors": []}', "an envelope stands around it, with no items"),
        ('{"success": true, "result": {"items": []}}', "an envelope stands around it, with no items"),
        ('{"success": false, "items": []}', "it says success: false"),
        ('{"items": null}', "its items is null"),
        ('{"items": {}}', "its items is an object"),
        ('{"items": ["icon"]}', "it lists an interconnect without a proper name"),
        ('{"items": [], "next": "2"}', "its next is a string"),
        ('{"items": [], "next": true}', "its next is true or false"),
        ("{}", "it has no items"),
        ("[]", "expected an object, found a list"),
    ],
)
async def test_what_is_no_listing_is_never_read_as_no_interconnects(body: str, found: str) -> None:
    cause = cause_of(await listing_of(say(200, body)))
    assert (cause.kind, cause.text) == (CauseKind.MALFORMED, f"malformed answer from Cloudflare: {found}")


@pytest.mark.parametrize("end", [{}, {"next": None}, {"next": 0}])
async def test_no_cursor_null_and_zero_end_a_listing(end: dict[str, Any]) -> None:
    assert links_of(await listing_of(say(200, {"items": [], **end}))) == ()


async def test_a_listing_of_which_a_page_failed_is_none() -> None:
    assert cause_of(await listing_of(page("a", next_=2), say(502))).kind is CauseKind.SERVER_ERROR


async def test_a_listing_that_goes_round_in_circles_is_refused() -> None:
    async with (
        serving(page("a", next_=2), page("b", next_=3), page("c", next_=2)) as server,
        asking(server.url) as api,
    ):
        assert "no end" in cause_of(await api.listing()).text
    assert len(server.requests) == 3


async def test_a_listing_without_an_end_is_refused() -> None:
    pages = [page("a", next_=cursor) for cursor in range(1, 200)]
    async with serving(*pages) as server, asking(server.url) as api:
        assert "no end" in cause_of(await api.listing()).text
    assert len(server.requests) == 100


async def test_r32_a_listing_for_which_the_budget_was_too_small_goes_on_where_it_was_broken_off() -> None:
    budget, clock = RequestBudget(2, timedelta(minutes=1)), SetClock()
    pages = [page("a", next_=1), page("b", next_=2), page("c", next_=3), page("d", next_=4), page("e")]
    async with serving(*pages) as server, asking(server.url, budget=budget, clock=clock) as api:
        for _ in range(2):
            assert cause_of(await api.listing()).kind is CauseKind.OVER_BUDGET
            clock.at += timedelta(minutes=1)
        assert [link.name for link in links_of(await api.listing())] == ["a", "b", "c", "d", "e"]
    assert len(server.requests) == 5


async def test_a_listing_that_failed_otherwise_begins_anew() -> None:
    async with (
        serving(page("a", next_=2), say(502), page("b", next_=2), page("c")) as server,
        asking(server.url) as api,
    ):
        assert cause_of(await api.listing()).kind is CauseKind.SERVER_ERROR
        assert [link.name for link in links_of(await api.listing())] == ["b", "c"]


async def test_a_page_may_be_large_but_not_endless() -> None:
    names = [f"icon-{number:05}" for number in range(3000)]
    assert len(links_of(await listing_of(page(*names)))) == 3000
    cause = cause_of(await listing_of(say(200, b" " * (8 * 1024 * 1024 + 1))))
    assert cause.text == "malformed answer from Cloudflare: it is longer than 8192 KiB"


# --- refusals -----------------------------------------------------------------------------------------------


async def ask_status(api: CloudflareApi) -> Any:
    return await api.status("icon-gru-01")


async def ask_listing(api: CloudflareApi) -> Any:
    return await api.listing()


async def ask_permission(api: CloudflareApi) -> Any:
    return await api.permission()


QUESTIONS = [ask_status, ask_listing, ask_permission]
Question = Callable[[CloudflareApi], Awaitable[Any]]


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize(("file", "expected"), ERRORS.items())
async def test_an_error_says_what_happened_and_what_to_do(
    file: str, expected: tuple[CauseKind, str, str | None], question: Question
) -> None:
    kind, text, remedy = expected
    async with serving(replay(file)) as server, asking(server.url) as api:
        cause = cause_of(await question(api))
    assert cause.kind is kind
    assert cause.text.startswith(text)
    assert (cause.remedy is None) if remedy is None else (remedy in (cause.remedy or ""))


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refusal_names_each_permission_that_would_do(status: int) -> None:
    cause = cause_of(await status_of(say(status)))
    assert cause.blinds_at_once
    assert all(permission in (cause.remedy or "") for permission in PERMISSIONS)


async def test_a_code_is_only_an_error_among_the_errors() -> None:
    body = {"success": True, "errors": [], "messages": [{"code": 7003, "message": "fine"}]}
    cause = cause_of(await status_of(say(403, body)))
    assert (cause.kind, cause.text) == (CauseKind.REFUSED, "403 from Cloudflare")


@pytest.mark.parametrize("code", [7000, 7003])
@pytest.mark.parametrize("status", [400, 403, 404])
async def test_no_route_means_a_wrong_account_whatever_the_status(status: int, code: int) -> None:
    body = {"success": False, "errors": [{"code": code, "message": "No route for the URI"}]}
    assert cause_of(await listing_of(say(status, body))).kind is CauseKind.WRONG_ACCOUNT


@pytest.mark.parametrize(
    "body",
    [
        '{"errors": null}',
        '{"errors": "no"}',
        '{"errors": ["no", null, {}, {"code": "7003"}]}',
        "[]",
        "[" * 50_000,
        b"\xff" * 100_000,
    ],
)
async def test_an_error_body_of_any_shape_is_survived(body: str | bytes) -> None:
    assert cause_of(await status_of(say(403, body))).text == "403 from Cloudflare"


async def test_cloudflares_words_are_one_short_line() -> None:
    body = {"errors": [{"code": 1000, "message": "a\r\nb\x1b[31m" + "x" * 500}]}
    text = cause_of(await status_of(say(403, body))).text
    assert text.startswith("403 from Cloudflare (1000 a  b [31mxxx")
    assert text.endswith("x…)")
    assert len(text) < 160


@pytest.mark.parametrize("status", [301, 302, 303, 304, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    async with serving(say(200, {"state": "Healthy"})) as elsewhere:
        async with serving(say(status, location=elsewhere.url)) as server, asking(server.url) as api:
            cause = cause_of(await api.status("icon"))
        assert (cause.kind, cause.text) == (CauseKind.REDIRECTED, f"{status} from Cloudflare")
        assert elsewhere.requests == []


async def test_one_listing_of_one_proves_the_permission() -> None:
    async with serving(replay("list_page1.json")) as server, asking(server.url) as api:
        assert await api.permission() is None
    assert server.paths == [f"/client/v4/accounts/{ACCOUNT}/cni/interconnects?limit=1"]
