"""The floor: the very rows that the sweep writes, prepared beforehand and written by hand-made set SQL in one transaction.

It decides nothing, hashes nothing and renders no JSON: it only writes. Whatever moves issues and tells people cannot be faster.
"""

from pathlib import Path
from time import perf_counter

import psycopg

from escalation.applying import _CHANGING
from escalation.sqlite import sqlite3
from notifications.outbox import COLUMNS

STAY = ("acknowledged_at", "auto_acknowledged", "due_at", "suspended_wd", "left_at", "outcome", "overdue_wd")
CARD = ("key", "issue_id", "party_id", "colour", "ground", "state", "proposed_at")
PREPARED = ("want_issue", "want_left", "want_begun", "want_journal", "want_outbox", "want_card")


def _wanted(swept: str) -> dict[str, str]:
    """Which rows of a swept store are new or changed."""
    moved = f"SELECT id FROM {swept}issue WHERE assignment_no = 3"
    return {
        "want_issue": f"SELECT id, {', '.join(_CHANGING)} FROM {swept}issue WHERE assignment_no = 3 ORDER BY id",
        "want_left": f"SELECT issue_id, no, {', '.join(STAY)} FROM {swept}assignment"
        f" WHERE no = 2 AND issue_id IN ({moved}) ORDER BY issue_id",
        "want_begun": f"SELECT * FROM {swept}assignment WHERE no = 3 ORDER BY issue_id",
        "want_journal": f"SELECT * FROM {swept}journal WHERE seq = 3 ORDER BY issue_id",
        "want_outbox": f"SELECT {', '.join(COLUMNS)} FROM {swept}outbox ORDER BY id",
        "want_card": f"SELECT {', '.join(CARD)} FROM {swept}card ORDER BY id",
    }


def _statements(want: str) -> list[str]:
    """Six statements; each index is found by its key, nothing is sorted."""
    changes = ", ".join(f"{name} = w.{name}" for name in _CHANGING)
    stay = ", ".join(f"{name} = w.{name}" for name in STAY)
    return [
        f"UPDATE issue SET {changes} FROM {want}want_issue w WHERE issue.id = w.id",
        f"UPDATE assignment SET {stay} FROM {want}want_left w WHERE assignment.issue_id = w.issue_id AND assignment.no = w.no",
        f"INSERT INTO assignment SELECT * FROM {want}want_begun",
        f"INSERT INTO journal SELECT * FROM {want}want_journal",
        f"INSERT INTO outbox ({', '.join(COLUMNS)}) SELECT * FROM {want}want_outbox",
        f"INSERT INTO card ({', '.join(CARD)}) SELECT * FROM {want}want_card",
    ]


def prepare_sqlite(swept: Path, prepared: Path) -> None:
    """The rows of a swept store in a file of their own."""
    connection = sqlite3.connect(prepared)
    connection.execute("ATTACH ? AS swept", (str(swept),))
    for name, select in _wanted("swept.").items():
        connection.execute(f"CREATE TABLE {name} AS {select}")
    connection.commit()
    connection.close()


def run_sqlite(store: Path, prepared: Path, pragmas: tuple[str, ...]) -> float:
    """Seconds for all rows, in one transaction, with the product's own settings."""
    connection = sqlite3.connect(store, isolation_level=None)
    for pragma in pragmas:
        connection.execute(pragma)
    connection.execute("ATTACH ? AS prepared", (str(prepared),))
    begun = perf_counter()
    connection.execute("BEGIN IMMEDIATE")
    for statement in _statements("prepared."):
        connection.execute(statement)
    connection.execute("COMMIT")
    seconds = perf_counter() - begun
    connection.close()
    return seconds


def prepare_postgresql(swept: str, store: str) -> None:
    """The rows of a swept store in tables beside those that they will be written to."""
    with psycopg.connect(swept) as source, psycopg.connect(store) as target:
        for name, select in _wanted("").items():
            table = {"want_left": "assignment", "want_begun": "assignment"}.get(name, name.removeprefix("want_"))
            target.execute(f"CREATE UNLOGGED TABLE {name} AS {select.partition(' FROM ')[0]} FROM {table} LIMIT 0")
            with (
                source.cursor().copy(f"COPY ({select}) TO STDOUT (FORMAT binary)") as rows,
                target.cursor().copy(f"COPY {name} FROM STDIN (FORMAT binary)") as sink,
            ):
                for chunk in rows:
                    sink.write(chunk)
        target.commit()
        target.autocommit = True
        for name in PREPARED:
            target.execute(f"ANALYZE {name}")


def run_postgresql(store: str) -> float:
    """Seconds for all rows, in one transaction."""
    with psycopg.connect(store, autocommit=True) as connection:
        begun = perf_counter()
        with connection.transaction():
            for statement in _statements(""):
                connection.execute(statement)
        return perf_counter() - begun
