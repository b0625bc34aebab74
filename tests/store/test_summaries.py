"""Summaries give the figures of the sample ledger, the same for any moment whenever they are asked, and are made once."""

import asyncio
import csv
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from email import message_from_bytes, policy
from importlib.resources import files
from pathlib import Path

import orjson
import pytest
from openpyxl import load_workbook
from sqlmodel import select

from escalation.app import App
from escalation.applying import Outgoing
from escalation.archive import Ages, put_away
from escalation.config import DatabaseSettings, Settings
from escalation.models import OutboxRow
from escalation.summaries import PROVINCE, Scope, as_of, books, figures
from escalation.summaries.making import Made, Summariser
from escalation.summaries.rendering import SummaryRenderer
from escalation.world import WorldReader
from notifications.dispatch import dispatch_once
from tests.commanding import Command
from tests.town import Town, at

NOW = at("2026-11-23 09:00")


def rows(name: str = "issues") -> list[dict[str, str]]:
    text = (files("escalation") / "sample" / f"{name}.csv").read_text(encoding="utf-8-sig")
    return list(csv.DictReader(text.splitlines()))


class Office:
    """An installation with the sample ledger in it, and a node that makes its summaries."""

    def __init__(self, url: str, root: Path) -> None:
        self.app = App(Settings(database=DatabaseSettings(url=url), root=root))
        self.app.init(at("2026-09-01 09:00"))
        self.app.import_sample(NOW)

    def node(self) -> Summariser:
        return Summariser(self.app.store, WorldReader(), Outgoing("office.example", "https://escalation.example"))

    def figures(self, scope: Scope = PROVINCE, kind: str = "weekly", now=NOW):
        period = self.node().period(kind, now)
        return self.app.look(lambda session, world: figures(session, world, scope, period))

    def letters(self, kind: str, now=NOW, to: str = ""):
        node = self.node()
        return {each.reader.code: each for each in node.compose(node.period(kind, now), now, to=to, again=True).letters}

    def outbox(self) -> list[OutboxRow]:
        return self.app.look(lambda session, world: list(session.exec(select(OutboxRow).order_by(OutboxRow.id))))


@pytest.fixture
def office(database, tmp_path):
    made = Office(database, tmp_path)
    yield made
    made.app.close()


# The very figures of the sample.


def test_the_weekly_of_the_province_has_the_figures_of_the_sample(office):
    week = office.figures()
    counted = {name: week[name] for name in ("registered", "closed", "open", "suspended", "pending_review", "pending_ack")}
    assert counted == {"registered": 30, "closed": 6, "open": 24, "suspended": 2, "pending_review": 2, "pending_ack": 1}
    assert {stage: len(numbers) for stage, numbers in week.stages.items()} == {"city": 10, "department": 7, "province": 7}
    happened = {
        name: week[name] for name in ("raised", "escalated", "escalated_auto", "escalated_manual", "resolved", "closed_then")
    }
    assert happened == {"raised": 3, "escalated": 5, "escalated_auto": 2, "escalated_manual": 3, "resolved": 2, "closed_then": 0}
    assert [(each.number, each.lead.organ, each.late_by, each.card, each.facts.stage) for each in week.overdue] == [
        ("WT26-0006", "省自然资源厅", 27, "red", "province"),
        ("WT26-0016", "省林草局", 12, "red", "province"),
        ("WT26-0004", "省工信厅", 9, "red", "province"),
        ("WT26-0024", "省生态环境厅", 1, "red", "province"),
    ]
    assert week["soon"] == 9
    assert {each.name for each in week.common} == {"林地", "能耗", "用电"}
    assert all(each.projects >= 2 for each in week.common)


def test_the_mail_says_them_in_the_words_of_the_page(office):
    rendered = SummaryRenderer().render("summary_weekly", "zh_CN", office.letters("weekly")["PT0205"].facts)
    assert rendered.subject == "【周报】全省重点项目问题提级办理情况（第47周，截至11月23日09:00）"
    for said in (
        "累计登记问题30件，已销号6件，未销号24件（市级10件、厅局级7件、省级7件；其中挂起2件、待销号审核2件、待签收1件）",
        "上周新增3件，提级5件（逾期自动提级2件、人工提级3件），申请销号2件，销号0件",
        "二、逾期情况。逾期4件（省级4件）",
        "三、两个工作日内到期9件",
        "请有关单位于11月25日前反馈逾期事项办结计划",
        "较上期（11月16日）：未销号+4件，逾期+1件，两个工作日内到期+7件",
    ):
        assert said in rendered.text
        assert said in rendered.html
    assert "补发" not in rendered.text


