"""What the systemd unit promises; where systemd is, it has its say too."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from notifier.cli import HELD, UNREACHABLE, WRONG

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "config" / "systemd" / "cni-notifier.service"
WORST = 2.0  # of systemd's exposure, from 0 (none) to 10

has_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here to ask")


def values(name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(), re.MULTILINE)


def analyze(*arguments: str | Path) -> str:
    command = ["systemd-analyze", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_it_runs_the_service_with_the_usual_configuration_and_not_as_root() -> None:
    assert values("ExecStart") == ["/opt/notifier/bin/notifier --config /etc/notifier/notifier.yaml run"]
    assert values("User") == values("Group") == ["notifier"]
    assert (values("StateDirectory"), values("WorkingDirectory")) == (["notifier"], ["%S/notifier"])


def test_it_is_started_again_for_ever_but_not_with_a_configuration_that_can_not_be_used() -> None:
    assert values("Restart") == ["always"]
    assert values("StartLimitIntervalSec") == ["0"]
    prevented = {int(code) for code in values("RestartPreventExitStatus")[0].split()}
    assert prevented == {WRONG}
    assert not prevented & {HELD, UNREACHABLE}


def test_it_is_awaited_until_it_is_ready_and_started_again_when_it_lives_no_more() -> None:
    assert (values("Type"), values("NotifyAccess")) == (["notify"], [])  # only its main process is heard
    assert values("TimeoutStartSec") == ["infinity"]
    assert int(values("WatchdogSec")[0]) > 2 * 15  # of a schedule that stands still for 15 s nothing is said any more
    assert "PYTHONFAULTHANDLER=1" in values("Environment")[0].split()


def test_a_stop_has_the_time_it_needs() -> None:
    assert int(values("TimeoutStopSec")[0]) > 10


def test_it_can_gain_no_privilege_and_write_nowhere_but_in_its_own_folder() -> None:
    wanted = {"NoNewPrivileges": "yes", "ProtectSystem": "strict", "ProtectHome": "yes", "CapabilityBoundingSet": ""}
    assert {name: values(name) for name in wanted} == {name: [value] for name, value in wanted.items()}
    assert values("ReadWritePaths") == []
    assert (values("UMask"), values("StateDirectoryMode")) == (["0077"], ["0700"])


@has_systemd
def test_systemd_finds_nothing_wrong_with_it(tmp_path: Path) -> None:
    copy = tmp_path / UNIT.name  # with a program that is here
    copy.write_text(UNIT.read_text().replace("/opt/notifier/bin/notifier", sys.executable))
    assert analyze("verify", "--man=no", copy) == ""


@has_systemd
def test_systemd_finds_it_well_hardened() -> None:
    overall = re.search(
        r"exposure level for \S+: (\d+\.\d+)", analyze("security", "--offline=true", "--no-pager", UNIT)
    )
    assert overall is not None
    assert float(overall[1]) < WORST
