"""Who wears which hat: an organ answers as one, each of its posts; and whoever it fell to where an organ has nobody."""

from tests.unit.table import PEOPLE, Case
from tests.unit.test_guards import working


def test_another_post_of_the_organ_that_leads() -> None:
    twin = PEOPLE["city_handler"]._replace(id=88, code="TW", name="同岗", deputy_id=None)
    case = working(people={"twin": twin} | PEOPLE)
    assert case.facts.lead_id == PEOPLE["city_handler"].id
    case.do("report_progress", "twin", reason="在办")
    assert case.refused("report_progress", "city_target", reason="在办") == "not_allowed"
    assert case.refused("report_progress", "city_colleague", reason="在办") == "not_allowed"


def test_the_coordinator_where_the_organ_has_nobody() -> None:
    left = {name: party for name, party in PEOPLE.items() if name not in ("city_handler", "city_colleague", "deputy")}
    case = Case(people=left)
    case.do("dispatch", "city_coordinator")
    assert case.facts.lead_id == PEOPLE["city_coordinator"].id
    case.do("acknowledge", "city_coordinator")


def test_every_coordinator_of_the_city_coordinates_and_the_office_where_there_is_none() -> None:
    twin = PEOPLE["city_coordinator"]._replace(id=88, code="CC2", name="市协调员二")
    case = Case(people=PEOPLE | {"twin": twin})
    case.do("dispatch", "twin")
    left = {name: each for name, each in PEOPLE.items() if name != "city_coordinator"}
    case = Case(people=left)
    case.do("dispatch", "office")


def test_who_reported_and_the_projects_company_whoever_of_it() -> None:
    """Both may withdraw what they raised, and no other company."""
    twin = PEOPLE["owner"]._replace(id=88, code="OW2", name="企业二号")
    other = twin._replace(id=89, code="OW3", organ="别的企业")
    case = Case(people=PEOPLE | {"twin": twin, "other": other})
    assert case.refused("withdraw", "other", reason="不办了") == "not_allowed"
    case.do("withdraw", "twin", reason="不办了")
    moved = {name: each._replace(organ="改了名") if name == "owner" else each for name, each in PEOPLE.items()}
    Case(people=moved).do("withdraw", "owner", reason="不办了")
