"""Who can answer for an issue: parties, the directory that finds them, and the post that a stage falls to."""

from collections.abc import Iterable, Mapping
from datetime import date
from functools import cached_property
from typing import NamedTuple

from workflows.definition import Stage, Workflow

#: Roles of domain.md 1. `responsible_party` is the handler of an organ.
ROLES = (
    "project_owner",
    "responsible_party",
    "city_coordinator",
    "department_coordinator",
    "province_office",
    "sponsor_leader",
    "sponsor_liaison",
    "inspection_office",
    "observer",
    "administrator",
)


class Party(NamedTuple):
    """A post in an organ. `mail_goes_to` names the party that reads its mail (a leader's liaison)."""

    id: int
    code: str
    name: str
    level: str
    city: str
    organ: str
    role: str
    email: str = ""
    mail_goes_to: str = ""
    language: str = "zh_CN"
    deputy_id: int | None = None
    deputy_from: date | None = None
    deputy_until: date | None = None
    active: bool = True


class Project(NamedTuple):
    """What the rules need to know of a project: where it is, who leads it, who sponsors it."""

    id: int
    code: str
    name: str
    city: str
    department: str = ""
    owner_organ: str = ""
    sponsor: str = ""


class Post(NamedTuple):
    """Who answers for one project's issue at one stage; `vacancy` says why it fell to the coordinator."""

    responsible_id: int
    lead_id: int
    coordinator_id: int
    vacancy: str = ""


class Competence(NamedTuple):
    """One row of the authority catalogue: where a category enters and which organ is competent at each stage."""

    category: str
    name: str
    entry: str
    organs: Mapping[str, str]
    #: On what rule, where the catalogue says so.
    note: str = ""


class NobodyAnswers(Exception):
    """No party can take this: neither the organ nor a coordinator of the level is in the directory."""


class Directory:
    """All parties at one moment, with the ways to find them. A value: it is rebuilt when parties change."""

    def __init__(self, parties: Iterable[Party]) -> None:
        self.parties = tuple(parties)
        self.by_id = {party.id: party for party in self.parties}
        self.by_code = {party.code: party for party in self.parties}
        self.by_name = {party.name: party for party in self.parties}

    @cached_property
    def handlers(self) -> dict[str, Party]:
        """The handler of each organ; an organ that only has a coordinator is answered for by that one."""
        found: dict[str, Party] = {}
        for party in self.parties:
            if party.active and (party.role == "responsible_party" or party.organ not in found):
                found[party.organ] = party
        return found

    @cached_property
    def _by_role(self) -> dict[str, list[Party]]:
        found: dict[str, list[Party]] = {}
        for party in self.parties:
            if party.active:
                found.setdefault(party.role, []).append(party)
        return found

    def with_role(self, role: str) -> list[Party]:
        """All active parties with this role, in the directory's order."""
        return self._by_role.get(role, [])

    def find(self, text: str) -> Party | None:
        """The party with this code or name."""
        return self.by_code.get(text) or self.by_name.get(text)

    def reachable(self, party: Party) -> bool:
        """Can mail reach this party: by its own address or by the one that reads its mail?"""
        reader = self.find(party.mail_goes_to) if party.mail_goes_to else None
        return bool(party.active and (party.email or (reader and reader.email)))

    def acting_for(self, party: Party, today: date) -> list[Party]:
        """The party itself and those whose deputy it is on `today`."""
        return [party] + [
            other
            for other in self._deputised.get(party.id, ())
            if other.id != party.id
            and (other.deputy_from is None or other.deputy_from <= today)
            and (other.deputy_until is None or today <= other.deputy_until)
        ]

    @cached_property
    def _deputised(self) -> dict[int, list[Party]]:
        """Those who named a deputy, by that deputy."""
        found: dict[int, list[Party]] = {}
        for party in self.parties:
            if party.deputy_id is not None:
                found.setdefault(party.deputy_id, []).append(party)
        return found

    def handlers_at(self, levels: tuple[str, ...], city: str) -> tuple[Party, ...]:
        """The handlers of the organs of these levels, in their order; of cities only this one. Answers are kept."""
        if (known := self._handlers_at.get((levels, city))) is None:
            found = [each for each in self.handlers.values() if each.level in levels and each.city in ("", city)]
            known = tuple(sorted(found, key=lambda each: (levels.index(each.level), each.id)))
            self._handlers_at[levels, city] = known
        return known

    @cached_property
    def _handlers_at(self) -> dict[tuple[tuple[str, ...], str], tuple[Party, ...]]:
        return {}


