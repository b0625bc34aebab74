"""To whom an event leads: the table of who gets which mail, an office's own lines on top, and who each audience is. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches
from typing import NamedTuple

from escalation.errors import BadConfig
from escalation.queries import Texts
from escalation.world import World
from notifications.kinds import KINDS
from workflows.facts import Decision, Facts, Request, Snapshot
from workflows.parties import Party

#: event -> (kind of mail, to whom), in the order in which one person is told first: nobody gets two mails of one decision.
Audience = Mapping[str, tuple[tuple[str, str], ...]]
AUDIENCE: Audience = {
    "raised": (("intake_notice", "coordinator"), ("receipt", "reporter")),
    "dispatched": (
        ("dispatch_notice", "responsible"),
        ("dispatch_notice", "leader"),
        ("receipt", "reporter"),
        ("dispatch_notice", "coordinator"),
    ),
    "acknowledged": (("receipt", "reporter"),),
    "auto_acknowledged": (("ack_reminder", "responsible"), ("ack_reminder", "coordinator")),
    "warned": (("due_warning", "responsible"), ("due_warning", "coordinator"), ("due_warning", "leader")),
    "report_missed": (("report_reminder", "responsible"), ("report_reminder", "coordinator")),
    "escalated": (
        ("escalation_notice", "responsible"),
        ("escalation_notice", "leader"),
        ("escalated_from", "former"),
        ("escalation_notice", "coordinator"),
        ("escalated_from", "former_coordinator"),
    ),
    "overdue_top": (("overdue_top", "responsible"), ("overdue_top", "leader")),
    "letter": (
        ("approval_asked", "coordinator"),
        ("supervision_letter", "responsible"),
        ("supervision_letter", "leader"),
        ("supervision_letter", "inspection"),
    ),
    "intake_late": (("intake_reminder", "coordinator"),),
    "intake_stuck": (("intake_reminder", "superior"), ("intake_reminder", "coordinator")),
    "review_late": (("review_reminder", "coordinator"), ("review_reminder", "superior")),
    "resolved": (("review_request", "reviewer"), ("review_request", "liaison"), ("receipt", "reporter")),
    "confirmed": (("review_request", "reviewer"),),
    "rework": (("rework", "responsible"), ("rework", "leader"), ("receipt", "reporter")),
    "closed": (("closed", "reporter"), ("closed", "responsible"), ("closed", "coordinator"), ("closed", "leader")),
    "reopened": (("reopened", "responsible"), ("reopened", "coordinator"), ("reopened", "reporter"), ("reopened", "leader")),
    "suspended": (("suspended", "responsible"), ("suspended", "coordinator"), ("suspended", "reporter")),
    "resumed": (("resumed", "responsible"), ("resumed", "coordinator")),
    "rejected": (("rejected", "reporter"),),
    "withdrawn": (("withdrawn", "responsible"), ("withdrawn", "coordinator"), ("withdrawn", "reporter")),
    "merged": (("merged", "reporter"), ("merged", "responsible")),
    "reassigned": (("reassigned", "responsible"), ("reassigned", "former"), ("receipt", "reporter")),
    "remanded": (("remanded", "responsible"), ("remanded", "coordinator"), ("remanded", "former")),
    "delegated": (("receipt", "delegate"), ("receipt", "coordinator")),
    "progress": (("receipt", "coordinator"),),
    "noted": (("receipt", "coordinator"), ("receipt", "responsible")),
    "urged": (("urge_notice", "responsible"), ("urge_notice", "leader")),
    "asked": (("request_asked", "decider"), ("request_asked", "target")),
    "tasked": (("co_handling", "target"),),
    "answered": (("request_decided", "responsible"),),
    "agreed": (("request_asked", "decider"),),
    "decided": (("request_decided", "asker"), ("request_decided", "target"), ("receipt", "coordinator")),
    "request_late": (("request_reminder", "decider"), ("request_reminder", "superior")),
    "deadline_moved": (("deadline_moved", "responsible"), ("deadline_moved", "coordinator")),
    "vacancy": (("vacancy", "coordinator"), ("vacancy", "administrator")),
}

#: Kinds that are official texts: drafted by the system, sent when a person has approved them (domain.md 2.8).
APPROVED = ("supervision_letter",)

#: Of these the party that now answers, or the one that raised it, is always told (engine.md, invariant 4).
TOLD: Mapping[str, str] = {
    "dispatched": "responsible",
    "escalated": "responsible",
    "reassigned": "responsible",
    "remanded": "responsible",
    "reopened": "responsible",
    "closed": "reporter",
}


class Also(NamedTuple):
    """A channel beside mail, and which notices go there too: of these kinds (none named: of every kind), for these parties
    (by code) or these audiences."""

    name: str
    kinds: frozenset[str] = frozenset()
    parties: frozenset[str] = frozenset()
    audiences: frozenset[str] = frozenset()

    def takes(self, kind: str, party: str, audience: str) -> bool:
        """Does a notice of this kind, for this party as this audience, go there too?"""
        return (not self.kinds or kind in self.kinds) and (party in self.parties or audience in self.audiences)


def also(name: str, kinds: Sequence[str], parties: Sequence[str], audiences: Sequence[str]) -> Also:
    """Raises BadConfig naming each word that means nothing."""
    problems = [f"{kind} is no kind of notice{_meant(kind, KINDS)}" for kind in kinds if kind not in KINDS]
    problems += [f"{kind} is an official text and goes by mail alone" for kind in kinds if kind in APPROVED]
    problems += [f"{who} is no audience{_meant(who, WHO)}" for who in audiences if who not in WHO]
    if not parties and not audiences:
        problems.append("name parties or audiences, else nothing goes there")
    if problems:
        raise BadConfig(f"channels.{name}: {'; '.join(problems)}", "docs/operating.md lists kinds and audiences")
    return Also(name, frozenset(kinds), frozenset(parties), frozenset(audiences))


class Change(NamedTuple):
    """A decision, and the issue before and after it."""

    snapshot: Snapshot
    texts: Texts
    decision: Decision
    after: Facts
    actor: str
    at: datetime
    #: The requests that the decision made or changed, numbered.
    requests: tuple[Request, ...] = ()


def audience(policy: Mapping[str, Sequence[str]]) -> Audience:
    """Who gets what: the built-in table with an office's own lines on top, as `event: ["kind:audience", …]`.

    Raises BadConfig naming every line that means nothing, or that would leave the party that answers untold.
    """
    problems: list[str] = []
    found = dict(AUDIENCE)
    for event, lines in policy.items():
        pairs = [(kind.strip(), who.strip()) for kind, _, who in (line.partition(":") for line in lines)]
        if event not in AUDIENCE:
            problems.append(f"{event} is no event{_meant(event, AUDIENCE)}")
        problems += [f"{event}: {kind} is no kind of mail{_meant(kind, KINDS)}" for kind, _ in pairs if kind not in KINDS]
        problems += [f"{event}: {who or 'nobody'} is no audience{_meant(who, WHO)}" for _, who in pairs if who not in WHO]
        if TOLD.get(event) not in (None, *[who for _, who in pairs]):
            problems.append(f"{event}: the {TOLD[event]} party must be told")
        found[event] = tuple(pairs)
    if problems:
        raise BadConfig(f"audience: {'; '.join(problems)}", 'write event = ["kind:audience", …]; docs/operating.md lists them')
    return found


def _meant(word: str, known: Iterable[str]) -> str:
    near = get_close_matches(word, list(known), n=1)
    return f" (did you mean {near[0]}?)" if near else ""


# To whom each audience leads; every function takes the change, the world and the request that an event is about.

Who = Callable[[Change, World, Request | None], list[Party]]


def _by_id(world: World, *ids: int | None) -> list[Party]:
    return [world.directory.by_id[each] for each in ids if each in world.directory.by_id]


def _leader(change: Change, world: World, request: Request | None) -> list[Party]:
    after = change.after
    return _by_id(world, after.responsible_id) if after.responsible_id != after.lead_id else []


def _coordinator(change: Change, world: World, request: Request | None) -> list[Party]:
    return _by_id(world, change.snapshot.route.post(change.after.stage).coordinator_id)


def _former_coordinator(change: Change, world: World, request: Request | None) -> list[Party]:
    return _by_id(world, change.snapshot.route.post(change.snapshot.facts.stage).coordinator_id)


def _superior(change: Change, world: World, request: Request | None) -> list[Party]:
    return [change.snapshot.route.superior(change.after.stage)]


def _reviewer(change: Change, world: World, request: Request | None) -> list[Party]:
    """Who may close it: nobody verifies what their own organ handled (domain.md 2.2), then it falls to the one above."""
    found, lead = _coordinator(change, world, request), world.directory.by_id[change.after.lead_id]
    return _superior(change, world, request) if any(each.organ == lead.organ for each in found) else found


def _decider(change: Change, world: World, request: Request | None) -> list[Party]:
    if request is not None and request.decider == "superior":
        return _superior(change, world, request)
    return _coordinator(change, world, request)


def _liaison(change: Change, world: World, request: Request | None) -> list[Party]:
    role = change.snapshot.route.workflow.stage(change.after.stage).confirmed_by
    return world.directory.with_role(role)[:1] if role else []


WHO: dict[str, Who] = {
    "responsible": lambda change, world, request: _by_id(world, change.after.lead_id),
    "leader": _leader,
    "former": lambda change, world, request: _by_id(world, change.snapshot.facts.lead_id),
    "coordinator": _coordinator,
    "former_coordinator": _former_coordinator,
    "reviewer": _reviewer,
    "superior": _superior,
    "reporter": lambda change, world, request: _by_id(world, change.after.reporter_id),
    "inspection": lambda change, world, request: world.directory.with_role("inspection_office")[:1],
    "administrator": lambda change, world, request: world.directory.with_role("administrator")[:1],
    "liaison": _liaison,
    "delegate": lambda change, world, request: _by_id(world, change.after.delegate_id),
    "decider": _decider,
    "target": lambda change, world, request: _by_id(world, request.target_id if request else None),
    "asker": lambda change, world, request: _by_id(world, request.asked_by_id if request else None),
}
