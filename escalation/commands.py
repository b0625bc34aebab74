"""What people do, as transactions see it: load the facts, ask the rules, apply. The caller commits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from difflib import get_close_matches
from typing import Any, NamedTuple

from sqlalchemy import select, update
from sqlmodel import Session

from escalation import applying, filing, queries
from escalation.applying import Birth, Outgoing, Step
from escalation.clock import utc
from escalation.errors import Conflict, NotFound, Refused, UsageError
from escalation.filekinds import File
from escalation.queries import ISSUE
from escalation.world import World
from workflows import moves
from workflows.actions import act as ask_the_rules
from workflows.actions import allowed
from workflows.decision import recount
from workflows.definition import SEVERITIES
from workflows.facts import Act, Facts, Refusal, Snapshot
from workflows.hats import actor, hats
from workflows.parties import Competence, Party, Project, Route
from workflows.rules import Rules
from workflows.sentence import Several, say

#: No date that people give is further away.
YEARS = 50
#: What an issue is described by, beside the facts; every one has a default.
DESCRIBED = {
    "title": "",
    "description": "",
    "requested_action": "",
    "progress_note": "",
    "complexity": "simple",
    "nature": "individual",
    "authority_level": "",
    "authority_org": "",
    "cooperating_orgs": "",
    "handler_role": "",
    "reporter_role": "",
    "source": "",
    "confidentiality": "non_classified",
    "merged_into": "",
    "import_digest": "",
}


@dataclass(frozen=True, slots=True)
class Raise:
    """A new issue, as its reporter states it."""

    project: str
    category: str
    severity: str
    title: str
    reporter: str
    organ: str = ""
    number: str = ""
    #: A deadline that was given with it (another system's target date); the workflow's limit when left out.
    due_at: datetime | None = None
    files: tuple[File, ...] = ()
    described: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Do:
    """One action on one issue; parties are named by code or name."""

    number: str
    action: str
    party: str
    reason: str = ""
    to: str = ""
    until: date | None = None
    into: str = ""
    files: tuple[File, ...] = ()
    #: Files that came with it and were not taken, each with why.
    left_out: tuple[str, ...] = ()
    request_no: int | None = None
    note: str = ""
    #: The version that the person had before their eyes; Conflict when it has gone on since.
    version: int | None = None


class Raised(NamedTuple):
    """A new issue as it stands, and why it stands there."""

    facts: Facts
    why: tuple[str, ...]


class Moved(NamedTuple):
    """A deadline that was counted again; both in UTC, the same where only a reminder moved."""

    number: str
    before: datetime
    after: datetime


def find_party(world: World, text: str) -> Party:
    """The party with this code or name. Raises NotFound with the nearest names."""
    party = world.directory.find(text)
    if party is None or not party.active:
        raise NotFound(
            say("there is no party {text!r}", text=text), _nearest(text, [*world.directory.by_name, *world.directory.by_code])
        )
    return party


def find_project(world: World, code: str) -> Project:
    """The ledger's project with this code. Raises NotFound."""
    project = world.project_by_code.get(code)
    if project is None:
        raise NotFound(say("there is no project {code!r} in the ledger", code=code), _nearest(code, list(world.project_by_code)))
    return project


def find_category(world: World, text: str) -> Competence:
    """A category of the catalogue by its key or its Chinese name. Raises NotFound; UsageError if the name means several."""
    names = world.categories()
    keys = [text] if text in names else [key for key, name in names.items() if name == text]
    if not keys:
        raise NotFound(say("there is no category {text!r}", text=text), _nearest(text, [*names, *names.values()]))
    if len(keys) > 1:
        raise UsageError(say("category {text} means several: {keys}", text=text, keys=Several(keys)), "name one of them")
    return world.competence(world.active, keys[0])


def _nearest(text: str, known: Sequence[str]) -> str:
    near = get_close_matches(text, known, n=3, cutoff=0.4)
    return (
        say("did you mean {either}?", either=" or ".join(near), near=Several(near))
        if near
        else say("`escalation list` and the ledger show what there is")
    )


def raise_issue(session: Session, world: World, wanted: Raise, now: datetime, outgoing: Outgoing | None) -> Raised:
    """A problem of a project becomes an issue with its entry stage's coordinator. Raises NotFound, UsageError."""
    return raise_many(session, world, [wanted], now, outgoing)[0]


