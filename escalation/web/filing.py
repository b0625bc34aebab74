"""Files at the desk: what came with a form, what waits from the time before, and how one is given out again."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from fastapi.responses import Response
from sqlmodel import Session

from escalation import filing, queries, scope
from escalation.errors import NotFound
from escalation.filekinds import BadFile, File, check
from escalation.scope import Sight
from escalation.web.desk import Desk, Posted
from workflows.sentence import say

#: A file of an issue is never shown as a page of ours: it is saved, and nothing in it runs.
HEADERS = {
    "content-security-policy": "sandbox; default-src 'none'",
    "x-content-type-options": "nosniff",
    "x-download-options": "noopen",
}
#: How a form says that a file from the time before goes with it.
KEEP = "keep:"
#: Where files of programs wait.
PROGRAMS = "api"


def brought(given: Posted) -> tuple[tuple[File, ...], BadFile | None]:
    """What came with a form, as far as it may be kept, and what is wrong with the first that may not."""
    kept: dict[str, File] = {}
    wrong: BadFile | None = None
    for name, data in given.brought:
        try:
            file = check(name, data, given.desk.app.settings.files.limits)
            kept.setdefault(file.digest, file)
        except BadFile as error:
            wrong = wrong or error
    return tuple(kept.values()), wrong


def wanted(given: Posted) -> list[str]:
    """The digests of those from the time before that are still wanted."""
    return [name.removeprefix(KEEP) for name in given.values if name.startswith(KEEP)]


def all_of(session: Session, given: Posted, place: str, new: Iterable[File]) -> tuple[File, ...]:
    """What goes with a form: what is new, and what was brought before and is still wanted. Raises BadFile for too many."""
    before = filing.waiting(session.connection(), given.desk.user.id, place, wanted(given))
    files = {each.digest: each for each in (*before, *new)}
    most = given.desk.app.settings.files.limits.at_once
    if len(files) > most:
        raise BadFile(say("{count} files are too many at once", count=len(files)), say("{most} at most", most=most))
    return tuple(files.values())


def keep(given: Posted, place: str, new: Iterable[File]) -> None:
    """What a form brought waits for the next time that it is sent; what was not ticked any more is forgotten."""
    desk, still = given.desk, wanted(given)

    def work(session: Session) -> None:
        connection = session.connection()
        dropped = {each.digest for each in filing.waiting(connection, desk.user.id, place)} - set(still)
        filing.clear(connection, desk.user.id, place, dropped)
        filing.put_down(connection, desk.user.id, place, new, desk.now)

    # who has left dozens of files lying keeps what was typed, not the files
    with suppress(BadFile):
        desk.app.store.write(work)


def waiting(session: Session, desk: Desk, place: str) -> list[File]:
    """What a user has brought to a form and not sent."""
    return filing.waiting(session.connection(), desk.user.id, place)


def named(session: Session, desk: Desk, digests: Sequence[str]) -> tuple[File, ...]:
    """The files that a program has brought before. Raises NotFound for one that it has not."""
    found = filing.waiting(session.connection(), desk.user.id, PROGRAMS, digests) if digests else []
    missing = set(digests) - {each.digest for each in found}
    if missing:
        raise NotFound(say("file {digest} was not brought", digest=min(missing)), "send it to /api/v1/files first")
    return tuple(found)


def download(desk: Desk, number: str, no: int) -> Response:
    """A file of an issue within sight, to be saved. Raises NotFound."""

    def found(session: Session, world: Any, seen: Sight) -> File:
        connection = session.connection()
        scope.refuse_unseen(connection, seen, number)
        return filing.one(connection, queries.whole(connection, number).issue.id, no)

    file = desk.look(found)
    saved_as = f"attachment; filename*=UTF-8''{quote(file.name, safe='')}"
    headers = {**HEADERS, "content-disposition": saved_as}
    return Response(file.data, headers=headers, media_type="application/octet-stream")
