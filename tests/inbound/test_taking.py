"""What a mail changes, on both databases: a progress report, a marked address, one answer, or nothing at all."""

import asyncio
import os
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import select, update

from escalation import addresses, filekinds, views
from escalation.database import Store
from escalation.filekinds import File
from escalation.inbound.mail import Limits
from escalation.inbound.outcomes import LOOKED_AT, OUTCOMES, listed
from escalation.inbound.reading import Inbox, Reading
from escalation.inbound.sources import Folder
from escalation.models import PartyRow, ReceivedRow
from escalation.notices import reader_of
from escalation.queries import OUTBOX
from escalation.world import touch
from notifications.channels import FolderChannel
from notifications.dispatch import DispatchSettings, dispatch_once
from notifications.rendering import Renderer
from tests.inbound import letters
from tests.town import CITY_COORDINATOR, OFFICE, OWNER, Town, at

RECEIVED = ReceivedRow.__table__  # type: ignore[attr-defined]
NOW = "2026-09-02 09:00"


class Post:
    """A town whose mails have gone out, and a drop folder."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.town = Town(store)
        self.folder = folder / "inbox"
        self.mails = folder / "mails"
        self.inbox = self.reader()
        self.count = 0

    def reader(self, **more: Any) -> Inbox:
        return Inbox(self.town.store, self.town.worlds, self.town.outgoing, **more)

    def processing(self) -> str:
        """An issue that its handler has acknowledged; its number."""
        number = self.town.dispatched()
        self.town.act(number, "acknowledge", self.handler(number).code)
        self.send()
        return number

    def handler(self, number: str) -> Any:
        facts = self.town.facts(number)
        return self.town.look(lambda session, world: world.directory.by_id[facts.lead_id])

    def send(self, merge_over: int = 99) -> None:
        settings = DispatchSettings("test", "escalation@example.org", merge_over=merge_over)
        channel = FolderChannel(self.mails)
        asyncio.run(dispatch_once(self.town.store.transaction, channel, Renderer(), settings, self.town.now, 500))

    def rows(self, **where: Any) -> list[Any]:
        statement = select(OUTBOX).order_by(OUTBOX.c.id)
        for name, value in where.items():
            statement = statement.where(OUTBOX.c[name] == value)
        with self.town.store.reading() as session:
            return list(session.connection().execute(statement))

    def message_id(self, number: str, party: Any) -> str:
        return next(row.message_id for row in self.rows(about=number, party=party.code) if row.state == "sent")

    def drop(self, raw: bytes) -> str:
        self.folder.mkdir(exist_ok=True)
        self.count += 1
        name = f"{self.count:04d}.eml"
        (self.folder / name).write_bytes(raw)
        os.utime(self.folder / name, (self.count, self.count))
        return name

    def read(self, raw: bytes | None = None, now: str = NOW, inbox: Inbox | None = None) -> Reading:
        if raw is not None:
            self.drop(raw)
        self.town.now = at(now)
        with_size = Folder(self.folder, 20_000_000)
        return (inbox or self.inbox).read(with_size, self.town.now)

    def received(self) -> list[Any]:
        with self.town.store.reading() as session:
            return listed(session)

    def journal(self, number: str) -> list[Any]:
        from escalation import views

        shown = self.town.look(lambda session, world: views.shown(session, world, number, at("2027-01-01 09:00")))
        return list(shown["journal"])

    def party(self, code: str, **values: Any) -> None:
        values = values or {"active": True}
        with self.town.store.transaction() as session:
            session.connection().execute(update(PartyRow.__table__).where(PartyRow.__table__.c.code == code).values(**values))  # type: ignore[attr-defined]
            touch(session)


@pytest.fixture
def post(store: Store, tmp_path: Path) -> Post:
    return Post(store, tmp_path)


def files(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir()) if folder.exists() else []


# Replies.


@pytest.mark.parametrize("client", letters.CLIENTS)
def test_a_reply_becomes_a_progress_report(post: Post, client: str) -> None:
    number = post.processing()
    handler = post.handler(number)
    told = post.read(letters.CLIENTS[client](handler.email.upper(), post.message_id(number, handler)))
    assert told.outcomes == {"progress": 1}
    entry = post.journal(number)[-1]
    assert (entry["action"], entry["actor"], entry["reason"][: len(letters.ANSWER)]) == (
        "report_progress",
        handler.name,
        letters.ANSWER,
    )
    (row,) = post.received()
    assert (row.outcome, row.number, row.sender) == ("progress", number, handler.email.casefold())
    assert files(post.folder / "done") == ["0001.eml"]
    assert post.town.verify().broken == []
    if client == "foxmail":
        assert "现场勘察记录.pdf" in str(entry)
        (kept,) = post.town.look(lambda session, world: views.shown(session, world, number, at(NOW)))["files"]
        assert (kept["name"], kept["entry"], kept["by"]) == ("现场勘察记录.pdf", entry["seq"], handler.name)


def test_what_may_not_come_with_a_reply_is_left_out_and_said(post: Post) -> None:
    number = post.processing()
    handler = post.handler(number)
    raw = letters.foxmail(handler.email, post.message_id(number, handler))
    program = Inbox(post.town.store, post.town.worlds, post.town.outgoing, files=filekinds.Limits(kinds=frozenset(["png"])))
    assert post.read(raw, inbox=program).outcomes == {"progress": 1}
    shown = post.town.look(lambda session, world: views.shown(session, world, number, at(NOW)))
    assert shown["files"] == []
    assert shown["journal"][-1]["detail"]["left_out"] == "现场勘察记录.pdf"


def test_the_same_mail_is_taken_once(post: Post) -> None:
    number = post.processing()
    handler = post.handler(number)
    raw = letters.qq(handler.email, post.message_id(number, handler))
    post.read(raw)
    entries = len(post.journal(number))
    for inbox in (post.inbox, post.reader()):
        assert post.read(raw, inbox=inbox).outcomes == {"progress": 1}
    assert len(post.journal(number)) == entries
    assert len(post.received()) == 1
    assert len(files(post.folder / "done")) == 3


def test_two_nodes_that_read_the_same_mail_take_it_once(post: Post) -> None:
    from concurrent.futures import ThreadPoolExecutor

    number = post.processing()
    handler = post.handler(number)
    before = len(post.journal(number))
    post.drop(letters.qq(handler.email, post.message_id(number, handler)))
    nodes = [post.reader() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda node: node.read(Folder(post.folder, 10**7), at(NOW)), nodes))
    assert len(post.journal(number)) == before + 1
    assert files(post.folder / "done") == ["0001.eml"]


def test_a_crash_between_the_commit_and_the_move_does_nothing_twice(post: Post) -> None:
    class Dies(Folder):
        def file(self, letter, done):  # type: ignore[no-untyped-def]
            raise KeyboardInterrupt

    number = post.processing()
    handler = post.handler(number)
    post.drop(letters.gmail(handler.email, post.message_id(number, handler)))
    with pytest.raises(KeyboardInterrupt):
        post.inbox.read(Dies(post.folder, 10**7), at(NOW))
    entries = len(post.journal(number))
    assert files(post.folder) == ["0001.eml", "done", "rejected"]
    assert post.read().outcomes == {"progress": 1}
    assert len(post.journal(number)) == entries
    assert files(post.folder / "done") == ["0001.eml"]


def test_a_crash_within_the_transaction_leaves_nothing(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    from escalation.inbound import taking

    number = post.processing()
    handler = post.handler(number)
    entries = len(post.journal(number))
    post.drop(letters.gmail(handler.email, post.message_id(number, handler)))
    with monkeypatch.context() as broken:
        broken.setattr(taking, "settled", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            post.read()
    assert len(post.journal(number)) == entries and post.received() == []
    assert post.read().outcomes == {"progress": 1}


def test_a_reply_long_after_when_only_the_archive_knows_the_mail(post: Post) -> None:
    from datetime import timedelta

    from escalation.archive import Ages, put_away

    number = post.processing()
    handler = post.handler(number)
    our_id = post.message_id(number, handler)
    with post.town.store.transaction() as session:
        put_away(session, post.town.worlds.read(session), Ages(None, timedelta(0)), at("2026-09-03 09:00"))
    assert post.rows(message_id=our_id) == []
    assert post.read(letters.qq(handler.email, our_id)).outcomes == {"progress": 1}


def test_a_reply_without_the_number_in_its_subject(post: Post) -> None:
    number = post.processing()
    handler = post.handler(number)
    raw = letters.outlook(handler.email, post.message_id(number, handler), subject="进展")
    assert post.read(raw).outcomes == {"progress": 1}


# What is refused is answered, once.


def answer(post: Post) -> Any:
    (row,) = post.rows(kind="reply_refused")
    return row


def test_a_reply_too_short_is_answered(post: Post) -> None:
    number = post.processing()
    handler = post.handler(number)
    assert post.read(letters.gmail(handler.email, post.message_id(number, handler), "好")).outcomes == {"refused": 1}
    row = answer(post)
    assert (row.recipient, row.about) == (handler.email, number)
    text = Renderer().render("reply_refused", "zh_CN", orjson.loads(row.facts)).text
    assert "太短" in text and "反馈进展" in text
    assert files(post.folder / "rejected") == ["0001.eml"]


def test_a_reply_before_the_acknowledgement_says_what_may_be_done(post: Post) -> None:
    number = post.town.dispatched()
    post.send()
    handler = post.handler(number)
    assert post.read(letters.qq(handler.email, post.message_id(number, handler))).outcomes == {"refused": 1}
    assert "签收" in answer(post).facts.decode()


def test_somebody_who_is_not_the_handler_is_told_so(post: Post) -> None:
    number = post.processing()
    owner = post.town.look(lambda session, world: world.directory.by_code[OWNER])
    assert post.read(letters.qq(owner.email, post.message_id(number, owner))).outcomes == {"refused": 1}
    row = answer(post)
    assert row.party == OWNER and "承办单位反馈" in row.facts.decode()
    assert post.journal(number)[-1]["action"] == "acknowledge"


def test_a_reply_to_what_is_over(post: Post) -> None:
    number = post.processing()
    handler = post.handler(number)
    post.town.act(
        number,
        "resolve",
        handler.code,
        reason="已送电,双回路投运",
        files=(File("a.pdf", "application/pdf", 5, "0" * 64, b"%PDF-"),),
    )
    reviewer = next(row.party for row in post.rows(about=number, kind="review_request"))
    post.town.act(number, "close", reviewer)
    assert post.read(letters.qq(handler.email, post.message_id(number, handler))).outcomes == {"refused": 1}
    assert "状态不能反馈进展" in answer(post).facts.decode()


def test_two_machines_that_answer_each_other_come_to_an_end(post: Post) -> None:
    """A robot that does not say that it is one answers every answer of ours."""
    number = post.processing()
    handler = post.handler(number)
    our_id, seen = post.message_id(number, handler), 0
    for turn in range(6):
        raw = letters.gmail(handler.email, our_id, "好").replace(b"<CAFx0-abc", f"<CAF{turn}".encode())
        post.read(raw)
        post.send()
        seen = len(post.rows(kind="reply_refused"))
        our_id = post.rows(kind="reply_refused")[-1].message_id
    assert seen == 1
    assert len(post.received()) == 6


def test_a_mail_too_large_is_answered(post: Post) -> None:
    number = post.processing()
    handler = post.handler(number)
    raw = letters.foxmail(handler.email, post.message_id(number, handler), file=b"x" * 300_000)
    assert post.read(raw, inbox=post.reader(limits=Limits(200_000))).outcomes == {"refused": 1}
    assert "太大" in answer(post).facts.decode()


def test_a_reply_to_a_digest_names_its_issue(post: Post) -> None:
    numbers = [post.town.dispatched() for _ in range(3)]
    handler = post.handler(numbers[0])
    for number in numbers:
        post.town.act(number, "acknowledge", handler.code)
    post.send(merge_over=1)
    from notifications import outbox

    merged = next(row for row in post.rows(party=handler.code) if row.merged_into)
    our_id = outbox.message_id(merged.merged_into, post.town.outgoing.domain)
    assert post.read(letters.qq(handler.email, our_id).replace(b"tencent_7A", b"a").replace(b"WT26", b"XX")).outcomes
    named = letters.outlook(handler.email, our_id, subject=f"回复: 进展 {numbers[1]}")
    assert post.read(named).outcomes == {"progress": 1}
    assert post.journal(numbers[1])[-1]["action"] == "report_progress"
    unnamed = letters.gmail(handler.email, our_id).replace(letters.word("Re: 【交办】WT26-0001").encode(), b"Re: news")
    assert post.read(unnamed).outcomes == {"refused": 1}


# Who it is.


def test_a_forged_sender_changes_nothing(post: Post) -> None:
    """The address is the handler's; the Message-ID is guessed, or that of a mail to somebody else."""
    number = post.processing()
    handler, owner = post.handler(number), post.town.look(lambda session, world: world.directory.by_code[OWNER])
    before = len(post.journal(number))
    for our_id in (f"<{letters.OURS}@escalation.localhost>", post.message_id(number, owner), letters.THREAD):
        raw = letters.qq(handler.email, our_id).replace(b"tencent_7A", our_id[1:9].encode())
        assert post.read(raw).outcomes == {"stranger": 1}
    assert len(post.journal(number)) == before
    assert post.rows(kind="reply_refused") == []


