"""A row about an issue that is already somewhere in its life becomes the entries of a journal. Pure.

What a row does not say is chosen so: an issue is raised when the office opens and dispatched at 09:00, it is acknowledged
when the office opens on the working day after the dispatch, solved and closed when the office closes. A row is a look at
09:00 of its `as_of` day, and nothing happens after that.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from escalation.ledger import people
from escalation.ledger.lines import IssueLine
from escalation.ledger.path import BadPath, Move, moves
from escalation.ledger.timing import BadHistory, times_of
from workflows.calendar import WorkCalendar
from workflows.deadlines import Duration
from workflows.definition import Workflow
from workflows.facts import Decision, Facts
from workflows.machine import NoSuchMove
from workflows.moves import newborn
from workflows.parties import Directory, Party, Post, Route
from workflows.rules import BLANK, Rules

IMPORTED = {"imported": "1"}
#: What stays on an issue that is over.
KEPT = ("acknowledged_at", "auto_acknowledged", "suspended_wd", "overdue_at", "letters", "confirmed")
#: States of a row, and what has happened by then after the acknowledgement.
STATES = ("pending_intake", "pending_ack", "processing", "pending_review", "suspended", "closed")


@dataclass(frozen=True, slots=True)
class Step:
    """One entry of the journal to be."""

    at: datetime
    decision: Decision


@dataclass(frozen=True, slots=True)
class History:
    """The facts right after raising, and all that has happened since, oldest first (the raising itself is the first)."""

    first: Facts
    steps: tuple[Step, ...]

    @property
    def last(self) -> Facts:
        """The facts that the steps lead to; version, hash and timer are the store's to set."""
        facts = self.first
        for step in self.steps:
            facts = facts._replace(**step.decision.changes)
        return facts


def history(
    line: IssueLine,
    issue_id: int,
    route: Route,
    directory: Directory,
    workflow: Workflow,
    calendar: WorkCalendar,
    *,
    rules: Rules | None = None,
    now: datetime | None = None,
) -> History:
    """The life of one issue as its row tells it. Raises BadHistory, and NobodyAnswers where not even a coordinator is.

    `rules` saves building them anew for every row. `now`: no entry is later than that.
    """
    teller = _Teller(line, route, directory, rules or Rules(workflow, calendar), now)
    return teller.tell(issue_id)


def organ_named(line: IssueLine, route: Route) -> str:
    """The row's organ where it is another than the catalogue's: it overrides the catalogue on this issue."""
    keys = [stage.key for stage in route.workflow.stages]
    at = keys.index(line.current_level)
    if route.workflow.stages[at].responsible == "sponsor":
        expected = next((name for key in reversed(keys[: at + 1]) if (name := route.organ_name(key))), "")
    else:
        expected = route.organ_name(line.current_level)
    return "" if line.responsible_org == expected else line.responsible_org


