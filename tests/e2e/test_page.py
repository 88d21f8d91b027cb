"""The status page in a real browser, on the real service: what people see, and what they do there."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from notifier.simulator import Account, Simulator, faults
from tests.support.browser import Reader, reader
from tests.support.fakes import FakeClock
from tests.support.process import Service, configure, running, until
from tests.support.receivers import HttpReceiver
from tests.support.scenes import NAME, key, noc, titles
from tests.support.stage import Stage

pytestmark = pytest.mark.slow

Write = Callable[..., Path]
ANY = {"listen": "127.0.0.1:0"}
TOKEN = "a-token-of-some-length-9b1c"
expect.set_options(timeout=20_000)


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/notifier.db"


def address(service: Service) -> str:
    found = re.search(r"listening address=(\S+)", service.log)
    assert found is not None, service.log
    return f"http://{found[1]}"


@asynccontextmanager
async def looking(browser: Browser, url: str, **options: object) -> AsyncIterator[Reader]:
    """Look at a page; nothing goes wrong in it meanwhile, and it asks nobody but us."""
    opened = await reader(browser, **options)
    await opened.page.goto(url)
    yield opened
    await opened.context.close()
    assert opened.wrong == []
    assert opened.asked == {url.split("/")[2]}


@pytest.fixture
async def url(service: Service, write: Write, http_receiver: HttpReceiver) -> str:
    """Where the page of a running service is."""
    write(noc(http_receiver), web=ANY)
    await service.start()
    return address(service)


@pytest.fixture(autouse=True)
def links(account: Account) -> None:
    """Beside the one link there is, another at its site, and one elsewhere."""
    account.link("icon-ams-02", site="ams-a")
    account.link("icon-fra-01", site="fra-a")


async def test_the_page_changes_by_itself_when_a_link_falls_and_when_it_is_back(
    browser: Browser, url: str, account: Account
) -> None:
    async with looking(browser, url) as it:
        await expect(it.page.locator("#live")).to_have_text("live")
        await expect(it.page.get_by_role("heading", level=1)).to_have_text("No problem at any interconnect")
        account.links[NAME].set("Down", "no light received")
        await expect(it.page.get_by_role("heading", level=1)).to_have_text("1 of 3 interconnects has a problem")
        card = it.page.get_by_role("listitem").filter(has_text=f"{NAME} is Down")
        await expect(card).to_contain_text("no light received")
        await expect(card).to_contain_text("accepted")
        await expect(it.page).to_have_title("1 of 3 · cni-notifier")
        await expect(it.page.locator("#said")).to_have_text("1 of 3 interconnects has a problem")
        await expect(it.page.locator(".site").filter(has_text="ams-a").locator("summary")).to_contain_text(
            "1 of 2 Healthy"
        )
        account.links[NAME].set("Healthy")
        await expect(it.page.get_by_role("heading", level=1)).to_have_text("No problem at any interconnect")
        await expect(it.page.get_by_role("heading", name="Open incidents")).to_have_count(0)


async def test_who_reads_or_types_is_not_disturbed_by_news(browser: Browser, url: str, account: Account) -> None:
    account.links[NAME].set("Down")
    async with looking(browser, url) as it:
        await (
            it.page.get_by_role("group").filter(has=it.page.get_by_text("Acknowledge")).locator("summary").first.click()
        )
        name = it.page.get_by_label("Your name").first
        await name.fill("Ada")
        await it.page.locator("details.site").filter(has_text="fra-a").locator("summary").click()
        account.links["icon-ams-02"].set("Unhealthy")
        await expect(it.page.get_by_role("link", name="Site ams-a is lost")).to_be_visible()
        await expect(it.page.locator("input[name=by]:visible")).to_have_value("Ada")
        assert await it.page.evaluate("document.activeElement.tagName") in {"INPUT", "SUMMARY"}
        await expect(it.page.locator("details.site").filter(has_text="fra-a")).not_to_have_attribute("open", "")


async def test_it_says_that_it_is_not_live_and_is_again_by_itself(
    browser: Browser, url: str, service: Service, write: Write, http_receiver: HttpReceiver
) -> None:
    opened = await reader(browser)
    await opened.page.goto(url)
    await expect(opened.page.locator("#live")).to_have_text("live")
    await service.stop()
    await expect(opened.page.locator("#live")).to_have_text(re.compile("reconnecting|not live"))
    write(noc(http_receiver), web={"listen": url.removeprefix("http://")})
    await service.start()
    await expect(opened.page.locator("#live")).to_have_text("live", timeout=40_000)
    await opened.context.close()


async def test_an_incident_is_acknowledged_and_that_is_taken_back(browser: Browser, url: str, account: Account) -> None:
    account.links[NAME].set("Down")
    async with looking(browser, url) as it:
        card = it.page.locator(".incident")
        await card.get_by_text("Acknowledge").first.click()
        await card.get_by_label("Your name").first.fill("Ada")
        await card.get_by_label("Why").first.fill("carrier is on it")
        await card.get_by_role("button", name="Acknowledge").click()
        await expect(card).to_contain_text("In hand: Ada")
        await card.get_by_text("Take acknowledgement back").click()
        await card.get_by_label("Your name").first.fill("Grace")
        await card.get_by_role("button", name="Take it back").click()
        await expect(card).not_to_contain_text("In hand")
        await card.get_by_role("link", name=NAME).click()
        acts = it.page.locator("#part-acts")
        await expect(acts).to_contain_text("carrier is on it")
        await expect(acts.get_by_role("row").filter(has_text="unack")).to_contain_text("Grace")


async def test_a_silence_keeps_messages_back_until_it_is_ended(
    browser: Browser, url: str, account: Account, http_receiver: HttpReceiver
) -> None:
    async with looking(browser, f"{url}/interconnects/{account.id}/{NAME}") as it:
        await it.page.get_by_text("Silence").first.click()
        await it.page.get_by_label("Your name").fill("Ada")
        await it.page.get_by_label("For").select_option("1 hour")
        await it.page.get_by_role("button", name=f"Silence {NAME}").click()
        await it.page.get_by_role("link", name="Status").click()
        row = it.page.get_by_role("row").filter(has_text=NAME)
        await expect(row).to_contain_text("Ada")
        account.links[NAME].set("Down")
        await expect(it.page.locator(".incident")).to_contain_text("kept back")
        assert titles(http_receiver) == []
        await row.get_by_text("End").first.click()
        await row.get_by_label("Your name").fill("Ada")
        await row.get_by_role("button", name="End it now").click()
        await expect(it.page.locator(".incident")).to_contain_text("accepted")
        assert titles(http_receiver) == [f"{NAME} is Down (was Healthy) #2"]


async def test_the_login_refuses_and_lets_in_and_out(
    browser: Browser, service: Service, write: Write, http_receiver: HttpReceiver, axe: str
) -> None:
    write(noc(http_receiver), web=ANY | {"token": TOKEN})
    await service.start()
    opened = await reader(browser)
    await opened.page.goto(address(service))
    assert NAME not in await opened.page.content()
    await opened.page.get_by_label("Token").fill("another-token-of-some-length")
    await opened.page.get_by_role("button", name="Log in").click()
    await expect(opened.page.get_by_role("alert")).to_be_visible()
    assert await opened.violations(axe) == []
    await opened.shoot("login-wrong")
    await opened.page.get_by_label("Token").fill(TOKEN)
    await opened.page.get_by_role("button", name="Log in").click()
    await expect(opened.page.get_by_role("heading", level=1)).to_have_text("No problem at any interconnect")
    await expect(opened.page.locator("#live")).to_have_text("live")
    await opened.page.goto(f"{address(service)}/elsewhere")
    await expect(opened.page.get_by_role("heading", level=1)).to_have_text("There is no such page")
    assert await opened.violations(axe) == []
    await opened.shoot("not-found")
    await opened.page.get_by_role("link", name="To the status page").click()
    await opened.page.get_by_role("button", name="Log out").click()
    await expect(opened.page.get_by_label("Token")).to_be_visible()
    await opened.context.close()


async def test_in_public_everybody_sees_states_and_nobody_acts(
    browser: Browser, service: Service, write: Write, http_receiver: HttpReceiver, account: Account
) -> None:
    account.links[NAME].set("Down", "no light received")
    write(noc(http_receiver), web=ANY | {"token": TOKEN, "public": True})
    await service.start()
    async with looking(browser, address(service)) as it:
        await expect(it.page.locator(".incident")).to_contain_text(f"{NAME} is Down")
        await expect(it.page.get_by_role("link", name="Log in")).to_be_visible()
        for hidden in ("no light received", "Acknowledge", "Silence", "noc"):
            await expect(it.page.locator("main")).not_to_contain_text(hidden)
        await it.page.get_by_role("link", name=NAME).first.click()
        await expect(it.page.get_by_role("heading", level=1)).to_have_text(NAME)
        for hidden in ("no light received", "Silence", "noc"):
            await expect(it.page.locator("main")).not_to_contain_text(hidden)
        await it.shoot("public")


async def test_everything_can_be_reached_by_keyboard(browser: Browser, url: str, account: Account) -> None:
    account.links[NAME].set("Down")
    async with looking(browser, url) as it:
        await expect(it.page.locator(".incident")).to_be_visible()
        await it.page.keyboard.press("Tab")
        await expect(it.page.get_by_text("Skip to the content")).to_be_focused()
        await it.page.keyboard.press("Enter")
        await it.page.keyboard.press("Tab")
        await expect(it.page.get_by_role("link", name=f"{NAME} is Down")).to_be_focused()
        await it.page.keyboard.press("Tab")
        await it.page.keyboard.press("Enter")
        await it.page.keyboard.press("Tab")
        await it.page.keyboard.type("Ada")
        await it.page.keyboard.press("Enter")
        await expect(it.page.locator(".incident")).to_contain_text("In hand: Ada")


async def test_without_javascript_all_of_it_is_there_and_works(browser: Browser, url: str, account: Account) -> None:
    account.links[NAME].set("Down")
    async with looking(browser, url, java_script_enabled=False) as it:
        await until(lambda: _reloaded(it, f"{NAME} is Down"))
        await expect(it.page.locator("#still")).to_have_text(re.compile(r"As of 20\d\d-.* UTC"))
        await expect(it.page.locator("#live")).to_be_hidden()
        await it.page.locator(".incident").get_by_text("Acknowledge").first.click()
        await it.page.get_by_label("Your name").first.fill("Ada")
        await it.page.get_by_role("button", name="Acknowledge").click()
        await expect(it.page.locator(".incident")).to_contain_text("In hand: Ada")


async def _reloaded(it: Reader, words: str) -> bool:
    await it.page.reload()
    return words in await it.page.content()


async def test_moments_are_in_the_readers_zone_with_utc_beside_them(
    browser: Browser, url: str, account: Account
) -> None:
    async with looking(browser, f"{url}/interconnects/{account.id}/{NAME}", timezone_id="Asia/Kolkata") as it:
        moment = it.page.locator("#part-transitions time").first
        utc = (await moment.get_attribute("title")) or ""
        assert utc.endswith(" UTC")
        assert (await moment.inner_text())[14:16] == f"{(int(utc[14:16]) + 30) % 60:02d}"
        age = it.page.locator("#part-headline time[data-form=age]").first
        before = await age.inner_text()
        await expect(age).not_to_have_text(before)  # it ticks


SIGHTS = [
    ("light", {}),
    ("dark", {"color_scheme": "dark"}),
    ("phone", {"viewport": {"width": 320, "height": 700}, "device_scale_factor": 2}),
    ("phone-dark", {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}),
]


@pytest.mark.parametrize(("sight", "options"), SIGHTS, ids=[name for name, _ in SIGHTS])
async def test_no_page_violates_wcag(
    sight: str, options: dict[str, object], browser: Browser, url: str, account: Account, axe: str
) -> None:
    for name in (NAME, "icon-ams-02"):
        account.links[name].set("Down", "no light received")
    account.links["icon-fra-01"].fault(faults.FORBIDDEN)
    async with looking(browser, url, **options) as it:
        await expect(it.page.locator(".incident")).to_have_count(4)
        await it.shoot(f"status-{sight}")
        link, site = f"/interconnects/{account.id}/{NAME}", f"/sites/{account.id}/ams-a"
        for name, path in (("status", "/"), ("link", link), ("site", site)):
            await it.page.goto(url + path)
            for summary in await it.page.locator(".acts summary").all():
                await summary.click()
            assert await it.violations(axe) == []
            assert await it.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            await it.shoot(f"{name}-acting-{sight}")


async def test_a_day_of_history_is_seen_at_a_glance(
    browser: Browser, simulator: Simulator, database_url: str, tmp_path: Path, http_receiver: HttpReceiver
) -> None:
    """What the pictures in the documentation show: a day by a clock that is moved, then the real service goes on."""
    stage = Stage(simulator, database_url, tmp_path)
    stage.clock = stage.machine = FakeClock(datetime.now(UTC) - timedelta(hours=25))
    stage.more = {"poll": {"interval": "5m"}}
    channels = noc(http_receiver) | noc(http_receiver, "on-call")
    for site in ("ams-a", "fra-a", "lhr-b", "sin-a"):
        for number in (1, 2):
            stage.link(f"icon-{site[:3]}-0{number}", site=site)

    async def hours(count: float) -> None:
        for _ in range(round(count * 12)):
            await stage.advance(300, step=100)
            await stage.flush()

    async with stage.at_work(**channels):
        await hours(9)
        stage.account.fault(faults.FORBIDDEN)
        await hours(2)
        stage.account.heal()
        await hours(4)
        stage.link("icon-fra-01").set("Unhealthy", "cannot negotiate Ethernet")
        await hours(1.5)
        stage.link("icon-fra-01").set("Healthy")
        await hours(6)
        stage.link("icon-fra-02").set("Down", "administratively down")
        await hours(1.5)
        stage.link("icon-ams-01").set("Down", "no light received (rx -40.0 dBm)")
        await hours(1)
        await stage.advance((datetime.now(UTC) - stage.clock.now()).total_seconds())
        await stage.flush()
        await stage.acknowledge(key("icon-fra-02"))
    calmly = {"interval": "5s", "recheck": "1s", "discovery": "10s"}  # or the time until it has started is a gap
    service = Service(configure(tmp_path, database_url, simulator.url, channels, web=ANY, poll=calmly))
    async with running(service):
        for name, options in (("day", {}), ("day-dark", {"color_scheme": "dark"})):
            size = {"viewport": {"width": 1000, "height": 700}}
            async with looking(browser, address(service), **size, **options) as it:
                await expect(it.page.get_by_role("heading", level=1)).to_have_text(
                    "2 of 8 interconnects have a problem"
                )
                bar = it.page.locator(".link").filter(has_text="icon-fra-01").get_by_role("img")
                await expect(bar).to_have_attribute(
                    "aria-label", re.compile(r"^Last 24 hours: good 20h .*, bad 1h .*, not observed (1h 5\dm|2h.*)$")
                )
                await it.shoot(name)
                await it.page.get_by_role("link", name="icon-ams-01", exact=True).click()
                await expect(it.page.get_by_role("heading", level=1)).to_have_text("icon-ams-01")
                await it.shoot(f"{name}-link")
