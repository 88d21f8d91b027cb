"""Scenarios: what is written, what is wrong with it, and what happens when."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from notifier.errors import ConfigurationError
from notifier.simulator import Playback, World, load_script, parse_script
from notifier.simulator.reading import read_changes

ROOT = Path(__file__).parent.parent.parent
SCENARIOS = sorted((ROOT / "config" / "scenarios").glob("*.yaml"))
MANUAL = (ROOT / "docs" / "simulator.md").read_text(encoding="utf-8")
START = """
accounts:
  - id: a
    links:
      - {name: icon-ams-1, site: ams-a}
      - {name: "icon-fra-{n}", count: 12, site: [fra-a, fra-b]}
"""


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def played(script_text: str, elapsed: float) -> World:
    script = parse_script(START + script_text)
    world = script.world()
    for step in Playback(script).due(seconds(elapsed)):
        step.change.apply(world)
    return world


def states(world: World) -> dict[str, str]:
    return {link.name: link.state for link in world.links() if link.state != "Healthy"}


def mistakes(script_text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        parse_script(script_text, "s.yaml")
    return caught.value.problems


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.name)
def test_the_example_scenarios_can_be_played(path: Path) -> None:
    script = load_script(path)
    assert script.steps
    assert list(script.world().links())


def test_the_manuals_scenario_can_be_played() -> None:
    (scenario,) = re.findall(r"```yaml\n(.*?)```", MANUAL, re.DOTALL)
    assert len(list(parse_script(scenario).world().links())) == 22


def test_the_manuals_changes_can_be_made() -> None:
    world = World()
    for name, site in (("icon-ams-01", "ams-a"), ("icon-fra-01", "fra-b")):
        world.account("a").link(name, site=site)
    lines = re.findall(r"^curl -d '(.*)' ", MANUAL, re.MULTILINE)
    assert len(lines) == 13
    for line in lines:
        for change in read_changes(json.loads(line)):
            change.apply(world)


def test_a_world_begins_with_what_is_written() -> None:
    script = parse_script("""
rate_limit: 1200/5m
accounts:
  - id: a
    token: t
    page_size: 2
    last_page: absent
    links:
      - {name: one, site: ams-a, facility: Equinix AM7, speed: 100G, type: direct, state: Down, reason: cut}
      - {name: two, region: us-east4, type: gcp_partner, reservation: null}
  - {id: b, email: someone@example.org, key: k}
""")
    world = script.world()
    account = world.accounts["a"]
    assert str(world.limit) == "1200/300s"
    assert (account.token, account.page_size, account.last_page) == ("t", 2, "absent")
    one, two = account.links.values()
    assert (one.site, one.details["speed"], one.state, one.reason) == ("ams-a", "100G", "Down", "cut")
    assert (two.site, two.details["reservation"], two.state) == ("us-east4", None, "Healthy")
    assert (world.accounts["b"].email, world.accounts["b"].key) == ("someone@example.org", "k")


def test_many_links_are_made_from_one_line_and_share_the_sites_in_turn() -> None:
    links = played("", 0).accounts["a"].links
    assert list(links)[1:4] == ["icon-fra-01", "icon-fra-02", "icon-fra-03"]
    assert list(links)[-1] == "icon-fra-12"
    assert [links[name].site for name in list(links)[1:4]] == ["fra-a", "fra-b", "fra-a"]


def test_nothing_happens_before_its_time_and_then_only_once() -> None:
    script = parse_script(START + "steps: [{at: 0s, heal: {}}, {at: 5s, heal: }, {at: 200ms, set: {state: Down}}]")
    playback = Playback(script)
    moments = (0, 0, 0.1, 0.2, 4.9, 60, 3600)
    assert [(playback.next_at, [step.at for step in playback.due(seconds(moment))]) for moment in moments] == [
        (seconds(0), [seconds(0)]),
        (seconds(0.2), []),
        (seconds(0.2), []),
        (seconds(0.2), [seconds(0.2)]),
        (seconds(5), []),
        (seconds(5), [seconds(5)]),
        (None, []),
    ]


def test_a_repeated_scenario_begins_anew_each_time() -> None:
    script = parse_script(START + "repeat: 10s\nsteps: [{at: 0s, set: {state: Down}}, {at: 5s, set: {state: Healthy}}]")
    playback = Playback(script)
    assert [step.at for step in playback.due(seconds(24.9))] == [seconds(at) for at in (0, 5, 0, 5, 0)]
    assert playback.next_at == seconds(25)


def test_links_are_chosen_by_name_pattern_and_site() -> None:
    down = "set: {state: Down, %s}"
    assert states(played(f"steps: [{{at: 0s, {down % 'link: icon-ams-1'}}}]", 0)) == {"icon-ams-1": "Down"}
    assert len(states(played(f"steps: [{{at: 0s, {down % 'link: icon-fra-*'}}}]", 0))) == 12
    assert len(states(played(f"steps: [{{at: 0s, {down % 'site: fra-b'}}}]", 0))) == 6
    assert len(states(played(f"steps: [{{at: 0s, {down % 'link: icon-fra-0*, site: fra-b'}}}]", 0))) == 4


def test_every_change_can_be_a_step() -> None:
    world = played(
        """
