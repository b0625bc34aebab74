"""How issues that somebody wants are found the fastest way: few by their ids, many in the order of a list's index."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Select, UnaryExpression, func, select, union
from sqlalchemy.sql.operators import custom_op

from escalation.queries import ISSUE
from escalation.world import World
from notifications.among import among

T = TypeVar("T")
#: So many issues are looked up one by one sooner than all open ones are read in order.
FEW = 5_000


def gathered(
    connection: Connection,
    world: World,
    now: datetime,
    what: tuple[object, ...],
    reasons: Sequence[ColumnElement[bool]],
    asked: Select[tuple[int]],
) -> ColumnElement[bool] | None:
    """`id IN (…)` over what an index answers for each reason, and over those asked about; None when these are not few.

    `what` says which reasons these are: whether they are few is counted once a minute, for that costs a statement a reason.
    """
    parts = [*[select(ISSUE.c.id).where(each) for each in reasons], asked]
    if not world.once_a_minute(("few", *what), now, lambda: _are_few(connection, parts)):
        return None
    few: ColumnElement[bool] = ISSUE.c.id.in_(union(*parts))
    return few


def _are_few(connection: Connection, parts: Sequence[Select[tuple[int]]]) -> bool:
    left = FEW
    for part in parts:
        left -= connection.execute(select(func.count()).select_from(part.limit(left + 1).subquery())).scalar() or 0
        if left < 0:
            return False
    return True


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


def in_projects(connection: Connection, world: World, now: datetime, projects: Sequence[int]) -> ColumnElement[bool]:
    """Issues of these projects: a few by their index, many in a list's order."""
    theirs = among(ISSUE.c.project_id, projects)
    found = [select(ISSUE.c.id).where(theirs)]
    few = world.once_a_minute(("few", "projects", *projects), now, lambda: _are_few(connection, found))
    return theirs if few else among(not_by_index(connection, ISSUE.c.project_id), projects)
