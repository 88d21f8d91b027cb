"""The pages as they are answered, of a service at work on each database."""

import asyncio
import re
from collections.abc import Mapping
from datetime import timedelta
from html import unescape

import httpx
import pytest

from notifier.adapters.web import App, Rules
from notifier.domain.health import Vital
from notifier.simulator import faults
from tests.support.asked import backing
from tests.support.examples import ACCOUNT
from tests.support.receivers import HttpReceiver, Say
from tests.support.scenes import KEY, NAME, SITE_KEY, down, heal, noc, titles
from tests.support.stage import Stage

TOKEN = "a-token-of-some-length-9b1c"
PUBLIC = Rules(token=TOKEN, public=True)
HTML = {"Accept": "text/html"}
LINK = f"/interconnects/{ACCOUNT}/{NAME}"
SIGNED = {"by": "Ada", "comment": "carrier is on it", "back": "/?period=7d"}


def asking(stage: Stage, rules: Rules | None = None, ailing: Mapping[Vital, str] | None = None) -> httpx.AsyncClient:
    """Ask for pages of what is on the stage, while it is at work."""
    stands = backing(stage.beside, stage.machine, ailments=lambda: ailing or {}, rules=rules)
    transport = httpx.ASGITransport(App(stands), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=HTML)


async def watched(stage: Stage, *, minutes: int) -> None:
    """Let time pass in which what was last seen is written, as the service does."""
    for _ in range(minutes):
        await stage.advance(60)
        await stage.flush()


