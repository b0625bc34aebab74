"""Our sweep for a harness of peers that names this folder in BENCH_PEERS: its own store, its own check.

Ours writes nine rows an issue (stays, journal, card, four mails with their facts), peers there write three lean ones: read the
figures with that in mind; `benchmarks/sweep.py` compares on the same rows.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from cases import case


@case("ours-sqlite", "sqlite", own_store=True, note="the real sweep on its own tables: nine rows an issue")
def ours_sqlite(context):  # type: ignore[no-untyped-def]
    # imported here: our tables and those of a peer in the same process may have the same names
    from benchmarks.seeding import DUE, NOW, Stores
    from escalation.applying import Outgoing
    from escalation.database import Store
    from escalation.sweep import Sweeper
    from escalation.world import WorldReader

    url = Stores("sqlite", Path(context.tmp), None).seeded(context.n)
    sweeper = Sweeper(Store(url), WorldReader(), Outgoing())
    sweeper.sweep_once(DUE)

    def work() -> int:
        return sweeper.sweep_once(NOW).escalated["department"]

    yield work
    yield work
