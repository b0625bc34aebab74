"""SMTP against real sockets: a server that takes mail, and one that does whatever a server may do wrong."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email import message_from_bytes, policy
from typing import Any

import pytest
import trustme
from aiosmtpd.smtp import SMTP as Aiosmtpd
from aiosmtpd.smtp import AuthResult
from aiosmtplib.protocol import PERIOD_REGEX, normalize_message_line_endings
from hypothesis import given
from hypothesis import strategies as st

from notifications.channels import FolderChannel
from notifications.message import Down, GiveUp, Hold, Message, Outcome, Sent, TryAgain, to_bytes
from notifications.smtp import SmtpChannel, SmtpSettings, by_code, framed
from tests.faults.scripted import DROP, HANG, scripted

AT = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)


def message(recipient: str = "organ@example.com", text: str = "请办理。", **changes) -> Message:
    usual = Message(
        sender="escalation@example.com",
        sender_name="省专班办公室",
        recipient=recipient,
        subject="【交办】WT26-0001 冷库",
        text=text,
        html="<p>请办理。</p>",
        message_id=f"<{recipient}>",
        thread_id="<root@example.com>",
        date=AT,
    )
    return usual._replace(**changes)


def settings(port: int, **changes) -> SmtpSettings:
    usual = {"security": "none", "connections": 1, "local_hostname": "localhost", "total_timeout": 20.0}
    return SmtpSettings(host="127.0.0.1", port=port, **{**usual, **changes})


# A server that takes mail.


class Inbox:
    """What a real server took."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, list[str], bytes]] = []
        self.sessions = set()

    async def handle_DATA(self, server, session, envelope) -> str:
        self.taken.append((envelope.mail_from, envelope.rcpt_tos, envelope.content))
        self.sessions.add(session.peer)
        return "250 2.0.0 taken"

    async def handle_RCPT(self, server, session, envelope, address, options) -> str:
        if address.startswith("unknown"):
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 ok"


@asynccontextmanager
async def real(inbox: Inbox, **options) -> AsyncIterator[int]:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Aiosmtpd(inbox, **options), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def send(port: int, *messages: Message, **changes) -> list[Outcome]:
    async with SmtpChannel(settings(port, **changes)) as channel:
        return list(await asyncio.gather(*[channel.send(each) for each in messages]))


def test_mails_arrive_whole_over_few_connections():
    inbox = Inbox()

    async def story() -> list[Outcome]:
        async with real(inbox) as port:
            return await send(port, *[message(f"o{n}@example.com") for n in range(40)], connections=3)

    outcomes = asyncio.run(story())
    assert outcomes == [Sent(250, "2.0.0 taken")] * 40
    assert {tuple(to) for _, to, _ in inbox.taken} == {(f"o{n}@example.com",) for n in range(40)}
    assert 1 <= len(inbox.sessions) <= 3
    mail = message_from_bytes(inbox.taken[0][2], policy=policy.default)
    assert mail["Subject"] == "【交办】WT26-0001 冷库"
    assert mail.get_body(("plain",)).get_content().strip() == "请办理。"


def test_a_connection_carries_only_so_many():
    inbox = Inbox()

    async def story() -> list[Outcome]:
        async with real(inbox) as port:
            return await send(port, *[message(f"o{n}@example.com") for n in range(10)], messages_per_connection=4)

    assert all(isinstance(each, Sent) for each in asyncio.run(story()))
    assert len(inbox.sessions) == 3


def test_one_unknown_recipient_holds_up_no_other():
    inbox = Inbox()
    names = ["a", "unknown1", "b", "unknown2", "c"]

    async def story() -> list[Outcome]:
        async with real(inbox) as port:
            return await send(port, *[message(f"{name}@example.com") for name in names])

    kinds = [type(each) for each in asyncio.run(story())]
    assert kinds == [Sent, GiveUp, Sent, GiveUp, Sent]
    assert [to for _, to, _ in inbox.taken] == [["a@example.com"], ["b@example.com"], ["c@example.com"]]
    assert len(inbox.sessions) == 1


