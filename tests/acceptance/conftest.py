"""Acceptance tests are given a folder of real logs: `pytest tests/acceptance --shared FOLDER`. Without it there are none.

A log is known by its columns, not by its name, so another one of the same kind may be put beside these or in their place.
"""

from pathlib import Path

import pytest

from tests.acceptance import boston, incidents, pingshan
from tests.acceptance.logs import columns_of

KINDS = {kind.NAME: kind for kind in (boston, incidents, pingshan)}


def logs_of(config: pytest.Config, kind: str) -> list[Path]:
    """The logs of one kind in the folder that was given."""
    folder = Path(config.getoption("--shared")) / "data" / "logs"
    found = [path for path in sorted(folder.glob("*.csv")) if columns_of(path) >= KINDS[kind].COLUMNS]
    if not found:
        raise pytest.UsageError(f"{folder} has no log with the columns {', '.join(sorted(KINDS[kind].COLUMNS))}")
    return found


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Nothing here is collected where no logs are given: these tests are not skipped, they are not there."""
    return None if config.getoption("--shared") else True


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `boston_log` (or another kind's) runs once for each log of the kind."""
    for kind in KINDS:
        if (name := f"{kind}_log") in metafunc.fixturenames:
            metafunc.parametrize(name, logs_of(metafunc.config, kind), ids=lambda path: path.stem, scope="session")
