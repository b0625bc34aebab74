"""Many rows in few statements: what a sweep writes with, on SQLite and on PostgreSQL.

Three times `executemany` through the ORM's core ran at a quarter of the speed of set SQL (see benchmarks/sweep.py), so rows
cross to PostgreSQL once by COPY, and to SQLite by the driver's own prepared statement.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from zlib import crc32

from sqlalchemy import Connection, Table

from notifications.moments import moment_text

Rows = Sequence[tuple[Any, ...]]

#: Below this many rows PostgreSQL is told one by one: a temporary table costs more than it saves.
FEW = 50


class _Packed(NamedTuple):
    """Rows made ready for SQLite: an SQL expression a column, and what is left to bind."""

    expressions: list[str]
    rows: Rows


def _packed(rows: Rows) -> _Packed:
    """Values that are the same in all rows become part of the statement: the driver takes as long to bind a NULL, a truth
    value or a moment as SQLite takes to write a row, and most of a batch's are equal.
    """
    expressions, kept = [], []
    for column in zip(*rows, strict=True):
        first = column[0]
        if (first is None or type(first) in _LITERAL) and column.count(first) == len(column):
            expressions.append(_LITERAL[type(first)](first))
            continue
        kept.append(_written(column))
        expressions.append(f"?{len(kept)}")
    return _Packed(expressions, list(zip(*kept, strict=True)))


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
        packed = _packed(rows)
        connection.exec_driver_sql(f"{into} VALUES ({', '.join(packed.expressions)}){quietly}", packed.rows)
    elif len(rows) < FEW:
        connection.exec_driver_sql(f"{into} VALUES ({', '.join(['%s'] * len(columns))}){quietly}", list(rows))
    elif or_ignore:
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
        packed = _packed(rows)
        return _each(connection, table, keys, columns, packed.expressions, packed.rows)
    if len(rows) < FEW:
        # the driver fills in values in the order of the statement: what is set first, then what is looked for
        turned = [(*row[len(keys) :], *row[: len(keys)]) for row in rows]
        return _each(connection, table, keys, columns, ["%s"] * (len(keys) + len(columns)), turned)
    staged = _stage(connection, table, [*keys, *columns], rows)
    values = ", ".join(f'"{name}" = s."{name}"' for name in columns)
    where = " AND ".join(f't."{_column(name)}" = s."{name}"' for name in keys)
    return connection.exec_driver_sql(f'UPDATE "{table.name}" t SET {values} FROM {staged} s WHERE {where}').rowcount


def _each(
    connection: Connection, table: Table, keys: Sequence[str], columns: Sequence[str], expressions: list[str], rows: Rows
) -> int:
    names = [*(_column(name) for name in keys), *columns]
    terms = [f'"{name}" = {value}' for name, value in zip(names, expressions, strict=True)]
    where, values = " AND ".join(terms[: len(keys)]), ", ".join(terms[len(keys) :])
    return connection.exec_driver_sql(f'UPDATE "{table.name}" SET {values} WHERE {where}', list(rows)).rowcount


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
