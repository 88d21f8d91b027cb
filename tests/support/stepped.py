"""A process's wall clock, set while it runs; its monotonic ones go on. By libfaketime (Debian, Ubuntu: faketime)."""

from pathlib import Path

import pytest

# The one for threads: the other now and then reads half of the file, and takes the clock for the world's.
_LIBRARIES = sorted(Path("/usr").glob("lib*/*/faketime/libfaketimeMT.so.1"))
_LACKING = "libfaketime is not here, so no clock can be set: install faketime"


class WallClock:
    """The wall clock of every process that has its `environment`."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self.set_ahead_by(0)
        self.environment = {
            "LD_PRELOAD": str(_LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",  # second
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def set_ahead_by(self, seconds: int) -> None:
        """Set it to be ahead of the world's (behind, if negative) by so many seconds, from now on."""
        written = self._file.with_suffix(".new")
        written.write_text(f"{seconds:+d}", encoding="utf-8")
        written.replace(self._file)


@pytest.fixture
def wall_clock(tmp_path: Path) -> WallClock:
    """Make a wall clock; the test is skipped, and the summary says so, where there can be none."""
    if not _LIBRARIES:
        pytest.skip(_LACKING)
    return WallClock(tmp_path)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = [report for report in terminalreporter.stats.get("skipped", ()) if _LACKING in str(report.longrepr)]
    if skipped:
        terminalreporter.write_line(f"{len(skipped)} NOT RUN: {_LACKING}", red=True)
