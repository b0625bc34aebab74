"""The thirty issues of the sample, each somewhere in its life, become journals that end with exactly what the file says."""

import csv
from dataclasses import replace
from datetime import date, datetime, timedelta
from importlib.resources import as_file, files
from zoneinfo import ZoneInfo

import pytest

from escalation.ledger.history import BadHistory, History, history
from escalation.ledger.lines import IssueLine, Sheet
from escalation.ledger.reading import read
from workflows.calendar import WorkCalendar
from workflows.loading import loads, source_of
from workflows.parties import Competence, Directory, Party, Project, Route
from workflows.rules import BLANK, Rules, wake_at

ZONE = ZoneInfo("Asia/Shanghai")
WORKFLOW = loads(source_of("provincial"), "test")
CALENDAR = WorkCalendar.published()
RULES = Rules(WORKFLOW, CALENDAR)


def raw(name: str) -> list[dict[str, str]]:
    """A sample file read by the csv module alone."""
    text = (files("escalation") / "sample" / f"{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def sample(name: str) -> Sheet:
    with as_file(files("escalation") / "sample" / f"{name}.csv") as path:
        return read(path)[0]


DIRECTORY = Directory(
    Party(number, row["party_code"], *[row[name] for name in ("name", "level", "city", "organ", "role", "email", "mail_goes_to")])
    for number, row in enumerate(raw("parties"), 1)
)
PROJECTS = {
    row["project_code"]: Project(
        number,
        row["project_code"],
        row["project_name"],
        row["lead_city"],
        f"省{row['industry_department']}",
        row["owner_org"],
        "包保省领导",
    )
    for number, row in enumerate(raw("projects"), 1)
}
CATALOGUE = {
    row["category_code"]: Competence(
        row["category_code"],
        row["category"],
        row["entry_level"],
        {"city": row["city_organ"], "department": row["department_organ"]},
    )
    for row in raw("authority")
}
LINES = {line.issue_code: line for line in sample("issues").lines if isinstance(line, IssueLine)}
ROWS = {row["issue_code"]: row for row in raw("issues")}


def tell(line: IssueLine, now: datetime | None = None) -> History:
    route = Route(WORKFLOW, DIRECTORY, PROJECTS[line.project_code], CATALOGUE[line.category_code])
    return history(line, 7, route, DIRECTORY, WORKFLOW, CALENDAR, rules=RULES, now=now)


def at(day: str, clock: str) -> datetime:
    return datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=ZONE)


def name_of(party_id: int) -> str:
    return DIRECTORY.by_id[party_id].name


@pytest.mark.parametrize("number", sorted(ROWS))
def test_the_history_ends_with_what_the_file_says(number: str) -> None:
    row, told = ROWS[number], tell(LINES[number])
    last = told.last

    assert (last.number, last.stage, last.status, last.severity) == (number, row["current_level"], row["state"], row["severity"])
    assert name_of(last.lead_id) == row["responsible_org"]
    assert name_of(last.responsible_id) == ("包保省领导" if row["current_level"] == "province" else row["responsible_org"])
    assert last.due_at == at(row["due_on"], "17:00")
    assert last.dispatched_at == at(row["stage_started_on"], "09:00")
    assert last.clock_span == f"{row['limit_working_days']}wd"
    assert last.escalations == row["escalation_path"].count("auto_overdue@") + row["escalation_path"].count("manual@")
    assert last.ack_due_at == (at(row["ack_due_on"], "17:00") if row["state"] == "pending_ack" else None)
    assert (last.acknowledged_at is None) == (row["state"] == "pending_ack")
    if last.acknowledged_at is not None:
        assert last.dispatched_at <= last.acknowledged_at <= at(row["ack_due_on"], "17:00")
    assert last.closed_at == (at(row["closed_on"], "17:00") if row["closed_on"] else None)
    assert last.resume_at == (at(row["resume_on"], "08:30") if row["resume_on"] else None)
    assert last.extensions == 0


@pytest.mark.parametrize("number", sorted(ROWS))
def test_the_journal_is_whole_and_in_order(number: str) -> None:
    row, told = ROWS[number], tell(LINES[number])
    moments = [step.at for step in told.steps]
    looked = at(row["as_of"], "09:00")
    actions = [step.decision.action for step in told.steps]
    entered = [step for step in told.steps if step.decision.enter]
    left = [step.decision.leave for step in told.steps if step.decision.leave]

    assert moments == sorted(moments)
    assert moments[-1] <= looked
    assert told.first.raised_at == moments[0] == at(row["reported_on"], "08:30")
    assert actions[:2] == ["raise", "dispatch"]
    assert {step.decision.detail["imported"] for step in told.steps} == {"1"}
    assert all(not step.decision.events and not step.decision.cards for step in told.steps)
    assert (
        told.last.assignment_no
        == len(entered)
        == 2 + row["escalation_path"].count("auto_overdue@") + row["escalation_path"].count("manual@")
    )
    ways = {"auto_overdue": "escalated_overdue", "manual": "escalated_by_hand"}
    path = [part.split(":")[1].split("@")[0] for part in row["escalation_path"].split(" > ") if "@" in part]
    expected = ["dispatched", *(ways[way] for way in path if way in ways), *(["closed"] if row["state"] == "closed" else [])]
    assert left == expected


