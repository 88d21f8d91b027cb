"""Whatever the API's own document allows, and more: it never fails, and answers as the document says."""

import asyncio
import threading
from collections import Counter
from pathlib import Path
from typing import Any, Self

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from notifier.adapters.clock import SystemClock
from notifier.adapters.database.database import SqlDatabase
from notifier.adapters.listening import address, bind
from notifier.adapters.web import App, WebServer
from tests.support.asked import backing
from tests.support.planted import sound

pytestmark = pytest.mark.slow

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
    allow_header_conformance,
]


class Served:
    """The API on a database with something in it, in a loop and a thread of its own."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._began = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self.address = ""

    async def _serve(self) -> None:
        database = SqlDatabase(self._url)
        await database.prepare(migrate=True)
        await sound(database)
        bound = bind("127.0.0.1", 0)
        self._server = WebServer(App(backing(database, SystemClock())), bound)
        self._loop = asyncio.get_running_loop()
        self.address = address(bound)
        self._began.set()
        await self._server.serve()
        await database.close()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._began.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._server.stop)
        self._thread.join(10)


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_it_never_fails_and_answers_as_its_document_says(mode: GenerationMode, tmp_path: Path) -> None:
    with Served(f"sqlite:///{tmp_path}/notifier.db") as served:
        document = schemathesis.openapi.from_url(f"http://{served.address}/api/v1/openapi.json")
        answered: Counter[int] = Counter()
        for found in document.exclude(path_regex="/events$").get_all_operations():  # without an end
            assert isinstance(found, Ok), found

            @settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
            @given(case=found.ok().as_strategy(generation_mode=mode))
            def ask(case: Case[Any]) -> None:
                answered[case.call_and_validate(checks=CHECKS, timeout=10).status_code] += 1

            ask()
    refused = sum(number for status, number in answered.items() if status >= 400)
    assert refused > 100 if mode is GenerationMode.NEGATIVE else answered[200] > 50, answered
