"""SMTP: the only home of aiosmtplib. A pool of kept connections, one recipient a transaction, every outcome sorted.

The conversation is led command by command, so that it is known how far it came when it breaks: before DATA the server has
nothing, after it the server may have the mail, and it is tried again under the same Message-ID. A mail as a whole has a time
of its own, and within it each reply; one timer does for both. Opening a connection has as much again.
"""

import asyncio
import re
import ssl
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal

import aiosmtplib
from aiosmtplib import SMTP

from notifications.message import Down, GiveUp, Hold, Message, Outcome, Sent, TryAgain, to_bytes

#: After so many failures of the server itself, one after the other, the rest of the batch is not tried.
BROKEN_AFTER = 3

#: One address, and nothing that a command could be made of.
_ENVELOPE = re.compile(r"[^\s<>,;]+@[^\s<>,;]+")
#: How far a conversation has come.
Phase = Literal["CONNECT", "LOGIN", "MAIL", "RCPT", "DATA"]


@dataclass(frozen=True, slots=True)
class SmtpSettings:
    """A mail server. Times in seconds; `total_timeout` bounds one mail whatever the server does."""

    host: str
    port: int = 25
    security: Literal["none", "starttls", "tls"] = "starttls"
    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: str = ""
    connections: int = 4
    messages_per_connection: int = 100
    connect_timeout: float = 30
    command_timeout: float = 60
    #: For the reply after the final dot: a server may look a mail over before it takes it (RFC 5321 wants ten minutes).
    data_timeout: float = 600
    total_timeout: float = 900
    local_hostname: str | None = None


class SmtpChannel:
    """Sends over at most `connections` connections, each used for many mails."""

    def __init__(self, settings: SmtpSettings) -> None:
        self.settings = settings
        self._free: asyncio.LifoQueue[_Connection] = asyncio.LifoQueue()
        self._all: list[_Connection] = []
        self._server = _Server()

    async def __aenter__(self) -> "SmtpChannel":
        self._free, self._server = asyncio.LifoQueue(), _Server()
        self._all = [_Connection(self.settings, self._server) for _ in range(self.settings.connections)]
        for connection in self._all:
            self._free.put_nowait(connection)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        free = [self._free.get_nowait() for _ in range(self._free.qsize())]
        await asyncio.gather(*[connection.close() for connection in free])

    async def send(self, message: Message) -> Outcome:
        """One mail to one recipient; never raises for what a server may do."""
        while True:
            connection = await self._free.get()
            keep = True
            try:
                if self._server.stopped is not None:
                    return self._server.stopped
                outcome = await connection.send(message)
                if connection.was_not_let_in(outcome) and any(each.talks for each in self._all):
                    # the server takes so many conversations and no more: this one is given up, and the others go on
                    keep = False
                    continue
                self._server.learn(outcome)
                if not isinstance(outcome, Down):
                    return outcome
            finally:
                if keep:
                    self._free.put_nowait(connection)


class _Server:
    """What the connections of one batch know of the server: whether it is down, or refuses us, and is not asked again."""

    def __init__(self) -> None:
        #: Conversations are begun one after another: a wrong password is said once, not by every connection.
        self.door = asyncio.Lock()
        #: What becomes of the rest of the batch.
        self.stopped: Down | Hold | None = None
        self._down = 0
        self._refused = 0

    def learn(self, outcome: Outcome) -> None:
        """What follows from the outcome of one mail for the rest. No `await` comes between the two: others wait at the door."""
        down = isinstance(outcome, Down) or (isinstance(outcome, TryAgain) and outcome.host)
        refused = isinstance(outcome, Hold)
        self._down = self._down + 1 if down else 0
        self._refused = self._refused + 1 if refused else 0
        if isinstance(outcome, Hold) and (outcome.host or self._refused >= BROKEN_AFTER):
            self.stopped = Hold(outcome.reason)
        elif isinstance(outcome, Down | TryAgain) and self._down >= BROKEN_AFTER:
            self.stopped = Down(outcome.reason)


