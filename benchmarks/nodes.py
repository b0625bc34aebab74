"""Several nodes on one PostgreSQL: speed with 1, 2, 4, 8 workers, how late a due moment is acted on, growth with the store.

uv run python benchmarks/nodes.py --n 10000 --workers 1 2 4 8
uv run python benchmarks/nodes.py --delays 100
uv run python benchmarks/nodes.py --growth 10000 100000 1000000 --database sqlite
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles
from time import perf_counter

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.seeding import DUE, NOW, Postgres, Stores
from benchmarks.sweep import check, child, show
from escalation import migrating
from escalation.app import App
from escalation.applying import Outgoing
from escalation.commands import Raise
from escalation.config import read
from escalation.database import Store
from escalation.sweep import Sweeper
from escalation.world import WorldReader
from tests.faults import offices

#: So many issues are due in every store of the growth.
CONSTANT = 1_000
RUNS = 3


def sweep_when_told(url: str) -> None:
    """A node of its own: ready, waits for a line, sweeps."""
    store = Store(url)
    sweeper = Sweeper(store, WorldReader(), Outgoing())
    sweeper.sweep_once(DUE)
    print("ready", flush=True)
    sys.stdin.readline()
    swept = sweeper.sweep_once(NOW)
    print(json.dumps({"moved": swept.escalated["department"], "conflicts": swept.conflicts}), flush=True)


def together(stores: Stores, seed: str, n: int, workers: int) -> dict[str, object]:
    """So many nodes begin at once on a copy of the store; until the last one is done."""
    url = stores.copy(seed)
    nodes = [
        subprocess.Popen([sys.executable, __file__, "--child", url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(workers)
    ]
    for node in nodes:
        assert node.stdout is not None and node.stdout.readline() == "ready\n"
    begun = perf_counter()
    for node in nodes:
        assert node.stdin is not None
        node.stdin.write("go\n")
        node.stdin.flush()
    answers = [json.loads(node.communicate()[0]) for node in nodes]
    seconds = perf_counter() - begun
    check(url, n)
    stores.drop(url)
    assert sum(answer["moved"] for answer in answers) == n, answers
    return {
        "case": "nodes",
        "database": stores.database,
        "n": n,
        "workers": workers,
        "per_second": n / seconds,
        "conflicts": sum(answer["conflicts"] for answer in answers),
        "moved_each": [answer["moved"] for answer in answers],
    }


def delays(database: str, url: str, count: int, *, load: bool) -> dict[str, object]:
    """Seconds from a deadline that this process sets until a real worker has acted on it."""
    with tempfile.TemporaryDirectory() as folder:
        app = offices.install(Path(folder), url)
        started = offices.start(Path(folder), app, 1 if database == "sqlite" else 2)
        over = threading.Event()
        with ThreadPoolExecutor(1) as people:
            raised = people.submit(_load, Path(folder), over) if load else None
            try:
                found = [offices.delay(app, patience=60) * 1000 for _ in range(count)]
            finally:
                over.set()
            # what went wrong there is raised here
            beside = {"raised_meanwhile": raised.result()} if raised else {}
        for worker in started:
            worker.terminate()
        assert [worker.wait(timeout=15) for worker in started] == [0] * len(started)
        app.close()
    worst = quantiles(found, n=100, method="inclusive")
    case = "delay under load" if load else "delay"
    return {"case": case, "database": database, "n": count, "p50_ms": worst[49], "p99_ms": worst[98], **beside}


def _load(folder: Path, over: threading.Event) -> int:
    """People who raise some twenty issues a second; how many it were."""
    app, raised = App(read(folder / "config.toml")), 0
    while not over.wait(0.05):
        app.raise_issue(Raise("HLJ26-001", "power", "major", "one of many", "PT0001"), datetime.now(UTC))
        raised += 1
    app.close()
    return raised


def growth(stores: Stores, standing: int) -> dict[str, object]:
    """The same number of due issues in a store of so many open ones: the best of three sweeps, and a look when nothing is due."""
    seed = stores.seeded(standing // 10, overdue=CONSTANT)
    measured = []
    for _ in range(RUNS):
        url = stores.copy(seed)
        measured.append(child("sweep", url))
        looked = child("idle", url)
        stores.drop(url)
    stores.drop(seed)
    best = min(measured, key=lambda each: each["seconds"])
    row = {"case": "growth", "database": stores.database, "n": CONSTANT, "open": standing}
    found = {"per_second": CONSTANT / best["seconds"], "cpu_ms_each": best["worked"] / CONSTANT * 1000}
    return row | found | {"peak_mb": best["peak_mb"], "look_p50_ms": looked["look_p50_ms"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--workers", type=int, nargs="*", default=[])
    parser.add_argument("--delays", type=int, default=0, metavar="COUNT")
    parser.add_argument("--growth", type=int, nargs="*", default=[], metavar="OPEN")
    parser.add_argument("--database", nargs="*", default=["postgresql"])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", metavar="URL", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        sweep_when_told(asked.child)
        return
    if not (asked.workers or asked.delays or asked.growth):
        asked.workers, asked.delays = [1, 2, 4, 8], 30
    rows: list[dict[str, object]] = []
    for database in asked.database:
        postgres = Postgres() if database == "postgresql" else None
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            stores = Stores(database, Path(folder), postgres)
            if asked.workers:
                seed = stores.seeded(asked.n)
                rows += [show(together(stores, seed, asked.n, workers), asked.json) for workers in asked.workers]
                stores.drop(seed)
            for load in (False, True) if asked.delays else ():
                url = stores.empty("delays_under_load" if load else "delays")
                store = Store(url)
                migrating.upgrade(store)
                store.close()
                rows.append(show(delays(database, url, asked.delays, load=load), asked.json))
            rows += [show(growth(stores, standing), asked.json) for standing in asked.growth]
        if postgres is not None:
            postgres.stop()
    if asked.json:
        print(json.dumps({"rows": rows}))


if __name__ == "__main__":
    main()
