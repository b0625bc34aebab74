"""A real SMTP server in a thread of its own that takes every mail and counts it by its Message-ID."""

import asyncio
import math
import threading
from collections import Counter
from email import message_from_bytes
from typing import Any

from aiosmtpd.smtp import SMTP


class Sink:
    """What arrived: Message-ID and recipient, as often as it came."""

    def __init__(self, holds_after: float = math.inf, **options: Any) -> None:
        """`holds_after` so many mails it takes the others and says nothing, until it is told to `go_on`."""
        self.holds_after = holds_after
        #: What the server is like otherwise: whether it asks for a login, and whom it knows.
        self.options = options
        self.arrived: Counter[tuple[str, str]] = Counter()
        self.port = 0
        #: Bytes of the largest mail.
        self.largest = 0
        self._loop = asyncio.new_event_loop()
        self._going_on = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_forever, name="sink")

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        identity = message_from_bytes(envelope.content)["Message-ID"]
        self.largest = max(self.largest, len(envelope.content))
        self.arrived.update((identity, recipient) for recipient in envelope.rcpt_tos)
        if self.arrived.total() >= self.holds_after:
            await self._going_on.wait()
        return "250 taken"

    def go_on(self) -> None:
        """All that were kept waiting hear that their mail was taken."""
        self._loop.call_soon_threadsafe(self._going_on.set)

    def __enter__(self) -> "Sink":
        self._thread.start()
        self._server = self._soon(
            self._loop.create_server(lambda: SMTP(self, hostname="sink", loop=self._loop, **self.options), "127.0.0.1", 0)
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._soon(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _soon(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    async def _close(self) -> None:
        self._server.close()
        rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
