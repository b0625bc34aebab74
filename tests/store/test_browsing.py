"""Lists in parts: whole, in order, each issue once; counted as far as anybody reads on; by an index, not by a sort."""

from datetime import timedelta

import pytest
from sqlalchemy import event

from escalation import browsing, finding, scope, todo
from escalation.browsing import SORTS, Filter
from escalation.commands import Raise
from escalation.database import Store
from escalation.scope import EVERYTHING, Sight
from escalation.web import seeing
from tests.town import CITY_COORDINATOR, OWNER, Town, commands

HANDLER = "PT0190"


@pytest.fixture
def town(store: Store) -> Town:
    """Nine issues of one project: some late, some in time, some under review, some over."""
    town = Town(store)
    with store.transaction() as session:
        wanted = [
            Raise("HLJ26-001", "power", severity, f"{number}", OWNER)
            for number in range(3)
            for severity in ("urgent", "major", "general")
        ]
        raised = commands.raise_many(session, town.worlds.read(session), wanted, town.now, None)
    numbers = [each.facts.number for each in raised]
    lead = None
    for number in numbers[2:]:
        lead = town.party(town.act(number, "dispatch", CITY_COORDINATOR).lead_id)
    for number in numbers[5:]:
        town.act(number, "acknowledge", lead)
        town.act(number, "resolve", lead, reason="已经全部办理完毕")
    for number in numbers[7:]:
        with store.reading() as session:
            superior = next(
                each.code
                for each in town.worlds.read(session).directory.parties
                if each.role == "department_coordinator" and each.organ == "省工信厅"
            )
        town.act(number, "close", superior, reason="同意")
    town.now += timedelta(days=5)
    return town


def walked(town: Town, wanted: Filter, seen: Sight = EVERYTHING) -> list[dict[str, object]]:
    """The whole list, two at a time."""
    found: list[dict[str, object]] = []
    cursor = ""
    for _ in range(20):
        page = town.look(lambda session, world: browsing.page(session, world, seen, wanted, town.now, cursor=cursor, limit=2))  # noqa: B023
        found += page.items
        cursor = page.next
        if not cursor:
            return found
    raise AssertionError("it never ends")


def test_a_list_in_parts_is_whole_and_in_order(town: Town) -> None:
    still = ("pending_review", "suspended")
    keys = {
        "worst": lambda each: (
            each["closed_at"] is not None,
            each["status"] in still,
            each["due_at"] if each["closed_at"] is None else "",
            each["number"],
        ),
        "due": lambda each: (each["due_at"] or "9999", each["number"]),
        "number": lambda each: each["number"],
        "raised": lambda each: (each["raised_at"], each["number"]),
    }
    for sort in SORTS:
        items = walked(town, Filter(sort=sort))
        assert len({each["number"] for each in items}) == len(items) == 9, sort
        if key := keys.get(sort.removeprefix("-")):
            assert items == sorted(items, key=key, reverse=sort.startswith("-")), sort
    for state, count in (("open", 7), ("over", 2), ("", 9)):
        assert len(walked(town, Filter(state=state))) == count
    assert len(walked(town, Filter(status="pending_review", state="open"))) == 2


