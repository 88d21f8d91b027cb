"""A report as it is handed on: the same figures in each form, and nothing in them that does something."""

import csv
import io
import json
import re
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from notifier.adapters.report.document import to_csv, to_json
from notifier.adapters.report.heading import Heading
from notifier.adapters.report.markdown import to_markdown
from notifier.adapters.report.page import to_html
from notifier.adapters.report.tables import hms
from notifier.domain.incident import IncidentKind
from notifier.domain.reporting import Report
from tests.support.examples import ACCOUNT
from tests.support.reported import AMSTERDAM, DAY, at, between, born, fell, incident, link, reported, rose

ROOT = Path(__file__).parents[2]
HEADING = Heading(
    at=at("12 08:00"),
    zone=AMSTERDAM,
    period=DAY,
    first=at("1"),
    clipped=False,
    asked=[],
    names={ACCOUNT: "production"},
    partial=[],
    kept=timedelta(days=90),
    shown=lambda text: text,
)


def a_day(name: str = "icon-ams-01", site: str = "ams-a") -> Report:
    """A link that was down for an hour and not seen for another, and one that was good."""
    return reported(
        link(born(), fell("10 06:00"), rose("10 07:00"), name=name, site=site, gaps=[between("10 20:00", "10 21:00")]),
        link(born(), name=f"{name}-b", site=site),
        incidents=[
            incident("10 06:00", "10 07:00", "10 06:00:30", subject=name),
            incident("10 20:01", "10 21:00", subject=ACCOUNT, kind=IncidentKind.BLIND),
        ],
        zone=AMSTERDAM,
    )


def documented() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(to_json(a_day(), HEADING))
    return found


def test_the_document_says_what_it_is_and_adds_up() -> None:
    found = documented()
    assert (found["format"], found["version"]) == ("cni-notifier report", 1)
    assert found["period"] == {
        "from": "2026-11-10T00:00:00Z",
        "to": "2026-11-11T00:00:00Z",
        "length_s": 86_400,
        "zone": "Europe/Amsterdam",
    }
    first = found["interconnects"][0]
    assert {key: first[key] for key in ("account", "account_id", "site", "interconnect")} == {
        "account": "production",
        "account_id": ACCOUNT,
        "site": "ams-a",
        "interconnect": "icon-ams-01",
    }
    assert [first[f"{name}_s"] for name in ("good", "bad", "maintenance", "not_observed", "not_watched")] == [
        79_200,
        3_600,
        0,
        3_600,
        0,
    ]
    assert (first["availability_percent"], first["observed_percent"]) == (95.6521, 95.8333)
    assert (first["notice_mean_s"], first["notice_at_most_mean_s"], first["tell_mean_s"]) == (15, 75, 30)
    assert (first["recover_mean_s"], first["longest_s"]) == (3600, 3600)
    assert found["sites"][0]["left"] == [{"left": 1, "watched": 2, "length_s": 3600}]
    assert [(each["kind"], each["within_s"]) for each in found["incidents"]] == [
        ("interconnect", 3600),
        ("blind", 3540),
    ]
    assert [day["length_s"] for day in found["days"]] == [82_800, 3600]  # midnight in Amsterdam is 23:00
    assert sum(day["bad_s"] for day in found["days"]) == found["total"]["bad_s"] == 3600


def test_every_field_of_the_document_is_documented() -> None:
    explained = (ROOT / "docs" / "reporting.md").read_text()
    means = {f"{name}_{what}" for name in ("notice", "notice_at_most", "tell", "recover") for what in ("mean_s", "of")}
    found = documented()
    fields = {*found, *(key for part in ("sites", "interconnects", "incidents", "days") for key in found[part][0])}
    assert sorted(field for field in fields - means if f"`{field}`" not in explained) == []


