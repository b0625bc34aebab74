"""Who must be told what: a decision becomes drafts of mails. Pure: it looks at values and hands values on."""

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from datetime import date, datetime
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

import orjson

from escalation.audience import APPROVED, AUDIENCE, WHO, Also, Audience, Change
from escalation.world import World
from notifications.message import Draft
from workflows.facts import Request
from workflows.parties import Directory, NobodyAnswers, Party, Route

#: From this day (month, day) on, next year's calendar should be here: it is published from October to December.
CALENDAR_WANTED = (11, 1)
#: A mail quotes this much of a description (characters); the page has the rest.
LONG = 500
#: How an audience is called in a mail.
RECIPIENT_ROLE = {
    "leader": "liaison",
    "former_coordinator": "coordinator",
    "delegate": "target",
    "decider": "coordinator",
    "reviewer": "coordinator",
}


@lru_cache(maxsize=8192)
def when(at: datetime | None, language: str, zone: str) -> str:
    """A moment as people write it: `11月26日17:00`, `26 Nov 2026 17:00`."""
    if at is None:
        return ""
    local = at.astimezone(ZoneInfo(zone))
    if language == "en":
        return f"{local.day} {local:%b %Y %H:%M}"
    return f"{local.month}月{local.day}日{local:%H:%M}"


@lru_cache(maxsize=256)
def _every(limit: str, language: str) -> str:
    number, unit = limit.rstrip("wdh"), limit.lstrip("0123456789")
    if language == "en":
        word = "working day" if unit == "wd" else "hour"
        return f"every {word}" if number == "1" else f"every {number} {word}s"
    each = "" if number == "1" else number
    return f"每{each}个工作日" if unit == "wd" else f"每{each}小时"


def calendar_missing(world: World, now: datetime) -> Iterator[Draft]:
    """From 1 November on, once a day, the administrator is told that next year's calendar is not imported (engine.md 5).

    Where there is no administrator, the province office.
    """
    calendar = world.calendar
    today = calendar.local_day(now)
    if (today.month, today.day) < CALENDAR_WANTED or not calendar.is_provisional(date(today.year + 1, 1, 4)):
        return
    for party, reader in _administrators(world, today):
        said = {"until": str(today.year + 1), "due": today.isoformat(), "recipient_name": party.name}
        key = f"calendar:{today.year + 1}:{today.isoformat()}:{party.code}"
        yield Draft(reader.email, "calendar_missing", reader.language, orjson.dumps(said), key, "", party.code, False, None)


def templates_broken(world: World, problems: Iterable[str], now: datetime) -> Iterator[Draft]:
    """The administrator is told of each template that could not be used (`template NAME: why`), once a day."""
    today = world.calendar.local_day(now)
    for problem in problems:
        name, _, why = problem.removeprefix("template ").partition(": ")
        for party, reader in _administrators(world, today):
            said = {"title": name, "reason": why, "recipient_name": party.name, "recipient_role": "administrator"}
            key = f"template:{name}:{today.isoformat()}:{party.code}"
            yield Draft(reader.email, "template_broken", reader.language, orjson.dumps(said), key, "", party.code)


def _administrators(world: World, today: date) -> Iterator[tuple[Party, Party]]:
    """Those who look after the installation, and who reads their mail; the province office where there is no administrator."""
    for party in world.directory.with_role("administrator") or world.directory.with_role("province_office"):
        reader = reader_of(party, world, today)
        if reader is not None:
            yield party, reader


class Letter(NamedTuple):
    """One mail of a plan: its kind, the party it is for, and who reads it."""

    kind: str
    party: Party
    reader: Party
    #: What is said to this reader alone, as the end of the facts' JSON.
    tail: bytes
    #: Nobody reads the mail of this party, so the reader is told.
    unreachable: str = ""
    #: The channel beside mail that it goes to.
    channel: str = ""


