"""What Prometheus may ask: what this process has done, and how the store stands. The only home of prometheus_client.

The store's figures are read when they are asked for, in a handful of statements over small indexes, so that any node, also
one that only serves pages, answers the same.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from sqlalchemy import Connection, func, select
from sqlmodel import Session

from escalation import nodes
from escalation.app import App
from escalation.models import SetAside
from escalation.queries import ISSUE, OUTBOX
from escalation.sweep import Swept
from notifications import outbox
from notifications.bookkeeping import DispatchCounts

PROCESS = CollectorRegistry()
SWEEPS = Histogram(
    "escalation_sweep_seconds", "How long a sweep took.", registry=PROCESS, buckets=(0.005, 0.05, 0.5, 1, 5, 15, 60, 300)
)
MOVED = Counter("escalation_escalated", "Issues moved up, by the stage they came to.", ["stage"], registry=PROCESS)
CONFLICTS = Counter("escalation_conflicts", "Due issues that another node or person had changed first.", registry=PROCESS)
FAILURES = Counter("escalation_failures", "Looks at the store that failed.", registry=PROCESS)
MAILS = Counter("escalation_mails", "Mails tried, by what became of them.", ["outcome"], registry=PROCESS)


def swept(done: Swept, seconds: float) -> None:
    """A sweep of this process is over."""
    SWEEPS.observe(seconds)
    CONFLICTS.inc(done.conflicts)
    for stage, count in done.escalated.items():
        MOVED.labels(stage).inc(count)


def dispatched(done: DispatchCounts) -> None:
    """A dispatch of this process is over."""
    for outcome in ("sent", "retry", "dead", "held"):
        MAILS.labels(outcome).inc(getattr(done, outcome))


def failed() -> None:
    """The store could not be used."""
    FAILURES.inc()


def exposition(app: App, now: datetime) -> bytes:
    """Everything in Prometheus's text format. Raises DatabaseTrouble when the store does not answer."""
    registry = CollectorRegistry()
    with app.store.reading() as session:
        registry.register(_Figures([*_store(session, now), _retried(app)]))
    return generate_latest(PROCESS) + generate_latest(registry)


class _Figures:
    """Figures that were read already."""

    def __init__(self, metrics: list[Metric]) -> None:
        self.metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self.metrics


def _retried(app: App) -> Metric:
    retried = CounterMetricFamily("escalation_transactions_retried", "Transactions tried again after a deadlock.")
    retried.add_metric([], app.store.retried)
    return retried


def _store(session: Session, now: datetime) -> Iterable[Metric]:
    connection = session.connection()
    oldest = connection.execute(select(func.min(ISSUE.c.wake_at))).scalar()
    yield _gauge("escalation_due_lag_seconds", "How long the oldest due issue has waited.", _age(oldest, now))
    standing = select(ISSUE.c.stage, ISSUE.c.status, func.count()).where(ISSUE.c.closed_at.is_(None))
    yield _by(
        "escalation_issues_open", "Open issues.", ("stage", "status"),
        connection.execute(standing.group_by(ISSUE.c.stage, ISSUE.c.status)),
    )  # fmt: skip
    overdue = select(ISSUE.c.stage, func.count()).where(ISSUE.c.closed_at.is_(None), ISSUE.c.due_at < now)
    yield _by(
        "escalation_issues_overdue", "Open issues past their deadline.", ("stage",),
        connection.execute(overdue.group_by(ISSUE.c.stage)),
    )  # fmt: skip
    yield _by(
        "escalation_outbox", "Mails by state.", ("state",),
        connection.execute(select(OUTBOX.c.state, func.count()).group_by(OUTBOX.c.state)),
    )  # fmt: skip
    kept = outbox.kept_counts(session)
    yield _by("escalation_outbox_kept", "Messages kept because their server refuses us or is down.", ("why",), kept.items())
    yield _gauge("escalation_outbox_oldest_seconds", "Age of the oldest mail that waits.", _age(_oldest_mail(connection), now))
    aside = connection.execute(select(func.count()).select_from(SetAside.__table__)).scalar()  # type: ignore[attr-defined]
    yield _gauge("escalation_set_aside", "Issues that could not be decided.", aside or 0)
    here = nodes.listing(session, now)
    yield _by(
        "escalation_nodes", "Nodes by state.", ("state",),
        [(state, sum(node["state"] == state for node in here)) for state in ("working", "held", "silent")],
    )  # fmt: skip
    yield _gauge("escalation_since_sweep_seconds", "Since any node last looked.", _age(nodes.last_sweep(session), now))


def _oldest_mail(connection: Connection) -> datetime | None:
    """Also of those that wait for the morning, or for the server to come back: alerts allow for a long holiday."""
    return connection.execute(select(func.min(OUTBOX.c.queued_at)).where(OUTBOX.c.state.in_(("queued", "sending")))).scalar()


def _age(moment: datetime | None, now: datetime) -> float:
    return max(0.0, (now - moment).total_seconds()) if moment is not None else 0.0


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _by(name: str, text: str, labels: tuple[str, ...], rows: Iterable[Any]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for *values, count in rows:
        family.add_metric([str(value) for value in values], count)
    return family
