"""Says on which databases the tests ran, and what was skipped and why.

With `--all-databases` the run fails unless SQLite and PostgreSQL each had a part in it.
"""

import re
import sqlite3
from collections import Counter

import pytest

_DATABASES = ("SQLite", "PostgreSQL")
_NAMED = (*_DATABASES, "PgBouncer")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all-databases", action="store_true", help="fail unless tests ran on SQLite and PostgreSQL")


def _ran_on(config: pytest.Config) -> Counter[str]:
    """Count the passed tests by database: PostgreSQL's report theirs, SQLite's have it among their parameters."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    used: Counter[str] = Counter()
    for report in reporter.stats.get("passed", ()) if reporter else ():
        used.update(f"{name} {value}" for name, value in report.user_properties if name in _NAMED)
        if re.search(r"\bsqlite\b", report.nodeid):
            used[f"SQLite {sqlite3.sqlite_version}"] += 1
    return used


def _missing(config: pytest.Config) -> list[str]:
    """Return the databases that were asked for and had no part."""
    if not config.getoption("all_databases") or hasattr(config, "workerinput"):
        return []
    used = _ran_on(config)
    return [name for name in _DATABASES if not any(each.startswith(name) for each in used)]


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if _missing(session.config) and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for name, count in sorted(_ran_on(config).items()):
        terminalreporter.write_line(f"ran on {name}: {count} passed")
    for name in _missing(config):
        terminalreporter.write_line(f"no test ran on {name}", red=True)
    for report in terminalreporter.stats.get("skipped", ()):
        terminalreporter.write_line(f"skipped: {report.nodeid}: {report.longrepr[-1]}", red=True)
