"""The outbox's own guards: how much is claimed together, what is merged, when a message ends, and where each limit lies."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from hashlib import sha256

import pytest
from sqlmodel import Session

from escalation.database import Store
from notifications import claiming, outbox
from notifications.message import Attachment, Down, GiveUp, Hold, Outcome, Sent, TryAgain
from notifications.outbox import OUTBOX
from notifications.retrying import USUAL, RetryPolicy
from tests.store.test_outbox import LEASE, MINUTE, NOW, draft

#: Two tries, a minute apart, and five minutes when our own side is at fault.
SHORT = RetryPolicy(minutes=(1, 1), jitter=0, life=timedelta(minutes=2))


@pytest.fixture
def session(store: Store) -> Iterator[Session]:
    """One transaction; what the outbox does is seen in it at once."""
    with store.transaction() as opened:
        yield opened


def add(session: Session, *keys: str, to: str = "organ@example.com", **changes: object) -> None:
    outbox.enqueue(session, [draft(key, recipient=to, **changes) for key in keys], NOW, "example.com")


def claim(session: Session, limit: int = 100, *, together: bool = False, minutes: int = 0) -> list[claiming.Claimed]:
    return claiming.claim(session, NOW + minutes * MINUTE, limit, "one", LEASE, SHORT, together=together)


def states(session: Session) -> dict[str, str]:
    return {row.key: row.state for row in outbox.listing(session)}


def test_what_waits_for_the_same_people_is_claimed_with_it_once(session: Session) -> None:
    add(session, "a", "b", "c")
    add(session, "d", to="other@example.com")
    add(session, "e", not_before=NOW + MINUTE)
    assert [each.key for each in claim(session, 2, together=True)] == ["a", "b", "c"]
    assert [each.key for each in claim(session, 1, together=True)] == ["d"]
    add(session, "f", "g")
    assert [each.key for each in claim(session, 1)] == ["f"], "only if it is asked for"
    assert {each.key: each.attempts for each in claim(session, minutes=30)} == dict.fromkeys("abcdf", 2) | {"e": 1, "g": 1}


def test_what_another_node_is_at_is_left_to_it(postgresql: str, new_store: Callable[[str], Store]) -> None:
    one, other = new_store(postgresql), new_store(f"{postgresql}&options=-c%20lock_timeout%3D300")
    with one.transaction() as session:
        add(session, "a", "b")
    with one.transaction() as first, other.transaction() as second:
        assert [each.key for each in claim(first, 1)] == ["a"]
        assert [each.key for each in claim(second)] == ["b"]


def test_a_claim_says_until_when(session: Session) -> None:
    add(session, "a")
    claim(session)
    (row,) = outbox.listing(session)
    assert (row.lease_until, row.next_try_at, row.state) == (NOW + LEASE, NOW + LEASE, "sending")


def test_what_is_in_one_digest_is_tried_again_at_one_moment_and_what_is_not_at_its_own(session: Session) -> None:
    add(session, "a", "b")
    add(session, "c", to="other@example.com")
    merged = claiming.merge(session, claim(session), 1)
    claiming.record(session, [(each, TryAgain("450")) for each in merged], NOW)
    key = merged[0].merged_into
    assert key == f"digest:{sha256(b'a' + bytes([10]) + b'b').hexdigest()[:32]}"
    usual = USUAL.wait
    assert {row.key: row.next_try_at - NOW for row in outbox.listing(session)} == {
        "a": usual(key, 1), "b": usual(key, 1), "c": usual("c", 1)}  # fmt: skip


def test_a_message_id_outlives_an_upgrade() -> None:
    assert outbox.message_id("a", "example.com") == "<ca978112ca1bbdcafac231b39a23dc4d@example.com>"


def test_many_are_changed_some_at_a_time(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claiming, "STEP", 2)
    add(session, *"abcde")
    claimed = claim(session)
    assert set(states(session).values()) == {"sending"}
    assert claiming.postpone(session, claimed[:1], NOW) == 1
    counted = claiming.record(session, [(each, Sent()) for each in claimed], NOW)
    assert (counted.sent, counted.late) == (4, 1)
    assert states(session) == {"a": "queued"} | dict.fromkeys("bcde", "sent")


def test_more_than_so_many_become_one_digest_that_stays_the_same(session: Session) -> None:
    attached = Attachment("a.xlsx", "application/x", b"x")
    add(session, "a", "b", "c")
    add(session, "d", "e", to="other@example.com")
    add(session, "f", "g", "h", to="summary@example.com", kind="circular")
    add(session, "i", "j", "k", to="file@example.com", attachment=attached)
    add(session, "l", "m", language="en")
    claimed = claim(session)
    merged = {each.key: each for each in claiming.merge(session, claimed, 2)}
    key = claiming.digest_key(claimed[:3])
    assert {name for name, each in merged.items() if each.merged_into} == {"a", "b", "c"}
    assert merged["a"].merged_into == key
    again = claim(session, minutes=30)
    assert {each.key: each.merged_into for each in again if each.merged_into} == {"a": key, "b": key, "c": key}
    assert {each.attempts for each in again} == {2}
    kept = {each.key: each.merged_into for each in claiming.merge(session, again, 1)}
    assert [kept[name] for name in "abc"] == [key] * 3
    assert kept["d"] == kept["e"] != ""
    assert kept["l"] == kept["m"] != kept["d"]


def test_a_digest_begins_its_tries_anew(session: Session) -> None:
    add(session, "a", "b")
    claiming.record(session, [(claim(session, 1)[0], TryAgain("450"))], NOW, SHORT)
    merged = claiming.merge(session, claim(session, minutes=1), 1)
    assert [each.attempts for each in merged] == [1, 1]
    assert {row.attempts for row in outbox.listing(session)} == {1}


#: outcome of the first and of the second try -> what is counted, the state, tries counted, minutes until the next, what is said
ENDS: dict[str, tuple[list[Outcome], str, str, int, int, str]] = {
    "sent": ([Sent()], "sent", "sent", 1, 30, ""),
    "again": ([TryAgain("450")], "retry", "queued", 1, 1, "450"),
    "twice": ([TryAgain("450")] * 2, "dead", "dead", 2, 31, "given up after 2 tries: 450"),
    "never": ([GiveUp("550")], "dead", "dead", 1, 30, "550"),
    "login": ([Hold("535")], "held", "queued", 0, 5, "held: 535"),
    "login twice": ([Hold("535")] * 2, "held", "queued", 0, 6, "held: 535"),
    "down": ([Down("421")], "retry", "queued", 0, 1, "down: 421"),
    "down twice": ([Down("421")] * 2, "retry", "queued", 0, 2, "down: 421"),
    "policy": ([Hold("550 5.7", host=False)], "held", "queued", 1, 6, "550 5.7"),
    "policy twice": ([Hold("550 5.7", host=False)] * 2, "dead", "dead", 2, 31, "given up after 2 tries: 550 5.7"),
}


@pytest.mark.parametrize("case", ENDS)
def test_what_becomes_of_it(session: Session, case: str) -> None:
    outcomes, counted, state, attempts, minutes, said = ENDS[case]
    add(session, "a")
    at = NOW
    for outcome in outcomes:
        (claimed,) = claiming.claim(session, at, 1, "one", LEASE, SHORT)
        counts = claiming.record(session, [(claimed, outcome)], at, SHORT)
        assert (counts.sent + counts.retry + counts.dead + counts.held, counts.late) == (1, 0)
        (row,) = outbox.listing(session)
        last, at = at, row.next_try_at
    assert getattr(counts, counted) == 1
    assert (row.state, row.attempts, row.last_error, row.lease_by, row.lease_until) == (state, attempts, said, None, None)
    if state == "queued":
        wait = {"Hold(host)": 5, "Hold": 6}.get("Hold(host)" if outcomes[-1] == Hold("535") else type(outcomes[-1]).__name__, 1)
        assert row.next_try_at - last == wait * MINUTE
        assert claim(session, minutes=minutes - 1) == [] or case == "login twice"
    assert (row.sent_at == NOW) is (state == "sent")


def test_who_kills_its_sender_twice_is_dead_and_nobody_else(session: Session) -> None:
    add(session, "deadly")
    claim(session)
    assert [each.attempts for each in claim(session, minutes=30)] == [2]
    add(session, "other")
    session.connection().execute(OUTBOX.update().where(OUTBOX.c.key == "other").values(attempts=2))
    assert [each.key for each in claim(session, minutes=60)] == ["other"]
    (dead, other) = sorted(outbox.listing(session), key=lambda row: row.id)
    assert (dead.state, dead.last_error, dead.lease_by) == ("dead", "given up: whoever sends it dies, 2 times", None)
    assert dead.lease_until is None
    assert (other.state, other.attempts) == ("sending", 3)


def test_who_refuses_us_is_left_alone_for_so_long(session: Session) -> None:
    add(session, "a", "b")
    a, b = claim(session)
    assert claiming.held_until(session, NOW) is None
    claiming.record(session, [(a, Hold("535")), (b, TryAgain("450"))], NOW, SHORT)
    until = NOW + 5 * MINUTE
    assert claiming.held_until(session, NOW) == until
    assert claiming.held_until(session, until - timedelta(microseconds=1)) == until
    assert claiming.held_until(session, until) is None
    assert claiming.held_until(session, NOW - timedelta(microseconds=1)) is None, (
        "a clock that was set back holds nobody for ever"
    )
    assert [outbox.retry(session, [b.id], NOW), outbox.retry(session, [a.id, b.id], NOW)] == [0, 1]
    assert [each.key for each in claim(session)] == ["a"]


def test_who_is_down_is_left_alone_for_a_minute(session: Session) -> None:
    add(session, "a", "b")
    a, b = claim(session)
    claiming.record(session, [(a, Down("421 closed")), (b, TryAgain("450"))], NOW, SHORT)
    assert claiming.held_until(session, NOW) == NOW + MINUTE
    assert claiming.held_until(session, NOW + MINUTE) is None
    assert outbox.kept(session) == (1, "421 closed", False)
    assert outbox.retry(session, None, NOW) == 1
    assert (outbox.kept(session), claiming.held_until(session, NOW)) == (None, None)


@pytest.mark.parametrize("outcome", [Down("421"), TryAgain("450"), Hold("535"), Hold("550 5.7", host=False)])
def test_who_took_long_to_say_no_is_asked_so_much_later(session: Session, outcome: Outcome) -> None:
    add(session, "a", "b")
    long = timedelta(seconds=90)
    for claimed, taken in zip(claim(session), (timedelta(0), long), strict=True):
        claiming.record(session, [(claimed, outcome)], NOW, SHORT, taken)
    at = {row.key: row.next_try_at for row in outbox.listing(session)}
    assert at["b"] - at["a"] == long


def test_the_dead_are_called_back_and_dropped(session: Session) -> None:
    add(session, "a", "b", "c")
    claimed = claim(session)
    claiming.record(session, [(each, GiveUp("550")) for each in claimed], NOW)
    ids = [each.id for each in claimed]
    assert outbox.retry(session, ids[:1], NOW) == 1
    assert outbox.retry(session, None, NOW) == 2
    assert {(row.state, row.attempts, row.last_error) for row in outbox.listing(session)} == {("queued", 0, "")}
    assert outbox.drop(session, ids[:1], "asked for") == 1
    assert outbox.counts(session) == {"obsolete": 1, "queued": 2}
    assert [row.key for row in outbox.listing(session, "queued")] == ["c", "b"]
    assert (outbox.waiting(session), outbox.earliest(session)) == (2, NOW)
