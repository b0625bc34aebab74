"""Every kind of mail in every language, made by the dispatcher itself from facts of the sample ledger."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import orjson

from escalation.app import App
from escalation.config import DatabaseSettings, MailSettings, Settings, SmtpConfig
from escalation.summaries.making import Summariser
from notifications import outbox
from notifications.dispatch import dispatch_once
from notifications.kinds import KINDS, LANGUAGES
from notifications.message import Draft, Message, Outcome, Sent, to_bytes
from notifications.samples import facts
from tests.town import at

NOW = at("2026-11-23 09:00")
BASE = "https://tiji.example.com"
#: A post of the province that reads every summary.
OFFICE = "PT0205"
NAMES = (*KINDS, "digest", "summary_daily", "summary_weekly", "summary_monthly", "circular")
#: Every mail there is: its kind and language.
EACH = tuple((kind, language) for language in LANGUAGES for kind in NAMES)


class Letter(NamedTuple):
    """A mail as it is sent."""

    kind: str
    language: str
    message: Message

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.language}"

    @property
    def raw(self) -> bytes:
        return to_bytes(self.message)


class Post:
    """Keeps every message instead of sending it."""

    def __init__(self) -> None:
        self.taken: list[Message] = []

    async def __aenter__(self) -> "Post":
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def send(self, message: Message) -> Outcome:
        self.taken.append(message)
        return Sent()


def office(folder: Path) -> App:
    """An installation that has nothing in it yet."""
    app = App(
        Settings(
            database=DatabaseSettings(url=f"sqlite:///{folder / 'letters.db'}"),
            mail=MailSettings(base_url=BASE, quiet_hours=False, reminders_daily=False),
            smtp=SmtpConfig(sender="tiji@example.com", domain="tiji.example.com"),
            root=folder,
        )
    )
    app.init(at("2026-09-01 09:00"))
    return app


def letters(folder: Path) -> list[Letter]:
    """All of them: each kind of notice, the digest, and the summaries of the sample ledger."""
    app = office(folder)
    app.import_sample(NOW)
    try:
        return [*_notices(app), *_digests(app), *_summaries(app)]
    finally:
        app.close()


def sent(app: App, drafts: list[Draft]) -> list[Message]:
    """What the dispatcher makes of them and hands to a channel."""
    post = Post()
    with app.store.transaction() as session:
        outbox.enqueue(session, drafts, NOW, "tiji.example.com")
        outbox.approve(session, "now", OFFICE, NOW)
    asyncio.run(dispatch_once(app.mailroom.session, post, app.mailroom.renderer(), app.mailroom.dispatching(NOW), NOW, 500))
    return post.taken


def draft(kind: str, language: str, number: int = 7, to: str = "", **changes: str) -> Draft:
    """A notice as the outbox keeps it."""
    said = facts(kind, language, **changes)
    if said["number"]:
        said["number"] = f"WT26-{number:04}"
        said["link"] = said["link"].replace("WT26-0007", said["number"])
    recipient = to or f"{kind}.{language}@example.com".replace("_", "-").lower()
    return Draft(recipient, kind, language, orjson.dumps(said), f"{kind}:{language}:{number}", said["number"], "PT0026")


def _notices(app: App) -> list[Letter]:
    drafts = {(kind, language): draft(kind, language) for language in LANGUAGES for kind in KINDS}
    messages = {message.recipient: message for message in sent(app, list(drafts.values()))}
    return [Letter(kind, language, messages[each.recipient]) for (kind, language), each in drafts.items()]


def _digests(app: App) -> list[Letter]:
    found = []
    for language in LANGUAGES:
        to = f"digest.{language}@example.com".lower().replace("_", "-")
        kinds = ("escalation_notice", "due_warning", "dispatch_notice", "report_reminder", "review_request", "ack_reminder")
        (message,) = sent(app, [draft(kind, language, number, to) for number, kind in enumerate(kinds, 11)])
        found.append(Letter("digest", language, message))
    return found


def _summaries(app: App) -> list[Letter]:
    """To the office, in each language: the same figures."""
    found = []
    for language in LANGUAGES:
        with app.store.transaction() as session:
            session.connection().exec_driver_sql(f"UPDATE party SET language = '{language}'")
            session.connection().exec_driver_sql("DELETE FROM outbox")
        app.worlds = type(app.worlds)()
        node = Summariser(app.store, app.worlds, app.outgoing, app.summariser.times, "monthly")
        for kind, moment in (("weekly", NOW), ("monthly", at("2026-12-01 09:00")), ("daily", at("2026-11-24 08:30"))):
            composed = node.compose(node.period(kind, moment), moment + timedelta(minutes=1))
            letter = next((each for each in composed.letters if each.reader.code == OFFICE), composed.letters[0])
            (made,) = node._drafts(node.period(kind, moment), [letter])
            (message,) = sent(app, [made._replace(key=f"{made.key}:{language}")])
            found.append(Letter(letter.kind, language, message))
            circular = [each for each in composed.circular if each.kind == "circular"][:1]
            for each in circular:
                (message,) = sent(app, [each._replace(key=f"{each.key}:{language}", approval="now")])
                found.append(Letter("circular", language, message))
    return found
