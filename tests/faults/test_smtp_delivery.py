"""SMTP to the end of the story: what waits in the outbox arrives, once, however slow, strict or silent the server is about it.

Time is handed in; the conversation is with a real server on loopback.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
import trustme
from aiosmtpd.smtp import AuthResult
from sqlalchemy import select

from escalation.database import Store
from notifications import outbox
from notifications.bookkeeping import DispatchCounts
from notifications.dispatch import DispatchSettings, dispatch_once
from notifications.message import Down, Hold, Outcome, Sent, TryAgain
from notifications.outbox import OUTBOX
from notifications.rendering import Renderer
from notifications.retrying import RetryPolicy
from notifications.smtp import SmtpChannel
from tests.faults.scripted import DROP, HANG, Answer, scripted
from tests.faults.test_smtp import AUTH, Inbox, encrypted, message, real, send, settings
from tests.store.test_outbox import MINUTE, NOW, SETTINGS, draft


@dataclass
class Server:
    """What a mail server knows of the time and of us."""

    now: datetime = NOW
    #: Recipient of each mail that it took, by the conversation's order.
    taken: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    first_seen: dict[str, datetime] = field(default_factory=dict)
    accepted: deque[datetime] = field(default_factory=deque)

    def greylists(self, line: bytes) -> str:
        """Whoever is new is asked to come again in five minutes."""
        if self.now - self.first_seen.setdefault(_address(line), self.now) < 5 * MINUTE:
            self.refused += 1
            return "450 4.2.0 greylisted, come again"
        return "250 ok"

    def at_most(self, count: int, refusal: str) -> Callable[[bytes], str]:
        """Takes so many mails in any minute."""

        def answer(line: bytes) -> str:
            while self.accepted and self.accepted[0] <= self.now - MINUTE:
                self.accepted.popleft()
            if len(self.accepted) >= count:
                self.refused += 1
                return refusal
            self.accepted.append(self.now)
            return "250 ok"

        return answer

    def takes(self, content: bytes) -> str:
        (to,) = [line for line in content.split(b"\r\n") if line.startswith(b"To:")]
        self.taken[to.decode("ascii")[4:].strip("<>")] += 1
        return "250 taken"


def _address(line: bytes) -> str:
    return line.split(b"<")[1].split(b">")[0].decode("ascii")


def queue(store: Store, count: int) -> None:
    with store.transaction() as session:
        drafts = [draft(str(n), recipient=f"o{n}@example.com") for n in range(count)]
        outbox.enqueue(session, drafts, NOW, "example.com")


def states(store: Store) -> Counter[str]:
    with store.reading() as session:
        return Counter(session.connection().execute(select(OUTBOX.c.state)).scalars())


async def look(store: Store, port: int, now: datetime, sending: DispatchSettings = SETTINGS, **more: Any) -> DispatchCounts:
    channel = SmtpChannel(settings(port, **{"connections": 4, **more}))
    return await dispatch_once(store.transaction, channel, Renderer(), sending, now, 500)


def looks(store: Store, server: Server, script: Mapping[str, Answer], hours: int) -> list[DispatchCounts]:
    """A node that looks every minute until all has gone out."""

    async def story() -> list[DispatchCounts]:
        done: list[DispatchCounts] = []
        async with scripted({"DOT": server.takes, **script}) as port:
            while not done or done[-1].left:
                assert server.now < NOW + timedelta(hours=hours), "still not all"
                done.append(await look(store, port, server.now))
                server.now += MINUTE
        return done

    return asyncio.run(story())


def test_greylisted_mails_arrive_when_they_come_again(store: Store, figure: Callable[..., None]) -> None:
    count, server = 30, Server()
    queue(store, count)
    done = looks(store, server, {"RCPT": server.greylists}, hours=1)
    assert server.taken == {f"o{n}@example.com": 1 for n in range(count)}
    assert states(store) == {"sent": count}
    assert server.refused <= 2 * count, "after a minute, then after five more"
    figure(
        11,
        f"greylisting, {count} mails, {store.engine.name}",
        f"each arrived once, the last after {len(done) - 1} minutes; {server.refused} refusals",
    )


@pytest.mark.parametrize("refusal", ["450 4.7.1 too much mail from you", "421 4.7.0 too many"])
def test_a_limit_of_the_server_is_not_run_against(store: Store, refusal: str, figure: Callable[..., None]) -> None:
    count, limit, server = 250, 50, Server()
    queue(store, count)
    done = looks(store, server, {"MAIL": server.at_most(limit, refusal)}, hours=2)
    assert server.taken == {f"o{n}@example.com": 1 for n in range(count)}
    assert states(store) == {"sent": count}
    assert max(each.sent for each in done) <= limit
    assert server.refused <= 8 * len(done), "three in a row, on the connections that are open, and it is left in peace"
    figure(
        11,
        f"a server that takes {limit} mails a minute and then says {refusal[:3]!r}: {count} mails, {store.engine.name}",
        f"each arrived once, the last after {len(done) - 1} minutes; {server.refused} refusals in {len(done)} looks",
    )


def test_a_server_that_is_down_for_a_week_costs_no_mail_its_tries(store: Store, figure: Callable[..., None]) -> None:
    count, server, sessions = 20, Server(), list[int]()
    script: dict[str, Answer] = {"DOT": server.takes, "CONNECT": "421 closed for works"}
    a_day = replace(SETTINGS, policy=RetryPolicy(life=timedelta(days=1)))
    queue(store, count)

    async def story() -> tuple[int, int]:
        async with scripted(script, sessions=sessions) as port:
            for _ in range(7 * 4):
                server.now += 360 * MINUTE
                await look(store, port, server.now, a_day)
            asked = len(sessions)
            del script["CONNECT"]
            server.now += 2 * MINUTE
            return asked, (await look(store, port, server.now)).sent

    asked, sent = asyncio.run(story())
    assert asked == 3 * 7 * 4, "three connections a look, and it is left in peace"
    assert sent == count, "with the first look"
    assert server.taken == {f"o{n}@example.com": 1 for n in range(count)}
    figure(
        11,
        f"a server that is down for a week, {count} mails, {store.engine.name}",
        "all arrived with the first look after it, none given up",
    )


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not", "ignore:Session.login_data")  # of the server's library
@pytest.mark.parametrize("security", ["none", "starttls"])
def test_a_wrong_password_is_said_once_in_five_minutes_and_mended(
    store: Store, security: str, tmp_path: Path, figure: Callable[..., None]
) -> None:
    count, inbox, tries, authority = 20, Inbox(), list[bytes](), trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    usual = {"username": "office", "security": security, "ca_file": str(tmp_path / "ca.pem")}

    def check(server: Any, session: Any, envelope: Any, mechanism: str, login: Any) -> AuthResult:
        tries.append(login.password)
        return AuthResult(success=login.password == b"right", handled=False)

    queue(store, count)

    async def story() -> int:
        encryption = {"tls_context": encrypted(authority, "127.0.0.1")} if security == "starttls" else {"auth_require_tls": False}
        async with real(inbox, auth_required=True, authenticator=check, **encryption) as port:
            for minute in range(60):
                await look(store, port, NOW + minute * MINUTE, password="wrong", **usual)
            asked = len(tries)
            await look(store, port, NOW + 65 * MINUTE, password="right", **usual)
            return asked

    asked = asyncio.run(story())
    ways = 1 if security == "starttls" else 2
    assert asked == ways * 12, "by one connection alone; unencrypted, the library tries another way of saying it"
    assert Counter(to for _, (to,), _ in inbox.taken) == {f"o{n}@example.com": 1 for n in range(count)}
    assert states(store) == {"sent": count}
    figure(
        11,
        f"a wrong password for an hour of looks, {count} mails, {security}, {store.engine.name}",
        f"said {asked} times; all arrived once it was right",
    )


def test_a_recipient_at_whom_the_server_hangs_holds_up_no_other(store: Store, figure: Callable[..., None]) -> None:
    count, server = 40, Server()
    queue(store, count)

    async def story() -> DispatchCounts:
        script = {"RCPT": lambda line: HANG if b"<o7@" in line else "250 ok", "DOT": server.takes}
        async with scripted(script) as port:
            return await look(store, port, NOW, command_timeout=5)

    done = asyncio.run(story())
    assert (done.sent, done.retry) == (count - 1, 1)
    assert server.taken == {f"o{n}@example.com": 1 for n in range(count) if n != 7}
    figure(
        11,
        f"a server that hangs at one recipient of {count}, {store.engine.name}",
        f"{done.sent} arrived with the same look, one waits",
    )


#: How a server is slow, in seconds; the time that its opening has, and as much again a mail; what becomes of one.
SLOW: dict[str, tuple[dict[str, float], dict[str, float], type[Outcome]]] = {
    "every byte after a pause, time enough": ({"drip": 0.002}, {}, Sent),
    "every byte after a pause, for ever": ({"drip": 0.05}, {"total_timeout": 0.5}, Down),
    "every reply just in time, for ever": ({"pause": 2}, {"command_timeout": 6, "total_timeout": 7}, TryAgain),
}


@pytest.mark.parametrize("how", SLOW)
def test_a_slow_server_has_the_time_of_one_mail_and_no_more(how: str, figure: Callable[..., None]) -> None:
    server, given, kind = SLOW[how]

    async def story() -> tuple[Outcome, float]:
        async with scripted({}, **server) as port:
            begun = perf_counter()
            (outcome,) = await send(port, message(), **given)
            return outcome, perf_counter() - begun

    outcome, seconds = asyncio.run(story())
    assert isinstance(outcome, kind)
    bound = f"; an opening has {given['total_timeout']} s (three are tried), a mail as much" if given else ""
    figure(11, f"SMTP server: {how}", f"{kind.__name__} after {seconds:.1f} s{bound}")


def test_who_waits_at_the_door_has_all_its_time(figure: Callable[..., None]) -> None:
    """Sixteen connections are opened one after another, and together take longer than one mail may."""
    count = 32

    async def story() -> list[Outcome]:
        async with scripted({}, pause=0.1) as port:
            mails = [message(f"o{n}@example.com") for n in range(count)]
            return await send(port, *mails, connections=16, total_timeout=2.5)

    assert {type(each) for each in asyncio.run(story())} == {Sent}
    figure(
        11,
        f"a server that greets slowly, {count} mails over 16 connections",
        "all Sent: waiting at the door is not a mail's own time",
    )


#: A server that lets in two conversations and no more, or one that stumbles once.
CROWDED: dict[str, tuple[dict[str, str], Callable[[int], bool]]] = {
    "421 at the banner from the third on": ({"CONNECT": "421 too many"}, lambda session: session > 2),
    "dropped at the banner from the third on": ({"CONNECT": DROP}, lambda session: session > 2),
    "421 at AUTH from the third on": ({"AUTH": "421 too many"}, lambda session: session > 2),
    "454 at AUTH from the third on": ({"AUTH": "454 4.7.0 too many"}, lambda session: session > 2),
    "421 at the first banner": ({"CONNECT": "421 a moment"}, lambda session: session == 1),
}


@pytest.mark.parametrize("how", CROWDED)
def test_a_server_that_takes_fewer_conversations_takes_all_mails(how: str, figure: Callable[..., None]) -> None:
    refusals, when = CROWDED[how]
    sessions: list[int] = []

    def answering(refusal: str, usual: str) -> Callable[[bytes], str]:
        return lambda line: refusal if when(len(sessions)) else usual

    usual = {"CONNECT": "220 hello", "AUTH": "235 in"}
    script: dict[str, Answer] = {"EHLO": AUTH, **usual}
    script |= {step: answering(refusal, usual[step]) for step, refusal in refusals.items()}

    async def story() -> list[Outcome]:
        async with scripted(script, sessions=sessions) as port:
            mails = [message(f"o{n}@example.com") for n in range(40)]
            return await send(port, *mails, connections=4, username="office", password="x")

    assert {type(each) for each in asyncio.run(story())} == {Sent}
    assert sum(sessions) == 40
    figure(11, f"SMTP server: {how}, 40 mails", f"all Sent over {sum(map(bool, sessions))} connections")


def test_who_is_refused_by_recipient_keeps_the_conversation(figure: Callable[..., None]) -> None:
    server, sessions = Server(), list[int]()

    async def story() -> list[Outcome]:
        async with scripted({"RCPT": server.greylists}, sessions=sessions) as port:
            return await send(port, *[message(f"o{n}@example.com") for n in range(40)], connections=4)

    assert {type(each) for each in asyncio.run(story())} == {TryAgain}
    assert len(sessions) <= 4
    figure(11, "greylisting, 40 mails over 4 connections", f"{len(sessions)} connections: none is opened anew for a refusal")


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not", "ignore:Session.login_data")  # of the server's library
@pytest.mark.parametrize(("code", "kind", "said"), [("504", Sent, 2), ("535", Hold, 1)])
def test_another_way_of_logging_in_is_tried_when_the_way_is_refused(code: str, kind: type, said: int, tmp_path: Path) -> None:
    """A server that offers PLAIN and knows only LOGIN; one that knows both, and not the password."""
    authority, ways = trustme.CA(), list[str]()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")

    def check(server: Any, session: Any, envelope: Any, mechanism: str, login: Any) -> AuthResult:
        ways.append(mechanism)
        if mechanism == "PLAIN":
            return AuthResult(success=False, handled=False, message=f"{code} 5.7.4 no")
        return AuthResult(success=True)

    async def story() -> list[Outcome]:
        async with real(Inbox(), auth_required=True, authenticator=check, tls_context=encrypted(authority, "127.0.0.1")) as port:
            encryption = {"security": "starttls", "ca_file": str(tmp_path / "ca.pem")}
            return await send(port, message(), username="office", password="x", **encryption)

    assert [type(each) for each in asyncio.run(story())] == [kind]
    assert len(ways) == said


def test_what_was_not_begun_keeps_its_tries(store: Store) -> None:
    """The lease ends while the server says nothing to the first mails."""
    count, at_once = 30, 2
    queue(store, count)
    brief = replace(SETTINGS, lease=timedelta(seconds=1), at_once=at_once)

    async def story() -> DispatchCounts:
        async with scripted({"RCPT": HANG}) as port:
            return await look(store, port, NOW, brief)

    assert asyncio.run(story()).left == count
    with store.reading() as session:
        rows = session.connection().execute(select(OUTBOX.c.attempts, OUTBOX.c.last_error, OUTBOX.c.next_try_at)).all()
    tried = [row for row in rows if row.attempts]
    assert len(tried) == at_once
    assert all("may have it" in row.last_error for row in tried)
    assert {(row.last_error, row.next_try_at) for row in rows if not row.attempts} == {("", NOW)}
