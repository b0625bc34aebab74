"""What the store would hold with the files in it: every row of an import is checked against that before anything is written."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from escalation.ledger import coherence
from escalation.ledger.census import Census, bad, nearest
from escalation.ledger.history import BadHistory, History, history, organ_named
from escalation.ledger.lines import BadCell, IssueLine, Sheet
from escalation.ledger.path import BadPath, Move, moves
from escalation.ledger.values import printable
from escalation.world import World
from workflows.parties import NobodyAnswers, Project, Route


@dataclass(frozen=True, slots=True)
class Told:
    """An issue row that is accepted: what becomes of it."""

    line: IssueLine
    history: History


@dataclass(slots=True)
class Draft(Census):
    """The census, and what becomes of each issue row in it."""

    #: number -> import digest, of the issues in the files that live here already.
    known: dict[str, str] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)
    amended: list[IssueLine] = field(default_factory=list)
    unchanged: int = 0
    _routes: dict[tuple[str, str, str], Route] = field(default_factory=dict)

    def take(self, sheet: Sheet) -> list[BadCell]:
        """Takes a sheet in; what is wrong with it. Sheets come in the order party, authority, project, issue."""
        wrong: list[BadCell] = []
        if sheet.kind == "party":
            wrong += self._take_parties(sheet)
        for line in sheet.lines:
            if twice := self._twice(sheet, line):
                wrong.append(twice)
            elif isinstance(line, IssueLine):
                wrong += self._issue(sheet, line)
            else:
                wrong += self._line(sheet, line)
        return wrong

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
        return history(line, issue_id, route, self.directory, workflow, self.rules.calendar, rules=self.rules, now=self.now)

    def written(self, world: World) -> None:
        """See `Census.written`."""
        Census.written(self, world)
        self._routes = {}

    def again(self, told: Told, issue_id: int) -> History:
        """The same history with the ids that the parties and projects have got by now."""
        first = told.history.first
        if not self.fresh:
            return History(first._replace(id=issue_id), told.history.steps)
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
        why = f"is no project of the ledger; import the project first, or mend it{nearest(text, known)}"
        return None, [bad(sheet, line, column, text, why)]

    def _category_of(self, sheet: Sheet, line: IssueLine) -> tuple[str | None, list[BadCell]]:
        if line.category_code:
            if line.category_code in self.catalogue:
                return line.category_code, []
            why = f"is not in the authority catalogue{nearest(line.category_code, list(self.catalogue))}"
            return None, [bad(sheet, line, "category_code", line.category_code, why)]
        keys = [key for key, each in self.catalogue.items() if line.category in (key, each.name)]
        if len(keys) == 1:
            return keys[0], []
        names = [each.name for each in self.catalogue.values()]
        several = f"means several: {', '.join(keys)}; write one of them in the column category_code"
        why = several if keys else f"is not in the authority catalogue{nearest(line.category, names)}"
        return None, [bad(sheet, line, "category", line.category, why)]


def _shown(line: IssueLine, name: str) -> str:
    value = getattr(line, name)
    return "" if value is None else str(value)
