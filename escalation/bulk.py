"""Many rows in few statements: what a sweep writes with, on SQLite and on PostgreSQL.

Three times `executemany` through the ORM's core ran at a quarter of the speed of set SQL (see benchmarks/sweep.py), so rows
cross to PostgreSQL once by COPY, and to SQLite some hundreds a statement.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from itertools import chain
from typing import Any
from zlib import crc32

from sqlalchemy import Connection, Table

from notifications.moments import moment_text

Rows = Sequence[tuple[Any, ...]]

#: Below this many rows PostgreSQL is told one by one: a temporary table costs more than it saves.
FEW = 50
#: Rows, and variables, of one statement of SQLite (its own limit is 32,766 variables).
STEP = 500
VARIABLES = 30_000
#: PostgreSQL refuses COPY into a table with row-level security (a ledger cut by province, docs/scaling.md): rows are then copied
#: into a table of the transaction's own, and from there to their place.
STAGED = False


def _packed(rows: Rows) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Rows made ready for SQLite: the text behind VALUES, and what is bound to it, a few hundred rows a statement.

    A statement runs without Python's lock, so that the next rows can be decided while these are written. Values that are
    the same in all rows become part of the text: binding a NULL or a moment takes as long as writing a row.
    """
    expressions, kept = [], []
    for column in zip(*rows, strict=True):
        first = column[0]
        if (first is None or type(first) in _LITERAL) and column.count(first) == len(column):
            expressions.append(_LITERAL[type(first)](first))
            continue
        kept.append(_written(column))
        expressions.append("?")
    bound = list(zip(*kept, strict=True))
    row = f"({', '.join(expressions)})"
    step = min(STEP, VARIABLES // max(1, len(kept)))
    for start in range(0, len(bound), step):
        some = bound[start : start + step]
        yield ", ".join([row] * len(some)), tuple(chain.from_iterable(some))


_LITERAL: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: "NULL",
    bool: lambda value: str(int(value)),
    datetime: lambda value: f"'{moment_text(value)}'",
}
_TEXT: dict[type, Callable[[Any], Any]] = {datetime: moment_text, date: date.isoformat}


def _written(column: tuple[Any, ...]) -> Sequence[Any]:
    """A column's moments and days as text, which a driver binds without asking what they are."""
    if not any(kind in _TEXT for kind in set(map(type, column))):
        return column
    return [convert(value) if (convert := _TEXT.get(type(value))) else value for value in column]


def insert(connection: Connection, table: Table, columns: Sequence[str], rows: Rows, *, or_ignore: bool = False) -> None:
    """Adds rows given as tuples in the order of `columns`; `or_ignore` leaves out those whose key is there already.

    Raises IntegrityError when a key is there already.
    """
    if not rows:
        return
    names = ", ".join(f'"{name}"' for name in columns)
    quietly = " ON CONFLICT DO NOTHING" if or_ignore else ""
    into = f'INSERT INTO "{table.name}" ({names})'
    if connection.dialect.name == "sqlite":
        for values, bound in _packed(rows):
            connection.exec_driver_sql(f"{into} VALUES {values}{quietly}", bound)
    elif len(rows) < FEW:
        connection.exec_driver_sql(f"{into} VALUES ({', '.join(['%s'] * len(columns))}){quietly}", list(rows))
    elif or_ignore or STAGED:
        staged = _stage(connection, table, columns, rows)
        connection.exec_driver_sql(f"{into} SELECT {names} FROM {staged}{quietly}")
    else:
        _copy(connection, table.name, names, rows)


def update(connection: Connection, table: Table, keys: Sequence[str], columns: Sequence[str], rows: Rows) -> int:
    """Sets `columns` where `keys` match; each row gives the keys' values first (`old_version`: the value before).

    Returns how many rows were changed.
    """
    if not rows:
        return 0
    if connection.dialect.name == "sqlite":
        places = {name: f"column{place}" for place, name in enumerate((*keys, *columns), 1)}
        sets = ", ".join(f'"{name}" = s.{places[name]}' for name in columns)
        where = " AND ".join(f't."{_column(name)}" = s.{places[name]}' for name in keys)
        return sum(
            connection.exec_driver_sql(
                f'UPDATE "{table.name}" AS t SET {sets} FROM (VALUES {values}) AS s WHERE {where}', bound
            ).rowcount
            for values, bound in _packed(rows)
        )
    if len(rows) < FEW:
        # the driver fills in values in the order of the statement: what is set first, then what is looked for
        turned = [(*row[len(keys) :], *row[: len(keys)]) for row in rows]
        sets = ", ".join(f'"{name}" = %s' for name in columns)
        where = " AND ".join(f'"{_column(name)}" = %s' for name in keys)
        return connection.exec_driver_sql(f'UPDATE "{table.name}" SET {sets} WHERE {where}', turned).rowcount
    staged = _stage(connection, table, [*keys, *columns], rows)
    # the rows are few and found by their key, which a planner that has not counted them does not know
    connection.exec_driver_sql("SET LOCAL enable_hashjoin = off")
    connection.exec_driver_sql("SET LOCAL enable_mergejoin = off")
    values = ", ".join(f'"{name}" = s."{name}"' for name in columns)
    where = " AND ".join(f't."{_column(name)}" = s."{name}"' for name in keys)
    return connection.exec_driver_sql(f'UPDATE "{table.name}" t SET {values} FROM {staged} s WHERE {where}').rowcount


def _column(name: str) -> str:
    return name.removeprefix("old_")


def _stage(connection: Connection, table: Table, columns: Sequence[str], rows: Rows) -> str:
    """The rows in a temporary table of PostgreSQL; its name."""
    staged = f"staged_{table.name}_{crc32(' '.join(columns).encode()):08x}"
    fields = ", ".join(f'"{name}" {table.c[_column(name)].type.compile(connection.dialect)}' for name in columns)
    connection.exec_driver_sql(f"CREATE TEMP TABLE IF NOT EXISTS {staged} ({fields}) ON COMMIT DELETE ROWS")
    connection.exec_driver_sql(f"DELETE FROM {staged}")
    _copy(connection, staged, ", ".join(f'"{name}"' for name in columns), rows)
    return staged


def _copy(connection: Connection, table: str, names: str, rows: Rows) -> None:
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f'COPY "{table}" ({names}) FROM STDIN') as copy:
        for row in zip(*map(_written, zip(*rows, strict=True)), strict=True):
            copy.write_row(row)
