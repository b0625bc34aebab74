"""Lists in parts: whole, in order, each issue once; counted as far as anybody reads on; by an index, not by a sort."""

from datetime import timedelta

import pytest
from sqlalchemy import event

from escalation import browsing, finding, scope
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
    def seen_by(code: str) -> list[object]:
        seen = town.look(
            lambda session, world: scope.sight([world.directory.by_code[code]], world, world.calendar.local_day(town.now))
        )
        return [each["number"] for each in walked(town, Filter(), seen)]

    few = {code: seen_by(code) for code in (OWNER, CITY_COORDINATOR, HANDLER)}
    city = walked(town, Filter(city="哈尔滨"))
    monkeypatch.setattr(finding, "FEW", -1)
    town.now += timedelta(minutes=1)  # until then it is remembered that they are few
    assert {code: seen_by(code) for code in few} == few
    assert [each["number"] for each in walked(town, Filter(city="哈尔滨"))] == [each["number"] for each in city]
    assert city
    assert not walked(town, Filter(city="牡丹江"))
    assert len(few[OWNER]) == 9


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
        Filter(light="yellow"),
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
