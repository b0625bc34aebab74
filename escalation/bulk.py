"""Many rows in few statements: what a sweep writes with, on SQLite and on PostgreSQL.

Three times `executemany` through the ORM's core ran at a quarter of the speed of set SQL (see benchmarks/sweep.py), so rows
cross to PostgreSQL once by COPY, and to SQLite by the driver's own prepared statement.
"""

import sqlite3
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from zlib import crc32

from sqlalchemy import Connection, Table

from notifications.moments import moment_text

Rows = Sequence[tuple[Any, ...]]

# The driver writes a moment or a day as our columns keep them, without a look at every value of every row.
sqlite3.register_adapter(datetime, moment_text)
sqlite3.register_adapter(date, date.isoformat)


def insert(connection: Connection, table: Table, columns: Sequence[str], rows: Rows, *, or_ignore: bool = False) -> None:
    """Adds rows given as tuples in the order of `columns`; `or_ignore` leaves out those whose key is there already.

    Raises IntegrityError when a key is there already.
    """
    if not rows:
        return
    names = ", ".join(f'"{name}"' for name in columns)
    quietly = " ON CONFLICT DO NOTHING" if or_ignore else ""
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" * len(columns))
        connection.exec_driver_sql(f'INSERT INTO "{table.name}" ({names}) VALUES ({marks}){quietly}', rows)
    elif or_ignore:
        staged = _stage(connection, table, columns, rows)
        connection.exec_driver_sql(f'INSERT INTO "{table.name}" ({names}) SELECT {names} FROM {staged}{quietly}')
    else:
        _copy(connection, table.name, names, rows)


def update(connection: Connection, table: Table, keys: Sequence[str], columns: Sequence[str], rows: Rows) -> int:
    """Sets `columns` where `keys` match; each row gives the keys' values first (`old_version`: the value before).

    Returns how many rows were changed.
    """
    if not rows:
        return 0
    if connection.dialect.name == "sqlite":
        values = ", ".join(f'"{name}" = ?{number}' for number, name in enumerate(columns, len(keys) + 1))
        where = " AND ".join(f'"{_column(name)}" = ?{number}' for number, name in enumerate(keys, 1))
        return connection.exec_driver_sql(f'UPDATE "{table.name}" SET {values} WHERE {where}', rows).rowcount
    staged = _stage(connection, table, [*keys, *columns], rows)
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
    connection.exec_driver_sql(f"TRUNCATE {staged}")
    _copy(connection, staged, ", ".join(f'"{name}"' for name in columns), rows)
    return staged


def _copy(connection: Connection, table: str, names: str, rows: Rows) -> None:
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f'COPY "{table}" ({names}) FROM STDIN') as copy:
        for row in rows:
            copy.write_row(row)
