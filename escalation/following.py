"""What other systems are told of a decision: one row of the outbox for each webhook, in the decision's own transaction."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import orjson

from escalation.world import World
from notifications import outbox
from notifications.message import Draft
from workflows.facts import Decision, Facts


def rows(
    hooks: Sequence[str], world: World, before: Facts, after: Facts, decision: Decision, at: datetime, domain: str
) -> Iterator[tuple[Any, ...]]:
    """The rows, in the order of `outbox.COLUMNS`. The body holds codes, no names and no texts: the API has more."""
    if not hooks:
        return
    body = orjson.dumps(_body(world, before, after, decision, at))
    for name in hooks:
        key = f"hook:{name}:{after.number}:{after.version}"
        draft = Draft(name, outbox.WEBHOOK, "en", body, key, about=after.number, channel=outbox.WEBHOOK)
        yield outbox.row_values(draft, at, domain)


def _body(world: World, before: Facts, after: Facts, decision: Decision, at: datetime) -> dict[str, Any]:
    def code(party_id: int | None) -> str:
        found = world.directory.by_id.get(party_id) if party_id is not None else None
        return found.code if found is not None else ""

    return {
        "type": f"issue.{decision.action}",
        "timestamp": at,
        "data": {
            "number": after.number,
            "version": after.version,
            "project": world.projects[after.project_id].code,
            "category": after.category,
            "severity": after.severity,
            "stage": after.stage,
            "status": after.status,
            "was": f"{before.stage}.{before.status}" if before.version else "",
            "responsible": code(after.responsible_id),
            "lead": code(after.lead_id),
            "due_at": after.due_at,
        },
    }
