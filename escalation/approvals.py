"""Official texts (circulars, supervision letters) wait here for a person: the system drafts, the office approves or declines.

A draft is its mails, kept in the outbox and sent by nobody until they are approved (domain.md 2.8: 拟办 → 审核 → 签发).
"""

from datetime import datetime
from typing import Any, NamedTuple

import orjson
from sqlmodel import Session

from escalation import queries
from escalation.commands import find_party
from escalation.errors import NotFound, Refused
from escalation.world import World
from notifications import outbox
from workflows.parties import Party
from workflows.sentence import say

#: Who may approve what goes out in the office's name.
APPROVERS = ("province_office",)
LETTER = "letter:"


class Waiting(NamedTuple):
    """A text that waits for approval."""

    #: What it is called when it is approved: `letter:WT26-0006:2`, `circular:2026-10`.
    name: str
    kind: str
    about: str
    title: str
    drafted_at: datetime
    recipients: tuple[str, ...]
    #: The first of its mails: language and facts, to be rendered and read.
    language: str
    facts: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """What a list shows of it."""
        return {**self._asdict(), "facts": None, "recipients": list(self.recipients), "drafted_at": self.drafted_at.isoformat()}


def waiting(session: Session, name: str = "") -> list[Waiting]:
    """What waits, oldest first; of one name if given."""
    found: dict[str, list[Any]] = {}
    for row in outbox.drafted(session, name):
        found.setdefault(row.approval, []).append(row)
    return [_waiting(approval, rows) for approval, rows in found.items()]


def _waiting(name: str, rows: list[Any]) -> Waiting:
    first = rows[0]
    facts = orjson.loads(first.facts)
    recipients = tuple(row.party or row.recipient for row in rows)
    title = str(facts.get("title", ""))
    return Waiting(name, first.kind, first.about, title, first.queued_at, recipients, first.language, facts)


def approve(session: Session, world: World, name: str, party: str, now: datetime) -> int:
    """Sends it; how many mails. Raises NotFound, and Refused for who may not or for a letter about what is over."""
    who, draft = _may(world, party), _known(session, name)
    if draft.name.startswith(LETTER) and not _open(session, world, draft.about, now):
        raise Refused(
            "wrong_state", say("{about} is over: a letter about it says what is no longer true; decline it", about=draft.about)
        )
    return outbox.approve(session, name, who.code, now)


def decline(session: Session, world: World, name: str, party: str, reason: str, now: datetime) -> int:
    """Keeps it from being sent, for ever; how many mails. Raises NotFound, and Refused for who may not."""
    who = _may(world, party)
    _known(session, name)
    if not reason.strip():
        raise Refused("incomplete", "declining needs --reason")
    return outbox.decline(session, name, who.code, f"declined: {reason.strip()}", now)


def _may(world: World, party: str) -> Party:
    who = find_party(world, party)
    if who.role not in APPROVERS:
        raise Refused("not_allowed", say("approving is for the province office; {name} is not of it", name=who.name))
    return who


def _known(session: Session, name: str) -> Waiting:
    found = waiting(session, name)
    if not found:
        raise NotFound(say("nothing called {name!r} waits for approval", name=name), "`escalation approval list` shows what does")
    return found[0]


def _open(session: Session, world: World, number: str, now: datetime) -> bool:
    loaded = queries.load(session.connection(), world, [number], now, lock=False)
    return loaded[number].snapshot.facts.is_open
