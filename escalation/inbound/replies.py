"""A reply becomes a progress report of the right issue and party, or one answer that says why not."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlmodel import Session

from escalation import commands, filing, queries
from escalation.applying import Outgoing
from escalation.commands import Do
from escalation.errors import NotFound, Refused
from escalation.filekinds import BadFile, File, Limits, check, fit_name
from escalation.inbound import people, words
from escalation.inbound.mail import Incoming
from escalation.inbound.outcomes import Outcome
from escalation.inbound.sorting import numbers_in
from escalation.world import World
from notifications import outbox
from notifications.kinds import LANGUAGES
from notifications.message import Draft
from workflows.parties import Party

ACTION = "report_progress"


def recorded(
    session: Session,
    world: World,
    mail: Incoming,
    ours: Sequence[Any],
    now: datetime,
    outgoing: Outgoing,
    limits: Limits,
) -> Outcome | None:
    """Puts a reply to `ours`, which were sent to its writer's own address, on record. None: nobody has that address now."""
    writers = _writers(world, mail, ours)
    if not writers:
        return None
    number = _number(mail, ours)
    if not number:
        return _refused(session, world, mail, "", writers[0], Refused("several", "which issue?"), now, outgoing)
    writer = next((each for each in writers if ACTION in _allowed(session, world, number, each, now)), writers[0])
    try:
        if mail.problem:
            raise Refused("unreadable", mail.problem, _allowed(session, world, number, writer, now))
        files, left_out = _files(session, number, mail, limits)
        wanted = Do(number, ACTION, writer.code, reason=mail.text, files=files, left_out=left_out)
        commands.act(session, world, wanted, now, outgoing)
    except NotFound:
        return _refused(session, world, mail, number, writer, Refused("not_found", f"no issue {number}"), now, outgoing)
    except Refused as refusal:
        return _refused(session, world, mail, number, writer, refusal, now, outgoing)
    return Outcome("progress", number, writer.code)


def _files(session: Session, number: str, mail: Incoming, limits: Limits) -> tuple[tuple[File, ...], tuple[str, ...]]:
    """What came with it and may be kept; and the names of what may not, for the timeline to say so."""
    kept: dict[str, File] = {}
    left_out: list[str] = []
    room = filing.room(session.connection(), queries.one_row(session.connection(), number).id) if mail.contents else 0
    for name, data in zip(mail.attachments, mail.contents, strict=True):
        try:
            if len(kept) >= room:
                raise BadFile(f"{name}: the issue has too many files")
            file = check(name, data, limits)
            kept.setdefault(file.digest, file)
        except BadFile:
            left_out.append(fit_name(name))
    return tuple(kept.values()), tuple(left_out)


def _writers(world: World, mail: Incoming, ours: Sequence[Any]) -> list[Party]:
    """Who has this address, first those whom we had written to."""
    known, addressed = people.with_address(world, mail.sender), {row.party for row in ours}
    return sorted(known, key=lambda party: party.code not in addressed)


def _number(mail: Incoming, ours: Sequence[Any]) -> str:
    """The issue that was written of; where there were several, the one that the subject names."""
    numbers = list(dict.fromkeys(row.about for row in ours if row.about))
    if len(numbers) == 1:
        return str(numbers[0])
    named = [number for number in numbers if number.upper() in numbers_in(mail.subject)]
    return str(named[0]) if len(named) == 1 else ""


def _allowed(session: Session, world: World, number: str, party: Party, now: datetime) -> tuple[str, ...]:
    try:
        return commands.actions_for(session, world, number, party.code, now)
    except NotFound:
        return ()


def _refused(
    session: Session,
    world: World,
    mail: Incoming,
    number: str,
    writer: Party,
    refusal: Refused,
    now: datetime,
    outgoing: Outgoing,
) -> Outcome:
    """One answer a day, person, issue and reason: two machines that answer each other come to an end."""
    language = writer.language if writer.language in LANGUAGES else LANGUAGES[0]
    more = {"reason": words.why(refusal.code, language), "until": words.instead(refusal.allowed, language) if number else ""}
    more |= {} if number else {"title": mail.subject}
    said = people.said(session, world, number, writer, language, now, outgoing.base_url, **more)
    key = f"reply:{number}:{writer.code}:{refusal.code}:{world.calendar.local_day(now)}"
    draft = Draft(mail.sender, "reply_refused", language, said, key, number, writer.code)
    outbox.enqueue(session, [draft], now, outgoing.domain)
    return Outcome("refused", number, f"{writer.code}: {refusal.code}: {refusal.message}")
