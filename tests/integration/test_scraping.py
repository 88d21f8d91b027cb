"""Who is answered at /metrics, and in which form."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from notifier.adapters.web import App, Rules
from tests.support.asked import backing
from tests.support.scraped import OPENMETRICS, Scraped

TOKEN = "planted-web-token"


@asynccontextmanager
async def asking(rules: Rules | None = None) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(App(backing(rules=rules)))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield client


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        (OPENMETRICS, "application/openmetrics-text; version=1.0.0; charset=utf-8"),
    ],
)
async def test_prometheus_is_answered_in_a_form_that_it_takes(accept: str, media: str) -> None:
    async with asking() as client:
        answer = await client.get("/metrics", headers={"Accept": accept})
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, media)
    assert answer.headers["Cache-Control"] == "no-store"
    assert Scraped(answer.text).one("notifier_database_up") == 1


@pytest.mark.parametrize("public", [False, True])
@pytest.mark.parametrize(
    ("shown", "status"),
    [
        (f"Bearer {TOKEN}", 200),
        ("", 401),
        (f"Bearer {TOKEN[:-1]}", 401),
        (f"Bearer {TOKEN}x", 401),
        ("Bearer", 401),
        (TOKEN, 401),
        ("Bearer é", 401),
    ],
)
async def test_where_there_is_a_token_who_scrapes_shows_it_public_or_not(
    shown: str, status: int, *, public: bool
) -> None:
    async with asking(Rules(token=TOKEN, public=public)) as client:
        answer = await client.get("/metrics", headers={b"Authorization": shown.encode()})
        assert answer.status_code == status
        assert ("notifier_" in answer.text) == (status == 200)
        assert (await client.get("/readyz")).status_code == 200
