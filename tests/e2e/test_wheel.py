"""What is shipped works where no checkout is: the wheel, its locked dependencies and nothing else."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs of a venv that the wheel is installed in."""
    folder = tmp_path_factory.mktemp("wheel")
    programs = folder / "venv" / "bin"
    pip = (sys.executable, "-m", "pip", "--python", programs / "python", "install", "--quiet", "--no-user")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    run(sys.executable, "-m", "venv", "--without-pip", folder / "venv", cwd=folder)
    run(*pip, "--require-hashes", "-r", ROOT / "requirements.lock", cwd=folder)
    run(*pip, "--no-deps", *folder.glob("*.whl"), cwd=folder)
    return programs


@pytest.mark.slow
def test_the_command_is_there(installed: Path, tmp_path: Path) -> None:
    assert "db" in run(installed / "notifier", "--help", cwd=tmp_path)


@pytest.mark.slow
def test_three_variables_are_enough_to_make_the_database(installed: Path, tmp_path: Path) -> None:
    run(
        *(installed / "notifier", "db", "upgrade"),
        cwd=tmp_path,
        CLOUDFLARE_API_TOKEN="a-token-of-some-length",
        CLOUDFLARE_ACCOUNT_ID="0" * 32,
        NOTIFIER_CHANNELS="json://receiver.example/",
    )
    with sqlite3.connect(tmp_path / "notifier.db") as database:
        assert database.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)
    database.close()


@pytest.mark.slow
def test_a_report_s_page_travels_along(installed: Path, tmp_path: Path) -> None:
    code = "from notifier.adapters.report.page import TEMPLATES; print(*(each.name for each in TEMPLATES.iterdir()))"
    assert run(installed / "python", "-c", code, cwd=tmp_path) == "report.html\n"


@pytest.mark.slow
def test_the_pages_and_all_they_load_travel_along(installed: Path, tmp_path: Path) -> None:
    code = """
from notifier.adapters.web.page.rendering import Pages, StaticFiles
files = StaticFiles()
print(Pages(files).render("error.html", asks=None, title="Here", words="it is", code=404))
print(*(files.get(files.href(name).rpartition("/")[2]).content for name in ("page.css", "page.js", "icon.svg")))
"""
    said = run(installed / "python", "-c", code, cwd=tmp_path)
    assert "<h1>Here</h1>" in said
    for part in (":root", "EventSource", "<svg"):
        assert part in said
