"""A whole installation in a folder, with real workers, whose issues are dispatched as they are raised."""

import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import select
from sqlmodel import Session

from escalation import nodes
from escalation.app import App
from escalation.commands import Raise
from escalation.config import read
from escalation.queries import ISSUE, JOURNAL
from tests.programs import LONG, PATIENT, until
from workflows.loading import source_of

ROOT = Path(__file__).parents[2]
CONFIG = """
[database]
url = "{url}"
[workflow]
file = "own.toml"
[scheduler]
look_seconds = 60
dispatch_seconds = 60
"""
SMTP = """
[smtp]
host = "127.0.0.1"
port = {port}
security = "none"
[mail]
quiet_hours = false
"""


def install(folder: Path, url: str, port: int = 0) -> App:
    """Configuration, schema, the sample ledger, and nothing that is due; a deadline can be given with a new issue.

    `port`: of a mail server; without it mail goes to a folder.
    """
    (folder / "own.toml").write_text(source_of("provincial").replace("auto_dispatch = false", "auto_dispatch = true"), "utf-8")
    (folder / "config.toml").write_text(CONFIG.format(url=url) + (SMTP.format(port=port) if port else ""), "utf-8")
    app = App(read(folder / "config.toml"))
    app.init(datetime.now(UTC))
    app.import_sample(datetime.now(UTC))
    app.sweep(datetime.now(UTC))
    return app


def start(folder: Path, app: App, count: int) -> list[subprocess.Popen[bytes]]:
    """Real workers; they have looked once, and nothing makes them look for the next minute but what they hear."""
    started = []
    for number in range(count):
        command = [*PATIENT, "worker", "--config", str(folder / "config.toml")]
        with (folder / f"worker-{number}.log").open("wb") as log:
            started.append(subprocess.Popen(command, cwd=ROOT, stderr=log))
    until(lambda: app.look(lambda session, world: _ready(session)) == count)
    return started


def _ready(session: Session) -> int:
    return sum(node["state"] == "working" and node["swept_at"] is not None for node in nodes.listing(session, datetime.now(UTC)))


def wanted(due: datetime) -> Raise:
    """An issue with a deadline of its own."""
    return Raise("HLJ26-001", "power", "major", "wakes somebody", "PT0001", due_at=due)


def delay(app: App, patience: float = LONG) -> float:
    """Sets a deadline a moment ahead; seconds from the deadline until the issue was seen to have gone up."""
    due = datetime.now(UTC) + timedelta(seconds=0.2)
    issue, _ = app.raise_issue(wanted(due), datetime.now(UTC))
    mine = select(ISSUE.c.id).where(ISSUE.c.number == issue["number"]).scalar_subquery()
    statement = select(JOURNAL.c.seq).where(JOURNAL.c.action == "escalate_auto", JOURNAL.c.issue_id == mine)
    until = time.monotonic() + patience
    while time.monotonic() < until:
        with app.store.reading() as session:
            if session.connection().execute(statement).first():
                return time.time() - due.timestamp()
        time.sleep(0.005)
    raise AssertionError(f"{issue['number']} was not moved within {patience} s")
