"""A mail server that takes most mails, refuses some, and sometimes takes one without saying so.

`python -m tests.faults.storm FOLDER SEED` says its port; then a line a time: how rough it is from now on, and its counts as JSON.
"""

import json
import random
import sqlite3
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.faults.sink import Sink

ROOT = Path(__file__).parents[2]

#: What a server does to a recipient, to a mail, or to the whole connection, beside taking it.
REPLIES = ("450 greylisted", "452 full", "550 unknown", "drop", "taken, then drop", "421 later")


@dataclass
class Counts:
    """Mails that were taken, how many of them came again or were taken without a word, and what was refused."""

    mails: int = 0
    again: int = 0
    unheard: int = 0
    refused: int = 0


class Storm(Sink):
    """A server that takes most mails, and remembers on disk which ones."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        super().__init__()
        self.chance, self.rough, self.counts = chance, 0.0, Counts()
        self.seen = sqlite3.connect(folder / "arrived.db", check_same_thread=False, isolation_level=None)
        self.seen.execute("PRAGMA synchronous = OFF")
        self.seen.execute("CREATE TABLE arrived (id TEXT PRIMARY KEY) WITHOUT ROWID")

    def _reply(self, server: Any) -> str:
        return self.chance.choice(REPLIES) if self.chance.random() < self.rough else ""

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        reply = self._reply(server)
        if reply.startswith(("4", "55")):
            self.counts.refused += 1
            return reply
        envelope.rcpt_tos.append(address)
        return "250 fine"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        reply = self._reply(server)
        if reply == "drop":
            server.transport.abort()
            return "451 gone"
        if reply != "taken, then drop" and reply:
            self.counts.refused += 1
            return reply
        head = envelope.content.split(b"\r\n\r\n", 1)[0].replace(b"\r\n ", b" ")
        identity = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"message-id:"))
        new = self.seen.execute(
            "INSERT OR IGNORE INTO arrived VALUES (?)", (identity.split(b":", 1)[1].strip().decode(),)
        ).rowcount
        self.counts.mails += 1
        self.counts.again += not new
        if reply:
            self.counts.unheard += 1
            server.transport.abort()
        return "250 taken"


class Away:
    """A storm in a process of its own: its memory is not that of the nodes that write to it."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed, self.port = folder, seed, 0
        #: What had come when it was asked last.
        self.counts, self._rough = Counts(), 0.0

    def __enter__(self) -> "Away":
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.storm", str(self.folder), str(self.seed)],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=1, text=True,
        )  # fmt: skip
        self.port = int(self._line())
        return self

    def __exit__(self, *_: object) -> None:
        self.look()
        self.process.communicate(timeout=30)
        assert self.process.returncode == 0

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the mail server has ended"
        return line

    def blow(self, rough: float) -> None:
        """From now on it does so much of its worst (0 to 1)."""
        self._rough = rough
        self.look()

    def look(self) -> Counts:
        """What has come until now."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{self._rough}\n")
        self.counts = Counts(**json.loads(self._line()))
        return self.counts

    def arrived(self) -> set[str]:
        """The Message-IDs of what was taken."""
        seen = sqlite3.connect(self.folder / "arrived.db")
        found = {identity for (identity,) in seen.execute("SELECT id FROM arrived")}
        seen.close()
        return found


def serve(folder: str, seed: str) -> None:
    """The storm itself, until nobody tells it anything any more."""
    with Storm(Path(folder), random.Random(int(seed))) as storm:
        print(storm.port, flush=True)
        for line in sys.stdin:
            storm.rough = float(line)
            print(json.dumps(asdict(storm.counts)), flush=True)
    storm.seen.close()


if __name__ == "__main__":
    serve(*sys.argv[1:])
