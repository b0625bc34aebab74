"""Time: wakes the sweep at the earliest `wake_at` and once a minute, and runs the dispatcher. The only home of APScheduler.

It has no job store and holds no state: all that must survive is in the database. APScheduler 3 falls silent when the wall clock
is set back and lists every missed second when it is set forward (docs/decisions), so a monotonic watch stands beside it.
"""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
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
from escalation.watchdog import Watchdog

log = logging.getLogger(__name__)

JOB_DEFAULTS = {"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
SIGNALS = (signal.SIGTERM, signal.SIGINT)
#: How long a stopping node waits for the mails it is just sending, in seconds; then it breaks off and says so in the outbox.
GRACE = 4
T = TypeVar("T")
#: After a look that failed: the first wait and the longest.
SOON, LONGEST = timedelta(seconds=1), timedelta(seconds=60)


class Worker:
    """One node: a scheduler and a dispatcher over one store. Start as many as wanted on PostgreSQL."""

    def __init__(
        self,
        app: App,
        clock: Clock,
        elapsed: Callable[[], float] = monotonic,
        kind: str = "worker",
        watchdog: Watchdog | None = None,
    ) -> None:
        self.app = app
        self.watchdog = watchdog or watchdog_of(app)
        app.sweeper.went_on = self.watchdog.heard
        self.clock = clock
        self.elapsed = elapsed
        self.node = Node(kind, clock())
        self.watch = LeapWatch(clock(), elapsed(), timedelta(seconds=app.settings.scheduler.leap_seconds))
        self.scheduler = AsyncIOScheduler(timezone=UTC, job_defaults=JOB_DEFAULTS)
        self.stopping = False
        self._failures = 0
        #: Why mail last stopped when it was tried, so that it is said once and not every fifteen seconds.
        self._stopped = ""
        #: Set when there may be something to do; many reasons at once are one look.
        self._due, self._mail, self._keep = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._post = asyncio.Event()

    async def run(self, *, signals: bool = True) -> None:
        """Works until `stop` is called or, if `signals` are its own, a SIGTERM or SIGINT comes; finishes the batch it is in.

        A second signal ends it at once. A server that hangs holds up the mail, never the sweep: they run side by side.
        """
        if signals:
            for number in SIGNALS:
                asyncio.get_running_loop().add_signal_handler(number, self._signalled)
        times = self.app.settings.scheduler
        self.scheduler.add_job(self.look, IntervalTrigger(seconds=int(times.look_seconds)), id="look")
        self.scheduler.add_job(self._send, IntervalTrigger(seconds=int(times.dispatch_seconds)), id="dispatch")
        self.scheduler.add_job(self._keep.set, IntervalTrigger(seconds=int(times.look_seconds)), id="keep")
        self.scheduler.start()
        log.info("started", extra={"node": self.node.id})
        sweeping = asyncio.create_task(self._turning(self._due, self._sweep_and_sign))
        mailing = asyncio.create_task(self._turning(self._mail, self.dispatch))
        posting = asyncio.create_task(self._turning(self._post, self.dispatch_elsewhere))
        keeping = asyncio.create_task(self._turning(self._keep, self.keep))
        reasons = (self._beat(times.look_seconds), waking.listen(self.app.store, self.look))
        beside = [asyncio.create_task(each) for each in reasons]
        lines = (sweeping, mailing, posting, keeping)
        self.look()
        try:
            # none of them ends before it is told to, and whoever has nothing to do ends at once
            await asyncio.wait(lines, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait(lines, timeout=GRACE)
        finally:
            self.stop()  # also when it is broken off without a word: else the sweeping would never end
            self.scheduler.shutdown(wait=False)
            last = (*beside, mailing, posting, keeping)
            for task in last:
                task.cancel()
            await asyncio.gather(*last, return_exceptions=True)
            await sweeping
            await self._sign(stopped=True)
            log.info("stopped", extra={"node": self.node.id})

    def look(self) -> None:
        """Asks for a sweep and a dispatch as soon as may be."""
        self._due.set()
        self._send()

    def _send(self) -> None:
        self._mail.set()
        self._post.set()

    def stop(self) -> None:
        """Asks the node to finish what it is doing and end."""
        self.stopping = True
        self.watchdog.told_to_stop()
        self.app.sweeper.stop()
        self.app.inbox.stop()
        for reason in (self._due, self._mail, self._post, self._keep):
            reason.set()

    def _signalled(self) -> None:
        for number in SIGNALS:
            asyncio.get_running_loop().remove_signal_handler(number)
        self.stop()

    async def _turning(self, reason: asyncio.Event, work: Callable[[], Awaitable[None]]) -> None:
        """Works once, then whenever there is a reason to."""
        while not self.stopping:
            reason.clear()
            await work()
            if not self.stopping:
                await reason.wait()

    async def _sweep_and_sign(self) -> None:
        await self.sweep()
        self.watchdog.heard()
        await self._sign()
        self.watchdog.heard()

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
            self._send()
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
        return swept

    async def keep(self) -> None:
        """What must be done some time soon, and must never hold up a sweep: summaries, replies, the archive."""
        if self.node.held:
            return
        now = self.clock()
        made = await self._guarded(asyncio.to_thread(self.app.summarise, now))
        if made is not None and made.queued:
            log.info("summarised", extra=made.as_json())
            self._send()
        if self.app.settings.inbox.is_on:
            came = await self._guarded(asyncio.to_thread(self.app.read_inbox, now))
            if came is not None and came.read:
                log.info("read the inbox", extra=came.as_json())
                self._send()
        stored = await self._guarded(asyncio.to_thread(self.app.archive, now))
        if stored is not None and (stored.issues or stored.mails):
            log.info("archived", extra=stored.as_json())
        await self._guarded(asyncio.to_thread(self.app.give_back))

    async def dispatch(self) -> None:
        """Sends what waits, until nothing is left to send now."""
        while not self.stopping:
            now = self.clock()
            counts = await self._guarded(self.app.mailroom.dispatch(now))
            if counts is None:
                return
            self.node.dispatched_at = now
            metrics.dispatched(counts)
            news = bool(counts.stopped) and not counts.waits and counts.stopped != self._stopped
            if not counts.waits:
                self._stopped = counts.stopped
            if counts.sent or news:
                told = "dispatched" if counts.sent else "mail does not leave"
                log.log(logging.WARNING if news else logging.INFO, told, extra=asdict(counts))
            if not counts.sent:
                return

    async def dispatch_elsewhere(self) -> None:
        """The same by channels beside mail and webhooks, where there are any; one that hangs holds up neither mail nor sweep."""
        if not self.app.mailroom.lanes:
            return
        counts = await self._guarded(self.app.mailroom.dispatch_elsewhere(self.clock()))
        if counts is None:
            return
        metrics.dispatched(counts)
        if counts.sent or counts.stopped:
            log.log(logging.WARNING if counts.stopped else logging.INFO, "dispatched elsewhere", extra=asdict(counts))

    async def _guarded(self, work: Awaitable[T]) -> T | None:
        """What the work answers; None when it fails, and then it is tried again soon.

        Trouble with the store or the configuration is said in a line. Anything else is a mistake of the program: it goes to the
        log whole, and the node goes on with what is not broken (promises.md, P7).
        """
        try:
            answer = await work
        except EscalationError as trouble:
            log.error("%s: %s", trouble.message, trouble.hint)
        except Exception:
            log.exception("this is a mistake of the program")
        else:
            self._failures = 0
            return answer
        self._failures += 1
        metrics.failed()
        self._at("again", self.clock() + min(SOON * 2 ** min(self._failures - 1, 10), LONGEST))
        return None

    def _at(self, name: str, moment: datetime) -> None:
        if not self.stopping:
            self.scheduler.add_job(self.look, DateTrigger(moment), id=name, replace_existing=True)

    async def _sign(self, *, stopped: bool = False) -> None:
        await self._guarded(asyncio.to_thread(self.app.sign, self.node, self.clock(), stopped=stopped))

    async def _beat(self, seconds: float) -> None:
        """The monotonic watch: whatever the wall clock and the timers think, the store is looked at."""
        while True:
            await asyncio.sleep(seconds)
            self.look()


def watchdog_of(app: App) -> Watchdog:
    """One with the patience of this installation; what takes its time and then says so is no silence."""
    scheduler, busy = app.settings.scheduler, app.settings.database.busy_seconds if app.store.is_sqlite else 0
    return Watchdog(max(scheduler.patience_seconds, 3 * scheduler.look_seconds, 2 * busy))


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
