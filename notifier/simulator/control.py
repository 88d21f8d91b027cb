"""The simulator's controls over HTTP: see the world, change it, count what was asked."""

import json
from collections import Counter
from typing import Any

from aiohttp import web

from notifier.errors import ConfigurationError
from notifier.simulator.reading import read_changes
from notifier.simulator.world import World


async def handle(world: World, request: web.BaseRequest) -> web.Response:
    """Answer a request under `/control`."""
    match request.method, request.path.rstrip("/"):
        case "GET", "/control":
            return web.json_response(world.described())
        case "POST", "/control":
            return await _change(world, request)
        case "GET", "/control/requests":
            return web.json_response(_counts(world, request))
        case "DELETE", "/control/requests":
            world.requests.clear()
            return web.json_response(_counts(world, request))
        case _:
            known = "GET or POST /control, GET or DELETE /control/requests"
            return _refused(404, f"found {request.method} {request.path}, expected {known}")


async def _change(world: World, request: web.BaseRequest) -> web.Response:
    """Apply one change or a list of them; if one is written wrong, none is."""
    try:
        for change in read_changes(json.loads(await request.read())):
            change.apply(world)
    except ConfigurationError as error:
        return _refused(400, *error.problems)
    except LookupError as error:
        return _refused(404, str(error))
    except ValueError:
        return _refused(400, 'expected JSON, such as {"set": {"link": "icon-ams-01", "state": "Down"}}')
    return web.json_response(world.described())


def _counts(world: World, request: web.BaseRequest) -> dict[str, Any]:
    query = request.query
    found = world.requests.of(account=query.get("account"), link=query.get("link"))
    return {
        "total": len(found),
        "by_asked": Counter(str(one.asked) for one in found),
        "by_status": Counter("none" if one.status is None else str(one.status) for one in found),
        "by_link": Counter(one.link for one in found if one.link is not None),
        "busiest_second": world.requests.most_within(1),
    }


def _refused(status: int, *problems: str) -> web.Response:
    return web.json_response({"errors": problems}, status=status)
