"""A mail server that takes most mails, refuses some, and sometimes takes one without saying so."""

import random
import sqlite3
from pathlib import Path
from typing import Any

from tests.faults.sink import Sink

#: What a server does to a recipient, to a mail, or to the whole connection, beside taking it.
REPLIES = ("450 greylisted", "452 full", "550 unknown", "drop", "taken, then drop", "421 later")


class Storm(Sink):
    """A server that takes most mails, and remembers on disk which ones, so that it does not grow."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        super().__init__()
        self.chance, self.rough = chance, 0.0
        self.mails = self.again = self.unheard = self.refused = 0
        self.seen = sqlite3.connect(folder / "arrived.db", check_same_thread=False, isolation_level=None)
        self.seen.execute("PRAGMA synchronous = OFF")
        self.seen.execute("CREATE TABLE arrived (id TEXT PRIMARY KEY) WITHOUT ROWID")

    def _reply(self, server: Any) -> str:
        return self.chance.choice(REPLIES) if self.chance.random() < self.rough else ""

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        reply = self._reply(server)
        if reply.startswith(("4", "55")):
            self.refused += 1
            return reply
        envelope.rcpt_tos.append(address)
        return "250 fine"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        reply = self._reply(server)
        if reply == "drop":
            server.transport.abort()
            return "451 gone"
        if reply != "taken, then drop" and reply:
            self.refused += 1
            return reply
        head = envelope.content.split(b"\r\n\r\n", 1)[0].replace(b"\r\n ", b" ")
        identity = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"message-id:"))
        new = self.seen.execute(
            "INSERT OR IGNORE INTO arrived VALUES (?)", (identity.split(b":", 1)[1].strip().decode(),)
        ).rowcount
        self.mails += 1
        self.again += not new
        if reply:
            self.unheard += 1
            server.transport.abort()
        return "250 taken"

    def has(self, message_id: str) -> bool:
        return self.seen.execute("SELECT 1 FROM arrived WHERE id = ?", (message_id,)).fetchone() is not None

    def close(self) -> None:
        self.seen.close()