def test_our_own_server_is_asked_where_it_is_named(post: Post) -> None:
    number = post.processing()
    handler = post.handler(number)
    raw = letters.qq(handler.email, post.message_id(number, handler))
    asks = post.reader(authserv="mx.example.org")
    assert post.read(raw, inbox=asks).outcomes == {"stranger": 1}
    sure = b"Authentication-Results: mx.example.org; dmarc=pass header.from=example.com\r\n"
    again = sure + raw.replace(b"tencent_7A", b"tencent_8A")
    assert post.read(again, inbox=asks).outcomes == {"progress": 1}


def test_a_mail_that_was_never_sent_proves_nothing(post: Post) -> None:
    number = post.town.dispatched()
    handler = post.handler(number)
    our_id = next(row.message_id for row in post.rows(about=number, party=handler.code))
    assert post.read(letters.qq(handler.email, our_id)).outcomes == {"stranger": 1}


def test_strangers_are_shown_to_the_coordinator_once_a_day_and_never_answered(post: Post) -> None:
    number = post.processing()
    for turn in range(3):
        raw = letters.qq(f"x{turn}@example.net", "<a@b>").replace(b"tencent_7A", b"%d" % turn)
        post.read(raw.replace(b"WT26-0001", number.encode()))
    (row,) = post.rows(kind="stranger_mail")
    assert (row.party, row.about) == (CITY_COORDINATOR, number)
    assert "x0@example.net" in row.facts.decode() and "x1@" not in row.facts.decode()
    assert post.read(now="2026-09-03 09:00").told == 1
    later = post.rows(kind="stranger_mail")[-1]
    assert "x1@example.net" in later.facts.decode() and "x2@example.net" in later.facts.decode()
    assert post.read(now="2026-09-04 09:00").told == 0
    assert not [each for each in post.rows() if "example.net" in each.recipient]


