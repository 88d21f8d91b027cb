"""The simulated API without a socket: what each request is answered, and why."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from notifier.simulator import Asked, Fault, LastPage, Limit, World, faults
from notifier.simulator.answers import Answer
from notifier.simulator.asking import ask

FIXTURES = Path(__file__).parent.parent / "fixtures" / "cloudflare"
ID = "023e105f4ecef8ad9ca31a8372d0c353"
CNI = f"/client/v4/accounts/{ID}/cni/interconnects"
STATUS = f"{CNI}/icon-ams-01/status"
BEARER = {"Authorization": "Bearer good"}


def fixture(name: str) -> Any:
    return json.loads((FIXTURES / name).read_text())


@pytest.fixture
def world() -> World:
    world = World()
    account = world.account(ID, token="good")
    account.link("icon-ams-01", site="ams-a", facility="Equinix AM7", speed="100G")
    account.link("icon-gcp-01", region="us-east4", type="gcp_partner", speed="1G")
    return world


def answer(world: World, path: str, headers: dict[str, str] = BEARER, now: float = 0.0) -> Answer:
    return ask(world, path, headers, now).answer


def body(world: World, path: str, headers: dict[str, str] = BEARER, now: float = 0.0) -> Any:
    return json.loads(answer(world, path, headers, now).body)


# --- the truth ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "file",
    [
        "status_pending.json",
        "status_healthy.json",
        "status_unhealthy_reason.json",
        "status_unhealthy_no_reason.json",
        "status_down_reason.json",
        "status_down_no_reason.json",
        "status_lowercase_active.json",
    ],
)
def test_a_status_looks_as_recorded(world: World, file: str) -> None:
    recorded = fixture(file)
    world.account(ID).link("icon-ams-01").set(recorded["state"], recorded.get("reason"))
    assert body(world, STATUS) == recorded


def test_a_new_link_is_healthy(world: World) -> None:
    assert body(world, STATUS) == {"state": "Healthy"}


@pytest.mark.parametrize(
    ("name", "file"), [("icon-ams-01", "get_physical.json"), ("icon-gcp-01", "get_gcp_partner.json")]
)
def test_a_link_tells_of_itself_in_the_recorded_form(world: World, name: str, file: str) -> None:
    link, recorded = body(world, f"{CNI}/{name}"), fixture(file)
    assert link.keys() == recorded.keys()
    assert {key: type(value) for key, value in link.items()} == {key: type(value) for key, value in recorded.items()}
    assert (link["account"], link["name"]) == (ID, name)


def test_the_listing_has_no_envelope_and_ends_with_a_null(world: World) -> None:
    listing = body(world, CNI)
    assert [item["name"] for item in listing["items"]] == ["icon-ams-01", "icon-gcp-01"]
    assert listing["next"] is None


def test_pages_follow_one_another_until_there_is_no_next(world: World) -> None:
    account = world.account(ID)
    account.page_size = 2
    for number in range(3):
        account.link(f"more-{number}")
    names: list[str] = []
    cursor: int | None = 0
    while cursor is not None:
        page = body(world, f"{CNI}?limit=100&cursor={cursor}")
        names += [item["name"] for item in page["items"]]
        cursor = page["next"]
    assert names == list(account.links)


def test_a_smaller_page_can_be_asked_for(world: World) -> None:
    assert body(world, f"{CNI}?limit=1")["next"] == 1


@pytest.mark.parametrize(
    ("style", "end"), [(LastPage.NULL, {"next": None}), (LastPage.ABSENT, {}), (LastPage.ZERO, {"next": 0})]
)
def test_the_last_page_says_so_in_any_way_the_schema_allows(world: World, style: LastPage, end: dict[str, Any]) -> None:
    world.account(ID).last_page = style
    assert body(world, f"{CNI}?site=nowhere") == {"items": [], **end}


@pytest.mark.parametrize("query", ["site=us-east4", "type=gcp_partner", "site=us-east4&type=gcp_partner"])
def test_a_listing_can_be_narrowed(world: World, query: str) -> None:
    assert [item["name"] for item in body(world, f"{CNI}?{query}")["items"]] == ["icon-gcp-01"]


@pytest.mark.parametrize("query", ["limit=many", "cursor=-1", "limit=1&cursor=x"])
def test_a_listing_can_not_be_asked_for_with_nonsense(world: World, query: str) -> None:
    assert answer(world, f"{CNI}?{query}").status == 400


def test_names_may_hold_anything_percent_encoded(world: World) -> None:
    world.account(ID).link("a b/c?ü").set("Down")
    assert body(world, f"{CNI}/a%20b%2Fc%3F%C3%BC/status") == {"state": "Down"}
    assert world.requests[0].link == "a b/c?ü"


def test_a_removed_link_is_neither_listed_nor_found(world: World) -> None:
    world.account(ID).link("icon-ams-01").remove()
    assert [item["name"] for item in body(world, CNI)["items"]] == ["icon-gcp-01"]
    assert answer(world, STATUS).status == 404


def test_a_name_that_returns_is_another_link(world: World) -> None:
    account = world.account(ID)
    before = body(world, f"{CNI}/icon-ams-01")
    account.link("icon-ams-01", speed="10G")
    assert body(world, f"{CNI}/icon-ams-01") == {**before, "speed": "10G"}
    account.links["icon-ams-01"].remove()
    account.link("icon-ams-01", speed="10G")
    after = body(world, f"{CNI}/icon-ams-01")
    assert after["virtual_port_reservation_id"] != before["virtual_port_reservation_id"]
    assert after["slot_id"] != before["slot_id"]


def test_the_same_world_is_made_the_same_twice() -> None:
    first, second = World().account(ID).link("x"), World().account(ID).link("x")
    assert first.item == second.item


# --- right and limit ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer bad"}, {"X-Auth-Email": "a@b.example"}])
def test_without_the_token_everything_is_forbidden(world: World, headers: dict[str, str]) -> None:
    assert answer(world, STATUS, headers).status == 403
    assert body(world, CNI, headers) == fixture("error_403_10000.json")


def test_an_email_address_and_its_key_open_an_account_too() -> None:
    world = World()
    world.account(ID, email="a@b.example", key="k").link("icon-ams-01")
    assert answer(world, STATUS, {"X-Auth-Email": "a@b.example", "X-Auth-Key": "k"}).status == 200
    assert answer(world, STATUS, {"X-Auth-Email": "a@b.example", "X-Auth-Key": "l"}).status == 403
    assert answer(world, STATUS, BEARER).status == 403


def test_an_account_without_credentials_lets_everybody_in() -> None:
    world = World()
    world.account(ID).link("icon-ams-01")
    assert answer(world, STATUS, {}).status == 200


def test_an_unknown_account_is_no_route(world: World) -> None:
    path = "/client/v4/accounts/bad/cni/interconnects/icon-x/status"
    assert answer(world, path).status == 404
    assert body(world, path) == fixture("error_404_route.json")


@pytest.mark.parametrize(
    "path", ["/", "/client/v4", "/client/v4/zones", f"/accounts/{ID}/cni/interconnects", f"{CNI}/"]
)
def test_there_is_nothing_elsewhere(world: World, path: str) -> None:
    assert answer(world, path).status == 404


def test_a_users_token_is_verified_at_the_user_and_an_accounts_at_the_account() -> None:
    world = World()
    world.account("user-owned", token="good")
    world.account("account-owned", token="cfat_good")
    at_user, at_account = "/client/v4/user/tokens/verify", "/client/v4/accounts/{}/tokens/verify"
    owned = {"Authorization": "Bearer cfat_good"}
    assert body(world, at_user) == fixture("token_verify_user_live.json")
    assert body(world, at_account.format("account-owned"), owned) == fixture("token_verify_user_live.json")
    for path, headers in (
        (at_user, owned),
        (at_user, {"Authorization": "Bearer bad"}),
        (at_account.format("user-owned"), BEARER),
    ):
        assert answer(world, path, headers).status == 401
        assert body(world, path, headers) == fixture("error_401.json")


def test_a_key_can_not_be_verified() -> None:
    world = World()
    world.account(ID, email="a@b.example", key="k")
    found = body(world, "/client/v4/user/tokens/verify", {"X-Auth-Email": "a@b.example", "X-Auth-Key": "k"})
    assert found == fixture("token_verify_key_auth.json")


def test_who_exceeds_the_limit_is_blocked_for_a_whole_period(world: World) -> None:
    world.limit = Limit(3, timedelta(seconds=60))
    told = [answer(world, STATUS, now=now).headers for now in (0.0, 10.0, 20.0)]
    assert [headers["ratelimit"] for headers in told] == [
        '"default";r=2;t=60',
        '"default";r=1;t=50',
        '"default";r=0;t=40',
    ]
    assert told[0]["ratelimit-policy"] == '"default";q=3;w=60'
    assert all("retry-after" not in headers for headers in told)

    blocked = answer(world, STATUS, now=30.2)
    assert (blocked.status, blocked.headers["retry-after"]) == (429, "60")
    assert json.loads(blocked.body) == fixture("error_429.json")
    still = answer(world, CNI, now=89.9)
    assert (still.status, still.headers["retry-after"]) == (429, "1")
    assert answer(world, STATUS, now=90.2).status == 200


def test_the_limit_looks_at_any_window_not_at_fixed_ones(world: World) -> None:
    world.limit = Limit(2, timedelta(seconds=60))
    statuses = [answer(world, STATUS, now=now).status for now in (50.0, 59.0, 61.0)]
    assert statuses == [200, 200, 429]


def test_accounts_of_one_token_share_its_limit_and_others_have_their_own(world: World) -> None:
    world.limit = Limit(1, timedelta(seconds=60))
    world.account("second", token="good").link("x")
    world.account("third", token="other").link("x")
    assert answer(world, STATUS).status == 200
    assert answer(world, "/client/v4/accounts/second/cni/interconnects/x").status == 429
    assert (
        answer(world, "/client/v4/accounts/third/cni/interconnects/x", {"Authorization": "Bearer other"}).status == 200
    )


# --- faults -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "status", "file"),
    [
        (faults.UNAUTHORIZED, 401, "error_401.json"),
        (faults.FORBIDDEN, 403, "error_403_10000.json"),
        (faults.IP_FILTER, 403, "error_403_ip_filter.json"),
        (faults.rate_limited(), 429, "error_429.json"),
        (faults.SUCCESS_FALSE, 200, "status_200_success_false.json"),
    ],
)
def test_a_fault_answers_as_recorded(world: World, fault: Fault, status: int, file: str) -> None:
    world.account(ID).fault(fault)
    assert answer(world, STATUS).status == status
    assert body(world, STATUS) == fixture(file)


def test_a_truth_in_an_envelope_is_hidden_in_its_result(world: World) -> None:
    world.account(ID).link("icon-ams-01").set("Down", "x")
    world.account(ID).fault(faults.ENVELOPE)
    assert body(world, STATUS) == fixture("status_wrong_envelope.json")


def test_a_truncated_answer_is_still_called_json(world: World) -> None:
    world.account(ID).fault(faults.TRUNCATED)
    found = answer(world, STATUS)
    assert (found.status, found.headers["content-type"]) == (200, "application/json")
    with pytest.raises(ValueError, match="Unterminated"):
        json.loads(found.body)


def test_every_other_answer_can_be_given(world: World) -> None:
    link = world.account(ID).link("icon-ams-01")
    for fault in (
        faults.rate_limited(120),
        faults.server_error(502),
        faults.HTML,
        faults.NOT_FOUND,
        faults.redirect("http://127.0.0.1/else"),
        faults.oversized(1000),
        faults.answering({"state": None}),
        faults.answering("teapot", 418, content_type="text/plain"),
    ):
        link.fault(fault, times=1)
    found = [answer(world, STATUS) for _ in range(8)]
    assert [one.status for one in found] == [429, 502, 200, 404, 302, 200, 200, 418]
    assert found[0].headers["retry-after"] == "120"
    assert found[1].headers["content-type"] == found[2].headers["content-type"] == "text/html"
    assert found[3].body == b""
    assert found[4].headers["location"] == "http://127.0.0.1/else"
    assert len(found[5].body) > 1000
    assert found[6].body == b'{"state":null}'
    assert (found[7].body, found[7].headers["content-type"]) == (b"teapot", "text/plain")


def test_a_fault_ends_after_its_number_of_answers_and_the_next_one_begins(world: World) -> None:
    link = world.account(ID).link("icon-ams-01")
    link.fault(faults.server_error(500), times=2)
    link.fault(faults.FORBIDDEN, times=1)
    assert [answer(world, STATUS).status for _ in range(4)] == [500, 500, 403, 200]


def test_a_fault_without_a_number_lasts_until_it_is_healed(world: World) -> None:
    link = world.account(ID).link("icon-ams-01")
    link.fault(faults.FORBIDDEN)
    assert {answer(world, STATUS).status for _ in range(20)} == {403}
    link.heal()
    assert answer(world, STATUS).status == 200


def test_a_links_fault_is_its_own(world: World) -> None:
    world.account(ID).link("icon-ams-01").fault(faults.FORBIDDEN)
    assert answer(world, f"{CNI}/icon-gcp-01/status").status == 200
    assert answer(world, CNI).status == 200


def test_a_listings_fault_spares_the_links(world: World) -> None:
    world.account(ID).listing.add(faults.server_error())
    assert answer(world, CNI).status == 500
    assert answer(world, STATUS).status == 200


def test_an_accounts_fault_goes_before_its_links_faults(world: World) -> None:
    account = world.account(ID)
    account.link("icon-ams-01").fault(faults.NOT_FOUND, times=1)
    account.fault(faults.FORBIDDEN, times=1)
    assert [answer(world, STATUS).status for _ in range(3)] == [403, 404, 200]


def test_healing_an_account_heals_all_of_it(world: World) -> None:
    account = world.account(ID)
    account.fault(faults.FORBIDDEN)
    account.listing.add(faults.FORBIDDEN)
    account.link("icon-ams-01").fault(faults.FORBIDDEN)
    account.heal()
    assert {answer(world, path).status for path in (CNI, STATUS)} == {200}


def test_a_fault_can_not_be_had_without_the_token(world: World) -> None:
    world.account(ID).fault(faults.server_error())
    assert answer(world, STATUS, {}).status == 403


# --- the journal --------------------------------------------------------------------------------------------


def test_every_request_is_kept_with_what_came_of_it(world: World) -> None:
    world.account(ID).link("icon-gcp-01").fault(faults.RESET)
    for now, path in enumerate([CNI, STATUS, f"{CNI}/icon-gcp-01/status", f"{CNI}/no-such", "/client/v4/zones"]):
        answer(world, path, now=float(now))
    assert [tuple(request) for request in world.requests] == [
        (0.0, Asked.LISTING, ID, None, 200, None, ""),
        (1.0, Asked.STATUS, ID, "icon-ams-01", 200, "Healthy", ""),
        (2.0, Asked.STATUS, ID, "icon-gcp-01", None, None, ""),
        (3.0, Asked.LINK, ID, "no-such", 404, None, ""),
        (4.0, Asked.ELSE, None, None, 404, None, ""),
    ]
    assert [request.at for request in world.requests.of(link="icon-ams-01")] == [1.0]
    assert [request.at for request in world.requests.of(account=ID, asked=Asked.LISTING)] == [0.0]
    world.requests.clear()
    assert (list(world.requests), world.requests.total) == ([], 0)


def test_requests_are_counted_by_second_and_in_any_window(world: World) -> None:
    for now in (0.5, 0.9, 1.1, 1.3, 5.0):
        answer(world, STATUS, now=now)
    assert world.requests.by_second() == {0: 2, 1: 2, 5: 1}
    assert world.requests.most_within(1) == 4
    assert world.requests.most_within(0.5) == 3


def test_a_description_holds_no_credential(world: World) -> None:
    world.account("second", email="a@b.example", key="keyed")
    told = json.dumps(world.described())
    assert "icon-ams-01" in told
    assert "good" not in told
    assert "keyed" not in told
