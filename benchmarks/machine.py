"""Cores and processes, as Linux counts them."""

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_CORES = sorted(os.sched_getaffinity(0))

# What is measured runs on one core; what it talks to, and the measuring, on another, if there is one.
MEASURED, OTHER = _CORES[0], _CORES[-1]


def pin(core: int) -> None:
    """Stay on one core from now on, with every process begun after this."""
    os.sched_setaffinity(0, {core})


class Process:
    """What a process has used, and holds."""

    def __init__(self, pid: int) -> None:
        self._folder = Path("/proc") / str(pid)

    @property
    def cpu_s(self) -> float:
        """CPU seconds of all its threads so far, to a hundredth."""
        fields = (self._folder / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    @property
    def rss_mb(self) -> float:
        """Resident memory, MB."""
        return self._status("VmRSS") / 1000

    @property
    def peak_mb(self) -> float:
        """The most resident memory it ever had, MB."""
        return self._status("VmHWM") / 1000

    @property
    def descriptors(self) -> int:
        """Open files and sockets."""
        return len(list((self._folder / "fd").iterdir()))

    def _status(self, name: str) -> int:
        lines = (self._folder / "status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