def test_a_stranger_who_names_no_issue_is_shown_to_the_administrator(post: Post) -> None:
    raw = b"From: a@example.net\r\nMessage-ID: <1@x>\r\nSubject: hello\r\n\r\nbuy\r\n"
    assert post.read(raw).outcomes == {"stranger": 1}
    (row,) = post.rows(kind="stranger_mail")
    assert row.party == OFFICE and row.about == ""


def test_a_machine_is_never_answered(post: Post) -> None:
    number = post.processing()
    handler = post.handler(number)
    before = len(post.rows())
    assert post.read(letters.absence(handler.email, post.message_id(number, handler))).outcomes == {"automatic": 1}
    assert len(post.rows()) == before
    assert files(post.folder / "done") == ["0001.eml"]


# Bounces.


@pytest.mark.parametrize("server", letters.BOUNCES)
def test_a_bounce_marks_the_address_and_the_coordinator_gets_the_mail(post: Post, server: str) -> None:
    number = post.processing()
    handler = post.handler(number)
    our_id = post.message_id(number, handler)
    assert post.read(letters.BOUNCES[server](handler.email, our_id)).outcomes == {"bounced": 1}
    with post.town.store.reading() as session:
        assert addresses.bounced(session) == {handler.email.casefold()}
    (told,) = post.rows(kind="address_bounced")
    assert (told.party, told.about) == (CITY_COORDINATOR, number)
    assert handler.name in told.facts.decode() and handler.email in told.facts.decode()
    (again,) = [row for row in post.rows(about=number) if row.key.endswith(":stand-in")]
    first = next(row for row in post.rows(message_id=our_id))
    assert (again.kind, again.facts, again.party, again.state) == (first.kind, first.facts, handler.code, "queued")
    assert again.recipient == told.recipient != handler.email
    assert again.message_id != first.message_id