def drafts(
    change: Change, world: World, base_url: str = "", policy: Audience = AUDIENCE, also: tuple[Also, ...] = ()
) -> Iterator[Draft]:
    """The mails of a decision: one person, one mail; and what goes to other channels too: a kind and channel, one message."""
    after, decision = change.after, change.decision
    bodies: dict[str, bytes] = {}
    urgent = after.severity == "urgent"
    start = f"{after.number}:{after.version}:"
    for letter in _plan(change, world, policy, also):
        language = letter.reader.language
        body = bodies.get(language)
        if body is None:
            said = _said(change, world, language, base_url, decision.reason)
            body = bodies[language] = _known(change, world, language) + _json(said)[1:-1]
        key = f"{start}{letter.kind}:{letter.party.code}"
        if letter.unreachable:
            reason = f"{letter.unreachable}: no mail address" if language == "en" else f"{letter.unreachable}没有可用的邮箱"
            said = _said(change, world, language, base_url, reason)
            facts = _known(change, world, language) + _json(said)[1:-1] + letter.tail
            key = f"{start}{letter.kind}:{letter.unreachable}:{letter.party.code}"
        else:
            facts = body + letter.tail
        approval = f"letter:{after.number}:{after.letters}" if letter.kind in APPROVED else ""
        to, channel = letter.reader.email, "mail"
        if letter.channel:
            key, to, channel = f"{start}{letter.kind}@{letter.channel}", letter.channel, letter.channel
        yield Draft(to, letter.kind, language, facts, key, after.number, letter.party.code, urgent, None, approval, None, channel)


def _plan(change: Change, world: World, policy: Audience, also: tuple[Also, ...]) -> tuple[Letter, ...]:
    """To whom a decision's mails go. Issues of one sweep share it: it depends on who is who, not on the issue."""
    if change.requests:
        return tuple(_letters(change, world, policy, also))
    before, after, today = change.snapshot.facts, change.after, world.calendar.local_day(change.at)
    shared = (
        "plan",
        id(policy),
        also,
        change.decision.events,
        id(change.snapshot.route),
        before.stage,
        before.lead_id,
        after.stage,
        after.responsible_id,
        after.lead_id,
        after.reporter_id,
        after.delegate_id,
        today,
    )
    found: tuple[Letter, ...] | None = world.memo.get(shared)
    if found is None:
        found = world.remember(shared, tuple(_letters(change, world, policy, also)), today)
    return found


def _letters(change: Change, world: World, policy: Audience, also: tuple[Also, ...]) -> Iterator[Letter]:
    told: set[tuple[int, bool]] = set()
    posted: set[tuple[str, str]] = set()
    today = world.calendar.local_day(change.at)
    for event in change.decision.events:
        request = _request(change, event.request_no)
        for kind, audience in policy[event.kind]:
            for party in WHO[audience](change, world, request):
                for each in also if kind not in APPROVED else ():
                    if each.takes(kind, party.code, audience) and (kind, each.name) not in posted:
                        posted.add((kind, each.name))
                        yield Letter(kind, party, party, _tail(party, audience, request), channel=each.name)
                # what only becomes a mail when it is approved takes no mail's place
                once = (party.id, kind in APPROVED)
                if once in told:
                    continue
                told.add(once)
                reader = reader_of(party, world, today)
                if reader is None:
                    yield from _instead(change, world, party, today)
                else:
                    yield Letter(kind, party, reader, _tail(party, audience, request))


def _tail(party: Party, audience: str, request: Request | None) -> bytes:
    said = {
        "recipient_name": party.name,
        "recipient_role": RECIPIENT_ROLE.get(audience, audience),
        "request_kind": request.kind if request else "",
        "decision": request.state if request else "",
    }
    return b"," + _json(said)[1:]


def _instead(change: Change, world: World, party: Party, today: date) -> Iterator[Letter]:
    """Nobody reads this party's mail: the level's coordinator gets it, and the administrator is told."""
    for audience in ("coordinator", "administrator"):
        for other in WHO[audience](change, world, None):
            reader = reader_of(other, world, today)
            if reader is not None and other.id != party.id:
                yield Letter("vacancy", other, reader, _tail(other, audience, None), party.name)


def reader_of(party: Party, world: World, today: date) -> Party | None:
    """Who reads a party's mail today: the deputy during an absence, the liaison of a leader, or itself.

    Where mail to that one comes back, the party's deputy stands in; None: nobody reads it.
    """
    return who_reads(party, world.directory, world.bounced, today)


def who_reads(party: Party, directory: Directory, bounced: AbstractSet[str], today: date) -> Party | None:
    """The same, with the addresses where no mail arrives handed in, in small letters."""
    deputy = directory.by_id.get(party.deputy_id) if party.deputy_id is not None else None
    stand_in = deputy if deputy is not None and deputy.active and _arrives(deputy, bounced) else None
    if stand_in is not None and _away(party, today):
        return stand_in
    itself = party if party.active else None
    own = directory.find(party.mail_goes_to) if party.mail_goes_to else itself
    if own is None or not own.email:
        return None
    return own if _arrives(own, bounced) else stand_in


