"""What a supervisor and Prometheus ask: the same answers that a worker gives without the page."""

from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from escalation import health, metrics
from escalation.app import App
from escalation.clock import Clock
from escalation.nodes import Node


class Ready(BaseModel):
    """May requests be sent here, and what is wrong if not."""

    ready: bool
    wrong: dict[str, str]


class Exposition(Response):
    """Figures in Prometheus' own words."""

    media_type = "text/plain; version=0.0.4; charset=utf-8"


FIGURES: dict[str, Any] = {"content": {Exposition.media_type: {"schema": {"type": "string"}}}}


def router(app: App, clock: Clock, node: Node | None) -> APIRouter:
    """The three routes, at the root and under /api/v1."""
    made = APIRouter(tags=["health"])

    def live() -> dict[str, bool]:
        """The process answers."""
        return {"live": True}

    def ready() -> Response:
        """The store answers at this program's schema, and the scheduler beside it has looked at it lately."""
        wrong = health.ready(app, clock, node)
        return JSONResponse({"ready": not wrong, "wrong": wrong}, 503 if wrong else 200)

    def figures() -> Response:
        """Figures for Prometheus."""
        return Exposition(metrics.exposition(app, clock()))

    for prefix in ("", "/api/v1"):
        shown = bool(prefix)
        made.add_api_route(f"{prefix}/health/live", live, include_in_schema=shown)
        made.add_api_route(
            f"{prefix}/health/ready", ready, include_in_schema=shown, response_model=Ready, responses={503: {"model": Ready}}
        )
        made.add_api_route(
            f"{prefix}/metrics", figures, include_in_schema=shown, response_class=Exposition, responses={200: FIGURES}
        )
    return made
