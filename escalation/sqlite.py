"""Which SQLite carries the store: the one that comes as a wheel where there is one, else the one that Python was built with.

A Debian's Python has a SQLite whose WAL mode can lose committed pages (https://sqlite.org/wal.html#walresetbug: fixed in
3.51.3, 3.50.7 and 3.44.6), and without WAL whoever looks waits for whoever writes. The wheel has the fix.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
else:
    try:
        from pysqlite3 import dbapi2 as sqlite3
    except ImportError:  # no wheel for this machine
        import sqlite3

__all__ = ["VERSION", "sqlite3", "wal_is_safe"]
VERSION: tuple[int, int, int] = sqlite3.sqlite_version_info


def wal_is_safe(version: tuple[int, int, int] = VERSION) -> bool:
    """Does this SQLite have the fix of the WAL-reset bug?"""
    return version >= (3, 51, 3) or (version[:2] == (3, 50) and version[2] >= 7) or (version[:2] == (3, 44) and version[2] >= 6)
