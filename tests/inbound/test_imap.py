"""A real IMAP server (pymap) on loopback: what is unseen is read, and marked or moved after the commit."""

import imaplib
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from escalation.app import App
from escalation.config import Settings
from escalation.errors import LoginRefused, MailboxTrouble
from escalation.inbound.imap import ImapSettings, Mailbox, _quoted
from escalation.inbound.sources import Letter
from tests.inbound import letters
from tests.inbound.test_taking import Post
from tests.programs import LONG, free_port, until
from tests.town import Town, at

USER, PASSWORD = "office", "correct horse"


@contextmanager
def pymap(*more: str) -> Iterator[int]:
    """The server in a process of its own; its port."""
    number = free_port()
    start = [sys.executable, "-W", "ignore", "-c", "from pymap.main import main; main()"]
    where = ["--host", "127.0.0.1", "--port", str(number), "--no-service", "admin", *more]
    backend = ["dict", "--demo-user", USER, "--demo-password", PASSWORD]
    server = subprocess.Popen([*start, *where, *backend], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        until(lambda: _answers(number, server))
        yield number
    finally:
        server.terminate()
        server.communicate(timeout=LONG)


@pytest.fixture
def port() -> Iterator[int]:
    with pymap() as number:
        yield number


def _answers(port: int, server: "subprocess.Popen[bytes]") -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        assert server.poll() is None, server.communicate()[1].decode()
        return False


class Account:
    """The same mailbox, as a person's mail program sees it."""

    def __init__(self, port: int) -> None:
        self.server = imaplib.IMAP4("127.0.0.1", port, timeout=10)
        self.server.login(USER, PASSWORD)

    def put(self, raw: bytes, flags: str = "") -> None:
        assert self.server.append("INBOX", flags, None, raw)[0] == "OK"

    def make(self, *folders: str) -> None:
        for folder in folders:
            assert self.server.create(_quoted(folder))[0] == "OK"

    def count(self, folder: str, what: str = "ALL") -> int:
        assert self.server.select(_quoted(folder))[0] == "OK"
        return len(self.server.search(None, what)[1][0].split())


@pytest.fixture
def account(port: int) -> Iterator[Account]:
    made = Account(port)
    yield made
    made.server.logout()


def mailbox(port: int, **more: object) -> Mailbox:
    return Mailbox(ImapSettings("127.0.0.1", port, "none", USER, PASSWORD, **more))  # type: ignore[arg-type]


@pytest.fixture
def post(store, tmp_path: Path) -> Post:  # type: ignore[no-untyped-def]
    return Post(store, tmp_path)


def test_replies_are_read_and_marked_as_seen(post: Post, port: int, account: Account) -> None:
    number = post.processing()
    handler = post.handler(number)
    account.put(letters.foxmail(handler.email, post.message_id(number, handler)))
    account.put(b"From: a@example.net\r\nMessage-ID: <s@x>\r\nSubject: hello\r\n\r\nx\r\n")
    account.put(b"From: a@example.net\r\n\r\nseen before\r\n", r"(\Seen)")
    told = post.inbox.read(mailbox(port), at("2026-09-02 09:00"))
    assert told.outcomes == {"progress": 1, "stranger": 1}
    assert post.journal(number)[-1]["action"] == "report_progress"
    assert (account.count("INBOX"), account.count("INBOX", "UNSEEN")) == (3, 0)
    assert post.inbox.read(mailbox(port), at("2026-09-02 09:01")).read == 0


def test_what_was_dealt_with_is_moved_where_a_folder_is_named(post: Post, port: int, account: Account) -> None:
    account.make("已处理", "rejected & kept")
    number = post.processing()
    handler = post.handler(number)
    account.put(letters.qq(handler.email, post.message_id(number, handler)))
    account.put(b"From: a@example.net\r\nMessage-ID: <s@x>\r\nSubject: hello\r\n\r\nx\r\n")
    told = post.inbox.read(mailbox(port, done="已处理", rejected="rejected & kept"), at("2026-09-02 09:00"))
    assert told.read == 2
    assert [account.count(each) for each in ("INBOX", "已处理", "rejected & kept")] == [0, 1, 1]


def test_a_server_without_move(port: int, account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    account.make("done")
    account.put(b"From: a@example.net\r\n\r\nx\r\n")
    with mailbox(port, done="done") as source:
        monkeypatch.setattr(source._at, "capabilities", ())
        for letter in source.letters():
            source.file(letter, True)
    assert (account.count("INBOX"), account.count("done")) == (0, 1)


def test_a_crash_before_the_mark_does_nothing_twice(post: Post, port: int, account: Account) -> None:
    class Dies(Mailbox):
        def file(self, letter: Letter, done: bool) -> None:
            raise ConnectionError("cut")

    number = post.processing()
    handler = post.handler(number)
    account.put(letters.gmail(handler.email, post.message_id(number, handler)))
    with pytest.raises(ConnectionError):
        post.inbox.read(Dies(mailbox(port).settings), at("2026-09-02 09:00"))
    entries = len(post.journal(number))
    assert account.count("INBOX", "UNSEEN") == 1
    assert post.inbox.read(mailbox(port), at("2026-09-02 09:01")).outcomes == {"progress": 1}
    assert len(post.journal(number)) == entries
    assert account.count("INBOX", "UNSEEN") == 0


def test_only_as_much_is_fetched_as_may_be_read(port: int, account: Account) -> None:
    account.put(b"From: a@example.net\r\n\r\n" + b"x" * 100_000)
    with mailbox(port, size=1_000) as source:
        assert [len(letter.raw) for letter in source.letters()] == [1_001]


def test_a_wrong_password_is_not_tried_again_and_again(post: Post, port: int) -> None:
    wrong = Mailbox(ImapSettings("127.0.0.1", port, "none", USER, "wrong"))
    with pytest.raises(LoginRefused, match="refuses the login"):
        post.inbox.read(wrong, at("2026-09-02 09:00"))
    right = mailbox(port)
    assert post.inbox.read(right, at("2026-09-02 09:14")).read == 0
    assert right._server is None, "it was not even asked"
    assert post.inbox.read(wrong, at("2026-09-02 09:14")).read == 0
    with pytest.raises(LoginRefused):
        post.inbox.read(wrong, at("2026-09-02 09:16"))


def test_what_is_wrong_is_said(port: int) -> None:
    with pytest.raises(MailboxTrouble, match="SELECT"), mailbox(port, mailbox="nowhere"):
        pass
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed: int = taken.getsockname()[1]
    with pytest.raises(MailboxTrouble, match="fails"), mailbox(closed):
        pass


def test_a_server_that_says_nonsense(tmp_path: Path) -> None:
    import threading

    def serve(listening: socket.socket) -> None:
        with listening.accept()[0] as peer:
            peer.sendall(b"* OK\r\n" + b"x" * 100_000)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,))
        thread.start()
        with pytest.raises(MailboxTrouble), mailbox(listening.getsockname()[1]):
            pass
        thread.join()