def test_the_same_bounce_in_another_report_tells_nobody_twice(post: Post) -> None:
    number = post.processing()
    handler = post.handler(number)
    our_id = post.message_id(number, handler)
    post.read(letters.postfix_bounce(handler.email, our_id))
    before = len(post.rows())
    assert post.read(letters.exchange_bounce(handler.email, our_id), now="2026-09-02 10:00").outcomes == {"bounced": 1}
    assert len(post.rows()) == before


def test_the_deputy_stands_in_for_an_address_that_bounced(post: Post) -> None:
    number = post.processing()
    handler = post.handler(number)
    deputy = post.town.look(lambda session, world: world.directory.by_code[OFFICE])
    post.party(handler.code, deputy_id=deputy.id, deputy_from=at("2027-01-01 09:00").date(), deputy_until=None)
    post.read(letters.postfix_bounce(handler.email, post.message_id(number, handler)))
    (again,) = [row for row in post.rows(about=number) if row.key.endswith(":stand-in")]
    assert again.recipient == deputy.email
    post.town.act(number, "urge", CITY_COORDINATOR)
    assert [row.recipient for row in post.rows(about=number, kind="urge_notice")] == [deputy.email]


def test_new_mail_goes_to_the_coordinator_until_the_address_is_cleared(post: Post) -> None:
    number = post.processing()
    handler = post.handler(number)
    post.read(letters.postfix_bounce(handler.email, post.message_id(number, handler)))
    post.town.act(number, "urge", CITY_COORDINATOR)
    assert not [row for row in post.rows(kind="urge_notice")]
    assert post.rows(kind="vacancy")
    with post.town.store.transaction() as session:
        assert addresses.clear(session, [handler.email.upper()], post.town.now) == 1
        assert addresses.clear(session, [handler.email], post.town.now) == 0
        touch(session)
    assert post.town.look(lambda session, world: reader_of(world.directory.by_id[handler.id], world, post.town.now.date()))
    # marked again, it counts again
    again = letters.postfix_bounce(handler.email, post.message_id(number, handler), "5.1.2")
    assert post.read(again, now="2026-09-02 10:00").outcomes == {"bounced": 1}
    assert len(post.rows(kind="address_bounced")) == 2


