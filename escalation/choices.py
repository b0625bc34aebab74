"""What somebody may do with an issue now, what each action asks for, and why the others are not possible: pure over the rules."""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from workflows.actions import TABLE, allowed, attempt
from workflows.facts import Act, Actor, Refusal, Request, Snapshot
from workflows.hats import actor, hats
from workflows.parties import Directory, Party
from workflows.requests import ANSWERED, DECIDED
from workflows.rules import Rules

#: What an action takes beside what it needs.
TAKES: dict[str, tuple[str, ...]] = {
    "dispatch": ("to", "reason"),
    "withdraw": ("reason",),
    "reassign": ("until",),
    "co_handle": ("reason", "until"),
    "consult": ("reason", "until"),
    "report_progress": ("until",),
    "urge": ("reason",),
    "approve": ("request", "to", "reason"),
    "deny": ("request",),
    "agree": ("request", "reason"),
    "answer": ("request",),
    "remand": ("until",),
    "confirm": ("reason",),
    "close": ("reason",),
    "resume": ("reason",),
}
#: Actions that files go with.
ATTACHING = frozenset(
    """
    report_progress resolve submit_plan answer object request_extension request_suspension give_opinion return_for_rework
    """.split()
)
#: Refusals that no other reason, date or party would change.
FINAL = frozenset(
    """
    too_late too_often already_asked wrong_state not_allowed own_request no_request own_organ unconfirmed not_agreed nobody
    """.split()
)
#: The kinds of request that an action is about.
ABOUT = {"approve": DECIDED, "deny": DECIDED, "answer": ANSWERED, "agree": ("transfer",)}
#: Actions whose reason begins with one of the workflow's closed list.
PAUSES = ("suspend", "request_suspension")


@dataclass(frozen=True, slots=True)
class Choice:
    """An action that somebody may take, as this party; `why_not` when the rules would refuse it now whatever is given."""

    action: str
    party: Party
    needs: tuple[str, ...]
    takes: tuple[str, ...]
    #: Who it can go to.
    parties: tuple[Party, ...] = ()
    #: Which pending requests it can be about.
    requests: tuple[Request, ...] = ()
    why_not: Refusal | None = None


@dataclass(frozen=True, slots=True)
class NotNow:
    """An action that is not possible: either the issue stands elsewhere (`statuses`), or it is for others (`who`)."""

    action: str
    statuses: tuple[str, ...] = ()
    who: tuple[str, ...] = ()


def choices(
    snapshot: Snapshot, parties: Iterable[Party], rules: Rules, now: datetime, only: Container[str] = TABLE
) -> list[Choice]:
    """What somebody who acts for these parties may do, in the table's order; each action as the first party that may.

    `only`: the actions that are asked about, where not all are.
    """
    today, found = rules.calendar.local_day(now), dict[str, Choice]()
    for party in parties:
        who = actor(snapshot.route.directory, party, today)
        worn = hats(who, snapshot, today)
        for action in allowed(snapshot, worn, only):
            if action not in found or found[action].why_not is not None:
                choice = _choice(action, snapshot, who, worn, rules, now)
                if action not in found or choice.why_not is None:
                    found[action] = choice
    return [found[action] for action in TABLE if action in found]


def not_now(snapshot: Snapshot, parties: Sequence[Party], rules: Rules, now: datetime) -> list[NotNow]:
    """What they may not do, and why: the actions of their hats in other statuses, then those of others in this one."""
    today = rules.calendar.local_day(now)
    worn = {hat for each in parties for hat in hats(actor(snapshot.route.directory, each, today), snapshot, today)}
    later, others = [], []
    for action, rows in TABLE.items():
        mine = [row for row in rows if worn & set(row.who)]
        here = [row for row in rows if snapshot.facts.status in row.statuses]
        if mine and not any(row in mine for row in here):
            later.append(NotNow(action, statuses=tuple(dict.fromkeys(s for row in mine for s in row.statuses))))
        elif here and not mine and snapshot.facts.is_open:
            others.append(NotNow(action, who=tuple(dict.fromkeys(hat for row in here for hat in row.who))))
    return later + others


