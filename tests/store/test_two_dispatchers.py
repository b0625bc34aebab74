"""What goes to one person together goes out once, and whole: two nodes at the same moment, and a digest that is tried again."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Barrier

import pytest
from sqlalchemy import select
from sqlmodel import Session

from escalation.database import Store
from escalation.errors import EscalationError
from notifications import claiming, gathering, outbox
from notifications.bookkeeping import DispatchCounts
from notifications.dispatch import DispatchSettings, dispatch_once
from notifications.lanes import Lane
from notifications.message import Down, GiveUp, Message, Outcome, Sent, TryAgain
from notifications.outbox import OUTBOX
from notifications.rendering import Renderer
from tests.store.test_outbox import MINUTE, NOW, SETTINGS, draft

PEOPLE, EACH = 40, 8
HOUR = timedelta(hours=1)


class Postbox:
    """Answers every mail alike, and keeps it."""

    def __init__(self, answer: Outcome | None = None) -> None:
        self.taken: list[Message] = []
        self.answer = answer or Sent()

    async def __aenter__(self) -> "Postbox":
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def send(self, message: Message) -> Outcome:
        self.taken.append(message)
        return self.answer


def queue(store: Store, *keys: str, **changes: object) -> None:
    with store.transaction() as session:
        outbox.enqueue(session, [draft(key, **changes) for key in keys], NOW, "example.com")


def dispatch(store: Store, postbox: Postbox, now: datetime = NOW, settings: DispatchSettings = SETTINGS) -> DispatchCounts:
    return asyncio.run(dispatch_once(store.transaction, postbox, Renderer(), settings, now, 1000))


def next_tries(store: Store) -> set[datetime]:
    with store.reading() as session:
        return set(session.connection().execute(select(OUTBOX.c.next_try_at).where(OUTBOX.c.state == "queued")).scalars())


# Two nodes.


def test_one_digest_a_person_however_many_nodes_look_at_once(store: Store) -> None:
    for n in range(PEOPLE):
        queue(store, *[f"{n}:{m}" for m in range(EACH)], recipient=f"{n}@example.com")
    postbox, begin = Postbox(), Barrier(2)

    def node(name: str) -> None:
        looks = iter([begin.wait])

        @contextmanager
        def opened() -> Iterator[Session]:
            for together in looks:
                together(30)
            with store.transaction() as session:
                yield session

        asyncio.run(dispatch_once(opened, postbox, Renderer(), replace(SETTINGS, node=name), NOW, 1000))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(node, ("one", "two")))
    mails = Counter(each.recipient for each in postbox.taken)
    assert mails == {f"{n}@example.com": 1 for n in range(PEOPLE)}


def test_what_one_node_is_just_claiming_is_not_halved_by_another(postgresql: str, new_store: Callable[[str], Store]) -> None:
    one, other, postbox = new_store(postgresql), new_store(postgresql), Postbox()
    queue(one, *"abcdefgh")
    with ThreadPoolExecutor(1) as pool:
        with one.transaction() as first:
            claiming.take_turn(first)
            assert len(claiming.claim(first, NOW, 4, "one", HOUR)) == 4
            looking = pool.submit(dispatch, other, postbox)
            while not looking.done() and not waits_for_a_turn(first):
                pass
            assert len(claiming.claim(first, NOW, 4, "one", HOUR)) == 4
        assert looking.result().sent == 0
    assert postbox.taken == []


def waits_for_a_turn(session: Session) -> bool:
    locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    return session.connection().exec_driver_sql(locks).scalar_one() > 0


def test_while_one_claims_the_others_of_its_lane_wait_and_not_for_ever(
    postgresql: str, new_store: Callable[[str], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claiming, "PATIENCE", "300ms")
    one, other = new_store(postgresql), new_store(postgresql)
    with one.transaction() as first:
        claiming.take_turn(first)
        with other.transaction() as second:
            claiming.take_turn(second, Lane("feishu"))
        with pytest.raises(EscalationError), other.transaction() as second:
            claiming.take_turn(second)
    with other.transaction() as second:
        claiming.take_turn(second)


def test_a_node_that_freezes_at_its_claim_holds_up_the_others_no_longer_than_that(
    postgresql: str, new_store: Callable[[str], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = new_store(postgresql), new_store(postgresql)
    queue(one, "a")
    with pytest.raises(EscalationError), one.transaction() as frozen:
        with monkeypatch.context() as soon:
            soon.setattr(claiming, "FROZEN", "300ms")
            claiming.take_turn(frozen)
        assert dispatch(other, Postbox()).sent == 1
        outbox.waiting(frozen)
    with one.transaction() as session:
        claiming.take_turn(session)
    with one.transaction() as session:
        shown = [
            session.connection().exec_driver_sql(f"SHOW {name}").scalar()
            for name in ("idle_in_transaction_session_timeout", "lock_timeout")
        ]
    assert shown == ["5min", "0"], "for its claim alone"


class Slow(Postbox):
    """Takes a minute and a half to say no, by the loop's clock."""

    async def send(self, message: Message) -> Outcome:
        loop = asyncio.get_running_loop()
        at = loop.time()
        loop.time = lambda: at + 90  # type: ignore[method-assign]
        return await super().send(message)


