"""After an outage of three weeks: one step an issue, one mail a person, however many issues are due and however often it crashes."""

import asyncio
import os
import signal
import time
from collections import Counter
from datetime import timedelta

from sqlalchemy import select

from escalation import commands
from escalation.commands import Raise
from escalation.database import Store
from escalation.queries import ISSUE, OUTBOX
from escalation.verifying import Broken
from notifications.claiming import digest_key
from notifications.dispatch import DispatchSettings, drain
from notifications.rendering import Renderer
from notifications.smtp import SmtpChannel, SmtpSettings
from tests.faults.nursery import LEASE, Nursery
from tests.faults.sink import Sink
from tests.faults.test_two_nodes import moves
from tests.programs import until
from tests.town import OWNER, Town, at, sample

CATEGORIES = ("power", "permit", "eia", "land", "utility", "forest_land")


def broken(town: Town) -> list[Broken]:
    """What `verify` finds, but that nobody was told of the dispatch: `province` has seen to that."""
    return [each for each in town.verify().broken if each.detail != "entry 2 (dispatch) told nobody"]


def province(store: Store, count: int) -> Town:
    """Issues of all projects and many kinds, dispatched on the first of September; nobody is told of that any more."""
    town = Town(store)
    projects = [row["project_code"] for row in sample("projects")]
    for first in range(0, count, 1000):
        with store.transaction() as session:
            world = town.worlds.read(session)
            wanted = [
                Raise(projects[n % len(projects)], CATEGORIES[n % len(CATEGORIES)], "major", f"第{n}个问题", OWNER)
                for n in range(first, min(first + 1000, count))
            ]
            raised = commands.raise_many(session, world, wanted, town.now, None)
            acts = []
            for each in raised:
                lead = world.directory.by_id[each.facts.responsible_id]
                acts.append(commands.Do(each.facts.number, "dispatch", lead.code))
            commands.act_many(session, world, acts, town.now, None)
    return town


def send(store: Store, port: int, now) -> None:  # type: ignore[no-untyped-def]
    channel = SmtpSettings(host="127.0.0.1", port=port, security="none", local_hostname="node")
    settings = DispatchSettings(node="here", sender="escalation@example.org", lease=LEASE)
    asyncio.run(drain(store.transaction, lambda: SmtpChannel(channel), Renderer(None), settings, now))


def states(store: Store) -> Counter[str]:
    with store.reading() as session:
        return Counter(session.connection().execute(select(OUTBOX.c.state)).scalars())


def test_three_weeks_of_silence(database: str, new_store, figure, long: bool) -> None:  # type: ignore[no-untyped-def]
    count = 10_000 if long else 600
    store: Store = new_store(database)
    town = province(store, count)
    town.now = at("2026-10-09 09:00")
    began, worked = time.perf_counter(), time.process_time()
    swept = town.sweep()
    moved = time.perf_counter() - began
    with Sink() as sink:
        send(store, sink.port, town.now)
        drained, worked = time.perf_counter() - began, time.process_time() - worked
    assert swept.escalated["department"] == count, "one step, although the department's limit would be over too"
    assert set(moves(store).values()) == {1}
    mails = Counter(recipient for _, recipient in sink.arrived.elements())
    queued = states(store)
    assert queued == {"sent": queued.total()}
    with store.reading() as session:
        people = set(session.connection().execute(select(OUTBOX.c.recipient)).scalars())
        crowded = Counter(session.connection().execute(select(OUTBOX.c.recipient)).scalars())
    assert set(mails) == people
    assert max(mails[person] for person in people if crowded[person] > 5) == 1
    assert max(mails.values()) <= 5
    assert worked < 60
    assert broken(town) == []
    figure(
        9, f"three weeks' outage, {count:,} due issues, {store.engine.dialect.name}",
        f"one step each; {queued.total():,} notices to {len(people)} people as {mails.total()} mails, at most "
        f"{max(mails[person] for person in people if crowded[person] > 5)} to those with more than five; "
        f"swept in {moved:.1f} s, all sent after {drained:.1f} s ({worked:.1f} s of processor time)",
    )  # fmt: skip


def test_a_digest_is_the_same_digest_after_a_crash(database: str, new_store) -> None:  # type: ignore[no-untyped-def]
    """Killed after the server took it, and new notices have come since: the old ones go out as the digest that they were."""
    store: Store = new_store(database)
    town = province(store, 60)
    town.now = at("2026-10-09 09:00")
    town.sweep()
    nursery = Nursery(database)
    with Sink(holds_after=1) as sink:
        pid = nursery.child("dispatch", town.now, port=sink.port, merge_over=5)
        until(lambda: sink.arrived)
        os.kill(pid, signal.SIGKILL)
        assert nursery.ended()
        nursery.close()
        sink.go_on()
        first = set(sink.arrived)
        number = town.facts("WT26-0001").number
        with store.reading() as session:
            lead = session.connection().execute(select(ISSUE.c.responsible_id).where(ISSUE.c.number == number)).scalar()
        assert lead
        town.now += LEASE + timedelta(minutes=1)
        send(store, sink.port, town.now)
        assert first <= set(sink.arrived)
        assert set(states(store)) == {"sent"}
        per_person = Counter(recipient for _, recipient in set(sink.arrived))
    assert max(per_person.values()) <= 5, "no digest was cut anew"
    assert broken(town) == []


def test_the_key_of_a_digest_does_not_depend_on_the_order(store: Store) -> None:
    from notifications.claiming import Claimed

    now = at("2026-09-01 09:00")
    one, two = (Claimed(n, f"k{n}", "", "", "", "", "", b"", False, 1, now, "") for n in (1, 2))
    assert digest_key([one, two]) == digest_key([two, one]) != digest_key([one])
