"""How issues that somebody wants are found the fastest way: few by their ids, many in the order of a list's index."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import ColumnElement, Connection, Select, UnaryExpression, select, union
from sqlalchemy.sql.operators import custom_op

from escalation.queries import ISSUE
from escalation.world import World
from notifications.among import among, among_many

T = TypeVar("T")
#: So many issues are looked up one by one sooner than all open ones are read in order.
FEW = 5_000


class Narrowed(NamedTuple):
    """What a list is narrowed to before anything is looked for: in words that can be remembered, and as conditions."""

    words: tuple[object, ...]
    conditions: tuple[ColumnElement[bool], ...]
    #: Are they few already, and found by one of the conditions?
    few: bool = False


OPEN_ONLY = Narrowed(("open",), (ISSUE.c.closed_at.is_(None),))


def gathered(
    connection: Connection,
    world: World,
    now: datetime,
    what: tuple[object, ...],
    reasons: Sequence[ColumnElement[bool]],
    others: Sequence[Select[tuple[int]]],
    narrowed: Narrowed,
) -> ColumnElement[bool] | None:
    """`id IN (…)` of what an index answers for each reason, and of the others; None when these are not few.

    `what` says which reasons these are: that they are not few is remembered for a minute. The others are not narrowed: their
    indexes hold nothing more, and PostgreSQL would read another from end to end to narrow the few that they give.
    """
    not_few = ("not few", *what, *narrowed.words)
    if world.lately(not_few, now):
        return None
    found = _few(connection, [*[select(ISSUE.c.id).where(each, *narrowed.conditions) for each in reasons], *others])
    if found is None:
        world.shortly(not_few, True, now)
        return None
    return among_many(ISSUE.c.id, found)


def _few(connection: Connection, parts: Sequence[Select[tuple[int]]]) -> list[int] | None:
    """The ids, each once however many parts it is in; None when they are not few. A part names no id twice."""
    some = union(*[select(part.limit(FEW + 1).subquery()) for part in parts]).subquery()
    found = list(connection.execute(select(some).limit(FEW + 1)).scalars())
    return found if len(found) <= FEW else None


def not_by_index(connection: Connection, column: ColumnElement[T]) -> ColumnElement[T]:
    """The column, on SQLite in words that keep it from an index (a unary +, https://sqlite.org/optoverview.html).

    A condition of several reasons, each with an index, is else answered by gathering all that any of them gives, and sorting tens
    of thousands for the fifty that an order's own index gives at once.
    """
    if connection.dialect.name != "sqlite":
        return column
    return UnaryExpression(column, operator=custom_op("+"), type_=column.type)


def found_first(
    those: Select[tuple[int]], order: Sequence[ColumnElement[Any]], limit: int, *more: ColumnElement[Any]
) -> Select[Any]:
    """The whole rows of the first so many of those ids, in this order: what they are is read from an index that has all it needs.

    In one statement PostgreSQL fetches every row that it passes, and passes hundreds of thousands where few fit.
    """
    few = those.order_by(*order).limit(limit).subquery()
    return select(ISSUE, *more).join(few, few.c.id == ISSUE.c.id).order_by(*order)


def in_projects(connection: Connection, world: World, now: datetime, projects: Sequence[int]) -> tuple[ColumnElement[bool], bool]:
    """Issues of these projects, and whether they are few: those are found by their index, many in a list's order."""
    theirs = among(ISSUE.c.project_id, projects)
    found = select(ISSUE.c.id).where(theirs)
    few = world.once_a_minute(("few", *projects), now, lambda: _few(connection, [found]) is not None)
    return theirs if few else among(not_by_index(connection, ISSUE.c.project_id), projects), few
