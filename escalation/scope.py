"""What somebody sees: one condition on the issues, the same for page, API, command line, export and mail links.

A city sees its projects, a department the projects it answers for and what it leads, an owner their own projects, the
province everything. Whoever leads, answers for, raised, stands in for, or was asked about an issue sees it. What is
outside is not there: `NotFound`, never a hint.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ColumnElement, Connection, Select, bindparam, false, or_, select, true

from escalation import finding
from escalation.errors import NotFound
from escalation.finding import Narrowed
from escalation.queries import ARCHIVED, ISSUE, REQUEST
from escalation.world import World
from notifications.among import among, among_given
from workflows.parties import Party, Project
from workflows.sentence import say

#: Roles that see everything; an observer sees what their level does.
ABOVE = ("province_office", "inspection_office", "sponsor_liaison", "sponsor_leader", "administrator")


@dataclass(frozen=True, slots=True)
class Sight:
    """What somebody sees: everything, or these projects and whatever these parties have to do with."""

    everything: bool = False
    projects: frozenset[int] = frozenset()
    #: Those acted for, and the other posts of their organs where an organ answers as one.
    parties: frozenset[int] = frozenset()

    def __or__(self, other: "Sight") -> "Sight":
        """What two see together."""
        return Sight(self.everything or other.everything, self.projects | other.projects, self.parties | other.parties)

    def of(self, projects: Iterable[int]) -> "Sight":
        """The same, narrowed to these projects: of another city's only single issues remain, few to be found by their ids."""
        return Sight(self.everything, self.projects.intersection(projects), self.parties)


EVERYTHING = Sight(everything=True)
NOTHING = Sight()


def sight(parties: Iterable[Party], world: World, today: date) -> Sight:
    """What somebody sees who acts for these parties, and for those whose deputy they are today."""
    seen = NOTHING
    for party in parties:
        for each in world.directory.acting_for(party, today):
            seen |= _alone(each, world)
    return seen


def _alone(party: Party, world: World) -> Sight:
    if not party.active:
        return NOTHING
    if party.role in ABOVE or (party.role == "observer" and party.level == "province"):
        return EVERYTHING
    projects = frozenset(each.id for each in world.projects.values() if _is_theirs(each, party))
    return Sight(False, projects, frozenset(_posts(party, world)))


def _is_theirs(project: Project, party: Party) -> bool:
    match party.level:
        case "city":
            return bool(party.city) and project.city == party.city
        case "department":
            return project.department == party.organ
        case "owner":
            return bool(party.organ) and project.owner_organ == party.organ
        case _:
            return False


def _posts(party: Party, world: World) -> set[int]:
    """An owner's people see their own project only; the posts of any other organ see what the organ answers for."""
    same = (each.id for each in world.directory.parties if each.organ == party.organ) if party.level != "owner" else ()
    return {party.id, *same}


#: Is a column one of the `projects` or `parties` of somebody's sight?
OneOf = Callable[[ColumnElement[int], str], ColumnElement[bool]]


def _values_of(seen: Sight) -> OneOf:
    return lambda column, name: among(column, getattr(seen, name))


def _theirs(of: OneOf) -> list[ColumnElement[bool]]:
    """It is their project, or they answer for it."""
    return [of(ISSUE.c.project_id, "projects"), of(ISSUE.c.lead_id, "parties"), of(ISSUE.c.responsible_id, "parties")]


def _beside(of: OneOf) -> list[ColumnElement[bool]]:
    """They raised it, or stand in."""
    return [of(ISSUE.c.reporter_id, "parties"), of(ISSUE.c.delegate_id, "parties")]


def _asked(of: OneOf) -> Select[tuple[int]]:
    return select(REQUEST.c.issue_id).where(of(REQUEST.c.target_id, "parties"))


def visible(seen: Sight) -> ColumnElement[bool]:
    """The condition on an issue's row. Every list and every page of issues carries it."""
    if seen.everything:
        return true()
    if not seen.projects and not seen.parties:
        return false()
    of = _values_of(seen)
    return or_(*_theirs(of), *_beside(of), ISSUE.c.id.in_(_asked(of)))


def within(connection: Connection, seen: Sight, world: World, now: datetime, narrowed: Narrowed) -> ColumnElement[bool]:
    """The same condition as `visible`, in the words that are read fastest: few issues by their ids, many in a list's order.

    The statement must be `narrowed` so itself. Few are looked up before it: what moves between the two is seen as it was.
    """
    if seen.everything or (not seen.projects and not seen.parties):
        return visible(seen)
    of = _values_of(seen)
    reasons, beside, asked = _theirs(of), _beside(of), _asked(of)
    # what is few already is found by that
    if not narrowed.few:
        others = [*[select(ISSUE.c.id).where(each) for each in beside], asked.distinct()]
        found = finding.gathered(connection, world, now, ("seen", seen), reasons, others, narrowed)
        if found is not None:
            return found
    return or_(*reasons, *beside, finding.not_by_index(connection, ISSUE.c.id).in_(asked))


#: An issue of this number that somebody sees, live or in the archive: asked at every page and action, and put together once.
_SEEN = (
    select(ISSUE.c.id)
    .where(
        ISSUE.c.number == bindparam("number"),
        or_(*_theirs(among_given), *_beside(among_given), ISSUE.c.id.in_(_asked(among_given))),
    )
    .union_all(
        select(ARCHIVED.c.id).where(
            ARCHIVED.c.number == bindparam("number"),
            or_(among_given(ARCHIVED.c.project_id, "projects"), among_given(ARCHIVED.c.lead_id, "parties")),
        )
    )
)


def refuse_unseen(connection: Connection, seen: Sight, number: str) -> None:
    """Raises NotFound for an issue that is outside, in the words of one that does not exist."""
    told = {"number": number, "projects": [*seen.projects], "parties": [*seen.parties]}
    if not seen.everything and connection.execute(_SEEN, told).first() is None:
        raise NotFound(say("there is no issue {number}", number=number), "`escalation list` shows all numbers")


def sees_project(seen: Sight, project: Project) -> bool:
    """Is a project of the ledger within sight? Whoever only has a single issue of it sees that issue, not the project."""
    return seen.everything or project.id in seen.projects
