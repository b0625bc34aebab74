"""Incidents of an IT desk with three support lines (Volvo, BPI Challenge 2013): every event becomes actions of ours."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from escalation.commands import Do, Raise
from escalation.models import Authority, ProjectRow
from escalation.world import World
from tests.acceptance.logs import moment, rows_of
from tests.acceptance.replaying import Command, Plan, Setting, Steps, lead_of
from workflows.facts import Facts

NAME = "incidents"
COLUMNS = frozenset({"case_id", "timestamp", "status", "sub_status", "line"})
USER = "USER"
#: Who coordinates each line; the one above is the superior.
COORDINATOR = {"line1": "DESK1", "line2": "DESK2", "line3": "DESK3"}
ROLES = ("city_coordinator", "department_coordinator", "province_office")
SUPERIOR = {"line1": "DESK2", "line2": "DESK3", "line3": "DESK3"}
SEVERITY = {"Major": "urgent", "High": "major"}
DONE = ("pending_review", "closed")


class Event(NamedTuple):
    """One line of the log: from this moment the case stands there, with this team."""

    case: str
    at: datetime
    line: int
    status: str
    team: str
    impact: str
    country: str
    product: str


class Moves(NamedTuple):
    """What became of a case: moves up and down, among them straight from the first line to the third, and work taken up again."""

    ups: int
    downs: int
    jumps: int
    reopened: int


def status_of(status: str, sub_status: str) -> str:
    """Our word for theirs. Raises ValueError for a status that the log was not known to have."""
    if status == "Completed":
        return "closed" if sub_status == "Closed" else "pending_review"
    if status == "Accepted":
        return "suspended" if sub_status.startswith("Wait") else "processing"
    if status in ("Queued", "Unmatched"):
        return "pending_ack"
    raise ValueError(f"no status of ours for {status}/{sub_status}")


def read(path: Path) -> dict[str, list[Event]]:
    """The events of each case in the order of time; lines that come twice count once."""
    unique = {tuple(row.items()): row for row in rows_of(path)}
    ordered = sorted(unique.values(), key=lambda row: (moment(row["timestamp"]), int(row.get("event_no") or 0)))
    found: dict[str, list[Event]] = defaultdict(list)
    for row in ordered:
        found[row["case_id"]].append(
            Event(
                row["case_id"],
                moment(row["timestamp"]),
                int(row["line"]),
                status_of(row["status"], row["sub_status"]),
                row.get("support_team") or "unknown",
                row.get("impact", ""),
                row.get("organization country") or "unknown",
                row.get("product") or "unknown",
            )
        )
    return dict(found)


def moves_of(events: Sequence[Event]) -> Moves:
    """Our own reading of a case: pairs of neighbouring events compared."""
    pairs = list(pairwise(events))
    lines = [(a.line, b.line) for a, b in pairs]
    again = [
        (a.status in DONE and b.status not in DONE) or (a.status == "closed" and (b.status != "closed" or b.line != a.line))
        for a, b in pairs
    ]
    return Moves(sum(a < b for a, b in lines), sum(a > b for a, b in lines), lines.count((1, 3)), sum(again))


def last_team(events: Sequence[Event]) -> str:
    """Who answers in the end: a note of another team about what is solved already hands nothing over."""
    team, before = events[0].team, events[0]
    for event in events[1:]:
        if before.status not in DONE or event.status not in DONE or moves_of([before, event]) != Moves(0, 0, 0, 0):
            team = event.team
        before = event
    return team


def _organ(team: str, line: int) -> str:
    return f"{team} of line {line}"


def setting(cases: dict[str, list[Event]]) -> Setting:
    """Every team of every line is an organ with two posts, so that work can lie in its queue again; countries are projects."""
    events = [event for each in cases.values() for event in each]
    town = Setting("incidents", "UTC", ("00:00", "00:00"))
    town.party(USER, "Users", "owner", "Users", "project_owner")
    for line, role in enumerate(ROLES, 1):
        town.party(f"DESK{line}", f"Coordinator {line}", f"line{line}", f"Coordinator {line}", role)
        town.party(f"NEW{line}", f"Newcomers {line}", f"line{line}", f"Newcomers {line}")
    for number, (team, line) in enumerate(sorted({(event.team, event.line) for event in events})):
        for post in ("A", "B"):
            town.party(f"T{number}{post}", f"{_organ(team, line)}, {post}", f"line{line}", _organ(team, line))
    for country in sorted({each[0].country for each in cases.values()}):
        town.projects.append(ProjectRow(code=country, name=f"Country {country}", lead_city=country, owner_org="Users"))
    organs = {f"line{line}": f"Newcomers {line}" for line in range(1, len(ROLES) + 1)}
    for product, line in sorted({(each[0].product, each[0].line) for each in cases.values()}):
        name = f"{product} from line {line}"
        town.catalogue.append(Authority(category=name, name=name, entry=f"line{line}", organs=organs))
    return town


def commands_of(cases: dict[str, list[Event]]) -> list[Command]:
    """The first event of a case raises it where it begins; each event then takes it to where the log has it."""
    log = []
    for case, events in cases.items():
        first = events[0]
        category = f"{first.product} from line {first.line}"
        severity = SEVERITY.get(first.impact, "general")
        raised = Raise(first.country, category, severity, case, USER, _organ(first.team, first.line))
        log.append(Command(first.at, case, raised))
        log += [Command(event.at, case, towards(event)) for event in events]
    return log


def towards(event: Event) -> Plan:
    """Whatever it takes, one action after the other, until the case stands as the event says."""
    stage = f"line{event.line}"

    def plan(facts: Facts, world: World) -> Steps:
        seen = facts.version
        number, moving = facts.number, facts.stage != stage
        if facts.status == "closed" and (event.status != "closed" or moving):
            facts = yield Do(number, "reopen", COORDINATOR[facts.stage], "not solved")
        if facts.status == "pending_review" and event.status not in DONE:
            facts = yield Do(number, "return_for_rework", COORDINATOR[facts.stage], "not solved")
        if facts.status == "pending_review" and moving:  # solved as it is, but for another line to say so
            facts = yield Do(number, "reassign", COORDINATOR[facts.stage], "handed over", to=f"NEW{facts.stage[-1]}")
        if facts.status == "suspended" and (event.status != "suspended" or moving):
            facts = yield Do(number, "resume", SUPERIOR[facts.stage])
        if moving:
            facts = yield _moved(facts, stage, _posts(event, world)[0])
        if facts.status not in DONE:
            facts = yield from _handed(facts, world, event)
        if facts.status == "pending_ack" and event.status != "pending_ack":
            facts = yield Do(number, "acknowledge", lead_of(facts, world))
        if facts.status == "processing" and event.status == "suspended":
            until = event.at.date() + timedelta(days=5000)
            facts = yield Do(number, "suspend", SUPERIOR[stage], "waiting", until=until)
        if facts.status == "processing" and event.status in DONE:
            facts = yield Do(number, "resolve", lead_of(facts, world), "solved")
        if facts.status == "pending_review" and event.status == "closed":
            facts = yield Do(number, "close", COORDINATOR[stage])
        if facts.version == seen and facts.status != "pending_ack":
            noted = facts.status in DONE
            facts = yield Do(
                number, "give_opinion" if noted else "report_progress", USER if noted else lead_of(facts, world), "noted"
            )
        return facts

    return plan


def _posts(event: Event, world: World) -> list[str]:
    organ = _organ(event.team, event.line)
    return [world.directory.by_name[f"{organ}, {post}"].code for post in ("A", "B")]


def _moved(facts: Facts, stage: str, post: str) -> Do:
    if facts.stage > stage:
        return Do(facts.number, "remand", COORDINATOR[facts.stage], "instructed", to=post)
    if (facts.stage, stage) == ("line1", "line3"):
        return Do(facts.number, "escalate_skip", COORDINATOR["line3"], "straight up")
    return Do(facts.number, "escalate", COORDINATOR[facts.stage], "authority lies above")


def _handed(facts: Facts, world: World, event: Event) -> Steps:
    """To the event's team, if another one leads; back into the team's queue, if it was taken out."""
    posts, lead = _posts(event, world), lead_of(facts, world)
    queued_again = event.status == "pending_ack" and facts.status != "pending_ack"
    if lead not in posts or queued_again:
        other = next(post for post in posts if post != lead)
        facts = yield Do(facts.number, "reassign", COORDINATOR[facts.stage], "handed over", to=other)
    return facts
