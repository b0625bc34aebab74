"""Where files are: their bytes once in `attachment`, beside those that go with mails; whose they are in tables of their own.

In the store, and not in a folder beside it: a file is there exactly when the action that it came with is; any number of nodes
see it; a backup has it, and `verify` compares its bytes with the digest in the issue's journal.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, delete, func, insert, select, union_all
from sqlalchemy.dialects import postgresql, sqlite

from escalation.errors import NotFound
from escalation.filekinds import BadFile, File
from escalation.models.desk import FileRow, UploadRow
from notifications import attaching, outbox
from notifications.attaching import ATTACHMENT
from workflows.facts import Decision
from workflows.sentence import say

FILE = FileRow.__table__  # type: ignore[attr-defined]
UPLOAD = UploadRow.__table__  # type: ignore[attr-defined]
#: No issue has more files, and nobody more that were not sent.
PER_ISSUE, PER_USER = 300, 60
#: What was brought and not sent is forgotten after this, but for what is part of a draft of a new issue.
UNSENT = timedelta(days=30)
NEW = "new"


def noted(decision: Decision, files: Sequence[File], left_out: Sequence[str] = ()) -> Decision:
    """The decision with the digests of its files in the journal, so that nobody exchanges them afterwards."""
    if not files and not left_out:
        return decision
    detail = dict(decision.detail)
    if files:
        detail["files"] = " ".join(dict.fromkeys(each.digest for each in files))
    if left_out:
        detail["left_out"] = ", ".join(left_out)
    return replace(decision, detail=detail)


def attach(connection: Connection, issue_id: int, seq: int, files: Iterable[File], party: str, now: datetime) -> None:
    """Files become the issue's, with the journal entry `seq`; one that it has already stays as it is. Raises BadFile."""
    there = {row.digest: row.no for row in connection.execute(select(FILE).where(FILE.c.issue_id == issue_id))}
    last = max(there.values(), default=0)
    for each in files:
        if each.digest in there:
            continue
        if len(there) >= PER_ISSUE:
            raise BadFile(say("the issue has {per_issue} files already", per_issue=PER_ISSUE), "put what is new into one of them")
        last += 1
        there[each.digest] = last
        _keep(connection, each, now)
        connection.execute(insert(FILE).values(issue_id=issue_id, no=last, seq=seq, party=party, at=now, **_told(each)))


def _told(each: File) -> dict[str, Any]:
    return {"digest": each.digest, "name": each.name, "content_type": each.content_type, "size": each.size}


def _keep(connection: Connection, each: File, now: datetime) -> None:
    if each.data is not None:
        attaching.keep_bytes(connection, each.digest, each.data, now)


def room(connection: Connection, issue_id: int) -> int:
    """How many more files an issue may have."""
    had = connection.execute(select(func.count()).select_from(FILE).where(FILE.c.issue_id == issue_id)).scalar() or 0
    return max(0, PER_ISSUE - int(had))


def listed(connection: Connection, issue_id: int) -> list[Any]:
    """An issue's files, without their bytes, in the order in which they came."""
    return list(connection.execute(select(FILE).where(FILE.c.issue_id == issue_id).order_by(FILE.c.no)))


def one(connection: Connection, issue_id: int, no: int) -> File:
    """One of an issue's files, with its bytes. Raises NotFound."""
    row = connection.execute(select(FILE).where(FILE.c.issue_id == issue_id, FILE.c.no == no)).first()
    data = connection.execute(select(ATTACHMENT.c.data).where(ATTACHMENT.c.digest == row.digest)).scalar() if row else None
    if row is None or data is None:
        raise NotFound("there is no such file", "the issue's page lists its files")
    return File(row.name, row.content_type, row.size, row.digest, data)


# What was brought and is not sent yet.


def put_down(connection: Connection, user_id: int, place: str, files: Iterable[File], now: datetime) -> None:
    """Keeps what a user has brought to a form until it is sent. Raises BadFile when there is too much of it."""
    upsert: Any = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    for each in files:
        _keep(connection, each, now)
        row = upsert(UPLOAD).values(user_id=user_id, place=place, at=now, **_told(each))
        again = {"name": each.name, "content_type": each.content_type, "at": now}
        connection.execute(row.on_conflict_do_update(index_elements=["user_id", "place", "digest"], set_=again))
    mine = select(func.count()).select_from(UPLOAD).where(UPLOAD.c.user_id == user_id)
    if (connection.execute(mine).scalar() or 0) > PER_USER:
        raise BadFile(say("{per_user} files wait to be sent already", per_user=PER_USER), "send or remove some of them first")


def waiting(connection: Connection, user_id: int, place: str, digests: Iterable[str] | None = None) -> list[File]:
    """What a user has brought to a form and not sent, of these digests if given; without the bytes, which are kept."""
    statement = select(UPLOAD).where(UPLOAD.c.user_id == user_id, UPLOAD.c.place == place)
    if digests is not None:
        statement = statement.where(UPLOAD.c.digest.in_(list(digests)))
    rows = connection.execute(statement.order_by(UPLOAD.c.at, UPLOAD.c.digest))
    return [File(row.name, row.content_type, row.size, row.digest) for row in rows]


def clear(connection: Connection, user_id: int, place: str, digests: Iterable[str] | None = None) -> None:
    """What was brought to a form is sent, or not wanted any more."""
    statement = delete(UPLOAD).where(UPLOAD.c.user_id == user_id, UPLOAD.c.place == place)
    connection.execute(statement if digests is None else statement.where(UPLOAD.c.digest.in_(list(digests))))


def forget_unsent(connection: Connection, now: datetime) -> int:
    """What was brought long ago and never sent is forgotten; how many. The bytes go when nothing needs them."""
    return connection.execute(delete(UPLOAD).where(UPLOAD.c.at <= now - UNSENT, UPLOAD.c.place != NEW)).rowcount


def needed() -> Select[tuple[str]]:
    """The digests of all bytes that a mail, an issue or a form still needs."""
    some = union_all(outbox.FILES, select(FILE.c.digest), select(UPLOAD.c.digest)).subquery()
    return select(some.c[0])


def wrong(connection: Connection, journaled: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Number, name and trouble of each file that is missing or is not what it was; `journaled`: digest -> number."""
    names = {row.digest: row.name for row in connection.execute(select(FILE.c.digest, FILE.c.name))}
    digests = sorted({*journaled, *names})
    for start in range(0, len(digests), 500):
        some = digests[start : start + 500]
        there = set(connection.execute(select(ATTACHMENT.c.digest).where(ATTACHMENT.c.digest.in_(some))).scalars())
        for digest in some:
            name = names.get(digest, digest)
            if digest in journaled and digest not in names:
                yield journaled[digest], name, "belongs to no issue any more"
            elif digest not in there:
                yield journaled.get(digest, ""), name, "is missing"
            elif attaching.altered(connection, digest):
                yield journaled.get(digest, ""), name, "was altered"
