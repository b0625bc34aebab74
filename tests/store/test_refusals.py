"""A refused action changes nothing: not the row, not the record, not a mail. On both databases, through `commands.act`."""

from datetime import date
from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import SQLModel

from escalation.database import Store
from escalation.errors import NotFound, Refused
from tests.town import (
    CITY_COORDINATOR,
    DEPARTMENT_COORDINATOR,
    INSPECTION,
    LEADER,
    LIAISON,
    OFFICE,
    OWNER,
    Town,
)

HANDLER = "PT0033"  # 哈尔滨市工信局
OTHER_ORGAN = "PT0030"
OTHER_CITY = "PT0014"


def dump(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, as bytes and values."""
    with store.reading() as session:
        connection = session.connection()
        return {
            table.name: sorted(map(repr, connection.execute(select(table)).all()))  # type: ignore[misc]
            for table in SQLModel.metadata.sorted_tables
        }


#: (code, action, who, what they bring); the issue has been dispatched and signed for by the city's organ.
CASES: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "wrong state": ("wrong_state", "close", CITY_COORDINATOR, {}),
    "another city's coordinator": ("not_allowed", "escalate", OTHER_CITY, {"reason": "x"}),
    "another organ": ("not_allowed", "resolve", OTHER_ORGAN, {"reason": "x"}),
    "the reporter": ("not_allowed", "resolve", OWNER, {"reason": "x"}),
    "the coordinator is not the handler": ("not_allowed", "report_progress", CITY_COORDINATOR, {"reason": "xx"}),
    "the leader": ("not_allowed", "escalate", LEADER, {"reason": "x"}),
    "the liaison": ("not_allowed", "suspend", LIAISON, {"reason": "law_case", "until": date(2026, 10, 1)}),
    "the inspection": ("not_allowed", "escalate_skip", INSPECTION, {"reason": "x"}),
    "not urgent": ("not_allowed", "escalate_skip", OFFICE, {"reason": "x"}),
    "nothing to approve": ("no_request", "approve", CITY_COORDINATOR, {}),
    "no reason": ("incomplete", "escalate", CITY_COORDINATOR, {}),
    "no such action": ("wrong_state", "fly", CITY_COORDINATOR, {}),
    "a reason not of the list": ("bad_reason", "suspend", DEPARTMENT_COORDINATOR, {"reason": "忙", "until": date(2026, 10, 1)}),
    "a date not ahead": ("bad_date", "suspend", DEPARTMENT_COORDINATOR, {"reason": "law_case", "until": date(2026, 9, 1)}),
    "too long an extension": ("bad_date", "request_extension", HANDLER, {"reason": "x", "until": date(2026, 12, 1)}),
    "another level": ("wrong_party", "reassign", CITY_COORDINATOR, {"reason": "x", "to": "省电力公司"}),
    "itself": ("wrong_party", "transfer", HANDLER, {"reason": "x", "to": HANDLER}),
    "no colleague": ("wrong_party", "delegate", HANDLER, {"to": OTHER_ORGAN, "until": date(2026, 10, 1)}),
    "into itself": ("wrong_target", "merge", CITY_COORDINATOR, {"into": "WT26-0001"}),
    "too little said": ("incomplete", "report_progress", HANDLER, {"reason": "x"}),
}


@pytest.mark.parametrize("case", CASES)
def test_nothing_changes(store: Store, case: str) -> None:
    code, action, who, brings = CASES[case]
    town = Town(store)
    number = town.dispatched()
    town.act(number, "acknowledge", HANDLER)
    allowed = town.look(lambda session, world: _allowed(session, world, number, who, town))
    before, facts = dump(store), town.facts(number)

    with pytest.raises(Refused) as refused:
        town.act(number, action, who, **brings)

    assert refused.value.exit_code == 3
    assert refused.value.code == code
    assert refused.value.allowed == allowed
    assert all(name in refused.value.hint for name in allowed)
    assert dump(store) == before
    assert town.facts(number) == facts
    assert town.verify().ok


def _allowed(session: Any, world: Any, number: str, who: str, town: Town) -> tuple[str, ...]:
    from escalation.commands import actions_for

    return actions_for(session, world, number, who, town.now)


def test_what_is_listed_can_be_done(store: Store) -> None:
    """The list of a refusal is no empty promise: the coordinator does one of the things it names."""
    town = Town(store)
    number = town.dispatched()
    with pytest.raises(Refused) as refused:
        town.act(number, "close", CITY_COORDINATOR)
    assert "escalate" in refused.value.allowed
    assert town.act(number, "escalate", CITY_COORDINATOR, reason="事权在上").stage == "department"


def test_one_of_many_is_refused_and_none_is_done(store: Store) -> None:
    from escalation import commands
    from escalation.commands import Do

    town = Town(store)
    numbers = [town.dispatched(), town.dispatched()]
    before = dump(store)
    wanted = [Do(numbers[0], "acknowledge", HANDLER), Do(numbers[1], "close", CITY_COORDINATOR)]
    with pytest.raises(Refused), store.transaction() as session:
        commands.act_many(session, town.worlds.read(session), wanted, town.now, town.outgoing)
    assert dump(store) == before


@pytest.mark.parametrize(
    ("number", "who", "to"), [("WT26-9999", HANDLER, ""), ("", "nobody", ""), ("", HANDLER, "no such organ")]
)
def test_what_is_not_there_changes_nothing_either(store: Store, number: str, who: str, to: str) -> None:
    town = Town(store)
    known = town.dispatched()
    before = dump(store)
    with pytest.raises(NotFound) as missing:
        town.act(number or known, "acknowledge", who, to=to)
    assert missing.value.exit_code == 2
    assert dump(store) == before
