"""The other source: a mailbox over IMAP (RFC 9051), by the standard library: it marks nothing before the commit."""

import imaplib
import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TypeVar

from escalation.errors import LoginRefused, MailboxTrouble
from escalation.inbound.sources import AT_ONCE, Letter

T = TypeVar("T")
#: Seconds without a byte from the server; a node that is told to stop waits no longer than this.
PATIENCE = 10


@dataclass(frozen=True, slots=True)
class ImapSettings:
    """The mailbox; `done` and `rejected` are folders that mails are moved to, or empty."""

    host: str
    port: int
    security: str
    username: str
    password: str
    ca_file: str = ""
    mailbox: str = "INBOX"
    done: str = ""
    rejected: str = ""
    size: int = 20 * 1024 * 1024


class Mailbox:
    """What has not been seen yet; what was dealt with is marked as seen, and moved where a folder is named for it."""

    def __init__(self, settings: ImapSettings) -> None:
        self.settings = settings
        self._server: imaplib.IMAP4 | None = None

    def __enter__(self) -> "Mailbox":
        self._server = self._told(self._connect)
        try:
            self._told(self._login)
            # another node may read the same mailbox, so nothing is held: a mail is taken once because it is on record once
            self._answer("SELECT", self._told(lambda: self._at.select(_quoted(self.settings.mailbox))))
        except MailboxTrouble:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        with suppress(OSError, imaplib.IMAP4.error):
            self._at.logout()
        self._server = None

    def letters(self) -> Iterator[Letter]:
        """A mail is fetched only as far as it may be long."""
        found = self._answer("SEARCH", self._told(lambda: self._at.uid("SEARCH", "UNSEEN", "UNDELETED")))
        for uid in (found[0] or b"").split()[:AT_ONCE]:
            name = uid.decode("ascii", "replace")
            wanted = f"(BODY.PEEK[]<0.{self.settings.size + 1}>)"
            parts = self._answer("FETCH", self._told(lambda: self._at.uid("FETCH", name, wanted)))  # noqa: B023
            raw = next((part[1] for part in parts if isinstance(part, tuple)), None)
            if raw is not None:
                yield Letter(name, raw)

    def file(self, letter: Letter, done: bool) -> None:
        """Marks it as seen; then moves it, if it is to be moved."""
        self._answer("STORE", self._told(lambda: self._at.uid("STORE", letter.name, "+FLAGS", r"(\Seen)")))
        folder = self.settings.done if done else self.settings.rejected
        if not folder:
            return
        if "MOVE" in self._at.capabilities:
            self._answer("MOVE", self._told(lambda: self._at.uid("MOVE", letter.name, _quoted(folder))))
            return
        self._answer("COPY", self._told(lambda: self._at.uid("COPY", letter.name, _quoted(folder))))
        self._answer("STORE", self._told(lambda: self._at.uid("STORE", letter.name, "+FLAGS", r"(\Deleted)")))
        self._told(self._at.expunge)

    @property
    def _at(self) -> imaplib.IMAP4:
        assert self._server is not None, "use it as a context manager"
        return self._server

    def _connect(self) -> imaplib.IMAP4:
        settings = self.settings
        context = ssl.create_default_context(cafile=settings.ca_file or None)
        if settings.security == "tls":
            return imaplib.IMAP4_SSL(settings.host, settings.port, ssl_context=context, timeout=PATIENCE)
        server = imaplib.IMAP4(settings.host, settings.port, timeout=PATIENCE)
        if settings.security == "starttls":
            server.starttls(context)
        return server

    def _login(self) -> None:
        try:
            self._at.login(self.settings.username, self.settings.password)
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error as error:
            where = f"{self.settings.host}:{self.settings.port}"
            raise LoginRefused(f"{where} refuses the login", "check [inbox] username and password") from error

    def _told(self, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except (OSError, imaplib.IMAP4.error) as error:
            where = f"{self.settings.host}:{self.settings.port}"
            raise MailboxTrouble(f"the mailbox at {where} fails: {error or type(error).__name__}", "check [inbox]") from error

    def _answer(self, what: str, told: tuple[str, Any]) -> list[Any]:
        status, data = told
        if status != "OK":
            said = b" ".join(each for each in data if isinstance(each, bytes)).decode("utf-8", "replace")
            raise MailboxTrouble(f"{self.settings.host} refuses {what}: {said}", "check [inbox] mailbox, done and rejected")
        return list(data)


def _quoted(name: str) -> str:
    """A folder's name as IMAP takes it: quoted, and other than ASCII in modified UTF-7 (RFC 3501 5.1.3)."""
    coded = re.sub(r"[^\x20-\x7e]+", lambda found: f"&{_utf7(found[0])}-", name.replace("&", "&-"))
    return '"' + coded.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _utf7(text: str) -> str:
    return text.encode("utf-7").decode()[1:].rstrip("-").replace("/", ",")
