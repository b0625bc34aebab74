"""Signed, expiring, single-purpose links in mails: one issue, one action, one party, once (promises.md, row 17).

The only home of `itsdangerous`. A link is made while its mail is rendered and kept nowhere; looking at one changes nothing; using
one and what it does are one transaction, so that it works once, whoever presses it twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from hashlib import sha256
from hmac import compare_digest
from secrets import token_urlsafe
from typing import Any, NamedTuple

from itsdangerous import BadData, Signer, URLSafeSerializer
from itsdangerous.encoding import want_bytes
from sqlalchemy import Connection, delete, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from escalation import commands, waking
from escalation.applying import Outgoing
from escalation.commands import Do
from escalation.database import Store
from escalation.errors import EscalationError, Refused
from escalation.models import Secret, UsedLink
from escalation.world import WorldReader
from notifications.claiming import Claimed
from workflows.sentence import say

SECRET = Secret.__table__  # type: ignore[attr-defined]
USED = UsedLink.__table__  # type: ignore[attr-defined]
PURPOSE = "links"
USED_ALREADY = say("this link was used already; it works once")

#: What a reader of a mail can do at once: kind of mail -> the reader's role -> actions.
_BEGIN = {"responsible": ("acknowledge", "report_progress", "request_extension")}
_GO_ON = {"responsible": ("report_progress", "request_extension")}
OFFERED: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("dispatch_notice", "escalation_notice", "reassigned", "remanded"), _BEGIN),
    **dict.fromkeys(
        "ack_reminder due_warning report_reminder urge_notice rework resumed reopened deadline_moved request_decided".split(),
        _GO_ON,
    ),
    "review_request": {"liaison": ("confirm",)},
}
WORDS: Mapping[str, Mapping[str, str]] = {
    "zh_CN": {
        "acknowledge": "签收",
        "report_progress": "反馈进展",
        "request_extension": "申请延期",
        "confirm": "确认已解决",
    },
    "en": {
        "acknowledge": "Acknowledge",
        "report_progress": "Report progress",
        "request_extension": "Ask for an extension",
        "confirm": "Confirm that it is solved",
    },
}


class BadLink(EscalationError):
    """A link that does nothing: `code` is tampered, expired or used."""

    exit_code = 3
    status = 410

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message, say("log in and open the issue, or ask its coordinator"))
        self.code = code


class Claim(NamedTuple):
    """What a link says: who may do what to which issue until when."""

    number: str
    action: str
    party: str
    expires: datetime
    #: The message that it came with, so that two mails never carry the same link.
    key: str


class _Hexadecimal(Signer):
    """Signatures in hexadecimal, believed in that spelling alone.

    Base64 reads four last letters as the same bytes, so that a link could be spelled anew, and used again; and one of two
    thousand has a stretch that mail filters take for a Bitcoin address.
    """

    def get_signature(self, value: str | bytes) -> bytes:
        return self._signature(value, self.secret_key)

    def verify_signature(self, value: str | bytes, sig: str | bytes) -> bool:
        return any(compare_digest(self._signature(value, key), want_bytes(sig)) for key in self.secret_keys)

    def _signature(self, value: str | bytes, key: bytes) -> bytes:
        return self.algorithm.get_signature(self.derive_key(key), want_bytes(value)).hex().encode()


class LinkSigner:
    """Makes links and reads them again. The newest key signs, every key that is kept is believed."""

    def __init__(self, keys: Sequence[str], base_url: str, life: timedelta) -> None:
        self._serializer = URLSafeSerializer(
            list(keys), salt="escalation.links", signer=_Hexadecimal, signer_kwargs={"digest_method": sha256}
        )
        self.base_url, self.life = base_url, life

    def link(self, claim: Claim) -> str:
        """Where a link leads."""
        said = [claim.number, claim.action, claim.party, int(claim.expires.timestamp()), claim.key]
        return f"{self.base_url}/a/{self._serializer.dumps(said)}"

    def read(self, token: str, now: datetime) -> Claim:
        """What a token says. Raises BadLink when it was not made here, or is too old."""
        try:
            number, action, party, expires, key = self._serializer.loads(token)
        except (BadData, ValueError, TypeError) as error:
            raise BadLink("tampered", "this link is not one of ours, or its key is no longer in use") from error
        claim = Claim(number, action, party, datetime.fromtimestamp(expires, now.tzinfo), key)
        if now > claim.expires:
            raise BadLink("expired", say("this link was good until {at} and has run out", at=claim.expires.date()))
        return claim

    def actions(self, each: Claimed, facts: Mapping[str, str], now: datetime) -> Sequence[tuple[str, str]]:
        """What the reader of a mail can do at once: words and links, as the dispatcher asks for them."""
        offered = OFFERED.get(each.kind, {}).get(facts.get("recipient_role", ""), ())
        words = WORDS.get(each.language, WORDS["zh_CN"])
        return [
            (words[action], self.link(Claim(each.about, action, each.party, now + self.life, each.key[-40:])))
            for action in offered
        ]


@dataclass(frozen=True, slots=True)
class Links:
    """The links of an installation: its keys are in the store, so that every node makes and believes the same."""

    store: Store
    worlds: WorldReader
    outgoing: Outgoing
    life: timedelta

    def signer(self, now: datetime) -> LinkSigner:
        """With the keys as they are now; the first one is made when there is none."""
        with self.store.reading() as session:
            keys = _keys(session.connection())
        if not keys:
            keys = self.store.write(lambda session: _made(session, now))
        return LinkSigner(keys, self.outgoing.base_url, self.life)

    def rotate(self, now: datetime, *, at_once: bool = False) -> None:
        """New links are signed with a new key. Old links go on until they run out; `at_once`: they are dead now."""

        def work(session: Session) -> None:
            connection = session.connection()
            made = list(
                connection.execute(select(SECRET.c.id, SECRET.c.made_at).where(SECRET.c.purpose == PURPOSE).order_by(SECRET.c.id))
            )
            # a key signed until the next one was made, and what it signed lives on from then
            signed_until = [*[each.made_at for each in made], now][1:]
            dead = [row.id for row, until in zip(made, signed_until, strict=True) if at_once or until + self.life < now]
            connection.execute(delete(SECRET).where(SECRET.c.id.in_(dead)))
            connection.execute(delete(USED).where(USED.c.expires_at < now))
            _add(connection, now)

        self.store.write(work)

    def use(self, token: str, now: datetime, *, reason: str = "", until: date | None = None) -> dict[str, Any]:
        """Does what a link is for, once; the issue as it is then.

        Raises BadLink, and what the action raises; a link whose action was refused can be used again.
        """
        claim = self.signer(now).read(token, now)

        def work(session: Session) -> dict[str, Any]:
            _take(session.connection(), token, claim, now)
            world = self.worlds.read(session)
            wanted = Do(claim.number, claim.action, claim.party, reason=reason, until=until)
            facts = commands.act(session, world, wanted, now, self.outgoing)
            waking.tell(session)
            return facts._asdict()

        return self.store.write(work)

    def look(self, token: str, now: datetime) -> Claim:
        """What a link would do; nothing changes. Raises BadLink, also for one that was used, and Refused if it is too late."""
        claim = self.signer(now).read(token, now)
        with self.store.reading() as session:
            if session.connection().execute(select(USED.c.digest).where(USED.c.digest == _digest(token))).first():
                raise BadLink("used", USED_ALREADY)
            may = commands.actions_for(session, self.worlds.read(session), claim.number, claim.party, now)
        if claim.action not in may:
            raise Refused(
                "wrong_state", say("{action} is no longer possible for {number}", action=claim.action, number=claim.number), may
            )
        return claim


def _digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def _take(connection: Connection, token: str, claim: Claim, now: datetime) -> None:
    row = {"digest": _digest(token), "number": claim.number, "action": claim.action, "party": claim.party}
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    taken = dialect.insert(USED).values(**row, used_at=now, expires_at=claim.expires).on_conflict_do_nothing()
    if connection.execute(taken.returning(USED.c.digest)).first() is None:
        raise BadLink("used", USED_ALREADY)


def _keys(connection: Connection) -> list[str]:
    """Oldest first: the last one signs."""
    rows = connection.execute(select(SECRET.c.value).where(SECRET.c.purpose == PURPOSE).order_by(SECRET.c.id))
    return list(rows.scalars())


def _made(session: Session, now: datetime) -> list[str]:
    connection = session.connection()
    if not _keys(connection):
        _add(connection, now)
    return _keys(connection)


def _add(connection: Connection, now: datetime) -> None:
    connection.execute(insert(SECRET).values(purpose=PURPOSE, value=token_urlsafe(32), made_at=now))
