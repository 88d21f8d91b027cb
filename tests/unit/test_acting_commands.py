"""What the acting commands refuse before they do anything."""

from pathlib import Path

import pytest

from tests.support.process import configure
from tests.support.terminal import Terminal


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """The database that the configuration names; there is none."""
    path = tmp_path / "n.db"
    configure(tmp_path, f"sqlite:///{path}", "http://127.0.0.1:1", {"noc": "json://127.0.0.1:1/"})
    return path


@pytest.fixture
def terminal(database: Path) -> Terminal:
    return Terminal(database.parent)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--for", "1h"], "say what to silence"),
        (["--all", "--name", "x", "--for", "1h"], "say what to silence"),
        (["--all"], "say for how long"),
        (["--all", "--for", "0s"], "expected a time after"),
        (["--all", "--until", "2020-01-01T00:00Z"], "expected a time after"),
        (["--all", "--from", "2h", "--until", "2020-01-01"], "expected a time after"),
        (["--all", "--from", "2020-01-01", "--for", "1h"], "expected a time after"),
        (["--all", "--for", "soon"], "expected a span like 4h"),
        (["--all", "--for", "999999999d"], "expected a span like 4h"),
        (["--account", "staging", "--for", "1h"], "configured: production"),
    ],
)
def test_a_silence_that_makes_no_sense_is_refused(terminal: Terminal, arguments: list[str], complaint: str) -> None:
    ran = terminal.run("silence", "add", *arguments)
    assert ran.code == 2, ran
    assert complaint in ran.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        "ack x",
        "unack x",
        "silence add --all --for 1h",
        "silence list",
        "silence expire 1",
        "deliveries retry 1",
        "explain x",
        "test noc --drill",
    ],
)
def test_where_there_is_no_database_nothing_is_done_and_none_is_made(
    terminal: Terminal, database: Path, arguments: str
) -> None:
    ran = terminal.run(*arguments.split())
    assert "start the service first" in ran.stderr, ran
    assert not database.exists()


def test_an_acknowledgement_can_not_have_run_out_already(terminal: Terminal) -> None:
    ran = terminal.run("ack", "x", "--until", "2020-01-01T00:00Z")
    assert ran.code == 2
    assert "expected a time after" in ran.stderr
