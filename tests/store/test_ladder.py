"""One issue goes up the ladder by itself."""

from escalation.database import Store
from tests.town import Town, at


def test_an_unattended_issue_goes_city_department_province_and_stays(store: Store) -> None:
    """Each stage's full time from the move; nothing twice; at the top it stays and letters repeat."""
    town = Town(store)
    number = town.dispatched()
    seen = [town.facts(number).stage]
    for now in town.days(90):
        town.sweep(now)
        stage = town.facts(number).stage
        if stage != seen[-1]:
            seen.append(stage)

    assert seen == ["city", "department", "province"]
    assert town.facts(number).due_at == at("2026-10-10 17:00")
    assert town.verify().broken == []
