"""The list: search, views with a name, and things done to many issues at once."""

import io
from typing import Any

from openpyxl import load_workbook

from tests.town import CITY_COORDINATOR, OFFICE, OWNER
from tests.web.office import Office

HANDLER = "PT0033"


def row(office: Office, *numbers: str, **other: int) -> dict[str, Any]:
    """The ticks of these rows, as somebody saw them."""
    return {f"row:{number}": str(office.town.facts(number).version) for number in numbers} | {
        f"row:{number}": str(seen) for number, seen in other.items()
    }


def test_many_are_urged_each_on_its_own_and_each_says_what_became_of_it(office: Office) -> None:
    boss = office.person("city", CITY_COORDINATOR)
    fine, moved, over = office.town.dispatched(), office.town.dispatched(), office.town.raise_issue()
    ticks = row(office, fine, moved, over, **{"WT26-9999": 1, "<b>": 1})
    office.town.act(moved, "acknowledge", HANDLER)
    office.town.act(over, "reject", CITY_COORDINATOR, reason="不属于项目问题")
    before = {number: office.town.facts(number).version for number in (fine, moved, over)}

    told = boss.post("/issues/bulk", what="urge", reason="请抓紧", back="light=red&evil=1", **ticks)

    assert told.status_code == 200
    assert "已催办 1 件，未办 4 件" in told.text
    assert told.text.count("问题刚刚被他人更新") == 2
    assert told.text.count("没有找到") == 2
    assert 'href="/issues?light=red"' in told.text
    after = {number: office.town.facts(number).version for number in before}
    assert after == before | {fine: before[fine] + 1}
    assert office.town.verify().ok


def test_what_is_out_of_sight_is_neither_urged_nor_given_out(small: Office) -> None:
    owner = small.person("owner", "PT0002")
    number = small.town.dispatched()

    told = owner.post("/issues/bulk", what="urge", **row(small, number))
    assert "没有找到" in told.text
    assert "power is stuck" not in told.text
    book = owner.post("/issues/bulk", what="export", **row(small, number)).content
    lines = list(load_workbook(io.BytesIO(book)).active.iter_rows(values_only=True))
    assert (lines[1][1], lines[1][2], lines[1][-1]) == (number, None, "没有找到")
    assert owner.post("/issues/bulk", what="urge").status_code == 400
    assert owner.post("/issues/bulk", what="close", **row(small, number)).status_code == 400


def test_ticked_issues_are_given_out_as_a_workbook(office: Office) -> None:
    owner = office.person("owner", OWNER)
    first, second, _ = office.town.dispatched(), office.town.dispatched(), office.town.dispatched()

    answer = owner.post("/issues/bulk", what="export", **row(office, second, first))

    assert answer.headers["content-disposition"].startswith('attachment; filename="issues-')
    lines = list(load_workbook(io.BytesIO(answer.content)).active.iter_rows(values_only=True))
    assert [line[1] for line in lines] == ["问题编号", second, first]


def test_a_list_with_a_name_is_its_owners(office: Office) -> None:
    boss, other = office.person("office", OFFICE), office.person("other", OFFICE)

    kept = boss.post("/issues/views", name="  省级<红灯> ", query="stage=province&light=red&evil=1&sort=due")

    assert kept.headers["location"] == "/issues?stage=province&light=red&sort=due"
    assert 'href="/issues?stage=province&amp;light=red&amp;sort=due"' in boss.get("/issues").text
    assert "省级&lt;红灯&gt;" in boss.get("/issues").text
    assert "红灯&gt;" not in other.get("/issues").text
    assert 'aria-current="true">省级' in boss.get("/issues?stage=province&light=red&sort=due&state=").text
    assert boss.post("/issues/views", name=" ", query="").status_code == 400
    assert boss.post("/issues/views/drop", name="省级<红灯>", query="").headers["location"] == "/issues?"
    assert "省级" not in boss.get("/issues").text.partition('class="filters"')[2].partition('id="list"')[2].partition("<table")[0]


def test_the_list_finds_chinese_words_wherever_they_stand(office: Office) -> None:
    owner = office.person("owner", OWNER)
    given = {"project": "HLJ26-001", "category": "power", "severity": "major", "text": "等三相变压器到货", "open": "1"}
    assert owner.post("/issues/new", **given, title="二期车间缺电").status_code == 303
    office.town.raise_issue()

    for q in ("变压器", "缺电 车间", "电", "三相", "wt26-0001"):
        page = owner.get("/issues", params={"q": q}).text
        assert page.count("<tr data-href") == 1, q
        assert "二期车间缺电" in page
    assert owner.get("/issues", params={"q": "没有"}).text.count("<tr data-href") == 0
