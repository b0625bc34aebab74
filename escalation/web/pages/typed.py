"""What was typed into a form that could not be taken: it comes again, with a new token or after the login; nothing is lost."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import orjson
from sqlmodel import Session

from escalation.users import User, drafts

#: What a form of these addresses says is kept; everything else is not worth it, or secret.
NEW = "/issues/new"
_ACTION = re.compile(r"/issues/([^/?#]{1,60})/actions/([a-z_]{1,40})")
FIELDS = frozenset("as project category severity title text requested reason to until into note cause request".split())


class Typed(NamedTuple):
    """Where it belongs (as in `users.drafts`), the page that shows it again, and what was typed."""

    place: str
    page: str
    values: dict[str, str]


def typed(path: str, values: Mapping[str, str]) -> Typed | None:
    """What a form at this address said, if it is of those that are kept."""
    kept = {name: value for name, value in values.items() if name in FIELDS and value.strip()}
    if path in (NEW, f"{NEW}/draft"):
        return Typed("new", NEW, kept)
    found = _ACTION.fullmatch(path)
    return Typed(f"{found[1]}/{found[2]}", f"/issues/{found[1]}?do={found[2]}", kept) if found else None


def packed(path: str, values: Mapping[str, str]) -> str:
    """The same as the login form carries it along; empty when there is nothing."""
    found = typed(path, values)
    return orjson.dumps({"path": path, "values": found.values}).decode() if found and found.values else ""


def unpacked(text: str) -> Typed | None:
    """What a login form carried along; whatever somebody has made of it, only fields of our own forms come out."""
    try:
        told = orjson.loads(text)
        return typed(str(told["path"]), {str(name): str(value) for name, value in told["values"].items()})
    except (ValueError, LookupError, TypeError, AttributeError):
        return None


def put_down(session: Session, user: User, found: Typed, now: datetime) -> None:
    """Keeps it as the user's draft."""
    drafts.save(session, user.id, found.place, found.values, now)