@pytest.mark.parametrize("end", ["\n.\n", "\r\n.\r\n", "\r.\r", "\n.\r\n", "\r\n.\n", "\r\n.\r"])
def test_no_text_smuggles_a_second_mail(end):
    inbox = Inbox()
    evil = f"one{end}MAIL FROM:<evil@example.com>\r\nRCPT TO:<victim@example.com>\r\nDATA\r\nSubject: two\r\n\r\ntwo{end}"

    async def story() -> list[Outcome]:
        async with real(inbox) as port:
            return await send(port, message(text=evil, html=evil, subject=evil, sender_name=evil))

    assert isinstance(asyncio.run(story())[0], Sent)
    ((sender, to, content),) = inbox.taken
    assert (sender, to) == ("escalation@example.com", ["organ@example.com"])
    assert len(message_from_bytes(content, policy=policy.default)["To"].addresses) == 1


@given(st.text("a.\r\n", min_size=1, max_size=12).map(str.encode))
def test_a_mail_is_framed_as_the_library_frames_it(content):
    theirs = PERIOD_REGEX.sub(b"..", normalize_message_line_endings(content)) + b".\r\n"
    assert framed(content) == theirs


def test_a_line_that_begins_with_a_dot_arrives():
    inbox = Inbox()

    async def story() -> list[Outcome]:
        async with real(inbox) as port:
            return await send(port, message(headers={".Dotted": "one"}))

    assert isinstance(asyncio.run(story())[0], Sent)
    assert b"\r\n.Dotted: one\r\n" in inbox.taken[0][2]


@pytest.mark.parametrize("recipient", ["", "<>", "张三@example.com", "a@x\r\nRCPT TO:<evil@example.com>"])
def test_a_bad_recipient_never_becomes_another(recipient):
    inbox = Inbox()

    async def story() -> list[Outcome]:
        async with real(inbox) as port:
            return await send(port, message(recipient), message("b@example.com"))

    bad, good = asyncio.run(story())
    assert isinstance(bad, GiveUp)
    assert isinstance(good, Sent)
    assert [to for _, to, _ in inbox.taken] == [["b@example.com"]]


# Encryption and login.


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def encrypted(authority: trustme.CA, name: str, **more: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name, **more).configure_cert(context)
    return context


#: A certificate -> whose authority, for which name, until when; whether mail goes there.
CERTIFICATES = {
    "right": (True, "127.0.0.1", None, True),
    "of another name": (True, "other.example.com", None, False),
    "of yesterday": (True, "127.0.0.1", datetime(2020, 1, 1, tzinfo=UTC), False),
    "of its own making": (False, "127.0.0.1", None, False),
}


@pytest.mark.parametrize("what", CERTIFICATES)
@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_only_the_right_certificate_gets_mail(authority, tmp_path, what, security, figure):
    known, name, until, arrives = CERTIFICATES[what]
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    inbox, context = Inbox(), encrypted(authority if known else trustme.CA(), name, not_after=until)

    async def story() -> list[Outcome]:
        loop = asyncio.get_running_loop()
        kept = {"tls_context": context, "require_starttls": True} if security == "starttls" else {}
        server = await loop.create_server(
            lambda: Aiosmtpd(inbox, **kept), "127.0.0.1", 0, ssl=context if security == "tls" else None
        )
        try:
            port = server.sockets[0].getsockname()[1]
            return await send(port, message(), security=security, ca_file=str(ca_file))
        finally:
            server.close()

    (outcome,) = asyncio.run(story())
    assert isinstance(outcome, Sent if arrives else Down)
    assert len(inbox.taken) == arrives
    if isinstance(outcome, Down):
        assert "ertificate" in outcome.reason or "CERTIFICATE" in outcome.reason
    figure(11, f"a certificate {what} ({security})", type(outcome).__name__)


def test_without_encryption_nothing_is_said_that_should_be_encrypted():
    said = []

    async def story() -> list[Outcome]:
        async with scripted({}, said=said) as port:
            return await send(port, message(), security="starttls", username="office", password="secret")

    (outcome,) = asyncio.run(story())
    assert isinstance(outcome, Down)
    assert not [line for line in said if line.startswith((b"AUTH", b"MAIL", b"RCPT", b"DATA"))]
    assert not [line for line in said if b"secret" in line]


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not", "ignore:Session.login_data")  # of the server's library
@pytest.mark.parametrize(("password", "kind"), [("right", Sent), ("wrong", Hold)])
def test_a_refused_login_holds_everything_after_one_try(password, kind):
    inbox, tries = Inbox(), []

    def check(server, session, envelope, mechanism, auth_data) -> AuthResult:
        tries.append(auth_data.password)
        return AuthResult(success=auth_data.password == b"right", handled=False)

    async def story() -> list[Outcome]:
        options = {"auth_required": True, "auth_require_tls": False, "authenticator": check}
        async with real(inbox, **options) as port:
            return await send(port, *[message()] * 20, username="office", password=password)

    outcomes = asyncio.run(story())
    assert {type(each) for each in outcomes} == {kind}
    if kind is Hold:
        assert all(each.host for each in outcomes)
        assert all("right" not in each.reason and "wrong" not in each.reason for each in outcomes)
        assert len(tries) <= 2  # one connection, the two ways of saying a password
        assert inbox.taken == []