steps:
  - {at: 1s, set: {link: icon-ams-1, state: Maintenance, reason: scheduled}}
  - {at: 2s, fault: {kind: forbidden}}
  - {at: 2s, fault: {kind: server_error, status: 503, times: 2, listing: true}}
  - {at: 2s, fault: {kind: latency, delay: 2s, link: icon-ams-1}}
  - {at: 3s, link: {name: new, account: a, site: gru-a}}
  - {at: 4s, remove: {link: "icon-fra-*"}}
  - {at: 5s, account: {id: b, links: [{name: other}]}}
  - {at: 6s, rate_limit: 10/1s}
""",
        6,
    )
    account = world.accounts["a"]
    assert account.links["icon-ams-1"].reason == "scheduled"
    assert account.faults.described() == [{"kind": "forbidden", "times": None}]
    assert account.listing.described() == [{"kind": "server_error", "times": 2}]
    assert account.links["icon-ams-1"].faults.described() == [{"kind": "latency", "times": None}]
    assert list(account.links) == ["icon-ams-1", "new"]
    assert list(world.accounts["b"].links) == ["other"]
    assert str(world.limit) == "10/1s"


@pytest.mark.parametrize(
    ("heal", "left"),
    [("{}", []), ("{listing: true}", ["account", "link"]), ("{link: icon-ams-1}", ["account", "listing"])],
)
def test_healing_is_as_wide_as_asked(heal: str, left: list[str]) -> None:
    world = played(
        "steps:\n"
        "  - {at: 0s, fault: {kind: reset}}\n"
        "  - {at: 0s, fault: {kind: reset, listing: true}}\n"
        "  - {at: 0s, fault: {kind: reset, link: icon-ams-1}}\n"
        f"  - {{at: 0s, heal: {heal}}}",
        0,
    )
    account = world.accounts["a"]
    faults = {"account": account.faults, "listing": account.listing, "link": account.links["icon-ams-1"].faults}
    assert [name for name, waiting in faults.items() if waiting.described()] == left


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "unauthorized"},
        {"kind": "ip_filter", "times": 3},
        {"kind": "hang", "listing": True},
        {"kind": "rate_limited", "retry_after": "soon"},
        {"kind": "drip", "pause": "10ms"},
        {"kind": "oversized", "bytes": 100},
        {"kind": "redirect", "to": "http://127.0.0.1/"},
        {"kind": "answer", "status": 418, "headers": {"retry-after": 5}, "body": [1, None]},
    ],
    ids=lambda fault: str(fault["kind"]),
)
def test_a_fault_is_read_with_what_belongs_to_it(fault: dict[str, Any]) -> None:
    world = World()
    account = world.account("a")
    for change in read_changes({"fault": fault}):
        change.apply(world)
    waiting = account.listing if fault.get("listing") else account.faults
    assert waiting.described() == [{"kind": fault["kind"], "times": fault.get("times")}]


def test_every_mistake_is_told_with_its_line() -> None:
    names = "name, count, site, facility, speed, type, region, reservation, state, reason"
    verbs = "account, link, set, fault, heal, remove, rate_limit"
    kinds = (
        "answer, broken_off, drip, envelope, forbidden, hang, html, ip_filter, latency, not_found, oversized, "
        "rate_limited, redirect, reset, server_error, success_false, truncated, unauthorized"
    )
    assert mistakes("""rate_limit: lots
accounts:
  - id: 5
    links:
      - {name: "x-{n}", site: ams-a}
      - {name: x, count: 3}
      - {nmae: x, count: 0}
    token: 12345
  - id: b
    email: a@b.example
steps:
  - {at: soon, set: {link: x}}
  - {set: {state: Down}}
  - {at: 1s}
  - at: 2s
    fault:
      kind: flood
  - {at: 3s, fault: {kind: latency}, heal: {}}
  - {at: 3s, fault: {kind: latency}}
  - at: 4s
    fault: {kind: forbidden, times: -1, listing: 1}
  - {at: 5s, remove: }
  - tomorrow
