"""Search, on both databases: what contains the words is found, whatever they are made of, and nothing else is."""

import pytest
from sqlalchemy import select, text

from escalation import commands, searching
from escalation.commands import Raise
from escalation.database import Store
from escalation.queries import ISSUE
from tests.town import CITY_COORDINATOR, OWNER, Town

TITLES = (
    "二期热处理车间临时用电容量不足",
    "车间用水不足，缺电",
    "Road ACCESS: 100% blocked_now",
    'it\'s "quoted" \\ and <b>',
    "𠮷野家👩‍👩‍👧门前",
)


@pytest.fixture
def town(store: Store) -> Town:
    made = Town(store)
    with store.transaction() as session:
        world = made.worlds.read(session)
        wanted = [
            Raise("HLJ26-001", "power", "major", title, OWNER, described={"description": "第一段\n最后是水"}) for title in TITLES
        ]
        commands.raise_many(session, world, wanted, made.now, made.outgoing)
    return made


def search(town: Town, q: str) -> list[str]:
    def found(session, world):  # type: ignore[no-untyped-def]
        statement = select(ISSUE.c.title).where(searching.found(session, q, world)).order_by(ISSUE.c.id)
        return list(session.connection().execute(statement).scalars())

    return town.look(found)


@pytest.mark.parametrize(
    ("q", "places"),
    [
        ("用电", [0]),
        ("缺电", [1]),
        ("电", [0, 1]),
        ("车间", [0, 1]),
        ("车间 不足 缺", [1]),
        ("热处理车间", [0]),
        ("车间不足", []),
        ("access", [2]),
        ("ROAD", [2]),
        ("ro", [2]),
        ("100%", [2]),
        ("d_n", [2]),
        ("%", [2]),
        ("_", [2]),
        ("it's", [3]),
        ('"q', [3]),
        ("\\", [3]),
        ("\\ <b>", [3]),
        ("𠮷", [4]),
        ("👩‍👩", [4]),
        ("水", [0, 1, 2, 3, 4]),
        ("段最", []),
        ("WT26-0003", [2]),
        ("hlj26-001 用水", [1]),
        ("航空轻合金精 电", [0, 1]),
        ("没有这样的问题", []),
        ('" OR 1=1', []),
        ("' & !'a", []),
        ("NEAR(车间)", []),
        ("a" * 300, []),
        ("\x00\u200b \ud800", []),
    ],
)
def test_what_contains_the_words_is_found(town: Town, monkeypatch: pytest.MonkeyPatch, q: str, places: list[int]) -> None:
    assert search(town, q) == [TITLES[place] for place in places]
    monkeypatch.setattr(searching, "FREQUENT", 0)
    assert search(town, q) == [TITLES[place] for place in places], "what is frequent is found by its text"


def test_the_index_follows_every_change(town: Town) -> None:
    number = "WT26-0001"
    with town.store.transaction() as session:
        commands.amend(session, number, {"title": "已经改名"})
    town.act(number, "reject", CITY_COORDINATOR, reason="不属于项目问题")
    assert search(town, "热处理") == []
    assert search(town, "改名") == ["已经改名"]
    with town.store.transaction() as session:
        searching.rebuild(session.connection())
    assert search(town, "改名") == ["已经改名"]
    with town.store.transaction() as session:
        for table in ("journal", "assignment", "outbox"):
            session.connection().execute(text(f"DELETE FROM {table}"))
        session.connection().execute(text("DELETE FROM issue WHERE title = '已经改名'"))
    assert search(town, "改名") == []
    with town.store.reading() as session:
        left = session.connection().exec_driver_sql("SELECT count(*) FROM issue_search" if not town.store.is_sqlite else
                                                    "SELECT count(DISTINCT doc) FROM issue_search_words").scalar()  # fmt: skip
    assert left == 4
