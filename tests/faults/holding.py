"""What must hold at the end of every day of a simulated year: of what was touched, and now and then of everything."""

from datetime import datetime, timedelta

from sqlalchemy import func, select

from escalation.database import Store
from escalation.queries import ISSUE
from escalation.verifying import SET_ASIDE, problems, verify
from escalation.world import WorldReader

CHUNK = 500


def hold(url: str, evening: datetime, *, whole: bool) -> None:
    """Nothing that a day's work touched is broken, nothing due was left alone, nothing is set aside. `whole`: all is verified.

    Raises AssertionError saying what does not hold.
    """
    store = Store(url, busy_seconds=600)
    with store.reading() as session:
        connection = session.connection()
        world = WorldReader().read(session)
        changed = select(ISSUE.c.id).where(ISSUE.c.changed_at >= evening - timedelta(days=1, hours=1))
        touched = list(connection.execute(changed).scalars())
        broken = [
            bad for start in range(0, len(touched), CHUNK) for bad in problems(connection, world, touched[start : start + CHUNK])
        ]
        forgotten = connection.execute(select(func.count()).where(ISSUE.c.wake_at <= evening)).scalar_one()
        aside = connection.execute(select(func.count()).select_from(SET_ASIDE)).scalar_one()
        assert not broken, broken[:3]
        assert not forgotten, f"{forgotten} due issues were left alone"
        assert not aside, f"{aside} issues were set aside"
        if whole:
            assert (found := verify(session, world)).ok, found.broken[:3]
    store.close()