weather: []
""") == [
        's.yaml:1: rate_limit: found "lots", expected a number of requests and a duration, such as 1200/5m',
        "s.yaml:3: accounts[0].id: found 5, expected text; put it in quotes",
        "s.yaml:5: accounts[0].links[0].name: found one of count and {n}, expected both or neither",
        "s.yaml:6: accounts[0].links[1].name: found one of count and {n}, expected both or neither",
        "s.yaml:7: accounts[0].links[2].name: missing; expected text",
        "s.yaml:7: accounts[0].links[2].count: found 0, expected a whole number from 1 to 1000000",
        f"s.yaml:7: accounts[0].links[2].nmae: unknown; known here: {names}; did you mean name?",
        "s.yaml:8: accounts[0].token: found something else, expected text; put it in quotes",
        "s.yaml:9: accounts[1]: found one of email and key, expected both",
        's.yaml:11: steps[8]: found "tomorrow", expected a map',
        's.yaml:12: steps[0].at: found "soon", expected a number and a unit, such as 200ms, 15s, 5m, 4h or 7d',
        "s.yaml:12: steps[0].set.state: missing; expected text",
        "s.yaml:13: steps[1].at: missing; expected a number and a unit, such as 200ms, 15s, 5m, 4h or 7d",
        f"s.yaml:14: steps[2]: found nothing to do, expected one of {verbs}",
        f"s.yaml:17: steps[3].fault.kind: found flood, expected one of {kinds}",
        f"s.yaml:18: steps[4]: found fault and heal, expected one of {verbs}",
        "s.yaml:19: steps[5].fault.delay: missing; expected a number and a unit, such as 200ms, 15s, 5m, 4h or 7d",
        "s.yaml:21: steps[6].fault.listing: found 1, expected true or false",
        "s.yaml:21: steps[6].fault.times: found -1, expected a whole number from 1 to 1000000",
        "s.yaml:22: steps[7].remove: missing; expected account, link or site",
        "s.yaml:24: weather: unknown; known here: rate_limit, steps, repeat, accounts",
    ]


@pytest.mark.parametrize(
    ("script_text", "mistake"),
    [
        ("", "s.yaml:1: expected a map with accounts and steps"),
        ("- a", "s.yaml:1: expected a map with accounts and steps"),
        ("accounts: [\n", "s.yaml:2: not YAML: expected the node content, but found '<stream end>'"),
        ("accounts: []\naccounts: []", "s.yaml:2: not YAML: found accounts twice"),
        ("a: \x00", "s.yaml: not YAML"),
        ("repeat: 0s", "s.yaml:1: repeat: expected a duration that no step lies beyond"),
        ("accounts: {a: b}", 's.yaml:1: accounts: found {"a": "b"}, expected a list'),
    ],
)
def test_what_is_no_scenario_is_refused(script_text: str, mistake: str) -> None:
    assert mistakes(script_text) == [mistake]


def test_a_step_beyond_its_round_is_refused() -> None:
    assert mistakes(START + "steps: [{at: 6s, heal: {}}]\nrepeat: 5s") == [
        "s.yaml:8: repeat: expected a duration that no step lies beyond"
    ]


@pytest.mark.parametrize(
    ("step", "found"),
    [
        ("set: {link: icon-gru-1, state: Down}", "no such link: link icon-gru-1"),
        ("set: {site: fra-a, account: b, state: Down}", "no such account: b"),
        ("heal: {link: icon-ams-1, site: fra-a}", "no such link: link icon-ams-1, site fra-a"),
        ("link: {name: x, account: c}", "no such account: c"),
    ],
)
def test_a_step_with_nothing_to_act_upon_is_found_before_it_is_played(step: str, found: str) -> None:
    assert mistakes(f"{START}steps:\n  - {{at: 1s, {step}}}") == [f"s.yaml:8: at that time there is {found}"]


def test_a_round_that_can_not_be_played_twice_is_refused() -> None:
    remove = START + "steps: [{at: 1s, remove: {link: icon-ams-1}}]"
    assert parse_script(remove).steps
    assert mistakes(remove + "\nrepeat: 5s") == ["s.yaml:7: at that time there is no such link: link icon-ams-1"]


def test_a_file_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"\xe4")
    with pytest.raises(ConfigurationError, match=r"none\.yaml: cannot be read: No such file"):
        load_script(tmp_path / "none.yaml")
    with pytest.raises(ConfigurationError, match=r"latin\.yaml: is not text"):
        load_script(tmp_path / "latin.yaml")