def test_the_configuration_leads_to_it(tmp_path: Path, database: str, port: int, account: Account) -> None:
    (tmp_path / "secret").write_text(f"{PASSWORD}\n")
    settings = Settings.model_validate(
        {
            "database": {"url": database},
            "inbox": {"host": "127.0.0.1", "port": port, "security": "none", "username": USER, "password_file": "secret"},
            "root": tmp_path,
        }
    )
    account.put(b"From: a@example.net\r\nMessage-ID: <s@x>\r\nSubject: hello\r\n\r\nx\r\n")
    app = App(settings)
    Town(app.store)
    assert app.read_inbox(at("2026-09-02 09:00")).outcomes == {"stranger": 1}
    app.close()


def test_the_connection_is_encrypted_and_the_server_is_who_it_should_be(tmp_path: Path) -> None:
    authority, other = trustme.CA(), trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    other.cert_pem.write_to_path(tmp_path / "other.pem")
    with pymap("--cert", str(tmp_path / "cert.pem"), "--key", str(tmp_path / "key.pem")) as port:
        settings = ImapSettings("127.0.0.1", port, "starttls", USER, PASSWORD, ca_file=str(tmp_path / "ca.pem"))
        with Mailbox(settings) as source:
            assert list(source.letters()) == []
        with pytest.raises(MailboxTrouble, match="certificate"), Mailbox(replace(settings, ca_file=str(tmp_path / "other.pem"))):
            pass


def test_folders_names_as_imap_takes_them() -> None:
    assert _quoted("INBOX") == '"INBOX"'
    assert _quoted("已处理") == '"&XfJZBHQG-"'
    assert _quoted("A & B") == '"A &- B"'
    assert _quoted('a"b\\c') == '"a\\"b\\\\c"'
    assert _quoted("~peter/mail/台北/日本語") == '"~peter/mail/&U,BTFw-/&ZeVnLIqe-"'
