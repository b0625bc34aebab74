"""The words the rules speak in: an issue's facts, what is asked of it, and what was decided."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple

from workflows.parties import Party, Route

OPEN = ("pending_intake", "pending_ack", "processing", "pending_review", "suspended")
TERMINAL = ("closed", "rejected", "withdrawn", "merged")
STATUSES = OPEN + TERMINAL


class Facts(NamedTuple):
    """One issue as its row has it. All moments are aware and in UTC.

    The order of the fields is the order of the columns that a sweep reads.
    """

    id: int
    number: str
    #: Entries in its journal; also the optimistic lock.
    version: int
    #: Hash of the newest journal entry.
    head: bytes
    workflow: str
    project_id: int
    category: str
    severity: str
    #: An organ named on the issue itself; it overrides the catalogue.
    organ: str
    reporter_id: int
    raised_at: datetime
    stage: str
    status: str
    responsible_id: int
    lead_id: int
    assignment_no: int
    #: Where this stay began: the dispatch to the party that answers now.
    dispatched_at: datetime | None
    acknowledged_at: datetime | None
    #: Signed by the system, because nobody did (视同签收).
    auto_acknowledged: bool
    #: The resolve clock: from when (while it is stopped: since when), and how long (`10wd`, or `given` for a set date).
    clock_from: datetime | None
    clock_span: str
    due_at: datetime | None
    due_provisional: bool
    ack_due_at: datetime | None
    warn_at: datetime | None
    report_due_at: datetime | None
    review_due_at: datetime | None
    #: The next repeat of a reminder that has been given once (intake, review, letters at the top).
    remind_at: datetime | None
    resume_at: datetime | None
    #: Escalation waits until then for a decision that was asked for in time.
    hold_until: datetime | None
    #: What was left of the limit when the clock was stopped.
    remaining: str
    #: Working days of this stay that were suspended.
    suspended_wd: int
    overdue_at: datetime | None
    #: After a remand: the stage that an overdue issue goes straight back to.
    returns_to: str
    reminders: int
    extensions: int
    reports_missed: int
    letters: int
    yellow_cards: int
    escalations: int
    reopened: int
    confirmed: bool
    delegate_id: int | None
    delegate_until: date | None
    urged_at: datetime | None
    closed_at: datetime | None
    #: When the newest entry was written; a clock that is set back never makes the journal go backwards.
    changed_at: datetime | None
    wake_at: datetime | None

    @property
    def is_open(self) -> bool:
        """Does somebody still have to do something?"""
        return self.status not in TERMINAL


class Request(NamedTuple):
    """Something asked about an issue: an extension, a suspension, an objection, a transfer, an escalation,
    a sub-task of a cooperating organ, or an opinion. It has a decision clock of its own."""

    issue_id: int
    no: int
    kind: str
    asked_by_id: int
    asked_at: datetime
    reason: str
    decide_by: datetime
    #: Who decides or answers: `coordinator`, `superior`, or `target`.
    decider: str
    target_id: int | None = None
    until: datetime | None = None
    agreed_at: datetime | None = None
    reminded: bool = False
    state: str = "pending"
    decided_by_id: int | None = None
    decided_at: datetime | None = None
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a decision may look at."""

    facts: Facts
    route: Route
    #: The requests that wait for a decision.
    requests: tuple[Request, ...] = ()
    #: How often the lead organ left a dispatch unacknowledged in this calendar month.
    late_acknowledgements: int = 0
    #: Organs that have already objected to this issue.
    objectors: frozenset[int] = frozenset()


class Card(NamedTuple):
    """A yellow or red card that the system proposes; a person confirms it."""

    colour: str
    party_id: int
    ground: str


class Event(NamedTuple):
    """Something people must be told; `notices` knows whom and how. `no` names the request it is about."""

    kind: str
    request_no: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of an issue: one journal entry, and the rows that go with it."""

    action: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    #: The outcome with which the present stay ends; empty if it goes on.
    leave: str = ""
    #: A new stay begins.
    enter: bool = False
    overdue_wd: int = 0
    #: Requests that are new or have changed, whole.
    requests: tuple[Request, ...] = ()
    cards: tuple[Card, ...] = ()
    events: tuple[Event, ...] = ()
    reason: str = ""
    #: What the entry says beside the changes, as text.
    detail: Mapping[str, str] = field(default_factory=dict)
    #: Texts of the issue that people read and that change with it.
    texts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An action that is not allowed: why, and what this party may do now instead. Nothing changes."""

    code: str
    message: str
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a party, and all whom it may act for today."""

    party: Party
    acts_for: tuple[Party, ...]


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody wants to do."""

    action: str
    actor: Actor
    reason: str = ""
    to: Party | None = None
    until: date | None = None
    into: str = ""
    #: The main issue of a merge, as the caller found it.
    into_open: bool = False
    into_same_project: bool = False
    stage: str = ""
    attachments: tuple[str, ...] = ()
    #: Which pending request is meant, where there are several.
    request_no: int | None = None
    #: Why it is resolved although a sub-task is still open.
    note: str = ""
