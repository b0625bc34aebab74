"""The commands about what comes in, and the worker that reads it by itself."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from escalation import addresses
from escalation.app import App
from escalation.cli import main
from escalation.config import Settings
from escalation.scheduler import Worker
from tests.inbound import letters
from tests.inbound.test_taking import Post, files
from tests.town import CITY_COORDINATOR


@pytest.fixture
def post(store, tmp_path: Path) -> Post:  # type: ignore[no-untyped-def]
    return Post(store, tmp_path)


@pytest.fixture
def run(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    """Types a command; its exit code and what it says."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ESCALATION_DATABASE__URL", database)

    def typed(*words: str) -> tuple[int, Any]:
        capsys.readouterr()
        monkeypatch.setattr("sys.argv", ["escalation", *words, "--json"])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), json.loads(capsys.readouterr().out)

    return typed


def test_the_commands(post: Post, run: Any) -> None:
    number = post.processing()
    handler = post.handler(number)
    our_id = post.message_id(number, handler)
    post.drop(letters.foxmail(handler.email, our_id))
    post.drop(letters.postfix_bounce(handler.email, our_id))
    post.drop(letters.absence(handler.email, our_id))
    code, said = run("inbox", "read", str(post.folder), "--at", "2026-09-02T09:00")
    assert code == 0
    assert (said["read"], said["progress"], said["bounced"], said["automatic"], said["told"]) == (3, 1, 1, 1, 0)
    assert [each["outcome"] for each in run("inbox", "list", "--outcome", "progress")[1]["items"]] == ["progress"]
    assert len(run("inbox", "list")[1]["items"]) == 3
    assert [each["address"] for each in run("inbox", "bounced")[1]["items"]] == [handler.email]
    assert run("inbox", "clear", handler.email.upper()) == (0, {"cleared": 1})
    assert run("inbox", "clear", handler.email)[0] == 2
    assert run("inbox", "bounced")[1]["items"] == []


def test_what_is_off_is_said(post: Post, run: Any) -> None:
    code, said = run("inbox", "read")
    assert (code, said["message"]) == (2, "no inbox is configured")
    assert run("inbox", "read", "nowhere")[0] == 2
    assert run("inbox", "list", "--outcome", "odd")[0] == 2


def test_people_read_tables(post: Post, run: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    post.drop(b"From: a@example.net\nMessage-ID: <1@x>\nSubject: hello\n\nx")
    for words in (["read", str(post.folder)], ["list"], ["bounced"]):
        monkeypatch.setattr("sys.argv", ["escalation", "inbox", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code
    told = capsys.readouterr().out
    assert "stranger" in told and "a@example.net" in told


def test_the_worker_reads_by_itself(post: Post, database: str, tmp_path: Path) -> None:
    number = post.processing()
    handler = post.handler(number)
    post.drop(letters.qq(handler.email, post.message_id(number, handler)))
    settings = {"database": {"url": database}, "inbox": {"folder": "inbox"}, "root": tmp_path}
    app = App(Settings.model_validate(settings))
    worker = Worker(app, lambda: post.town.now)
    asyncio.run(worker.keep())
    assert files(post.folder / "done") == ["0001.eml"]
    assert post.journal(number)[-1]["action"] == "report_progress"
    assert worker._mail.is_set()
    app.close()


def test_doctor_names_dead_addresses(post: Post, database: str) -> None:
    from escalation.doctor import examine

    app = App(Settings.model_validate({"database": {"url": database}}))
    assert {check.name: check.ok for check in examine(app, post.town.now)}["addresses"]
    coordinator = post.town.look(lambda session, world: world.directory.by_code[CITY_COORDINATOR])
    app.store.write(lambda session: addresses.mark(session, coordinator.email, "550", post.town.now))
    post.party(CITY_COORDINATOR)
    found = next(check for check in examine(app, post.town.now) if check.name == "addresses")
    assert not found.ok and "inbox bounced" in found.detail
    assert app.clear_address(coordinator.email, post.town.now) == 1
    app.close()
