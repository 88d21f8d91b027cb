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
from click.testing import CliRunner

from notifier.cli.context import Context
from notifier.cli.simulate import simulate
from notifier.errors import ConfigurationError

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


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_offers_a_small_world_until_it_is_told_to_stop(number: signal.Signals) -> None:
    with simulating() as (environment, process):
        assert listed(environment) == [
            *("icon-ams-01", "icon-ams-02", "icon-fra-01", "icon-fra-02", "icon-iad-01", "icon-iad-02")
        ]
        process.send_signal(number)
        _, stderr = process.communicate(timeout=10)
        assert (process.returncode, stderr) == (0, "")


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_script_makes_its_own_world(tmp_path: Path) -> None:
    script = tmp_path / "s.yaml"
    script.write_text("accounts: [{id: a, token: t, links: [{name: x}]}]\nsteps: [{at: 0s, link: {name: y}}]")
    with simulating("--script", str(script)) as (environment, _):
        assert (environment["CLOUDFLARE_ACCOUNT_ID"], environment["CLOUDFLARE_API_TOKEN"]) == ("a", "t")
        assert listed(environment) == ["x", "y"]


@pytest.mark.slow
def test_an_address_that_can_not_be_had_is_named() -> None:
    run = subprocess.run(
        [*SIMULATE, "--listen", "192.0.2.1:8081"], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    assert (run.returncode, run.stdout) == (1, "")
    assert "cannot listen on 192.0.2.1:8081: " in run.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--listen", "8081"], "found '8081', expected HOST:PORT, such as 127.0.0.1:8081"),
        (["--listen", "127.0.0.1:70000"], "expected HOST:PORT"),
        (["--rate-limit", "many"], "expected a number of requests and a duration, such as 1200/5m"),
        (["--script", "none.yaml", "--links", "3"], "with --script, the script does"),
    ],
)
def test_wrong_usage_is_refused_with_what_is_expected(arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(simulate, arguments, obj=Context(path=None, log_format=None, log_level=None))
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.split())


def test_a_script_that_can_not_be_read_is_a_wrong_configuration() -> None:
    result = CliRunner().invoke(
        simulate, ["--script", "none.yaml"], obj=Context(path=None, log_format=None, log_level=None)
    )
    assert isinstance(result.exception, ConfigurationError)
    assert str(result.exception) == "none.yaml: cannot be read: No such file or directory"
