"""Time: wakes the sweep at the earliest `wake_at` and once a minute, and runs the dispatcher. The only home of APScheduler.

It has no job store and holds no state: all that must survive is in the database. APScheduler 3 falls silent when the wall clock
is set back and lists every missed second when it is set forward (docs/decisions), so a monotonic watch stands beside it.
"""

import asyncio
import logging
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import monotonic

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from escalation.app import App
from escalation.clock import Clock
from escalation.errors import DatabaseTrouble

log = logging.getLogger(__name__)

JOB_DEFAULTS = {"misfire_grace_time": None, "coalesce": True, "max_instances": 1}


class Worker:
    """One node: a scheduler and a dispatcher over one store. Start as many as wanted on PostgreSQL."""

    def __init__(self, app: App, clock: Clock, elapsed: Callable[[], float] = monotonic) -> None:
        self.app = app
        self.clock = clock
        self.elapsed = elapsed
        self.watch = LeapWatch(clock(), elapsed(), timedelta(seconds=app.settings.scheduler.leap_seconds))
        self.scheduler = AsyncIOScheduler(timezone=UTC, job_defaults=JOB_DEFAULTS)
        self.stopping = asyncio.Event()
        self._sweeping = asyncio.Lock()
        self._dispatching = asyncio.Lock()

    async def run(self) -> None:
        """Works until `stop` is called or a SIGTERM or SIGINT comes; finishes the batch it is in."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        times = self.app.settings.scheduler
        self.scheduler.add_job(self.sweep, IntervalTrigger(seconds=int(times.look_seconds)), id="look")
        self.scheduler.add_job(self.dispatch, IntervalTrigger(seconds=int(times.dispatch_seconds)), id="dispatch")
        self.scheduler.start()
        beat = loop.create_task(self._beat(times.look_seconds))
        try:
            await self.sweep()
            await self.dispatch()
            await self.stopping.wait()
        finally:
            beat.cancel()
            self.scheduler.shutdown(wait=False)
            async with self._sweeping, self._dispatching:
                log.info("stopped")

    def stop(self) -> None:
        """Asks the node to finish what it is doing and end."""
        self.stopping.set()

    async def sweep(self) -> None:
        """One sweep, and the next wake-up set to the earliest `wake_at`."""
        if self._sweeping.locked():
            return
        async with self._sweeping:
            now = self.clock()
            if self.watch.leapt(now, self.elapsed()):
                log.error("the clock leapt ahead: escalation is held until somebody confirms the time (restart the worker)")
                return
            try:
                swept = await asyncio.to_thread(self.app.sweep, now)
            except DatabaseTrouble as trouble:
                log.error("%s: %s", trouble.message, trouble.hint)
                return
            if swept.examined:
                log.info("swept %s", swept.as_json())
            self._wake(swept.next_wake_at, now)

    def _wake(self, at: datetime | None, now: datetime) -> None:
        soon = now + timedelta(seconds=self.app.settings.scheduler.look_seconds)
        if at is not None and at < soon:
            self.scheduler.add_job(self.sweep, DateTrigger(max(at, now)), id="wake", replace_existing=True)

    async def dispatch(self) -> None:
        """Sends what waits, until nothing is left to send now."""
        if self._dispatching.locked():
            return
        async with self._dispatching:
            try:
                while not self.stopping.is_set():
                    counts = await self.app.dispatch(self.clock())
                    if not counts.sent:
                        return
                    log.info("dispatched %s", counts)
            except DatabaseTrouble as trouble:
                log.error("%s: %s", trouble.message, trouble.hint)

    async def _beat(self, seconds: float) -> None:
        """The monotonic watch: whatever the wall clock and the timers think, the store is looked at."""
        while not self.stopping.is_set():
            await asyncio.sleep(seconds)
            await self.sweep()
            await self.dispatch()


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
