"""How figures are written for Prometheus, and that everything built on their names finds them."""

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from notifier.adapters.web import Exposition
from notifier.domain.figures import Figures
from tests.support.examples import NIGHT, seconds
from tests.support.fakes import FakeClock
from tests.support.figures import RELOADS, Counter, account, figures, watched
from tests.support.scraped import OPENMETRICS, Scraped

ROOT = Path(__file__).parents[2]
PROMTOOL = shutil.which("promtool")
NO_PROMTOOL = "promtool is not installed (Debian: apt install prometheus)"
DASHBOARD = ROOT / "config" / "grafana" / "cni-notifier.json"
RULES = ROOT / "config" / "prometheus" / "cni-notifier.rules.yml"


@pytest.fixture
def counter() -> Counter:
    return Counter()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


async def scraped(told: Figures | None = None, accept: str = "", counter: Counter | None = None) -> Scraped:
    whole = told or figures()
    metrics = Exposition(lambda: whole, database=counter or Counter(), reloads=RELOADS, clock=FakeClock())
    _, text = await metrics.written(accept)
    return Scraped(text.decode())


async def test_the_state_is_healthy_or_not_and_another_one_only_while_it_is() -> None:
    links = [
        watched("a", "Healthy"),
        watched("b", "Unhealthy"),
        watched("c", "Pending", site=None),
        watched("d", "Degraded"),
        watched("e", None),
    ]
    found = await scraped(figures(account(*links)))
    assert [
        sample.labels["name"] + " " + sample.labels["state"] + f" {sample.value:g}"
        for sample in found.families["notifier_interconnect_state"].samples
    ] == [
        "a healthy 1",
        "b healthy 0",
        "b unhealthy 1",
        "c healthy 0",
        "c pending 1",
        "d healthy 0",
        "d other 1",
    ]
    assert found.one("notifier_interconnect_state", account="production", name="c", site="", state="pending") == 1
    assert found.one("notifier_interconnects_watched", account="production") == 5
    assert found.all("notifier_interconnects", "state") == {"healthy": 1, "unhealthy": 1, "pending": 1, "other": 1}


async def test_of_an_account_that_another_replica_watches_nothing_is_said_of_links() -> None:
    found = await scraped(figures(account(watched("a", "Healthy")), account(name="lab", held=False)))
    assert found.one("notifier_lease_holder", account="production") == 1
    assert found.one("notifier_lease_holder", account="lab") == 0
    assert found.one("notifier_interconnects_watched", account="lab") is None
    assert found.one("notifier_poll_age_seconds", account="lab") is None
    assert found.one("notifier_polls_total", account="lab", outcome="seen") == 1  # as long as it was ours


async def test_what_is_counted_adds_up_from_bound_to_bound() -> None:
    found = await scraped()
    buckets = [
        found.one("notifier_poll_duration_seconds_bucket", account="production", le=le)
        for le in ("0.25", "0.5", "+Inf")
    ]
    assert buckets == [0, 1, 1]
    assert found.one("notifier_poll_duration_seconds_sum", account="production") == pytest.approx(0.3)
    assert found.one("notifier_delivery_latency_seconds_sum", channel="noc") == 20


async def test_how_the_configuration_was_taken_is_told() -> None:
    found = await scraped()
    assert found.all("notifier_config_reloads_total", "outcome") == {"success": 2, "failed": 1}
    assert found.one("notifier_config_last_reload_successful") == 0
    assert found.one("notifier_config_last_reload_success_timestamp_seconds") == NIGHT.timestamp()


async def test_vitals_and_what_the_audit_found_are_told() -> None:
    found = await scraped()
    assert found.one("notifier_vital", vital="loop") == 1
    assert found.one("notifier_vital", vital="audit") == 0
    assert found.one("notifier_audit_violations") == 2


async def test_a_channel_that_is_configured_no_more_shows_while_something_waits_for_it() -> None:
    found = await scraped()
    assert found.all("notifier_outbox_depth", "channel") == {"noc": 3, "removed": 1}
    assert found.all("notifier_outbox_oldest_age_seconds", "channel") == {"noc": 90, "removed": 3600}


async def test_both_forms_say_the_same() -> None:
    text, openmetrics = await scraped(), await scraped(accept=OPENMETRICS)
    assert openmetrics.text.endswith("# EOF\n")
    ours = {name for name in text.names() if name.startswith("notifier_")}
    assert ours == {name for name in openmetrics.names() if name.startswith("notifier_")}


@pytest.mark.parametrize("accept", ["", "*/*", "text/html", "application/openmetrics-text;version=x", "\x00;;=,,"])
async def test_whatever_is_accepted_there_is_an_answer(accept: str) -> None:
    assert (await scraped(accept=accept)).one("notifier_database_up") == 1


async def test_ten_thousand_links_are_a_line_each_and_little_beside() -> None:
    links = [watched(f"icon-ams-{number:05d}", "Healthy", site=f"ams-{number // 20}") for number in range(10_000)]
    found = await scraped(figures(account(*links)))
    assert found.text.count("\n") < 10_400
    assert len(found.text) < 1_200_000