def test_csv_has_one_line_of_names_and_ends_lines_as_rfc_4180_has_it() -> None:
    text = to_csv(a_day(), HEADING)
    assert text.count("\r\n") == text.count("\n") == 5
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [(row["kind"], row["site"], row["interconnect"]) for row in rows] == [
        ("site", "ams-a", ""),
        ("interconnect", "ams-a", "icon-ams-01"),
        ("interconnect", "ams-a", "icon-ams-01-b"),
        ("total", "", ""),
    ]
    for row in rows[:3]:
        four = [int(row[f"{name}_s"]) for name in ("good", "bad", "maintenance", "not_observed")]
        assert sum(four) == 86_400
    assert rows[1]["availability_percent"] == "95.6521"
    assert rows[2]["recover_mean_s"] == ""
    assert {(row["from"], row["to"]) for row in rows} == {("2026-11-10T00:00:00Z", "2026-11-11T00:00:00Z")}


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_no_cell_is_a_formula(name: str) -> None:
    rows = list(csv.reader(io.StringIO(to_csv(a_day(name, name), HEADING), newline="")))
    assert f"'{name}" in rows[1]
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_without_anything_to_divide_by_there_is_no_data() -> None:
    dark = reported(link(born(), gaps=[between("9", "12")]))
    assert json.loads(to_json(dark, HEADING))["total"]["availability_percent"] is None
    assert next(csv.DictReader(io.StringIO(to_csv(dark, HEADING), newline="")))["availability_percent"] == ""
    for text in (to_markdown(dark, HEADING), to_html(dark, HEADING)):
        assert "no data" in text
        assert "100.0000" not in text


def test_markdown_shows_spans_that_can_be_added_up() -> None:
    text = to_markdown(a_day(), HEADING)
    assert "2026-11-10 01:00:00+01:00 to 2026-11-11 01:00:00+01:00 (Europe/Amsterdam)" in text
    assert "| ams-a | icon-ams-01 | 95.6521 % | 95.6521 % | 22:00:00 | 1:00:00 | - | 1:00:00 | - | - |" in text
    assert "| All together | | 97.8723 % |" in text.replace("|  |", "| |")
    assert "production" not in text  # there is one account only
    assert hms(timedelta(days=31, seconds=61)) == "744:01:01"


def test_the_account_is_named_where_there_are_several() -> None:
    text = to_markdown(a_day(), replace(HEADING, names={ACCOUNT: "production", "b": "b"}))
    assert "| production | ams-a | icon-ams-01 |" in text


def test_what_has_to_be_known_of_this_report_is_noted() -> None:
    heading = replace(HEADING, first=at("10 03:00"), clipped=True, partial=["quiet"], kept=timedelta(days=1))
    text = to_markdown(a_day(), heading)
    assert "it ends at that moment" in text
    assert "The record begins at 2026-11-10 04:00:00+01:00" in text
    assert "some messages: quiet" in text
    assert "is kept for 1d" in text
    assert "it ends at that moment" not in to_markdown(a_day(), HEADING)


def test_the_page_is_one_file_without_script_or_address() -> None:
    text = to_html(a_day(), HEADING)
    assert not re.search(r"//\w", text)
    assert not re.search(r"<(script|link|img|iframe|object)\b|\son\w+=|url\((?!#)", text)
    assert text.count('<svg role="img"') == text.count("<desc") == 2
    assert ">icon-ams-01</text>" in text  # text stays text
    assert "fill: url(#" in text  # the hatch
    identities = re.findall(r'\sid="([^"]*)"', text)
    assert len(identities) == len(set(identities))


def test_the_same_figures_give_the_same_page() -> None:
    assert to_html(a_day(), HEADING) == to_html(a_day(), HEADING)


def test_names_are_no_markup() -> None:
    hostile = '<b>&"$x^2$|`'
    report = a_day(hostile, hostile)
    html, markdown = to_html(report, HEADING), to_markdown(report, HEADING)
    assert "<b>" not in html
    assert "&lt;b&gt;&amp;" in html
    assert "$x^2$" in html  # no formula either
    assert r"\<b\>\&" in markdown
    assert r"\|\`" in markdown


def test_without_matplotlib_there_is_everything_but_html_and_html_says_what_to_install() -> None:
    code = """
import sys
sys.modules["matplotlib"] = None
from notifier.cli.report import _writer
from notifier.errors import NotifierError
for form in ("md", "csv", "json"):
    _writer(form)
try:
    _writer("html")
except NotifierError as error:
    print(error)
"""
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout == "--format html draws with matplotlib: pip install 'cni-notifier[report]'\n"


def test_only_html_waits_for_matplotlib() -> None:
    code = "import notifier.cli.report, sys; print('matplotlib' in sys.modules, 'jinja2' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout == "False False\n"
