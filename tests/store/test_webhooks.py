"""Webhooks: every change is told once, signed, to a real server; only where they may go; what fails is tried again or put aside."""

import asyncio
import re
import ssl
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
import trustme
from sqlmodel import select

from escalation import outside
from escalation.app import App
from escalation.client import verified
from escalation.config import DatabaseSettings, Settings, WebhookSettings
from escalation.database import Store
from escalation.doctor import examine
from escalation.errors import BadConfig
from notifications import outbox
from notifications.outbox import OutboxRow
from notifications.webhook import Allowed, BadHook
from tests.town import Town

SECRET = "whsec_" + b64encode(b"k" * 32).decode()


class Follower:
    """Another system: takes what comes and answers as the test says."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.answer, self.location = 204, ""
        follower = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                follower.got.append((self.path, dict(self.headers), body))
                self.send_response(follower.answer)
                if follower.location:
                    self.send_header("Location", follower.location)
                self.end_headers()

            def log_message(self, *words: object) -> None:
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if context is not None:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()


@pytest.fixture
def follower() -> Iterator[Follower]:
    made = Follower()
    yield made
    made.server.shutdown()
    made.server.server_close()


Following = Callable[..., tuple[Town, App]]


@pytest.fixture
def following(request: pytest.FixtureRequest, tmp_path: Path) -> Following:
    """A town whose changes go to these addresses."""

    def made(store: Store, **given: object) -> tuple[Town, App]:
        (tmp_path / "secrets").write_text("".join(f"{name} {SECRET}\n" for name in given["to"]))  # type: ignore[attr-defined]
        webhooks = WebhookSettings(secrets_file="secrets", **given)  # type: ignore[arg-type]
        url = store.url.render_as_string(hide_password=False)
        app = App(Settings(database=DatabaseSettings(url=url), webhooks=webhooks, root=tmp_path))
        request.addfinalizer(app.close)
        town = Town(store)
        town.outgoing = app.outgoing
        return town, app

    return made


def local(follower: Follower, **more: str) -> dict[str, object]:
    at = f"http://127.0.0.1:{follower.port}"
    return {"to": {"erp": f"{at}/hook"}, "origins": at, "networks": "127.0.0.0/8", **more}


def deliver(town: Town, app: App) -> None:
    asyncio.run(outside.deliverer(app.settings, app.mailroom.node).deliver_once(app.mailroom.session, town.now))


def states(store: Store) -> list[tuple[str, str]]:
    with store.reading() as session:
        rows = session.exec(select(OutboxRow).where(OutboxRow.channel == "webhook").order_by(OutboxRow.id))
        return [(row.state, row.last_error) for row in rows]


def test_every_change_is_told_once_and_signed(store: Store, follower: Follower, following: Following) -> None:
    town, app = following(store, **local(follower))
    number = town.dispatched()
    town.act(number, "acknowledge", "PT0033")

    asyncio.run(app.mailroom.dispatch_elsewhere(town.now))
    asyncio.run(app.mailroom.dispatch_elsewhere(town.now))

    told = [verified(SECRET, headers, body, town.now.timestamp()) for _, headers, body in follower.got]
    assert [(each["type"], each["data"]["version"], each["data"]["status"]) for each in told] == [
        ("issue.raise", 1, "pending_intake"),
        ("issue.dispatch", 2, "pending_ack"),
        ("issue.acknowledge", 3, "processing"),
    ]
    assert told[1]["data"] | {"number": number, "responsible": "PT0033", "was": "city.pending_intake"} == told[1]["data"]
    assert [state for state, _ in states(store)] == ["sent"] * 3
    assert all(each["kind"] != "webhook" for each in app.show(number, town.now)["mails"])
    with app.store.reading() as session:
        assert outbox.counts(session).keys() <= {"sent", "queued"}
    assert town.verify().ok


def test_a_copy_or_another_hand_is_no_news(sqlite: str, new_store, follower: Follower, following: Following) -> None:  # type: ignore[no-untyped-def]
    town, app = following(new_store(sqlite), **local(follower))
    town.raise_issue()
    deliver(town, app)
    _, headers, body = follower.got[0]
    now = town.now.timestamp()

    assert verified(SECRET, headers, body, now)
    for wrong in ((SECRET, headers, body + b" ", now), (SECRET, headers | {"Webhook-Timestamp": f"{int(now) + 1}"}, body, now),
                  ("whsec_" + b64encode(b"x" * 32).decode(), headers, body, now), (SECRET, {}, body, now)):  # fmt: skip
        with pytest.raises(ValueError, match="not signed"):
            verified(*wrong)
    with pytest.raises(ValueError, match="too long ago"):
        verified(SECRET, headers, body, now + 301)


def test_what_fails_is_tried_again_or_put_aside(store: Store, follower: Follower, following: Following) -> None:
    town, app = following(store, **local(follower))
    town.raise_issue()
    follower.answer = 503
    deliver(town, app)
    assert states(store) == [("queued", "the other side answers 503")]
    deliver(town, app)
    assert len(follower.got) == 1, "not at once"
    town.now += timedelta(minutes=2)
    follower.answer = 400
    deliver(town, app)
    assert states(store) == [("dead", "the other side answers 400: it will not take it")]
    first, second = (headers for _, headers, _ in follower.got)
    assert first["Webhook-Id"] == second["Webhook-Id"]
    assert first["Webhook-Signature"] != second["Webhook-Signature"], "signed anew for its time"
    with store.transaction() as session:
        assert outbox.retry(session, None, town.now) == 1
    follower.answer = 200
    deliver(town, app)
    assert [state for state, _ in states(store)] == ["sent"]


def test_one_that_does_not_answer_holds_up_no_other_and_is_asked_once(
    store: Store, follower: Follower, following: Following
) -> None:
    gone = Follower()
    gone.server.shutdown()
    gone.server.server_close()
    at, nobody = f"http://127.0.0.1:{follower.port}", f"http://127.0.0.1:{gone.port}"
    town, app = following(store, to={"erp": f"{at}/", "gone": f"{nobody}/"}, origins=f"{at}, {nobody}", networks="127.0.0.0/8")
    town.dispatched()

    deliver(town, app)

    assert sorted(state for state, _ in states(store)) == ["queued", "queued", "sent", "sent"]
    assert len(follower.got) == 2


def test_no_redirect_is_followed(sqlite: str, new_store, follower: Follower, following: Following) -> None:  # type: ignore[no-untyped-def]
    inside = Follower()
    town, app = following(new_store(sqlite), **local(follower))
    town.raise_issue()
    follower.answer, follower.location = 307, f"http://127.0.0.1:{inside.port}/secret"

    deliver(town, app)

    assert inside.got == []
    assert states(app.store) == [("dead", "the other side answers 307: redirects are not followed")]
    inside.server.shutdown()
    inside.server.server_close()


def test_a_name_that_leads_inside_is_not_asked(sqlite: str, new_store, follower: Follower, following: Following) -> None:  # type: ignore[no-untyped-def]
    """The list names it, and yet: what the name means today is inside, and no network inside is allowed."""
    at = f"http://localhost:{follower.port}"
    town, app = following(new_store(sqlite), to={"erp": f"{at}/"}, origins=at)
    town.raise_issue()

    deliver(town, app)

    assert follower.got == []
    assert states(app.store)[0][0] == "dead"
    assert "is not in webhooks.networks" in states(app.store)[0][1]


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
                                     "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "fe80::1", "fc00::1", "ff02::1"])  # fmt: skip
def test_without_networks_only_the_internet(address: str) -> None:
    with pytest.raises(BadHook):
        Allowed.of("https://erp.test", "").refuse_address(ip_address(address))
    Allowed.of("https://erp.test", "").refuse_address(ip_address("93.184.216.34"))
    with pytest.raises(BadHook):
        Allowed.of("https://erp.test", "10.20.0.0/16").refuse_address(ip_address("93.184.216.34"))


@pytest.mark.parametrize("url", ["http://erp.test/", "https://erp.test:444/", "https://evil.test/", "https://erp.test@evil.test/",
                                 "https://u:p@erp.test/", "https://erp.test.evil.test/", "file:///etc/passwd", "ftp://erp.test/",
                                 "https://erp.test:x/", "https:///x", "gopher://erp.test:443/", ""])  # fmt: skip
def test_only_what_is_on_the_list(url: str) -> None:
    with pytest.raises(BadHook):
        Allowed.of("https://erp.test", "").refuse_url(url)
    Allowed.of("https://ERP.test:443", "").refuse_url("https://erp.test/hook?x=1")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"to": {"erp": "https://other.test/"}}, "not in webhooks.origins"),
        ({"networks": "10.1.2.3/8"}, "host bits"),
        ({"secrets_file": ""}, "a secret is missing"),
        ({"secrets_file": "nowhere"}, "cannot be read"),
        ({"origins": "erp.test"}, "is no address"),
    ],
)  # fmt: skip
def test_a_configuration_that_is_off_is_named(sqlite: str, tmp_path: Path, given: dict[str, object], said: str) -> None:
    (tmp_path / "secrets").write_text(f"erp {SECRET}\n")
    fine = {"to": {"erp": "https://erp.test/"}, "origins": "https://erp.test", "secrets_file": "secrets"}
    app = App(Settings(database=DatabaseSettings(url=sqlite), webhooks=WebhookSettings(**fine | given), root=tmp_path))  # type: ignore[arg-type]

    with pytest.raises(BadConfig, match=said):
        outside.deliverer(app.settings, app.mailroom.node)
    town = Town(app.store)
    found = next(check for check in examine(app, town.now) if check.name == "webhooks")
    assert re.search(said, found.detail) and not found.ok
    town.outgoing = app.outgoing
    town.raise_issue()
    assert re.search(said, asyncio.run(app.mailroom.dispatch_elsewhere(town.now)).stopped)
    asyncio.run(app.mailroom.dispatch(town.now))
    with app.store.reading() as session:
        mails = outbox.counts(session)
    assert (mails["sent"], mails["queued"]) == (2, 1), "people are told all the same"
    app.close()


def test_the_certificate_is_that_of_the_name(sqlite: str, new_store, tmp_path: Path, following: Following) -> None:  # type: ignore[no-untyped-def]
    ours, store = trustme.CA(), new_store(sqlite)
    ours.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    for name, ca_file, expected in (
        ("localhost", "ca.pem", "sent"),
        ("localhost", "", "queued"),
        ("other.test", "ca.pem", "queued"),
    ):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ours.issue_cert(name).configure_cert(context)
        server = Follower(context)
        at = f"https://localhost:{server.port}"
        if "town" not in locals():
            town, app = following(store, to={"erp": f"{at}/"}, origins=at, networks="127.0.0.0/8, ::1/128", ca_file=ca_file)
        given = app.settings.webhooks.model_copy(update={"to": {"erp": f"{at}/"}, "origins": at, "ca_file": ca_file})
        app.settings = app.settings.model_copy(update={"webhooks": given})
        town.raise_issue()
        deliver(town, app)
        assert states(store)[-1][0] == expected, (name, states(store)[-1])
        assert len(server.got) == (expected == "sent")
        server.server.shutdown()
        server.server.server_close()
