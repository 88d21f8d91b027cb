"""What docker-compose.yml and the Dockerfile promise, read from their text: no container engine is needed."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from notifier.cli import notifier
from notifier.settings import load
from tests.support.compose import Compose

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
DOCKERFILE = (ROOT / "Dockerfile").read_text()

each_service = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)
each_of_ours = pytest.mark.parametrize("service", OURS.values(), ids=OURS)


def instructions(name: str) -> list[str]:
    return re.findall(rf"^{name} (.+)$", DOCKERFILE, re.MULTILINE)


def test_the_file_is_what_compose_reads() -> None:
    Compose.model_validate(COMPOSE)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"restart": "sometimes"}, "restart"),
        ({"healtcheck": {}}, "healtcheck"),
        ({"secrets": ["token"]}, "not there"),
        ({"depends_on": {"migrate": {"condition": "service_healthy"}}}, "never checked"),
    ],
)
def test_a_mistake_in_the_file_would_be_noticed(change: dict[str, Any], complaint: str) -> None:
    services = {**SERVICES, "notifier": {**SERVICES["notifier"], **change}}
    with pytest.raises(ValueError, match=complaint):
        Compose.model_validate({**COMPOSE, "services": services})


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="no docker-compose here to ask as well")
def test_compose_itself_takes_it() -> None:
    command = ["docker-compose", "--file", str(ROOT / "docker-compose.yml"), "config", "--quiet"]
    environ = {**os.environ, "CLOUDFLARE_ACCOUNT_ID": "0" * 32}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_several_share_the_work() -> None:
    assert SERVICES["notifier"]["deploy"] == {"replicas": 2}


@each_service
def test_no_container_runs_as_root(service: dict[str, Any]) -> None:
    user = service.get("user") or instructions("USER")[-1]
    assert user.split(":")[0] not in {"", "0", "root"}


@each_service
def test_a_container_can_change_nothing_but_its_data(service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@each_service
def test_secrets_come_from_files_alone(service: dict[str, Any]) -> None:
    given = {f"/run/secrets/{name}" for name in service["secrets"]}
    secret = re.compile("PASSWORD|TOKEN|KEY|URL|DATABASE(_|$)")
    values = {value for name, value in service["environment"].items() if secret.search(name)}
    assert values == given
    for name in service["secrets"]:
        assert COMPOSE["secrets"][name] == {"file": f"./secrets/{name}"}


def test_secrets_stay_out_of_git_and_of_the_image() -> None:
    assert "/secrets/" in (ROOT / ".gitignore").read_text().splitlines()
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*"


@each_of_ours
def test_the_environment_is_a_whole_configuration(service: dict[str, Any], tmp_path: Path) -> None:
    secrets = {
        "database_url": "postgresql://notifier:a-password@database:5432/notifier",
        "cloudflare_token": "a-token-of-some-length",
        "channel_url": "json://receiver.example/",
    }
    for name in service["secrets"]:
        (tmp_path / name).write_text(secrets[name] + "\n")
    environment = {
        name: value.replace("/run/secrets", str(tmp_path)).replace("${CLOUDFLARE_ACCOUNT_ID:?}", "0" * 32)
        for name, value in service["environment"].items()
    }
    settings = load(None, environment, tmp_path)
    token = settings.accounts[0].token
    assert token is not None
    assert {
        "database_url": settings.database.get_secret_value(),
        "cloudflare_token": token.get_secret_value(),
        "channel_url": settings.channels["main"].url.get_secret_value(),
    } == secrets


COMMANDS = [service["command"] for service in OURS.values()]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_that_is_called_exists(words: list[str]) -> None:
    command: click.Command | None = notifier
    for word in words:
        assert isinstance(command, click.Group)
        command = command.get_command(click.Context(command), word)
    assert command is not None
    assert not isinstance(command, click.Group)


@pytest.mark.parametrize("image", [service["image"] for service in SERVICES.values()] + instructions("FROM"))
def test_an_image_has_a_tag(image: str) -> None:
    name, _, tag = image.split(maxsplit=1)[0].partition(":")
    assert name
    assert tag
    assert tag != "latest"
    assert name == "cni-notifier" or re.match(r"\d+\.\d+(\.\d+)?-(slim-)?bookworm$", tag), (
        "a release, not a line of them"
    )


@each_of_ours
def test_the_image_is_this_release(service: dict[str, Any]) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert service["image"] == f"cni-notifier:{version}"


def test_the_service_waits_for_the_database_and_its_schema() -> None:
    assert SERVICES["migrate"]["depends_on"] == {"database": {"condition": "service_healthy"}}
    assert SERVICES["notifier"]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert "pg_isready" in SERVICES["database"]["healthcheck"]["test"]


def test_what_ends_by_itself_is_not_restarted_and_what_should_run_is() -> None:
    policies = {name: service["restart"] for name, service in SERVICES.items()}
    assert policies == {"database": "unless-stopped", "migrate": "no", "notifier": "unless-stopped"}


def test_every_path_that_the_image_needs_is_let_in() -> None:
    let_in = set(re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE))
    copied = {source for line in instructions("COPY") if "--from" not in line for source in line.split()[:-1]}
    assert copied == let_in
    assert all((ROOT / source).exists() for source in copied)


def test_the_locks_hashes_are_asked_for() -> None:
    installs = [line for line in DOCKERFILE.replace("\\\n", "").splitlines() if "install -" in line and ".lock" in line]
    assert installs
    assert all("--require-hashes" in line for line in installs)


def test_both_stages_are_of_one_python_the_newest_that_is_tested() -> None:
    [version] = {re.findall(r"python:(\d+\.\d+)\.\d+", image)[0] for image in instructions("FROM")}
    tested = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text())
    assert version == max(tested, key=lambda each: int(each.partition(".")[2]))
    assert {f"python{found}" for found in re.findall(r"/lib/python(3\.\d+)/", DOCKERFILE)} == {f"python{version}"}


def test_nothing_that_installs_or_builds_is_in_the_final_image() -> None:
    final = DOCKERFILE.rpartition("\nFROM ")[2]
    assert "python -m venv --without-pip /opt/notifier" in DOCKERFILE
    for place in ("lib/python3.13/ensurepip", "lib/python3.13/site-packages/pip*", "bin/pip*"):
        assert f"/usr/local/{place}" in final
    assert not re.search(r"apt-get|pip install|--from=build (?!/opt/notifier )", final)