def test_a_server_that_knows_no_login_is_our_fault():
    async def story() -> list[Outcome]:
        async with scripted({}) as port:
            return await send(port, message(), username="office", password="x")

    assert isinstance(asyncio.run(story())[0], Hold)


def test_the_password_is_not_shown():
    assert "secret" not in repr(SmtpSettings(host="x", password="secret"))


# A server that does what it is told to.

AGAIN, HOST, NOBODY = (TryAgain, False), (TryAgain, True), (Down, None)
OURS, POLICY = (Hold, True), (Hold, False)
NEVER = (GiveUp, None)
AUTH = "250-hello\r\n250 AUTH PLAIN"
WRONG = {
    "421 at the banner": ({"CONNECT": "421 too busy"}, NOBODY),
    "450 at the banner": ({"CONNECT": "450 not now"}, NOBODY),
    "554 at the banner": ({"CONNECT": "554 go away"}, OURS),
    "no banner": ({"CONNECT": HANG}, NOBODY),
    "dropped at the banner": ({"CONNECT": DROP}, NOBODY),
    "nonsense at the banner": ({"CONNECT": "hello there"}, NOBODY),
    "dropped at EHLO": ({"EHLO": DROP}, NOBODY),
    "silent at EHLO": ({"EHLO": HANG}, NOBODY),
    "421 at AUTH": ({"EHLO": AUTH, "AUTH": "421 too many logins"}, OURS),
    "454 at AUTH": ({"EHLO": AUTH, "AUTH": "454 4.7.0 not now"}, OURS),
    "535 at AUTH": ({"EHLO": AUTH, "AUTH": "535 5.7.8 no"}, OURS),
    "dropped at AUTH": ({"EHLO": AUTH, "AUTH": DROP}, OURS),
    "silent at AUTH": ({"EHLO": AUTH, "AUTH": HANG}, OURS),
    "421 at MAIL": ({"MAIL": "421 4.3.2 closing"}, HOST),
    "450 at MAIL": ({"MAIL": "450 slow down"}, HOST),
    "530 at MAIL": ({"MAIL": "530 5.7.0 log in first"}, OURS),
    "550 at MAIL": ({"MAIL": "550 we do not like your sender"}, OURS),
    "554 at MAIL": ({"MAIL": "554 no"}, OURS),
    "552 at MAIL": ({"MAIL": "552 5.3.4 too big"}, NEVER),
    "hangs at MAIL": ({"MAIL": HANG}, HOST),
    "450 at RCPT": ({"RCPT": "450 4.2.0 greylisted"}, AGAIN),
    "452 at RCPT": ({"RCPT": "452 4.2.2 mailbox full"}, AGAIN),
    "421 at RCPT": ({"RCPT": "421 4.7.0 too many"}, HOST),
    "550 at RCPT": ({"RCPT": "550 5.1.1 no such user"}, NEVER),
    "553 at RCPT": ({"RCPT": "553 bad name"}, NEVER),
    "535 at RCPT": ({"RCPT": "535 log in"}, OURS),
    "5.7.1 at RCPT": ({"RCPT": "550 5.7.1 relaying denied"}, POLICY),
    "5.1.8 at RCPT": ({"RCPT": "550 5.1.8 sender's domain"}, POLICY),
    "odd letters at RCPT": ({"RCPT": "550 5.1.1 \xd3\xca\xcf\xe4"}, NEVER),
    "dropped at RCPT": ({"RCPT": DROP}, HOST),
    "451 at DATA": ({"DATA": "451 not now"}, AGAIN),
    "554 at DATA": ({"DATA": "554 no valid recipients"}, NEVER),
    "250 at DATA": ({"DATA": "250 what?"}, HOST),
    "dropped in the middle": ({"BODY": DROP}, HOST),
    "452 after the dot": ({"DOT": "452 no space"}, AGAIN),
    "552 after the dot": ({"DOT": "552 too big"}, NEVER),
    "554 after the dot": ({"DOT": "554 looks like spam"}, NEVER),
    "5.7.1 after the dot": ({"DOT": "550 5.7.1 policy"}, POLICY),
    "dropped after the dot": ({"DOT": DROP}, HOST),
    "hangs after the dot": ({"DOT": HANG}, HOST),
    "nonsense after the dot": ({"DOT": "999 what"}, HOST),
}
#: Short waits: at one step the server never answers at all, and at the others at once, if the machine lets it.
BRIEF = {"connect_timeout": 2, "command_timeout": 2, "data_timeout": 2}


