"""The end of a process that cannot end by itself: its database says nothing any more, or keeps waiting one that was told to stop.

Whoever waits for a database waits in a library, and no signal reaches them there. To be killed is safe at any moment
(promises.md, P1), and a supervisor starts the process anew.
"""

import logging
import os
import threading
from collections.abc import Callable
from types import TracebackType

from escalation.errors import DatabaseTrouble

log = logging.getLogger(__name__)
#: Seconds from the signal to the end, whatever a database says (promises.md, row 29: ten).
LAST = 8.0
#: Seconds between two looks. Counted by looks and not by a clock: a process that was frozen has heard nothing, and is well.
LOOK = 0.5
#: What anyio calls the threads in which pages are answered.
ANSWERING = "AnyIO worker thread"


class Watchdog:
    """A thread of its own that ends the process; before it is entered it only listens. Times in seconds."""

    def __init__(self, patience: float, end: Callable[[int], None] = os._exit) -> None:
        self.patience, self._end = patience, end
        self._heard, self._told, self._over = threading.Event(), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="watchdog")

    def heard(self) -> None:
        """A sweep, or a part of one, has come to an end, be it in an error."""
        self._heard.set()

    def told_to_stop(self) -> None:
        """The process has been told to stop."""
        self._told.set()

    def __enter__(self) -> "Watchdog":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        # Python waits for them before it ends, and nobody else would watch meanwhile
        for thread in threading.enumerate():
            if thread.name == ANSWERING:
                thread.join()
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        silent = stopping = 0.0
        while not self._over.wait(LOOK):
            silent = 0.0 if self._heard.is_set() else silent + LOOK
            self._heard.clear()
            stopping += LOOK if self._told.is_set() else 0.0
            if stopping >= LAST:
                self._give_up("told to stop, and kept waiting: ended as it is; what was begun is undone, or done again")
                return
            if silent > self.patience:
                self._give_up(f"the database has said nothing for {silent:.0f} s, not even an error: ended, to be started anew")
                return

    def _give_up(self, words: str) -> None:
        # who reads the log may be stuck as well
        saying = threading.Thread(target=log.critical, args=(words,), daemon=True)
        saying.start()
        saying.join(1)
        self._end(DatabaseTrouble.exit_code)
