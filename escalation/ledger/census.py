"""The directory, the catalogue and the ledger as they would be with the files of an import in them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from difflib import get_close_matches

from escalation.ledger import people
from escalation.ledger.columns import KINDS
from escalation.ledger.lines import AnyLine, AuthorityLine, BadCell, PartyLine, ProjectLine, Sheet
from escalation.ledger.values import printable
from escalation.world import World, department_organ
from notifications.message import BadAddress, check_address
from workflows.parties import Competence, Directory, Party, Project
from workflows.rules import Rules

KEYS = {kind.name: kind.key for kind in KINDS}
ADDRESSES = {kind.name: [column.name for column in kind.columns if column.holds == "email"] for kind in KINDS}
#: Levels of parties that answer for no stage.
BESIDE_THE_LADDER = ("owner",)


def bad(sheet: Sheet, line: AnyLine, column: str, value: str, why: str) -> BadCell:
    """A bad cell of a line, under the header that its sheet has."""
    return BadCell(sheet.name, line.row, sheet.header(column), printable(value), why, sheet.file)


def nearest(text: str, known: Iterable[str]) -> str:
    """`; did you mean …?`, or nothing."""
    near = get_close_matches(text, list(known), 1, 0.6)
    return f"; did you mean {near[0]}?" if near else ""


@dataclass(slots=True)
class Census:
    """Parties, projects and categories as they would be. What is new has a negative id until it is written."""

    world: World
    now: datetime
    rules: Rules = field(init=False)
    parties: dict[str, Party] = field(init=False)
    projects: dict[str, Project] = field(init=False)
    catalogue: dict[str, Competence] = field(init=False)
    accepted: list[tuple[Sheet, AnyLine]] = field(default_factory=list)
    #: Are there ids that are not yet those of the store?
    fresh: bool = False
    _directory: Directory | None = None
    #: (kind, code) -> where it came first, over all files of the call.
    _first: dict[tuple[str, str], tuple[Sheet, AnyLine]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rules = self.world.rules()
        self.parties = dict(self.world.directory.by_code)
        self.projects = dict(self.world.project_by_code)
        self.catalogue = {key: self.world.competence("", key) for key in self.world.categories()}

    @property
    def directory(self) -> Directory:
        """All parties as they would be."""
        if self._directory is None:
            self._directory = Directory(self.parties.values())
        return self._directory

    def written(self, world: World) -> None:
        """Parties and projects are in the store by now: takes them with their real ids from there."""
        self.world = world
        self.parties = dict(world.directory.by_code)
        self.projects = dict(world.project_by_code)
        self._directory = world.directory

    def _line(self, sheet: Sheet, line: AnyLine) -> Iterable[BadCell]:
        """Takes one line in, unless it is an issue's; what is wrong with it."""
        match line:
            case PartyLine():
                yield from self._party_flaws(sheet, line)
            case AuthorityLine():
                yield from self._authority(sheet, line)
            case ProjectLine():
                yield from self._project(sheet, line)
            case _:
                return
        for column in ADDRESSES[sheet.kind]:
            if address := getattr(line, column):
                try:
                    check_address(address)
                except BadAddress as error:
                    yield bad(sheet, line, column, address, f"{printable(str(error), 200)}; mend it, or leave it empty")
        self.accepted.append((sheet, line))

    def _twice(self, sheet: Sheet, line: AnyLine) -> BadCell | None:
        """Is the code in an earlier sheet of the call too? (Within one sheet, reading has seen to it.)"""
        key = KEYS[sheet.kind]
        code = getattr(line, key)
        first, other = self._first.setdefault((sheet.kind, code.casefold()), (sheet, line))
        if first is sheet:
            return None
        where = f"{first.file}, sheet {first.name}, row {other.row}"
        return bad(sheet, line, key, code, f"is in {where} already; delete one of the two")

    # Parties.

    def _take_parties(self, sheet: Sheet) -> list[BadCell]:
        """All of them first: they name one another."""
        wrong = []
        owners = {party.name: code for code, party in self.parties.items()}
        for line in sheet.lines:
            assert isinstance(line, PartyLine)
            other = owners.setdefault(line.name, line.party_code)
            if other != line.party_code:
                wrong.append(bad(sheet, line, "name", line.name, f"is the name of {other} already; give each party its own"))
            self.parties[line.party_code] = self._party_value(sheet, line)
        self._directory = None
        return wrong

    def _party_value(self, sheet: Sheet, line: PartyLine) -> Party:
        known = self.parties.get(line.party_code)
        self.fresh = self.fresh or known is None
        fresh = Party(
            known.id if known else -1 - len(self.parties),
            line.party_code,
            line.name,
            line.level,
            line.city,
            line.organ,
            line.role,
            line.email,
            line.mail_goes_to,
            line.language,
            deputy_from=line.deputy_from,
            deputy_until=line.deputy_until,
            active=line.active,
        )
        if known is None:
            return fresh
        given = {name: getattr(fresh, name) for name in sheet.columns if name in Party._fields and name != "deputy"}
        return known._replace(**given)

    def _party_flaws(self, sheet: Sheet, line: PartyLine) -> Iterable[BadCell]:
        levels = (*self.rules.workflow.level, *BESIDE_THE_LADDER)
        if line.level not in levels:
            yield bad(sheet, line, "level", line.level, f"is no level here; write one of: {', '.join(levels)}")
        if line.role == "city_coordinator" and not line.city:
            yield bad(sheet, line, "city", "", "is empty; a city's coordinator has a city")
        for name in ("mail_goes_to", "deputy"):
            text = getattr(line, name)
            if text and self.directory.find(text) is None:
                why = f"is no party{nearest(text, [*self.directory.by_name, *self.directory.by_code])}"
                yield bad(sheet, line, name, text, why)
        if line.deputy_from and line.deputy_until and line.deputy_until < line.deputy_from:
            yield bad(sheet, line, "deputy_until", str(line.deputy_until), "is before deputy_from; mend one of the two")

    # The catalogue and the ledger.

    def _authority(self, sheet: Sheet, line: AuthorityLine) -> Iterable[BadCell]:
        if line.entry_level not in self.rules.workflow.level:
            known = ", ".join(self.rules.workflow.level)
            yield bad(sheet, line, "entry_level", line.entry_level, f"is no stage of the workflow; write one of: {known}")
        strange = [stage for stage in line.organs if stage not in self.rules.workflow.level]
        for stage in strange:
            yield bad(sheet, line, f"{stage}_organ", line.organs[stage], f"is for {stage}, which the workflow has not; clear it")
        self.catalogue[line.category_code] = Competence(line.category_code, line.category, line.entry_level, line.organs)

    def _project(self, sheet: Sheet, line: ProjectLine) -> Iterable[BadCell]:
        for stage in self.rules.workflow.stages:
            if stage.coordinator.of != "city":
                continue
            cities = {party.city for party in self.directory.with_role(stage.coordinator.role)}
            if line.lead_city not in cities:
                why = f"has no {stage.coordinator.role}; import the party first{nearest(line.lead_city, cities)}"
                yield bad(sheet, line, "lead_city", line.lead_city, why)
        known = self.projects.get(line.project_code)
        self.fresh = self.fresh or known is None
        fresh = Project(
            known.id if known else -1 - len(self.projects),
            line.project_code,
            line.project_name,
            line.lead_city,
            department_organ(line.industry_department, self.directory),
            line.owner_org,
            people.sponsor_name(line.sponsor_leader_role),
        )
        if known is not None:
            if "industry_department" not in sheet.columns:
                fresh = fresh._replace(department=known.department)
            if "sponsor_leader_role" not in sheet.columns:
                fresh = fresh._replace(sponsor=known.sponsor)
        self.projects[line.project_code] = fresh
