"""A ledger cut by province: the program's own statements on PostgreSQL's partitioned tables, each province by itself."""

import pytest
from sqlalchemy import create_engine, func, select

from benchmarks.partitioned import DUE, looked_at, partition, populate, url_of
from escalation import bulk
from escalation.applying import Outgoing
from escalation.queries import ISSUE, JOURNAL, OUTBOX
from escalation.sweep import Sweeper
from escalation.verifying import verify
from escalation.world import WorldReader
from tests.conftest import Postgres

#: More than go one by one, so that rows are copied.
COUNT = bulk.FEW + 10


def test_each_province_moves_and_sees_its_own(postgres: Postgres, new_store, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    url = postgres.fresh()
    engine = create_engine(url)
    partition(engine, (1, 2))
    monkeypatch.setattr(bulk, "STAGED", True)
    stores = [new_store(url_of(url, province)) for province in (1, 2)]
    for store in stores:
        populate(store, COUNT, first=store is stores[0])
    assert Sweeper(stores[1], WorldReader(), Outgoing()).sweep_once(DUE).escalated["department"] == COUNT
    for store, moved in zip(stores, (0, COUNT), strict=True):
        with store.reading() as session:
            connection = session.connection()
            found = verify(session, WorldReader().read(session))
            assert (found.issues, found.broken) == (COUNT, [])
            gone_up = select(func.count()).where(JOURNAL.c.action == "escalate_auto")
            assert connection.execute(gone_up).scalar_one() == moved
    assert [looked_at(store) for store in stores] == [["issue_1"], ["issue_2"]]
    with engine.connect() as connection:  # whoever owns the tables sees everything
        assert connection.execute(select(func.count()).select_from(ISSUE)).scalar_one() == 2 * COUNT
        assert connection.execute(select(func.count(OUTBOX.c.key.distinct()))).scalar_one() > 2 * COUNT
    engine.dispose()
