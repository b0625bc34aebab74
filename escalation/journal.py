"""流水: how a decision becomes an entry, how entries are chained, and how they replay to the row."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

import orjson

from workflows.facts import Decision, Facts, Request

#: What an issue begins with is in its first entry; what the store adds to it is not.
NOT_TOLD = ("id", "version", "head", "changed_at", "wake_at")


def body(before: Facts, to_state: str, decision: Decision, requests: Iterable[Request], at: datetime, actor: str) -> bytes:
    """The text of an entry, in UTC, with all that changed. It is kept as it was hashed, to the byte."""
    first = before.version == 0
    entry: dict[str, Any] = {
        "number": before.number,
        "seq": before.version + 1,
        "at": at,
        "actor": actor,
        "action": decision.action,
        "from": "" if first else f"{before.stage}.{before.status}",
        "to": to_state,
        "changes": beginning(before) | dict(decision.changes) if first else _different(before, decision.changes),
    }
    if decision.leave:
        entry["leave"] = decision.leave
    if decision.enter:
        entry["enter"] = True
    if decision.reason:
        entry["reason"] = decision.reason
    if decision.detail:
        entry["detail"] = decision.detail
    if decision.cards:
        entry["cards"] = [card._asdict() for card in decision.cards]
    if changed := [request._asdict() for request in requests]:
        entry["requests"] = changed
    if decision.texts:
        entry["texts"] = decision.texts
    return orjson.dumps(entry)


def _different(before: Facts, changes: Mapping[str, Any]) -> dict[str, Any]:
    """What really changes: a stay that begins clears clocks that were not running, and that is no news."""
    return {name: value for name, value in changes.items() if getattr(before, name) != value}


def beginning(facts: Facts) -> dict[str, Any]:
    """What a new issue is told to be by its first entry."""
    return {name: value for name, value in facts._asdict().items() if name not in NOT_TOLD}


def chained(previous: bytes, entry: bytes) -> bytes:
    """The hash of an entry: it covers the one before it, so nothing can be changed, dropped or moved unnoticed."""
    return sha256(previous + entry).digest()


def as_json(facts: Facts) -> dict[str, Any]:
    """A row's facts as a replay gives them: JSON values."""
    found: dict[str, Any] = orjson.loads(orjson.dumps(beginning(facts)))
    return found


def replay(entries: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The facts that a journal leads to, as JSON values."""
    state: dict[str, Any] = {}
    for entry in entries:
        state |= entry["changes"]
    return state
