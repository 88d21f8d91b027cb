"""The files in config/ are true: they load, they validate, they name everything, and the schema is today's."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from notifier.settings import Settings, load, schema
from notifier.settings.outline import ENTRIES

_CONFIG = Path(__file__).parents[2] / "config"
_EXAMPLE, _MINIMAL = _CONFIG / "notifier.example.yaml", _CONFIG / "notifier.minimal.yaml"
_ENVIRON = {
    "CLOUDFLARE_ACCOUNT_ID": "0a1b2c",
    "CLOUDFLARE_API_TOKEN": "made-up-token",
    "CLOUDFLARE_EMAIL": "ops@example.org",
    "CLOUDFLARE_API_KEY": "made-up-key",
    "SLACK_TOKENS": "T0000/B0000/made-up",
    "PAGERDUTY_ROUTING_KEY": "made-up-routing-key",
    "NOC_URL": "slack://T0000/B0000/made-up",
}


def _load(path: Path) -> Settings:
    return load(path, _ENVIRON, Path("/"))


def test_the_example_loads_and_gives_the_defaults() -> None:
    example, minimal = _load(_EXAMPLE), _load(_MINIMAL)
    assert [account.name for account in example.accounts] == ["production", "legacy"]
    assert list(example.channels) == ["noc", "on-call", "automation"]
    without = {"accounts", "channels", "routes", "maintenance", "objective", "drill", "severity"}
    assert example.model_dump(exclude=without) == minimal.model_dump(exclude=without)


def test_the_example_names_every_setting() -> None:
    named = Counter(re.findall(r"^[ #-]*([a-z_]+):(?: |$)", _EXAMPLE.read_text(), flags=re.MULTILINE))
    settings = Counter(str(path[-1]) for path, entry in ENTRIES.items() if entry.inside is None and path[-1] != "*")
    assert not {name: count for name, count in settings.items() if named[name] < count}


@pytest.mark.parametrize("path", [_EXAMPLE, _MINIMAL], ids=lambda path: path.name)
def test_both_files_satisfy_the_schema(path: Path) -> None:
    Draft202012Validator(schema()).validate(yaml.safe_load(path.read_text()))


def test_the_schema_refuses_what_the_service_refuses() -> None:
    good = yaml.safe_load(_MINIMAL.read_text())
    validator = Draft202012Validator(schema())
    wrongs: tuple[dict[str, Any], ...] = (
        {"rouets": []},
        {"routes": [{"channels": []}]},
        {"routes": [{"channels": ["noc"], "match": {"severity": "high"}}]},
        {"routes": [{"channels": ["noc"], "match": {"site": []}}]},
        {"maintenance": [{"name": "n", "cron": "0 2 * * *"}]},
        {"maintenance": [{"name": "n", "from": "2026-12-01", "until": "2026-12-02"}]},
        {"reload": {"on_change": 1}},
        {"poll": {"interval": 60}},
        {"detection": {"confirm": 0}},
        {"accounts": []},
    )
    for wrong in wrongs:
        assert not validator.is_valid(good | wrong)


def test_the_committed_schema_is_up_to_date() -> None:
    committed = json.loads((_CONFIG / "notifier.schema.json").read_text())
    assert committed == schema(), "run: notifier config schema > config/notifier.schema.json"


def test_the_schema_is_one_and_describes_every_setting() -> None:
    made = json.loads(json.dumps(schema()))
    Draft202012Validator.check_schema(made)
    sections: list[dict[str, Any]] = [made, *made["$defs"].values()]
    for section in sections:
        for name, setting in section["properties"].items():
            target = made["$defs"].get(setting.get("$ref", "").rpartition("/")[2], {})
            assert setting.get("description") or target.get("description"), name
