"""Time: wakes the sweep at the earliest `wake_at` and once a minute, and runs the dispatcher. The only home of APScheduler.

It has no job store and holds no state: all that must survive is in the database. APScheduler 3 falls silent when the wall clock
is set back and lists every missed second when it is set forward (docs/decisions), so a monotonic watch stands beside it.
"""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import TypeVar

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from escalation import metrics, waking
from escalation.app import App
from escalation.clock import Clock
from escalation.errors import EscalationError
from escalation.nodes import Node
from escalation.sweep import Swept

log = logging.getLogger(__name__)

JOB_DEFAULTS = {"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
SIGNALS = (signal.SIGTERM, signal.SIGINT)
#: How long a stopping node waits for the mails it is just sending, in seconds; then it breaks off and says so in the outbox.
GRACE = 7
T = TypeVar("T")
#: After a look that failed: the first wait and the longest.
SOON, LONGEST = timedelta(seconds=1), timedelta(seconds=60)


class Worker:
    """One node: a scheduler and a dispatcher over one store. Start as many as wanted on PostgreSQL."""

    def __init__(self, app: App, clock: Clock, elapsed: Callable[[], float] = monotonic, kind: str = "worker") -> None:
        self.app = app
        self.clock = clock
        self.elapsed = elapsed
        self.node = Node(kind, clock())
        self.watch = LeapWatch(clock(), elapsed(), timedelta(seconds=app.settings.scheduler.leap_seconds))
        self.scheduler = AsyncIOScheduler(timezone=UTC, job_defaults=JOB_DEFAULTS)
        self.stopping = False
        self._failures = 0
        #: Set when there may be something to do; many reasons at once are one look.
        self._due, self._mail = asyncio.Event(), asyncio.Event()

    async def run(self, *, signals: bool = True) -> None:
        """Works until `stop` is called or, if `signals` are its own, a SIGTERM or SIGINT comes; finishes the batch it is in.

        A second signal ends it at once. A server that hangs holds up the mail, never the sweep: they run side by side.
        """
        if signals:
            for number in SIGNALS:
                asyncio.get_running_loop().add_signal_handler(number, self._signalled)
        times = self.app.settings.scheduler
        self.scheduler.add_job(self.look, IntervalTrigger(seconds=int(times.look_seconds)), id="look")
        self.scheduler.add_job(self._mail.set, IntervalTrigger(seconds=int(times.dispatch_seconds)), id="dispatch")
        self.scheduler.start()
        log.info("started", extra={"node": self.node.id})
        sweeping, mailing = asyncio.create_task(self._sweeping()), asyncio.create_task(self._mailing())
        reasons = (self._beat(times.look_seconds), waking.listen(self.app.store, self.look))
        beside = [asyncio.create_task(each) for each in reasons]
        self.look()
        try:
            await sweeping
            await asyncio.wait([mailing], timeout=GRACE)
        finally:
            self.scheduler.shutdown(wait=False)
            for task in (*beside, mailing):
                task.cancel()
            await asyncio.gather(*beside, mailing, return_exceptions=True)
            await self._sign(stopped=True)
            log.info("stopped", extra={"node": self.node.id})

    def look(self) -> None:
        """Asks for a sweep and a dispatch as soon as may be."""
        self._due.set()
        self._mail.set()

    def stop(self) -> None:
        """Asks the node to finish what it is doing and end."""
        self.stopping = True
        self.app.sweeper.stop()
        self.look()

    def _signalled(self) -> None:
        for number in SIGNALS:
            asyncio.get_running_loop().remove_signal_handler(number)
        self.stop()

    async def _sweeping(self) -> None:
        while not self.stopping:
            self._due.clear()
            await self.sweep()
            await self._sign()
            if not self.stopping:
                await self._due.wait()

    async def _mailing(self) -> None:
        while not self.stopping:
            self._mail.clear()
            await self.dispatch()
            if not self.stopping:
                await self._mail.wait()

    async def sweep(self) -> None:
        """One sweep, and the next wake-up set to the earliest `wake_at`."""
        now = self.clock()
        if self.watch.leapt(now, self.elapsed()):
            self.node.held = True
            log.error("the clock leapt ahead: escalation is held until somebody confirms the time (restart the worker)")
            return
        swept = await self._guarded(asyncio.to_thread(self._sweep, now))
        if swept is None:
            return
        if swept.examined:
            self._mail.set()
        soon = now + timedelta(seconds=self.app.settings.scheduler.look_seconds)
        if swept.next_wake_at is not None and swept.next_wake_at < soon:
            self._at("wake", max(swept.next_wake_at, now))

    def _sweep(self, now: datetime) -> Swept | None:
        ahead, most = self.app.store.ahead(now), timedelta(seconds=self.app.settings.scheduler.skew_seconds)
        self.node.held = bool(most) and ahead > most
        if self.node.held:
            log.error("this clock is %s ahead of the database's: escalation is held here; set the time right", ahead)
            return None
        began = self.elapsed()
        swept = self.app.sweep(now)
        self.node.swept_at, self.node.sweep_seconds = now, self.elapsed() - began
        metrics.swept(swept, self.node.sweep_seconds)
        if swept.examined:
            log.info("swept", extra=swept.as_json())
        stored = self.app.archive(now)
        if stored.issues or stored.mails:
            log.info("archived", extra=stored.as_json())
        made = self.app.summarise(now)
        if made.queued:
            log.info("summarised", extra=made.as_json())
        return swept

    async def dispatch(self) -> None:
        """Sends what waits, until nothing is left to send now."""
        while not self.stopping:
            now = self.clock()
            counts = await self._guarded(self.app.dispatch(now))
            if counts is None:
                return
            self.node.dispatched_at = now
            metrics.dispatched(counts)
            if not counts.sent:
                return
            log.info("dispatched", extra=asdict(counts))

    async def _guarded(self, work: Awaitable[T]) -> T | None:
        """What the work answers; None when the store or the configuration is in trouble, and then it is tried again soon."""
        try:
            answer = await work
        except EscalationError as trouble:
            self._failures += 1
            wait = min(SOON * 2 ** min(self._failures - 1, 10), LONGEST)
            log.error("%s: %s; again in %.0f s", trouble.message, trouble.hint, wait.total_seconds())
            metrics.failed()
            self._at("again", self.clock() + wait)
            return None
        self._failures = 0
        return answer

    def _at(self, name: str, moment: datetime) -> None:
        if not self.stopping:
            self.scheduler.add_job(self.look, DateTrigger(moment), id=name, replace_existing=True)

    async def _sign(self, *, stopped: bool = False) -> None:
        with suppress(EscalationError):
            await asyncio.to_thread(self.app.sign, self.node, self.clock(), stopped=stopped)

    async def _beat(self, seconds: float) -> None:
        """The monotonic watch: whatever the wall clock and the timers think, the store is looked at."""
        while True:
            await asyncio.sleep(seconds)
            self.look()


class LeapWatch:
    """Tells a wall clock that leaps from time that passes.

    While running, one that gets further ahead of the monotonic clock than `most` holds escalation until a person confirms:
    else one wrong clock escalates a province (promises.md, fault 8).
    """

    def __init__(self, wall: datetime, elapsed: float, most: timedelta) -> None:
        self.wall, self.elapsed, self.most = wall, elapsed, most
        self.held = False

    def leapt(self, wall: datetime, elapsed: float) -> bool:
        """Has the clock leapt since the last look? Once it has, it stays held."""
        passed = timedelta(seconds=elapsed - self.elapsed)
        if wall - self.wall - passed > self.most:
            self.held = True
        if not self.held:
            self.wall, self.elapsed = wall, elapsed
        return self.held
