"""What went wrong, as RFC 9457 has it told: to programs as problem+json, to people as a line of text."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse, PlainTextResponse, Response

API = "/api/"
PROBLEM_JSON = "application/problem+json"


def problem(
    path: str,
    status: int,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    errors: Sequence[Mapping[str, Any]] = (),
) -> Response:
    """Answer that it went wrong, in a sentence: what was found, what was expected, what to do."""
    if not path.startswith(API):
        return PlainTextResponse(f"{detail}\n", status_code=status, headers=headers)
    told: dict[str, Any] = {"title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    if errors:
        told["errors"] = list(errors)
    return JSONResponse(told, status_code=status, headers=headers, media_type=PROBLEM_JSON)
