"""A node of its own: `python -m tests.faults.child WHAT URL MOMENT [...]`, one line of JSON at the end of what it does.

sweep URL MOMENT             one sweep; says `ready` and waits for a line first, so that several begin together
"""

import json
import sys
import warnings
from datetime import datetime

from escalation.applying import Outgoing
from escalation.database import Store
from escalation.sweep import Sweeper
from escalation.world import WorldReader


def ready() -> None:
    """Everything is loaded; goes on when the test says so."""
    print("ready", flush=True)
    sys.stdin.readline()


def sweep(url: str, moment: str, bite: str = "") -> dict[str, object]:
    """One sweep; `bite` makes its transactions small, so that a kill can fall between two of them."""
    import escalation.sweep

    if bite:
        escalation.sweep.TRANSACTION = {"sqlite": int(bite), "postgresql": int(bite)}
    store = Store(url)
    sweeper = Sweeper(store, WorldReader(), Outgoing())
    with store.reading() as session:
        sweeper.world.read(session)
    ready()
    swept = sweeper.sweep_once(datetime.fromisoformat(moment))
    store.close()
    return {
        "examined": swept.examined,
        "escalated": dict(swept.escalated),
        "conflicts": swept.conflicts,
        "set_aside": swept.set_aside,
        "actions": dict(swept.actions),
    }


if __name__ == "__main__":
    warnings.simplefilter("error")
    _, *arguments = sys.argv[1:]
    print(json.dumps(sweep(*arguments)), flush=True)