class _Stopped(Exception):
    """Another connection has found that the server is not to be asked."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome


class _Connection:
    """One connection that is opened when needed and closed when it has carried enough or went wrong."""

    def __init__(self, settings: SmtpSettings, server: _Server) -> None:
        self.settings = settings
        self._server = server
        self._client: SMTP | None = None
        self._context: ssl.SSLContext | None = None
        self._carried = 0
        self._phase: Phase = "CONNECT"
        self._ended = False
        #: The last mail went over a conversation that had carried others.
        self._reused = False
        #: What was refused last is still open, until RSET.
        self._refused_last = False

    @property
    def talks(self) -> bool:
        """Is it in conversation with the server?"""
        return self._client is not None and self._client.is_connected and self._phase not in ("CONNECT", "LOGIN")

    def was_not_let_in(self, outcome: Outcome) -> bool:
        """Did its last mail fail because there was no conversation?"""
        return isinstance(outcome, Down | Hold) and self._phase in ("CONNECT", "LOGIN")

    async def send(self, message: Message) -> Outcome:
        try:
            content = to_bytes(message)
        except Exception as error:  # of this message alone
            return GiveUp(f"the message cannot be written: {_said(error)}")
        outcome = await self._try(message, content)
        if self._reused and self._ended and self._phase in ("MAIL", "RCPT") and isinstance(outcome, TryAgain):
            # servers end a conversation after some mails or some silence; that is no failure
            outcome = await self._try(message, content)
        return outcome

    async def _try(self, message: Message, content: bytes) -> Outcome:
        # whatever goes wrong ends the conversation, but for a reply that only says no
        self._ended, self._reused = True, False
        try:
            client = await self._ready()
            self._reused = self._carried > 0
            async with asyncio.timeout(self.settings.total_timeout) as timer:
                outcome = await self._converse(client, message, content, timer)
        except asyncio.CancelledError:
            self._drop()
            raise
        except _Stopped as stopped:
            outcome = stopped.outcome
        except Exception as error:
            outcome = sorted_out(error, self._phase)
        # nothing is said to the server any more: what is known must not become unknown because RSET or QUIT are broken off
        says_no = isinstance(outcome, GiveUp) or (isinstance(outcome, TryAgain | Hold) and not outcome.host and not self._ended)
        self._refused_last = says_no and self._phase in ("RCPT", "DATA")
        if not (isinstance(outcome, Sent) or self._refused_last):
            self._drop()
        return outcome

    async def _converse(self, client: SMTP, message: Message, content: bytes, timer: asyncio.Timeout) -> Outcome:
        self._carried += 1
        loop, end, soon = asyncio.get_running_loop(), timer.when() or 0.0, self.settings.command_timeout

        def within(seconds: float) -> None:
            timer.reschedule(min(end, loop.time() + seconds))

        self._phase = "MAIL"
        size = (b"SIZE=%d" % len(content),) if client.supports_extension("size") else ()
        within(soon)
        reply = await client.execute_command(b"MAIL", b"FROM:" + _path(message.sender), *size, timeout=None)
        if reply.code != 250:
            return self._refused(*reply)
        self._phase = "RCPT"
        within(soon)
        reply = await client.execute_command(b"RCPT", b"TO:" + _path(message.recipient), timeout=None)
        if reply.code not in (250, 251):
            return self._refused(*reply)
        self._phase = "DATA"
        within(soon)
        reply = await client.execute_command(b"DATA", timeout=None)
        if reply.code != 354:
            return self._refused(*reply)
        within(self.settings.data_timeout)
        if client.protocol is None:
            raise aiosmtplib.SMTPServerDisconnected("the connection was lost")
        # the library would look for line ends and dots byte by byte, which takes it longer than all the rest
        client.protocol.write(framed(content))
        reply = await client.protocol.read_response()
        return Sent(*reply) if reply.code == 250 else self._refused(*reply)

    def _refused(self, code: int, text: str) -> Outcome:
        self._ended = code == 421
        return by_code(code, text, self._phase)

    async def _ready(self) -> SMTP:
        if self._carried >= self.settings.messages_per_connection:
            await self.close()
        elif self._refused_last:
            await self._reset()
        if self._client is not None and self._client.is_connected:
            return self._client
        self._phase = "CONNECT"
        self._drop()
        async with self._server.door:
            if self._server.stopped is not None:
                raise _Stopped(self._server.stopped)
            # what is waited at the door is not taken from the mail's own time
            async with asyncio.timeout(self.settings.total_timeout):
                return await self._open()

    async def _open(self) -> SMTP:
        settings = self.settings
        if settings.security != "none" and self._context is None:
            self._context = ssl.create_default_context(cafile=settings.ca_file or None)
            self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        client = self._client = SMTP(
            hostname=settings.host,
            port=settings.port,
            timeout=settings.connect_timeout,
            use_tls=settings.security == "tls",
            start_tls=settings.security == "starttls",
            tls_context=self._context,
            local_hostname=settings.local_hostname,
        )
        await client.connect()
        await client.ehlo(timeout=settings.command_timeout)
        if settings.username:
            self._phase = "LOGIN"
            await _log_in(client, settings)
        return client

    async def _reset(self) -> None:
        """After a refusal the conversation goes on with the next mail."""
        self._refused_last = False
        try:
            if self._client is not None:
                async with asyncio.timeout(self.settings.command_timeout):
                    await self._client.rset()
        except (TimeoutError, OSError, aiosmtplib.SMTPException):
            self._drop()

    def _drop(self) -> None:
        """Ends the conversation without a word: it went wrong."""
        client, self._client = self._client, None
        self._carried, self._refused_last = 0, False
        if client is not None:
            client.close()

    async def close(self) -> None:
        """Takes leave. A server that does not answer QUIT has the mails all the same."""
        try:
            if self._client is not None and self._client.is_connected:
                async with asyncio.timeout(min(5, self.settings.command_timeout)):
                    await self._client.quit()
        except (TimeoutError, OSError, aiosmtplib.SMTPException):
            pass
        finally:
            self._drop()


async def _log_in(client: SMTP, settings: SmtpSettings) -> None:
    """Says the password in one way: a server that locks an account after some refusals counts every way of saying it.

    Where the conversation is not encrypted the library's own order is kept, which begins with what does not say it openly.
    """
    said = settings.username, settings.password
    ways = {"plain": client.auth_plain, "login": client.auth_login}
    offered = [ways[name] for name in ways if name in client.supported_auth_methods]
    if settings.security == "none" or not offered:
        await client.login(*said, timeout=settings.command_timeout)
        return
    for way in offered[:-1]:
        try:
            await way(*said, timeout=settings.command_timeout)
            return
        except aiosmtplib.SMTPAuthenticationError as error:
            if error.code not in (500, 501, 502, 504):  # it is not the way of saying it that is refused
                raise
    await offered[-1](*said, timeout=settings.command_timeout)


def _path(address: str) -> bytes:
    """An address of the envelope. Raises ValueError for what is not one address in ASCII."""
    if not _ENVELOPE.fullmatch(address):
        raise ValueError(f"{address!r} is not one address")
    return f"<{address}>".encode("ascii")


def framed(content: bytes) -> bytes:
    """A mail as it follows DATA: lines end in CRLF, a dot before each that begins with one, and the line with a dot that ends it.

    What we build is so already. It is looked at all the same: a line end that only one of two servers knows begins a second mail.
    """
    if not content.count(b"\r\n") == content.count(b"\n") == content.count(b"\r") or not content.endswith(b"\r\n"):
        content = b"".join(line + b"\r\n" for line in content.splitlines())
    return (b"." if content.startswith(b".") else b"") + content.replace(b"\n.", b"\n..") + b".\r\n"


def sorted_out(error: Exception, phase: Phase) -> Outcome:
    """What an exception means for the message, by how far the conversation had come."""
    match error:
        case aiosmtplib.SMTPSenderRefused() | aiosmtplib.SMTPRecipientRefused() | aiosmtplib.SMTPResponseException():
            return by_code(error.code, error.message, phase)
        case _ if phase == "LOGIN":
            return Hold(f"the login is not possible: {_said(error)}")
        case TimeoutError() if phase == "CONNECT":
            return Down(f"the server does not answer: {_said(error)}")
        case _ if phase == "CONNECT":
            return Down(f"no conversation with the server: {_said(error)}")
        case TimeoutError() | OSError() if phase == "DATA":
            return TryAgain(f"unknown, the server may have it: {_said(error)}", host=True)
        case TimeoutError() | OSError():
            return TryAgain(f"the server does not answer ({phase}): {_said(error)}", host=True)
        case ValueError() if phase == "MAIL":
            return Hold(f"the sender's address cannot be sent: {_said(error)}")
        case ValueError():
            return GiveUp(f"the address or the message cannot be sent: {_said(error)}")
        case _:
            return TryAgain(f"{type(error).__name__}: {_said(error)}", host=True)


def _said(error: Exception) -> str:
    return str(error) or "no answer in time"


#: Replies that ask us to log in or to encrypt.
_LOGIN = (530, 534, 535, 538)


def by_code(code: int, text: str, phase: Phase) -> Outcome:
    """What a server's refusal means, by where in the conversation it came."""
    said = f"{code} {text} ({phase})"
    enhanced = text.split(maxsplit=1)[0] if text.strip() else ""
    if phase == "LOGIN":
        return Hold(f"the login is refused: {said}")
    if phase == "CONNECT":
        return Hold(said) if 500 <= code < 600 else Down(said)
    if 400 <= code < 500:
        # before a recipient is named it is said of us, of how much we send for one
        return TryAgain(said, host=code == 421 or phase == "MAIL")
    if not 500 <= code < 600:
        unknown = "unknown, the server may have it: " if phase == "DATA" else "no sense in the reply: "
        return TryAgain(unknown + said, host=True)
    if code == 552 or enhanced == "5.3.4":  # the mail is too big, wherever the server says so
        return GiveUp(said)
    if code in _LOGIN or phase == "MAIL":
        return Hold(said)
    if enhanced.startswith("5.7.") or enhanced in ("5.1.7", "5.1.8"):  # policy, or the sender's address
        return Hold(said, host=False)
    return GiveUp(said)
