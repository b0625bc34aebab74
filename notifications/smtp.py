"""SMTP: the only home of aiosmtplib. A pool of kept connections, one recipient a transaction, every outcome sorted.

Facts about the library that this module answers to: a partial refusal returns normally, so what it returns is read; its
timeout is per reply, so a mail has one of its own; a connection lost after the final dot may have delivered the mail, so it
is tried again under the same Message-ID.
"""

import asyncio
import ssl
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal

import aiosmtplib
from aiosmtplib import SMTP

from notifications.message import GiveUp, Hold, Message, Outcome, Sent, TryAgain, to_bytes

#: After so many failures of the server itself, one after the other, the rest of the batch is not tried.
BROKEN_AFTER = 3


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
    reply_timeout: float = 60
    total_timeout: float = 900
    local_hostname: str | None = None


class SmtpChannel:
    """Sends over at most `connections` connections, each used for many mails."""

    def __init__(self, settings: SmtpSettings) -> None:
        self.settings = settings
        self._free: asyncio.LifoQueue[_Connection] = asyncio.LifoQueue()
        self._failures = 0
        self._stopped: Outcome | None = None

    async def __aenter__(self) -> "SmtpChannel":
        for _ in range(self.settings.connections):
            self._free.put_nowait(_Connection(self.settings))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        while not self._free.empty():
            await self._free.get_nowait().close()

    async def send(self, message: Message) -> Outcome:
        """One mail to one recipient; never raises for what a server may do."""
        if self._stopped is not None:
            return self._stopped
        connection = await self._free.get()
        try:
            if self._stopped is not None:
                return self._stopped
            outcome = await connection.send(message)
        finally:
            self._free.put_nowait(connection)
        self._judge(outcome)
        return outcome

    def _judge(self, outcome: Outcome) -> None:
        """A server that is down, or that refuses us, is not asked again in this batch."""
        down = isinstance(outcome, TryAgain) and outcome.host
        self._failures = self._failures + 1 if down else 0
        if isinstance(outcome, Hold) or self._failures >= BROKEN_AFTER:
            self._stopped = outcome


class _Connection:
    """One connection that is opened when needed and closed when it has carried enough or went wrong."""

    def __init__(self, settings: SmtpSettings) -> None:
        self.settings = settings
        self._client: SMTP | None = None
        self._carried = 0

    async def send(self, message: Message) -> Outcome:
        outcome = await self._try(message)
        if not isinstance(outcome, Sent | GiveUp) or self._carried >= self.settings.messages_per_connection:
            await self.close()
        return outcome

    async def _try(self, message: Message) -> Outcome:
        try:
            content = to_bytes(message)
            async with asyncio.timeout(self.settings.total_timeout):
                client = await self._open()
                self._carried += 1
                refused, said = await client.sendmail(message.sender, [message.recipient], content)
        except (TimeoutError, OSError, aiosmtplib.SMTPException, ValueError) as error:
            return sorted_out(error)
        if refused:
            code, text = next(iter(refused.values()))
            return by_code(code, text, "RCPT")
        return Sent(f"250 {said}"[:200])

    async def _open(self) -> SMTP:
        if self._client is not None and self._client.is_connected:
            return self._client
        settings = self.settings
        context = None
        if settings.security != "none":
            context = ssl.create_default_context(cafile=settings.ca_file or None)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
        client = SMTP(
            hostname=settings.host,
            port=settings.port,
            timeout=settings.reply_timeout,
            use_tls=settings.security == "tls",
            start_tls=settings.security == "starttls",
            tls_context=context,
            username=settings.username or None,
            password=settings.password or None,
            local_hostname=settings.local_hostname,
        )
        await client.connect()
        self._client, self._carried = client, 0
        return client

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        try:
            if client.is_connected:
                async with asyncio.timeout(min(5, self.settings.reply_timeout)):
                    await client.quit()
        except (TimeoutError, OSError, aiosmtplib.SMTPException):
            # a server that does not answer QUIT has the mail all the same
            pass
        finally:
            client.close()


def sorted_out(error: Exception) -> Outcome:
    """What an exception means for the message."""
    match error:
        case aiosmtplib.SMTPAuthenticationError():
            return Hold(f"the login is refused: {error.code} {error.message}")
        case aiosmtplib.SMTPConnectResponseError():
            return by_code(error.code, error.message, "CONNECT")
        case aiosmtplib.SMTPRecipientsRefused():
            first = error.recipients[0]
            return by_code(first.code, first.message, "RCPT")
        case aiosmtplib.SMTPRecipientRefused():
            return by_code(error.code, error.message, "RCPT")
        case aiosmtplib.SMTPSenderRefused():
            return by_code(error.code, error.message, "MAIL")
        case aiosmtplib.SMTPHeloError():
            return by_code(error.code, error.message, "CONNECT")
        case aiosmtplib.SMTPResponseException():
            return by_code(error.code, error.message, "DATA")
        case aiosmtplib.SMTPServerDisconnected() | aiosmtplib.SMTPReadTimeoutError() | TimeoutError():
            return TryAgain(f"the connection broke; the server may have it: {error or 'no answer in time'}", host=True)
        case ssl.SSLError():
            return TryAgain(f"TLS fails: {error}", host=True)
        case aiosmtplib.SMTPConnectError() | OSError():
            return TryAgain(f"the server does not answer: {error}", host=True)
        case aiosmtplib.SMTPNotSupported():
            return GiveUp(f"the server cannot carry this: {error}")
        case aiosmtplib.SMTPException():
            return TryAgain(f"{type(error).__name__}: {error}", host=True)
        case _:
            return GiveUp(f"the address or the message cannot be sent: {error}")


#: Replies that speak of us, not of the recipient: nothing will be taken until somebody mends the configuration.
_OURS = (530, 534, 535, 538)


def by_code(code: int, text: str, at: str) -> Outcome:
    """What a server's reply means, by where in the conversation it came."""
    said = f"{code} {text} ({at})"
    if code == 421:
        return TryAgain(said, host=True)
    if 400 <= code < 500:
        return TryAgain(said, host=at == "CONNECT")
    if code in _OURS:
        return Hold(said)
    if code >= 500 and (at in ("CONNECT", "MAIL") or text.lstrip().startswith("5.7.")):
        return Hold(said)
    return GiveUp(said)
