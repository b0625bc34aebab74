"""What commands, pages and programs see of an issue: plain values under the names of the contract (interfaces.md)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlmodel import Session

from escalation import filing, queries
from escalation.commands import find_party
from escalation.errors import UsageError
from escalation.explaining import days_left, late_by, light, overdue
from escalation.portable import Kept
from escalation.queries import ISSUE
from escalation.scope import EVERYTHING, Sight, visible
from escalation.world import World
from workflows.facts import Facts

LIGHTS = ("red", "yellow", "green")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list is narrowed to."""

    overdue: bool = False
    light: str = ""
    stage: str = ""
    city: str = ""
    department: str = ""
    mine: str = ""
    at: datetime | None = None


def issue(row: Any, world: World, now: datetime) -> dict[str, Any]:
    """One issue whole."""
    facts = facts_of(row)
    told = row._mapping
    project = world.projects[facts.project_id]
    workflow = world.rules(facts.workflow).workflow
    party = world.directory.by_id
    return {
        "number": facts.number,
        "title": told["title"],
        "project": project.code,
        "project_name": project.name,
        "city": project.city,
        "category": facts.category,
        "severity": facts.severity,
        "complexity": told["complexity"],
        "nature": told["nature"],
        "stage": facts.stage,
        "stage_name": workflow.stage(facts.stage).name.zh,
        "status": facts.status,
        "responsible": party[facts.responsible_id].name,
        "responsible_organ": party[facts.responsible_id].organ,
        "lead_organ": party[facts.lead_id].organ,
        "lead": party[facts.lead_id].name,
        "reporter": party[facts.reporter_id].name,
        "cooperating_orgs": told["cooperating_orgs"],
        "due_at": local(facts.due_at, world),
        "provisional": facts.due_provisional,
        "light": light(facts, world.calendar, now, workflow.yellow_light.amount),
        "late_by": late_by(facts, world.calendar, now),
        "overdue": overdue(facts, now),
        "days_left": days_left(facts, world.calendar, now),
        "raised_at": local(facts.raised_at, world),
        "dispatched_at": local(facts.dispatched_at, world),
        "acknowledged_at": local(facts.acknowledged_at, world),
        "ack_due_at": local(facts.ack_due_at, world),
        "review_due_at": local(facts.review_due_at, world),
        "resume_at": local(facts.resume_at, world),
        "closed_at": local(facts.closed_at, world),
        "escalations": facts.escalations,
        "extensions": facts.extensions,
        "reopened": facts.reopened,
        "workflow": facts.workflow,
        "version": facts.version,
        "wake_at": local(facts.wake_at, world),
        "description": told["description"],
        "requested_action": told["requested_action"],
        "progress_note": told["progress_note"],
        "merged_into": told["merged_into"],
    }


def facts_of(row: Any) -> Facts:
    """The facts of a whole row."""
    told = row._mapping
    return Facts._make([told[name] for name in Facts._fields])


def local(at: datetime | None, world: World) -> str | None:
    """A moment in the configured zone, ISO 8601 with its offset."""
    return world.calendar.local(at).isoformat(timespec="seconds") if at else None


def listed(session: Session, world: World, wanted: Wanted, now: datetime, seen: Sight = EVERYTHING) -> list[dict[str, Any]]:
    """The ledger of issues within sight, newest deadline first. Raises UsageError for a light or stage that does not exist."""
    if wanted.light and wanted.light not in LIGHTS:
        raise UsageError(f"there is no light {wanted.light!r}", f"use one of {', '.join(LIGHTS)}")
    known = {stage.key for stage in world.rules().workflow.stages} if world.active else set()
    if wanted.stage and wanted.stage not in known:
        raise UsageError(f"there is no stage {wanted.stage!r}", f"use one of {', '.join(sorted(known))}")
    at = wanted.at or now
    statement = queries.listing(
        stage="" if wanted.at else wanted.stage,
        city_projects=_projects(world, wanted),
        party_ids=_mine(world, wanted.mine),
    )
    rows = session.connection().execute(statement.where(visible(seen))).all()
    if wanted.at:
        rows = [then for row in rows if (then := as_of(session, row, wanted.at)) is not None]
    items = [_line(row, world, at) for row in rows]
    return [item for item in items if _fits(item, wanted)]


def _line(row: Any, world: World, now: datetime) -> dict[str, Any]:
    whole = issue(row, world, now)
    keys = ("number", "title", "project", "stage", "status", "responsible", "lead_organ", "due_at", "light", "late_by", "overdue")
    return {key: whole[key] for key in keys}


def _fits(item: dict[str, Any], wanted: Wanted) -> bool:
    if wanted.overdue and not item["overdue"]:
        return False
    if wanted.light and item["light"] != wanted.light:
        return False
    return not wanted.stage or item["stage"] == wanted.stage


