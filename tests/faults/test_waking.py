"""A due moment set by one process is acted on by another: how soon, by real workers that sleep until they are told."""

from collections.abc import Iterator
from pathlib import Path
from statistics import quantiles

import pytest

from escalation.app import App
from tests.faults import offices
from tests.programs import ended


@pytest.fixture
def office(database: str, tmp_path: Path) -> Iterator[App]:
    app = offices.install(tmp_path, database)
    yield app
    app.close()


@pytest.fixture
def workers(office: App, tmp_path: Path) -> Iterator[int]:
    """Two workers on PostgreSQL, one on SQLite; how many."""
    count = 1 if office.store.is_sqlite else 2
    started = offices.start(tmp_path, office, count)
    yield count
    assert [ended(worker)[0] for worker in started] == [0] * count, "asked to stop, a worker ends by itself"


def test_an_earlier_deadline_wakes_a_sleeping_node(office: App, workers: int, figure, long: bool) -> None:  # type: ignore[no-untyped-def]
    delays = [offices.delay(office) for _ in range(100 if long else 12)]
    worst = quantiles(delays, n=100, method="inclusive")
    # who is not woken looks after a minute; on a busy machine the worst of twelve moments may be late, but not most of them
    assert worst[49] < 2, delays
    assert worst[98] < (1 if long else 20), delays
    assert office.verify().broken == []
    figure(
        3, f"a due moment set by one process, acted on by another ({workers} workers asleep), {office.store.engine.dialect.name}",
        f"{len(delays)} moments: p50 {worst[49] * 1000:.0f} ms, p99 {worst[98] * 1000:.0f} ms after they were due",
    )  # fmt: skip