def raise_many(session: Session, world: World, wanted: Sequence[Raise], now: datetime, outgoing: Outgoing | None) -> list[Raised]:
    """Several new issues at once, with consecutive numbers."""
    now, rules = utc(now), world.rules()
    drafted = [_checked(world, rules, each) for each in wanted]
    first_id = applying.next_numbers(session, "issue", len(wanted))
    prefix = f"WT{world.calendar.local_day(now):%y}"
    unnumbered = [each for each in wanted if not each.number]
    following = applying.next_numbers(session, prefix, len(unnumbered)) if unnumbered else 0
    births, routes = [], []
    for offset, (each, (reporter, route)) in enumerate(zip(wanted, drafted, strict=True)):
        number = each.number
        if not number:
            number, following = f"{prefix}-{following:04d}", following + 1
        told = {"severity": each.severity, "organ": each.organ, "reporter_id": reporter.id}
        first = moves.newborn(rules, route, entry_stage(route), now, id=first_id + offset, number=number, **told)
        attributes = DESCRIBED | dict(each.described) | {"title": each.title}
        steps = [(now, filing.noted(moves.raised(first), each.files))]
        if rules.workflow.intake.auto_dispatch and not route.post(first.stage).vacancy:
            steps.append((now, _dispatched(rules, route, first, each, now)))
        births.append(Birth(first, attributes, steps, reporter.code))
        routes.append(route)
    born = {facts.id: facts for facts in applying.bring_in(session, world, births, outgoing)}
    for birth, each in zip(births, wanted, strict=True):
        if each.files:
            filing.attach(session.connection(), birth.first.id, 1, each.files, birth.actor, now)
    return [
        Raised(born[birth.first.id], why(world, born[birth.first.id], route)) for birth, route in zip(births, routes, strict=True)
    ]


def _checked(world: World, rules: Rules, wanted: Raise) -> tuple[Party, Route]:
    reporter, project = find_party(world, wanted.reporter), find_project(world, wanted.project)
    competence = find_category(world, wanted.category)
    if wanted.severity not in SEVERITIES:
        hint = say("a severity is one of {known}", known=Several(SEVERITIES))
        raise UsageError(say("severity {severity!r} is unknown", severity=wanted.severity), hint)
    if not wanted.title.strip():
        raise UsageError("an issue needs a title", "say in one line what is stuck")
    return reporter, world.route(rules.workflow.id, competence.category, project.id, wanted.organ)


def entry_stage(route: Route) -> str:
    """Where the catalogue says that a category enters; the first stage when it names none."""
    entry = route.competence.entry
    return entry if entry in route.workflow.stage_by_key else route.workflow.stages[0].key


def _dispatched(rules: Rules, route: Route, first: Facts, wanted: Raise, now: datetime) -> Any:
    """Where the catalogue decides uniquely, the workflow dispatches without a person."""
    nobody = Act("dispatch", actor(route.directory, route.directory.by_id[first.lead_id], now.date()))
    decision = moves.dispatch(Snapshot(first, route), nobody, rules, now)
    assert not isinstance(decision, Refusal)
    if wanted.due_at is None:
        return decision
    due_at = utc(wanted.due_at)
    changes = {**decision.changes, **moves.given_deadline(first, rules, now, due_at)}
    changes["ack_due_at"] = min(changes["ack_due_at"], due_at)
    return replace(decision, changes=changes)


def why(world: World, facts: Facts, route: Route) -> tuple[str, ...]:
    """Why an issue stands where it does, in sentences."""
    stage = route.workflow.stage(facts.stage)
    organ = route.organ_name(facts.stage)
    party = world.directory.by_id[facts.lead_id]
    said = [f"{route.competence.name} enters at {stage.name.zh} ({facts.stage}) by the authority catalogue"]
    if organ:
        said.append(f"competent there: {organ}")
    if facts.status == "pending_intake":
        said.append(f"{party.name} has {route.workflow.intake.limit} to dispatch it")
    if vacancy := route.post(facts.stage).vacancy:
        said.append(f"it falls to the coordinator: {vacancy}")
    return tuple(said)


def act(session: Session, world: World, wanted: Do, now: datetime, outgoing: Outgoing | None) -> Facts:
    """One action of the state machine. Raises Refused with what is allowed, NotFound, UsageError; then nothing changes."""
    return act_many(session, world, [wanted], now, outgoing)[0]