def test_every_city_and_department_gets_its_own_part(office):
    projects = {row["project_code"]: row for row in rows("projects")}
    scopes = [Scope("city", city) for city in {row["city"] for row in rows()}]
    scopes += [
        Scope("department", organ)
        for organ in {row["responsible_org"] for row in rows()} | {"省工信厅", "省文旅厅"}
        if organ.startswith("省")
    ]
    for scope in scopes:
        mine = [row for row in rows() if _covers(scope, row, projects[row["project_code"]])]
        found = office.figures(scope)
        still = [row for row in mine if row["state"] != "closed"]
        assert found.numbers["registered"] == tuple(sorted(row["issue_code"] for row in mine)), scope
        assert set(found.numbers["open"]) == {row["issue_code"] for row in still}, scope
        assert {each.number for each in found.overdue} == {row["issue_code"] for row in still if row["light"] == "red"}, scope
        assert {each.number for each in found.soon} == {row["issue_code"] for row in still if row["light"] == "yellow"}, scope
        assert {stage: len(numbers) for stage, numbers in found.stages.items() if numbers} == Counter(
            row["current_level"] for row in still
        ), scope
        assert {each.number: each.left for each in found.soon} == {
            row["issue_code"]: int(row["working_days_left"]) for row in still if row["light"] == "yellow"
        }


def _covers(scope: Scope, row: dict[str, str], project: dict[str, str]) -> bool:
    if scope.kind == "city":
        return project["lead_city"] == scope.key
    return scope.key in (f"省{project['industry_department']}", row["responsible_org"])


def test_the_lapses_are_those_of_the_ranking_page(office):
    week = office.figures()
    assert {each.unit: each.lapses for each in week.cities if each.lapses} == {"牡丹江": 2, "哈尔滨": 1, "鸡西": 1, "伊春": 1}
    assert {each.unit: each.lapses for each in week.departments if each.lapses} == {
        "省林草局": 2,
        "省工信厅": 1,
        "省自然资源厅": 1,
        "省生态环境厅": 1,
    }
    ranked = [each for each in week.departments if each.is_ranked]
    assert [each.unit for each in ranked] == ["省林草局"]
    assert week.departments[0].unit == "省林草局"
    assert (ranked[0].due, ranked[0].on_time, ranked[0].rate) == (3, 0, 0)


def test_every_figure_is_traced_to_issues_in_the_workbook(office, tmp_path):
    letter = office.letters("weekly")["PT0205"]
    sheets = {
        sheet.title: sheet
        for sheet in office.app.look(lambda session, world: books.of_figures(letter.figures, letter.before, world))
    }
    overview = {row[0]: row for row in sheets["概况"].rows}
    assert overview["未销号"][1:4] == [24, 20, 4]
    assert overview["逾期"] == ["逾期", 4, 3, 1, "WT26-0006、WT26-0016、WT26-0004、WT26-0024"]
    for name, count, _, _, numbers in sheets["概况"].rows:
        assert count == len([each for each in numbers.split("、") if each]), name
    assert len(sheets["逾期"].rows) == 4
    assert len(sheets["未销号"].rows) == 24


def test_a_city_reads_of_its_own_issues_alone(office):
    cities = {row["issue_code"]: row["city"] for row in rows()}
    for code, letter in office.letters("weekly").items():
        if letter.figures.scope.kind != "city":
            continue
        named = {number for number in cities if number in orjson.dumps(letter.facts).decode()}
        assert {cities[number] for number in named} <= {letter.figures.scope.key}, code
        assert not letter.facts["grids"]["cities"]


# The same answer for a moment, whenever it is asked.


def test_what_was_so_stays_so_whatever_happens_later(store):
    town = Town(store, "2026-09-01 09:00")
    numbers = [town.dispatched(severity=severity) for severity in ("urgent", "major", "general", "urgent")]
    told = {}
    acts = {
        5: (numbers[1], "resolve", "lead"),
        6: (numbers[1], "close", "PT0026"),
        4: (numbers[2], "urge", "PT0013"),
        8: (numbers[3], "escalate", "PT0026"),
    }
    for day, _ in enumerate(town.days(45)):
        town.sweep()
        if day in acts:
            number, action, who = acts[day]
            lead = town.look(lambda session, world, number=number: world.directory.by_id[town.facts(number).lead_id].code)
            town.act(number, action, lead if who == "lead" else who, reason="because")
        if day == 20:
            town.dispatched(severity="major")
        told[town.now] = _shown(town, town.now)
    assert len({json.dumps(each) for each in told.values()}) > 10
    again = {moment: _shown(town, moment) for moment in told}
    assert again == told
    # and when what is over has gone into the archive
    with store.transaction() as session:
        assert put_away(session, town.worlds.read(session), Ages(timedelta(0), None), town.now).issues == 1
    archived = {moment: _standing(shown) for moment in told if (shown := _shown(town, moment))}
    assert archived == {moment: _standing(shown) for moment, shown in told.items()}


