"""How fast pages are on a million issues, beside the bare SQL of each; and for fifty people while a sweep runs.

uv run python benchmarks/web.py --n 1000000 --database sqlite postgresql --keep FOLDER
uv run python benchmarks/web.py --n 1000000 --people 50 --seconds 60 --keep FOLDER
"""

import argparse
import http.client
import json
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter, sleep
from typing import Any
from urllib.parse import quote, urlencode

sys.path.insert(0, str(Path(__file__).parents[1]))

import uvicorn
from sqlalchemy import delete

from benchmarks import crowd, pagesql
from benchmarks.province import NOW, WHO, settled
from benchmarks.seeding import Postgres, Stores
from benchmarks.sweep import show
from escalation import migrating
from escalation.app import App
from escalation.config import DatabaseSettings, Settings, WebSettings
from escalation.database import Store
from escalation.models.users import WebSession
from escalation.users.accounts import SESSION, USER
from escalation.users.entering import digest
from escalation.web import create_app
from escalation.web.serving import settle

#: What the issue wants: p99 under so many milliseconds, and the page under so many times its SQL.
P99, TIMES = 150, 3
#: The first page of every filter that the list offers, one at a time; then some of them together.
FILTERS: tuple[dict[str, str], ...] = (
    {},
    *({"state": each} for each in ("over", "all")),
    *({"light": each} for each in ("red", "yellow", "green")),
    *({"stage": each} for each in ("city", "department", "province")),
    *({"status": each} for each in ("pending_intake", "pending_ack", "processing", "pending_review", "suspended")),
    {"status": "closed", "state": "over"},
    {"city": "鹤岗"},
    {"department": "省工信厅"},
    {"project": "HLJ26-004-7", "state": "all"},
    {"category": "land"},
    {"severity": "urgent"},
    *({"sort": each} for each in ("due", "-due", "number", "-number")),
    {"light": "yellow", "stage": "department", "category": "eia", "severity": "major"},
)
TOKEN = "a session of the benchmark as "
ROWS = re.compile(r'<tr data-href="/issues/([^"]+)"')
TASKS = re.compile(r'<a class="title" href="/issues/([^"]+)"')
ENTRIES = re.compile(r'<li class="(?:system)?"><div><b>')


def serve(url: str, port: int) -> None:
    """The real application on loopback, its clock standing at NOW; no scheduler beside it."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            database=DatabaseSettings(url=url), web=WebSettings(secure_cookies=False, requests_per_minute=0), root=Path(folder)
        )
        app = create_app(App(settings), lambda: NOW)
        settle()
        uvicorn.run(app, host="127.0.0.1", port=port, log_config=None, access_log=False, lifespan="off", timeout_keep_alive=600)


@contextmanager
def served(url: str) -> Iterator[int]:
    """The application in a process of its own; its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, __file__, "--child", url, str(port)])
    try:
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None, "the application has ended"
                sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(20)


class Browser:
    """One person's connection, logged in."""

    def __init__(self, port: int, login: str) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self.headers = {"cookie": f"session={quote(TOKEN + login)}", "sec-fetch-site": "same-origin"}

    def get(self, path: str) -> tuple[int, str]:
        self.connection.request("GET", path, headers=self.headers)
        answer = self.connection.getresponse()
        return answer.status, answer.read().decode()

    def post(self, path: str, **fields: str) -> int:
        told = {"content-type": "application/x-www-form-urlencoded", **self.headers}
        self.connection.request("POST", path, urlencode({"csrf": "c", **fields}), told)
        answer = self.connection.getresponse()
        answer.read()
        return answer.status


def log_in(url: str) -> None:
    """Everybody is logged in since this moment."""
    store = Store(url)
    migrating.upgrade(store)
    with store.transaction() as session:
        connection = session.connection()
        connection.execute(delete(SESSION))
        for user_id, login in connection.execute(USER.select().with_only_columns(USER.c.id, USER.c.login)).all():
            token = digest(quote(TOKEN + login))
            until = NOW.replace(year=NOW.year + 1)
            session.add(WebSession(token=token, user_id=user_id, csrf="c", created_at=NOW, seen_at=NOW, expires_at=until))
    store.close()


def spread(seconds: Sequence[float]) -> tuple[float, float]:
    """p50 and p99 in milliseconds."""
    told = sorted(each * 1000 for each in seconds)
    return median(told), told[min(len(told) - 1, int(len(told) * 0.99))]


