"""The API: what it shows, what it lets do, and how it says that something went wrong."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from notifier.adapters.database.database import SqlDatabase
from notifier.adapters.web import App, Rules
from notifier.domain.health import Vital
from tests.support.asked import backing
from tests.support.examples import ACCOUNT
from tests.support.receivers import HttpReceiver, Say
from tests.support.scenes import KEY, NAME, SITE_KEY, down, noc, titles
from tests.support.stage import Stage

pytestmark = pytest.mark.slow

ACK = f"/incidents/{KEY}/acknowledgement"


@asynccontextmanager
async def asking(stage: Stage, rules: Rules | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """Ask the API of the service on the stage."""
    ailing = {Vital.DELIVERIES: "a delivery is due for 6m and was not sent"}
    app = App(backing(stage.beside, stage.clock, rules=rules, ailments=lambda: ailing))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost/api/v1") as client:
        yield client


@asynccontextmanager
async def alone(database: SqlDatabase | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """Ask the API where there is no service, and no database unless one is given."""
    transport = httpx.ASGITransport(App(backing(database)))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost/api/v1") as client:
        yield client


async def got(client: httpx.AsyncClient, path: str, **query: Any) -> Any:
    answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def names(client: httpx.AsyncClient, **query: Any) -> list[str]:
    return [link["name"] for link in (await got(client, "/interconnects", **query))["items"]]


# --- Looking ------------------------------------------------------------------------------------------------


async def test_the_overview_tells_sites_what_is_open_and_the_notifiers_own_troubles(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    stage.link("icon-ams-02")
    async with stage.at_work(**noc(http_receiver)), asking(stage) as client:
        await down(stage)
        seen = await got(client, "/overview")
        accounts = await got(client, "/accounts")
    (account,) = seen["accounts"]
    assert (account["account"], account["account_name"], account["watched"]) == (ACCOUNT, "production", 2)
    assert account["sites"] == [
        {"name": "ams-a", "watched": 2, "healthy": 1, "lost": False, "blind": 0, "problems": [NAME]}
    ]
    (incident,) = seen["incidents"]
    assert (incident["key"], incident["severity"], incident["closed_at"]) == (KEY, "critical", None)
    assert [(t["channel"], t["outcome"], t["attempts"][0]["code"]) for t in incident["tellings"]] == [
        ("noc", "sent", 200)
    ]
    assert seen["open_incidents"] == 1
    assert seen["ailments"] == {"deliveries": "a delivery is due for 6m and was not sent"}
    assert accounts == {"items": seen["accounts"], "next": None}


async def test_interconnects_are_filtered_and_come_page_by_page(stage: Stage, http_receiver: HttpReceiver) -> None:
    for number in range(1, 6):
        stage.link(f"icon-fra-0{number}", site=f"fra-{number % 2}")
    async with stage.at_work(**noc(http_receiver)), asking(stage) as client:
        await down(stage)
        assert await names(client, name="icon-fra-*", site="fra-1") == ["icon-fra-01", "icon-fra-03", "icon-fra-05"]
        assert await names(client, status="Down") == await names(client, problem=True) == [NAME]
        assert await names(client, account="production", blind=True) == []
        assert len(await names(client, account=ACCOUNT)) == 6
        assert await names(client, account="another") == []
        first = await client.get("/interconnects", params={"limit": 4, "problem": False})
        rest = await client.get(f"/interconnects{first.headers['Link'].split('>')[0].removeprefix('<')}")
        assert [link["name"] for link in (*first.json()["items"], *rest.json()["items"])] == [
            f"icon-fra-0{number}" for number in range(1, 6)
        ]
        assert rest.json()["next"] is None
        assert "Link" not in rest.headers
        for path in ("/interconnects", "/transitions"):
            assert (await client.get(path, params={"after": "x"})).status_code == 422


async def test_an_interconnect_shows_what_is_believed_of_it_and_what_happened(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    strange = stage.link("icon/with a slash")
    async with stage.at_work(**noc(http_receiver)), asking(stage) as client:
        await down(stage)
        link = await got(client, f"/interconnects/production/{NAME}")
        history = await got(client, f"/interconnects/{ACCOUNT}/{NAME}/history", limit=100)
        assert (await got(client, f"/interconnects/{ACCOUNT}/{strange.name}"))["name"] == strange.name
        missing = await client.get(f"/interconnects/{ACCOUNT}/icon-nowhere")
    assert (link["status"], link["reason"], link["site"], link["incident"]) == ("Down", "no light", "ams-a", KEY)
    assert datetime.fromisoformat(link["since"]).tzinfo is not None
    kinds = [entry["kind"] for entry in history["items"]]
    assert kinds.count("transition") == 2
    assert "observation" in kinds
    assert missing.status_code == 404
    assert missing.json() == {
        "title": "Not Found",
        "status": 404,
        "detail": f"no interconnect icon-nowhere of account {ACCOUNT} was ever watched",
    }


async def test_incidents_transitions_and_deliveries_are_listed(stage: Stage, http_receiver: HttpReceiver) -> None:
    async with stage.at_work(**noc(http_receiver)), asking(stage) as client:
        await down(stage)
        (incident,) = (await got(client, "/incidents", open=True))["items"]
        assert incident["key"] == KEY
        assert (await got(client, "/incidents", open=False))["items"] == []
        assert (await got(client, f"/incidents/{KEY}"))["tellings"][0]["channel"] == "noc"
        transitions = (await got(client, "/transitions", name="icon-*", limit=1))["items"]
        assert [t["after"] for t in transitions] == ["Down"]
        (delivery,) = (await got(client, "/deliveries", account="production"))["items"]
        assert (delivery["channel"], delivery["outcome"], delivery["attempts"]) == ("noc", "sent", 1)
        assert (await got(client, f"/deliveries/{delivery['id']}"))["attempts"][0]["code"] == 200
        assert (await client.get("/deliveries/999")).status_code == 404
        assert (await client.get("/incidents/cni:none")).status_code == 404


async def test_who_has_an_answer_already_is_told_so_until_it_changes(stage: Stage, http_receiver: HttpReceiver) -> None:
    async with stage.at_work(**noc(http_receiver)), asking(stage) as client:
        await stage.polls(stage.link(), "Healthy")
        for path in ("/overview", "/transitions", f"/interconnects/{ACCOUNT}/{NAME}", "/silences"):
            first = await client.get(path)
            again = await client.get(path, headers={"If-None-Match": f'"other", W/{first.headers["ETag"]}'})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["ETag"] == first.headers["ETag"]
            assert first.headers["Cache-Control"] == "private, no-cache"
        before = await client.get("/transitions")
        await stage.polls(stage.link(), "Down", "Down")
        after = await client.get("/transitions", headers={"If-None-Match": before.headers["ETag"]})
        assert after.status_code == 200
        head = await client.head("/transitions")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["ETag"] == after.headers["ETag"]


# --- Acting -------------------------------------------------------------------------------------------------


async def test_an_incident_is_taken_in_hand_and_given_back_as_by_the_commands(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    stage.more = {"routes": [{"channels": ["noc"], "escalate": {"after": "15m", "channels": ["boss"]}}]}
    channels = noc(http_receiver) | noc(http_receiver, "boss")
    async with stage.at_work(**channels), asking(stage) as client:
        await down(stage)
        told = titles(http_receiver, "boss")
        taken = await client.post(ACK, json={"by": "anna", "comment": "calling", "for": "8h", "sticky": True})
        assert taken.status_code == 200
        until = stage.clock.now() + timedelta(hours=8)
        assert taken.json()["acknowledgement"]["by"] == "anna"
        assert datetime.fromisoformat(taken.json()["acknowledgement"]["until"]) == until
        assert (await got(client, "/overview"))["incidents"][0]["acknowledgement"]["sticky"] is True
        await stage.advance(3600, step=300)
        assert titles(http_receiver, "boss") == told == []
        back = await client.delete(ACK, params={"by": "bob", "comment": "not mine"})
        assert back.json()["acknowledgement"] is None
        await stage.advance(5)
        assert len(titles(http_receiver, "boss")) == 1
        again = await client.delete(ACK, params={"by": "bob"})
        assert again.status_code == 409
        assert "is not acknowledged" in again.json()["detail"]
        done = (await got(client, "/acts"))["items"]
    assert [(act["act"], act["by"], act["target"], act["comment"]) for act in done] == [
        ("unack", "bob", KEY, "not mine"),
        ("ack", "anna", KEY, "calling"),
    ]


async def test_an_incident_that_is_over_or_unknown_is_in_nobodys_hands(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    async with stage.at_work(**noc(http_receiver)), asking(stage) as client:
        await down(stage)
        await stage.polls(stage.link(), "Healthy", "Healthy", "Healthy")
        over = await client.post(ACK, json={"by": "anna"})
        unknown = await client.post(f"/incidents/{SITE_KEY}/acknowledgement", json={"by": "anna"})
    assert (over.status_code, unknown.status_code) == (409, 404)
    assert "ended at" in over.json()["detail"]


async def test_a_silence_keeps_messages_back_until_it_is_over(stage: Stage, http_receiver: HttpReceiver) -> None:
    async with stage.at_work(**noc(http_receiver)), asking(stage) as client:
        await stage.polls(stage.link(), "Healthy")
        asked = {"accounts": ["production"], "names": ["icon-*"], "for": "2h", "by": "anna", "comment": "works"}
        made = await client.post("/silences", json=asked)
        assert made.status_code == 201, made.text
        silence = made.json()
        assert (silence["accounts"], silence["covered"], silence["by"]) == ([ACCOUNT], [NAME], "anna")
        await stage.polls(stage.link(), "Down", "Down")
        assert titles(http_receiver) == []
        (listed,) = (await got(client, "/silences"))["items"]
        assert listed == {key: value for key, value in silence.items() if key != "covered"}
        ended = await client.delete(f"/silences/{silence['id']}", params={"by": "bob"})
        assert (ended.status_code, ended.content) == (204, b"")
        await stage.advance(5)
        assert len(titles(http_receiver)) == 1
        assert (await got(client, "/silences"))["items"] == []
        assert len((await got(client, "/silences", over=True))["items"]) == 1
        assert (await client.delete(f"/silences/{silence['id']}", params={"by": "bob"})).status_code == 404


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"for": "1h"}, "by"),
        ({"by": "a", "names": ["x"]}, "for how long"),
        ({"by": "a", "for": "1h"}, "what to silence"),
        ({"by": "a", "for": "1h", "names": ["x"], "everything": True}, "what to silence"),
        ({"by": "a", "for": "1h", "until": "2030-01-01T00:00:00Z", "names": ["x"]}, "one of them"),
        ({"by": "a", "until": "2001-01-01T00:00:00Z", "names": ["x"]}, "after"),
        ({"by": "a", "until": "2030-01-01T00:00:00", "names": ["x"]}, "timezone"),
        ({"by": "a", "until": "9999-12-31T23:59:59Z", "names": ["x"]}, "3650d"),
        ({"by": "a", "until": "0001-01-01T00:00:00+14:00", "names": ["x"]}, "UTC"),
        ({"by": "a\nb", "for": "1h", "names": ["x"]}, "pattern"),
        ({"by": "a\x00", "for": "1h", "names": ["x"]}, "pattern"),
        ({"by": "a", "for": "soon", "names": ["x"]}, "pattern"),
        ({"by": "a", "for": "1h", "names": ["x"], "more": 1}, "Extra"),
    ],
)
async def test_a_silence_that_makes_no_sense_is_refused_with_what_is_wrong(asked: dict[str, Any], said: str) -> None:
    async with alone() as client:
        answer = await client.post("/silences", json=asked)
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert said in answer.json()["detail"]


# --- What goes wrong ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("PUT", "/silences", 405),
        ("GET", "/interconnects?limit=501", 422),
        ("GET", "/transitions?since=yesterday", 422),
        ("GET", "/transitions?account=%00", 422),
        ("GET", "/deliveries/99999999999999999999", 422),
        ("POST", "/silences", 422),
    ],
)
async def test_whatever_goes_wrong_is_a_problem_in_json(method: str, path: str, status: int) -> None:
    async with alone() as client:
        answer = await client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert answer.json()["title"]
    assert answer.json()["detail"]


async def test_without_the_database_it_says_so() -> None:
    async with alone(SqlDatabase("postgresql://notifier:hunter2@127.0.0.1:1/notifier")) as client:
        for path in ("/overview", "/transitions", "/silences"):
            answer = await client.get(path)
            assert answer.status_code == 503
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert answer.headers["Retry-After"] == "5"
            assert "hunter2" not in answer.text
        assert (await client.post("/silences", json={"by": "a", "for": "1h", "everything": True})).status_code == 503
        assert (await client.get("/openapi.json")).status_code == 200


# --- Everybody ----------------------------------------------------------------------------------------------


async def test_who_shows_no_token_sees_states_and_times_and_no_words_where_others_may_look(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    http_receiver.usual = Say(status=503, body="a receiver's words")
    async with stage.at_work(**noc(http_receiver)), asking(stage, Rules(token="planted-token", public=True)) as client:
        await down(stage, reason="no light at xe-1/2/3")
        await stage.acknowledge(KEY, minutes=60)
        shown = [
            (await client.get(path)).text
            for path in (
                "/overview",
                "/accounts",
                "/interconnects",
                f"/interconnects/{ACCOUNT}/{NAME}",
                f"/interconnects/{ACCOUNT}/{NAME}/history",
                "/incidents",
                f"/incidents/{KEY}",
                "/transitions",
            )
        ]
        hidden = [await client.get(path) for path in ("/deliveries", "/deliveries/1", "/silences", "/acts")]
        acted = await client.post(ACK, json={"by": "anna"})
    assert all("Down" in text or KEY in text or NAME in text for text in shown)
    for word in ("no light", "xe-1/2/3", "receiver's words", '"noc"', "503"):
        assert not [text for text in shown if word in text]
    assert [answer.status_code for answer in (*hidden, acted)] == [401] * 5
    assert {answer.headers["Content-Type"] for answer in (*hidden, acted)} == {"application/problem+json"}
