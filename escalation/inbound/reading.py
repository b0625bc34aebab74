"""Reads a source to its end: a mail, a transaction; then it is put away. One that is hostile holds up no other."""

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlmodel import Session

from escalation import filekinds
from escalation.applying import Outgoing
from escalation.database import Store
from escalation.errors import EscalationError, LoginRefused
from escalation.inbound import strangers
from escalation.inbound.mail import Incoming, Limits, Unreadable, identity, read
from escalation.inbound.outcomes import OUTCOMES, Outcome, earlier, entered, settled
from escalation.inbound.sources import Letter, Source
from escalation.inbound.taking import take
from escalation.world import WorldReader

log = logging.getLogger(__name__)
#: How long a mailbox that refuses our login is left alone.
HELD = timedelta(minutes=15)


@dataclass(slots=True)
class Reading:
    """What was read: how many mails of each outcome, and how many notices to people about what they have to look at."""

    read: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    told: int = 0

    def add(self, other: "Reading") -> None:
        """Sums up."""
        self.read += other.read
        self.outcomes += other.outcomes
        self.told += other.told

    def as_json(self) -> dict[str, int]:
        """Counts by name."""
        return {"read": self.read, **{name: self.outcomes[name] for name in OUTCOMES}, "told": self.told}


class Inbox:
    """Reads what has come in; any number of nodes may read the same place."""

    def __init__(
        self,
        store: Store,
        worlds: WorldReader,
        outgoing: Outgoing,
        limits: Limits | None = None,
        authserv: str = "",
        files: filekinds.Limits | None = None,
    ) -> None:
        self.store, self.worlds, self.outgoing = store, worlds, outgoing
        self.limits, self.authserv, self.files = limits or Limits(), authserv, files or filekinds.Limits()
        self._held: datetime | None = None
        self._stopping = False

    def stop(self) -> None:
        """Asks a reading that is under way to end after the mail it is at."""
        self._stopping = True

    def read(self, source: Source, now: datetime) -> Reading:
        """One look at a source. Raises MailboxTrouble or DatabaseTrouble; what was dealt with until then stays so."""
        done = Reading()
        if self._held is not None and now < self._held:
            return done
        try:
            with source:
                for letter in source.letters():
                    outcome = self._one(letter, now)
                    source.file(letter, outcome.is_done)
                    done.read += 1
                    done.outcomes[outcome.outcome] += 1
                    if self._stopping:
                        break
        except LoginRefused:
            self._held = now + HELD
            raise
        done.told = self.store.write(lambda session: strangers.tell(session, self.worlds.read(session), now, self.outgoing))
        return done

    def _one(self, letter: Letter, now: datetime) -> Outcome:
        try:
            mail = read(letter.raw, self.limits)
        except Unreadable as error:
            return self._put_aside(Incoming(identity(letter.raw)), str(error), now)
        try:
            return self.store.write(self._taking(mail, now))
        except EscalationError:
            raise  # the store is in trouble: the mail stays where it is
        except Exception as error:
            log.exception("this is a mistake of the program; the mail is put aside")
            return self._put_aside(mail, f"{type(error).__name__}: {error}", now)

    def _taking(self, mail: Incoming, now: datetime) -> Callable[[Session], Outcome]:
        return lambda session: take(session, self.worlds.read(session), mail, now, self.outgoing, self.authserv, self.files)

    def _put_aside(self, mail: Incoming, why: str, now: datetime) -> Outcome:
        def work(session: Session) -> Outcome:
            if not entered(session, mail, now):
                return earlier(session, mail.message_id)
            outcome = Outcome("unreadable", "", why)
            settled(session, mail, outcome)
            return outcome

        return self.store.write(work)