@pytest.mark.parametrize("what", WRONG)
def test_what_goes_wrong_is_sorted(what, figure):
    script, (kind, host) = WRONG[what]

    async def story() -> list[Outcome]:
        async with scripted(script) as port:
            login = {"username": "office", "password": "x"} if "AUTH" in script else {}
            return await send(port, message(), **login, **(BRIEF if HANG in script.values() else {}))

    (outcome,) = asyncio.run(story())
    assert type(outcome) is kind
    assert getattr(outcome, "host", None) is host
    known = host is True and any(step in script for step in ("DATA", "BODY", "DOT"))
    assert outcome.reason.startswith("unknown, the server may have it") is known
    whom = {True: ", the whole server", False: ", this mail alone", None: ""}[host]
    figure(11, f"SMTP server: {what}", f"{kind.__name__}{whom}")


def test_a_mail_has_a_time_of_its_own_whatever_the_server_does():
    async def story() -> list[Outcome]:
        async with scripted({"DOT": HANG}) as port:
            return await send(port, message(), total_timeout=2)

    (outcome,) = asyncio.run(story())
    assert isinstance(outcome, TryAgain)
    assert outcome.host
    assert outcome.reason.startswith("unknown")


def test_a_server_that_does_not_answer_quit_has_the_mail(figure):
    async def story() -> list[Outcome]:
        async with scripted({"QUIT": HANG}) as port:
            return await send(port, message(), **BRIEF)

    (outcome,) = asyncio.run(story())
    assert isinstance(outcome, Sent)
    figure(11, "SMTP server: QUIT is never answered", type(outcome).__name__)


@pytest.mark.parametrize(
    ("script", "changes", "kind", "farewell"),
    [({"RCPT": "550 unknown"}, {}, GiveUp, b"RSET"), ({}, {"messages_per_connection": 1}, Sent, b"QUIT")],
)
def test_an_outcome_is_known_before_the_conversation_is_tidied(script, changes, kind, farewell):
    """A dispatch that is broken off meanwhile would no longer know it, and send the mail again."""
    said: list[bytes] = []

    async def story() -> tuple[Outcome, list[bytes]]:
        async with scripted(script, said=said) as port, SmtpChannel(settings(port, **changes)) as channel:
            outcome = await channel.send(message())
            so_far = list(said)
            await channel.send(message())
            return outcome, so_far

    outcome, so_far = asyncio.run(story())
    assert isinstance(outcome, kind)
    assert not any(line.startswith(farewell) for line in so_far)
    assert next(n for n, line in enumerate(said) if line.startswith(farewell)) == len(so_far), "before the next mail"


async def _closed_port() -> int:
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port


def test_a_refused_connection_is_tried_again_later(figure):
    async def story() -> list[Outcome]:
        return await send(await _closed_port(), message())

    (outcome,) = asyncio.run(story())
    assert isinstance(outcome, Down)
    figure(11, "SMTP server: refuses the connection", type(outcome).__name__)


@pytest.mark.parametrize(
    ("script", "kinds", "most"),
    [
        ({"CONNECT": "421 busy"}, [Down] * 50, 3),
        ({"CONNECT": "554 no"}, [Hold] * 50, 1),
        ({"MAIL": "450 4.7.1 too much mail from you"}, [TryAgain] * 3 + [Down] * 47, 3),
        ({"RCPT": "554 5.7.1 blocked"}, [Hold] * 50, 1),
    ],
)
def test_a_server_in_trouble_is_left_in_peace(script, kinds, most, figure):
    sessions: list[int] = []

    async def story() -> list[Outcome]:
        async with scripted(script, sessions=sessions) as port:
            return await send(port, *[message()] * 50)

    outcomes = asyncio.run(story())
    assert [type(each) for each in outcomes] == kinds
    assert len(sessions) == most
    (step, reply), *_ = script.items()
    figure(
        11,
        f"50 mails to a server that says {reply!r} at {step}",
        f"{most} connection(s), then it is left in peace: {kinds[-1].__name__}",
    )


