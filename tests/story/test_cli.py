"""The command line, as programs and people hold on to it: keys, exit codes, one clear line for every trouble."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import AuthResult

from escalation import migrating
from escalation.cli.shared import opened
from escalation.scheduler import Worker
from tests.commanding import Command
from tests.conftest import DATABASES, _database
from tests.faults.sink import Sink
from tests.programs import LONG, PATIENT

NOW = "2026-11-23T09:00"


@pytest.fixture(params=DATABASES)
def run(
    request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Command]:
    """An installation in an empty folder, once on each database."""
    monkeypatch.chdir(tmp_path)
    for url in _database(request, tmp_path, request.param):
        monkeypatch.setenv("ESCALATION_DATABASE__URL", url)
        yield Command(capsys, monkeypatch)


@pytest.fixture
def sample() -> Iterator[list[str]]:
    with as_file(files("escalation") / "sample") as folder:
        yield [str(folder / f"{name}.csv") for name in ("issues", "projects", "parties", "authority")]


@pytest.fixture
def office(run: Command, sample: list[str]) -> Command:
    """The sample ledger as it lies there, imported."""
    assert run("init", "--json").json["revision"] == migrating.newest()
    imported = run("import", *sample, "--at", NOW, "--json")
    assert imported.code == 0
    assert imported.json["created"] == {"party": 206, "authority": 17, "project": 12, "issue": 30}
    return run


def test_it_says_which_version_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything else, so that it can be asked where neither configuration nor database is in order."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text("[[[")
    said = Command(capsys, monkeypatch)("--version")
    assert (said.code, said.out) == (0, f"escalation {version('escalation')}\n")


def test_files_go_with_an_action_and_are_shown(office: Command, tmp_path: Path) -> None:
    (tmp_path / "证明.pdf").write_bytes(b"%PDF-1.7 ...")
    (tmp_path / "程序.pdf").write_bytes(b"MZ")
    act = ("act", "WT26-0009", "acknowledge", "--as", "PT0055", "--at", NOW, "--attach")

    refused = office(*act, "程序.pdf")
    assert refused.code == 2
    assert "is not what its name says" in refused.err
    raised = office("raise", "--project", "HLJ26-001", "--category", "power", "--severity", "urgent", "--title", "缺电", "--as", "PT0001",
                    "--at", NOW, "--attach", "证明.pdf", "--json").json  # fmt: skip
    shown = office("show", raised["number"], "--json").json
    assert [(each["name"], each["size"], each["entry"]) for each in shown["files"]] == [("证明.pdf", 12, 1)]
    assert "证明.pdf" in office("show", raised["number"]).out
    assert office("verify").code == 0


def test_the_same_files_again_change_nothing(office: Command, sample: list[str]) -> None:
    again = office("import", *sample, "--at", NOW, "--json").json

    assert again["unchanged"] == {"party": 206, "authority": 17, "project": 12, "issue": 30}
    assert sum(again["created"].values()) + sum(again["updated"].values()) == 0
    assert again["rejected"] == []


def test_an_issue_from_raising_to_closing(office: Command) -> None:
    """Every command of the story has the keys of the contract."""
    raised = office(
        "raise", "--project", "HLJ26-001", "--category", "用电", "--severity", "urgent", "--title", "缺电",
        "--as", "PT0001", "--at", NOW, "--json",
    ).json  # fmt: skip
    number = raised["number"]
    assert (number, raised["stage"], raised["status"]) == ("WT26-0031", "city", "pending_intake")
    assert raised["responsible"] == "哈尔滨市工信局协调员"
    assert raised["due_at"] == "2026-11-24T17:00:00+08:00"
    assert raised["why"]

    shown = office("act", number, "dispatch", "--as", "PT0013", "--at", "2026-11-23T10:00", "--json").json
    assert set(shown) >= {"issue", "assignments", "journal", "mails"}
    lead = shown["issue"]["responsible"]
    assert shown["issue"]["status"] == "pending_ack"
    assert shown["issue"]["due_at"] == "2026-11-30T17:00:00+08:00"
    assert {mail["kind"] for mail in shown["mails"]} >= {"intake_notice", "dispatch_notice"}

    explained = office("explain", number, "--at", "2026-11-23T10:00", "--json").json
    assert explained["because"]
    assert set(explained["next"][0]) >= {"at", "what", "who"}

    office("act", number, "acknowledge", "--as", lead, "--at", "2026-11-23T11:00")
    office("act", number, "resolve", "--as", lead, "--reason", "已送电", "--at", "2026-11-24T11:00")
    own = office("act", number, "close", "--as", "PT0013", "--at", "2026-11-24T15:00", "--json")
    assert own.code == 3
    assert own.json["error"] == "own_organ"
    closed = office("act", number, "close", "--as", "PT0026", "--at", "2026-11-24T15:00", "--json").json
    assert closed["issue"]["status"] == "closed"
    assert closed["issue"]["light"] == "closed_on_time"
    assert [entry["action"] for entry in closed["journal"]] == ["raise", "dispatch", "acknowledge", "resolve", "close"]
    before = office("show", number, "--at", "2026-11-23T10:30", "--json").json
    assert before["issue"]["status"] == "pending_ack"

    verified = office("verify", "--json").json
    assert verified == {"ok": True, "issues": 31, "entries": verified["entries"], "broken": []}


def test_a_refusal_says_what_is_allowed_and_changes_nothing(office: Command) -> None:
    before = office("show", "WT26-0009", "--json").json

    refused = office("act", "WT26-0009", "close", "--as", "PT0015", "--at", NOW, "--json")

    assert refused.code == 3
    assert refused.json["error"] == "wrong_state"
    assert "reassign" in refused.json["allowed"]
    assert office("show", "WT26-0009", "--json").json == before
    told = office("act", "WT26-0009", "close", "--as", "PT0015", "--at", NOW)
    assert told.err.count("\n") == 1
    assert "allowed now" in told.err


def test_the_list_is_narrowed_as_asked(office: Command) -> None:
    overdue = office("list", "--overdue", "--at", NOW, "--json").json
    assert [item["number"] for item in overdue["items"]] == ["WT26-0024", "WT26-0004", "WT26-0016", "WT26-0006"]
    assert [item["late_by"] for item in overdue["items"]] == [1, 9, 12, 27]
    assert set(overdue["items"][0]) >= {
        "number", "title", "project", "stage", "status", "responsible", "due_at", "light", "late_by",
    }  # fmt: skip
    assert office("list", "--light", "yellow", "--at", NOW, "--json").json["total"] == 9
    assert office("list", "--stage", "city", "--city", "鸡西", "--json").json["total"] == 1
    assert office("list", "--mine", "省电力公司", "--json").json["total"] == 3
    assert office("list", "--light", "purple").code == 2
    assert "提级" not in office("list", "--overdue", "--at", NOW).err


#: The supervision letters that a sweep of the sample drafts, and nobody has approved.
LETTERS = {f"letter:WT26-{number}:1" for number in ("0004", "0006", "0008", "0016", "0024")}


def test_a_sweep_and_a_dispatch_by_hand(office: Command, tmp_path: Path) -> None:
    dry = office("sweep", "--at", "2026-11-23T17:01", "--dry-run", "--json").json
    assert office("list", "--stage", "department", "--json").json["total"] == 8
    swept = office("sweep", "--at", "2026-11-23T17:01", "--json").json
    assert swept["escalated"] == dry["escalated"] == {"department": 1}
    assert set(swept) >= {"examined", "warned", "reminded", "escalated", "resumed", "conflicts", "next_wake_at"}
    assert office("sweep", "--at", "2026-11-23T17:01", "--json").json["examined"] == 0

    sent = office("dispatch", "--at", "2026-11-24T09:00", "--json").json
    assert set(sent) >= {"sent", "retry", "dead", "left"}
    assert sent["sent"] > 0
    assert len(list((tmp_path / "mail").glob("*.eml"))) == sent["sent"]
    assert office("outbox", "list", "--state", "sent", "--json").json["counts"] == {
        "sent": sent["sent"] + sent["merged"],
        "draft": 15,
        "queued": sent["left"],  # reminders, which wait for the daily summary
    }
    assert sent["left"] == 2
    assert {each["name"] for each in office("approval", "list", "--json").json["waiting"]} == LETTERS
    assert office("verify").code == 0


def test_mail_that_cannot_be_delivered_waits_and_is_said(office: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESCALATION_SMTP__HOST", "127.0.0.1")
    monkeypatch.setenv("ESCALATION_SMTP__PORT", "1")
    office("sweep", "--at", "2026-11-23T17:01")

    sent = office("dispatch", "--at", "2026-11-24T09:00", "--json")

    assert sent.code == 0
    assert sent.json["sent"] == 0
    assert sent.json["left"] > 0
    examined = office("doctor", "--at", "2026-11-24T09:00", "--json")
    assert examined.code == 1
    assert any(
        check["name"] == "mail" and not check["ok"] and "127.0.0.1:1" in check["detail"] for check in examined.json["checks"]
    )


def test_a_server_that_greets_us_and_cannot_be_used_is_said_by_doctor(office: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """It knows no encryption, and we want it: nothing is said to it, nothing is ever given up, so somebody must be told."""
    monkeypatch.setenv("ESCALATION_SMTP__HOST", "127.0.0.1")
    monkeypatch.setenv("ESCALATION_SMTP__SECURITY", "starttls")
    with Sink() as server:
        monkeypatch.setenv("ESCALATION_SMTP__PORT", f"{server.port}")
        office("sweep", "--at", "2026-11-23T17:01")
        assert checked(office, "mail")[0]
        office("dispatch", "--at", "2026-11-24T09:00")
        ok, detail = checked(office, "mail")
        assert (ok, "STARTTLS" in detail, f"127.0.0.1:{server.port}" in detail) == (False, True, True)
        assert "asked again at" in office("dispatch", "--at", "2026-11-24T09:00:30").out
        monkeypatch.setenv("ESCALATION_SMTP__SECURITY", "none")
        office("dispatch", "--at", "2026-11-24T09:02")
        assert checked(office, "mail")[0]
        assert server.arrived


def checked(run: Command, name: str, at: str = NOW) -> tuple[bool, str]:
    """What doctor says of one thing."""
    checks = run("doctor", "--at", at, "--json").json["checks"]
    return next((each["ok"], each["detail"]) for each in checks if each["name"] == name)


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not")  # of the server's library
def test_a_refused_login_is_said_by_dispatch_worker_and_doctor(
    office: Command, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The server greets us and refuses the password: nothing is lost, and nobody has to look for the reason."""
    morning = datetime(2026, 11, 24, 1, tzinfo=UTC)
    monkeypatch.setenv("ESCALATION_SMTP__SECURITY", "none")
    monkeypatch.setenv("ESCALATION_SMTP__HOST", "127.0.0.1")
    monkeypatch.setenv("ESCALATION_SMTP__USERNAME", "office")
    monkeypatch.setenv("ESCALATION_SMTP__PASSWORD", "wrong")

    def known(server: object, session: object, envelope: object, mechanism: str, given: Any) -> AuthResult:
        return AuthResult(success=given.password == b"right", handled=False)

    def worked(*minutes: int) -> list[tuple[str, str]]:
        """What a worker logs that dispatches so many minutes after nine."""
        clock = [morning]
        with opened(None) as app:
            node = Worker(app, lambda: clock[0])
            for minute in minutes:
                clock[0] = morning + timedelta(minutes=minute)
                asyncio.run(node.dispatch())
        return [
            (each.levelname, getattr(each, "stopped", "").partition(":")[0])
            for each in caplog.records
            if each.name == "escalation.scheduler"
        ]

    with Sink(auth_required=True, auth_require_tls=False, authenticator=known) as server:
        monkeypatch.setenv("ESCALATION_SMTP__PORT", f"{server.port}")
        office("sweep", "--at", "2026-11-23T17:01")
        assert checked(office, "mail")[0], "a password is not tried before there is a mail"

        refused = office("dispatch", "--at", "2026-11-24T09:00", "--json").json
        assert (refused["sent"], "the login is refused: 535" in refused["stopped"]) == (0, True)
        assert "asked again at" in office("dispatch", "--at", "2026-11-24T09:00").out
        ok, detail = checked(office, "mail")
        assert (ok, "the login is refused: 535" in detail) == (False, True)

        caplog.set_level("INFO", "escalation.scheduler")
        assert worked(5, 6, 11, 17) == [("WARNING", "the login is refused")], "once, however often it is tried"
        caplog.clear()

        monkeypatch.setenv("ESCALATION_SMTP__PASSWORD", "right")
        monkeypatch.setenv("ESCALATION_MAIL__PER_MINUTE", "1")
        office("outbox", "retry", "--at", "2026-11-24T09:20")
        assert {level for level, _ in worked(20, 21)} == {"INFO"}, "a minute's limit is no trouble"
        monkeypatch.setenv("ESCALATION_MAIL__PER_MINUTE", "0")
        assert office("dispatch", "--at", "2026-11-24T09:22", "--json").json["stopped"] == ""
        assert checked(office, "mail")[0]
        assert server.arrived


