"""The people of the demo: some act in time, some late, some never. Deterministic: the same days every time it runs."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256

from sqlalchemy import select
from sqlmodel import Session

from escalation import commands, queries
from escalation.applying import Outgoing
from escalation.commands import Do, Raise
from escalation.errors import Refused
from escalation.filekinds import Limits, check
from escalation.queries import ISSUE, Loaded
from escalation.world import World
from workflows.actions import allowed
from workflows.deadlines import working_days_left
from workflows.facts import OPEN
from workflows.hats import actor, hats
from workflows.parties import Party

#: What gets stuck while the demo runs: day, project, category, severity, title.
NEW: tuple[tuple[int, str, str, str, str], ...] = (
    (1, "HLJ26-001", "power", "urgent", "二期热处理车间临时用电容量不足"),
    (3, "HLJ26-004", "permit", "major", "总装车间规划核实意见未出具"),
    (7, "HLJ26-006", "financing", "general", "石墨负极项目流动资金贷款担保方未落实"),
    (9, "HLJ26-011", "road_access", "major", "驿站进场道路冬季封闭无替代线路"),
    (14, "HLJ26-003", "port_policy", "major", "查验平台监管验收标准口径不一致"),
    (18, "HLJ26-009", "land", "general", "物流通道用地预审退回补正"),
)

#: What they prove with: a page with nothing on it.
EVIDENCE = check(
    "办结材料.pdf",
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n",
    Limits(),
)


def character(organ: str) -> str:
    """How an organ behaves: `prompt`, `slow` or `silent`, always the same."""
    return ("prompt", "prompt", "slow", "silent")[int(sha256(organ.encode()).hexdigest(), 16) % 4]


def _chance(*of: object) -> float:
    """A number between 0 and 1 that depends on nothing but `of`."""
    return int(sha256(repr(of).encode()).hexdigest()[:8], 16) / 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Deed:
    """Something somebody did, for the timeline."""

    number: str
    action: str
    party: str


def raise_new(session: Session, world: World, day: int, now: datetime, outgoing: Outgoing) -> list[str]:
    """The problems that come up on this day of the demo; their numbers."""
    numbers = []
    for when, project, category, severity, title in NEW:
        if when == day:
            owner = next(
                party
                for party in world.directory.with_role("project_owner")
                if party.organ == world.project_by_code[project].owner_organ
            )
            wanted = Raise(project, category, severity, title, owner.code)
            numbers.append(commands.raise_issue(session, world, wanted, now, outgoing).facts.number)
    return numbers


def act_today(session: Session, world: World, now: datetime, outgoing: Outgoing) -> list[Deed]:
    """Everybody looks at what is open and does what is in their nature."""
    numbers = session.connection().execute(select(ISSUE.c.number).where(ISSUE.c.status.in_(OPEN)).order_by(ISSUE.c.id))
    done = []
    for number in numbers.scalars().all():
        loaded = queries.load(session.connection(), world, [number], now)[number]
        for wanted in _wishes(loaded, world, now):
            try:
                commands.act(session, world, wanted, now, outgoing)
            except Refused:
                continue
            done.append(Deed(number, wanted.action, wanted.party))
            break
    return done


def _wishes(loaded: Loaded, world: World, now: datetime) -> Iterator[Do]:
    """What somebody would do about this issue today, if anybody would."""
    facts, today = loaded.snapshot.facts, world.calendar.local_day(now)
    lead = world.directory.by_id[facts.lead_id]
    if loaded.snapshot.requests:
        yield from _decide(loaded, world, today)
    match facts.status:
        case "pending_intake":
            if _chance("intake", facts.number, today) < 0.8:
                yield Do(facts.number, "dispatch", lead.code)
        case "pending_ack":
            if character(lead.organ) == "prompt":
                yield Do(facts.number, "acknowledge", lead.code)
        case "processing":
            yield from _work(loaded, lead, world, now)
        case "pending_review":
            yield from _review(loaded, world, today)


def _work(loaded: Loaded, lead: Party, world: World, now: datetime) -> Iterator[Do]:
    facts, today = loaded.snapshot.facts, world.calendar.local_day(now)
    nature, luck = character(lead.organ), _chance("work", facts.number, facts.assignment_no, today)
    if nature == "silent":
        return
    if luck < (0.16 if nature == "prompt" else 0.05):
        yield Do(facts.number, "resolve", lead.code, reason="已办结,佐证材料见附件", files=(EVIDENCE,))
    left = working_days_left(now, facts.due_at, world.calendar) if facts.due_at else 0
    if left == 1 and luck < 0.5 and facts.extensions == 0:
        until = world.calendar.add_working_days(world.calendar.local_day(facts.due_at or now), 2)
        yield Do(facts.number, "request_extension", lead.code, reason="等待第三方评审意见", until=until)
    soon = facts.report_due_at is not None and world.calendar.local_day(facts.report_due_at) <= today
    if soon and luck > (0.1 if nature == "prompt" else 0.5):
        yield Do(facts.number, "report_progress", lead.code, reason=f"{today.month}月{today.day}日:已召开协调会,正在推进")


def _review(loaded: Loaded, world: World, today: date) -> Iterator[Do]:
    facts, route = loaded.snapshot.facts, loaded.snapshot.route
    luck = _chance("review", facts.number, today)
    if luck > 0.75:
        return
    stage = route.workflow.stage(facts.stage)
    if stage.confirmed_by and not facts.confirmed:
        yield Do(facts.number, "confirm", world.directory.with_role(stage.confirmed_by)[0].code)
        return
    for party in (route.coordinator(stage), route.superior(facts.stage)):
        if luck < 0.12:
            yield Do(facts.number, "return_for_rework", party.code, reason="佐证材料不足,请补充现场照片")
        yield Do(facts.number, "close", party.code, reason="现场核验属实,同意销号")


def _decide(loaded: Loaded, world: World, today: date) -> Iterator[Do]:
    facts, route = loaded.snapshot.facts, loaded.snapshot.route
    if _chance("decide", facts.number, today) < 0.7:
        stage = route.workflow.stage(facts.stage)
        for party in (route.coordinator(stage), route.superior(facts.stage)):
            yield Do(facts.number, "approve", party.code, reason="同意延期一次")


def may(session: Session, world: World, number: str, party: Party, now: datetime) -> tuple[str, ...]:
    """What a party may do now, for the page that the demo ends on."""
    snapshot = queries.load(session.connection(), world, [number], now, lock=False)[number].snapshot
    today = world.calendar.local_day(now)
    return allowed(snapshot, hats(actor(world.directory, party, today), snapshot, today))
