"""Who works on the store, and what Prometheus is told."""

import asyncio
from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from escalation import metrics, nodes
from escalation.app import App
from escalation.config import DatabaseSettings, Settings
from escalation.database import Store
from escalation.nodes import Node
from escalation.scheduler import Worker
from notifications import claiming
from notifications.message import Down, Hold
from tests.town import Town, at

NOW = at("2026-09-01 09:00")


def test_a_node_is_working_silent_or_stopped(store: Store) -> None:
    first, second, third = (
        Node(kind, NOW - timedelta(seconds=age)) for kind, age in (("worker", 9), ("serve", 8), ("worker", 7))
    )
    third.held = True
    with store.transaction() as session:
        for node, seen in ((first, 200), (second, 10), (third, 20)):
            node.sign(session, NOW - timedelta(seconds=seen))
        second.sign(session, NOW, stopped=True)
    with store.reading() as session:
        found = nodes.listing(session, NOW)
    assert [(node["kind"], node["state"]) for node in found] == [("serve", "stopped"), ("worker", "held"), ("worker", "silent")]


def test_nodes_that_are_long_gone_are_forgotten(store: Store) -> None:
    with store.transaction() as session:
        Node("worker", NOW - timedelta(days=9)).sign(session, NOW - timedelta(days=8))
        Node("worker", NOW).sign(session, NOW)
    with store.reading() as session:
        assert len(nodes.listing(session, NOW)) == 1


def test_a_node_whose_clock_leapt_weeks_still_signs(store: Store) -> None:
    node = Node("worker", NOW)
    for later in (timedelta(0), timedelta(days=21)):
        with store.transaction() as session:
            node.sign(session, NOW + later)
    with store.reading() as session:
        assert [each["state"] for each in nodes.listing(session, NOW + timedelta(days=21))] == ["working"]


def test_a_node_goes_on_when_memory_cannot_be_given_back(sqlite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What keeps a node in order must not end what keeps it in order."""
    app = App(Settings(database=DatabaseSettings(url=sqlite)))
    Town(app.store)
    given: list[bool] = []

    def give_back() -> None:
        given.append(True)
        raise OSError("no memory to open a connection with")

    monkeypatch.setattr(app, "give_back", give_back)

    async def kept() -> None:
        worker = Worker(app, lambda: NOW)
        await worker.keep()
        await worker.keep()

    asyncio.run(kept())
    assert given == [True, True]
    app.close()


def test_prometheus_is_told_how_the_store_stands(database: str) -> None:
    app = App(Settings(database=DatabaseSettings(url=database)))
    town = Town(app.store)
    for _ in range(3):
        town.dispatched()
    town.sweep("2026-09-09 09:00")
    with app.store.transaction() as session:
        Node("worker", town.now).sign(session, town.now)
        down, refused, *_ = claiming.claim(session, town.now, 3, "one", timedelta(minutes=30))
        claiming.record(session, [(down, Down("421 closed")), (refused, Hold("535 no"))], town.now)
    due = town.facts("WT26-0001").due_at
    assert due is not None
    told = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(metrics.exposition(app, due + timedelta(minutes=5)).decode())
        for sample in family.samples
    }
    app.close()
    assert sum(value for name, value in told.items() if name[0] == "escalation_issues_open") == 3
    assert told["escalation_issues_overdue", "city"] == 3
    assert told["escalation_due_lag_seconds",] >= 299
    assert told["escalation_outbox", "queued"] > 0
    assert told["escalation_outbox_oldest_seconds",] > 0
    assert (told["escalation_outbox_kept", "down"], told["escalation_outbox_kept", "refused"]) == (1, 1)
    assert told["escalation_nodes", "silent"] == 1
    assert told["escalation_set_aside",] == 0
