"""SIGKILL during a dispatch at random moments: every mail arrives, and at most what was in flight arrives twice."""

import random
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import String, cast, literal, select

from escalation.database import Store
from escalation.queries import OUTBOX
from notifications.bookkeeping import RECORDED
from tests.faults.nursery import LEASE, Nursery
from tests.faults.sink import Sink
from tests.faults.test_two_nodes import many, overdue_moment

KILLS, MANY_KILLS = 15, 1_000
ISSUES = 60
#: Connections of the channel: no more mails than that are between the server and the record at a time.
CONNECTIONS = 4
IN_FLIGHT = RECORDED + CONNECTIONS


@pytest.fixture
def nursery(database: str) -> Iterator[Nursery]:
    found = Nursery(database)
    yield found
    found.close()


def test_a_dispatch_that_is_killed_at_random_moments(database: str, nursery: Nursery, new_store, figure, long: bool) -> None:  # type: ignore[no-untyped-def]
    store: Store = new_store(database)
    town, _ = many(store, ISSUES)
    town.sweep(overdue_moment())
    chance, kills, wanted, rounds, twice = random.Random(20261124), 0, MANY_KILLS if long else KILLS, 0, 0
    moment, longest = overdue_moment(), 0.6
    with Sink() as sink:
        while kills < wanted:
            sink.arrived.clear()
            queued = again(store, rounds)
            rounds, mine = rounds + 1, 0
            while waiting(store):
                before = sink.arrived.total()
                killed = kills < wanted and nursery.killed("dispatch", moment, chance.uniform(0.02, longest), port=sink.port)
                if kills >= wanted:
                    nursery.child("dispatch", moment, port=sink.port)
                    nursery.ended()
                assert town.verify().broken == []
                kills += killed
                mine += killed
                longest *= 0.8 if not killed else 1.3 if sink.arrived.total() == before else 1
                moment += LEASE + timedelta(minutes=1)
            assert set(sink.arrived) == queued, "each mail arrives, under its own Message-ID, and no other"
            extra = sink.arrived.total() - len(queued)
            assert extra <= mine * IN_FLIGHT
            twice += extra
    name = store.engine.dialect.name
    figure(
        2, f"SIGKILL at random moments of a dispatch of {len(queued)} mails, {name}",
        f"{kills} kills; 0 lost, {twice} came twice ({twice / kills:.1f} a kill), each under the same Message-ID, verify ok after each",
    )  # fmt: skip


def again(store: Store, number: int) -> set[tuple[str, str]]:
    """Everything waits again, as new mails of the next round; Message-IDs and recipients."""
    with store.transaction() as session:
        connection = session.connection()
        fresh = {"state": "queued", "attempts": 0, "next_try_at": OUTBOX.c.queued_at, "lease_by": None, "lease_until": None}
        identity = literal(f"<{number}.") + cast(OUTBOX.c.id, String) + "@round.example.org>"
        connection.execute(OUTBOX.update().values(**fresh, message_id=identity))
        return {tuple(row) for row in connection.execute(select(OUTBOX.c.message_id, OUTBOX.c.recipient))}


def waiting(store: Store) -> int:
    with store.reading() as session:
        return len(session.connection().execute(select(OUTBOX.c.id).where(OUTBOX.c.state.in_(("queued", "sending")))).all())