def test_looking_from_the_wrong_folder_leaves_nothing_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = Command(capsys, monkeypatch)

    examined = run("doctor", "--json")

    said = {check["name"]: (check["ok"], check["detail"]) for check in examined.json["checks"]}
    assert examined.code == 1
    assert said["config"] == (True, f"there is no {tmp_path}/config.toml: what holds is built in, or comes from the environment")
    assert (said["database"][0], "there is no database" in said["database"][1]) == (False, True)
    assert "escalation init" in run("outbox", "list").err
    assert list(tmp_path.iterdir()) == []
    run("init")
    assert "read: config.toml" in run("doctor").out


def test_doctor_names_what_is_not_fit(office: Command) -> None:
    office("sweep", "--at", NOW)

    examined = office("doctor", "--at", NOW, "--json")

    failed = {check["name"] for check in examined.json["checks"] if not check["ok"]}
    assert failed == {"calendar"}  # November: the notice for 2027 is not here yet
    assert examined.code == 1
    ok, detail = checked(office, "nodes", (datetime.fromisoformat(NOW) + timedelta(minutes=10)).isoformat())
    assert (ok, "none is running, and" in detail) == (False, True), "mails wait, and nobody sends them"
    office("dispatch", "--limit", "1", "--at", "2026-11-23T09:01")
    assert checked(office, "nodes", "2026-11-23T09:10")[0], "somebody sends them, one by one"
    assert not checked(office, "nodes", "2026-11-23T09:11")[0]


