"""A due moment set by one process is acted on by another: how soon, by real workers that sleep until they are told."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import quantiles

import pytest
from sqlalchemy import select

from escalation.app import App
from escalation.commands import Raise
from escalation.config import read
from escalation.queries import ISSUE, JOURNAL
from workflows.loading import source_of

ROOT = Path(__file__).parents[2]


@pytest.fixture
def office(database: str, tmp_path: Path) -> Iterator[App]:
    """An installation whose issues are dispatched as they are raised, so that a deadline can be given with them."""
    definition = source_of("provincial").replace("auto_dispatch = false", "auto_dispatch = true")
    (tmp_path / "own.toml").write_text(definition, encoding="utf-8")
    (tmp_path / "config.toml").write_text(
        f'[database]\nurl = "{database}"\n[workflow]\nfile = "own.toml"\n[scheduler]\nlook_seconds = 60\ndispatch_seconds = 60\n',
        encoding="utf-8",
    )
    app = App(read(tmp_path / "config.toml"))
    app.init(datetime.now(UTC))
    app.import_sample(datetime.now(UTC))
    app.sweep(datetime.now(UTC))
    yield app
    app.close()


@pytest.fixture
def workers(office: App, tmp_path: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """Two real workers on PostgreSQL, one on SQLite; nothing would make them look for the next minute."""
    started = []
    for number in range(1 if office.store.is_sqlite else 2):
        command = [sys.executable, "-m", "escalation", "worker", "--config", str(tmp_path / "config.toml")]
        with (tmp_path / f"worker-{number}.log").open("w") as log:
            started.append(subprocess.Popen(command, cwd=ROOT, stderr=log, text=True))
    while office.look(lambda session, world: working(session)) < len(started):
        time.sleep(0.05)
    yield started
    for worker in started:
        worker.send_signal(signal.SIGTERM)
    assert [worker.wait(timeout=10) for worker in started] == [0] * len(started), "asked to stop, a worker ends by itself"


def working(session) -> int:  # type: ignore[no-untyped-def]
    from escalation import nodes

    return sum(node["state"] == "working" and node["swept_at"] is not None for node in nodes.listing(session, datetime.now(UTC)))


def moved_at(app: App, number: str, patience: float = 20) -> float:
    """When the issue was seen to have gone up."""
    mine = select(ISSUE.c.id).where(ISSUE.c.number == number).scalar_subquery()
    statement = select(JOURNAL.c.seq).where(JOURNAL.c.action == "escalate_auto", JOURNAL.c.issue_id == mine)
    until = time.monotonic() + patience
    while time.monotonic() < until:
        with app.store.reading() as session:
            if session.connection().execute(statement).first():
                return time.time()
        time.sleep(0.005)
    raise AssertionError(f"{number} was not moved within {patience} s")


def test_an_earlier_deadline_wakes_a_sleeping_node(office: App, workers, figure, long: bool) -> None:  # type: ignore[no-untyped-def]
    delays = []
    for _ in range(100 if long else 12):
        due = datetime.now(UTC) + timedelta(seconds=0.2)
        issue, _raised = office.raise_issue(
            Raise("HLJ26-001", "power", "major", "wakes", "PT0001", due_at=due), datetime.now(UTC)
        )
        delays.append(moved_at(office, issue["number"]) - due.timestamp())
    worst = quantiles(delays, n=100, method="inclusive")
    assert worst[98] < 1, delays
    assert office.verify().broken == []
    figure(
        3, f"a due moment set by one process, acted on by another ({len(workers)} workers asleep), {office.store.engine.dialect.name}",
        f"{len(delays)} moments: p50 {worst[49] * 1000:.0f} ms, p99 {worst[98] * 1000:.0f} ms after they were due",
    )  # fmt: skip
