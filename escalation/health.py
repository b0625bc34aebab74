"""What a supervisor asks over HTTP: is the process alive, is it fit to work, and Prometheus's figures.

`/health/live`: the process answers. `/health/ready`: the store answers at this program's schema, and this node has looked at it
within three minutes and is not held. `/metrics`: see `metrics`. Nothing here changes anything or tells anything about an issue.
"""

import json
import logging
from collections.abc import Callable, Iterable
from datetime import timedelta
from threading import Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from escalation import metrics, migrating
from escalation.app import App
from escalation.clock import Clock
from escalation.errors import EscalationError
from escalation.nodes import SILENT, Node

log = logging.getLogger(__name__)
StartResponse = Callable[[str, list[tuple[str, str]]], Any]


def ready(app: App, clock: Clock, node: Node | None = None, most: timedelta = SILENT) -> dict[str, str]:
    """What is wrong, by what was looked at; empty when this node is fit to work."""
    wrong = {}
    try:
        migrating.refuse_old(app.store)
    except EscalationError as trouble:
        wrong["database"] = f"{trouble.message}; {trouble.hint}"
    if node is not None and node.held:
        wrong["clock"] = "escalation is held: the clock is wrong"
    elif node is not None and clock() - (node.swept_at or node.started_at) > most:
        wrong["sweep"] = f"has not looked at the store since {node.swept_at or node.started_at:%Y-%m-%d %H:%M:%SZ}"
    return wrong


class Health:
    """The three answers, as a WSGI application."""

    def __init__(self, app: App, clock: Clock, node: Node | None = None) -> None:
        self.app, self.clock, self.node = app, clock, node

    def __call__(self, environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
        """One answer, as WSGI has it."""
        status, kind, body = self._answer(environ.get("REQUEST_METHOD", ""), environ.get("PATH_INFO", ""))
        start(status, [("Content-Type", kind), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")])
        return [body]

    def _answer(self, method: str, path: str) -> tuple[str, str, bytes]:
        if method not in ("GET", "HEAD"):
            return _json("405 Method Not Allowed", {"error": "only GET"})
        if path == "/health/live":
            return _json("200 OK", {"live": True})
        if path == "/health/ready":
            wrong = ready(self.app, self.clock, self.node)
            return _json("503 Service Unavailable" if wrong else "200 OK", {"ready": not wrong, "wrong": wrong})
        if path == "/metrics":
            try:
                return "200 OK", "text/plain; version=0.0.4; charset=utf-8", metrics.exposition(self.app, self.clock())
            except EscalationError as trouble:
                return _json("503 Service Unavailable", {"error": trouble.code, "message": trouble.message})
        return _json("404 Not Found", {"error": "not_found"})


def _json(status: str, told: dict[str, Any]) -> tuple[str, str, bytes]:
    return status, "application/json", json.dumps(told, ensure_ascii=False).encode()


class _Quiet(WSGIRequestHandler):
    """A supervisor asks every few seconds: that is no event."""

    timeout = 10

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the standard library's name
        """Says nothing."""


class Serving:
    """Answers on a port while the block runs; raises OSError when the port is taken."""

    def __init__(self, health: Health, host: str, port: int) -> None:
        self._server: WSGIServer = make_server(host, port, health, handler_class=_Quiet)
        self._thread = Thread(target=self._server.serve_forever, name="health", daemon=True)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._server.server_port

    def __enter__(self) -> "Serving":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
