"""One's own account: a new password asks for the old one and ends every other login; passwords that would be guessed are refused."""

import pytest

from escalation.users import accounts
from escalation.users.passwords import WeakPassword, refuse_weak
from tests.web.office import PASSWORD, Office, Person, enter

NEW = "seven grey herons over the ice"


def test_a_new_password_asks_for_the_old_one_and_ends_every_other_login(office: Office) -> None:
    here = office.person("zhang", "PT0013")
    elsewhere = Person(office.client(), "zhang")
    assert here.get("/account").text.count("最近使用") == 2
    before = here.client.cookies["session"]

    wrong = here.post("/account/password", current="not this one", password=NEW, again=NEW)
    assert wrong.status_code == 401
    assert here.post("/account/password", current=PASSWORD, password=NEW, again=NEW + "!").status_code == 400
    weak = here.post("/account/password", current=PASSWORD, password="zhang1234567", again="zhang1234567")
    assert weak.status_code == 400
    assert "容易被猜中" in weak.text
    assert elsewhere.get("/").status_code == 200
    done = here.post("/account/password", current=PASSWORD, password=NEW, again=NEW)

    assert (done.status_code, done.headers["location"]) == (303, "/account?done=password")
    assert here.client.cookies["session"] != before
    assert here.get("/").status_code == 200
    assert elsewhere.get("/").status_code == 303, "the other login is over"
    assert enter(office.client(), "zhang", PASSWORD).status_code == 401
    assert enter(office.client(), "zhang", NEW).status_code == 303


def test_a_password_that_somebody_else_chose_opens_nothing_but_its_own_form(office: Office) -> None:
    boss = office.person("boss", admin=True)
    first = "a long enough one"
    assert boss.post("/admin/users", login="wang", name="王五", parties="PT0013", password=first).status_code == 303
    client = office.client()
    assert enter(client, "wang", first).status_code == 303

    for path in ("/", "/issues", "/admin/users", "/summaries"):
        sent = client.get(path)
        assert (sent.status_code, sent.headers["location"]) == (303, "/account?done=first")
    page = client.get("/account").text
    assert "请先改成自己的密码" in page
    csrf = page.split('name="csrf" value="')[1].split('"')[0]
    assert client.post("/issues/new", data={"csrf": csrf, "title": "x"}).headers["location"] == "/account?done=first"
    given = {"csrf": csrf, "current": first, "password": NEW, "again": NEW}
    assert client.post("/account/password", data=given).headers["location"] == "/account?done=password"
    assert client.get("/").status_code == 200
    with office.store.transaction() as session:
        accounts.set_password(session, office.town.now, "wang", first, by="boss")
    assert enter(client, "wang", first).status_code == 303
    assert client.get("/").headers["location"] == "/account?done=first", "and so again when it is set anew"


def test_the_old_password_is_not_tried_for_ever(small: Office) -> None:
    here = small.person("zhang")

    tried = [here.post("/account/password", current="wrong", password=NEW, again=NEW).status_code for _ in range(6)]

    assert tried == [401] * 6
    assert here.post("/account/password", current=PASSWORD, password=NEW, again=NEW).status_code == 401, "the login is locked"


def test_other_logins_end_when_their_owner_says_so(office: Office) -> None:
    here, li = office.person("zhang"), office.person("li")
    elsewhere = Person(office.client(), "zhang")

    assert here.post("/account/sessions", current="wrong").status_code == 401
    assert elsewhere.get("/").status_code == 200
    assert here.post("/account/sessions", current=PASSWORD).status_code == 303
    assert elsewhere.get("/").status_code == 303
    assert (here.get("/").status_code, li.get("/").status_code) == (200, 200), "this one and other people's go on"


@pytest.mark.parametrize("password", ["password1234", "qwertyuiop12", "escalation2026", "wangxiaoming1", "x" * 12])
def test_a_password_that_would_be_guessed_is_refused(password: str) -> None:
    with pytest.raises(WeakPassword):
        refuse_weak(password, ("wangxiaoming", "王小明"))


def test_any_characters_make_a_password_and_all_of_them_count(small: Office) -> None:
    from escalation.users.passwords import fits, hashed

    for password in (NEW, "四十只灰鹤飞过松花江的冰面", "a b c d e f g h i j k l", "é" * 3 + NEW * 5):
        refuse_weak(password)
        kept = hashed(password)
        assert fits(password, kept)
        assert not fits(password[:-1], kept)
        assert not fits(password.upper() if password != password.upper() else password + " ", kept)


def test_cookies_are_bound_to_this_host_and_logging_out_clears_the_browser(store, tmp_path) -> None:  # type: ignore[no-untyped-def]
    from starlette.testclient import TestClient

    office = Office(store, tmp_path, secure_cookies=True)
    office.user("zhang")
    client = TestClient(office.web, base_url="https://office.test", follow_redirects=False)

    client.post("/login/language", data={"language": "en"})
    client.get("/login")
    assert {cookie.name for cookie in client.cookies.jar} == {"__Host-login", "__Host-language"}
    assert "Log in" in client.get("/login").text
    assert enter(client, "zhang").status_code == 303
    assert {cookie.name for cookie in client.cookies.jar} == {"__Host-session", "__Host-language"}
    assert all(cookie.secure and cookie.path == "/" for cookie in client.cookies.jar)
    csrf = client.get("/").text.split('name="csrf" value="')[1].split('"')[0]
    assert client.post("/logout", data={"csrf": csrf}).headers["clear-site-data"] == '"cache", "storage"'
    office.app.close()


def test_refusals_are_in_the_log_without_the_tokens_of_links(small: Office, caplog: pytest.LogCaptureFixture) -> None:
    who = small.person("zhang")
    caplog.set_level("INFO")

    who.get("/issues/WT99-0001")
    who.get("/admin/users")
    small.client().get("/a/secret-token")
    small.program("zhang", "read").post("/api/v1/issues", json={})

    told = [(each.status, each.who, each.path) for each in caplog.records if each.getMessage() == "refused"]  # type: ignore[attr-defined]
    assert told[:3] == [(404, "zhang", "/issues/WT99-0001"), (404, "zhang", "/admin/users"), (410, "", "/a/…")]
    assert not [each for each in caplog.records if each.name.startswith("escalation") and "secret-token" in str(vars(each))]