async def read(client: httpx.AsyncClient, path: str = "/") -> str:
    """Return a page's text, without markup."""
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    shown = re.sub(r"<(script|style|title)\b.*?</\1>", "", answer.text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", shown)))


async def test_before_anything_is_known_the_page_says_so(stage: Stage, http_receiver: HttpReceiver) -> None:
    stage.account.links.clear()
    async with stage.at_work(**noc(http_receiver)), asking(stage) as client:
        assert "No interconnects are known yet" in await read(client)


async def test_a_problem_is_on_top_with_who_was_told_when_and_over_which_channel(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    stage.link("icon-ams-02")
    async with stage.at_work(**noc(http_receiver)), asking(stage) as client:
        await down(stage)
        shown = await read(client)
    assert "1 of 2 interconnects has a problem" in shown
    assert re.search(r"icon-ams-01 is Down critical .* no light .* noc accepted 20\d\d-\d\d-\d\d [\d:]{8} UTC", shown)
    assert "ams-a 1 of 2 Healthy" in shown


async def test_what_was_not_taken_yet_says_that_it_is_tried_again_and_why(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    http_receiver.usual = Say(status=503)
    async with stage.at_work(**noc(http_receiver)), asking(stage) as client:
        await down(stage)
        shown = await read(client)
    assert re.search(r"noc still trying 1 attempt so far, next at 20.* UTC .*503", shown)


async def test_a_lost_site_comes_first(stage: Stage, http_receiver: HttpReceiver) -> None:
    stage.link("icon-ams-02")
    stage.link("icon-aaa-01", site="aaa")
    async with stage.at_work(**noc(http_receiver)), asking(stage) as client:
        await down(stage)
        await down(stage, "icon-ams-02")
        shown = await read(client)
    assert "2 of 3 interconnects have a problem, 1 site lost" in shown
    assert "Site ams-a is lost" in shown
    assert shown.index("ams-a lost") < shown.index("aaa 1 of 1 Healthy")


async def test_a_blind_account_is_as_plain_as_a_problem(stage: Stage, http_receiver: HttpReceiver) -> None:
    async with stage.at_work(**noc(http_receiver)), asking(stage) as client:
        await stage.polls(stage.link(), "Healthy")
        stage.account.fault(faults.FORBIDDEN)
        await stage.advance(120)
        shown = await read(client)
    assert "1 interconnect can't be seen" in shown
    assert "production can't be seen warning" in shown
    assert "403" in shown
    assert "Healthy for" in shown  # what was last seen stays


async def test_the_notifiers_own_troubles_are_as_plain(stage: Stage, http_receiver: HttpReceiver) -> None:
    ailing = {Vital.DELIVERIES: "a delivery is due for 6m and was not sent"}
    async with stage.at_work(**noc(http_receiver)), asking(stage, ailing=ailing) as client:
        shown = await read(client)
    assert "The notifier's own work: deliveries a delivery is due for 6m and was not sent" in shown


async def test_a_bar_tells_good_bad_and_unobserved_apart(stage: Stage, http_receiver: HttpReceiver) -> None:
    async with stage.at_work(**noc(http_receiver)), asking(stage) as client:
        await stage.polls(stage.link(), "Healthy")
        await watched(stage, minutes=20)
        await down(stage)
        await watched(stage, minutes=10)
        await heal(stage)
        stage.account.fault(faults.FORBIDDEN)
        await watched(stage, minutes=10)
        stage.account.heal()
        await stage.advance(120)
        page, month = (await client.get("/")).text, (await client.get("/?period=30d")).text
    label = re.search(r'aria-label="Last 24 hours: good 2\dm.*, bad 1\dm.*, not observed 23h 2\dm"', page)
    assert label is not None, re.findall(r'aria-label="Last[^"]*"', page)
    assert "Last 30 days: good" in month
    assert {"fill-bad", "fill-unobserved"} <= set(re.findall(r"fill-\w+", page))


async def test_the_page_of_a_link_has_its_whole_story(stage: Stage, http_receiver: HttpReceiver) -> None:
    async with stage.at_work(**noc(http_receiver)), asking(stage) as client:
        await down(stage)
        await stage.acknowledge(KEY)
        await heal(stage)
        shown = await read(client, LINK)
        assert (await client.get(f"/interconnects/{ACCOUNT}/unheard-of")).status_code == 404
    assert re.search(r"#3 Healthy was Down 20.* #2 Down was Healthy no light 20.* #1 Healthy never 20", shown)
    assert "2 sightings noc: accepted" in shown
    assert re.search(r"noc icon-ams-01|noc \[production\] icon-ams-01 is Healthy again .* accepted 20.* UTC 200", shown)
    assert re.search(rf"{KEY} critical 20.* UTC 20.* UTC after \d+m", shown)
    assert "Facility Equinix" in shown


async def test_a_site_has_a_page_with_all_its_links(stage: Stage, http_receiver: HttpReceiver) -> None:
    stage.link("icon-ams-02")
    async with stage.at_work(**noc(http_receiver)), asking(stage) as client:
        await down(stage)
        shown = await read(client, f"/sites/{ACCOUNT}/ams-a")
        assert (await client.get(f"/sites/{ACCOUNT}/elsewhere")).status_code == 404
    assert re.search(r"ams-a 1 of 2 Healthy .* icon-ams-01 Down for .* no light icon-ams-02 Healthy for", shown)


async def test_an_incident_is_acknowledged_and_that_is_taken_back(stage: Stage, http_receiver: HttpReceiver) -> None:
    async with stage.at_work(**noc(http_receiver)), asking(stage) as client:
        await down(stage)
        answer = await client.post("/acknowledge", data={"incident": KEY, "for": "4h", **SIGNED})
        assert (answer.status_code, answer.headers["Location"]) == (303, "/?period=7d")
        shown = await read(client)
        assert re.search(r"In hand: Ada, since 20.* UTC , until 20.* UTC \.", shown)
        assert (await client.post("/unacknowledge", data={"incident": KEY, **SIGNED})).status_code == 303
        assert "In hand" not in await read(client)
        story = await read(client, LINK)
    assert re.search(rf"Ada ack {KEY} carrier is on it", story)
    assert re.search(rf"Ada unack {KEY} carrier is on it", story)


@pytest.mark.parametrize("about", [{"name": NAME}, {"site": "ams-a"}])
async def test_a_silence_keeps_back_what_it_is_about_and_no_more_until_it_ends(
    about: dict[str, str], stage: Stage, http_receiver: HttpReceiver
) -> None:
    stage.link("icon-fra-01", site="fra-a")
    async with stage.at_work(**noc(http_receiver)), asking(stage) as client:
        await stage.polls(stage.link(), "Healthy")
        data = {"account": ACCOUNT, **about, "for": "1h", **SIGNED}
        assert (await client.post("/silences", data=data)).status_code == 303
        await down(stage)
        await down(stage, "icon-fra-01")
        assert titles(http_receiver) == ["icon-fra-01 is Down (was Healthy) #2"]
        shown = await read(client)
        assert re.search(r"Silences .* account production 20.* UTC Ada carrier is on it", shown)
        assert "noc not told kept back: silence 1" in shown
        assert (await client.post("/silences/end", data={"silence": "1", **SIGNED})).status_code == 303
        await stage.step()
        assert titles(http_receiver)[-1] == "icon-ams-01 is Down (was Healthy) #2"
        assert "Silences" not in await read(client)


async def test_a_silence_holds_until_the_moment_that_is_given(stage: Stage, http_receiver: HttpReceiver) -> None:
    async with stage.at_work(**noc(http_receiver)), asking(stage) as client:
        until = stage.clock.now() + timedelta(hours=3)
        data = {"account": ACCOUNT, "name": NAME, "for": "1h", "until": f"{until:%Y-%m-%dT%H:%M}", **SIGNED}
        assert (await client.post("/silences", data=data)).status_code == 303
        (silence,) = (await stage.insight().silences()).entries
    assert silence.until_at == until.replace(second=0, microsecond=0)


async def test_a_silence_is_about_the_name_as_it_is_written_not_about_a_pattern(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    async with stage.at_work(**noc(http_receiver)), asking(stage) as client:
        await client.post("/silences", data={"account": ACCOUNT, "name": "icon-*[a]", "for": "1h", **SIGNED})
        (silence,) = (await stage.insight().silences()).entries
    assert silence.match.covers(ACCOUNT, "icon-*[a]", None)
    assert not silence.match.covers(ACCOUNT, NAME, None)


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("/acknowledge", {"incident": KEY}),
        ("/acknowledge", {"incident": KEY, "by": " "}),
        ("/acknowledge", {"incident": KEY, "by": "x" * 101}),
        ("/acknowledge", {"incident": KEY, "by": "Ada", "for": "soon"}),
        ("/silences", {"account": ACCOUNT, "by": "Ada", "for": "1h"}),
        ("/silences", {"account": ACCOUNT, "name": NAME, "by": "Ada", "for": ""}),
        ("/silences", {"account": ACCOUNT, "name": NAME, "by": "Ada", "until": "2020-01-01T00:00"}),
        ("/silences", {"account": ACCOUNT, "name": NAME, "by": "Ada", "for": "9999d"}),
        ("/silences/end", {"by": "Ada", "silence": "first"}),
    ],
)
async def test_what_makes_no_sense_is_refused_and_nothing_is_done(
    path: str, data: dict[str, str], stage: Stage, http_receiver: HttpReceiver
) -> None:
    async with stage.at_work(**noc(http_receiver)), asking(stage) as client:
        await down(stage)
        assert (await client.post(path, data=data)).status_code == 400
        assert (await stage.insight().acts()).entries == []


async def test_in_public_nothing_is_said_but_states_and_times_and_nobody_acts(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    stage.link("icon-ams-02")
    async with stage.at_work(**noc(http_receiver)), asking(stage, PUBLIC) as client:
        await down(stage, reason="a secret reason")
        await down(stage, "icon-ams-02", reason="a secret reason")
        await stage.acknowledge(SITE_KEY)
        for path in ("/", LINK, f"/sites/{ACCOUNT}/ams-a"):
            page = (await client.get(path)).text
            assert "Down" in page
            for hidden in ("secret", "noc", "<form", "route"):
                assert hidden not in page.replace("unobserved", ""), (path, hidden)
        for path in ("/acknowledge", "/unacknowledge", "/silences", "/silences/end"):
            assert (await client.post(path, data={"incident": KEY, "silence": "1", **SIGNED})).status_code == 401


async def test_who_has_not_shown_the_token_gets_the_form_and_who_shows_a_wrong_one_is_told(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    async with stage.at_work(**noc(http_receiver)), asking(stage, Rules(token=TOKEN)) as client:
        there = f"{LINK}?period=7d"
        sent = await client.get(there)
        assert sent.status_code == 303
        form = await client.get(sent.headers["Location"])
        assert NAME not in re.sub(r'(href|value)="[^"]*"', "", form.text)
        assert f'name="next" value="{there}"' in unescape(form.text)
        wrong = await client.post("/login", data={"token": "another-token", "next": there})
        assert (wrong.status_code, "That is not the token." in wrong.text) == (401, True)
        assert f'name="next" value="{there}"' in unescape(wrong.text)
        right = await client.post("/login", data={"token": TOKEN, "next": there})
        assert (right.status_code, right.headers["Location"]) == (303, there)
        client.cookies.update(right.cookies)
        page = (await client.get(there)).text
        (token,) = set(re.findall(r'name="csrf" value="([^"]+)"', page))
        assert (await client.post("/silences", data={"csrf": "forged"})).status_code == 403
        data = {"account": ACCOUNT, "name": NAME, "for": "1h", "csrf": token, **SIGNED}
        assert (await client.post("/silences", data=data)).status_code == 303
        assert (await client.post("/logout", data={"csrf": token})).headers["Location"] == "/login"


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/elsewhere", 404, "There is no such page"),
        ("GET", f"/sites/{ACCOUNT}/elsewhere", 404, "No interconnect is watched at such a site."),
        ("POST", "/acknowledge", 400, "Say who you are"),
        ("PUT", "/", 405, "Method Not Allowed"),
    ],
)
async def test_what_goes_wrong_is_a_page_to_people_and_a_line_to_programs(
    method: str, path: str, status: int, words: str, stage: Stage, http_receiver: HttpReceiver
) -> None:
    async with stage.at_work(**noc(http_receiver)), asking(stage) as client:
        page = await client.request(method, path)
        line = await client.request(method, path, headers={"Accept": "*/*"})
    assert (page.status_code, line.status_code) == (status, status)
    assert words in unescape(page.text)
    assert page.headers["Content-Type"].startswith("text/html")
    assert line.headers["Content-Type"].startswith("text/plain")
    assert "<" not in line.text


async def test_what_is_over_meanwhile_is_said(stage: Stage, http_receiver: HttpReceiver) -> None:
    async with stage.at_work(**noc(http_receiver)), asking(stage) as client:
        await down(stage)
        await heal(stage)
        answer = await client.post("/acknowledge", data={"incident": KEY, **SIGNED})
    assert answer.status_code == 409
    assert "That can't be done any more" in unescape(answer.text)
    assert f"{KEY} ended at" in answer.text


async def test_hostile_words_are_words(stage: Stage, http_receiver: HttpReceiver) -> None:
    name, words = "a/b?c&<i>", "<script>alert(1)</script>\"'&"
    stage.link(name, site="<b>/site")
    async with stage.at_work(**noc(http_receiver)), asking(stage) as client:
        await down(stage, name, reason=words)
        page = (await client.get("/")).text
        assert "<script>alert" not in page
        assert "<i>" not in page
        assert words in await read(client)
        found = re.findall(r'href="(/(?:interconnects|sites)/[^"]+)"', page)
        for path in {path for path in found if "%" in path}:
            assert words in await read(client, unescape(path)), path


async def test_what_pages_load_is_kept_for_ever_and_changes_its_name(stage: Stage, http_receiver: HttpReceiver) -> None:
    async with stage.at_work(**noc(http_receiver)), asking(stage) as client:
        page = await client.get("/")
        assert page.headers["Cache-Control"] == "no-store"
        files = set(re.findall(r'"(/static/[^"]+)"', page.text))
        assert len(files) == 3
        for file in files:
            answer = await client.get(file)
            assert answer.status_code == 200
            assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
            assert re.search(r"-[0-9a-f]{12}\.\w+$", file)
        assert (await client.get("/static/page.css")).status_code == 404
        assert (await client.get("/static/..%2frouting.py")).status_code == 404


async def test_pages_need_no_inline_script_or_style_and_nobody_elses_address(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    async with stage.at_work(**noc(http_receiver)), asking(stage) as client:
        await down(stage)
        for path in ("/", LINK, f"/sites/{ACCOUNT}/ams-a"):
            page = (await client.get(path)).text
            assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:|https?://", page) == []


async def test_however_many_look_at_once_how_everything_stands_is_read_once(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    async with stage.at_work(**noc(http_receiver)), asking(stage) as client:
        sent = stage.statements(reading=True)
        pages = await asyncio.gather(*(client.get("/") for _ in range(20)))
        assert {page.status_code for page in pages} == {200}
    assert sum("FROM interconnects" in statement for statement in sent) == 1
    assert sum("FROM transitions" in statement for statement in sent) == 1


async def test_who_comes_finds_what_was_made_ready(stage: Stage, http_receiver: HttpReceiver) -> None:
    async with stage.at_work(**noc(http_receiver)):
        app = App(backing(stage.beside, stage.machine, rules=PUBLIC))
        await app.be_ready()
        sent = stage.statements(reading=True)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=HTML) as client:
            for shown in ({}, {"Authorization": f"Bearer {TOKEN}"}):
                assert NAME in (await client.get("/", headers=shown)).text
    assert not any("FROM interconnects" in statement for statement in sent)


async def test_nothing_can_be_made_ready_while_the_database_is_away_and_that_is_no_fault() -> None:
    await App(backing()).be_ready()