class Route:
    """Who answers for the issues of one category and project, stage by stage (engine.md 2, "Who answers")."""

    def __init__(
        self, workflow: Workflow, directory: Directory, project: Project, competence: Competence, organ: str = ""
    ) -> None:
        self.workflow = workflow
        self.directory = directory
        self.project = project
        self.competence = competence
        self.organ = organ
        self._posts: dict[str, Post] = {}

    def post(self, stage_key: str, lead_id: int | None = None) -> Post:
        """The post at a stage. `lead_id`: who leads now, who goes on leading where a sponsor answers.

        Raises NobodyAnswers when not even a coordinator can be found.
        """
        found = self._posts.get(stage_key)
        if found is None:
            found = self._posts[stage_key] = self._find(self.workflow.stage(stage_key))
        if lead_id is not None and self.workflow.stage(stage_key).responsible == "sponsor" and not found.vacancy:
            return found._replace(lead_id=lead_id)
        return found

    def coordinator(self, stage: Stage) -> Party:
        """The coordinator of a stage for this project. Raises NobodyAnswers."""
        for party in self.directory.with_role(stage.coordinator.role):
            if self.covers(stage, party):
                return party
        for fallback in ("province_office", "administrator"):
            if parties := self.directory.with_role(fallback):
                return parties[0]
        raise NobodyAnswers(f"stage {stage.key}: no {stage.coordinator.role} for project {self.project.code}")

    def superior(self, stage_key: str) -> Party:
        """The coordinator one level up; at the top the top's own."""
        keys = [stage.key for stage in self.workflow.stages]
        above = keys[min(keys.index(stage_key) + 1, len(keys) - 1)]
        return self.coordinator(self.workflow.stage(above))

    def organ_name(self, stage_key: str) -> str:
        """The competent organ's name at a stage, the city's proper name filled in; empty if the catalogue has none."""
        template = self.competence.organs.get(stage_key, "")
        city = self.project.city
        return template.replace("{city}", self.workflow.cities.get(city, f"{city}市" if city else ""))

    def covers(self, stage: Stage, party: Party) -> bool:
        """Is this project within the scope of a party with the stage's coordinating role?"""
        if stage.coordinator.of == "city":
            return party.city == self.project.city
        if stage.coordinator.of == "department":
            return party.organ == self.project.department
        return True

    def _find(self, stage: Stage) -> Post:
        coordinator = self.coordinator(stage)
        lead, vacancy = self._lead(stage, coordinator)
        if stage.responsible == "sponsor":
            sponsor = self.directory.find(self.project.sponsor) if self.project.sponsor else None
            sponsor = sponsor or next(iter(self.directory.with_role("sponsor_leader")), None)
            if sponsor is None or not self.directory.reachable(sponsor):
                return Post(coordinator.id, lead.id, coordinator.id, f"no sponsoring leader for {self.project.code}")
            return Post(sponsor.id, lead.id, coordinator.id)
        return Post(lead.id, lead.id, coordinator.id, vacancy)

    def _lead(self, stage: Stage, coordinator: Party) -> tuple[Party, str]:
        organ = self.organ if self.organ and self._at_stage(self.organ, stage) else self._organ_of_or_below(stage)
        party = self.directory.handlers.get(organ)
        if party is None:
            return coordinator, f"no party for organ {organ or '?'} at stage {stage.key}"
        if not self.directory.reachable(party):
            return coordinator, f"{party.name} has no mail address"
        return party, ""

    def _at_stage(self, organ: str, stage: Stage) -> bool:
        party = self.directory.handlers.get(organ)
        return party is not None and party.level == stage.key

    def _organ_of_or_below(self, stage: Stage) -> str:
        """The catalogue's organ for the stage; where it names none, the nearest one below (the lead goes on)."""
        keys = [each.key for each in self.workflow.stages]
        for key in reversed(keys[: keys.index(stage.key) + 1]):
            if name := self.organ_name(key):
                return name
        return ""