@pytest.mark.parametrize("few", [finding.FEW, 0])
def test_a_list_of_some_projects_shows_what_is_seen_of_them(town: Town, monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    """Projects of one's own, and single issues of others, whether few are seen or many."""
    monkeypatch.setattr(finding, "FEW", few)
    elsewhere = town.raise_issue(project="HLJ26-003", by="PT0003")
    town.raise_issue(project="HLJ26-002", by="PT0002")
    own = town.look(lambda session, world: world.project_by_code["HLJ26-001"].id)
    seen = Sight(projects=frozenset({own}), parties=frozenset({town.facts(elsewhere).lead_id}))

    assert len(walked(town, Filter(), seen)) == 10
    assert len(walked(town, Filter(project="HLJ26-001"), seen)) == 9
    assert [each["number"] for each in walked(town, Filter(city="牡丹江"), seen)] == [elsewhere]
    assert walked(town, Filter(project="HLJ26-002"), seen) == []
    assert town.look(lambda session, world: browsing.tally(session, world, seen, Filter(city="牡丹江"), town.now)).total == 1


def test_what_is_counted_is_what_is_listed(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    def tally(wanted: Filter) -> browsing.Tally:
        return town.look(lambda session, world: browsing.tally(session, world, EVERYTHING, wanted, town.now))

    lights = {light: len(walked(town, Filter(light=light))) for light in browsing.LIGHTS}
    assert sum(lights.values()) == 5
    assert len([each for each in lights.values() if each]) >= 2
    exact = tally(Filter(state="open"))
    assert (exact.total, exact.lights) == (7, lights)
    monkeypatch.setattr(browsing, "MANY", 4)
    assert tally(Filter(state="open")).total == 5
    assert tally(Filter(state="open")).lights == lights
    assert tally(Filter(light="red")).total == lights["red"]
    monkeypatch.setattr(browsing, "MANY", 100)
    assert tally(Filter(state="open")).total == 5, "that there are more is remembered until the minute is over"
    town.now += timedelta(minutes=1)
    assert tally(Filter(state="open")).total == 7


def test_a_list_opens_with_what_its_page_and_its_count_say(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one look where there are not many, and again when it is known that there are."""

    def both(wanted: Filter) -> tuple[object, object]:
        return town.look(
            lambda session, world: (
                browsing.page(session, world, EVERYTHING, wanted, town.now, limit=2),
                browsing.tally(session, world, EVERYTHING, wanted, town.now),
            )
        )

    def opened(wanted: Filter) -> tuple[object, object]:
        return town.look(lambda session, world: browsing.opened(session, world, EVERYTHING, wanted, town.now, limit=2))

    lists = [
        *[Filter(sort=sort, state=state) for sort in SORTS for state in ("open", "over", "")],
        *[Filter(light=light) for light in browsing.LIGHTS],
        Filter(status="pending_review"),
        Filter(severity="urgent"),
    ]
    for many in (100, 4):
        monkeypatch.setattr(browsing, "MANY", many)
        for wanted in lists:
            town.now += timedelta(seconds=61)
            told = opened(wanted)
            assert opened(wanted) == told, wanted
            town.now += timedelta(seconds=61)
            assert both(wanted) == told, (many, wanted)


def test_few_are_found_by_their_ids_and_many_in_order_and_both_are_the_same(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    def seen_by(code: str) -> list[list[object]]:
        seen = town.look(
            lambda session, world: scope.sight([world.directory.by_code[code]], world, world.calendar.local_day(town.now))
        )
        lists = [walked(town, wanted, seen) for wanted in narrowed]
        counts = [town.look(lambda session, world: browsing.tally(session, world, seen, each, town.now)) for each in narrowed]  # noqa: B023
        assert [each.total for each in counts] == [len(each) for each in lists]
        return [[each["number"] for each in items] for items in lists]

    asked = town.raise_issue()
    lead = town.party(town.act(asked, "dispatch", CITY_COORDINATOR).lead_id)
    town.act(asked, "acknowledge", lead)
    town.act(asked, "consult", lead, to=HANDLER)
    narrowed = [
        Filter(),
        *[Filter(state=each) for each in ("open", "over")],
        *[Filter(status=each) for each in ("pending_ack", "pending_review", "processing")],
        *[Filter(severity=each, state="open") for each in ("general", "major", "urgent")],
        *[Filter(stage=each) for each in ("city", "department")],
        *[Filter(city=each, severity="major") for each in ("哈尔滨", "牡丹江")],
        *[Filter(light=each) for each in browsing.LIGHTS],
        Filter(category="power"),
        Filter(status="processing", overdue=True),
    ]
    few = {code: seen_by(code) for code in (OWNER, CITY_COORDINATOR, HANDLER)}
    assert asked in few[HANDLER][0]
    assert all(any(each[place] for each in few.values()) for place in range(5))
    city = walked(town, Filter(city="哈尔滨"))
    monkeypatch.setattr(finding, "FEW", -1)
    town.now += timedelta(minutes=1)  # until then it is remembered that projects are few
    assert {code: seen_by(code) for code in few} == few
    assert [each["number"] for each in walked(town, Filter(city="哈尔滨"))] == [each["number"] for each in city]
    assert city
    assert not walked(town, Filter(city="牡丹江"))
    assert len(few[OWNER][0]) == 10


def test_who_is_asked_about_one_issue_again_and_again_sees_the_others_too(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few are found issue by issue, however often each is asked about; to-do and board say the same when they are not few."""
    asked = [town.raise_issue() for _ in range(2)]
    for number, times in zip(asked, (5, 1), strict=True):
        lead = town.party(town.act(number, "dispatch", CITY_COORDINATOR).lead_id)
        town.act(number, "acknowledge", lead)
        for _ in range(times):
            town.act(number, "consult", lead, to=HANDLER)
            town.act(number, "answer", HANDLER, reason="同意,请按程序办理")
        town.act(number, "consult", lead, to=HANDLER)

    def seen() -> tuple[list[object], list[object], int]:
        def look(session, world):  # type: ignore[no-untyped-def]
            party = world.directory.by_code[HANDLER]
            sight = scope.sight([party], world, town.now.date())
            tasks = todo.todo(session, world, sight, [party], town.now)
            board = browsing.board(session, world, sight, town.now)
            return [each.issue["number"] for each in tasks], sight, sum(row[3] for row in board)

        tasks, sight, counted = town.look(look)
        return sorted(tasks), sorted(each["number"] for each in walked(town, Filter(state="open"), sight)), counted

    for few in (3, -1):
        monkeypatch.setattr(finding, "FEW", few)
        assert seen() == (asked, asked, 2), few
        town.now += timedelta(minutes=1)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_what_few_of_many_fit_is_read_from_the_index_of_whose_they_are(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that are seen are not few, those that are urgent are; no row is fetched to find them, and the list goes by their ids."""
    said: list[tuple[str, str]] = []

    def explain(connection, cursor, statement, values, context, many) -> None:  # type: ignore[no-untyped-def]
        plan = connection.connection.driver_connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)
        said.append((statement, " ".join(str(row) for row in plan)))

    seen = town.look(lambda session, world: scope.sight([world.directory.by_code["PT0013"]], world, town.now.date()))
    monkeypatch.setattr(finding, "FEW", 3)
    event.listen(town.store.engine, "before_cursor_execute", explain)
    assert len(walked(town, Filter(state="open", severity="urgent"), seen)) == 3
    plan = next(plan for statement, plan in said if " UNION " in statement)
    assert all(f"COVERING INDEX ix_issue_of_{whose}" in plan for whose in ("project_id", "lead_id", "responsible_id")), plan
    assert any("json_each" in statement for statement, _ in said)
    said.clear()
    assert len(walked(town, Filter(state="open"), seen)) == 7
    assert not any("json_each" in statement for statement, _ in said)
    said.clear()
    monkeypatch.setattr(finding, "FEW", 100)
    assert len(walked(town, Filter(state="open", project="HLJ26-001"), seen)) == 7
    assert not any(" UNION " in statement for statement, _ in said), "what is of few projects is found by these"


def test_what_a_filter_says_is_not_said_again_by_a_part_of_the_list() -> None:
    def said(**wanted: str) -> list[list[str]]:
        asked = Filter(**wanted)
        return [[str(each) for each in part.conditions(asked)] for part in SORTS["worst"][0] if not part.is_empty(asked)]

    everything = said()
    assert [len(each) for each in everything] == [3, 3, 2, 1]
    assert said(state="open") == [[each for each in part if "closed_at" not in each] for part in everything[:3]]
    assert said(state="open", status="pending_review") == [["issue.due_at IS NOT NULL"], ["issue.due_at IS NULL"]]
    assert said(light="red") == [["issue.due_at IS NOT NULL"], ["issue.due_at IS NULL"]]
    assert said(state="over") == [[]]


# PostgreSQL's planner has statistics, and goes through nine rows
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_list_is_read_from_the_index_of_what_is_open(town: Town) -> None:
    """Also where the database has no statistics yet."""
    plans: list[str] = []

    def explain(connection, cursor, statement, values, context, many) -> None:  # type: ignore[no-untyped-def]
        if statement.startswith("SELECT issue.id, issue.number"):
            driver = connection.connection.driver_connection
            plans.append(" ".join(str(row) for row in driver.execute(f"EXPLAIN QUERY PLAN {statement}", values)))

    event.listen(town.store.engine, "before_cursor_execute", explain)
    for wanted in (
        Filter(state="open"),
        Filter(state="open", category="power"),
        *[Filter(light=each) for each in ("yellow", "green")],
        Filter(state="open", sort="due"),
    ):
        town.look(lambda session, world: browsing.page(session, world, EVERYTHING, wanted, town.now))  # noqa: B023
    assert len(plans) >= 4
    # nothing is sorted but the few that were found, once they are fetched
    assert not [plan for plan in plans if "TEMP B-TREE" in plan.partition("PRIMARY KEY")[0]]
    assert all("COVERING INDEX ix_issue_open" in plan for plan in plans), plans


def test_a_count_that_took_long_is_shown_for_a_minute(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    def lights() -> int:
        return town.look(lambda session, world: sum(row[3] for row in seeing.lights(session, world, EVERYTHING, town.now)[0]))

    town.raise_issue()  # so that the day has begun: what was remembered before is forgotten
    assert lights() == 8
    monkeypatch.setattr(seeing, "LONG", -1)
    assert lights() == 8
    town.raise_issue()
    assert lights() == 8
    town.now += timedelta(minutes=1)
    assert lights() == 9
