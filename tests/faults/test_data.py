"""Data that changes under running issues: deputies in a circle, other rules, a party that is gone, a store that is a day behind."""

import random
import re
from collections.abc import Callable
from datetime import date, timedelta
from itertools import product
from pathlib import Path

import pytest
from sqlalchemy import select, update

from escalation import backing, doctor, migrating
from escalation.app import App
from escalation.config import DatabaseSettings, Settings
from escalation.database import Store
from escalation.links import BadLink, Links
from escalation.models import PartyRow, WorkflowRow
from escalation.notices import who_reads
from escalation.queries import OUTBOX
from escalation.world import PARTY, World, WorldReader, touch
from tests.conftest import Postgres
from tests.faults.nursery import Nursery
from tests.faults.sink import Sink
from tests.faults.test_outage import send
from tests.faults.test_two_nodes import many
from tests.store.test_import import NOW
from tests.store.test_links import token
from tests.store.test_upgrade import as_released, into_postgresql, sound
from tests.town import Town, at
from workflows.loading import digest, loads, source_of
from workflows.parties import Directory, Party

HANDLER, COLLEAGUE = "PT0033", "PT0034"


# Row 19: deputies.

TODAY = date(2026, 9, 1)
DAY = timedelta(days=1)
#: An absence as (from, until), and whether it is on today.
PERIODS: list[tuple[date | None, date | None, bool]] = [
    (None, None, True),
    (None, TODAY, True),
    (TODAY, None, True),
    (TODAY - DAY, TODAY + DAY, True),
    (TODAY + DAY, None, False),
    (None, TODAY - DAY, False),
]


def test_deputies_in_a_circle_overlapping_and_ending_today(figure) -> None:  # type: ignore[no-untyped-def]
    """Every way in which three parties can stand in for each other: one step, to who was named, and no further."""
    tried = 0
    choices = [(None, None, None, False)] + [(deputy, *period) for deputy in (1, 2, 3) for period in PERIODS]
    for mine, theirs, third in product(choices, choices, (choices[0], (1, None, None, True))):
        parties = [
            Party(number, f"P{number}", f"甲{number}", "city", "哈尔滨", f"局{number}", "responsible_party", f"p{number}@example.org")
            ._replace(deputy_id=deputy, deputy_from=begin, deputy_until=end)
            for number, (deputy, begin, end, _) in enumerate((mine, theirs, third), 1)
        ]  # fmt: skip
        directory = Directory(parties)
        for party, (deputy, _, _, away) in zip(parties, (mine, theirs, third), strict=True):
            reader = who_reads(party, directory, frozenset(), TODAY)
            assert reader is not None
            assert reader.id == (deputy if away and deputy else party.id)
            standing_in = {other.id for other in parties if party in directory.acting_for(other, TODAY)}
            assert standing_in == {party.id} | ({deputy} if away and deputy else set())
        tried += 1
    figure(19, "deputies that overlap, stand in for each other in a circle, end or begin today", f"{tried:,} ways: each mail and each right goes one step, to who was named")  # fmt: skip


def test_a_circle_of_deputies_gets_its_mail_and_acts(store: Store) -> None:
    town = Town(store)
    with store.transaction() as session:
        rows = {row.code: row for row in session.exec(select(PartyRow)).scalars()}
        one, other = rows[HANDLER], rows[COLLEAGUE]
        one.deputy_id, other.deputy_id = other.id, one.id
        one.deputy_until, other.deputy_until = TODAY, TODAY + 30 * DAY
        emails = {one.email: HANDLER, other.email: COLLEAGUE}
        touch(session)
    first = town.dispatched()
    town.now = at("2026-09-02 09:00")  # the absence is over
    second = town.dispatched()
    with store.reading() as session:
        kinds = select(OUTBOX.c.about, OUTBOX.c.recipient).where(OUTBOX.c.kind == "dispatch_notice")
        told: dict[str, set[str]] = {}
        for about, recipient in session.connection().execute(kinds):
            told.setdefault(about, set()).update(emails[each] for each in (recipient,) if each in emails)
    assert told == {first: {COLLEAGUE}, second: {HANDLER}}
    assert town.verify().broken == []


# Row 18: rules and parties that change under open issues.


