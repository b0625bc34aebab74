"""Who can be named: the handlers of some levels."""

from tests.unit.table import PEOPLE
from workflows.parties import Directory, Party


def party(number: int, organ: str, level: str, city: str = "", *, active: bool = True) -> Party:
    """A handler of an organ."""
    some = next(iter(PEOPLE.values()))
    return some._replace(
        id=number,
        code=f"P{number}",
        name=f"P{number}",
        organ=organ,
        level=level,
        city=city,
        role="responsible_party",
        active=active,
    )


def test_handlers_of_a_level_are_its_own_city_s_and_in_the_order_of_the_levels() -> None:
    here, there = party(4, "市发改委", "city", "哈尔滨"), party(3, "别市发改委", "city", "牡丹江")
    ministry, gone = party(2, "省能源局", "department"), party(1, "省工信厅", "department", active=False)
    directory = Directory([gone, ministry, there, here])
    assert directory.handlers_at(("city", "department"), "哈尔滨") == (here, ministry)
    assert directory.handlers_at(("department", "city"), "牡丹江") == (ministry, there)
    assert directory.handlers_at(("department",), "哈尔滨") == (ministry,)
    known = directory.handlers_at(("department",), "哈尔滨")
    assert directory.handlers_at(("department",), "哈尔滨") is known, "asked for each issue of a to-do"