def _arrives(party: Party, bounced: AbstractSet[str]) -> bool:
    return bool(party.email) and party.email.casefold() not in bounced


def _away(party: Party, today: date) -> bool:
    begun = party.deputy_from is None or party.deputy_from <= today
    return begun and (party.deputy_until is None or today <= party.deputy_until)


def _known(change: Change, world: World, language: str) -> bytes:
    """What a mail says that many issues of a sweep share, as the beginning of its JSON."""
    before, after = change.snapshot.facts, change.after
    shared = (
        "known",
        language,
        id(change.snapshot.route),
        before.stage,
        before.lead_id,
        after.stage,
        after.status,
        after.severity,
        after.responsible_id,
        after.lead_id,
        after.returns_to,
        change.actor,
    )
    found: bytes | None = world.memo.get(shared)
    if found is None:
        found = world.remember(shared, _json(_names(change, world, language))[:-1] + b",")
    return found


def _names(change: Change, world: World, language: str) -> dict[str, str]:
    before, after, route = change.snapshot.facts, change.after, change.snapshot.route
    workflow = world.rules(after.workflow).workflow
    party, stage = world.directory.by_id, workflow.stage(after.stage)
    following = after.returns_to or workflow.next_stage[after.stage]
    actor = world.directory.by_code.get(change.actor)
    return {
        "project": route.project.name,
        "city": route.project.city,
        "category": route.competence.name,
        "severity": after.severity,
        "stage": stage.name.in_language(language),
        "status": after.status,
        "responsible": party[after.responsible_id].organ,
        "lead_organ": party[after.lead_id].organ,
        "coordinator": _coordinator_name(route, after.stage),
        "report_every": _every(str(workflow.progress[after.severity]), language),  # type: ignore[index]
        "next_stage": workflow.stage(following).name.in_language(language) if following else "",
        "next_responsible": _next_responsible(route, following),
        "from_stage": workflow.stage(before.stage).name.in_language(language),
        "from_responsible": party[before.lead_id].organ,
        "actor": actor.name if actor else "",
        "actor_role": actor.role if actor else "system",
        "cc": "",
    }


def _json(said: dict[str, str]) -> bytes:
    """JSON of what there is to say: an empty fact reads the same as one that is not there."""
    return orjson.dumps({name: value for name, value in said.items() if value})


def _said(change: Change, world: World, language: str, base_url: str, reason: str) -> dict[str, str]:
    """What a mail says of this issue; times are written as people write them."""
    before, after, zone = change.snapshot.facts, change.after, world.calendar.zone_name
    texts, decision = change.texts, change.decision
    rules = world.rules(after.workflow)
    return {
        "number": after.number,
        "title": texts.title,
        "cooperating": texts.cooperating_orgs,
        "description": texts.description[:LONG],
        "progress": texts.progress_note[:LONG],
        "link": f"{base_url}/issues/{after.number}" if base_url else "",
        "due": when(after.due_at, language, zone),
        "ack_due": when(after.ack_due_at, language, zone),
        "reason": reason,
        "until": when(change.requests[0].until, language, zone) if change.requests else "",
        "overdue_days": str(rules.overdue_wd(before.due_at, change.at)) if before.due_at else "",
        "letter_number": str(after.letters) if after.letters else "",
        "card": decision.cards[0].colour if decision.cards else "",
        "resume_on": when(after.resume_at, language, zone),
        "now": when(change.at, language, zone),
        "provisional": "1" if after.due_provisional else "",
        "due_moment": after.due_at.isoformat() if after.due_at else "",
        "sequence": str(after.version),
    }


def _coordinator_name(route: Route, stage: str) -> str:
    return route.directory.by_id[route.post(stage).coordinator_id].name


def _next_responsible(route: Route, stage: str | None) -> str:
    if stage is None:
        return ""
    try:
        return route.directory.by_id[route.post(stage).responsible_id].organ
    except NobodyAnswers:
        return ""


def _request(change: Change, no: int) -> Request | None:
    return next((each for each in change.requests if each.no == no), None) if no else None