def _projects(world: World, wanted: Wanted) -> list[int] | None:
    if not wanted.city and not wanted.department:
        return None
    return [
        project.id
        for project in world.projects.values()
        if (not wanted.city or project.city == wanted.city)
        and (not wanted.department or wanted.department in (project.department, project.department.removeprefix("省")))
    ]


def _mine(world: World, text: str) -> list[int] | None:
    if not text:
        return None
    party = find_party(world, text)
    return [party.id]


def as_of(session: Session, row: Any, at: datetime) -> Any | None:
    """The row as its journal had it at `at`; None if the issue was not there yet."""
    return as_told(row, queries.journal(session.connection(), row.id), at)


def as_told(row: Any, journal: Sequence[Any], at: datetime) -> Any | None:
    """The same from entries that are at hand."""
    bodies = [orjson.loads(entry.body) for entry in journal if entry.at <= at]
    if not bodies:
        return None
    mapping = dict(row._mapping)
    for body in bodies:
        mapping |= {name: _parsed(name, value) for name, value in body["changes"].items()}
        mapping |= body.get("texts", {})
        mapping["version"] = body["seq"]
    mapping["wake_at"] = None
    return Kept(mapping)


_MOMENTS = {name for name in Facts._fields if name.endswith("_at")} | {"clock_from", "hold_until"}


def _parsed(name: str, value: Any) -> Any:
    if value is None or name not in _MOMENTS:
        return value
    return datetime.fromisoformat(value)


def stays(rows: Sequence[Any], world: World) -> list[dict[str, Any]]:
    """An issue's assignments."""
    party = world.directory.by_id
    return [
        {
            "no": row.no,
            "stage": row.stage,
            "responsible": party[row.responsible_id].name,
            "lead_organ": party[row.lead_id].organ,
            "dispatched": local(row.entered_at, world),
            "acknowledged": local(row.acknowledged_at, world),
            "auto_acknowledged": row.auto_acknowledged,
            "due": local(row.due_at, world),
            "left": local(row.left_at, world),
            "outcome": row.outcome,
            "overdue_working_days": row.overdue_wd,
            "suspended_working_days": row.suspended_wd,
        }
        for row in rows
    ]


def entries(rows: Sequence[Any], world: World) -> list[dict[str, Any]]:
    """An issue's journal."""
    found = []
    for row in rows:
        body = orjson.loads(row.body)
        actor = world.directory.by_code.get(row.actor)
        found.append(
            {
                "seq": row.seq,
                "at": local(row.at, world),
                "actor": actor.name if actor else row.actor,
                "action": row.action,
                "from": row.from_state,
                "to": row.to_state,
                "reason": body.get("reason", ""),
                "detail": body.get("detail", {}),
                "imported": body.get("detail", {}).get("imported") == "1",
                "hash": row.hash.hex(),
            }
        )
    return found


def letters(rows: Sequence[Any], world: World) -> list[dict[str, Any]]:
    """The mails about an issue."""
    return [
        {
            "id": row.id,
            "kind": row.kind,
            "recipient": row.recipient,
            "party": row.party,
            "state": row.state,
            "queued_at": local(row.queued_at, world),
            "sent_at": local(row.sent_at, world),
            "attempts": row.attempts,
            "last_error": row.last_error,
            "message_id": row.message_id,
        }
        for row in rows
    ]


def files(rows: Sequence[Any], world: World) -> list[dict[str, Any]]:
    """An issue's files; `entry` is the journal entry that each came with, `digest` its SHA-256."""
    found = []
    for row in rows:
        party = world.directory.by_code.get(row.party)
        told = {"no": row.no, "name": row.name, "content_type": row.content_type, "size": row.size, "digest": row.digest}
        found.append({**told, "entry": row.seq, "by": party.name if party else row.party, "at": local(row.at, world)})
    return found


#: What an action answers, and an issue over REST, has so many of its newest entries and mails; `escalation show` has all.
NEWEST = 200


def shown(
    session: Session, world: World, number: str, now: datetime, at: datetime | None = None, *, newest: int | None = None
) -> dict[str, Any]:
    """One issue whole, as it stood at `at` if given; of its entries and mails the `newest` so many (as of now).

    Raises NotFound, and UsageError if it was not there yet.
    """
    whole = queries.whole(session.connection(), number, newest=newest)
    moment = at or now
    row = whole.issue
    if at is not None and (row := as_told(row, whole.journal, at)) is None:
        raise UsageError(f"{number} was not there yet at {local(at, world)}", "give a later --at")
    return {
        "issue": issue(row, world, moment),
        "assignments": stays([each for each in whole.stays if each.entered_at <= moment], world),
        "journal": entries([each for each in whole.journal if each.at <= moment], world),
        "mails": letters([each for each in whole.mails if each.queued_at <= moment], world),
        "files": files([each for each in filing.listed(session.connection(), row.id) if each.at <= moment], world),
        "requests": [dict(each._mapping) for each in whole.requests if each.asked_at <= moment],
    }


__all__ = ["ISSUE", "Wanted", "as_of", "facts_of", "issue", "listed", "local", "shown"]
