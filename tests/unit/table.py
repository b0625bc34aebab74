"""The table of domain.md 2.2 and engine.md 2, written down a second time by hand, and a province small enough to know everybody in it.

Nothing here reads the table of `workflows.actions`: it says what the page says, so that the two can be held against each other.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from workflows.actions import act
from workflows.calendar import WorkCalendar
from workflows.decision import decide
from workflows.facts import Act, Decision, Facts, Refusal, Request, Snapshot
from workflows.hats import actor
from workflows.loading import loads, source_of
from workflows.moves import raised
from workflows.parties import Competence, Directory, Party, Project, Route
from workflows.rules import BLANK, Rules

ZONE = ZoneInfo("Asia/Shanghai")

# ---- the table ------------------------------------------------------------------------------------------------------

STAGES = ("city", "department", "province")
INTAKE, ACK, WORK, REVIEW, PAUSED = OPEN = ("pending_intake", "pending_ack", "processing", "pending_review", "suspended")
OVER = ("closed", "rejected", "withdrawn", "merged")
STATUSES = OPEN + OVER

#: action -> who from which statuses. `coordinator` is the stage's own, `superior` the one a level up (at the top: its own).
TABLE: dict[str, dict[str, tuple[str, ...]]] = {
    "dispatch": {"coordinator": (INTAKE,)},
    "reject": {"coordinator": (INTAKE,)},
    "merge": {"coordinator": (INTAKE, WORK)},
    # "not signed yet; after signing only the coordinator may cancel"
    "withdraw": {"reporter": (INTAKE, ACK), "coordinator": (INTAKE, ACK, WORK)},
    "acknowledge": {"handler": (ACK,)},
    "object": {"handler": (ACK, WORK)},
    # "any open": before a dispatch there is nobody to take it from, the coordinator dispatches
    "reassign": {"coordinator": (ACK, WORK, REVIEW, PAUSED)},
    "transfer": {"handler": (WORK,)},
    "agree": {"target": (WORK,)},
    "delegate": {"handler": (WORK,)},
    "co_handle": {"handler": (WORK,), "coordinator": (WORK,)},
    "consult": {"handler": (WORK,)},
    "answer": {"target": OPEN},
    "report_progress": {"handler": (WORK, PAUSED)},
    "submit_plan": {"handler": (WORK,)},
    "urge": {"coordinator": OPEN, "reporter": OPEN},
    "request_extension": {"handler": (WORK,)},
    "request_suspension": {"handler": (WORK,)},
    # "coordinator, or org head's signature": the organ asks, the coordinator escalates
    "request_escalation": {"handler": (ACK, WORK)},
    "escalate": {"coordinator": (ACK, WORK)},
    "escalate_skip": {"office": OPEN},
    "remand": {"office": (ACK, WORK)},
    "approve": {"coordinator": OPEN, "superior": OPEN},
    "deny": {"coordinator": OPEN, "superior": OPEN},
    "resolve": {"handler": (WORK,)},
    "confirm": {"liaison": (REVIEW,)},
    "give_opinion": {"reporter": (REVIEW, "closed")},
    # the superior too: where the coordinator's own organ handled it, nobody else is left
    "close": {"coordinator": (REVIEW,), "superior": (REVIEW,)},
    "return_for_rework": {"coordinator": (REVIEW,), "superior": (REVIEW,)},
    "suspend": {"superior": (WORK,)},
    "resume": {"superior": (PAUSED,)},
    "reopen": {"coordinator": ("closed",), "inspection": ("closed",)},
}
#: Actions that only some stages have.
ONLY_AT = {
    "escalate": ("city", "department"),
    "request_escalation": ("city", "department"),
    "escalate_skip": ("city", "department"),
    "remand": ("province",),
    "confirm": ("province",),
}
#: Actions that need a request that waits: which kinds.
NEEDS_REQUEST = {
    "agree": ("transfer",),
    "answer": ("co_handling", "consultation"),
    "approve": ("extension", "suspension", "objection", "transfer", "escalation"),
    "deny": ("extension", "suspension", "objection", "transfer", "escalation"),
}
#: Who decides on a request: the stage's coordinator, but a pause and a second extension one level up.
DECIDES = {
    "extension": "coordinator",
    "second extension": "superior",
    "suspension": "superior",
    "objection": "coordinator",
    "transfer": "coordinator",
    "escalation": "coordinator",
}

# ---- the people -----------------------------------------------------------------------------------------------------

PEOPLE = {
    "owner": Party(1, "OWNER", "项目单位", "owner", "哈尔滨", "某公司", "project_owner", "a@example.com"),
    "city_coordinator": Party(2, "CC", "市协调员", "city", "哈尔滨", "市专班", "city_coordinator", "b@example.com"),
    "department_coordinator": Party(3, "DC", "厅协调员", "department", "", "省工信厅", "department_coordinator", "c@example.com"),
    "office": Party(4, "PO", "省专班办公室", "province", "", "省专班", "province_office", "d@example.com"),
    "leader": Party(5, "L1", "包保省领导", "province", "", "省政府", "sponsor_leader", "", "联络员"),
    "liaison": Party(6, "LL1", "联络员", "province", "", "省政府", "sponsor_liaison", "e@example.com"),
    "inspection": Party(7, "IO", "督查室", "province", "", "督查室", "inspection_office", "f@example.com"),
    "city_handler": Party(
        8, "CH", "市电力局", "city", "哈尔滨", "哈尔滨市电力局", "responsible_party", "g@example.com", deputy_id=15
    ),
    "department_handler": Party(
        9, "DH", "省电力公司", "department", "", "省电力公司", "responsible_party", "h@example.com", deputy_id=15
    ),
    "other_city": Party(10, "OC", "齐市协调员", "city", "齐齐哈尔", "齐市专班", "city_coordinator", "i@example.com"),
    "city_target": Party(11, "CT", "市住建局", "city", "哈尔滨", "哈尔滨市住建局", "responsible_party", "j@example.com"),
    "department_target": Party(12, "DT", "省住建厅", "department", "", "省住建厅", "responsible_party", "k@example.com"),
    "observer": Party(13, "OB", "观察员", "province", "", "省档案馆", "observer", "l@example.com"),
    "administrator": Party(14, "AD", "管理员", "province", "", "省信息中心", "administrator", "m@example.com"),
    "deputy": Party(15, "DP", "代理人", "city", "哈尔滨", "代理处", "observer", "n@example.com"),
    "city_colleague": Party(16, "C2", "市电力局副职", "city", "哈尔滨", "哈尔滨市电力局", "observer", "o@example.com"),
    "department_colleague": Party(17, "D2", "省电力副职", "department", "", "省电力公司", "observer", "p@example.com"),
    "other_department": Party(18, "OD", "商务厅协调员", "department", "", "省商务厅", "department_coordinator", "q@example.com"),
    "other_organ": Party(19, "OO", "市林草局", "city", "哈尔滨", "哈尔滨市林草局", "responsible_party", "r@example.com"),
    "other_leader": Party(20, "L2", "另一位省领导", "province", "", "省政府", "sponsor_leader", "", "另一位联络员"),
    "other_liaison": Party(21, "LL2", "另一位联络员", "province", "", "省政府", "sponsor_liaison", "s@example.com"),
    "former_owner": Party(22, "O2", "别的项目单位", "owner", "哈尔滨", "别的公司", "project_owner", "t@example.com"),
}
LEVEL_OF_LEAD = {"city": "city", "department": "department", "province": "department"}


def roles(person: str, stage: str, status: str) -> set[str]:
    """Which roles of the table somebody has towards an issue at a stage: engine.md 2, "Who answers", and domain.md 1."""
    level = LEVEL_OF_LEAD[stage]
    handles = {f"{level}_handler", "deputy"} if status != INTAKE else set()
    coordinator = {"city": "city_coordinator", "department": "department_coordinator", "province": "office"}[stage]
    superior = {"city": "department_coordinator", "department": "office", "province": "office"}[stage]
    found = {
        "reporter": {"owner"},
        "handler": handles,
        "coordinator": {coordinator},
        "superior": {superior},
        "office": {"office"},
        # a leader may confirm without the liaison; the liaison does it for the leader
        "liaison": {"liaison", "leader"},
        "inspection": {"inspection"},
        "target": {f"{level}_target"},
    }
    return {role for role, people in found.items() if person in people}


def may(person: str, stage: str, status: str, action: str, requests: tuple[str, ...] = ()) -> bool:
    """Does the page allow this, for somebody who brings what the action needs?"""
    if stage not in ONLY_AT.get(action, STAGES):
        return False
    if action in NEEDS_REQUEST and not set(requests) & set(NEEDS_REQUEST[action]):
        return False
    mine = roles(person, stage, status)
    if "target" in mine and not requests:
        mine -= {"target"}
    return any(role in mine and status in statuses for role, statuses in TABLE[action].items())


# ---- one issue, in the head only ------------------------------------------------------------------------------------

SOURCE = source_of("provincial")
PROJECT = Project(1, "P1", "项目", "哈尔滨", "省工信厅", "某公司", "包保省领导")
POWER = Competence("power", "用电", "city", {"city": "{city}电力局", "department": "省电力公司"})
MONDAY = "2026-09-07 09:00"


def at(text: str) -> datetime:
    """A moment in the province's zone."""
    return datetime.fromisoformat(text).replace(tzinfo=ZONE).astimezone(UTC)


