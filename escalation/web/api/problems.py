"""Errors for programs: application/problem+json (RFC 9457), the same words as the command line's."""

from typing import Any

import orjson
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from escalation.errors import EscalationError, Refused


class Problem(BaseModel):
    """What went wrong."""

    type: str = Field(description="urn:escalation:<code>")
    title: str
    status: int
    code: str
    detail: str
    hint: str = ""
    #: The actions that this party may take now, when a rule said no.
    allowed: list[str] | None = None


MEDIA = "application/problem+json"


def answer(error: Exception) -> Response:
    """An error as a problem."""
    told = _told(error)
    headers = {"WWW-Authenticate": "Bearer"} if told["status"] == 401 else {}
    headers |= getattr(error, "headers", None) or {}
    return Response(orjson.dumps(told), told["status"], headers, MEDIA)


def told(status: int, code: str, detail: str) -> Response:
    """A problem that is no error of ours."""
    return Response(orjson.dumps(_problem(status, code, detail, "see /api/openapi.json", "It was not read.")), status, {}, MEDIA)


def _told(error: Exception) -> dict[str, Any]:
    if isinstance(error, EscalationError):
        told = _problem(error.status, error.code, error.message, error.hint, (type(error).__doc__ or "").partition("\n")[0])
        return told | ({"allowed": list(error.allowed)} if isinstance(error, Refused) else {})
    if isinstance(error, RequestValidationError):
        said = "; ".join(f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in error.errors())
        return _problem(422, "invalid", said, "see /api/openapi.json", "The request does not fit its description.")
    if isinstance(error, HTTPException):
        return _problem(error.status_code, "http", str(error.detail), "see /api/openapi.json", "No such thing here.")
    raise error


def _problem(status: int, code: str, detail: str, hint: str, title: str) -> dict[str, Any]:
    return {"type": f"urn:escalation:{code}", "title": title, "status": status, "code": code, "detail": detail, "hint": hint}


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems that a route may answer, for its description."""
    content = {MEDIA: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"model": Problem, "content": content} for status in statuses}
