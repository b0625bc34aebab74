"""The sample ledger goes into a store whole, twice is once, and a bad cell refuses its file."""

import csv
from collections.abc import Callable
from datetime import timedelta
from importlib.resources import files
from pathlib import Path

import pytest
from sqlmodel import select

from escalation.applying import Outgoing
from escalation.database import Store
from escalation.ledger.importing import ImportReport, import_files
from escalation.ledger.lines import UnreadableFile
from escalation.models import Authority, CardRow, Counter, Issue, OutboxRow, PartyRow, ProjectRow, WorkflowRow
from escalation.sweep import Sweeper
from escalation.verifying import verify
from escalation.world import WorldReader
from tests.town import at
from workflows.loading import digest, loads, source_of

NOW = at("2026-11-23 09:00")
KINDS = ("issues", "projects", "authority", "parties")
Mend = Callable[[list[dict[str, str]]], None]


class Office:
    """A store with the built-in workflow and nothing else, and a folder with the sample files, changed as a test wants."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store, self.folder = store, folder
        self.worlds = WorldReader()
        source = source_of("provincial")
        workflow = loads(source, "test")
        row = {"id": workflow.id, "key": workflow.key, "version": workflow.version}
        with store.transaction() as session:
            session.add(WorkflowRow(**row, source=source, digest=digest(source), added_at=NOW))
        for kind in KINDS:
            text = (files("escalation") / "sample" / f"{kind}.csv").read_text(encoding="utf-8")
            (folder / f"{kind}.csv").write_text(text, encoding="utf-8")

    def change(self, kind: str, change: Mend) -> None:
        path = self.folder / f"{kind}.csv"
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        change(rows)
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)

    def load(self, *kinds: str, now: str = "2026-11-23 09:00", dry_run: bool = False) -> ImportReport:
        paths = [self.folder / f"{kind}.csv" for kind in kinds or KINDS]
        with self.store.transaction() as session:
            return import_files(session, paths, worlds=self.worlds, now=at(now), dry_run=dry_run)

    def count(self, table: type) -> int:
        with self.store.reading() as session:
            return len(session.exec(select(table)).all())

    def issue(self, number: str) -> Issue:
        with self.store.reading() as session:
            return session.exec(select(Issue).where(Issue.number == number)).one()

    def broken(self) -> list[object]:
        with self.store.reading() as session:
            return list(verify(session, self.worlds.read(session)).broken)


@pytest.fixture
def office(store: Store, tmp_path: Path) -> Office:
    return Office(store, tmp_path)


def put(row: int, **cells: str) -> Mend:
    """Sets cells of a row, numbered as in the spreadsheet."""
    return lambda rows: rows[row - 2].update(cells)


def whys(report: ImportReport) -> list[tuple[str, int, str, str]]:
    return [(cell.sheet, cell.row, cell.column, cell.why) for cell in report.rejected]


def test_the_sample_goes_in_whole_whatever_the_order_of_files(office: Office) -> None:
    report = office.load()

    assert report.rejected == []
    assert report.created == {"party": 206, "authority": 17, "project": 12, "issue": 30}
    assert [office.count(table) for table in (PartyRow, Authority, ProjectRow, Issue)] == [206, 17, 12, 30]
    assert office.broken() == []


def test_the_same_files_again_change_nothing_even_after_issues_moved_on(office: Office) -> None:
    office.load()
    before = office.issue("WT26-0001")

    report = office.load(now="2026-11-25 09:00")

    assert report.created == dict.fromkeys(report.created, 0)
    assert report.updated == dict.fromkeys(report.updated, 0)
    assert report.unchanged == {"party": 206, "authority": 17, "project": 12, "issue": 30}
    assert office.issue("WT26-0001") == before


def test_a_dry_run_counts_and_writes_nothing(office: Office) -> None:
    report = office.load(dry_run=True)

    assert report.created["issue"] == 30
    assert [office.count(table) for table in (PartyRow, Authority, ProjectRow, Issue, Counter)] == [0, 0, 0, 0, 0]
    assert office.load().created["issue"] == 30


def test_new_issues_go_on_after_the_imported_numbers(office: Office) -> None:
    office.load()
    with office.store.reading() as session:
        counter = session.get(Counter, "WT26")
    assert counter is not None
    assert counter.last == 30


def test_texts_may_be_amended_and_nothing_else(office: Office) -> None:
    office.load()
    office.change("issues", put(2, progress_note="便道方案已批", as_of="2026-11-24", light="red"))
    report = office.load("issues", now="2026-11-24 09:00")
    assert (report.updated["issue"], report.unchanged["issue"], report.rejected) == (1, 29, [])
    assert office.issue("WT26-0001").progress_note == "便道方案已批"

    office.change("issues", put(2, due_on="2026-11-30"))
    report = office.load("issues", now="2026-11-24 09:00")
    assert [(cell.row, cell.column, cell.value) for cell in report.rejected] == [(2, "due_on", "2026-11-30")]
    assert "escalation act WT26-0001" in report.rejected[0].why


def test_parties_and_projects_are_updated_by_code_and_only_in_columns_that_are_there(office: Office) -> None:
    office.load()
    office.change("parties", put(2, email="new@example.com"))
    (office.folder / "projects.csv").write_text(
        "项目编号,项目名称,所在市(地),项目单位,本年完成\nHLJ26-001,航空轻合金精密锻件产业化项目,哈尔滨,哈尔滨某航材有限公司,50000\n",
        encoding="utf-8",
    )
    report = office.load("parties", "projects")
    assert (report.updated["party"], report.updated["project"]) == (1, 1)
    with office.store.reading() as session:
        project = session.exec(select(ProjectRow).where(ProjectRow.code == "HLJ26-001")).one()
    assert (project.completed_ytd_wan, project.total_investment_wan) == (50000, 186000)


def test_a_refused_file_takes_the_files_that_build_on_it_along(office: Office) -> None:
    office.change("parties", put(3, email="no address"))
    report = office.load()

    assert [office.count(table) for table in (PartyRow, ProjectRow, Issue)] == [0, 0, 0]
    assert office.count(Authority) == 17
    assert ("parties.csv", 3, "email") in [each[:3] for each in whys(report)]
    assert {each[0] for each in whys(report) if "builds on parties.csv" in each[3]} == {"issues.csv", "projects.csv"}


def test_an_unreadable_file_calls_everything_off(office: Office) -> None:
    (office.folder / "issues.csv").write_bytes(b"")
    with pytest.raises(UnreadableFile, match="is empty"):
        office.load()
    assert office.count(PartyRow) == 0


CROSSED = (
    (2, {"project_code": "HLJ26-099"}, "project_code", "no project of the ledger"),
    (2, {"category_code": "road_acess"}, "category_code", "did you mean road_access?"),
    (2, {"category_code": "", "category": "交通配套"}, "category", "means several: road_access, rail_access"),
    (2, {"responsible_org": "哈尔滨市交警支队"}, "responsible_org", "has no party"),
    (2, {"responsible_org": "省住建厅"}, "responsible_org", "is of level department"),
    (2, {"city": "大庆"}, "city", "is not the city of HLJ26-001"),
    (2, {"current_level": "镇级"}, "current_level", "is no stage of the workflow"),
    (2, {"due_on": "2026-11-01"}, "due_on", "is before"),
    (2, {"dispatched_on": "2026-11-08"}, "dispatched_on", "is before reported_on"),
    (2, {"stage_started_on": "2026-11-25"}, "stage_started_on", "is after the day of the ledger"),
    (2, {"as_of": "2027-01-01"}, "as_of", "is after today"),
    (2, {"state": "rejected"}, "state", "leave the row out"),
    (2, {"state": "suspended"}, "resume_on", "is empty"),
    (2, {"state": "closed", "resolved_submitted_on": "2026-11-20"}, "closed_on", "is empty"),
    (2, {"state": "pending_review"}, "resolved_submitted_on", "is empty"),
    (2, {"closed_on": "2026-11-20"}, "closed_on", "is given, but the state is processing"),
    (2, {"due_on": ""}, "due_on", "is empty"),
    (2, {"responsible_org": ""}, "responsible_org", "is empty"),
    (3, {"escalation_path": "city:manual@2026-11-13 > department:manual@2026-11-16"}, "escalation_path", "leads to province"),
    (3, {"escalation_path": "city->department"}, "escalation_path", "is no path"),
    (3, {"escalation_path": "town:manual@2026-11-13"}, "escalation_path", "names the stage town"),
    (5, {"escalation_path": "city:manual@2026-11-04 > department:manual@2026-11-03"}, "escalation_path", "goes back in time"),
    (3, {"escalation_path": "city:manual@2026-02-30"}, "escalation_path", "a day that no calendar has"),
    (19, {"resume_on": "2026-11-20"}, "resume_on", "is not ahead"),
)


@pytest.mark.parametrize(("row", "cells", "column", "why"), CROSSED)
def test_rows_that_do_not_fit_are_named(
    sqlite: str, tmp_path: Path, row: int, cells: dict[str, str], column: str, why: str
) -> None:
    """All or nothing: the other 29 are not taken either."""
    store = Store(sqlite)
    office = Office(store, tmp_path)
    office.change("issues", put(row, **cells))
    report = office.load()

    found = [cell for cell in report.rejected if cell.column == column and why in cell.why]
    assert found, whys(report)
    assert (found[0].sheet, found[0].row) == ("issues.csv", row)
    assert office.count(Issue) == 0
    assert office.count(PartyRow) == 206
    store.close()


def test_parties_and_projects_that_do_not_fit_are_named(office: Office) -> None:
    office.change("parties", put(2, name="哈尔滨市住建局"))
    office.change("parties", put(4, level="星级"))
    office.change("parties", put(204, mail_goes_to="联络圆"))
    report = office.load("parties")
    assert [(cell.row, cell.column) for cell in report.rejected] == [(31, "name"), (4, "level"), (204, "mail_goes_to")]

    office.change("projects", put(2, lead_city="上海"))
    report = office.load("projects")
    cell = report.rejected[0]
    assert (cell.row, cell.column, cell.value) == (2, "lead_city", "上海")
    assert "has no city_coordinator" in cell.why


def test_an_issue_with_a_time_of_day_keeps_it(office: Office) -> None:
    def give_times(rows: list[dict[str, str]]) -> None:
        for row in rows:
            row["due_at"] = "2026-11-23T12:15" if row["issue_code"] == "WT26-0001" else ""
            row["dispatched_at"] = "2026-11-09T01:30:00Z" if row["issue_code"] == "WT26-0001" else ""

    office.change("issues", give_times)
    office.load()
    issue = office.issue("WT26-0001")
    assert (issue.due_at, issue.dispatched_at, issue.clock_span) == (at("2026-11-23 12:15"), at("2026-11-09 09:30"), "given")
    assert office.broken() == []


def test_the_first_sweep_notices_what_was_late_at_the_top_once(office: Office) -> None:
    """Four issues stand overdue at the province: each gets one red card and one letter, and nothing went up twice."""
    office.load()
    with office.store.reading() as session:
        assert session.exec(select(CardRow)).all() == []
        assert session.exec(select(OutboxRow)).all() == []
    sweeper = Sweeper(office.store, office.worlds, Outgoing())
    for minute in (0, 1, 2):
        sweeper.sweep_once(NOW + timedelta(minutes=minute))
    with office.store.reading() as session:
        cards = session.exec(select(CardRow, Issue).where(CardRow.issue_id == Issue.id)).all()
    late = ["WT26-0004", "WT26-0006", "WT26-0016", "WT26-0024"]
    assert sorted(issue.number for _, issue in cards) == late
    assert {card.colour for card, _ in cards} == {"red"}
    assert [office.issue(number).letters for number in late] == [1, 1, 1, 1]
    assert office.broken() == []


def test_deputies_are_found_by_name(office: Office) -> None:
    def name_deputies(rows: list[dict[str, str]]) -> None:
        for row in rows:
            row["deputy"] = "省政府督查室" if row["party_code"] == "PT0205" else ""
            row["deputy_from"] = "2026-11-23" if row["party_code"] == "PT0205" else ""

    office.change("parties", name_deputies)
    office.load("parties")
    with office.store.reading() as session:
        rows = {row.code: row for row in session.exec(select(PartyRow))}
    assert rows["PT0205"].deputy_id == rows["PT0206"].id
    assert office.load("parties").unchanged["party"] == 206
