"""A real Chromium without a window; where none is installed, the tests that need one are skipped and listed."""

import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Request, async_playwright

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / "build" / "screenshots"
CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
NO_CHROMIUM = "no Chromium is installed (Debian: apt install chromium)"
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_AXE = Path(__file__).parents[1] / "e2e" / "axe"
_PATIENCE_S = 120
_LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


@dataclass
class Reader:
    """Somebody who looks at pages; keeps what went wrong meanwhile, and who was asked."""

    browser: Browser
    context: BrowserContext
    page: Page
    wrong: list[str] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)

    def note(self) -> None:
        """Keep, from now on, what the console says and who is asked for anything."""

        def said(message: ConsoleMessage) -> None:
            if message.type in {"error", "warning"}:
                self.wrong.append(f"{message.text} ({message.location.get('url')})")

        def asks(request: Request) -> None:
            self.asked.add(urlsplit(request.url).netloc)

        self.page.on("console", said)
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.context.on("request", asks)

    async def shoot(self, name: str) -> None:
        """Write a picture of the whole page for a person to look at."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)

    async def violations(self, axe: str) -> list[str]:
        """Return where the page violates WCAG 2.2 AA, as far as a machine can see."""
        await self.page.evaluate(axe)
        options = {"runOnly": {"type": "tag", "values": _LEVELS}}
        found: dict[str, Any] = await self.page.evaluate("options => axe.run(document, options)", options)
        assert len(found["passes"]) > 5, "it has looked at nothing"
        return [
            f"{each['id']}: {node['html']} {node.get('failureSummary', '')}"
            for each in found["violations"]
            for node in each["nodes"]
        ]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        pytest.skip(NO_CHROMIUM)
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(_FLAGS))
        yield running
        await running.close()


async def reader(browser: Browser, **options: Any) -> Reader:
    """Open a window of its own: no cookie, no cache of another's."""
    context = await browser.new_context(**{"viewport": {"width": 1200, "height": 900}, **options})
    context.set_default_timeout(20_000)
    opened = Reader(browser, context, await context.new_page())
    opened.note()
    return opened


@pytest.fixture(scope="session")
def axe() -> str:
    """The program that looks for violations, from npm as it is locked."""
    if CHROMIUM is None:
        pytest.skip(NO_CHROMIUM)
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm is installed, which brings axe-core (Debian: apt install npm)")
    folder = ROOT / "build" / "axe"
    folder.mkdir(parents=True, exist_ok=True)
    lock = (_AXE / "package-lock.json").read_text()
    program, stamp = folder / "node_modules" / "axe-core" / "axe.min.js", folder / "installed"
    if not (program.exists() and stamp.exists() and stamp.read_text() == lock):
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(_AXE / name, folder / name)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        ran = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=_PATIENCE_S, env=os.environ
        )
        if ran.returncode:
            last = (ran.stderr.strip().splitlines() or ["it does not say why"])[-1]
            pytest.skip(f"npm can't install axe-core: {last}")
        stamp.write_text(lock)
    return program.read_text(encoding="utf-8")
