"""The outbox and its dispatch on both databases: queued once, claimed by one, recorded by whoever claimed it, never lost."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta, timezone

import orjson
import pytest
from sqlalchemy import text
from sqlmodel import Session, SQLModel, create_engine

from escalation.database import Store
from notifications import claiming, outbox
from notifications.dispatch import DispatchSettings, dispatch_once, drain
from notifications.message import Draft, GiveUp, Hold, Message, Outcome, Sent, TryAgain
from notifications.moments import moment_text
from notifications.outbox import OUTBOX
from notifications.rendering import Renderer
from notifications.retrying import RetryPolicy

NOW = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LEASE = timedelta(minutes=30)
POLICY = RetryPolicy()
Sessions = Callable[[], AbstractContextManager[Session]]


@pytest.fixture
def session_factory(store: Store) -> Sessions:
    """Opens a session in a transaction that commits at the end."""
    return store.transaction


def draft(key: str = "WT26-0001:1:closed:A", **changes) -> Draft:
    facts = orjson.dumps({"number": "WT26-0001", "title": "冷库"})
    usual = Draft("organ@example.com", "closed", "zh_CN", facts, key, about="WT26-0001", party="A")
    return usual._replace(**changes)


def add(sessions: Sessions, *drafts: Draft, now: datetime = NOW) -> int:
    with sessions() as session:
        return outbox.enqueue(session, drafts, now, "example.com")


def claim(sessions: Sessions, now: datetime = NOW, limit: int = 10, node: str = "one", lease: timedelta = LEASE):
    with sessions() as session:
        return claiming.claim(session, now, limit, node, lease)


def record(sessions: Sessions, claimed, outcome: Outcome, now: datetime = NOW):
    with sessions() as session:
        return claiming.record(session, [(each, outcome) for each in claimed], now)


def rows(sessions: Sessions):
    with sessions() as session:
        return sorted(outbox.listing(session), key=lambda row: row.id)


def the(sessions: Sessions):
    (row,) = rows(sessions)
    return row


# In.


def test_a_message_is_queued_once_however_often_it_is_asked_for(session_factory):
    assert add(session_factory, draft("a"), draft("b"), draft("a")) == 2
    assert add(session_factory, draft("b", recipient="other@example.com"), draft("c")) == 1
    assert [(row.key, row.recipient) for row in rows(session_factory)] == [(k, "organ@example.com") for k in "abc"]
    with session_factory() as session:
        assert outbox.counts(session) == {"queued": 3}
        assert outbox.waiting(session) == 3


def test_nothing_is_queued_when_the_change_is_not_made(session_factory):
    def change() -> None:
        with session_factory() as session:
            outbox.enqueue(session, [draft()], NOW, "example.com")
            raise RuntimeError("the change failed")

    with pytest.raises(RuntimeError):
        change()
    assert rows(session_factory) == []


def test_the_message_id_follows_from_the_key():
    values = dict(zip(outbox.COLUMNS, outbox.row_values(draft("a"), NOW, "example.com"), strict=True))
    again = dict(zip(outbox.COLUMNS, outbox.row_values(draft("a"), NOW + LEASE, "example.com"), strict=True))
    other = dict(zip(outbox.COLUMNS, outbox.row_values(draft("b"), NOW, "example.com"), strict=True))
    assert values["message_id"] == again["message_id"] == outbox.message_id("a", "example.com")
    assert values["message_id"] != other["message_id"]
    assert values["message_id"].endswith("@example.com>")


def test_what_bulk_writers_leave_out_may_be_left_out():
    left = {column.name for column in OUTBOX.columns} - set(outbox.COLUMNS)
    assert left == {"id", "lease_until", "lease_by", "sent_at", "merged_into", "attached", "approved_by", "approved_at"}


# Moments.


def test_moments_come_back_in_utc_to_the_microsecond(session_factory):
    shanghai = timezone(timedelta(hours=8))
    at = datetime(2026, 11, 23, 9, 0, 0, 1, tzinfo=shanghai)
    add(session_factory, draft(not_before=at))
    found = the(session_factory).next_try_at
    assert found == at
    assert found.tzinfo == UTC or found.utcoffset() == timedelta(0)
    assert found.microsecond == 1


def test_a_moment_without_a_zone_is_refused(session_factory):
    naive = datetime(2026, 11, 23, 9, 0)
    with pytest.raises(ValueError, match="no time zone"):
        moment_text(naive)
    with pytest.raises(Exception, match="no time zone"):
        add(session_factory, draft(not_before=naive))


def test_their_text_sorts_as_time_does():
    moments = [NOW, NOW + timedelta(microseconds=1), NOW + timedelta(seconds=1), NOW.replace(year=2027), NOW.replace(year=999)]
    assert sorted(moments) == sorted(moments, key=moment_text)
    assert {len(moment_text(each)) for each in moments} == {32}
    assert datetime.fromisoformat(moment_text(NOW)) == NOW


# Out: claims.


def test_it_is_claimed_when_its_time_has_come_and_by_one_alone(session_factory):
    add(session_factory, draft("a"), draft("later", not_before=NOW + MINUTE))
    assert [each.key for each in claim(session_factory)] == ["a"]
    assert claim(session_factory, node="two") == []
    assert [each.key for each in claim(session_factory, NOW + MINUTE, node="two")] == ["later"]


def test_urgent_first_then_the_oldest(session_factory):
    add(session_factory, draft("late", not_before=NOW), draft("urgent", urgent=True, not_before=NOW))
    add(session_factory, draft("early", not_before=NOW - MINUTE), draft("last", not_before=NOW))
    assert [each.key for each in claim(session_factory, limit=2)] == ["urgent", "early"]
    assert [each.key for each in claim(session_factory)] == ["late", "last"]


def test_what_a_dead_node_held_comes_back_when_its_lease_ends(session_factory):
    add(session_factory, draft())
    claim(session_factory)
    assert claim(session_factory, NOW + LEASE - timedelta(microseconds=1), node="two") == []
    (again,) = claim(session_factory, NOW + LEASE, node="two")
    assert again.attempts == 2


def test_a_late_node_records_nothing(session_factory):
    add(session_factory, draft())
    late = claim(session_factory)
    taken = claim(session_factory, NOW + LEASE)  # by a node of the same name
    counted = record(session_factory, late, Sent())
    assert (counted.sent, counted.late) == (0, 1)
    counted = record(session_factory, late, TryAgain("no"))
    assert (counted.retry, counted.late) == (0, 1)
    assert the(session_factory).state == "sending"
    assert record(session_factory, taken, Sent()).sent == 1
    assert record(session_factory, taken, GiveUp("again")).late == 1
    assert the(session_factory).state == "sent"


def test_a_token_is_never_used_twice_even_if_the_clock_stands_still(session_factory):
    add(session_factory, draft())
    late = claim(session_factory, lease=timedelta(0))
    claim(session_factory)
    assert record(session_factory, late, Sent()).late == 1


def test_earliest_is_the_next_thing_to_do(session_factory):
    with session_factory() as session:
        assert outbox.earliest(session) is None
    add(session_factory, draft("a", not_before=NOW + MINUTE), draft("b"))
    with session_factory() as session:
        assert outbox.earliest(session) == NOW
    claim(session_factory)
    with session_factory() as session:
        assert outbox.earliest(session) == NOW + MINUTE
    claim(session_factory, NOW + MINUTE)
    with session_factory() as session:
        assert outbox.earliest(session) == NOW + LEASE


def test_a_claim_is_a_range_of_a_small_index():
    engine = create_engine("sqlite://")
    SQLModel.metadata.create_all(engine, tables=[OUTBOX])
    seen = []
    with engine.connect() as connection, Session(connection) as session:
        raw = connection.connection.driver_connection
        raw.set_trace_callback(seen.append)
        claiming.claim(session, NOW, 10, "one", LEASE)
        outbox.earliest(session)
        claiming.held_until(session, NOW)
        outbox.waiting(session)
        raw.set_trace_callback(None)
        asked = [each for each in seen if each.lstrip().startswith("SELECT")]
        assert len(asked) == 4
        for each in asked:
            plan = " ".join(row[-1] for row in connection.execute(text("EXPLAIN QUERY PLAN " + each.replace(":", "\\:"))))
            assert "ix_outbox_waiting" in plan
        plan = " ".join(row[-1] for row in connection.execute(text("EXPLAIN QUERY PLAN " + asked[0].replace(":", "\\:"))))
        assert "next_try_at<?" in plan
    engine.dispose()


# Out: what became of it.


def test_sent_is_the_end(session_factory):
    add(session_factory, draft())
    assert record(session_factory, claim(session_factory), Sent(250, "queued"), NOW + MINUTE).sent == 1
    row = the(session_factory)
    assert (row.state, row.sent_at, row.lease_by, row.lease_until, row.last_error) == ("sent", NOW + MINUTE, None, None, "")
    assert claim(session_factory, NOW + timedelta(days=99)) == []


def test_given_up_is_dead_at_once_until_somebody_asks_again(session_factory):
    add(session_factory, draft())
    assert record(session_factory, claim(session_factory), GiveUp("550 no such user")).dead == 1
    assert the(session_factory).last_error == "550 no such user"
    assert claim(session_factory, NOW + timedelta(days=99)) == []
    with session_factory() as session:
        assert outbox.retry(session, None, NOW + MINUTE) == 1
    (again,) = claim(session_factory, NOW + MINUTE)
    assert again.attempts == 1


def test_the_schedule():
    waits = [POLICY.wait("key", attempt) / MINUTE for attempt in range(1, 8)]
    for wait, base in zip(waits, (1, 5, 15, 60, 60, 60, 60), strict=True):
        assert base * 0.8 <= wait <= base * 1.2
    assert waits == [POLICY.wait("key", attempt) / MINUTE for attempt in range(1, 8)]
    assert len(set(waits[3:])) == 4
    assert POLICY.wait("key", 1) != POLICY.wait("other", 1)
    assert POLICY.tries == 123  # 1 + 5 + 15 minutes, then 120 hours: five days


def test_it_is_tried_again_and_again_for_five_days_of_trying(session_factory):
    add(session_factory, draft())
    at, tries = NOW, 0
    while the(session_factory).state == "queued":
        at = the(session_factory).next_try_at
        record(session_factory, claim(session_factory, at), TryAgain("450 greylisted"), at)
        tries += 1
    assert tries == 123
    assert timedelta(days=4) < at - NOW < timedelta(days=6)
    assert the(session_factory).last_error == "given up after 123 tries: 450 greylisted"


def test_waiting_is_no_trying(session_factory):
    add(session_factory, draft())
    holidays = NOW + timedelta(days=9)
    with session_factory() as session:
        claiming.postpone(session, claiming.claim(session, NOW, 1, "one", LEASE), holidays)
    (claimed,) = claim(session_factory, holidays)
    assert claimed.attempts == 1
    assert record(session_factory, [claimed], TryAgain("450 greylisted"), holidays).retry == 1
    assert the(session_factory).state == "queued"


def test_what_waits_for_the_morning_is_not_refused_any_more(session_factory):
    add(session_factory, draft(), draft(key="another"))
    record(session_factory, claim(session_factory, NOW, 2), Hold("535 wrong password"), NOW)
    with session_factory() as session:
        assert outbox.kept(session) == (2, "535 wrong password", True)
        claiming.postpone(session, claiming.claim(session, NOW + 5 * MINUTE, 2, "one", LEASE), NOW + timedelta(hours=9))
        assert outbox.kept(session) is None
        assert claiming.held_until(session, NOW + timedelta(hours=9)) is None


def test_our_own_fault_costs_nobody_a_try(session_factory):
    add(session_factory, draft())
    at = NOW
    for _ in range(200):
        assert record(session_factory, claim(session_factory, at), Hold("535 wrong password"), at).held == 1
        row = the(session_factory)
        assert (row.state, row.attempts, row.next_try_at) == ("queued", 0, at + 5 * MINUTE)
        with session_factory() as session:
            assert claiming.held_until(session, at) == at + 5 * MINUTE
            assert claiming.held_until(session, at + 5 * MINUTE) is None
        at += 5 * MINUTE
    with session_factory() as session:
        assert outbox.retry(session, None, NOW) == 1
        assert claiming.held_until(session, NOW) is None


def test_one_that_is_refused_on_policy_ends_too_and_holds_up_nobody(session_factory):
    add(session_factory, draft())
    record(session_factory, claim(session_factory), Hold("550 5.7.1 not you", host=False))
    row = the(session_factory)
    assert (row.attempts, row.state) == (1, "queued")
    assert row.next_try_at >= NOW + 5 * MINUTE
    with session_factory() as session:
        assert claiming.held_until(session, NOW) is None
    at = NOW
    while the(session_factory).state == "queued":
        at = the(session_factory).next_try_at
        record(session_factory, claim(session_factory, at), Hold("550 5.7.1 not you", host=False), at)
    assert the(session_factory).state == "dead"


def test_a_message_that_kills_its_sender_ends_too(session_factory):
    add(session_factory, draft("deadly"), draft("other", not_before=NOW + timedelta(days=30)))
    at, tries = NOW, 0
    while claim(session_factory, at):
        at, tries = at + LEASE, tries + 1
    assert tries == POLICY.tries
    assert [row.state for row in rows(session_factory)] == ["dead", "queued"]
    assert "whoever sends it dies" in rows(session_factory)[0].last_error


def test_dropped_and_obsolete_ones_are_not_sent(session_factory):
    add(session_factory, draft("a"), draft("b"), draft("c"), draft("d"))
    (busy,) = claim(session_factory, limit=1)
    with session_factory() as session:
        assert outbox.obsolete(session, "a", "b", "none") == 1
        assert outbox.drop(session, [row.id for row in outbox.listing(session) if row.key == "c"], "asked for") == 1
    assert busy.key == "a"
    assert [row.state for row in rows(session_factory)] == ["sending", "obsolete", "obsolete", "queued"]
    assert rows(session_factory)[2].last_error == "asked for"
    assert [each.key for each in claim(session_factory)] == ["d"]


def test_listing_by_state_newest_first(session_factory):
    add(session_factory, draft("a"), draft("b"), draft("c"))
    claim(session_factory, limit=1)
    with session_factory() as session:
        assert [row.key for row in outbox.listing(session, "queued")] == ["c", "b"]
        assert [row.key for row in outbox.listing(session, "queued", 1)] == ["c"]


# Dispatch.


class Script:
    """A channel that answers what it is told to, by recipient, and keeps what was sent."""

    def __init__(self, answers=None) -> None:
        self.answers, self.messages = answers or {}, []

    async def __aenter__(self):
        return self

    async def __aexit__(self, kind, error, traceback) -> None:
        return None

    async def send(self, message: Message) -> Outcome:
        self.messages.append(message)
        answer = self.answers.get(message.recipient, Sent())
        if isinstance(answer, BaseException):
            raise answer
        return await answer() if callable(answer) else answer


SETTINGS = DispatchSettings(node="one", sender="escalation@example.com", sender_name="办公室", domain="example.com")


def dispatch(sessions: Sessions, channel: Script, now: datetime = NOW, settings: DispatchSettings = SETTINGS, limit: int = 100):
    return asyncio.run(dispatch_once(sessions, channel, Renderer(), settings, now, limit))


def to(*names: str, **changes) -> list[Draft]:
    return [draft(name, recipient=f"{name}@example.com", **changes) for name in names]


def states(sessions: Sessions) -> dict[str, str]:
    return {row.key: row.state for row in rows(sessions)}


def test_each_gets_its_own_outcome(session_factory):
    add(session_factory, *to("sent", "again", "never", "policy"))
    channel = Script(
        {
            "again@example.com": TryAgain("450"),
            "never@example.com": GiveUp("550"),
            "policy@example.com": Hold("550 5.7.1", host=False),
        }
    )
    done = dispatch(session_factory, channel)
    assert (done.sent, done.retry, done.dead, done.held, done.left) == (1, 1, 1, 1, 2)
    assert done.stopped == ""
    assert states(session_factory) == {"sent": "sent", "again": "queued", "never": "dead", "policy": "queued"}


def test_the_message_as_it_is_sent(session_factory):
    add(session_factory, *to("a", "b"))
    channel = Script()
    dispatch(session_factory, channel)
    one, other = channel.messages
    assert (one.sender, one.sender_name, one.recipient) == ("escalation@example.com", "办公室", "a@example.com")
    assert one.subject == "【销号】WT26-0001 冷库（办结）"
    assert one.message_id == outbox.message_id("a", "example.com")
    assert one.thread_id == other.thread_id
    assert one.date == NOW


def test_it_is_sent_again_under_the_same_id(session_factory):
    add(session_factory, *to("a"))
    channel = Script({"a@example.com": TryAgain("unknown, the server may have it")})
    dispatch(session_factory, channel)
    dispatch(session_factory, channel, NOW + timedelta(hours=1))
    assert len({each.message_id for each in channel.messages}) == 1
    assert len(channel.messages) == 2


def test_one_bad_message_stops_no_other(session_factory):
    add(session_factory, *to("a", "z"), draft("address", recipient="nobody"))
    add(session_factory, *to("kind", kind="summons"), *to("facts", facts=b"{"), *to("list", facts=b"[]"))
    add(session_factory, *to("crash"))
    channel = Script({"crash@example.com": RuntimeError("a fault of the channel")})
    done = dispatch(session_factory, channel)
    assert (done.sent, done.dead, done.retry) == (5, 1, 1)
    assert states(session_factory) == {
        "a": "sent",
        "z": "sent",
        "address": "dead",
        "kind": "sent",
        "facts": "sent",
        "list": "sent",
        "crash": "queued",
    }
    plain = next(each for each in channel.messages if each.recipient == "kind@example.com")
    assert plain.subject == "【通知】 WT26-0001 冷库"
    assert any("summons" in problem for problem in done.problems)


def test_a_problem_is_told_once(session_factory, tmp_path):
    (tmp_path / "zh_CN").mkdir()
    (tmp_path / "zh_CN" / "closed.j2").write_text("{{ 'a' * 9 }}")
    add(session_factory, *to("a", "b", "c"))
    done = asyncio.run(dispatch_once(session_factory, Script(), Renderer(tmp_path), SETTINGS, NOW, 10))
    assert done.sent == 3
    assert done.problems == ["template zh_CN/closed.j2: line 1: arithmetic is not allowed in a template"]


def test_quiet_hours_let_the_urgent_through(session_factory):
    morning = NOW + timedelta(hours=10)
    settings = DispatchSettings(
        node="one", sender="e@example.com", may_send=lambda now, urgent: None if urgent or now >= morning else morning
    )
    add(session_factory, *to("a", "b"), *to("now", urgent=True))
    done = dispatch(session_factory, Script(), settings=settings)
    assert (done.sent, done.postponed, done.left) == (1, 2, 2)
    assert {row.next_try_at for row in rows(session_factory) if row.state == "queued"} == {morning}
    assert {row.attempts for row in rows(session_factory) if row.state == "queued"} == {0}
    assert dispatch(session_factory, Script(), morning, settings).sent == 2


def test_a_refused_login_is_not_tried_again_for_five_minutes_by_any_node(session_factory):
    add(session_factory, *to("a"))
    channel = Script({"a@example.com": Hold("535 wrong password")})
    assert dispatch(session_factory, channel).stopped == "535 wrong password"
    add(session_factory, *to("b"))
    other = DispatchSettings(node="two", sender="e@example.com")
    for seconds in (0, 15, 299):
        done = dispatch(session_factory, channel, NOW + timedelta(seconds=seconds), other)
        assert "asked again at" in done.stopped
    assert len(channel.messages) == 1
    assert dispatch(session_factory, Script(), NOW + 5 * MINUTE, other).sent == 2


def test_drain_ends_with_the_outbox_or_with_the_server(session_factory):
    add(session_factory, *to(*"abcdefg"))
    down = Script(dict.fromkeys([f"{name}@example.com" for name in "abcdefg"], TryAgain("421", host=True)))
    done = asyncio.run(drain(session_factory, lambda: down, Renderer(), SETTINGS, NOW, 2))
    assert (done.retry, done.left, done.stopped) == (2, 7, "421")
    up = Script()
    done = asyncio.run(drain(session_factory, lambda: up, Renderer(), SETTINGS, NOW + timedelta(hours=1), 2))
    assert (done.sent, done.left, done.stopped) == (7, 0, "")


def test_what_was_sent_is_recorded_even_if_the_dispatch_is_cancelled(session_factory):
    add(session_factory, *to("quick", "slow"))

    async def cancelled() -> None:
        reached = asyncio.Event()

        async def slow() -> Outcome:
            reached.set()
            await asyncio.Event().wait()
            raise AssertionError

        going = asyncio.create_task(
            dispatch_once(session_factory, Script({"slow@example.com": slow}), Renderer(), SETTINGS, NOW, 10)
        )
        await reached.wait()
        going.cancel()
        with pytest.raises(asyncio.CancelledError):
            await going

    asyncio.run(cancelled())
    assert states(session_factory) == {"quick": "sent", "slow": "queued"}
    assert "the server may have it" in rows(session_factory)[1].last_error


def test_nothing_is_sent_after_the_lease(session_factory):
    add(session_factory, *to("quick", "slow"))

    async def slow() -> Outcome:
        await asyncio.Event().wait()
        raise AssertionError

    settings = DispatchSettings(node="one", sender="e@example.com", lease=timedelta(seconds=0.3))
    done = dispatch(session_factory, Script({"slow@example.com": slow}), settings=settings)
    assert (done.sent, done.retry) == (1, 1)
    assert states(session_factory) == {"quick": "sent", "slow": "queued"}


def test_no_transaction_is_open_while_mail_goes_out(session_factory):
    add(session_factory, *to("a"))

    async def write_meanwhile() -> Outcome:
        add(session_factory, draft("meanwhile"))
        return Sent()

    assert dispatch(session_factory, Script({"a@example.com": write_meanwhile})).sent == 1
    assert states(session_factory)["meanwhile"] == "queued"


def test_a_mail_leaves_before_the_last_is_written_and_so_many_are_under_way(session_factory):
    add(session_factory, *to(*[f"p{number:02}" for number in range(30)]))
    written: list[str] = []
    under_way: list[int] = []
    ended = 0

    def actions(each, facts, now):
        written.append(each.key)
        return ()

    async def taken() -> Outcome:
        nonlocal ended
        under_way.append(len(written) - ended)
        await asyncio.sleep(0)
        ended += 1
        return Sent()

    channel = Script({f"p{number:02}@example.com": taken for number in range(30)})
    settings = DispatchSettings(node="one", sender="e@example.com", at_once=4, actions=actions)
    assert dispatch(session_factory, channel, settings=settings).sent == len(written) == 30
    assert max(under_way) == 4