def shorter(source: str) -> str:
    """The next version: a limit of three days where there were ten, and the department's stage gone."""
    first, _, rest = source.partition('[[stages]]\nkey = "department"')
    rules, *categories = f"{first}[[stages]]{rest.partition('[[stages]]')[2]}".split("[[categories]]")
    rules = rules.replace("version = 1", "version = 2").replace('major = "10wd"', 'major = "3wd"')
    left = [re.sub(r', department = "[^"]*"', "", each) for each in categories if 'entry = "city"' in each]
    return "[[categories]]".join([rules, *left])


def test_rules_that_change_under_open_issues(store: Store, figure) -> None:  # type: ignore[no-untyped-def]
    """An issue keeps its version to its end; a new one takes the new; the same version with other rules is another matter."""
    town = Town(store)
    old = town.dispatched()
    source = shorter(source_of("provincial"))
    workflow = loads(source, "test")
    with store.transaction() as session:
        session.add(
            WorkflowRow(
                id=workflow.id, key=workflow.key, version=2, source=source, digest=digest(source), added_at=at("2026-09-01 10:00")
            )
        )
        touch(session)
    town.now = at("2026-09-01 10:30")
    new = town.dispatched()
    assert [town.facts(number).workflow for number in (old, new)] == ["provincial@1", "provincial@2"]
    town.sweep("2026-09-05 09:00")
    assert [town.facts(number).stage for number in (old, new)] == ["city", "province"]
    town.sweep("2026-09-20 09:00")
    assert town.facts(old).stage == "department"
    assert town.verify().broken == []
    figure(18, f"limits shortened and a stage removed under open issues, {store.engine.dialect.name}", "each goes its own version's way: the old one city, department; the new one city, province")  # fmt: skip


@pytest.mark.parametrize("gone", [{"active": False}, {"email": ""}], ids=["removed", "without an address"])
def test_a_party_that_is_gone(store: Store, figure, gone: dict[str, object]) -> None:  # type: ignore[no-untyped-def]
    """Who should answer at the next level is not there: its coordinator takes it at once, and the administrator is told."""
    town = Town(store)
    number = town.dispatched()
    route = town.look(lambda session, world: world.route(world.active, "power", town_project(world)))
    lead = route.post("department").lead_id
    with store.transaction() as session:
        session.add(
            PartyRow(code="AD", name="管理员", level="province", organ="省信息中心", role="administrator", email="ad@example.org")
        )
        session.connection().execute(update(PARTY).where(PARTY.c.id == lead).values(**gone))
        touch(session)
    town.sweep("2026-09-20 09:00")
    facts = town.facts(number)
    assert (facts.stage, facts.responsible_id) == ("department", route.post("department").coordinator_id)
    with store.reading() as session:
        told = set(session.connection().execute(select(OUTBOX.c.party).where(OUTBOX.c.kind == "vacancy")).scalars())
    assert told == {"AD"}
    assert town.verify().broken == []
    figure(18, f"the next level's party is {'removed' if 'active' in gone else 'without an address'}, {store.engine.dialect.name}", "the level's coordinator answers from the minute of the move; the administrator is told")  # fmt: skip


def town_project(world: World) -> int:
    return world.project_by_code["HLJ26-001"].id


# Row 26: an upgrade that is killed.


@pytest.fixture(params=["sqlite", "postgresql"])
def as_of_010(request, tmp_path: Path, postgres: Postgres, new_store) -> tuple[str, Callable[[], None]]:  # type: ignore[no-untyped-def]
    """The address of a store that 0.1.0 has left behind, and what makes it so again."""
    path = as_released("0.1.0", tmp_path)
    if request.param == "sqlite":
        old = path.read_bytes()

        def back() -> None:
            path.write_bytes(old)

        return f"sqlite:///{path}", back
    url = postgres.fresh(empty=True)
    store = new_store(url)
    into_postgresql(path, store, "0001")
    store.close()
    name = url.split("@/")[1].split("?")[0]
    postgres.execute(f"CREATE DATABASE {name}_old TEMPLATE {name}")

    def anew() -> None:
        postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")
        postgres.execute(f"CREATE DATABASE {name} TEMPLATE {name}_old")

    return url, anew


