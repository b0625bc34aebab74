"""What the charts show is traced to its issues, within what somebody sees; on both databases."""

from datetime import date, timedelta

from escalation import scope
from escalation.app import App
from escalation.database import Store
from escalation.summaries.trends import Standing, Trends, trends
from tests.town import CITY_COORDINATOR, DEPARTMENT_COORDINATOR, OWNER, Town, at

HANDLER = "PT0033"


def told(town: Town, code: str = "", weeks: int = 6) -> Trends:
    return town.look(lambda s, w: trends(s, w, App.sight(w, code, town.now) if code else scope.EVERYTHING, town.now, weeks))


def test_every_figure_is_the_issues_behind_it(store: Store) -> None:
    town = Town(store, "2026-09-01 09:00")
    solved, late, waiting = town.dispatched(), town.dispatched(severity="urgent"), town.raise_issue()
    town.act(solved, "acknowledge", HANDLER)
    town.sweep("2026-09-08 17:01")  # five working days are over
    town.sweep("2026-09-10 09:00")
    town.act(solved, "resolve", HANDLER, reason="已送电")
    town.act(solved, "close", DEPARTMENT_COORDINATOR)

    found = told(town)

    weeks = {week.monday: week[1:] for week in found.weeks}
    assert list(weeks) == [date(2026, 8, 3) + timedelta(days=7 * number) for number in range(6)]
    assert weeks[date(2026, 8, 31)] == ((solved, late, waiting), (), ())
    assert weeks[date(2026, 9, 7)] == ((), (solved,), (late,))
    spent = {each.stage: each for each in found.spent}
    assert list(spent) == ["city", "department", "province"]
    assert (spent["city"].days, spent["city"].numbers, spent["city"].lapsed) == ((5, 7), (late, solved), (late,))
    assert (spent["city"].at(0.5), spent["city"].at(0.9), spent["department"].at(0.5)) == (7, 7, 0)
    lead = town.look(lambda s, w: w.directory.by_id[town.facts(late).lead_id].organ)
    intake = town.look(lambda s, w: w.directory.by_id[town.facts(waiting).lead_id].organ)
    assert set(found.organs) == {Standing(lead, (), (late,)), Standing(intake, (waiting,), ())}
    assert {each.key: each.total for each in found.places} == {"city.pending_intake": 1, "department.pending_ack": 1}


def test_nobody_reads_figures_of_what_they_do_not_see(store: Store) -> None:
    town = Town(store, "2026-09-01 09:00")
    mine = town.dispatched()
    other = town.raise_issue(project="HLJ26-003", by="PT0003")

    assert told(town, CITY_COORDINATOR).weeks[-1].raised == (mine,)
    assert told(town, OWNER).weeks[-1].raised == (mine,)
    assert told(town, "PT0015").weeks[-1].raised == (other,)
    assert told(town).weeks[-1].raised == (mine, other)
    assert told(town, "PT0014").is_empty
    town.now = at("2027-09-01 09:00")
    assert not any(week.raised for week in told(town).weeks), "what was long ago is not of these weeks"