def _shown(town: Town, moment) -> dict:
    found = town.look(lambda session, world: figures(session, world, PROVINCE, as_of(world, moment)))
    lines = [
        (each.number, each.facts.status, each.facts.stage, each.late_by, each.left, each.light, each.card) for each in found.open
    ]
    ranks = [tuple(each) for each in (*found.cities, *found.departments)]
    return {"numbers": found.numbers, "stages": found.stages, "open": lines, "ranks": ranks}


def _standing(shown: dict) -> dict:
    """Without what is told of the journal and the stays of the year: those went into the archive with the issue."""
    past = ("raised", "escalated", "escalated_auto", "escalated_manual", "resolved", "closed_then", "reworked", "reopened")
    return {
        "numbers": {key: sorted(each) for key, each in shown["numbers"].items() if key not in past},
        "open": sorted(shown["open"], key=str),
    }


# Once.


def test_each_is_made_once_by_however_many_nodes_and_restarts(office, database, new_store):
    nodes = [office.node(), *[Summariser(new_store(database), WorldReader(), Outgoing()) for _ in range(3)]]
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda node: node.make_due(NOW), nodes))
    keys = [row.key for row in office.outbox()]
    assert len(keys) == len(set(keys)) == sum(each.queued for each in made) == sum(each.made for each in made) > 50
    assert "summary:weekly:2026-W47:PT0205" in keys
    assert office.node().make_due(NOW + timedelta(hours=3)) == Made(0, 0, len(keys))
    assert len(office.outbox()) == len(keys)


def test_a_node_that_has_seen_it_done_does_not_look_again(office):
    node = office.node()
    first = node.make_due(NOW)
    assert first.made == first.queued == len(office.outbox())
    assert node.make_due(NOW + timedelta(minutes=1)) == Made()
    later = node.make_due(at("2026-11-24 08:30"))
    assert later.made > 0
    assert {row.key.split(":")[2] for row in office.outbox()[first.made :]} == {"2026-11-24"}


def test_one_that_was_missed_is_made_once_late_and_says_so(office):
    late = at("2026-11-24 10:12")
    made = office.node().make_due(late)
    assert made.queued > 0
    assert office.node().make_due(at("2026-11-25 08:00")).queued == 0
    row = next(row for row in office.outbox() if row.key == "summary:weekly:2026-W47:PT0205")
    rendered = SummaryRenderer().render(row.kind, row.language, orjson.loads(row.facts))
    assert "本期应于11月23日09:00制发，实际于11月24日10:12补发，数据仍截至11月23日09:00。" in rendered.text
    assert "累计登记问题30件，已销号6件，未销号24件" in rendered.text


def test_nothing_is_made_for_a_time_before_the_installation_nor_for_an_empty_one(store):
    town = Town(store, "2026-11-25 10:00")
    node = Summariser(store, town.worlds, Outgoing())
    assert node.make_due(town.now) == Made()
    assert node.make_due(at("2026-12-01 10:00")) == Made()
    town.now = at("2026-11-26 10:00")
    town.dispatched()
    made = Summariser(store, town.worlds, Outgoing()).make_due(at("2026-12-01 10:00"))
    assert made.queued > 0


def test_a_ledger_imported_today_brings_no_summaries_of_days_before(database, tmp_path):
    app = App(Settings(database=DatabaseSettings(url=database), root=tmp_path))
    app.init(at("2026-11-24 10:00"))
    app.import_sample(at("2026-11-24 10:05"))
    node = Summariser(app.store, app.worlds, app.outgoing)
    assert node.make_due(at("2026-11-24 10:10")) == Made()
    assert node.make_due(at("2026-11-25 08:30")).queued > 0
    assert node.make_due(at("2026-11-30 09:00")).queued > 0
    app.close()


def test_a_dry_run_and_one_party_alone(office):
    node = office.node()
    assert node.make("weekly", NOW, NOW, dry_run=True) == Made(26, 0, 0)
    assert office.outbox() == []
    assert node.make("weekly", NOW, NOW, to="PT0205") == Made(1, 1, 0)
    assert node.make("weekly", NOW, NOW) == Made(25, 25, 1)
    assert node.make("daily", NOW, NOW, to="PT0204") == Made(1, 1, 0)
    assert office.outbox()[-1].key == "summary:daily:2026-11-23:PT0204"


