"""`notifier config schema`."""

from pathlib import Path

from click.testing import CliRunner

from notifier.cli.config import config

_COMMITTED = Path(__file__).parents[2] / "config" / "notifier.schema.json"


def test_the_command_prints_the_committed_schema() -> None:
    printed = CliRunner().invoke(config, ["schema"])
    assert printed.exit_code == 0
    assert printed.output == _COMMITTED.read_text(encoding="utf-8")