def rules_of(source: str = SOURCE, overrides: dict[date, bool] | None = None, known: tuple[int, ...] = ()) -> Rules:
    """The built-in rules with a calendar."""
    return Rules(loads(source, "test"), WorkCalendar.published(overrides=overrides, known_years=known))


RULES = rules_of()


class Case:
    """One issue without any store: what `act` and `decide` say is done to a value, by the plainest means."""

    def __init__(
        self,
        stage: str = "city",
        severity: str = "major",
        now: str = MONDAY,
        rules: Rules = RULES,
        people: dict[str, Party] = PEOPLE,
        lead: str = "",
    ) -> None:
        self.rules, self.people, self.now = rules, people, at(now)
        self.directory = Directory(people.values())
        self.route = Route(rules.workflow, self.directory, PROJECT, POWER, people[lead].organ if lead else "")
        self.asked: list[Request] = []
        self.journal: list[tuple[datetime, Decision]] = []
        self.stays: list[str] = []
        self.late = 0
        self.facts = self._first(stage, severity)
        self._take(raised(self.facts))

    def _first(self, stage: str, severity: str) -> Facts:
        coordinator = self.route.post(stage).coordinator_id
        values: dict[str, Any] = dict.fromkeys(Facts._fields) | BLANK
        values |= {
            "id": 1,
            "number": "WT26-0001",
            "version": 0,
            "head": b"",
            "workflow": self.rules.workflow.id,
            "project_id": 1,
            "category": "power",
            "severity": severity,
            "organ": "",
            "reporter_id": 1,
            "raised_at": self.now,
            "stage": stage,
            "status": INTAKE,
            "responsible_id": coordinator,
            "lead_id": coordinator,
            "assignment_no": 1,
            "clock_span": "",
            "due_at": self.rules.after(self.now, self.rules.workflow.intake.limit),
            "due_provisional": False,
            "returns_to": "",
            "extensions": 0,
            "yellow_cards": 0,
            "escalations": 0,
            "reopened": 0,
        }
        return Facts(**values)

    def snapshot(self) -> Snapshot:
        objectors = frozenset(each.asked_by_id for each in self.asked if each.kind == "objection")
        return Snapshot(self.facts, self.route, self.pending, self.late, objectors)

    @property
    def pending(self) -> tuple[Request, ...]:
        return tuple(each for each in self.asked if each.state == "pending")

    @property
    def coordinator(self) -> str:
        return {"city": "city_coordinator", "department": "department_coordinator", "province": "office"}[self.facts.stage]

    @property
    def superior(self) -> str:
        return {"city": "department_coordinator", "department": "office", "province": "office"}[self.facts.stage]

    @property
    def handler(self) -> str:
        return f"{LEVEL_OF_LEAD[self.facts.stage]}_handler"

    def at(self, text: str) -> "Case":
        self.now = at(text)
        return self

    def ask(self, action: str, who: str, **more: Any) -> Decision | Refusal:
        """What the rules say, nothing done."""
        for name in ("to",):
            if isinstance(more.get(name), str):
                more[name] = self.people[more[name]]
        for name in ("until",):
            if isinstance(more.get(name), str):
                more[name] = date.fromisoformat(more[name])
        who_acts = actor(self.directory, self.people[who], self.rules.calendar.local_day(self.now))
        return act(self.snapshot(), Act(action, who_acts, **more), self.rules, self.now)

    def do(self, action: str, who: str, **more: Any) -> Decision:
        """It is done; a refusal fails the test."""
        decision = self.ask(action, who, **more)
        assert isinstance(decision, Decision), decision
        self._take(decision)
        return decision

    def refused(self, action: str, who: str, **more: Any) -> str:
        """The code with which it is refused."""
        refusal = self.ask(action, who, **more)
        assert isinstance(refusal, Refusal), f"{action} by {who} was allowed: {refusal}"
        return refusal.code

    def tick(self, text: str | datetime) -> list[str]:
        """Time passes to a moment; what the rules do then by themselves, in order."""
        self.now = at(text) if isinstance(text, str) else text
        done: list[str] = []
        while (decision := decide(self.snapshot(), self.rules, self.now)) is not None:
            self._take(decision)
            done.append(decision.action)
            assert len(done) < 20, f"it never comes to rest: {done}"
        return done

    def until(self, text: str) -> list[tuple[datetime, str]]:
        """Half an hour by half an hour up to a moment; what happened by itself, and when."""
        last, happened = at(text), []
        while self.now < last:
            moment = self.now + timedelta(minutes=30)
            happened += [(moment, action) for action in self.tick(moment)]
        return happened

    def _take(self, decision: Decision) -> None:
        self.journal.append((self.now, decision))
        self.facts = self.facts._replace(**dict(decision.changes), version=self.facts.version + 1)
        if decision.leave:
            self.stays[-1] = decision.leave
        if decision.enter:
            self.stays.append("")
        for each in decision.requests:
            if each.no:
                self.asked[each.no - 1] = each
            else:
                self.asked.append(each._replace(no=len(self.asked) + 1))
        if self.facts.status == PAUSED:
            assert self.facts.resume_at is not None

    def wait_for(self, kind: str, decider: str = "") -> None:
        """A request of this kind waits, whatever the status: made by hand, for tables that try every state."""
        second = kind == "second extension"
        kind = "extension" if second else kind
        who = self.people[f"{LEVEL_OF_LEAD[self.facts.stage]}_target"]
        lead = self.people[self.handler]
        self.asked.append(
            Request(
                1, len(self.asked) + 1, kind, lead.id, self.now, "law_case", self.now + timedelta(days=1),
                decider or ("target" if kind in ("co_handling", "consultation") else "superior" if second else DECIDES[kind]),
                target_id=who.id if kind in ("transfer", "co_handling", "consultation") else None,
                until=self.now + timedelta(days=20) if kind in ("extension", "suspension") else None,
                agreed_at=self.now if kind == "transfer" else None,
            )
        )  # fmt: skip

    def only(self, **changes: Any) -> "Case":
        """Facts set by hand."""
        self.facts = self.facts._replace(**changes)
        return self


def standing(stage: str, status: str, severity: str = "urgent") -> Case:
    """An issue that people have brought to this stage and status."""
    case = Case(stage, severity)
    if status == INTAKE:
        return case
    if status in ("rejected", "withdrawn", "merged"):
        action = {"rejected": "reject", "withdrawn": "withdraw", "merged": "merge"}[status]
        case.do(action, case.coordinator, reason="否", into="WT26-0002", into_open=True, into_same_project=True)
        return case
    case.do("dispatch", case.coordinator)
    if status == ACK:
        return case
    case.do("acknowledge", case.handler)
    if status == PAUSED:
        case.do("suspend", case.superior, until="2026-10-20", reason="law_case")
    if status in (REVIEW, "closed"):
        case.do("resolve", case.handler, reason="办好了")
    if status == "closed":
        case.only(confirmed=True)
        case.do("close", case.coordinator)
    return case
