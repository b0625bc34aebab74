"""Many people at once: to-do, lists, issues and some actions, while everything that is due is swept by another process."""

import random
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from sqlalchemy import text

from benchmarks.province import NOW, WHO
from benchmarks.seeding import LATER, value_of
from escalation.applying import Outgoing
from escalation.database import Store
from escalation.sweep import Sweeper
from escalation.world import WorldReader

#: Somebody who works fast reads a page for so many seconds.
READS = (2.0, 8.0)
LISTS = ("", "?light=red", "?light=yellow", "?stage=department", "?status=pending_review", "?category=eia", "?sort=number")
#: What of a hundred clicks; the rest are issues. Every page asks for the count of the to-do once more, as in a browser.
TODO, LIST, ACT = 30, 60, 70


def sweep(url: str) -> None:
    """One sweep in this process; it knows that somebody is at the desk."""
    sweeper = Sweeper(Store(url), WorldReader(), Outgoing())
    print("ready", flush=True)
    sweeper.sweep_once(NOW)


def _numbers(url: str, where: str, limit: int) -> list[str]:
    store = Store(url)
    with store.reading() as session:
        statement = text(f"SELECT number FROM issue WHERE {where} ORDER BY id % 7919 LIMIT {limit}")
        values = {"later": value_of(store, LATER)} if ":later" in where else {}
        found = list(session.connection().execute(statement, values).scalars())
    store.close()
    return found


class Person(threading.Thread):
    """Somebody who clicks, reads and acts until it is over."""

    def __init__(self, place: int, browser: Any, issues: Sequence[str], own: list[str], over: threading.Event) -> None:
        super().__init__(daemon=True)
        self.chance, self.browser, self.issues, self.own, self.over = random.Random(place), browser, issues, own, over
        #: kind, when it began, seconds, and what was wrong
        self.seen: list[tuple[str, float, float, str]] = []

    def run(self) -> None:
        self.over.wait(self.chance.uniform(0, READS[1]))
        while not self.over.is_set():
            if self._click():
                self._timed("page", lambda: self.browser.get("/todo/count")[0])
            self.over.wait(self.chance.uniform(*READS))

    def _click(self) -> bool:
        luck = self.chance.randrange(100)
        if LIST <= luck < ACT and self.own:
            path = f"/issues/{self.own.pop()}/actions/report_progress"
            self._timed("action", lambda: self.browser.post(path, reason="已召开协调会,正在推进"), (303,))
            return False
        path = "/" if luck < TODO else f"/issues{self.chance.choice(LISTS)}"
        if luck >= LIST:
            path = f"/issues/{self.chance.choice(self.issues)}"
        # what is not theirs is not there
        return self._timed("page", lambda: self.browser.get(path)[0], (200, 404))

    def _timed(self, kind: str, ask: Any, fine: tuple[int, ...] = (200,)) -> bool:
        begun = perf_counter()
        try:
            status = ask()
            wrong = "" if status in fine else str(status)
        except OSError as error:
            wrong = type(error).__name__
        self.seen.append((kind, begun, perf_counter() - begun, wrong))
        return not wrong


def together(url: str, browsers: Sequence[Any], seconds: int) -> list[dict[str, object]]:
    """So many people for so long, or until the sweep is done; what they waited while it ran."""
    issues = _numbers(url, "closed_at IS NULL", 2_000)
    party = "(SELECT id FROM party WHERE code = '{}')".format(WHO["handler"])
    own = _numbers(url, f"lead_id = {party} AND status = 'processing' AND wake_at = :later", 2_000)
    over = threading.Event()
    handlers = [list(WHO)[place % len(WHO)] == "handler" for place in range(len(browsers))]
    people = [
        Person(place, browser, issues, own if mine else [], over)
        for place, (browser, mine) in enumerate(zip(browsers, handlers, strict=True))
    ]
    for each in people:
        each.start()
    sleep(READS[1])
    warm = perf_counter()
    sleep(2 * READS[1])
    due = _due(url)
    process = subprocess.Popen([sys.executable, __file__, url], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    began = perf_counter()
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:  # what is left is not waited for
        process.kill()
        process.wait()
        code = 0
    ended = perf_counter()
    assert code == 0, f"the sweep failed: {code}"
    over.set()
    for each in people:
        each.join(120)
    seen = [each for person in people for each in person.seen]
    during = [each for each in seen if each[1] + each[2] >= began and each[1] <= ended]
    found: list[dict[str, object]] = [
        _row(f"{len(people)} people before", "page", [each for each in seen if warm <= each[1] and each[1] + each[2] < began])
    ]
    found += [_row(f"{len(people)} people in a sweep", kind, during) for kind in ("page", "action")]
    return [*found, {"case": "the sweep meanwhile", "moved": due - _due(url), "seconds": ended - began}]


def _due(url: str) -> int:
    store = Store(url)
    with store.reading() as session:
        statement = text("SELECT count(*) FROM issue WHERE wake_at <= :now")
        found = session.connection().execute(statement, {"now": value_of(store, NOW)}).scalar_one()
    store.close()
    return found


def _row(case: str, kind: str, seen: Sequence[tuple[str, float, float, str]]) -> dict[str, object]:
    told = sorted(each[2] * 1000 for each in seen if each[0] == kind)
    wrong = sorted({each[3] for each in seen if each[0] == kind and each[3]})
    if not told:
        return {"case": f"{case}: {kind}s", "requests": 0}
    worst = {"p50_ms": told[len(told) // 2], "p99_ms": told[min(len(told) - 1, int(len(told) * 0.99))], "max_ms": told[-1]}
    errors = sum(1 for each in seen if each[0] == kind and each[3])
    return {"case": f"{case}: {kind}s", "requests": len(told), **worst, "errors": errors, "wrong": ",".join(wrong)}


if __name__ == "__main__":
    sweep(sys.argv[1])