def looked(browser: Browser, paths: Sequence[str], looks: int) -> tuple[tuple[float, float], str]:
    """The same page so often, and what it is; each is asked for once before."""
    for path in paths[1:]:
        browser.get(path)
    status, first = browser.get(paths[0])
    assert status == 200, (paths[0], status, first[:2000])
    times = []
    for turn in range(looks):
        begun = perf_counter()
        status, _ = browser.get(paths[turn % len(paths)])
        times.append(perf_counter() - begun)
        assert status == 200, (paths[turn % len(paths)], status)
    return spread(times), first


def pages(url: str, database: str, n: int, looks: int, logins: Sequence[str], only: str) -> Iterator[dict[str, object]]:
    """Each page of each role, beside its SQL."""
    bare = pagesql.Bare(url)
    with served(url) as port:
        for login in logins:
            browser = Browser(port, login)
            for name, paths, found in _pages(bare, login):
                if only not in f"{login} {name}":
                    continue
                (p50, p99), page = looked(browser, paths, looks)
                floor, rows = bare.measured(login, found, looks)
                _agree(name, page, rows)
                row: dict[str, object] = {"case": name, "who": login, "database": database, "n": n, "p50_ms": p50, "p99_ms": p99}
                yield row | {"floor_ms": floor, "ratio": p50 / floor}
    bare.close()


def _pages(bare: "pagesql.Bare", login: str) -> Iterator[tuple[str, list[str], Any]]:
    yield "to-do", ["/"], pagesql.todo(bare, login)
    yield "to-do count", ["/todo/count"], pagesql.todo(bare, login)
    numbers = bare.some_issues(login)
    yield "issue", [f"/issues/{quote(each)}" for each in numbers], pagesql.issue(bare, login, numbers[0])
    yield "board", ["/board"], pagesql.board(bare, login)
    for each in FILTERS:
        name = " ".join(f"{key}={value}" for key, value in each.items())
        yield f"list {name}".strip(), [f"/issues?{urlencode(each)}"], pagesql.listing(bare, login, each)


def _agree(name: str, page: str, rows: list[Any]) -> None:
    """The page shows what the bare SQL found."""
    if name.startswith("list"):
        shown = ROWS.findall(page)
        assert shown == [row[0] for row in rows[:50]], (name, shown[:5], [row[0] for row in rows[:5]], len(shown), len(rows))
    elif name == "to-do":
        assert set(TASKS.findall(page)) <= {row[0] for row in rows}, name
    elif name == "issue":
        assert len(ENTRIES.findall(page)) == len(rows), (name, len(rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=1_000_000, help="issues in the store")
    parser.add_argument("--due", type=int, default=0, help="so many of them are due (a tenth)")
    parser.add_argument("--database", nargs="*", default=["sqlite", "postgresql"])
    parser.add_argument("--keep", type=Path, help="a folder for the seeded stores: seeding takes longer than measuring")
    parser.add_argument("--who", nargs="*", default=list(WHO))
    parser.add_argument("--only", default="", help="pages with this in their name")
    parser.add_argument("--looks", type=int, default=100, help="so often each page")
    parser.add_argument("--people", type=int, default=0, help="so many people at once, while all that is due is swept")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        serve(asked.child[0], int(asked.child[1]))
        return
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        folder = asked.keep or Path(scratch)
        for database in asked.database:
            postgres = Postgres(folder / "pg" if asked.keep else None) if database == "postgresql" else None
            stores = Stores(database, folder, postgres)
            url = settled(stores, asked.n, asked.due or asked.n // 10)
            if asked.people:
                copy = stores.copy(url)
                log_in(copy)
                with served(copy) as port:
                    browsers = [Browser(port, list(WHO)[each % len(WHO)]) for each in range(asked.people)]
                    told = crowd.together(copy, browsers, asked.seconds)
                rows += [show({"database": database, "n": asked.n} | each, asked.json) for each in told]
                stores.drop(copy)
            else:
                log_in(url)
                measured = pages(url, database, asked.n, asked.looks, asked.who, asked.only)
                rows += [show(row, asked.json) for row in measured]
            if postgres is not None:
                postgres.stop()
    if asked.json:
        print(json.dumps({"rows": rows}))
    elif not asked.people:
        slow = [row for row in rows if row["p99_ms"] > P99]  # type: ignore[operator]
        heavy = [row for row in rows if row["ratio"] > TIMES]  # type: ignore[operator]
        print(f"{len(rows)} pages: {len(slow)} with a p99 above {P99} ms, {len(heavy)} above {TIMES} times their SQL")


if __name__ == "__main__":
    main()
