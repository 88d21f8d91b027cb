"""What holds for the whole tree: locks, dependencies, words that belong to one machine, the changelog."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = ["requirements.lock", "requirements-dev.lock"]
EXTRAS = PROJECT["project"]["optional-dependencies"]
RUNTIME = [*PROJECT["project"]["dependencies"], *(each for extra in EXTRAS.values() for each in extra)]
DEVELOPMENT = PROJECT["dependency-groups"]["dev"]

# Put together here, so that this file does not hold what it looks for.
MACHINES = ["/" + folder + "/" for folder in ("root", "home", "work", "Users")]
REGISTRIES = ["pypi." + "org", "files.python" + "hosted.org", "registry.npm" + "js.org"]


def locked(lock: str) -> dict[str, str]:
    pins = re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", (ROOT / lock).read_text(), re.MULTILINE)
    return {canonicalize_name(name): version for name, version in pins}


def tree() -> list[Path]:
    """Every file that git knows or would take up, but for recorded data and lists of hashes."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    files = (ROOT / name for name in listed.stdout.split("\0") if name)
    return [file for file in files if file.is_file() and "fixtures" not in file.parts]


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_place_to_download_from(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert "://" not in text
    assert not re.search(r"^-", text, re.MULTILINE)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_everything_by_hash(lock: str) -> None:
    entries = re.split(r"\n(?=\S)", (ROOT / lock).read_text().strip())
    assert entries
    assert [entry for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("requirement", RUNTIME)
def test_what_runs_is_locked_within_its_bounds(requirement: str) -> None:
    wanted = Requirement(requirement)
    assert wanted.specifier.contains(locked("requirements.lock")[canonicalize_name(wanted.name)])


@pytest.mark.parametrize("requirement", DEVELOPMENT)
def test_the_tools_are_locked_within_their_bounds(requirement: str) -> None:
    wanted = Requirement(requirement)
    assert wanted.specifier.contains(locked("requirements-dev.lock")[canonicalize_name(wanted.name)])


def test_the_tests_run_on_what_runs() -> None:
    everything = locked("requirements-dev.lock")
    assert {name: everything.get(name) for name in locked("requirements.lock")} == locked("requirements.lock")


def test_each_dependency_is_accounted_for() -> None:
    record = (ROOT / "docs" / "adr" / "0002-dependencies.md").read_text()
    named = set(re.findall(r"^\| ([a-z][a-z0-9-]+) \|", record, re.MULTILINE)) - {"package"}
    assert named == {canonicalize_name(Requirement(each).name) for each in RUNTIME + DEVELOPMENT}


def test_no_file_speaks_of_a_machine_or_a_registry() -> None:
    found = [
        f"{file.relative_to(ROOT)}: {word}"
        for file in tree()
        for word in MACHINES + REGISTRIES
        if word in file.read_text(errors="replace")
    ]
    assert found == []


def test_the_changelog_has_a_place_for_what_is_new() -> None:
    assert "## [Unreleased]" in (ROOT / "CHANGELOG.md").read_text()


def test_every_test_that_the_threat_model_names_exists() -> None:
    words = (ROOT / "docs" / "security.md").read_text()
    named = re.findall(r"`(\w+/test_\w+\.py)::(test_\w+)`", words)
    assert len(named) == len(re.findall(r"::test_", words)) > 30
    assert [
        f"{file}::{test}"
        for file, test in named
        if not re.search(rf"^(async )?def {test}\(", (ROOT / "tests" / file).read_text(), re.MULTILINE)
    ] == []


def test_every_phrase_of_the_log_is_explained() -> None:
    explained = (ROOT / "docs" / "operations.md").read_text()
    code = "\n".join(file.read_text() for file in (ROOT / "notifier").rglob("*.py"))
    phrases = re.findall(r'(?:_log\.(?:info|warning|error|exception)|_complain)\(\s*f?"([^"{]+)', code)
    assert len(phrases) > 15
    assert sorted({phrase for phrase in phrases if phrase not in explained}) == []


@pytest.mark.parametrize(
    ("commands", "not_theirs"),
    [
        # Only who listens waits for the web server, only who has PostgreSQL for its driver.
        ("run check", "uvicorn starlette prometheus_client asyncpg sqlalchemy.dialects.postgresql"),
        (
            "look deliveries explain ack silence verify evidence",
            "uvicorn starlette prometheus_client aiohttp httpx apprise apscheduler asyncpg",
        ),
    ],
)
def test_a_command_does_not_wait_for_what_others_need(commands: str, not_theirs: str) -> None:
    imports = "; ".join(f"import notifier.cli.{each}" for each in commands.split())
    code = f"{imports}; import sys; print(*set('{not_theirs}'.split()) & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout == "\n"