def _choice(action: str, snapshot: Snapshot, who: Actor, worn: frozenset[str], rules: Rules, now: datetime) -> Choice:
    row = next(row for row in TABLE[action] if snapshot.facts.status in row.statuses and worn & set(row.who))
    takes = tuple(each for each in TAKES.get(action, ()) if each not in row.needs)
    if action == "resolve" and any(each.kind == "co_handling" for each in snapshot.requests):
        takes = (*takes, "note")
    if action in ATTACHING:
        takes = (*takes, "files")
    parties = candidates(action, snapshot, rules)
    if "to" in row.needs and not parties:
        return Choice(action, who.party, row.needs, takes, why_not=Refusal("nobody", "there is no party that it could go to"))

    def no(request: Request | None = None) -> Refusal | None:
        return _refused(_sensible_act(action, snapshot, who, rules, now, parties, request), snapshot, worn, rules, now)

    if action not in ABOUT:
        return Choice(action, who.party, row.needs, takes, parties, why_not=no())
    tried = [(each, no(each)) for each in snapshot.requests if each.kind in ABOUT[action]]
    open_ = tuple(each for each, said in tried if said is None)
    if not any(each.kind == "objection" for each in open_):
        takes = tuple(each for each in takes if each != "to")
    return Choice(action, who.party, row.needs, takes, parties, open_, None if open_ else next((said for _, said in tried), None))


def _refused(given: Act, snapshot: Snapshot, worn: frozenset[str], rules: Rules, now: datetime) -> Refusal | None:
    """Asks the rules; the refusal, if nothing else that somebody could give would help."""
    if given.action == "merge":
        return None
    said = attempt(snapshot, given, worn, rules, now)
    return said if isinstance(said, Refusal) and said.code in FINAL else None


def _sensible_act(
    action: str,
    snapshot: Snapshot,
    who: Actor,
    rules: Rules,
    now: datetime,
    parties: tuple[Party, ...],
    request: Request | None,
) -> Act:
    """The action with what a sensible person would give."""
    return Act(
        action,
        who,
        reason=rules.workflow.suspension.reasons[0].key if action in PAUSES else "……",
        to=parties[0] if parties and (action != "dispatch") else None,
        until=_a_day(action, snapshot, rules, now),
        request_no=request.no if request else None,
        note="……",
    )


def _a_day(action: str, snapshot: Snapshot, rules: Rules, now: datetime) -> date | None:
    facts, calendar = snapshot.facts, rules.calendar
    if action == "request_extension" and facts.due_at is not None:
        return calendar.add_working_days(calendar.due_day(facts.due_at), 1)
    if action in (*PAUSES, "delegate"):
        return calendar.local_day(now) + timedelta(days=1)
    return None


def candidates(action: str, snapshot: Snapshot, rules: Rules) -> tuple[Party, ...]:
    """Who an action can name: for a hand-over organs of the level, nearest first; for a sub-task or an opinion any organ."""
    directory, facts = snapshot.route.directory, snapshot.facts
    lead = directory.by_id[facts.lead_id]
    match action:
        case "dispatch":
            return _handlers(directory, snapshot, (facts.stage,))
        case "reassign" | "transfer" | "approve":
            return tuple(each for each in _handlers(directory, snapshot, (lead.level,)) if each.id != lead.id)
        case "delegate":
            return tuple(each for each in directory.parties if each.active and each.organ == lead.organ and each.id != lead.id)
        case "co_handle" | "consult":
            levels = tuple(stage.key for stage in rules.workflow.stages)
            return tuple(each for each in _handlers(directory, snapshot, levels) if each.id != lead.id)
        case "remand":
            below = rules.workflow.level[facts.stage]
            return _handlers(directory, snapshot, tuple(key for key, level in rules.workflow.level.items() if level < below))
        case _:
            return ()


def _handlers(directory: Directory, snapshot: Snapshot, levels: tuple[str, ...]) -> tuple[Party, ...]:
    """The handlers of the organs of these levels; of cities only the project's own."""
    return directory.handlers_at(levels, snapshot.route.project.city)
