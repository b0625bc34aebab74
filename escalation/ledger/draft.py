"""What the store would hold with the files in it: every row of an import is checked against that before anything is written."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from difflib import get_close_matches

from escalation.ledger import coherence, people
from escalation.ledger.columns import KINDS
from escalation.ledger.history import BadHistory, History, history, organ_named
from escalation.ledger.lines import AnyLine, AuthorityLine, BadCell, IssueLine, PartyLine, ProjectLine, Sheet
from escalation.ledger.path import BadPath, Move, moves
from escalation.ledger.values import printable
from escalation.world import World, department_organ
from workflows.parties import Competence, Directory, NobodyAnswers, Party, Project, Route
from workflows.rules import Rules

KEYS = {kind.name: kind.key for kind in KINDS}
#: Levels of parties that answer for no stage.
BESIDE_THE_LADDER = ("owner",)


@dataclass(frozen=True, slots=True)
class Told:
    """An issue row that is accepted: what becomes of it."""

    line: IssueLine
    history: History


@dataclass(slots=True)
class Draft:
    """The directory, projects and catalogue as they would be. What is new in it has a negative id until it is written."""

    world: World
    now: datetime
    #: number -> import digest, of the issues in the files that live here already.
    known: dict[str, str]
    rules: Rules = field(init=False)
    parties: dict[str, Party] = field(init=False)
    projects: dict[str, Project] = field(init=False)
    catalogue: dict[str, Competence] = field(init=False)
    told: list[Told] = field(default_factory=list)
    amended: list[IssueLine] = field(default_factory=list)
    unchanged: int = 0
    accepted: list[tuple[Sheet, AnyLine]] = field(default_factory=list)
    #: (kind, code) -> where it came first, over all files of the call.
    _first: dict[tuple[str, str], tuple[Sheet, AnyLine]] = field(default_factory=dict)
    _directory: Directory | None = None
    _routes: dict[tuple[str, str, str], Route] = field(default_factory=dict)

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

    def take(self, sheet: Sheet) -> list[BadCell]:
        """Takes a sheet in; what is wrong with it. Sheets come in the order party, authority, project, issue."""
        wrong: list[BadCell] = []
        if sheet.kind == "party":
            wrong += self._take_parties(sheet)
        for line in sheet.lines:
            if twice := self._twice(sheet, line):
                wrong.append(twice)
                continue
            match line:
                case PartyLine():
                    wrong += self._party_flaws(sheet, line)
                case AuthorityLine():
                    wrong += self._authority(sheet, line)
                case ProjectLine():
                    wrong += self._project(sheet, line)
                case IssueLine():
                    wrong += self._issue(sheet, line)
            if not isinstance(line, IssueLine):
                self.accepted.append((sheet, line))
        return wrong

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
                why = f"is no party{self._nearest(text, [*self.directory.by_name, *self.directory.by_code])}"
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
                why = f"has no {stage.coordinator.role}; import the party first{self._nearest(line.lead_city, cities)}"
                yield bad(sheet, line, "lead_city", line.lead_city, why)
        known = self.projects.get(line.project_code)
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

    # Issues.

    def _issue(self, sheet: Sheet, line: IssueLine) -> list[BadCell]:
        number = line.issue_code
        if number in self.known:
            return self._known_issue(sheet, line, self.known[number])
        project, wrong_project = self._project_of(sheet, line)
        category, wrong_category = self._category_of(sheet, line)
        wrong = [*wrong_project, *wrong_category]
        wrong += [bad(sheet, line, *flaw) for flaw in self._flaws(line)]
        if project is not None and line.city and line.city != project.city:
            why = f"is not the city of {project.code} ({project.city}); mend one of the two"
            wrong.append(bad(sheet, line, "city", line.city, why))
        if wrong or project is None or category is None:
            return wrong
        try:
            self.told.append(Told(line, self.tell(line, project, category, -1)))
        except BadHistory as error:
            return [bad(sheet, line, error.column, str(getattr(line, error.column) or ""), error.why)]
        except NobodyAnswers as error:
            return [bad(sheet, line, "current_level", line.current_level, f"nobody answers for it ({error}); import the parties")]
        return []

    def _flaws(self, line: IssueLine) -> Iterable[coherence.Flaw]:
        workflow, calendar = self.rules.workflow, self.rules.calendar
        path: tuple[Move, ...] = ()
        if line.current_level not in workflow.level:
            known = ", ".join(workflow.level)
            yield coherence.Flaw("current_level", line.current_level, f"is no stage of the workflow; write one of: {known}")
        else:
            try:
                path = moves(line.escalation_path, workflow, line.current_level)
            except BadPath as error:
                yield coherence.Flaw("escalation_path", line.escalation_path, str(error))
        yield from coherence.flaws(line, calendar.local_day(self.now), calendar.zone, path)

    def tell(self, line: IssueLine, project: Project, category: str, issue_id: int) -> History:
        """The history of a row. Raises BadHistory, NobodyAnswers."""
        workflow = self.rules.workflow
        plain = self._route(project, category, "")
        organ = organ_named(line, plain) if line.current_level in workflow.level else ""
        route = self._route(project, category, organ)
        return history(
            line, issue_id, route, self.directory, workflow, self.rules.calendar, rules=self.rules, now=self.now
        )

    def again(self, told: Told, issue_id: int) -> History:
        """The same history with the ids that the parties and projects have got by now."""
        first = told.history.first
        project = next(each for each in (self.project_named(told.line),) if each is not None)
        return self.tell(told.line, project, first.category, issue_id)

    def project_named(self, line: IssueLine) -> Project | None:
        """The ledger's project that the row means, by its code or, without one, its name."""
        if line.project_code:
            return self.projects.get(line.project_code)
        found = [project for project in self.projects.values() if project.name == line.project_name]
        return found[0] if len(found) == 1 else None

    def _route(self, project: Project, category: str, organ: str) -> Route:
        key = (project.code, category, organ)
        found = self._routes.get(key)
        if found is None:
            found = Route(self.rules.workflow, self.directory, project, self.catalogue[category], organ)
            self._routes[key] = found
        return found

    def _known_issue(self, sheet: Sheet, line: IssueLine, digest: str) -> list[BadCell]:
        """It lives here: the same row changes nothing, texts may be amended, and nothing else."""
        whole, _, life = digest.partition(" ")
        if whole == line.digest:
            self.unchanged += 1
            return []
        before, after = set(life.split()), set(line.life.split())
        if before == after:
            self.amended.append(line)
            return []
        moved = sorted({part.partition("=")[0] for part in before ^ after}) if digest else ["issue_code"]
        use = f"the issue lives here now: use `escalation act {printable(line.issue_code)} …`, or restore the cell"
        what = "has changed since it was imported" if digest else "was raised here and not imported"
        return [bad(sheet, line, name, _shown(line, name), f"{what}; {use}") for name in moved]

    def _project_of(self, sheet: Sheet, line: IssueLine) -> tuple[Project | None, list[BadCell]]:
        project = self.project_named(line)
        if project is not None:
            return project, []
        if line.project_code:
            column, text, known = "project_code", line.project_code, list(self.projects)
        else:
            column, text, known = "project_name", line.project_name, [each.name for each in self.projects.values()]
        why = f"is no project of the ledger; import the project first, or mend it{self._nearest(text, known)}"
        return None, [bad(sheet, line, column, text, why)]

    def _category_of(self, sheet: Sheet, line: IssueLine) -> tuple[str | None, list[BadCell]]:
        if line.category_code:
            if line.category_code in self.catalogue:
                return line.category_code, []
            why = f"is not in the authority catalogue{self._nearest(line.category_code, list(self.catalogue))}"
            return None, [bad(sheet, line, "category_code", line.category_code, why)]
        keys = [key for key, each in self.catalogue.items() if line.category in (key, each.name)]
        if len(keys) == 1:
            return keys[0], []
        names = [each.name for each in self.catalogue.values()]
        several = f"means several: {', '.join(keys)}; write one of them in the column category_code"
        why = several if keys else f"is not in the authority catalogue{self._nearest(line.category, names)}"
        return None, [bad(sheet, line, "category", line.category, why)]

    def _nearest(self, text: str, known: Iterable[str]) -> str:
        near = get_close_matches(text, list(known), 1, 0.6)
        return f"; did you mean {near[0]}?" if near else ""


def with_ids(draft: Draft, world: World) -> None:
    """After parties and projects were written: the draft as the store has it now, with real ids."""
    draft.world = world
    draft.parties = dict(world.directory.by_code)
    draft.projects = dict(world.project_by_code)
    draft._directory = world.directory
    draft._routes = {}


def bad(sheet: Sheet, line: AnyLine, column: str, value: str, why: str) -> BadCell:
    """A bad cell of a line, under the header that its sheet has."""
    return BadCell(sheet.name, line.row, sheet.header(column), printable(value), why, sheet.file)


def _shown(line: IssueLine, name: str) -> str:
    value = getattr(line, name)
    return "" if value is None else str(value)


__all__ = ["Draft", "Told", "bad", "with_ids"]
