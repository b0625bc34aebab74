"""What people's commands check before they do anything, and what they say: names, dates, versions, numbers."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text, update
from sqlmodel import Session

from escalation import commands, queries
from escalation.commands import Do, Raise, Raised
from escalation.database import Store
from escalation.errors import Conflict, EscalationError, NotFound, Refused, UsageError
from escalation.models import Authority, CalendarDay, PartyRow
from escalation.queries import ISSUE, JOURNAL
from escalation.world import World, touch
from tests.faults.test_explorer import HANDLER
from tests.town import CITY_COORDINATOR, OWNER, Town, at
from workflows.loading import source_of

ASKED = Raise("HLJ26-001", "power", "major", "没有电", OWNER)
BY_ITSELF = source_of("provincial").replace("auto_dispatch = false", "auto_dispatch = true")


@pytest.fixture
def town(sqlite: str, new_store: Callable[[str], Store]) -> Town:
    """Nothing here asks the database for anything that one does and the other does not."""
    return Town(new_store(sqlite))


def raised(town: Town, *wanted: Raise) -> list[Raised]:
    with town.store.transaction() as session:
        return commands.raise_many(session, town.worlds.read(session), wanted, town.now, town.outgoing)


def refused(town: Town, work: Callable[[Session, World], object]) -> tuple[type[EscalationError], str, str]:
    with pytest.raises(EscalationError) as caught, town.store.transaction() as session:
        work(session, town.worlds.read(session))
    return type(caught.value), caught.value.message, caught.value.hint


#: what is asked for otherwise than it should be -> what is said to it, and how to mend it
WRONG: dict[str, tuple[dict[str, str], type[EscalationError], str, str]] = {
    "reporter": ({"reporter": "PT00001"}, NotFound, "there is no party 'PT00001'", "did you mean PT0001 or "),
    "left": ({"reporter": "PT0002"}, NotFound, "there is no party 'PT0002'", "did you mean "),
    "project": ({"project": "HLJ26-0001"}, NotFound, "there is no project 'HLJ26-0001'", "did you mean HLJ26-001 or "),
    "category": ({"category": "powers"}, NotFound, "there is no category 'powers'", "did you mean power or other or "),
    "nothing like it": ({"category": "zzz"}, NotFound, "there is no category 'zzz'", "`escalation list` and the ledger"),
    "two": ({"category": "双名"}, UsageError, "category 双名 means several: one, other", "name one of them"),
    "severity": ({"severity": "dire"}, UsageError, "severity 'dire' is unknown", "a severity is one of general, major, urgent"),
    "title": ({"title": "  "}, UsageError, "an issue needs a title", "say in one line"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_name_that_is_none_is_said_with_the_nearest(town: Town, case: str) -> None:
    changes, kind, message, hint = WRONG[case]
    with town.store.transaction() as session:
        session.connection().execute(update(PartyRow).where(PartyRow.code == "PT0002").values(active=False))  # type: ignore[arg-type]
        for key in ("one", "other"):
            session.add(Authority(category=key, name="双名", entry="city", organs={}))
        touch(session)
    found = refused(town, lambda session, world: commands.raise_issue(session, world, replace(ASKED, **changes), town.now, None))
    assert found[0] is kind
    assert found[1].startswith(message)
    assert found[2].startswith(hint)


def test_numbers_follow_each_other_and_a_given_one_takes_none(town: Town) -> None:
    many = raised(town, ASKED, replace(ASKED, number="OLD-7"), replace(ASKED, category="用电", organ="x", severity="urgent"))
    assert [each.facts.number for each in many] == ["WT26-0001", "OLD-7", "WT26-0002"]
    assert [(each.facts.severity, each.facts.organ, each.facts.category) for each in many] == [
        ("major", "", "power"),
        ("major", "", "power"),
        ("urgent", "x", "power"),
    ]
    (single,) = raised(town, replace(ASKED, number="OLD-8"))
    assert single.facts.id == many[-1].facts.id + 1
    assert [each.facts.number for each in raised(town, ASKED, ASKED)] == ["WT26-0003", "WT26-0004"]
    assert town.verify().ok


def test_why_it_stands_where_it_stands(town: Town) -> None:
    (waiting,) = raised(town, ASKED)
    assert waiting.why == (
        "用电 enters at 市级 (city) by the authority catalogue",
        "competent there: 哈尔滨市工信局",
        "哈尔滨市工信局协调员 has 1wd to dispatch it",
    )
    with town.store.transaction() as session:
        session.add(Authority(category="odd", name="怪事", entry="nowhere", organs={}))
        touch(session)
    (odd,) = raised(town, replace(ASKED, category="odd"))
    assert odd.facts.stage == "city"
    assert [each.split(":")[0] for each in odd.why[1:]] == [
        "哈尔滨市工信局协调员 has 1wd to dispatch it",
        "it falls to the coordinator",
    ]


def test_one_that_the_catalogue_decides_is_dispatched_without_a_person(sqlite: str, new_store: Callable[[str], Store]) -> None:
    town = Town(new_store(sqlite), source=BY_ITSELF)
    with town.store.transaction() as session:
        session.add(Authority(category="odd", name="怪事", entry="city", organs={}))
        touch(session)
    soon, late = at("2026-09-01 15:00"), at("2026-10-09 12:00")
    plain, near, far, odd = raised(
        town, ASKED, replace(ASKED, due_at=soon), replace(ASKED, due_at=late), replace(ASKED, category="odd")
    )
    assert [each.facts.status for each in (plain, near, far, odd)] == ["pending_ack"] * 3 + ["pending_intake"]
    assert len(plain.why) == 2
    usual = plain.facts
    assert usual.due_at == at("2026-09-15 17:00")
    assert (near.facts.due_at, near.facts.ack_due_at, near.facts.clock_span) == (soon, soon, "given")
    assert (far.facts.due_at, far.facts.ack_due_at) == (late, usual.ack_due_at)
    assert town.verify().ok


def test_nobody_acts_on_what_they_have_not_seen_nor_in_another_century(town: Town) -> None:
    number = town.dispatched()
    version = town.facts(number).version
    town.act(number, "acknowledge", HANDLER, version=version)
    with pytest.raises(Conflict, match=f"version {version + 1}, not {version}"):
        town.act(number, "report_progress", HANDLER, reason="在办，等料", version=version)
    with pytest.raises(UsageError, match="more than 50 years away"):
        town.act(number, "request_extension", HANDLER, reason="x", until=date(2077, 1, 1))
    with pytest.raises(UsageError, match="more than 50 years away"):
        town.act(number, "request_extension", HANDLER, reason="x", until=date(1975, 12, 31))
    for near in (date(2076, 12, 31), date(1976, 1, 1)):
        with pytest.raises(Refused):
            town.act(number, "request_extension", HANDLER, reason="x", until=near)
    assert "resolve" in town.look(lambda session, world: commands.actions_for(session, world, number, HANDLER, town.now))


@pytest.mark.parametrize(
    ("project", "category", "fits"), [("HLJ26-001", "land", True), ("HLJ26-002", "power", True), ("HLJ26-002", "land", False)]
)
def test_what_is_merged_into_is_of_the_same_project_or_category_and_open(
    town: Town, project: str, category: str, fits: bool
) -> None:
    number = town.raise_issue()
    main = town.raise_issue(project=project, category=category)

    def merge() -> str:
        try:
            return town.act(number, "merge", CITY_COORDINATOR, into=main).status
        except Refused as error:
            return error.code

    with town.store.transaction() as session:
        session.connection().execute(update(ISSUE).where(ISSUE.c.number == main).values(closed_at=town.now, status="closed"))
    assert merge() == "wrong_target"
    with town.store.transaction() as session:
        session.connection().execute(update(ISSUE).where(ISSUE.c.number == main).values(closed_at=None, status="processing"))
    assert merge() == ("merged" if fits else "wrong_target")


@pytest.fixture
def moved(town: Town, monkeypatch: pytest.MonkeyPatch) -> tuple[Town, list[str]]:
    """Issues whose deadline lies behind a day that has become a holiday; they are read two at a time."""
    monkeypatch.setattr(queries, "CHUNK", 2)
    numbers = [town.dispatched() for _ in range(3)]
    numbers.append(town.raise_issue())
    with town.store.transaction() as session:
        session.add(CalendarDay(day=date(2026, 9, 7), working=False))
        touch(session)
    return town, numbers


def test_a_calendar_that_changed_moves_every_running_deadline_once(moved: tuple[Town, list[str]]) -> None:
    town, numbers = moved

    def recount(now: datetime) -> int:
        with town.store.transaction() as session:
            return len(commands.recount_deadlines(session, town.worlds.read(session), now, town.outgoing))

    due = town.facts(numbers[0]).due_at
    assert due is not None
    assert recount(due) == 0, "a deadline that has come stays"
    assert recount(due - timedelta(microseconds=1)) == 3
    assert [town.facts(number).due_at for number in numbers[:3]] == [at("2026-09-16 17:00")] * 3
    with town.store.reading() as session:
        asked = text("SELECT actor FROM journal WHERE action = 'recount'")
        assert session.connection().execute(asked).scalars().all() == ["system"] * 3
    assert recount(due - timedelta(microseconds=1)) == 0


def test_only_what_describes_an_issue_can_be_amended(town: Town) -> None:
    number = town.raise_issue()
    entries = town.look(lambda session, world: session.connection().execute(JOURNAL.select()).all())

    def amend(number: str, **told: Any) -> None:
        with town.store.transaction() as session:
            commands.amend(session, number, told)

    amend(number, title="别的", source="热线")
    with town.store.reading() as session:
        row = queries.one_row(session.connection(), number)
    assert (row.title, row.source) == ("别的", "热线")
    with pytest.raises(KeyError, match="not a description: stage, version"):
        amend(number, title="x", version=9, stage="province")
    with pytest.raises(Refused, match="WT26-0009 is over and in the archive"):
        amend("WT26-0009", title="x")
    assert town.look(lambda session, world: session.connection().execute(JOURNAL.select()).all()) == entries


def test_a_deputy_named_in_an_action_is_a_party_that_is_there(town: Town) -> None:
    number = town.raise_issue()
    with pytest.raises(NotFound, match="there is no party '市某局'"), town.store.transaction() as session:
        wanted = Do(number, "dispatch", CITY_COORDINATOR, to="市某局")
        commands.act(session, town.worlds.read(session), wanted, town.now, None)
    assert town.party(town.act(number, "dispatch", CITY_COORDINATOR, to="PT0030").lead_id) != town.party(
        town.facts(number).reporter_id
    )


def test_looking_waits_for_nobody(postgresql: str, new_store: Callable[[str], Store]) -> None:
    """Neither what may be done with an issue nor the one that another is merged into is locked."""
    town, other = Town(new_store(f"{postgresql}&options=-c%20lock_timeout%3D300")), new_store(postgresql)
    number, main = town.raise_issue(), town.raise_issue()
    with other.transaction() as session:
        session.connection().execute(text(f"SELECT id FROM issue WHERE number = '{main}' FOR UPDATE"))
        look = town.look(lambda session, world: commands.actions_for(session, world, main, CITY_COORDINATOR, town.now))
        assert "dispatch" in look
        assert town.act(number, "merge", CITY_COORDINATOR, into=main).status == "merged"