class _Teller:
    """Tells one issue's life step by step; `facts` is where the telling stands."""

    def __init__(self, line: IssueLine, route: Route, directory: Directory, rules: Rules, now: datetime | None) -> None:
        self.line, self.route, self.directory, self.rules = line, route, directory, rules
        self.calendar = rules.calendar
        if line.state not in STATES:
            raise BadHistory("state", f"{line.state} has no place in a journal that begins here; leave the row out")
        if line.current_level not in rules.workflow.level:
            known = ", ".join(rules.workflow.level)
            raise BadHistory("current_level", f"is no stage of the workflow; write one of: {known}")
        try:
            self.moves = moves(line.escalation_path, rules.workflow, line.current_level)
        except BadPath as error:
            raise BadHistory("escalation_path", str(error)) from error
        self.stays = [move for move in self.moves if move.way != "skipped"]
        self.times = times_of(line, self.moves, self.calendar, now)
        self.as_of = self.times.as_of
        self.steps: list[Step] = []

    # What happened.

    def tell(self, issue_id: int) -> History:
        """All of it."""
        self.facts = first = self._first(issue_id)
        self.at = min(self.times.raised, self.as_of)
        self.steps.append(Step(self.at, Decision("raise", {}, enter=True, detail=IMPORTED)))
        if self.times.dispatched is not None:
            self._dispatch(self.times.dispatched)
            for number, move in enumerate(self.stays):
                self._go_up(move, last=number == len(self.stays) - 1)
            self._since_dispatch()
        return History(first, tuple(self.steps))

    def _first(self, issue_id: int) -> Facts:
        line = self.line
        told = {
            "id": issue_id,
            "number": line.issue_code,
            "severity": line.severity,
            "organ": organ_named(line, self.route),
            "reporter_id": people.reporter(line.reporter_role, self.route).id,
        }
        return newborn(self.rules, self.route, self._entry(), min(self.times.raised, self.as_of), **told)

    def _entry(self) -> str:
        """Where it entered: above the stages that were skipped."""
        skipped = [move.stage for move in self.moves if move.way == "skipped"]
        if skipped:
            return self.rules.workflow.next_stage[skipped[-1]] or self.line.current_level
        return self.moves[0].stage if self.moves else self.line.current_level

    def _step(self, at: datetime, action: str, changes: dict[str, Any], **more: Any) -> None:
        """One entry; never before the one before it and never after the look at the ledger."""
        self.steps.append(Step(at, Decision(action, changes, detail=IMPORTED, **more)))
        self.at = at
        self.facts = self.facts._replace(**changes)

    def _when(self, at: datetime) -> datetime:
        return max(self.at, min(at, self.as_of))

    def _state(self, trigger: str) -> dict[str, Any]:
        try:
            stage, status = self.rules.state(self.facts, trigger)
        except NoSuchMove as error:
            raise BadHistory("escalation_path", f"{trigger} is not possible from {self.facts.stage}; mend the path") from error
        return {"stage": stage, "status": status}

    def _dispatch(self, at: datetime) -> None:
        at = self._when(at)
        state = self._state("dispatch")
        changes = self._stay(state["stage"], at, last=not self.stays) | state
        self._step(at, "dispatch", changes, leave="dispatched", enter=True)

    def _go_up(self, move: Move, *, last: bool) -> None:
        by_time = move.way == "auto_overdue"
        trigger = "escalate_auto" if by_time else "escalate"
        at = self._when((self.times.given(move.on) if last else None) or self.times.morning(move.on))
        state = self._state(trigger)
        overdue_wd = self.rules.overdue_wd(self.facts.due_at, at) if self.facts.due_at else 0
        changes = self._stay(state["stage"], at, last=last) | state
        changes |= {"escalations": self.facts.escalations + 1, "returns_to": ""}
        outcome = "escalated_overdue" if by_time else "escalated_by_hand"
        self._step(at, trigger, changes, leave=outcome, enter=True, overdue_wd=overdue_wd)

    def _stay(self, stage: str, at: datetime, *, last: bool) -> dict[str, Any]:
        """A stay that begins: with the catalogue's party, or with the row's own where it is the present one."""
        post = self._present(stage) if last else self.route.post(stage)
        changes = self.rules.dispatch_clocks(stage, self.line.severity, at) | {
            "responsible_id": post.responsible_id,
            "lead_id": post.lead_id,
            "assignment_no": self.facts.assignment_no + 1,
        }
        return changes | self._deadline(stage, at, changes["ack_due_at"]) if last else changes

    def _present(self, stage: str) -> Post:
        """Who answers now: the handler of the row's organ; above the organs the sponsor, while that handler leads."""
        lead = self._handler(stage)
        if self.rules.workflow.stage(stage).responsible != "sponsor":
            return Post(lead.id, lead.id, 0)
        return self.route.post(stage, lead.id)._replace(lead_id=lead.id)

    def _handler(self, stage: str) -> Party:
        organ = self.line.responsible_org
        party = self.directory.handlers.get(organ)
        if party is None:
            raise BadHistory("responsible_org", "has no party; import its party first, or mend the name")
        if self.rules.workflow.stage(stage).responsible == "organ" and party.level != stage:
            why = f"is of level {party.level} but the issue is at {stage}; name an organ of {stage}"
            raise BadHistory("responsible_org", why)
        return party

    def _deadline(self, stage: str, at: datetime, acknowledge: datetime) -> dict[str, Any]:
        """The present stay's deadline as the row has it, and how it was counted if the calendar agrees."""
        line, rules = self.line, self.rules
        if line.due_at is not None:
            due_at = self.times.moment(line.due_at)
        elif line.due_on is not None:
            due_at = self.calendar.closing(line.due_on)
        else:
            raise BadHistory("due_on", "is empty; a dispatched issue has a deadline")
        if due_at <= at:
            raise BadHistory("due_at" if line.due_at else "due_on", "is before the dispatch; mend one of the two")
        limit = Duration(line.limit_working_days, "wd") if line.limit_working_days else rules.limit(stage, line.severity)
        counted = rules.deadline(at, limit)
        agrees = counted.at == due_at
        warn_at = rules.warn_at(line.severity, at, due_at)
        if line.ack_due_on is not None:
            acknowledge = max(self.calendar.closing(line.ack_due_on), at)
        return {
            "due_at": due_at,
            "due_provisional": agrees and counted.provisional,
            "clock_span": str(limit) if agrees else "given",
            "ack_due_at": min(acknowledge, due_at),
            "warn_at": warn_at if warn_at is not None and warn_at > self.as_of else None,
        }

    def _since_dispatch(self) -> None:
        state = self.line.state
        if state == "pending_ack":
            return
        self._acknowledge()
        if state in ("pending_review", "closed"):
            self._resolve()
        if state == "closed":
            self._close()
        if state == "suspended":
            self._suspend()

    def _acknowledge(self) -> None:
        line, calendar = self.line, self.calendar
        if line.acknowledged_on is not None:
            at = max(calendar.opening(line.acknowledged_on), self.at)
        else:
            at = calendar.opening(calendar.add_working_days(calendar.local_day(self.at), 1))
            ends = (self.facts.ack_due_at, self._ending())
            at = min(at, *(each for each in ends if each is not None))
        at = self._when(at)
        counted_from = self.as_of if line.state == "processing" else at
        changes = self._state("acknowledge") | {
            "acknowledged_at": at,
            "ack_due_at": None,
            "report_due_at": self.rules.report_due_at(line.severity, counted_from),
        }
        self._step(at, "acknowledge", changes)

    def _ending(self) -> datetime | None:
        """When it was submitted as solved, or closed where only that is known."""
        day = self.line.resolved_submitted_on or self.line.closed_on
        return self.calendar.closing(day) if day else None

    def _resolve(self) -> None:
        ending = self._ending()
        if ending is None:
            raise BadHistory("resolved_submitted_on", "is empty; a solved issue has a date on which that was reported")
        at = self._when(ending)
        stage = self.rules.workflow.stage(self.facts.stage)
        changes = self._state("resolve") | self.rules.stopped(self.facts, at)
        changes |= {"review_due_at": self.rules.after(at, stage.review), "confirmed": False}
        due_at = self.facts.due_at
        if due_at is not None and at > due_at and stage.on_overdue == "repeat":
            noticed = self.calendar.add_working_days(self.calendar.local_day(due_at), 1)
            changes["overdue_at"] = min(at, self.calendar.opening(noticed))
        self._step(at, "resolve", changes)

    def _close(self) -> None:
        if self.line.closed_on is None:
            raise BadHistory("closed_on", "is empty; a closed issue has a date of closing")
        solved, due_at = self.at, self.facts.due_at
        at = self._when(self.calendar.closing(self.line.closed_on))
        changes = {name: value for name, value in BLANK.items() if name not in KEPT} | self._state("close")
        changes["closed_at"] = at
        if self.rules.workflow.stage(self.facts.stage).confirmed_by is not None:
            changes["confirmed"] = True
        overdue_wd = self.rules.overdue_wd(due_at, solved) if due_at else 0
        self._step(at, "close", changes, leave="closed", overdue_wd=overdue_wd)

    def _suspend(self) -> None:
        """When it was suspended the row does not say: taken as of the look at the ledger, at most at the deadline."""
        if self.line.resume_on is None:
            raise BadHistory("resume_on", "is empty; a suspended issue has a date on which it resumes")
        at = self._when(min(self.as_of, self.facts.due_at or self.as_of))
        changes = self._state("suspend") | self.rules.stopped(self.facts, at)
        changes["resume_at"] = self.calendar.opening(self.line.resume_on)
        self._step(at, "suspend", changes)


__all__ = ["BadHistory", "History", "Step", "history", "organ_named"]
