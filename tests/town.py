"""A small province for the tests: the sample's parties and projects in a store, and the words to act in it."""

import csv
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import insert
from sqlmodel import SQLModel

from escalation import commands, queries, views
from escalation.applying import Outgoing
from escalation.commands import Do, Raise
from escalation.database import Store
from escalation.models import PartyRow, ProjectRow, WorkflowRow
from escalation.sweep import Sweeper, Swept
from escalation.verifying import Verified, verify
from escalation.world import World, WorldReader, touch
from workflows.facts import Facts
from workflows.loading import digest, loads, source_of

ZONE = ZoneInfo("Asia/Shanghai")

# Who is who in the sample, for an issue of category `power` of project HLJ26-001 in Harbin.
OWNER = "PT0001"
CITY_COORDINATOR = "PT0013"
DEPARTMENT_COORDINATOR = "PT0026"
OFFICE = "PT0205"
LIAISON = "PT0204"
LEADER = "PT0203"
INSPECTION = "PT0206"


def at(text: str) -> datetime:
    """A moment in the province's zone: `2026-09-01 09:00`."""
    return datetime.fromisoformat(text).replace(tzinfo=ZONE).astimezone(UTC)


def sample(name: str) -> list[dict[str, str]]:
    """The rows of a shipped sample file."""
    text = (files("escalation") / "sample" / f"{name}.csv").read_text(encoding="utf-8-sig")
    return list(csv.DictReader(text.splitlines()))


@cache
def _people_and_projects() -> tuple[tuple[type[SQLModel], list[dict[str, Any]]], ...]:
    """Rows as they are inserted: made once, because most tests begin with them."""
    parties = [PartyRow(**{"code" if name == "party_code" else name: row[name] for name in row}) for row in sample("parties")]
    projects = [
        ProjectRow(
            code=row["project_code"],
            name=row["project_name"],
            lead_city=row["lead_city"],
            industry_department=row["industry_department"],
            owner_org=row["owner_org"],
            sponsor_leader_role=row["sponsor_leader_role"],
        )
        for row in sample("projects")
    ]
    return tuple((type(rows[0]), [row.model_dump(exclude={"id"}) for row in rows]) for rows in (parties, projects))


@cache
def _rules(source: str) -> dict[str, Any]:
    workflow = loads(source, "test")
    told = {"id": workflow.id, "key": workflow.key, "version": workflow.version}
    return told | {"source": source, "digest": digest(source)}


class Town:
    """A store with the sample's parties and projects, its own rules, and a clock that the test moves."""

    def __init__(
        self, store: Store, now: str = "2026-09-01 09:00", source: str = "", hours: tuple[str, str] = ("08:30", "17:00")
    ) -> None:
        self.store = store
        self.now = at(now)
        self.worlds = WorldReader("Asia/Shanghai", *hours)
        self.outgoing = Outgoing()
        self.sweeper = Sweeper(store, self.worlds, self.outgoing)
        self._found(source or source_of("provincial"))

    def _found(self, source: str) -> None:
        with self.store.transaction() as session:
            connection = session.connection()
            for table, rows in _people_and_projects():
                connection.execute(insert(table), rows)
            session.add(WorkflowRow(**_rules(source), added_at=self.now))
            session.flush()
            touch(session)

    def raise_issue(self, category: str = "power", severity: str = "major", project: str = "HLJ26-001", by: str = OWNER) -> str:
        """A new issue; its number."""
        with self.store.transaction() as session:
            wanted = Raise(project, category, severity, f"{category} is stuck", by)
            return commands.raise_issue(session, self.worlds.read(session), wanted, self.now, self.outgoing).facts.number

    def act(self, number: str, action: str, party: str, **more: object) -> Facts:
        """One action; the issue as it is then. Raises Refused."""
        with self.store.transaction() as session:
            wanted = Do(number, action, party, **more)  # type: ignore[arg-type]
            return commands.act(session, self.worlds.read(session), wanted, self.now, self.outgoing)

    def dispatched(self, **more: str) -> str:
        """An issue that has been dispatched by its city's coordinator; its number."""
        number = self.raise_issue(**more)
        self.act(number, "dispatch", CITY_COORDINATOR)
        return number

    def sweep(self, now: str | datetime | None = None) -> Swept:
        """Time passes to `now`, and one sweep is made."""
        if now is not None:
            self.now = at(now) if isinstance(now, str) else now
        return self.sweeper.sweep_once(self.now)

    def days(self, count: int) -> Iterator[datetime]:
        """The coming days at the same hour; the clock stands at each in turn."""
        for _ in range(count):
            self.now += timedelta(days=1)
            yield self.now

    def facts(self, number: str) -> Facts:
        """An issue as its row has it."""
        with self.store.reading() as session:
            return views.facts_of(queries.one_row(session.connection(), number))

    def verify(self) -> Verified:
        """All invariants."""
        return self.look(verify)

    def look(self, what):  # type: ignore[no-untyped-def]
        """Calls `what` with a reading session and the world."""
        with self.store.reading() as session:
            return what(session, self.worlds.read(session))

    def party(self, party_id: int) -> str:
        """A party's name."""
        name: str = self.look(lambda session, world: world.directory.by_id[party_id].name)
        return name


__all__ = ["Town", "World", "at", "sample"]