def test_an_import_that_names_another_address_clears_it(post: Post, tmp_path: Path) -> None:
    from escalation.ledger import importing

    with post.town.store.transaction() as session:
        addresses.mark(session, "old@example.com", "550", post.town.now)
        addresses.mark(session, "new@example.com", "550", post.town.now)
        touch(session)
    (tmp_path / "parties.csv").write_text(
        "party_code,name,level,city,organ,role,email\nPT0013,哈尔滨市协调员,city,哈尔滨,哈尔滨市重大项目办,city_coordinator,new@example.com\n"
    )
    with post.town.store.transaction() as session:
        report = importing.import_files(session, [tmp_path / "parties.csv"], worlds=post.town.worlds, now=post.town.now)
        assert report.rejected == [] and report.updated["party"] == 1
    with post.town.store.reading() as session:
        assert addresses.bounced(session) == {"old@example.com"}


def test_a_delay_is_only_noted(post: Post) -> None:
    number = post.processing()
    handler = post.handler(number)
    before = len(post.rows())
    raw = letters.postfix_bounce(handler.email, post.message_id(number, handler), "4.4.1", "delayed", "451 later")
    assert post.read(raw).outcomes == {"delayed": 1}
    with post.town.store.reading() as session:
        assert not addresses.bounced(session)
    assert len(post.rows()) == before


def test_mail_refused_for_another_reason_is_for_a_person(post: Post) -> None:
    number = post.processing()
    handler = post.handler(number)
    raw = letters.postfix_bounce(handler.email, post.message_id(number, handler), "5.7.1", "failed", "550 5.7.1 spam")
    assert post.read(raw).outcomes == {"returned": 1}
    assert post.rows(kind="stranger_mail")[0].party == CITY_COORDINATOR
    with post.town.store.reading() as session:
        assert not addresses.bounced(session)


def test_a_forged_bounce_marks_nothing(post: Post) -> None:
    number = post.processing()
    handler = post.handler(number)
    for our_id in ("<nobody@example.com>", f"<{letters.OURS}@escalation.localhost>"):
        raw = letters.postfix_bounce(handler.email, our_id).replace(b"4XyZ-", our_id[1:7].encode())
        assert post.read(raw).outcomes == {"returned": 1}
    with post.town.store.reading() as session:
        assert not addresses.bounced(session)


