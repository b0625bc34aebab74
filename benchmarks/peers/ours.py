"""Our sweep for a harness of peers that names this folder in BENCH_PEERS: its own store, its own check.

Ours writes nine rows an issue (stays, journal, card, four mails with their facts), peers there write three lean ones: read the
figures with that in mind; `benchmarks/sweep.py` compares on the same rows.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from cases import case

from benchmarks.seeding import DUE, NOW, Stores
from escalation.applying import Outgoing
from escalation.database import Store
from escalation.sweep import Sweeper
from escalation.world import WorldReader


@case("ours-sqlite", "sqlite", own_store=True, note="the real sweep on its own tables: nine rows an issue")
def ours_sqlite(context):  # type: ignore[no-untyped-def]
    url = Stores("sqlite", Path(context.tmp), None).seeded(context.n)
    sweeper = Sweeper(Store(url), WorldReader(), Outgoing())
    sweeper.sweep_once(DUE)
    yield lambda: _moved(sweeper, context.n)
    yield lambda: _moved(sweeper, 0)


def _moved(sweeper: Sweeper, expected: int) -> int:
    moved = sweeper.sweep_once(NOW).escalated["department"]
    assert moved == expected, (moved, expected)
    return moved
