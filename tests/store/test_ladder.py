"""One issue goes up the ladder by itself."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from escalation import queries
from escalation.database import Store
from escalation.queries import OUTBOX
from tests.town import OFFICE, Town, at


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
    town.act(number, "suspend", OFFICE, reason="law_case", until=town.now.date() + timedelta(days=10))
    town.act(number, "resume", OFFICE)
    with store.reading() as session:
        stays = queries.assignments(session.connection(), town.facts(number).id)
    assert stays[-1].overdue_wd == 36, "touched again it is as late as it is: 15 working days of October and 21 of November"


@pytest.mark.parametrize("category", ["power", "eia", "land", "permit"])
def test_who_is_asked_to_verify_may_close(store: Store, category: str) -> None:
    """Also where the stage's coordinator sits in the organ that handled it, and must not verify its own work."""
    town = Town(store)
    number = town.dispatched(category=category)
    handler = town.look(lambda session, world: world.directory.by_id[town.facts(number).lead_id].code)
    town.act(number, "acknowledge", handler)
    town.act(number, "resolve", handler, reason="已送电")
    with store.reading() as session:
        asked = select(OUTBOX.c.party).where(OUTBOX.c.about == number, OUTBOX.c.kind == "review_request")
        (reviewer,) = session.connection().execute(asked).scalars()
    town.act(number, "close", reviewer, reason="核实")
    assert town.facts(number).status == "closed"
