"""Whose figures, and who reads them: a city's, a department's, the province's."""

from collections.abc import Iterable
from datetime import date
from typing import Literal, NamedTuple

from escalation.notices import reader_of
from escalation.world import World
from workflows.parties import Party, Project

#: Who gets the figures of the whole province.
ABOVE = ("province_office", "inspection_office")


class Scope(NamedTuple):
    """A part of the province; `key` is the ledger's name of the city, or the department's organ."""

    kind: Literal["province", "city", "department"]
    key: str = ""

    def covers(self, project: Project, lead: Party | None) -> bool:
        """Is an issue of this project, led by this party, within it?

        A department sees the projects that it answers for in the ledger, and what it leads itself.
        """
        if self.kind == "province":
            return True
        if self.kind == "city":
            return project.city == self.key
        return self.key == project.department or (lead is not None and lead.organ == self.key)

    def name(self, world: World, language: str) -> str:
        """What it is called in a title."""
        if self.kind == "province":
            return "the whole province" if language == "en" else "全省"
        if self.kind == "city":
            return world.rules().workflow.cities.get(self.key, f"{self.key}市")
        return self.key


PROVINCE = Scope("province")


class Reader(NamedTuple):
    """A post that is to be told, and who reads its mail today."""

    party: Party
    scope: Scope
    reader: Party


def readers(world: World, at: date) -> list[Reader]:
    """Who gets weekly and monthly figures: coordinators of cities and departments, organs without one, the office."""
    found: list[Reader] = []
    seen: set[tuple[str, Scope]] = set()
    for party, scope in _posts(world):
        reader = reader_of(party, world, at)
        if reader is not None and (reader.code, scope) not in seen:
            seen.add((reader.code, scope))
            found.append(Reader(party, scope, reader))
    return found


def _posts(world: World) -> Iterable[tuple[Party, Scope]]:
    directory = world.directory
    for party in directory.with_role("city_coordinator"):
        yield party, Scope("city", party.city)
    coordinated = set()
    for party in directory.with_role("department_coordinator"):
        coordinated.add(party.organ)
        yield party, Scope("department", party.organ)
    for organ, party in directory.handlers.items():
        if party.level == "department" and party.role == "responsible_party" and organ not in coordinated:
            yield party, Scope("department", organ)
    for role in ABOVE:
        for party in directory.with_role(role):
            yield party, PROVINCE
