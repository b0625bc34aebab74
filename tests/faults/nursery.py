"""Children that are killed often should not have to be taught everything each time: they are forked, ready to work.

`python -m tests.faults.nursery URL [BITE]`, then a line of JSON a child: {"work": "sweep" | "dispatch" | "import" | "upgrade" | "hold", "moment": ..., "port": ...}.
Says the child's pid, and how it ended. A child that is `patient` stops itself first, so that somebody can attach to it.
"""

import asyncio
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import escalation.sweep
from escalation import migrating
from escalation.applying import Outgoing
from escalation.database import STANDS_STILL, Store
from escalation.ledger.importing import import_files
from escalation.sweep import Sweeper
from escalation.world import WorldReader
from notifications.dispatch import DispatchSettings, dispatch_once
from notifications.rendering import Renderer
from notifications.smtp import SmtpChannel, SmtpSettings
from tests.faults.holding import hold

ROOT = Path(__file__).parents[2]
LEASE = timedelta(minutes=30)


def sweep(url: str, moment: datetime, stands_still: str) -> None:
    """One sweep."""
    store = Store(url, busy_seconds=600, stands_still=stands_still)
    Sweeper(store, WorldReader(), Outgoing()).sweep_once(moment)
    store.close()


def dispatch(url: str, moment: datetime, port: int, merge_over: int = 1_000_000) -> None:
    """Sends what waits, over SMTP on this machine; each message by itself, so that each can be counted."""
    store = Store(url, busy_seconds=600)
    channel = SmtpChannel(SmtpSettings(host="127.0.0.1", port=port, security="none", local_hostname="node"))
    settings = DispatchSettings(node=f"node-{os.getpid()}", sender="escalation@example.org", lease=LEASE, merge_over=merge_over)
    # in this thread: calls are counted thread by thread where a child is killed at every one of them
    asyncio.run(dispatch_once(store.transaction, channel, Renderer(None), settings, moment, 100, here))
    store.close()


async def here(work: Callable[[], None]) -> None:
    """The store's work, in this thread."""
    work()


def bring_in(url: str, moment: datetime, folder: str) -> None:
    """Imports all sheets of a folder."""
    store = Store(url, busy_seconds=600)
    with store.transaction() as session:
        import_files(session, sorted(Path(folder).glob("*.csv")), worlds=WorldReader(), now=moment)
    store.close()


def upgrade(url: str) -> None:
    """Brings the store to the newest schema."""
    store = Store(url, busy_seconds=600)
    migrating.upgrade(store)
    store.close()


def work(url: str, told: dict[str, Any]) -> None:
    """What one child does."""
    if told.get("patient"):
        os.kill(os.getpid(), signal.SIGSTOP)
    moment = datetime.fromisoformat(told["moment"])
    if told["work"] == "sweep":
        sweep(url, moment, told.get("stands_still", STANDS_STILL))
    elif told["work"] == "import":
        bring_in(url, moment, told["folder"])
    elif told["work"] == "upgrade":
        upgrade(url)
    elif told["work"] == "hold":
        hold(url, moment, whole=told["whole"])
    else:
        dispatch(url, moment, told["port"], told.get("merge_over", 1_000_000))


class Nursery:
    """A process that forks a working child for every thing it is told to do."""

    def __init__(self, url: str, bite: str = "") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.nursery", url, bite],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
        )  # fmt: skip
        assert self._line() == "ready"

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode().strip()

    def child(self, work: str, moment: datetime, **more: object) -> int:
        """Begins a child; its pid."""
        assert self.process.stdin is not None
        told = {"work": work, "moment": moment.isoformat(), **more}
        self.process.stdin.write(json.dumps(told).encode() + b"\n")
        return int(self._line())

    def code(self) -> int:
        """Waits for the child's end: how it ended."""
        return int(self._line())

    def ended(self) -> bool:
        """Waits for the child's end; was it killed? One that fails by itself is a failure of the test."""
        code = self.code()
        assert code in (0, -signal.SIGKILL), f"the child failed by itself: {code}"
        return code != 0

    def killed(self, work: str, moment: datetime, after: float, **more: object) -> bool:
        """A child that is killed after so many seconds; False if it was quicker."""
        pid = self.child(work, moment, **more)
        done, _, _ = select.select([self.process.stdout], [], [], after)
        if not done:
            with suppress(ProcessLookupError):  # it ended just now
                os.kill(pid, signal.SIGKILL)
        return self.ended()

    def close(self) -> None:
        self.process.communicate(timeout=30)


def serve(url: str, bite: str = "") -> None:
    if bite:
        escalation.sweep.TRANSACTION = {"sqlite": int(bite), "postgresql": int(bite)}
    print("ready", flush=True)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            try:
                work(url, json.loads(line))
            except BaseException as error:
                print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
                os._exit(1)
            os._exit(0)
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    serve(*sys.argv[1:])