def test_a_notice_ends_the_guess_and_counts_running_deadlines_again(office: Command, tmp_path: Path) -> None:
    (tmp_path / "2026.csv").write_text("2026-12-01,holiday,试验\n", encoding="utf-8")
    before = office("show", "WT26-0021", "--json").json["issue"]["due_at"]

    moved = office("calendar", "import", "2026.csv", "--at", NOW, "--json").json

    assert moved["deadlines_changed"] >= 1
    assert before == "2026-12-03T17:00:00+08:00"
    assert office("show", "WT26-0021", "--json").json["issue"]["due_at"] == "2026-12-04T17:00:00+08:00"
    assert office("verify").code == 0
    assert office("calendar", "show", "2026", "--json").json["makeup"][0] == "2026-01-04"
    (tmp_path / "bad.csv").write_text("2027-02-30,holiday\n", encoding="utf-8")
    bad = office("calendar", "import", "bad.csv")
    assert bad.code == 2
    assert "line 1" in bad.err


def test_it_is_said_what_a_notice_was_taken_for(run: Command, tmp_path: Path) -> None:
    """A few days are corrections and leave the year a guess; with the rest of them it is the notice, in a dry run too."""
    run("init")
    few = "2027-02-05,holiday,春节\n2027-02-20,working\n2026-12-01,holiday,试验\n"
    (tmp_path / "few.csv").write_text(few, encoding="utf-8")
    rest = "".join(f"2027-10-{day:02d},holiday,国庆节\n" for day in range(1, 10))
    (tmp_path / "rest.csv").write_text(rest, encoding="utf-8")

    said = run("calendar", "import", "few.csv", "--at", NOW).out
    assert "2026: 更正 corrections of a year that is published" in said
    assert "2027: 更正 corrections only: a whole notice names 11 days or more" in said.replace("\n", " ")
    ok, detail = checked(run, "calendar")
    assert (ok, "2027 is not published" in detail) == (False, True)
    for more in (["--dry-run"], []):
        assert run("calendar", "import", "rest.csv", "--at", NOW, "--json", *more).json["taken_for"] == {"2027": "notice"}
    assert checked(run, "calendar") == (True, "published until 2027-12-31")


