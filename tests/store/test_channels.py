"""One contract for every channel, and what is true of those beside mail: their own rows, their own troubles, no link to act by."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from email import message_from_bytes, policy
from typing import Any, NamedTuple

import orjson
import pytest
from sqlalchemy import select, update

from escalation.app import App
from escalation.applying import Outgoing
from escalation.audience import also
from escalation.config import DatabaseSettings, MailSettings, Settings
from escalation.doctor import examine
from escalation.errors import BadConfig
from notifications import outbox
from notifications.bookkeeping import DispatchCounts
from notifications.channels import FolderChannel, SmtpChannel, webhook
from notifications.dispatch import DispatchSettings, dispatch_once
from notifications.lanes import Lane
from notifications.message import Channel, Draft
from notifications.outbox import OUTBOX
from notifications.rendering import Renderer
from tests.faults.test_smtp import Inbox, real
from tests.faults.test_smtp import settings as smtp
from tests.town import CITY_COORDINATOR, Town, at
from tests.webhook import Service

NOW = at("2026-11-23 09:00")
ROBOTS = {
    "wecom": ("/cgi-bin/webhook/send?key=693a", {"errcode": 0}, {"errcode": 40058}),
    "dingtalk": ("/robot/send?access_token=4f2c", {"errcode": 0}, {"errcode": 460101}),
    "feishu": ("/open-apis/bot/v2/hook/9c1d", {"code": 0}, {"code": 19002}),
    "webhook": ("/in", {}, None),
}


class Way(NamedTuple):
    """A channel, to whom it sends (the second will not be taken), and what arrived: an identity each, as far as it carries one."""

    lane: Lane
    channel: Channel
    to: tuple[str, str, str]
    arrived: Callable[[], list[str]]


def ids(mails: list[bytes]) -> list[str]:
    return sorted(message_from_bytes(mail, policy=policy.default)["Message-ID"] for mail in mails)


@asynccontextmanager
async def way(kind: str, folder: Any) -> AsyncIterator[Way]:
    people = ("a@example.com", "unknown@example.com", "c@example.com")
    if kind == "folder":
        yield Way(Lane(), FolderChannel(folder), people, lambda: ids([path.read_bytes() for path in folder.glob("*.eml")]))
    elif kind == "smtp":
        inbox = Inbox()
        async with real(inbox) as port:
            yield Way(Lane(), SmtpChannel(smtp(port)), people, lambda: ids([mail for _, _, mail in inbox.taken]))
    else:
        path, taken, refused = ROBOTS[kind]
        bad = (400, {}) if refused is None else (200, refused)
        with Service((200, taken), bad, (200, taken)).running() as service:
            yield Way(
                Lane("duty"),
                webhook(kind, service.url + path, "", 30),
                ("duty", "duty", "duty"),
                lambda: [headers.get("idempotency-key", "") for _, headers, _ in service.asked],
            )


@pytest.mark.parametrize("kind", ["folder", "smtp", *ROBOTS])
def test_the_contract_of_every_channel(sqlite, new_store, tmp_path, kind):
    """A message that is not taken holds up no other, and one that is sent again is the same message."""
    store = new_store(sqlite)

    async def story() -> None:
        async with way(kind, tmp_path / "mail") as out:
            facts = orjson.dumps({"number": "WT26-0001", "title": "冷库"})
            drafts = [
                Draft(to, "closed", "zh_CN", facts, f"k{n}", "WT26-0001", "A", channel=out.lane.name)
                for n, to in enumerate(out.to)
            ]
            with store.transaction() as session:
                outbox.enqueue(session, drafts, NOW, "example.com")
            settings = DispatchSettings("one", "tiji@example.com", lane=out.lane)
            counts = await dispatch_once(store.transaction, out.channel, Renderer(), settings, NOW, 10)
            lost = 0 if kind == "folder" else 1  # a folder takes everything
            assert (counts.sent, counts.dead, counts.retry, counts.held) == (3 - lost, lost, 0, 0)
            first = out.arrived()
            with store.transaction() as session:  # as after a crash between sending and recording
                sent = update(OUTBOX).where(OUTBOX.c.state == "sent")
                session.connection().execute(sent.values(state="queued", attempts=0, next_try_at=NOW))
            again = await dispatch_once(store.transaction, out.channel, Renderer(), settings, NOW, 10)
            assert again.sent == 3 - lost
            if kind in ("folder", "smtp", "webhook"):
                known = [outbox.message_id(f"k{n}", "example.com") for n in range(3)]
                assert set(first) <= set(known)
                assert set(out.arrived()) == set(first)

    asyncio.run(story())


def dispatch(store, channel: Channel, lane: Lane, now=NOW, **more) -> DispatchCounts:
    settings = DispatchSettings("one", "tiji@example.com", lane=lane, **more)
    return asyncio.run(dispatch_once(store.transaction, channel, Renderer(), settings, now, 100))


def test_a_channel_that_refuses_us_holds_up_no_mail_and_comes_back(store, tmp_path):
    facts = orjson.dumps({"number": "WT26-0001", "title": "冷库"})
    mail, others = FolderChannel(tmp_path), Lane(others=("duty",))
    drafts = [Draft("duty", "closed", "zh_CN", facts, f"d{n}", "WT26-0001", "A", channel="duty") for n in range(8)]
    drafts.append(Draft("gone", "closed", "zh_CN", facts, "g", "WT26-0001", "A", channel="gone"))
    drafts.append(Draft("a@example.com", "closed", "zh_CN", facts, "m", "WT26-0001", "A"))
    with store.transaction() as session:
        outbox.enqueue(session, drafts, NOW, "example.com")
        assert outbox.due_channels(session, NOW) == {"duty", "gone"}
    with Service((403, {}), (200, {})).running() as service:
        duty = webhook("webhook", f"{service.url}/in", "", 30)
        held = dispatch(store, duty, Lane("duty"))
        assert (held.held, held.sent) == (8, 0)
        assert "403" in held.stopped
        assert dispatch(store, duty, Lane("duty")).stopped.startswith("the server is asked again at")
        assert len(service.asked) == 1, "not hammered"
        sent = dispatch(store, mail, others)
        assert (sent.sent, sent.retry, sent.stopped) == (1, 1, ""), "and what nobody here can send is tried again"
        after = dispatch(store, duty, Lane("duty"), NOW + timedelta(minutes=6))
        assert (after.sent, after.merged) == (1, 7), "more than five at a time are one digest"
        assert service.asked[1][2]["title"].startswith("【合并通知】您有8件")
    with store.transaction() as session:
        states = {row.key: (row.state, row.last_error) for row in outbox.listing(session)}
    assert states["g"] == ("queued", "there is no channel called gone in this node's configuration")


def test_what_goes_to_a_channel_is_policy_and_one_message_a_decision(store):
    town = Town(store)
    watch = also("duty", ["dispatch_notice", "escalation_notice"], [], ["responsible", "coordinator"])
    town.outgoing.__init__(also=(watch, also("city", [], [CITY_COORDINATOR], [])))  # type: ignore[misc]
    number = town.dispatched()
    town.sweep("2026-11-20 09:00")
    with store.reading() as session:
        chosen = select(OUTBOX).where(OUTBOX.c.about == number, OUTBOX.c.channel != "mail").order_by(OUTBOX.c.id)
        rows = session.connection().execute(chosen).all()
        mails = session.connection().execute(select(OUTBOX.c.recipient).where(OUTBOX.c.channel == "mail")).scalars().all()
    keys = [row.key for row in rows]
    assert len(set(keys)) == len(keys)
    assert [row.kind for row in rows if row.channel == "duty"].count("dispatch_notice") == 1
    assert "escalation_notice" in [row.kind for row in rows if row.channel == "duty"]
    assert {row.party for row in rows if row.channel == "city"} == {CITY_COORDINATOR}
    assert all(row.recipient == row.channel for row in rows)
    assert all("@" in to for to in mails)
    assert not town.verify().broken


@pytest.mark.parametrize(
    ("kinds", "parties", "audiences", "says"),
    [
        (["escalation_notise"], ["PT0013"], [], "did you mean escalation_notice"),
        (["supervision_letter"], ["PT0013"], [], "goes by mail alone"),
        ([], [], ["leeder"], "did you mean leader"),
        ([], [], [], "name parties or audiences"),
    ],
)
def test_a_policy_that_means_nothing_is_named(kinds, parties, audiences, says):
    with pytest.raises(BadConfig, match=says):
        also("duty", kinds, parties, audiences)


def test_the_administrator_is_told_of_a_broken_template_once_a_day(database, tmp_path):
    (tmp_path / "own" / "zh_CN").mkdir(parents=True)
    (tmp_path / "own" / "zh_CN" / "closed.j2").write_text("{% for a in range(9) %}{% endfor %}")
    mail = MailSettings(templates="own", quiet_hours=False)
    app = App(Settings(database=DatabaseSettings(url=database), mail=mail, root=tmp_path))
    try:
        Town(app.store)
        facts = orjson.dumps({"number": "WT26-0001", "title": "冷库"})
        for n, now in enumerate((NOW, NOW + timedelta(hours=1), NOW + timedelta(days=1))):
            with app.store.transaction() as session:
                drafts = [Draft(f"a{n}{m}@example.com", "closed", "zh_CN", facts, f"{n}{m}", "WT26-0001", "A") for m in "abc"]
                outbox.enqueue(session, drafts, now, "example.com")
            assert asyncio.run(app.mailroom.dispatch(now)).sent >= 3
        with app.store.reading() as session:
            told = [row for row in outbox.listing(session) if row.kind == "template_broken"]
        assert len({row.party for row in told}) * 2 == len(told), "once on each of the two days"
        assert orjson.loads(told[0].facts)["reason"] == "line 1: a loop is not allowed in a template"
    finally:
        app.close()


def test_doctor_says_which_channel_refuses_us(store, tmp_path):
    with Service((403, {})).running() as service:
        database = DatabaseSettings(url=store.url.render_as_string(hide_password=False))
        duty = {"kind": "webhook", "url": f"{service.url}/in", "kinds": ["closed"], "audiences": ["coordinator"]}
        app = App(Settings(database=database, channels={"duty": duty}, root=tmp_path))

        def said():
            return next(check for check in examine(app, NOW) if check.name == "channels")

        try:
            draft = Draft("duty", "closed", "zh_CN", orjson.dumps({"number": "WT26-0001", "title": "冷库"}), "d", channel="duty")
            with store.transaction() as session:
                outbox.enqueue(session, [draft], NOW, "example.com")
            assert said() == ("channels", True, "duty")
            assert dispatch(store, webhook("webhook", f"{service.url}/in", "", 30), Lane("duty")).held == 1
            assert not said().ok
            assert said().detail.startswith("duty holds 1: the channel refuses us: ")
            assert "403" in said().detail
            mail = next(check for check in examine(app, NOW) if check.name == "mail")
            assert mail.ok, "what a channel holds is no trouble of the mail"
        finally:
            app.close()


def test_outgoing_has_no_other_channel_by_default():
    assert Outgoing().also == ()
    assert Settings().channels == {}
