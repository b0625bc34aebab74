"""Alive, fit to work, and the figures: over HTTP, as a supervisor asks."""

import json
from collections.abc import Iterator
from datetime import timedelta
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from sqlalchemy import text

from escalation.app import App
from escalation.config import DatabaseSettings, Settings
from escalation.health import Health, Serving
from escalation.nodes import Node
from tests.town import at

NOW = at("2026-09-01 09:00")


@pytest.fixture
def asked(database: str) -> Iterator[tuple[App, Node, str]]:
    """An installation whose node has just looked, and where it answers."""
    app = App(Settings(database=DatabaseSettings(url=database)))
    node = Node("worker", NOW, swept_at=NOW)
    with Serving(Health(app, lambda: NOW, node), "127.0.0.1", 0) as serving:
        yield app, node, f"http://127.0.0.1:{serving.port}"
    app.close()


def get(url: str, method: str = "GET") -> tuple[int, bytes]:
    try:
        with urlopen(Request(url, method=method), timeout=10) as answer:
            return answer.status, answer.read()
    except HTTPError as error:
        with error:
            return error.code, error.read()


def test_a_node_that_works_is_alive_and_ready(asked) -> None:  # type: ignore[no-untyped-def]
    _, _, url = asked
    assert get(f"{url}/health/live") == (200, b'{"live": true}')
    status, body = get(f"{url}/health/ready")
    assert (status, json.loads(body)) == (200, {"ready": True, "wrong": {}})
    status, body = get(f"{url}/metrics")
    assert status == 200
    assert b"escalation_due_lag_seconds 0.0" in body
    assert get(f"{url}/anything")[0] == 404
    assert get(f"{url}/health/live", "POST")[0] == 405


def test_a_node_that_has_not_looked_is_alive_but_not_ready(asked) -> None:  # type: ignore[no-untyped-def]
    _, node, url = asked
    node.swept_at = NOW - timedelta(minutes=4)
    status, body = get(f"{url}/health/ready")
    assert (status, list(json.loads(body)["wrong"])) == (503, ["sweep"])
    node.held = True
    assert list(json.loads(get(f"{url}/health/ready")[1])["wrong"]) == ["clock"]
    assert get(f"{url}/health/live")[0] == 200


def test_a_store_of_another_schema_is_not_ready(asked) -> None:  # type: ignore[no-untyped-def]
    app, _, url = asked
    with app.store.transaction() as session:
        session.connection().execute(text("UPDATE alembic_version SET version_num = '0001'"))
    status, body = get(f"{url}/health/ready")
    assert (status, list(json.loads(body)["wrong"])) == (503, ["database"])
