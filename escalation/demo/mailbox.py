"""A real SMTP server on loopback that files every mail in a folder one can open: one folder a recipient, one .eml a mail."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session


class Mailbox:
    """What arrived, by recipient."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.arrived: Counter[str] = Counter()

    @property
    def total(self) -> int:
        """Mails that arrived."""
        return sum(self.arrived.values())

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 (the library's name)
        """Files a mail for each of its recipients."""
        content = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        subject = str(message_from_bytes(content, policy=policy.default)["Subject"])
        for recipient in envelope.rcpt_tos:
            self.arrived[recipient] += 1
            folder = self.folder / re.sub(r"[^\w.@-]", "_", recipient)
            folder.mkdir(parents=True, exist_ok=True)
            name = re.sub(r"[^\w-]+", "_", subject)[:60].strip("_")
            (folder / f"{self.arrived[recipient]:03d}-{name}.eml").write_bytes(content)
        return "250 OK"


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[tuple[Mailbox, int]]:
    """The server while the block runs; the mailbox and the port it listens on."""
    mailbox = Mailbox(folder)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(mailbox, enable_SMTPUTF8=True), "127.0.0.1", 0)
    try:
        yield mailbox, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()