@pytest.mark.parametrize("number", sorted(ROWS))
def test_the_clocks_are_those_of_a_live_issue(number: str) -> None:
    row, last = ROWS[number], tell(LINES[number]).last
    looked = at(row["as_of"], "09:00")
    assert last.overdue_at is None or row["state"] == "closed"
    match row["state"]:
        case "pending_ack":
            assert last.report_due_at is None
            assert wake_at(last) == at(row["ack_due_on"], "17:00") + timedelta(microseconds=1)
        case "processing":
            assert last.report_due_at is not None
            assert last.report_due_at > looked
            assert last.warn_at is None or looked < last.warn_at < last.due_at
        case "pending_review":
            days = CALENDAR.add_working_days(date.fromisoformat(row["resolved_submitted_on"]), 2)
            assert last.review_due_at == at(days.isoformat(), "17:00")
            assert (last.warn_at, last.report_due_at) == (None, None)
        case "suspended":
            assert wake_at(last) == at(row["resume_on"], "08:30")
            left = CALENDAR.working_days_between(date.fromisoformat(row["as_of"]), date.fromisoformat(row["due_on"]))
            assert last.remaining == f"{max(1, left)}wd"
        case "closed":
            assert wake_at(last) is None
            timers = ("ack_due_at", "warn_at", "report_due_at", "review_due_at", "remind_at", "resume_at", "hold_until")
            assert [getattr(last, name) for name in timers] == [None] * 7


def test_working_days_late_are_on_the_stays_that_were_late() -> None:
    """WT26-0006 went up by itself twice, a working day late each time; WT26-0013 was solved three late at the top."""
    late = [(step.decision.action, step.decision.overdue_wd) for step in tell(LINES["WT26-0006"]).steps]
    assert late == [("raise", 0), ("dispatch", 0), ("escalate_auto", 1), ("escalate_auto", 1), ("acknowledge", 0)]
    assert tell(LINES["WT26-0013"]).steps[-1].decision.overdue_wd == 3


def test_an_organ_outside_the_catalogue_is_named_on_the_issue() -> None:
    assert tell(LINES["WT26-0009"]).last.organ == "牡丹江市商务局"
    assert tell(LINES["WT26-0007"]).last.organ == ""


@pytest.mark.parametrize(
    ("number", "reporter"),
    [
        ("WT26-0001", "哈尔滨市工信局协调员"),
        ("WT26-0002", "哈尔滨某航材有限公司项目负责人"),
        ("WT26-0013", "包保省领导联络员"),
        ("WT26-0027", "省通信管理局项目协调员"),
        ("WT26-0029", "黑河市文旅局协调员"),
    ],
)
def test_the_reporter_is_found_from_the_words_of_the_row(number: str, reporter: str) -> None:
    assert name_of(tell(LINES[number]).first.reporter_id) == reporter


def test_earlier_stays_fall_to_the_catalogue() -> None:
    """WT26-0006 (land, Mudanjiang) was with the city's organ, then with the department's."""
    leads = [step.decision.changes["lead_id"] for step in tell(LINES["WT26-0006"]).steps if "lead_id" in step.decision.changes]
    assert [name_of(lead) for lead in leads] == ["牡丹江市自然资源局", "省自然资源厅", "省自然资源厅"]


def test_a_row_without_as_of_is_a_look_at_the_moment_of_the_import() -> None:
    """Nothing is entered later than that, also on the day itself."""
    line = replace(LINES["WT26-0009"], as_of=None)
    early = at("2026-11-23", "08:40")
    told = tell(line, now=early)
    assert [step.at for step in told.steps] == [at("2026-11-23", "08:30"), early]


def test_given_times_of_day_are_kept() -> None:
    line = replace(
        LINES["WT26-0002"],
        reported_at=datetime(2026, 10, 22, 7, 5),
        dispatched_at=datetime(2026, 11, 13, 10, 20),
        due_at=datetime(2026, 11, 27, 12, 0),
    )
    told = tell(line)
    assert told.first.raised_at == at("2026-10-22", "07:05")
    assert told.last.dispatched_at == at("2026-11-13", "10:20")
    assert (told.last.due_at, told.last.clock_span) == (at("2026-11-27", "12:00"), "given")


def test_an_issue_at_intake_waits_for_its_coordinator() -> None:
    line = replace(LINES["WT26-0009"], state="pending_intake", dispatched_on=None, stage_started_on=None, due_on=None)
    told = tell(line)
    assert [step.decision.action for step in told.steps] == ["raise"]
    assert told.last.due_at == at("2026-11-24", "17:00")
    assert name_of(told.last.responsible_id) == "牡丹江市商务局协调员"
    assert {name: getattr(told.last, name) for name in BLANK} == BLANK


@pytest.mark.parametrize(
    ("number", "changed", "column"),
    [
        ("WT26-0001", {"responsible_org": "无此单位"}, "responsible_org"),
        ("WT26-0001", {"responsible_org": "省住建厅"}, "responsible_org"),
        ("WT26-0001", {"due_on": date(2026, 11, 6)}, "due_on"),
        ("WT26-0001", {"due_on": None}, "due_on"),
        ("WT26-0001", {"state": "merged"}, "state"),
        ("WT26-0001", {"current_level": "town"}, "current_level"),
        ("WT26-0002", {"escalation_path": "department:manual@2026-11-13"}, "escalation_path"),
        ("WT26-0003", {"closed_on": None}, "closed_on"),
        ("WT26-0005", {"resolved_submitted_on": None}, "resolved_submitted_on"),
        ("WT26-0018", {"resume_on": None}, "resume_on"),
    ],
)
def test_a_row_that_does_not_add_up_names_its_column(number: str, changed: dict[str, object], column: str) -> None:
    with pytest.raises(BadHistory) as raised:
        tell(replace(LINES[number], **changed))
    assert raised.value.column == column
