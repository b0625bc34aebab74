"""Logs: one line an event, and nothing in it that should not be read."""

import io
import json
import logging

import pytest

from escalation import logs


@pytest.fixture
def said():  # type: ignore[no-untyped-def]
    """Configures the logs, and answers what was written."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    stream = io.StringIO()

    def configured(form: str) -> io.StringIO:
        logs.configure(form, "debug", stream)
        return stream

    yield configured
    root.handlers[:] = before
    root.setLevel(level)


SECRETS = [
    ("password=hunter2", "hunter2"),
    ("AUTH PLAIN AGVzY2FsYXRpb24AaHVudGVyMg==", "AGVz"),
    ("Authorization: Bearer esc_9f8e7d", "esc_9f8e7d"),
    ("token: 'eyJhbGciOi'", "eyJhbGciOi"),
    ("postgresql+psycopg://escalation:hunter2@db/escalation", "hunter2"),
    ("ESCALATION_SMTP__PASSWORD=hunter2", "hunter2"),
    ("PGPASSWORD=hunter2 psql", "hunter2"),
    ("GET /callback?code=1&access_token=hunter2&state=2", "hunter2"),
    ("refresh_token: hunter2, client_secret=hunter2", "hunter2"),
    ('{"password": "hunter2 and more"}', "hunter2"),
    ('{\\"password\\": \\"hunter2\\"}', "hunter2"),
    ("AWS_SECRET_ACCESS_KEY=hunter2", "hunter2"),
    ("a-very-long-name-of-a-key-in-some-other-system-token=hunter2", "hunter2"),
    (f"postgresql://escalation:{'hunter2' * 100}@db/escalation", "hunter2"),
    ("550 no such user li.lei@example.org", "li.lei"),
]


@pytest.mark.parametrize(("text", "secret"), SECRETS)
@pytest.mark.parametrize("form", ["lines", "json"])
def test_secrets_and_addresses_are_taken_out(said, form: str, text: str, secret: str) -> None:  # type: ignore[no-untyped-def]
    stream = said(form)
    log = logging.getLogger("anybody")
    log.debug(text)
    log.error("failed", extra={"why": text, "password": secret, "many": [text]})
    try:
        raise ValueError(text)
    except ValueError:
        log.exception("in a traceback")
    assert secret not in stream.getvalue()
    assert logs.HIDDEN in stream.getvalue()


def test_the_name_of_a_file_with_a_secret_can_be_read() -> None:
    line = "smtp.password_file: /etc/escalation.smtp cannot be read"
    assert logs.clean(line) == line


def test_a_long_line_without_a_secret_is_read_at_once() -> None:
    """A pattern that tries every beginning with every end would take minutes for it."""
    line = "a-" * 50_000 + "x_" * 50_000
    assert logs.clean(line) == line


def test_one_event_is_one_line_whatever_is_in_it(said) -> None:  # type: ignore[no-untyped-def]
    stream = said("lines")
    logging.getLogger("anybody").info("title: %s", "a\r\n2026-01-01 error forged\u202e\x1b[31m")
    assert stream.getvalue().count("\n") == 1
    assert "\x1b" not in stream.getvalue()


def test_programs_get_json(said) -> None:  # type: ignore[no-untyped-def]
    stream = said("json")
    logging.getLogger("escalation.sweep").info("swept", extra={"examined": 3})
    told = json.loads(stream.getvalue())
    assert (told["event"], told["examined"], told["level"], told["logger"]) == ("swept", 3, "info", "escalation.sweep")


def test_a_log_that_cannot_be_written_stops_nobody(said) -> None:  # type: ignore[no-untyped-def]
    said("lines")
    closed = io.StringIO()
    logs.configure("lines", "info", closed)
    closed.close()
    logging.getLogger("anybody").info("nobody reads this")