def test_an_upgrade_that_is_killed(as_of_010, new_store, request, figure, long: bool) -> None:  # type: ignore[no-untyped-def]
    kills = 200 if long else 6
    chance, killed, tried, longest, finished = random.Random(26), 0, 0, 0.5, 0
    url, anew = as_of_010
    nursery = Nursery(url)
    request.addfinalizer(nursery.close)
    while killed < kills:
        tried += 1
        done = nursery.killed("upgrade", NOW, chance.uniform(0, longest))
        killed += done
        longest *= 1.2 if done else 0.8
        store = new_store(url)
        revision = migrating.current(store)
        assert revision in ("0001", migrating.newest()), "half an upgrade"
        finished += done and revision != "0001"
        assert tried < kills * 8
        if revision != "0001":
            assert sound(store) == 36
        store.close()
        if revision != "0001" and killed < kills:
            anew()
    migrating.upgrade(store)
    assert sound(store) == 36
    figure(26, f"SIGKILL in the middle of the upgrade of a store of 0.1.0, {store.engine.name}", f"{killed} kills: the old schema or the new one each time, {finished} times the new one; upgraded afterwards it verifies")  # fmt: skip


# Row 25: a store that is a day behind.


@pytest.mark.parametrize("late", [False, True], ids=["nothing waited", "mails waited"])
def test_yesterdays_backup(store: Store, tmp_path: Path, new_store, figure, late: bool) -> None:  # type: ignore[no-untyped-def]
    """What was moved and told after the backup is moved again and told under the same Message-IDs, so nobody is told twice."""
    town, _ = many(store, 20)
    town.now = at("2026-09-18 09:00")
    with Sink() as sink:
        send(store, sink.port, town.now)  # of the dispatches
        sink.arrived.clear()
        if late:
            town.sweep()
        backing.backup(store, tmp_path / "yesterday.zip", town.now)
        if not late:
            town.sweep()
        send(store, sink.port, town.now)
        before = dict(sink.arrived)
        assert before

        restored = new_store(f"sqlite:///{tmp_path}/restored.db")
        backing.restore(tmp_path / "yesterday.zip", restored)
        again = Town.__new__(Town)
        again.__dict__ = town.__dict__ | {"store": restored}
        again.sweeper = type(town.sweeper)(restored, town.worlds, town.outgoing)
        again.sweep(town.now)
        send(restored, sink.port, town.now)
        fresh = set(sink.arrived) - set(before)
    assert not fresh, "a second mail under another Message-ID"
    assert again.verify().broken == []
    app = App(Settings(database=DatabaseSettings(url=f"sqlite:///{tmp_path}/restored.db"), root=tmp_path))
    letters = next(check for check in doctor.examine(app, town.now) if check.name == "dead letters")
    app.close()
    assert letters.ok != late
    twice = sum(count > 1 for count in sink.arrived.values())
    what = "mails waited when it was made" if late else "all was sent when it was made"
    seen = f"{len(before)} mails had gone since: {twice} came again, each under its Message-ID, 0 under a new one"
    figure(25, f"yesterday's backup restored ({what}), {store.engine.dialect.name}", seen + (f"; doctor: {letters.detail}" if late else ""))  # fmt: skip


def test_links_after_yesterdays_backup(store: Store, tmp_path: Path, new_store, figure) -> None:  # type: ignore[no-untyped-def]
    """A link used before the backup stays used; one used since acts again, once, because what it did is undone as well."""
    town = Town(store)
    first, second = town.dispatched(), town.dispatched()
    links = Links(store, town.worlds, town.outgoing, timedelta(days=14))
    before, since = (token(links, town, number, "acknowledge") for number in (first, second))
    links.use(before, town.now)
    backing.backup(store, tmp_path / "yesterday.zip", town.now)
    links.use(since, town.now)

    restored = new_store(f"sqlite:///{tmp_path}/restored.db")
    backing.restore(tmp_path / "yesterday.zip", restored)
    there = Links(restored, WorldReader(), town.outgoing, timedelta(days=14))
    with pytest.raises(BadLink) as said:
        there.use(before, town.now)
    assert said.value.code == "used"
    assert there.use(since, town.now)["status"] == "processing"
    with pytest.raises(BadLink):
        there.use(since, town.now)
    assert sound(restored) == 2
    name = store.engine.dialect.name
    figure(25, f"yesterday's backup restored, links used before it and since, {name}", "the first stays used; the second acts once more, as what it did was undone")  # fmt: skip
