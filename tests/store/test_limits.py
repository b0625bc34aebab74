"""How much mail there may be: for the server in a minute, for one person in an hour; what is over the limit waits, and is not lost."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from notifications import outbox
from notifications.bookkeeping import DispatchCounts
from notifications.dispatch import DispatchSettings, dispatch_once
from notifications.message import Draft, Message, Outcome, Sent
from notifications.rendering import Renderer

NOW = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
LOOK = timedelta(seconds=15)


class Post:
    """Takes everything, and knows what it took when."""

    def __init__(self) -> None:
        self.taken: list[tuple[datetime, str, str]] = []
        self.now = NOW

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        return None

    async def send(self, message: Message) -> Outcome:
        self.taken.append((self.now, message.recipient, message.subject))
        return Sent()

    def most(self, span: timedelta, recipient: str = "") -> int:
        """The most mails in any span of this length, for one recipient if named."""
        times = [at for at, to, _ in self.taken if not recipient or to == recipient]
        return max((sum(start <= at < start + span for at in times) for start in times), default=0)


@pytest.fixture
def post() -> Post:
    return Post()


def fill(store, count: int, to: str = "organ{}@example.com", **changes) -> None:
    facts = orjson.dumps({"number": "WT26-0001", "title": "冷库"})
    drafts = [
        Draft(to.format(each), "closed", "zh_CN", facts, f"{to}:{each}", "WT26-0001", "A", **changes) for each in range(count)
    ]
    with store.transaction() as session:
        outbox.enqueue(session, drafts, NOW, "example.com")


def look(store, post: Post, node: str = "one", **limits: int) -> DispatchCounts:
    settings = DispatchSettings(node, "system@example.com", **limits)
    return asyncio.run(dispatch_once(store.transaction, post, Renderer(), settings, post.now, 500))


def test_the_server_gets_no_more_a_minute_than_it_takes_from_two_nodes_together(store, post):
    fill(store, 60)
    for _ in range(40):
        for node in ("one", "two"):
            look(store, post, node, per_minute=10)
        post.now += LOOK
    assert len(post.taken) == 60
    assert post.most(timedelta(minutes=1)) <= 10


def test_the_reason_why_the_rest_waits_is_said(store, post):
    fill(store, 20)
    assert look(store, post, per_minute=5).stopped == ""
    later = look(store, post, per_minute=5)
    assert "5 mails a minute" in later.stopped
    assert later.left == 15


def test_one_person_gets_so_many_an_hour_and_the_rest_as_one_digest(store, post):
    for each in range(30):
        facts = orjson.dumps({"number": f"WT26-{each:04}", "title": "冷库"})
        with store.transaction() as session:
            draft = Draft("organ@example.com", "closed", "zh_CN", facts, f"k{each}", f"WT26-{each:04}", "A")
            outbox.enqueue(session, [draft], post.now, "example.com")
        look(store, post, per_hour=4, merge_over=3)
        post.now += timedelta(minutes=1)
    for _ in range(3 * 60):
        look(store, post, per_hour=4, merge_over=3)
        post.now += timedelta(minutes=1)
    assert post.most(timedelta(hours=1), "organ@example.com") <= 4
    with store.reading() as session:
        assert outbox.counts(session) == {"sent": 30}
    assert len(post.taken) == 5, "four as they came, and what waited in one"


def test_somebody_elses_mail_is_not_held_up(store, post):
    fill(store, 12, "full@example.com")
    look(store, post, per_hour=1, merge_over=1)
    fill(store, 3, "full@example.com".replace("full", "again"))
    fill(store, 5, "other{}@example.com")
    look(store, post, per_hour=1, merge_over=1)
    taken = Counter(to for _, to, _ in post.taken)
    assert taken["full@example.com"] == taken["again@example.com"] == 1
    assert all(taken[f"other{each}@example.com"] == 1 for each in range(5))


def test_what_is_urgent_passes(store, post):
    fill(store, 2, "full@example.com")
    look(store, post, per_hour=2)
    facts = orjson.dumps({"number": "WT26-0009", "title": "断电"})
    with store.transaction() as session:
        outbox.enqueue(session, [Draft("full@example.com", "closed", "zh_CN", facts, "u", "WT26-0009", "A", True)], NOW, "e.com")
    look(store, post, per_hour=2)
    assert len(post.taken) == 3


def test_waiting_for_the_hour_is_no_try(store, post):
    fill(store, 1, "full@example.com")
    look(store, post, per_hour=1)
    facts = orjson.dumps({"number": "WT26-0002", "title": "冷库"})
    with store.transaction() as session:
        outbox.enqueue(session, [Draft("full@example.com", "closed", "zh_CN", facts, "b", "WT26-0002", "A")], NOW, "e.com")
    counts = look(store, post, per_hour=1)
    assert counts.postponed == 1
    with store.reading() as session:
        row = next(row for row in outbox.listing(session) if row.key == "b")
    assert (row.state, row.attempts, row.next_try_at) == ("queued", 0, NOW + timedelta(hours=1))


def test_messages_of_one_person_that_are_too_few_for_a_digest_count_each(store, post):
    for person in range(4):
        for each in range(3):
            facts = orjson.dumps({"number": f"WT26-{person}{each}", "title": "冷库"})
            draft = Draft(f"p{person}@example.com", "closed", "zh_CN", facts, f"{person}:{each}", f"WT26-{person}{each}", "A")
            with store.transaction() as session:
                outbox.enqueue(session, [draft], NOW, "example.com")
    for _ in range(24):
        look(store, post, per_minute=4)
        post.now += LOOK
    assert len(post.taken) == 12
    assert post.most(timedelta(minutes=1)) <= 4


def test_the_limit_of_an_hour_holds_within_one_dispatch(store, post):
    fill(store, 5, "full@example.com")
    for each in range(5):
        facts = orjson.dumps({"number": f"WT26-{each:04}", "title": "冷库"})
        with store.transaction() as session:
            draft = Draft("one@example.com", "closed", "zh_CN", facts, f"one:{each}", f"WT26-{each:04}", "A")
            outbox.enqueue(session, [draft], NOW, "example.com")
    for _ in range(10):
        look(store, post, per_hour=3, merge_over=5)
        post.now += timedelta(minutes=20)
    assert post.most(timedelta(hours=1), "one@example.com") == 3
    assert sum(to == "one@example.com" for _, to, _ in post.taken) == 5
