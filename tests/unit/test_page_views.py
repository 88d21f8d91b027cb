"""What the pages say of how everything stands."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest

from notifier.adapters.web.access import Asking, Role, inside
from notifier.adapters.web.page import rendering, views
from notifier.adapters.web.page.bars import DEFAULT
from notifier.adapters.web.page.rendering import Pages, StaticFiles
from notifier.adapters.web.page.routes import EVENTS, NAMES
from notifier.adapters.web.page.views import SMALL, Board, Viewer, look_of, told_view
from notifier.domain.health import Vital
from notifier.domain.incident import IncidentKind
from notifier.domain.matching import Matcher
from notifier.domain.suppression import Silence
from notifier.insight import Insight, LinkNow, Overview, Spans
from tests.support.board import NOW, incident, link, overview, telling
from tests.support.examples import ACCOUNT

NOTHING: Spans = {}
VIEWER = Viewer({ACCOUNT: "production"}, public=False)
PUBLIC = Viewer({ACCOUNT: "production"}, public=True)


def board(seen: Overview, *ailing: Vital, viewer: Viewer = VIEWER) -> Board:
    return viewer.board(seen, viewer.outline(seen), NOTHING, dict.fromkeys(ailing, "something is wrong"), DEFAULT)


def many(count: int, *odd: LinkNow, each: int = 10) -> Overview:
    """Healthy links, so many to a site, with some odd ones in the places of those of their names."""
    usual = {f"icon-{n:05d}": link(f"icon-{n:05d}", site=f"site-{n // each:03d}") for n in range(count)}
    return overview(*(usual | {one.name: replace(one, site=usual[one.name].site) for one in odd}).values())


def shown(found: Board) -> list[str]:
    return [row.now.name for account in found.accounts for site in account.shown for row in site.links]


# --- States -----------------------------------------------------------------------------------------------------


def test_no_two_states_look_alike_without_colour() -> None:
    states = ["Healthy", "Down", "Unhealthy", "Pending", None, "Strange"]
    looks = [look_of(link(status=status)) for status in states]
    assert len({look.icon for look in looks}) == len({look.word for look in looks}) == len(states)


def test_pending_is_a_problem_only_if_it_is_one() -> None:
    assert look_of(link(status="Pending")).tone == "none"
    assert look_of(link(status="Pending", problem=True)).tone == "warn"


def test_a_link_that_is_watched_no_more_says_so() -> None:
    assert look_of(link(watched=False)).word == "not watched any more"


def test_every_shape_that_is_named_is_drawn() -> None:
    drawn = set(
        re.findall(r'symbol id="i-(\w+)"', (Path(rendering.__file__).parent / "templates/shapes.html").read_text())
    )
    code = "".join(Path(module.__file__ or "").read_text() for module in (views, rendering))
    named = set(re.findall(r'Look\("(\w+)"', code)) | set(re.findall(r'PENDING: "(\w+)", REMOVED: "(\w+)"', code)[0])
    assert named == drawn


@pytest.mark.parametrize(
    ("outcome", "tries", "word"),
    [
        ("sent", 1, "accepted"),
        ("pending", 0, "waiting"),
        ("pending", 2, "still trying"),
        ("abandoned", 3, "given up"),
        ("moot", 0, "not sent, it was over"),
        ("not promised", 0, "not told"),
    ],
)
def test_what_became_of_a_delivery_is_said_in_a_word(outcome: str, tries: int, word: str) -> None:
    attempt = object()
    assert told_view(telling(outcome=outcome, attempts=(attempt,) * tries)).look.word == word


# --- The headline -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seen", "ailing", "headline"),
    [
        (overview(), [], "No interconnects are known yet"),
        (overview(link(status=None)), [], "Waiting for the first look"),
        (overview(link()), [], "No problem at any interconnect"),
        (overview(link(status="Down")), [], "1 of 1 interconnect has a problem"),
        (overview(link("a"), link("b", "Down")), [Vital.AUDIT], "1 of 2 interconnects has a problem"),
        (overview(link("a", "Down"), link("b", "Down")), [], "2 of 2 interconnects have a problem, 1 site lost"),
        (overview(link(blind=True), blind=True), [], "1 interconnect can't be seen"),
        (overview(link(), blind=True, cause="403"), [], "1 account can't be seen"),
        (overview(link()), [Vital.DELIVERIES], "The notifier itself is in trouble"),
    ],
)
def test_the_headline_says_what_is_worst(seen: Overview, ailing: list[Vital], headline: str) -> None:
    assert board(seen, *ailing).headline == headline


def test_the_tab_has_the_number_of_problems() -> None:
    assert board(overview(link("a"), link("b", "Down"))).title == "1 of 2"


def test_what_is_counted_adds_up() -> None:
    seen = overview(link("a"), link("b", "Down"), link("c", None), link("d", "Pending"), link("e", blind=True))
    assert board(seen).counts == (
        (2, "Healthy"),
        (1, "with a problem"),
        (1, "not seen now"),
        (1, "not seen yet"),
        (1, "pending"),
    )


# --- Sites ------------------------------------------------------------------------------------------------------


def test_a_small_installation_is_shown_whole_with_its_past() -> None:
    found = board(many(SMALL))
    assert len(shown(found)) == SMALL
    assert found.bars
    assert all(row.bar is not None for site in found.accounts[0].shown for row in site.links)
    assert found.accounts[0].quiet == ()


def test_of_a_large_one_only_sites_in_trouble_are() -> None:
    found = board(many(SMALL + 10, link("icon-00015", "Down"), link("icon-00021", blind=True)))
    assert shown(found) == [f"icon-{n:05d}" for n in (*range(10, 20), *range(20, 30))]
    assert len(found.accounts[0].quiet) == 19


def test_when_everything_is_in_trouble_no_more_is_shown_than_of_a_small_one() -> None:
    found = board(many(2000, *(link(f"icon-{n:05d}", "Down") for n in range(2000))))
    assert len(shown(found)) == SMALL
    assert len(found.accounts[0].shown) == 200  # each with its redundancy, and the way to its page


def test_lost_sites_come_first_then_the_others_by_what_is_worst_there() -> None:
    seen = overview(
        link("a", site="fine"),
        link("b", site="unseen", blind=True),
        link("c", "Down", site="one-down"),
        link("d", site="one-down"),
        link("e", "Down", site="gone"),
        link("f", "Unhealthy", site="gone"),
        link("g", flapping=True, site="flapping"),
    )
    assert [site.name for site in board(seen).accounts[0].shown] == ["gone", "one-down", "flapping", "unseen", "fine"]


def test_a_site_says_what_is_left_of_it() -> None:
    seen = overview(link("a"), link("b", "Down"), link("c", "Down", site="x"), link("d", "Down", site="x"))
    assert [site.look.word for site in board(seen).accounts[0].shown] == ["lost", "1 of 2 Healthy"]


def test_links_of_no_site_stand_together() -> None:
    (site,) = board(overview(link(site=None))).accounts[0].shown
    assert (site.name, site.nameless, site.href) == ("no site", True, f"/sites/{ACCOUNT}/")


def test_whatever_a_name_holds_its_address_leads_there() -> None:
    (site,) = board(overview(link("a/b?c d", site="ü/#"))).accounts[0].shown
    assert site.href == f"/sites/{ACCOUNT}/%C3%BC%2F%23"
    assert site.links[0].href == f"/interconnects/{ACCOUNT}/a%2Fb%3Fc%20d"


# --- Incidents --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "subject", "links", "title"),
    [
        (IncidentKind.INTERCONNECT, "a", [link("a", "Down")], "a is Down"),
        (IncidentKind.INTERCONNECT, "a", [link("a", flapping=True)], "a is flapping, Healthy now"),
        (IncidentKind.INTERCONNECT, "a", [link("b")], "a has a problem"),
        (IncidentKind.SITE, "ams-a", [link()], "Site ams-a is lost: every interconnect there has a problem"),
        (IncidentKind.BLIND, "", [link(blind=True)], "production can't be seen"),
        (IncidentKind.BLIND, "", [link("a", blind=True), link("b")], "production can't be seen in part"),
        (IncidentKind.CHANNEL, "mail", [], "Channel mail fails"),
        (IncidentKind.AUDIT, "audit", [], "The notifier's own record does not add up"),
    ],
)
def test_an_incident_says_what_is_so_now(kind: IncidentKind, subject: str, links: list[LinkNow], title: str) -> None:
    assert VIEWER.incident(incident(kind, subject), overview(*links)).title == title


def test_a_blind_account_names_the_cause_that_most_of_its_links_share() -> None:
    links = [link(str(n), blind=True, cause="timed out" if n else "429") for n in range(3)]
    assert VIEWER.incident(incident(IncidentKind.BLIND), overview(*links)).reason == "timed out"
    assert VIEWER.incident(incident(IncidentKind.BLIND), overview(*links, cause="403", blind=True)).reason == "403"


def test_blindness_is_shown_once() -> None:
    seen = overview(link(blind=True), blind=True)
    assert [account.name for account in board(seen).blind] == ["production"]
    assert board(replace(seen, incidents=(incident(IncidentKind.BLIND),))).blind == ()


def test_what_was_told_is_told_by_notification_the_newest_first() -> None:
    told = (telling("noc"), telling("mail"), telling("noc", notification=2, title="icon-ams-01 is still Down"))
    card = VIEWER.incident(incident(tellings=told))
    assert [(story.title, [each.telling.channel for each in story.told]) for story in card.stories] == [
        ("icon-ams-01 is still Down", ["noc"]),
        ("icon-ams-01 is Down", ["noc", "mail"]),
    ]


def test_the_page_stays_below_a_mebibyte_when_ten_thousand_interconnects_are_down() -> None:
    down = [
        link(f"icon-{n:05d}", "Down", since=NOW - timedelta(hours=2), reason="no light" * 10) for n in range(10_000)
    ]
    told = tuple(telling(channel) for channel in ("noc", "mail", "on-call"))
    opened = tuple(incident(subject=each.name, key=f"key-{each.name}", tellings=told) for each in down[:200])
    seen = replace(many(10_000, *down, each=20), incidents=opened, open_incidents=10_000)
    asks = Asking(role=Role.OPERATOR, insight=cast("Insight", None), csrf="x" * 100)
    html = Pages(StaticFiles()).render(
        "overview.html", asks=asks, events=EVENTS, names=NAMES, sent=NOW, board=board(seen), silences=[]
    )
    assert len(html.encode()) < 1024 * 1024
    assert html.count('class="row"') == 490  # sites whose interconnects are on pages of their own
    assert "and 9950 more" in html


def test_more_incidents_than_are_shown_are_counted() -> None:
    seen = replace(overview(link("a", "Down"), incidents=(incident(),)), open_incidents=12)
    assert board(seen).unshown == 11


def test_in_public_no_channel_is_named() -> None:
    failing = incident(IncidentKind.CHANNEL, "mail")
    assert PUBLIC.incident(failing).title == "A channel does not take messages"


@pytest.mark.parametrize(
    ("match", "what"),
    [
        (Matcher(), "everything"),
        (Matcher(name=("icon-*", "x"), account=(ACCOUNT,)), "icon-*, x, account production"),
        (Matcher(site=("ams-a",)), "site ams-a"),
    ],
)
def test_a_silence_says_of_what_it_is(match: Matcher, what: str) -> None:
    hour = timedelta(hours=1)
    assert VIEWER.silence(Silence(id=1, match=match, from_at=NOW, until_at=NOW + hour, by="", comment="")).what == what


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("/", "/"),
        ("/sites/a/b?period=7d", "/sites/a/b?period=7d"),
        ("", "/"),
        ("//example.net/", "/"),
        ("/\\example.net", "/"),
        ("https://example.net/", "/"),
        ("/\r\nX: y", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
def test_nobody_is_led_elsewhere(given: str, kept: str) -> None:
    assert inside(given) == kept
