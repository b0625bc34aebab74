"""Every door tried by somebody it is not for: paths, methods, ids, fields, sessions, headers (promises.md, row 27)."""

import re

import pytest
from sqlmodel import select

from escalation.config import Settings, WebSettings
from escalation.models import RequestRow, UserRow
from escalation.web import serving
from tests.town import CITY_COORDINATOR, OWNER
from tests.web.office import PASSWORD, Office

HANDLER = "PT0033"


@pytest.mark.parametrize(
    "path",
    [
        "/static/../templates/base.html", "/static/%2e%2e/templates/base.html", "/static/..%2ftemplates%2fbase.html",
        "/static/....//templates/base.html", "/static//etc/passwd", "/static/%5c..%5ctemplates", "/static/", "/static",
        "/static/.", "/..%2f..%2fconfig.toml", "/.git/config",
    ],
)  # fmt: skip
def test_no_path_leads_out_of_the_static_files(small: Office, path: str) -> None:
    who = small.person("zhang")

    assert who.get("/static/style.css").status_code == 200
    assert who.get(path).status_code in (307, 404)
    assert '<!doctype html>\n<html lang="{{' not in who.get(path).text


def test_methods_that_nothing_answers_are_refused(small: Office) -> None:
    client = small.client()

    for path in ("/login", "/", "/api/v1/issues", "/static/style.css", "/health/live"):
        for method in ("TRACE", "PUT", "DELETE", "PATCH", "CONNECT", "OPTIONS"):
            answer = client.request(method, path)
            assert answer.status_code == 405, (method, path)


def test_a_session_that_somebody_chose_is_never_taken(small: Office) -> None:
    small.user("zhang")
    victim, attacker = small.client(), small.client()
    for client in (victim, attacker):
        client.cookies.set("session", "chosen" * 8, domain="office.test", path="/")

    from tests.web.office import enter

    assert enter(victim, "zhang").status_code == 303
    assert victim.get("/").status_code == 200
    assert attacker.get("/").status_code == 303


def test_no_other_origin_may_read_an_answer(small: Office) -> None:
    who = small.person("zhang")

    for path in ("/", "/api/v1/issues", "/api/openapi.json", "/static/app.js", "/nothing"):
        headers = who.get(path, headers={"Origin": "http://evil.test"}).headers
        assert not [name for name in headers if name.startswith("access-control")]
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        for part in ("frame-ancestors 'none'", "object-src 'none'", "base-uri 'none'"):
            assert part in headers["content-security-policy"]


def test_only_a_proxy_that_is_named_says_who_asks(small: Office) -> None:
    class Worker:
        node = None

    def built(proxies: str):  # type: ignore[no-untyped-def]
        small.app.settings = Settings(
            database=small.app.settings.database, web=WebSettings(proxies=proxies), root=small.app.settings.root
        )
        return serving._config(small.app, lambda: small.town.now, Worker(), "127.0.0.1", 0)  # type: ignore[arg-type]

    assert built("").proxy_headers is False, "nobody is believed, not even this machine"
    named = built("10.0.0.5")
    assert (named.proxy_headers, named.forwarded_allow_ips) == (True, "10.0.0.5")


def test_passwords_are_typed_hidden_and_managers_may_help(small: Office) -> None:
    boss = small.person("boss", admin=True)

    for path in ("/login", "/account", "/admin/users"):
        fields = re.findall(r"<input[^>]*password[^>]*>", boss.get(path).text)
        assert fields
        for field in fields:
            assert 'type="password"' in field
            assert re.search(r'autocomplete="(current|new)-password"', field)


def test_fields_that_no_form_has_change_nothing(small: Office) -> None:
    owner = small.person("owner", OWNER)
    given = {"project": "HLJ26-001", "category": "power", "severity": "general", "title": "缺电", "open": "1"}
    more = {
        "status": "closed",
        "stage": "province",
        "number": "WT26-9999",
        "responsible": "PT0205",
        "due_at": "2030-01-01",
        "version": "9",
    }

    raised = owner.post("/issues/new", **given, **more)
    number = raised.headers["location"].split("/")[2].partition("?")[0]
    facts = small.town.facts(number)
    assert (facts.status, facts.stage, facts.version) == ("pending_intake", "city", 1)
    assert number != "WT26-9999"

    assert owner.post("/account/password", current=PASSWORD, password=PASSWORD + "!", again=PASSWORD + "!", is_admin="1", login="boss",
                      parties="PT0205").status_code == 303  # fmt: skip
    assert owner.post("/language", language="en", is_admin="1").status_code in (303, 403)
    with small.store.reading() as session:
        row = session.exec(select(UserRow)).one()
    assert (row.login, row.is_admin) == ("owner", False)
    program = small.program("owner")
    told = {name: value for name, value in given.items() if name != "open"}
    for extra, value in more.items():
        answer = program.post("/api/v1/issues", json={**told, extra: value})
        assert answer.status_code == 422, extra


def test_a_request_of_another_issue_is_not_decided_by_its_number(small: Office) -> None:
    city = small.person("city", CITY_COORDINATOR)
    mine, other = small.town.dispatched(severity="major"), small.town.dispatched(severity="major")
    for number in (mine, other):
        small.town.act(number, "acknowledge", HANDLER)
        until = small.town.now.date().replace(day=18)
        small.town.act(number, "request_extension", HANDLER, reason="设备在途", until=until)
    with small.store.reading() as session:
        asked = [(row.issue_id, row.no) for row in session.exec(select(RequestRow))]
    assert len(asked) == 2, "a request has its number within its issue: there is no number of another's to guess"
    before = small.town.facts(other)

    assert city.act(mine, "approve", request="2").status_code in (400, 404, 409)
    assert city.act(mine, "approve", request="1").status_code == 303
    assert small.town.facts(other) == before


def test_a_field_given_twice_counts_once(small: Office) -> None:
    city = small.person("city", CITY_COORDINATOR)
    number = small.town.raise_issue()
    path = f"/issues/{number}/actions/urge"

    twice = city.client.post(
        path,
        content=f"csrf=wrong&csrf={city.csrf}&reason=a&reason=b",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert twice.status_code == 303
    again = city.client.post(
        path, content=f"csrf={city.csrf}&csrf=wrong&reason=c", headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert again.status_code == 403
    assert small.app.show(number, small.town.now)["journal"][-1]["reason"] == "b"