def test_a_report_of_somebody_elses_address_marks_nothing(post: Post) -> None:
    number = post.processing()
    handler = post.handler(number)
    assert post.read(letters.postfix_bounce("other@example.com", post.message_id(number, handler))).outcomes == {"returned": 1}
    with post.town.store.reading() as session:
        assert not addresses.bounced(session)


def test_who_is_left_when_the_coordinator_bounces_too(post: Post) -> None:
    number = post.processing()
    handler = post.handler(number)
    post.read(letters.postfix_bounce(handler.email, post.message_id(number, handler)))
    post.send()
    coordinator = post.town.look(lambda session, world: world.directory.by_code[CITY_COORDINATOR])
    told = post.rows(kind="address_bounced")[0]
    assert told.recipient == coordinator.email
    post.read(letters.exchange_bounce(coordinator.email, told.message_id))
    office = post.town.look(lambda session, world: world.directory.by_code[OFFICE])
    moved = [row for row in post.rows() if row.key == f"{told.key}:stand-in"]
    assert [row.recipient for row in moved] == [office.email]


# The folder, and what is in it.


def test_a_hostile_mail_holds_up_no_other(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    from escalation.inbound import taking

    number = post.processing()
    handler = post.handler(number)
    for raw in (b"", b"\x00" * 100, b"From: a@b.cn\nContent-Type: multipart/mixed; boundary=a\n\n" + b"--a\n\n" * 5000):
        post.drop(raw)
    post.drop(b"From: a@b.cn\nMessage-ID: <mistake@x>\nSubject: boom\n\nx")
    post.drop(letters.qq(handler.email, post.message_id(number, handler)))
    real = taking.kind_of

    def fails(mail: Any) -> Any:
        if mail.subject == "boom":
            raise ValueError("a mistake of the program")
        return real(mail)

    monkeypatch.setattr(taking, "kind_of", fails)
    told = post.read()
    assert told.read == 5 and told.outcomes["progress"] == 1
    assert [name for name in files(post.folder) if name.endswith(".eml")] == []
    assert len(files(post.folder / "rejected")) == 4
    assert "a mistake of the program" in next(row.detail for row in post.received() if row.message_id == "<mistake@x>")
    assert post.read().read == 0


def test_only_whole_files_are_read_and_none_is_written_over(post: Post, tmp_path: Path) -> None:
    post.drop(b"From: a@b.cn\nMessage-ID: <1@x>\n\nx")
    (post.folder / "half.eml.part").write_bytes(b"From: a")
    (tmp_path / "secret.eml").write_bytes(b"From: a@b.cn\n\nsecret")
    (post.folder / "link.eml").symlink_to(tmp_path / "secret.eml")
    (post.folder / "folder.eml").mkdir()
    (post.folder / "rejected").mkdir()
    (post.folder / "rejected" / "0001.eml").write_bytes(b"another")
    assert post.read().read == 1
    assert (post.folder / "half.eml.part").exists() and (post.folder / "link.eml").is_symlink()
    assert (post.folder / "rejected" / "0001.eml").read_bytes() == b"another"
    assert len(files(post.folder / "rejected")) == 2


def test_what_waits_is_kept_when_the_store_is_in_trouble(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    from escalation.errors import DatabaseTrouble

    post.drop(b"From: a@b.cn\nMessage-ID: <1@x>\n\nx")
    monkeypatch.setattr(post.town.store, "write", lambda work: (_ for _ in ()).throw(DatabaseTrouble("gone", "")))
    with pytest.raises(DatabaseTrouble):
        post.read()
    assert "0001.eml" in files(post.folder)


def test_every_outcome_has_its_place() -> None:
    assert set(LOOKED_AT) <= set(OUTCOMES)


def test_a_backup_carries_what_came_in(post: Post, tmp_path: Path, new_store) -> None:  # type: ignore[no-untyped-def]
    from escalation import backing

    post.read(b"From: a@b.cn\nMessage-ID: <1@x>\n\nx")
    with post.town.store.transaction() as session:
        addresses.mark(session, "a@b.cn", "550", post.town.now)
    backing.backup(post.town.store, tmp_path / "b.zip", post.town.now)
    fresh = new_store(f"sqlite:///{tmp_path}/fresh.db")
    backing.restore(tmp_path / "b.zip", fresh)
    with fresh.reading() as session:
        assert addresses.bounced(session) == {"a@b.cn"}
        assert [row.message_id for row in listed(session)] == ["<1@x>"]
