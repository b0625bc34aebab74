"""The processes that work on one store: each leaves a sign of life, so that people see who is there and who is not."""

import os
import socket
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Any

from sqlalchemy import delete, func, select
from sqlmodel import Session

from escalation.models import NodeRow

NODE = NodeRow.__table__  # type: ignore[attr-defined]
#: A node that looks at least once a minute and has been silent for three is gone, or hangs.
SILENT = timedelta(minutes=3)
#: Nodes that ended, or fell silent, are listed this long.
REMEMBERED = timedelta(days=7)


@dataclass(slots=True)
class Node:
    """This process, as it reports itself. Moments in UTC."""

    kind: str
    started_at: datetime
    swept_at: datetime | None = None
    sweep_seconds: float = 0.0
    dispatched_at: datetime | None = None
    held: bool = False

    @property
    def id(self) -> str:
        """Host, process and start: no two are ever the same, also when process numbers come round again."""
        return f"{socket.gethostname()}:{os.getpid()}:{int(self.started_at.timestamp())}"

    def sign(self, session: Session, now: datetime, *, stopped: bool = False) -> None:
        """Leaves a sign of life, and forgets nodes that have been gone for a week."""
        row = NodeRow(
            id=self.id,
            kind=self.kind,
            program=version("escalation"),
            started_at=self.started_at,
            seen_at=now,
            swept_at=self.swept_at,
            sweep_seconds=round(self.sweep_seconds, 3),
            dispatched_at=self.dispatched_at,
            held=self.held,
            stopped_at=now if stopped else None,
        )
        session.merge(row)
        # not this one, however long ago its clock says that it was
        session.connection().execute(delete(NODE).where(NODE.c.seen_at < now - REMEMBERED, NODE.c.id != self.id))


def listing(session: Session, now: datetime) -> list[dict[str, Any]]:
    """Every node known, the one last seen first, with what can be said of it: working, held, silent or stopped."""
    rows = session.connection().execute(select(NODE).order_by(NODE.c.seen_at.desc(), NODE.c.id)).mappings()
    return [{**row, "state": state_of(row, now)} for row in rows]


def state_of(row: Any, now: datetime) -> str:
    """`working`, `held` (its clock leapt), `silent` (no sign of life for three minutes) or `stopped` (it said goodbye)."""
    if row["stopped_at"] is not None:
        return "stopped"
    if now - row["seen_at"] > SILENT:
        return "silent"
    return "held" if row["held"] else "working"


def last_sweep(session: Session) -> datetime | None:
    """When any node last looked at the store."""
    return session.connection().execute(select(func.max(NODE.c.swept_at))).scalar()