# A person's day.


def test_a_daily_lists_what_somebody_has_to_do_and_nobody_gets_an_empty_one(office):
    letters = office.letters("daily")
    assert all(int(letter.facts["total"]) > 0 for letter in letters.values())
    liaison = letters["PT0204"].facts
    assert [row[0] for row in liaison["grids"]["late"]["rows"]] == ["WT26-0006", "WT26-0016", "WT26-0004", "WT26-0024"]
    assert "PT0203" not in letters, "a leader gets no mail of the system"
    assert letters["PT0014"].facts["grids"]["review"]["rows"][0][0] == "WT26-0005"
    handler = next(letter for letter in letters.values() if letter.reader.organ == "省林草局")
    assert [row[0] for row in handler.facts["grids"]["late"]["rows"]] == ["WT26-0016"]
    assert handler.facts["total"] == "1"


def test_a_dispatch_that_waits_a_working_day_for_a_signature_is_listed(store):
    town = Town(store, "2026-09-01 09:00")
    number = town.dispatched(severity="general")
    node = Summariser(store, town.worlds, Outgoing())
    for day, expected in (("2026-09-01 10:00", []), ("2026-09-02 09:00", [number])):
        letters = node.compose(node.period("daily", at(day)), at(day)).letters
        found = [row[0] for letter in letters for row in letter.facts["grids"]["unsigned"].get("rows", [])]
        assert found == expected


# Out of the door, and by hand.


def test_a_summary_goes_out_as_a_mail_with_its_lists_and_bars(office, tmp_path):
    office.node().make("weekly", NOW, NOW, to="PT0205")
    app = office.app
    counts = asyncio.run(
        dispatch_once(app.mailroom.session, app.mailroom.channel(), SummaryRenderer(), app.mailroom.dispatching(NOW), NOW, 10)
    )
    assert (counts.sent, counts.problems) == (1, [])
    mail = message_from_bytes(next((tmp_path / "mail").glob("*.eml")).read_bytes(), policy=policy.default)
    html = mail.get_body(("html",)).get_content()
    assert "WT26-0016" in html
    assert 'bgcolor="#c0392b"' in html
    assert "https://escalation.example/issues/WT26-0006" in html


def test_the_command_line_makes_previews_and_exports(database, tmp_path, monkeypatch, capsys):
    office = Office(database, tmp_path)
    office.app.close()
    monkeypatch.setenv("ESCALATION_DATABASE__URL", database)
    monkeypatch.chdir(tmp_path)

    command = Command(capsys, monkeypatch)

    def run(*words: str) -> dict:
        said = command(*words, "--json")
        assert said.code == 0 or "error" in said.json
        return said.json

    moment = ("--at", "2026-11-23T09:00")
    preview = run("summary", "weekly", *moment, "--to", "PT0205", "--preview", str(tmp_path / "w.html"))
    assert (preview["made"], preview["queued"]) == (1, 0)
    assert "全省重点项目问题提级办理情况" in (tmp_path / "w.html").read_text(encoding="utf-8")
    assert load_workbook(tmp_path / "w.xlsx")["概况"]["B2"].value == 30
    assert run("summary", "weekly", *moment) == {"made": 26, "queued": 26, "skipped_already_made": 0}
    assert run("summary", "weekly", *moment) == {"made": 0, "queued": 0, "skipped_already_made": 26}
    assert run("export", "issues", str(tmp_path / "i.xlsx"), *moment)["rows"] == {"问题清单": 30}
    assert run("export", "overdue", str(tmp_path / "o.xlsx"), *moment)["rows"] == {"逾期清单": 4}
    assert run("export", "overdue", str(tmp_path / "p.xlsx"), "--at", "2026-11-16")["rows"] == {"逾期清单": 3}
    assert run("export", "ledger", str(tmp_path / "l.xlsx"), *moment)["rows"] == {"项目台账": 12}
    assert [row[1] for row in load_workbook(tmp_path / "o.xlsx")["逾期清单"].iter_rows(min_row=2, values_only=True)] == [
        "WT26-0006",
        "WT26-0016",
        "WT26-0004",
        "WT26-0024",
    ]
    assert run("summary", "weekly", *moment, "--to", "nobody")["error"] == "not_found"
    assert run("export", "ledger", str(tmp_path / "l.csv"))["error"] == "usage"
