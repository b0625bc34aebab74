"""Much of everything: a journal without end, a party with everything on its desk, a description of a megabyte."""

import time
from collections import Counter
from collections.abc import Callable

import orjson
from sqlalchemy import insert, select, update

from escalation import browsing, commands, journal, views
from escalation.commands import Raise
from escalation.database import Store
from escalation.queries import ISSUE, JOURNAL, OUTBOX
from escalation.scope import EVERYTHING
from tests.faults.sink import Sink
from tests.faults.test_outage import send, states
from tests.faults.test_two_nodes import many
from tests.town import CITY_COORDINATOR, Town, at

HANDLER = "PT0033"


def longer(store: Store, number: str, count: int) -> None:
    """So many progress reports more, as the last one: the very rows that reporting writes, chained as they would be."""
    with store.transaction() as session:
        connection = session.connection()
        last = connection.execute(select(JOURNAL).order_by(JOURNAL.c.seq.desc()).limit(1)).one()._asdict()
        body, head, first = orjson.loads(last["body"]), last["hash"], last["seq"]
        rows = []
        for seq in range(first + 1, first + count + 1):
            text = orjson.dumps(body | {"seq": seq})
            head = journal.chained(head, text)
            rows.append(last | {"seq": seq, "body": text, "hash": head})
        for start in range(0, count, 2_000):
            connection.execute(insert(JOURNAL), rows[start : start + 2_000])
        connection.execute(update(ISSUE).where(ISSUE.c.number == number).values(version=first + count, head=head))


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def test_an_issue_with_a_journal_without_end(store: Store, figure, long: bool) -> None:  # type: ignore[no-untyped-def]
    count = 100_000 if long else 3_000
    town = Town(store)
    number = town.dispatched()
    town.act(number, "acknowledge", HANDLER)
    town.act(number, "report_progress", HANDLER, reason="已开会,正在办理")
    longer(store, number, count)
    act = timed(lambda: town.act(number, "report_progress", HANDLER, reason="继续办理"))
    shown = timed(lambda: town.look(lambda session, world: views.shown(session, world, number, town.now)))
    sweep = timed(lambda: town.sweep("2026-09-20 09:00"))
    assert town.facts(number).stage == "department"
    checked = timed(town.verify)
    assert town.verify().broken == []
    assert not long or max(act, sweep) < 1, "what is done to it does not read its journal"
    figure(22, f"one issue with {count:,} journal entries, {store.engine.dialect.name}", f"an action {act * 1000:.0f} ms, moved up in {sweep * 1000:.0f} ms, shown whole in {shown:.1f} s, verified in {checked:.1f} s")  # fmt: skip


def test_a_description_of_a_megabyte(store: Store, figure) -> None:  # type: ignore[no-untyped-def]
    text = "供电方案迟迟未定。" * 40_000
    town = Town(store)
    with store.transaction() as session:
        wanted = Raise("HLJ26-001", "power", "major", "很长", "PT0001", described={"description": text})
        number = commands.raise_issue(session, town.worlds.read(session), wanted, town.now, town.outgoing).facts.number
    town.act(number, "dispatch", CITY_COORDINATOR)
    sweep = timed(lambda: town.sweep("2026-09-20 09:00"))
    shown = town.look(lambda session, world: views.shown(session, world, number, town.now))
    assert shown["issue"]["description"] == text
    with Sink() as sink:
        send(store, sink.port, at("2026-09-21 09:00"))
        assert sink.arrived
    assert 0 < sink.largest < 100_000, "a mail names the issue and does not carry all of it"
    assert town.verify().broken == []
    figure(22, f"a description of {len(text.encode()) / 2**20:.0f} MiB, {store.engine.dialect.name}", f"moved up in {sweep * 1000:.0f} ms; its largest mail has {sink.largest / 1024:.0f} KiB")  # fmt: skip


def test_a_party_with_everything_on_its_desk(store: Store, figure, long: bool) -> None:  # type: ignore[no-untyped-def]
    """All issues of one kind in one place, all overdue on one day: one mail tells it, and a page of the list is a page."""
    count = 50_000 if long else 1_500
    town, _ = many(store, count)
    with store.transaction() as session:  # they were told of the dispatch long ago
        session.connection().execute(update(OUTBOX).values(state="sent", sent_at=town.now))
    moved = timed(lambda: town.sweep("2026-09-20 09:00"))
    lead = town.facts("WT26-0001").responsible_id
    assert {town.facts(number).responsible_id for number in ("WT26-0001", f"WT26-{count:04d}")} == {lead}
    mine = browsing.Filter(mine=town.look(lambda session, world: world.directory.by_id[lead].code))
    page = timed(lambda: town.look(lambda session, world: browsing.page(session, world, EVERYTHING, mine, town.now)))
    with Sink() as sink:
        sent = timed(lambda: send(store, sink.port, at("2026-09-21 09:00")))
        per_person = Counter(recipient for _, recipient in sink.arrived.elements())
    assert max(per_person.values()) == 1
    assert sink.largest < 100_000
    assert states(store) == {"sent": states(store).total()}
    assert town.verify().broken == []
    figure(22, f"one party with {count:,} open issues, all overdue at one moment, {store.engine.dialect.name}", f"moved in {moved:.1f} s; the first 50 of its list in {page * 1000:.0f} ms; told by {max(per_person.values())} mail a person of {sink.largest / 1024:.0f} KiB at most, all sent in {sent:.1f} s")  # fmt: skip
