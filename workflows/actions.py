"""What people do: act(snapshot, act, rules, now). The table of domain.md 2.2: who may, from where, and what they must bring."""

from collections.abc import Callable, Container, Set
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from workflows import endings, moves, requests
from workflows.facts import OPEN, Act, Decision, Refusal, Snapshot
from workflows.hats import hats
from workflows.machine import SKIPPING, UPWARDS, WITHIN_A_STAGE, NoSuchMove
from workflows.rules import Rules
from workflows.sentence import Several, say

Move = Callable[[Snapshot, Act, Rules, datetime], Decision | Refusal]


@dataclass(frozen=True, slots=True)
class Allowed:
    """One row of the table: the hats that may, the statuses it starts from, and what must be given."""

    who: tuple[str, ...]
    statuses: tuple[str, ...]
    move: Move
    needs: tuple[str, ...] = ()


def _from(action: str) -> tuple[str, ...]:
    return WITHIN_A_STAGE[action][0]


TABLE: dict[str, tuple[Allowed, ...]] = {
    "dispatch": (Allowed(("coordinator",), _from("dispatch"), moves.dispatch),),
    "reject": (Allowed(("coordinator",), _from("reject"), endings.end, ("reason",)),),
    "merge": (Allowed(("coordinator",), _from("merge"), endings.merge, ("into",)),),
    "withdraw": (
        Allowed(("reporter",), ("pending_intake", "pending_ack"), endings.end),
        Allowed(("coordinator",), _from("withdraw"), endings.end, ("reason",)),
    ),
    "acknowledge": (Allowed(("handler",), _from("acknowledge"), moves.acknowledge),),
    "object": (Allowed(("handler",), ("pending_ack", "processing"), requests.object_, ("reason",)),),
    "reassign": (Allowed(("coordinator",), _from("reassign"), moves.reassign, ("to", "reason")),),
    "transfer": (Allowed(("handler",), _from("transfer"), requests.transfer, ("to", "reason")),),
    "agree": (Allowed(("target",), ("processing",), requests.agree),),
    "delegate": (Allowed(("handler",), ("processing",), moves.delegate, ("to", "until")),),
    "co_handle": (Allowed(("handler", "coordinator"), ("processing",), requests.co_handle, ("to",)),),
    "consult": (Allowed(("handler",), ("processing",), requests.consult, ("to",)),),
    "answer": (Allowed(("target",), OPEN, requests.answer, ("reason",)),),
    "report_progress": (Allowed(("handler",), ("processing", "suspended"), moves.report_progress, ("reason",)),),
    "submit_plan": (Allowed(("handler",), ("processing",), moves.note, ("reason",)),),
    "urge": (Allowed(("coordinator", "reporter"), OPEN, moves.urge),),
    "request_extension": (Allowed(("handler",), ("processing",), requests.extension, ("until", "reason")),),
    "request_suspension": (Allowed(("handler",), ("processing",), requests.suspension, ("until", "reason")),),
    "request_escalation": (Allowed(("handler",), UPWARDS, requests.escalation, ("reason",)),),
    "approve": (Allowed(("coordinator", "superior"), OPEN, requests.approve),),
    "deny": (Allowed(("coordinator", "superior"), OPEN, requests.deny, ("reason",)),),
    "escalate": (Allowed(("coordinator",), UPWARDS, moves.escalate, ("reason",)),),
    "escalate_skip": (Allowed(("province_office",), SKIPPING, moves.escalate_skip, ("reason",)),),
    "remand": (Allowed(("coordinator",), UPWARDS, moves.remand, ("to", "reason")),),
    "resolve": (Allowed(("handler",), _from("resolve"), endings.resolve, ("reason",)),),
    "confirm": (Allowed(("liaison",), ("pending_review",), endings.confirm),),
    "give_opinion": (Allowed(("reporter",), ("pending_review", "closed"), moves.note, ("reason",)),),
    "close": (Allowed(("coordinator", "superior"), _from("close"), endings.close),),
    "return_for_rework": (
        Allowed(("coordinator", "superior"), _from("return_for_rework"), endings.return_for_rework, ("reason",)),
    ),
    "suspend": (Allowed(("superior",), _from("suspend"), moves.suspend, ("until", "reason")),),
    "resume": (Allowed(("superior",), _from("resume"), moves.resume),),
    "reopen": (Allowed(("coordinator", "inspection_office"), _from("reopen"), endings.reopen, ("reason",)),),
}
ACTIONS = tuple(TABLE)