def act_many(session: Session, world: World, wanted: Sequence[Do], now: datetime, outgoing: Outgoing | None) -> list[Facts]:
    """The same for different issues at once: all or none. Raises as `act` does, for the first that is refused."""
    now = utc(now)
    numbers = [each.number for each in wanted]
    targets = [each.into for each in wanted if each.into]
    loaded = queries.load(session.connection(), world, numbers, now)
    mains = queries.load(session.connection(), world, targets, now, lock=False) if targets else {}
    today = world.calendar.local_day(now)
    steps = []
    for each in wanted:
        issue = loaded[each.number]
        _refuse_changed(issue.snapshot.facts, each.version)
        _refuse_far(each.until, today)
        party = find_party(world, each.party)
        asked = Act(
            action=each.action,
            actor=actor(world.directory, party, today),
            reason=each.reason,
            to=find_party(world, each.to) if each.to else None,
            until=each.until,
            into=each.into,
            attachments=tuple(file.name for file in each.files),
            request_no=each.request_no,
            note=each.note,
        )
        if each.into:
            asked = _with_main(asked, issue.snapshot.facts, mains[each.into].snapshot.facts)
        decision = ask_the_rules(issue.snapshot, asked, world.rules(issue.snapshot.facts.workflow), now)
        if isinstance(decision, Refusal):
            raise Refused(decision.code, decision.message, decision.allowed)
        steps.append(Step(issue, filing.noted(decision, each.files, each.left_out), now, party.code))
    after = applying.apply(session, world, steps, outgoing)
    for facts, step, each in zip(after, steps, wanted, strict=True):
        if each.files:
            filing.attach(session.connection(), facts.id, facts.version, each.files, step.actor, now)
    return after


def _refuse_changed(facts: Facts, seen: int | None) -> None:
    """The optimistic lock of people: nobody acts on what they have not seen."""
    if seen is not None and seen != facts.version:
        raise Conflict(
            say(
                "{number} was changed meanwhile (version {version}, not {seen})",
                number=facts.number,
                version=facts.version,
                seen=seen,
            ),
            "look at it again",
        )


def _refuse_far(until: date | None, today: date) -> None:
    """A slip of the year: working days are not counted into another century."""
    if until is not None and abs(until.year - today.year) > YEARS:
        raise UsageError(say("{until} is more than {years} years away", until=until, years=YEARS), "check the year")


def _with_main(asked: Act, facts: Facts, main: Facts) -> Act:
    same = main.project_id == facts.project_id or main.category == facts.category
    return replace(asked, into_open=main.is_open, into_same_project=same)


def actions_for(session: Session, world: World, number: str, party: str, now: datetime) -> tuple[str, ...]:
    """What this party may do with the issue now."""
    snapshot = queries.load(session.connection(), world, [number], now, lock=False)[number].snapshot
    who = actor(world.directory, find_party(world, party), world.calendar.local_day(now))
    return allowed(snapshot, hats(who, snapshot, world.calendar.local_day(now)))


def recount_deadlines(session: Session, world: World, now: datetime, outgoing: Outgoing | None) -> list[Moved]:
    """Counts every running deadline again after the calendar changed; one for each entry that was written."""
    now = utc(now)
    open_now = select(ISSUE.c.number).where(ISSUE.c.status.in_(("pending_ack", "processing")), ISSUE.c.due_at > now)
    numbers = list(session.connection().execute(open_now).scalars())
    moved: list[Moved] = []
    for start in range(0, len(numbers), queries.CHUNK):
        loaded = queries.load(session.connection(), world, numbers[start : start + queries.CHUNK], now)
        steps = [
            Step(each, decision, now, applying.SYSTEM)
            for each in loaded.values()
            if (decision := recount(each.snapshot, world.rules(each.snapshot.facts.workflow), now)) is not None
        ]
        for facts in applying.apply(session, world, steps, outgoing) if steps else ():
            before = loaded[facts.number].snapshot.facts.due_at
            assert before is not None and facts.due_at is not None
            moved.append(Moved(facts.number, before, facts.due_at))
    return moved


def amend(session: Session, number: str, attributes: Mapping[str, Any]) -> None:
    """Changes what an issue is described by, and nothing else. Raises Refused for one in the archive.

    Raises KeyError for a field that is a fact.
    """
    if unknown := set(attributes) - set(DESCRIBED):
        raise KeyError(f"not a description: {', '.join(sorted(unknown))}")
    if not session.connection().execute(update(ISSUE).where(ISSUE.c.number == number).values(**attributes)).rowcount:
        raise Refused("archived", say("{number} is over and in the archive; its texts stay as they were", number=number))
