"""`escalation serve` and `escalation user`: one process that answers and works, and ends when it is told to."""

import json
import signal
import socket
import subprocess
import urllib.request
from pathlib import Path

import httpx2
import pytest

from tests.commanding import Command
from tests.programs import ESCALATION, PATIENT, ended, free_port, until
from tests.web.office import enter
from workflows.parties import ROLES


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    return Command(capsys, monkeypatch)


@pytest.fixture
def folder(tmp_path: Path, database: str, run: Command, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "config.toml").write_text(f'[database]\nurl = "{database}"\n[web]\nsecure_cookies = false\n', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert run("init", "--sample").code == 0
    return tmp_path


def ask(port: int, path: str) -> tuple[int, bytes]:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
        f"http://127.0.0.1:{port}{path}", timeout=60
    ) as answer:
        return answer.status, answer.read()


def _ready(port: int, process: subprocess.Popen[bytes]) -> bool:
    try:
        return ask(port, "/health/ready")[0] == 200 and b"node" in ask(port, "/metrics")[1]
    except OSError:
        assert process.poll() is None, process.stderr.read().decode()
        return False


def test_it_answers_works_and_ends_within_ten_seconds(folder: Path, database: str, figure, long: bool) -> None:
    port = free_port()
    process = subprocess.Popen(
        [*PATIENT, "serve", "--port", str(port)], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        until(lambda: _ready(port, process))
        assert ask(port, "/login")[0] == 200
        assert json.loads(ask(port, "/api/openapi.json")[1])["openapi"].startswith("3.")
        code, seconds = ended(process)
        assert code == 0, process.stderr.read().decode()
        assert seconds < (10 if long else 30)
    finally:
        process.kill()
        process.communicate()
    assert (folder / "web.secret").stat().st_mode & 0o077 == 0
    name = "sqlite" if database.startswith("sqlite") else "postgresql"
    figure(29, f"SIGTERM to `serve` while it answers and works, {name}", f"ends with 0 after {seconds:.1f} s")


def test_a_port_that_is_taken_is_said_in_a_line(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [*ESCALATION, "serve", "--port", str(taken.getsockname()[1])]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)

    assert done.returncode == 5
    assert "cannot be used" in done.stderr
    assert "Traceback" not in done.stderr


def test_users_from_the_command_line(folder: Path, run: Command) -> None:
    made = run("user", "add", "zhang", "--name", "张三", "--party", "PT0013", "--json")
    assert made.json["parties"] == [13]
    assert len(made.json["password"]) >= 12
    assert run("user", "add", "zhang").code == 2
    assert run("user", "add", "li", "--party", "PT9999").code == 2
    assert run("user", "add", "li", "--admin", "--password-stdin", typed="too short\n").code == 2
    assert run("user", "add", "li", "--admin", "--password-stdin", typed="long enough for us\n").code == 0
    told = run("user", "list", "--json").json["items"]
    assert [(each["login"], each["parties"], each["is_admin"]) for each in told] == [
        ("li", [], True),
        ("zhang", ["PT0013"], False),
    ]
    assert all("password" not in each for each in told)
    token = run("user", "token", "zhang", "--name", "大屏", "--scope", "read", "--json").json["token"]
    assert token.startswith("esc_")
    assert run("user", "token", "zhang", "--scope", "all").code == 2
    assert run("user", "password", "zhang", "--password-stdin", typed="another long one\n").code == 0
    assert run("user", "disable", "zhang").code == 0
    assert run("user", "disable", "nobody").code == 2
    assert [each["active"] for each in run("user", "list", "--json").json["items"]] == [True, False]


def test_the_demo_ends_on_its_page_and_every_login_that_it_prints_is_let_in(tmp_path: Path) -> None:
    words = ["demo", "--days", "1", "--keep", "kept", "--open", "--json"]
    process = subprocess.Popen([*PATIENT, *words], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        lines = []
        while not lines or lines[-1] != "}\n":
            lines.append(process.stdout.readline())
            assert lines[-1], process.stderr.read()
        told = json.loads("".join(lines))
        assert told["verify"] == "ok"
        assert told["url"].startswith("http://127.0.0.1:")
        assert {each["role"] for each in told["logins"]} == set(ROLES)
        for each in told["logins"]:
            with httpx2.Client(
                base_url=told["url"], headers={"Sec-Fetch-Site": "same-origin"}, trust_env=False, timeout=60
            ) as client:
                assert enter(client, each["login"], each["password"]).status_code == 303, each["login"]
                page = client.get("/")
                assert page.status_code == 200
                assert each["party"] in page.text
        assert ended(process, signal.SIGINT)[0] == 0, process.stderr.read()
    finally:
        process.kill()
        process.communicate()