def test_a_refusal_on_a_connection_in_use_is_no_lost_connection():
    said: list[bytes] = []
    answers = iter(["250 ok"])

    async def story() -> list[Outcome]:
        script = {"MAIL": lambda line: next(answers, "450 4.7.1 too much mail from you")}
        async with scripted(script, said=said) as port:
            return await send(port, *[message()] * 10)

    outcomes = asyncio.run(story())
    assert [type(each) for each in outcomes] == [Sent] + [TryAgain] * 3 + [Down] * 6
    assert len([line for line in said if line.startswith(b"MAIL")]) == 4, "taken, and refused three times"


def test_the_next_batch_asks_again():
    sessions: list[int] = []

    async def story() -> list[Outcome]:
        async with scripted({"CONNECT": "421 busy"}, sessions=sessions) as port:
            channel = SmtpChannel(settings(port))
            for _ in range(2):
                async with channel:
                    await asyncio.gather(*[channel.send(message()) for _ in range(10)])
            return []

    asyncio.run(story())
    assert len(sessions) == 6


@pytest.mark.parametrize("lasts", [1, 3])
def test_a_server_that_ends_the_conversation_after_some_mails_is_not_down(lasts, figure):
    sessions: list[int] = []

    async def story() -> list[Outcome]:
        async with scripted({}, sessions=sessions, lasts=lasts) as port:
            return await send(port, *[message(f"o{n}@example.com") for n in range(9)])

    assert {type(each) for each in asyncio.run(story())} == {Sent}
    assert sum(sessions) == 9
    assert max(sessions) == lasts
    figure(
        11,
        f"9 mails to a server that ends each connection after {lasts}",
        f"all Sent, over {sum(map(bool, sessions))} connections",
    )


def test_a_cancelled_send_leaves_no_half_conversation():
    async def story() -> Outcome:
        script: dict[str, str] = {"RCPT": HANG}
        said: list[bytes] = []
        async with scripted(script, said=said) as port, SmtpChannel(settings(port)) as channel:
            going = asyncio.create_task(channel.send(message()))
            while not any(line.startswith(b"RCPT") for line in said):
                await asyncio.sleep(0)
            going.cancel()
            await asyncio.gather(going, return_exceptions=True)
            del script["RCPT"]
            return await channel.send(message("b@example.com"))

    assert isinstance(asyncio.run(story()), Sent)


@pytest.mark.parametrize("phase", ["CONNECT", "LOGIN", "MAIL", "RCPT", "DATA"])
def test_every_code_has_its_place(phase):
    for code in range(400, 600):
        outcome = by_code(code, "no", phase)
        assert not isinstance(outcome, Sent)
        if phase in ("CONNECT", "LOGIN") or (phase == "MAIL" and code != 552):
            assert not isinstance(outcome, GiveUp), code  # nobody's mail is given up for what is said about us
        if code < 500 and phase != "LOGIN":
            assert isinstance(outcome, Down if phase == "CONNECT" else TryAgain), code


# The folder.


def test_a_folder_gets_whole_files_and_no_doubles(tmp_path):
    channel = FolderChannel(tmp_path / "mail")

    async def story() -> list[Outcome]:
        async with channel:
            return [
                await channel.send(message("a@example.com")),
                await channel.send(message("b@example.com")),
                await channel.send(message("a@example.com", date=AT.replace(day=27))),
            ]

    assert {type(each) for each in asyncio.run(story())} == {Sent}
    found = sorted((tmp_path / "mail").iterdir())
    assert len(found) == 2
    assert all(re.fullmatch(r"[0-9a-f]{32}\.eml", path.name) for path in found)
    expected = {to_bytes(message("b@example.com")), to_bytes(message("a@example.com", date=AT.replace(day=27)))}
    assert {path.read_bytes() for path in found} == expected


def test_a_folder_that_cannot_be_written_is_tried_again(tmp_path):
    (tmp_path / "mail").write_text("a file")
    outcome = asyncio.run(FolderChannel(tmp_path / "mail").send(message()))
    assert isinstance(outcome, Down)
