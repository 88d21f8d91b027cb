"""`notifier simulate` as people start it: a process, a port, a signal."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.request import Request, urlopen

import pytest

ROOT = Path(__file__).parent.parent.parent
SIMULATE = [sys.executable, "-m", "notifier", "simulate"]


@contextmanager
def simulating(*arguments: str) -> Iterator[tuple[dict[str, str], "subprocess.Popen[str]"]]:
    """Run the command; yield the environment it offers and the process."""
    command = [*SIMULATE, "--listen", "127.0.0.1:0", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield offered(process.stdout), process
        finally:
            process.kill()


def offered(stdout: IO[str]) -> dict[str, str]:
    environment: dict[str, str] = {}
    for line in stdout:
        if export := re.fullmatch(r"export (\w+)=(.*)\n", line):
            environment[export[1]] = export[2]
        if "NOTIFIER_CLOUDFLARE__URL" in environment:
            break
    return environment


def listed(environment: dict[str, str]) -> list[str]:
    url = f"{environment['NOTIFIER_CLOUDFLARE__URL']}/accounts/{environment['CLOUDFLARE_ACCOUNT_ID']}/cni/interconnects"
    asking = Request(url, headers={"Authorization": f"Bearer {environment['CLOUDFLARE_API_TOKEN']}"})  # noqa: S310 - loopback
    with urlopen(asking, timeout=10) as answer:  # noqa: S310 - loopback
        return [item["name"] for item in json.load(answer)["items"]]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_offers_a_small_world_until_it_is_told_to_stop(number: signal.Signals) -> None:
    with simulating() as (environment, process):
        assert listed(environment) == [
            *("icon-ams-01", "icon-ams-02", "icon-fra-01", "icon-fra-02", "icon-iad-01", "icon-iad-02")
        ]
        process.send_signal(number)
        _, stderr = process.communicate(timeout=10)
        assert (process.returncode, stderr) == (0, "")


def test_a_world_of_any_size_is_made_with_a_token_of_ones_own() -> None:
    with simulating("--accounts", "3", "--links", "20", "--token", "my own", "--rate-limit", "1/5m") as (
        environment,
        _,
    ):
        assert environment["CLOUDFLARE_API_TOKEN"] == "'my own'"
        names = listed({**environment, "CLOUDFLARE_API_TOKEN": "my own"})
        assert len(set(names)) == 20
        with pytest.raises(OSError, match="429"):
            listed({**environment, "CLOUDFLARE_API_TOKEN": "my own"})


def test_a_script_makes_its_own_world(tmp_path: Path) -> None:
    script = tmp_path / "s.yaml"
    script.write_text("accounts: [{id: a, token: t, links: [{name: x}]}]\nsteps: [{at: 0s, link: {name: y}}]")
    with simulating("--script", str(script)) as (environment, _):
        assert (environment["CLOUDFLARE_ACCOUNT_ID"], environment["CLOUDFLARE_API_TOKEN"]) == ("a", "t")
        assert listed(environment) == ["x", "y"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--listen", "8081"], 2, "found '8081', expected HOST:PORT, such as 127.0.0.1:8081"),
        (["--listen", "127.0.0.1:70000"], 2, "expected HOST:PORT"),
        (["--rate-limit", "many"], 2, "expected a number of requests and a duration, such as 1200/5m"),
        (["--script", "none.yaml"], 2, "none.yaml: cannot be read: No such file or directory"),
        (["--script", "none.yaml", "--links", "3"], 2, "with --script, the script does"),
        (["--listen", "192.0.2.1:8081"], 1, "cannot listen on 192.0.2.1:8081"),
    ],
)
def test_what_can_not_be_served_is_refused_with_the_reason(arguments: list[str], code: int, words: str) -> None:
    run = subprocess.run([*SIMULATE, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert run.returncode == code
    assert words in run.stderr
    assert run.stdout == ""