def test_a_bad_file_is_refused_whole_with_a_report(run: Command, tmp_path: Path, sample: list[str]) -> None:
    run("init")
    text = Path(sample[2]).read_text(encoding="utf-8-sig").replace("hrb.coord@example.com", "hrb.coord at example")
    (tmp_path / "parties.csv").write_text(text, encoding="utf-8")

    said = run("import", "parties.csv", "--report", "bad.xlsx", "--json")

    assert said.code == 1
    assert said.json["created"].get("party", 0) == 0
    cell = said.json["rejected"][0]
    assert (cell["sheet"], cell["column"], cell["value"]) == ("parties.csv", "email", "hrb.coord at example")
    assert cell["row"] == 14
    assert cell["why"]
    assert (tmp_path / "bad.xlsx").exists()


def test_definitions_are_checked_and_drawn(run: Command, tmp_path: Path) -> None:
    run("init")
    source = (files("workflows") / "definitions" / "provincial.toml").read_text(encoding="utf-8")
    (tmp_path / "good.toml").write_text(source, encoding="utf-8")
    (tmp_path / "bad.toml").write_text(source.replace('"15wd"', '"15dw"'), encoding="utf-8")

    assert run("workflow", "check", "good.toml", "--json").json == {"ok": True, "problems": []}
    bad = run("workflow", "check", "bad.toml", "--json")
    assert bad.code == 1
    assert "15dw" in bad.json["problems"][0]["message"]
    assert run("workflow", "diagram", "good.toml", "--out", "x.svg").code == 0
    assert (tmp_path / "x.svg").read_text(encoding="utf-8").startswith("<svg")
    assert "stateDiagram" in run("workflow", "diagram", "good.toml").out
    assert run("workflow", "list", "--json").json["versions"][0]["id"] == "provincial@1"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("nonsense",), 2, "No such command"),
        (("act",), 2, "Missing argument"),
        (("show", "WT26-9999"), 2, "no issue WT26-9999"),
        (("show", "WT26-0001", "--at", "yesterday"), 2, "is no moment"),
        (
            ("raise", "--project", "HLJ26-099", "--category", "power", "--severity", "urgent", "--title", "x", "--as", "PT0001"),
            2,
            "HLJ26-09",
        ),
        (
            ("raise", "--project", "HLJ26-001", "--category", "pwer", "--severity", "urgent", "--title", "x", "--as", "PT0001"),
            2,
            "power",
        ),
        (
            ("raise", "--project", "HLJ26-001", "--category", "power", "--severity", "high", "--title", "x", "--as", "PT0001"),
            2,
            "urgent",
        ),
        (("act", "WT26-0009", "acknowledge", "--as", "PT00O1"), 2, "did you mean"),
        (("act", "WT26-0009", "report_progress", "--as", "PT0001", "--attach", "no.pdf"), 2, "no.pdf"),
        (("import", "not-there.csv"), 2, "not-there.csv"),
        (("outbox", "drop"), 2, "name the mails"),
    ],
)
def test_a_call_that_is_off_is_one_clear_line(office: Command, words: tuple[str, ...], code: int, said: str) -> None:
    found = office(*words)

    assert found.code == code
    assert said in found.err
    assert found.err.startswith("error: ")
    assert found.err.count("\n") == 1
    as_json = office(*words, "--json")
    assert as_json.code == code
    assert set(as_json.json) >= {"error", "message", "hint"}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ESCALATION_DATABASE__URRL", "x", "did you mean url?"),
        ("ESCALATION_SMTP__PORT", "mail", "smtp.port"),
        ("ESCALATION_CALENDAR__ZONE", "Asia/Harbinn", "Asia/Harbinn"),
        ("ESCALATION_DATABASE__URL", "postgresql+psycopg://u:hunter2@127.0.0.1:1/x", "does not answer"),
        ("ESCALATION_CONFIG", "nowhere.toml", "no configuration file"),
    ],
)
def test_bad_configuration_is_exit_code_5(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(name, value)

    found = Command(capsys, monkeypatch)("list")

    assert found.code == 5
    assert said in found.err
    assert "hunter2" not in found.err
    assert found.err.count("\n") == 1


def test_a_secret_in_the_file_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text('[smtp]\npassword = "hunter2"\n', encoding="utf-8")

    found = Command(capsys, monkeypatch)("list")

    assert found.code == 5
    assert "password_file" in found.err
    assert "hunter2" not in found.err


@pytest.mark.parametrize("words", [("doctor", "--config", "c" * 300), ("init", "--config", "a-file/config.toml")])
def test_a_place_that_cannot_be_used_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """As in a folder of somebody else, where the system does not even say whether there is a file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a-file").touch()

    found = Command(capsys, monkeypatch)(*words)

    assert found.code == 5
    assert words[-1].split("/")[0] in found.err
    assert "name another" in found.err
    assert "mistake of the program" not in found.err


def test_a_configuration_in_another_encoding_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_bytes("# 设置\n".encode("gb18030"))

    found = Command(capsys, monkeypatch)("doctor")

    assert found.code == 5
    assert "UTF-8" in found.err


def test_a_store_without_tables_says_what_to_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    found = Command(capsys, monkeypatch)("verify")

    assert found.code == 5
    assert "escalation init" in found.err


def test_a_worker_sweeps_sends_and_ends_when_it_is_told(office: Command, tmp_path: Path) -> None:
    """A process of its own: the backlog is moved and mailed, SIGTERM ends it with 0."""
    worker = subprocess.Popen(
        [*PATIENT, "worker"],
        cwd=tmp_path,
        env=os.environ | {"ESCALATION_MAIL__QUIET_HOURS": "false"},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert worker.stderr is not None
    try:
        for line in worker.stderr:
            if "dispatched" in line:
                break
        worker.send_signal(signal.SIGTERM)
        _, rest = worker.communicate(timeout=LONG)
    finally:
        worker.kill()

    assert worker.returncode == 0, rest
    assert list((tmp_path / "mail").glob("*.eml"))
    assert office("verify").code == 0


def test_the_demo_is_the_main_job(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten days of it; `.ci/run` plays all forty."""
    monkeypatch.chdir(tmp_path)

    told = Command(capsys, monkeypatch)("demo", "--days", "10", "--keep", "kept", "--json").json

    assert told["verify"] == "ok"
    assert (told["projects"], told["issues"]) == (12, 34)
    assert set(told) >= {"projects", "issues", "escalated", "closed", "mails_sent", "verify"}
    assert told["escalated"]["department"] >= 3
    assert len(list((tmp_path / "kept" / "mailbox").rglob("*.eml"))) == told["mails_sent"] > 100