def test_a_batch_that_took_long_is_not_begun_again_at_once(store: Store) -> None:
    queue(store, "a")
    dispatch(store, Slow(Down("no answer in time")))
    (at,) = next_tries(store)
    assert timedelta(seconds=90) <= at - NOW - MINUTE < timedelta(seconds=150), "the minute of a server that is down is after it"


# A digest that is tried again.


def test_a_digest_with_something_urgent_in_it_is_not_halved_by_the_quiet_hours(store: Store) -> None:
    evening, morning = NOW + MINUTE, NOW + 14 * HOUR
    settings = replace(SETTINGS, may_send=lambda now, urgent: None if urgent or now < evening or now >= morning else morning)
    queue(store, *"abcde")
    queue(store, "f", urgent=True)
    busy, postbox = Postbox(TryAgain("450 later")), Postbox()
    assert dispatch(store, busy, settings=settings).retry == 6
    dispatch(store, postbox, NOW + HOUR, settings)
    dispatch(store, postbox, morning, settings)
    assert [each.message_id for each in postbox.taken] == [each.message_id for each in busy.taken]
    assert "6" in postbox.taken[0].subject


def test_a_digest_without_waits_for_the_morning_and_the_urgent_ones_go_first(store: Store) -> None:
    morning = NOW + 14 * HOUR
    settings = replace(SETTINGS, may_send=lambda now, urgent: None if urgent or now >= morning else morning, at_once=1)
    queue(store, *"abcdef")
    queue(store, "g", recipient="other@example.com", urgent=True)
    evening = Postbox()
    done = dispatch(store, evening, settings=settings)
    assert (done.sent, done.postponed, len(evening.taken), next_tries(store)) == (1, 6, 1, {morning})
    queue(store, "h", recipient="other@example.com", urgent=True, not_before=morning)
    day = Postbox()
    dispatch(store, day, morning, settings)
    assert [each.recipient for each in day.taken] == ["other@example.com", "organ@example.com"]


def test_a_reminder_that_was_refused_by_itself_is_tried_again_with_its_digest(store: Store) -> None:
    queue(store, "warning", kind="due_warning")
    for hour in range(3):
        assert dispatch(store, Postbox(TryAgain("450 later")), NOW + hour * HOUR).retry == 1
    queue(store, "summary:daily:2026-11-23:A", kind="summary_daily", not_before=NOW + 3 * HOUR)
    with store.transaction() as session:
        (waiting,) = gathering.waiting(session).values()
        gathering.take_up(session, "summary:daily:2026-11-23:A", [row.id for row in waiting])
    assert dispatch(store, Postbox(TryAgain("450 later")), NOW + 3 * HOUR).retry == 2
    (again,) = next_tries(store)
    postbox = Postbox()
    assert dispatch(store, postbox, again).merged == 1
    assert len(postbox.taken) == 1


def test_who_asks_for_one_message_of_a_dead_digest_gets_the_digest(store: Store) -> None:
    queue(store, *"abcdef")
    queue(store, "alone", recipient="other@example.com")
    assert dispatch(store, Postbox(GiveUp("550 no such user"))).dead == 7
    with store.transaction() as session:
        ids = {row.key: row.id for row in outbox.listing(session)}
        assert outbox.retry(session, [ids["c"]], NOW) == 6
    postbox = Postbox()
    dispatch(store, postbox)
    assert [each.recipient for each in postbox.taken] == ["organ@example.com"]
    with store.transaction() as session:
        assert outbox.retry(session, [ids["c"]], NOW) == 0, "what was sent is not sent again"
        assert outbox.retry(session, [ids["alone"]], NOW) == 1
