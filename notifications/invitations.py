"""A deadline as a calendar entry: put into the party's calendar, moved with the deadline, taken out when it no longer runs.

The only home of `icalendar`. Published (RFC 5546), not sent as a meeting: nobody has to accept a deadline, and no answer comes
back. One entry an issue and reader, known by its UID; a higher SEQUENCE replaces what was there.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256

from icalendar import Alarm, Calendar, Event

from notifications.message import Attachment, clean

#: Kinds that give the party that answers a deadline, or another one.
SETTING = frozenset(
    "dispatch_notice escalation_notice deadline_moved request_decided reassigned rework resumed reopened remanded".split()
)
#: Kinds after which the reader no longer has one.
ENDING = frozenset("escalated_from suspended closed withdrawn merged".split())
#: The deadline rings this long before.
AHEAD = timedelta(days=1)
#: How long the entry is: it ends when the time is up.
LENGTH = timedelta(minutes=30)
WORDS = {"zh_CN": "办结时限", "en": "Due"}
#: Who has a deadline in their calendar: the party that answers now, and the one that did before.
READERS = ("responsible", "former")


def invitation(
    kind: str, language: str, facts: Mapping[str, str], recipient: str, made: datetime, domain: str
) -> Attachment | None:
    """The calendar entry that goes with a mail; None where it changes nobody's deadline. `made` is aware, written in UTC."""
    reader = facts.get("recipient_role", "")
    if reader not in READERS:
        return None
    over = kind in ENDING or reader == "former"
    moment = facts.get("due_moment", "")
    if not over and (kind not in SETTING or not moment):
        return None
    due = datetime.fromisoformat(moment) if moment else made
    event = _event(facts, language, due, made, f"{_known(facts, recipient)}@{domain}")
    event.add("status", "CANCELLED" if over else "CONFIRMED")
    calendar = Calendar()
    calendar.add("prodid", "-//Escalation//Deadlines//EN")
    calendar.add("version", "2.0")
    method = "CANCEL" if over else "PUBLISH"
    calendar.add("method", method)
    calendar.add_component(event)
    return Attachment(f"{clean(facts.get('number', '')) or 'deadline'}.ics", "text/calendar", calendar.to_ical())


def _event(facts: Mapping[str, str], language: str, due: datetime, made: datetime, uid: str) -> Event:
    word = WORDS.get(language, WORDS["zh_CN"])
    event = Event()
    event.add("uid", uid)
    event.add("sequence", int(facts.get("sequence") or 0))
    event.add("dtstamp", made)
    event.add("dtstart", due - LENGTH)
    event.add("dtend", due)
    event.add("summary", f"{word} {clean(facts.get('number', ''))} {clean(facts.get('title', ''))}".strip())
    event.add("description", "\n".join(filter(None, (clean(facts.get("project", "")), clean(facts.get("due", ""))))))
    event.add("transp", "TRANSPARENT")
    if link := facts.get("link", ""):
        event.add("url", link)
    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("description", word)
    alarm.add("trigger", -AHEAD)
    event.add_component(alarm)
    return event


def _known(facts: Mapping[str, str], recipient: str) -> str:
    """The same for all entries about one issue in one mailbox, and nobody's address to read."""
    return sha256(f"{facts.get('number', '')}\n{recipient}".encode()).hexdigest()[:32]