async def test_who_asks_often_gets_the_same_again_and_the_database_is_left_alone(
    counter: Counter, clock: FakeClock
) -> None:
    metrics = Exposition(figures, database=counter, reloads=RELOADS, clock=clock)
    answers = await asyncio.gather(*(metrics.written("") for _ in range(20)))
    assert (len(set(answers)), counter.asked) == (1, 1)
    clock.advance(seconds(1))
    await metrics.written("")
    assert counter.asked == 2


@pytest.mark.parametrize("trouble", ["away", "silent"])
async def test_without_the_database_memory_is_told_and_that_it_is_away(counter: Counter, trouble: str) -> None:
    setattr(counter, trouble, True)
    async with asyncio.timeout(5):
        found = await scraped(counter=counter)
    assert found.one("notifier_database_up") == 0
    assert found.one("notifier_vital", vital="loop") == 1
    assert "notifier_incidents_open" not in found.families


def promtool(*arguments: str, given: str | None = None) -> None:
    if PROMTOOL is None:
        pytest.skip(NO_PROMTOOL)
    ran = subprocess.run([PROMTOOL, *arguments], input=given, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


async def test_promtool_finds_nothing_to_say_about_the_metrics() -> None:
    promtool("check", "metrics", given=(await scraped()).text)


def test_promtool_takes_what_the_dashboard_asks(tmp_path: Path) -> None:
    asked = [re.sub(r"\$__\w+", "5m", target["expr"]) for panel in panels() for target in panel["targets"]]
    recorded = [{"record": f"panel:{number}", "expr": expr} for number, expr in enumerate(asked)]
    written = tmp_path / "asked.yml"
    written.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": recorded}]}))
    promtool("check", "rules", str(written))


def test_promtool_takes_the_rules() -> None:
    promtool("check", "rules", str(RULES))


def test_the_rules_do_what_they_are_for() -> None:
    promtool("test", "rules", str(ROOT / "tests" / "fixtures" / "prometheus" / "rules.test.yml"))


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def test_every_rule_is_tested_documented_and_says_what_to_do() -> None:
    tested = yaml.safe_load((ROOT / "tests" / "fixtures" / "prometheus" / "rules.test.yml").read_text())["tests"]
    fired = {each["alertname"] for test in tested for each in test["alert_rule_test"] if each.get("exp_alerts")}
    silent = {each["alertname"] for test in tested for each in test["alert_rule_test"] if not each.get("exp_alerts")}
    names = {rule["alert"] for rule in rules()}
    assert fired == silent == names
    assert [rule["alert"] for rule in rules() if {"summary", "description"} - rule["annotations"].keys()] == []
    documented = re.findall(r"^\| `(\w+)` \| .* \| (\w+) \|$", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE)
    assert {(rule["alert"], rule["labels"]["severity"]) for rule in rules()} == {
        each for each in documented if each[0].startswith("Notifier")
    }


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return [panel for panel in found if panel["type"] != "row"]


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in rules())
    yield from (target["expr"] for panel in panels() for target in panel["targets"])
    for variable in json.loads(DASHBOARD.read_text())["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"]["query"]


async def test_every_expression_names_metrics_and_labels_that_there_are() -> None:
    found = await scraped()
    labels = {label for family in found.families.values() for sample in family.samples for label in sample.labels}
    named = {name for each in expressions() for name in re.findall(r"\b(?:notifier|process)_\w+", each)}
    assert len(named) > 15
    assert named - found.names() == set()
    grouped = {
        label.strip()
        for each in expressions()
        for inside in re.findall(r"\b(?:by|on|ignoring|without)\s*\(([^)]*)\)", each)
        for label in inside.split(",")
        if label.strip()
    }
    matched = {label for each in expressions() for label in re.findall(r"[{,]\s*(\w+)\s*[=!]~?\"", each)}
    assert (grouped | matched) - labels - {"instance", "job"} == set()  # which Prometheus adds


def test_the_dashboard_asks_whichever_prometheus_is_chosen() -> None:
    board = json.loads(DASHBOARD.read_text())
    sources = {json.dumps(each["datasource"], sort_keys=True) for each in board["panels"] if "datasource" in each}
    sources |= {json.dumps(t["datasource"], sort_keys=True) for panel in panels() for t in panel["targets"]}
    assert sources == {'{"type": "prometheus", "uid": "${datasource}"}'}
    assert board["id"] is None
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))


def test_no_panel_lies_over_another() -> None:
    board = json.loads(DASHBOARD.read_text())
    taken: dict[tuple[int, int], int] = {}
    for panel in board["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        for place in ((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])):
            assert taken.setdefault(place, panel["id"]) == panel["id"]


async def test_the_documentation_lists_what_there_is() -> None:
    words = (ROOT / "docs" / "metrics.md").read_text()
    listed = {
        name: (kind, labels, help_)
        for name, kind, labels, help_ in re.findall(
            r"^\| `(notifier_\w+)` \| (\w+) \| (.*?) \| (.*?) \|$", words, re.MULTILINE
        )
    }
    found = {}
    for family in (await scraped()).families.values():
        if family.name.startswith("notifier_"):
            labels = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
            name = family.name + "_total" * (family.type == "counter")
            found[name] = (family.type, ", ".join(f"`{label}`" for label in labels), family.documentation)
    assert listed == found
