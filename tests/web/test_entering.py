"""Logging in: what is wrong is never said, hammering is stopped, sessions end, and no form of another site is believed."""

from datetime import timedelta

import pytest
from sqlalchemy import update
from sqlmodel import select

from escalation.models import AuditRow, UserRow, WebSession
from escalation.users import accounts, passwords
from escalation.users.accounts import USER
from tests.town import CITY_COORDINATOR
from tests.web.office import PASSWORD, REAL_HASHER, Office, Person, enter


def test_the_page_of_somebody_unknown_is_the_login_and_then_back(small: Office) -> None:
    client = small.client()

    asked = client.get("/issues?stage=city")
    assert (asked.status_code, asked.headers["location"]) == (303, "/login?next=/issues%3Fstage%3Dcity")
    small.user("zhang", CITY_COORDINATOR)
    entered = enter(client, "zhang", next="/issues?stage=city")
    assert (entered.status_code, entered.headers["location"]) == (303, "/issues?stage=city")
    assert client.get("/issues?stage=city").status_code == 200


@pytest.mark.parametrize(
    "next_", ["//evil.test", "https://evil.test", "/\\evil.test", "javascript:alert(1)", "/x\r\nSet-Cookie: a=b"]
)
def test_nobody_is_sent_to_another_site(small: Office, next_: str) -> None:
    small.user("zhang")

    assert enter(small.client(), "zhang", next=next_).headers["location"] == "/"


def test_whatever_was_wrong_the_answer_is_the_same(office: Office) -> None:
    for login in ("zhang", "shut", "locked"):
        office.user(login)
    with office.store.transaction() as session:
        accounts.set_active(session, office.town.now, "shut", False)
        accounts.find(session, "locked").locked_until = office.town.now + timedelta(minutes=5)

    cases = [("zhang", "wrong"), ("nobody", PASSWORD), ("shut", PASSWORD), ("locked", PASSWORD), ("ZHANG'--", "x")]
    answers = [enter(office.client(), login, password) for login, password in cases]

    assert {answer.status_code for answer in answers} == {401}
    said = {answer.text.replace(login, "").replace("ZHANG&#39;--", "") for answer, (login, _) in zip(answers, cases, strict=True)}
    import re

    assert len({re.sub(r'value="[^"]*"', "", text) for text in said}) == 1


def test_five_wrong_passwords_lock_a_login_for_a_quarter_of_an_hour(office: Office) -> None:
    office.user("zhang")
    client = office.client()

    for _ in range(5):
        assert enter(client, "zhang", "wrong").status_code == 401
    assert enter(client, "zhang").status_code == 401
    office.town.now += timedelta(minutes=15, seconds=1)
    assert enter(client, "zhang").status_code == 303
    with office.store.reading() as session:
        told = [(row.what, row.detail) for row in session.exec(select(AuditRow).order_by(AuditRow.id))]
    assert told == [("login_failed", "")] * 5 + [("login_failed", "locked"), ("login", "")]


def test_one_address_does_not_try_for_ever(store, tmp_path) -> None:  # type: ignore[no-untyped-def]
    office = Office(store, tmp_path, failures_per_address=4)
    client = office.client()

    tried = [enter(client, f"user{number}", "wrong").status_code for number in range(6)]

    assert tried == [401, 401, 401, 401, 429, 429]
    office.town.now += timedelta(minutes=16)
    assert enter(client, "user9", "wrong").status_code == 401
    office.app.close()


def test_a_session_is_a_new_token_each_time_and_only_its_digest_is_kept(office: Office) -> None:
    office.user("zhang")
    client = office.client()
    client.cookies.set("session", "chosen-by-somebody-else", domain="office.test")

    answer = enter(client, "zhang")

    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    token = client.cookies.get("session", domain="office.test")
    assert "chosen-by-somebody-else" not in cookie
    with office.store.reading() as session:
        kept = session.exec(select(WebSession)).one()
    assert token.encode() not in kept.token
    assert len(kept.token) == 32


def test_cookies_over_https_are_bound_to_the_host(store, tmp_path) -> None:  # type: ignore[no-untyped-def]
    office = Office(store, tmp_path, secure_cookies=True)
    office.user("zhang")
    from starlette.testclient import TestClient

    client = TestClient(office.web, base_url="https://office.test", follow_redirects=False)

    cookie = enter(client, "zhang").headers["set-cookie"]

    assert cookie.startswith("__Host-session=")
    assert "Secure" in cookie
    assert client.get("/").headers["strict-transport-security"]
    office.app.close()


