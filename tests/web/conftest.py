"""An office on each database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from escalation.database import Store
from tests.web.office import Office


@pytest.fixture
def office(store: Store, tmp_path: Path) -> Iterator[Office]:
    """An office with the sample's parties, on each database."""
    made = Office(store, tmp_path)
    yield made
    made.app.close()


@pytest.fixture
def small(sqlite: str, new_store, tmp_path: Path) -> Iterator[Office]:  # type: ignore[no-untyped-def]
    """The same on SQLite alone, for what is about the page and not about the store."""
    made = Office(new_store(sqlite), tmp_path)
    yield made
    made.app.close()