def act(snapshot: Snapshot, wanted: Act, rules: Rules, now: datetime) -> Decision | Refusal:
    """What becomes of the issue when somebody wants to do this; a Refusal says why not and what is allowed instead."""
    worn = hats(wanted.actor, snapshot, rules.calendar.local_day(now))
    done = attempt(snapshot, wanted, worn, rules, now)
    return done if isinstance(done, Decision) else Refusal(done.code, done.message, allowed(snapshot, worn))


def attempt(snapshot: Snapshot, wanted: Act, worn: frozenset[str], rules: Rules, now: datetime) -> Decision | Refusal:
    """The same by somebody whose hats are known; a Refusal says why not alone."""
    status = snapshot.facts.status
    rows = [row for row in TABLE.get(wanted.action, ()) if status in row.statuses]
    if not rows:
        return Refusal(
            "wrong_state", say("{action} is not possible while an issue is {status}", action=wanted.action, status=status)
        )
    row = next((row for row in rows if worn & set(row.who)), None)
    if row is None:
        who = Several(sorted({hat for row in rows for hat in row.who}))
        return Refusal(
            "not_allowed",
            say("{action} is for the {who}; {name} is not", action=wanted.action, who=who, name=wanted.actor.party.name),
        )
    missing = [need for need in row.needs if not getattr(wanted, need)]
    if missing:
        options = " and ".join(f"--{need}" for need in missing)
        return Refusal(
            "incomplete", say("{action} needs {options}", action=wanted.action, options=options, missing=Several(missing))
        )
    try:
        return row.move(snapshot, wanted, rules, now)
    except NoSuchMove:
        stage = snapshot.facts.stage
        called = snapshot.route.workflow.name_of(stage)
        said = say(
            "{action} is not possible from {stage}.{status}", action=wanted.action, stage=stage, status=status, stage_name=called
        )
        return Refusal("wrong_state", said)


def allowed(snapshot: Snapshot, worn: frozenset[str], only: Container[str] = TABLE) -> tuple[str, ...]:
    """The actions that somebody wearing these hats may take now; some still ask for a guard (a time, a date, a reason).

    `only`: the actions that are asked about, where not all are.
    """
    pending = {request.kind for request in snapshot.requests}
    listed = _listed(snapshot.facts.status, worn)
    return tuple(action for action in listed if action in only and _sensible(action, snapshot, pending))


@lru_cache(maxsize=4096)
def _listed(status: str, worn: frozenset[str]) -> tuple[str, ...]:
    """The actions that the table lists for these hats while an issue has this status."""
    return tuple(action for action, rows in TABLE.items() if any(status in row.statuses and worn & set(row.who) for row in rows))


def _sensible(action: str, snapshot: Snapshot, pending: Set[str]) -> bool:
    """Leaves out what could never succeed now: nothing to approve, no stage above, no way down."""
    facts, workflow = snapshot.facts, snapshot.route.workflow
    match action:
        case "approve" | "deny":
            return bool(pending & set(requests.DECIDED))
        case "agree":
            return "transfer" in pending
        case "answer":
            return bool(pending & set(requests.ANSWERED))
        case "escalate" | "request_escalation":
            return workflow.next_stage[facts.stage] is not None
        case "escalate_skip":
            return facts.stage != workflow.top.key
        case "remand":
            return workflow.stage(facts.stage).may_remand
        case "confirm":
            return workflow.stage(facts.stage).confirmed_by is not None and not facts.confirmed
        case _:
            return True