def test_a_session_ends_by_itself_by_logging_out_and_when_the_user_is_shut_out(office: Office) -> None:
    person = office.person("zhang", CITY_COORDINATOR)

    office.town.now += timedelta(minutes=119)
    assert person.get("/").status_code == 200
    office.town.now += timedelta(minutes=119)
    assert person.get("/").status_code == 200, "a sign of life keeps it"
    office.town.now += timedelta(minutes=121)
    assert person.get("/").status_code == 303, "idle"

    person = Person(office.client(), "zhang")
    for _ in range(7):
        office.town.now += timedelta(minutes=110)
        last = person.get("/").status_code
    assert last == 303, "twelve hours at most"

    person = Person(office.client(), "zhang")
    copied = dict(person.client.cookies)
    assert person.post("/logout").status_code == 303
    again = office.client()
    for name, value in copied.items():
        again.cookies.set(name, value)
    assert again.get("/").status_code == 303, "a token that was logged out is dead, not only forgotten"

    person = Person(office.client(), "zhang")
    with office.store.transaction() as session:
        accounts.set_active(session, office.town.now, "zhang", False)
    assert person.get("/").status_code == 303

    colleague = office.person("li", CITY_COORDINATOR)
    with office.store.transaction() as session:  # by hand, so that the session is still there
        session.connection().execute(update(USER).where(USER.c.login == "li").values(active=False))
    assert colleague.get("/").status_code == 303


def test_a_form_without_its_token_or_from_another_site_does_nothing(office: Office) -> None:
    person = office.person("zhang", CITY_COORDINATOR)
    number = office.town.raise_issue()
    path = f"/issues/{number}/actions/dispatch"
    version = office.town.facts(number).version

    assert person.client.post(path, data={}).status_code == 403
    assert person.client.post(path, data={"csrf": "x" * 32}).status_code == 403
    assert person.client.post(path, data={"csrf": person.csrf}, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert person.client.post(path, data={"csrf": person.csrf}, headers={"Origin": "http://evil.test"}).status_code == 403
    assert person.client.get(path).status_code == 405
    other = office.person("li", CITY_COORDINATOR)
    assert person.client.post(path, data={"csrf": other.csrf}).status_code == 403
    assert office.town.facts(number).version == version
    assert person.client.post(path, data={"csrf": person.csrf}, headers={"Origin": "http://office.test"}).status_code == 303


def test_every_answer_carries_the_guards(small: Office) -> None:
    person = small.person("zhang", CITY_COORDINATOR)

    for answer in (person.get("/"), person.get("/nothing"), person.get("/api/v1/issues"), person.get("/static/style.css")):
        policy = answer.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "server" not in answer.headers
    assert person.get("/").headers["cache-control"] == "no-store"


def test_only_our_own_host_names_and_bodies_of_a_form_s_size(sqlite, new_store, tmp_path) -> None:  # type: ignore[no-untyped-def]
    office = Office(new_store(sqlite), tmp_path, hosts="office.test")
    client = office.client()

    assert client.get("/login").status_code == 200
    assert client.get("/login", headers={"Host": "evil.test"}).status_code == 400
    assert client.post("/login", content=b"x" * 1_000_001).status_code == 413
    office.app.close()


def test_a_password_is_long_and_hashed_as_argon2id(office: Office) -> None:
    from escalation.errors import UsageError

    with office.store.transaction() as session, pytest.raises(UsageError, match="12 to 200"):
        accounts.add(session, office.town.now, "zhang", "", "short")
    with office.store.transaction() as session:
        accounts.add(session, office.town.now, "Zhang ", "张三", PASSWORD)
    with office.store.reading() as session:
        row = session.exec(select(UserRow)).one()
    assert (row.login, row.password[:10]) == ("zhang", "$argon2id$")


def test_a_hash_costs_what_rfc_9106_recommends_where_memory_is_scarce() -> None:
    """Section 4, the second recommended option; the hasher of these tests costs next to nothing."""
    assert REAL_HASHER.hash(PASSWORD).startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert passwords._NOBODY.startswith("$argon2id$v=19$m=65536,t=3,p=4$")


def test_one_person_asks_so_often_a_minute_and_is_then_told_to_wait(sqlite, new_store, tmp_path) -> None:  # type: ignore[no-untyped-def]
    office = Office(new_store(sqlite), tmp_path, requests_per_minute=20)
    zhang, li = office.person("zhang", CITY_COORDINATOR), office.person("li", CITY_COORDINATOR)
    program = office.program(office.user("wang", CITY_COORDINATOR))
    office.town.now += timedelta(minutes=1)

    assert [zhang.get("/").status_code for _ in range(21)] == [200] * 20 + [429]
    refused = zhang.get("/")
    assert (refused.headers["retry-after"], "稍候" in refused.text) == ("4", True)
    assert li.get("/").status_code == 200, "everybody has a bucket of their own"
    assert [program.get("/api/v1/issues?q=a").status_code for _ in range(5)] == [200] * 4 + [429], "a search counts as five"
    assert program.get("/api/v1/issues").json()["code"] == "too_fast"
    office.town.now += timedelta(seconds=6)
    assert [zhang.get("/").status_code for _ in range(3)] == [200, 200, 429]
    office.town.now -= timedelta(hours=1)
    assert zhang.get("/").status_code == 429, "a clock set back gives nothing"
    office.town.now += timedelta(hours=2)
    office.web.state.house.pace.per_minute = 10
    assert [li.get("/summaries").status_code for _ in range(2)] == [200, 429], "a full bucket is enough for what is dearest"
    office.app.close()
