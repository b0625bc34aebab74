"""The REST API: every answer as described, a POST done once, nobody acts on what they have not seen, problems for programs."""

import threading

import pytest
from starlette.testclient import TestClient

from escalation.client import Client, Issue
from tests.town import CITY_COORDINATOR, OFFICE, OWNER
from tests.web.office import Office

HANDLER = "PT0033"
API = "/api/v1"


@pytest.fixture
def city(office: Office) -> TestClient:
    office.user("city", CITY_COORDINATOR)
    return office.program("city")


def test_an_issue_from_raising_to_closing(office: Office) -> None:
    owner, city, handler, department = (
        office.api(login, party)
        for login, party in (("owner", OWNER), ("city", CITY_COORDINATOR), ("handler", HANDLER), ("dept", "PT0026"))
    )
    raised = owner.raise_issue("HLJ26-001", "power", "urgent", "缺电", text="两台新炉不能通电")
    number = raised["number"]
    assert raised["why"]

    def act(client: Client, action: str, reason: str = "") -> Issue:
        seen = client.issue(number)["issue"]["version"]
        done = client.act(number, action, reason=reason, version=seen)["issue"]
        assert done["version"] == seen + 1
        return done

    assert act(city, "dispatch")["status"] == "pending_ack"
    assert act(handler, "acknowledge")["status"] == "processing"
    assert act(handler, "report_progress", reason="变压器已到货")["progress_note"] == "变压器已到货"
    assert act(handler, "resolve", reason="已送电")["status"] == "pending_review"
    assert act(department, "return_for_rework", reason="只送了一台")["status"] == "processing"
    assert act(handler, "resolve", reason="两台均已送电")["status"] == "pending_review"
    assert act(department, "close")["status"] == "closed"

    assert [each["action"] for each in owner.journal(number)][-3:] == ["return_for_rework", "resolve", "close"]
    assert owner.explain(number)["because"]
    assert office.town.verify().ok


def test_the_same_post_twice_is_done_once_and_answers_the_same(office: Office, city: TestClient) -> None:
    number = office.town.raise_issue()
    path, key = f"{API}/issues/{number}/actions/dispatch", {"Idempotency-Key": "a-key"}

    first = city.post(path, json={"reason": "请办"}, headers=key)
    assert first.headers["etag"] == f'"{first.json()["issue"]["version"]}"'
    again = city.post(path, json={"reason": "请办"}, headers=key)

    assert (first.status_code, again.status_code) == (200, 200)
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert office.town.facts(number).version == 2
    other = city.post(path, json={"reason": "别的"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")
    elsewhere = city.post(f"{API}/issues/{number}/actions/urge", json={"reason": "请办"}, headers=key)
    assert elsewhere.status_code == 422


def test_a_raised_issue_is_raised_once_however_many_ask_at_the_same_time(office: Office) -> None:
    office.user("owner", OWNER)
    body = {"project": "HLJ26-001", "category": "power", "severity": "general", "title": "同时"}
    answers = []

    def post() -> None:
        answers.append(office.program("owner").post(f"{API}/issues", json=body, headers={"Idempotency-Key": "one"}))

    threads = [threading.Thread(target=post) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [answer.status_code for answer in answers] == [201] * 4
    assert len({answer.json()["number"] for answer in answers}) == 1
    assert {answer.headers["location"] for answer in answers} == {f"{API}/issues/{answers[0].json()['number']}"}
    assert len(office.program("owner").get(f"{API}/issues").json()["items"]) == 1


def test_a_refusal_leaves_the_key_free(office: Office, city: TestClient) -> None:
    number = office.town.raise_issue()
    key = {"Idempotency-Key": "b-key"}

    assert city.post(f"{API}/issues/{number}/actions/reject", json={}, headers=key).status_code == 409
    assert city.post(f"{API}/issues/{number}/actions/reject", json={"reason": "不属于项目问题"}, headers=key).status_code == 200


def test_nobody_acts_on_what_they_have_not_seen(office: Office, city: TestClient) -> None:
    number = office.town.raise_issue()
    seen = city.get(f"{API}/issues/{number}").headers["etag"]
    office.town.act(number, "urge", OWNER)

    late = city.post(f"{API}/issues/{number}/actions/dispatch", json={}, headers={"If-Match": seen})

    assert (late.status_code, late.json()["code"]) == (412, "conflict")
    assert office.town.facts(number).status == "pending_intake"
    assert city.post(f"{API}/issues/{number}/actions/dispatch", json={}, headers={"If-Match": "*"}).status_code == 200
    assert city.post(f"{API}/issues/{number}/actions/urge", json={}, headers={"If-Match": "x"}).status_code == 400


def test_of_two_who_press_at_once_one_wins(office: Office) -> None:
    for login in ("a", "b"):
        office.user(login, CITY_COORDINATOR)
    number = office.town.raise_issue()
    etag = office.program("a").get(f"{API}/issues/{number}").headers["etag"]
    barrier, answers = threading.Barrier(2), []

    def press(login: str) -> None:
        client = office.program(login)
        barrier.wait()
        answers.append(client.post(f"{API}/issues/{number}/actions/dispatch", json={}, headers={"If-Match": etag}).status_code)

    threads = [threading.Thread(target=press, args=(login,)) for login in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(answers) == [200, 412]
    assert office.town.facts(number).version == 2


def test_a_list_is_paged_without_gaps_and_without_repeats(office: Office) -> None:
    office.user("office", OFFICE)
    numbers = {office.town.raise_issue(severity=severity) for severity in ("general", "major", "urgent") for _ in range(5)}
    client = office.program("office")

    for sort in ("worst", "due", "-due", "number", "-number", "raised", "-changed"):
        found, cursor = [], ""
        while True:
            page = client.get(f"{API}/issues", params={"limit": 4, "sort": sort, "cursor": cursor}).json()
            found += [each["number"] for each in page["items"]]
            cursor = page["next"]
            if cursor is None:
                break
        assert len(found) == 15
        assert set(found) == numbers, sort
    assert client.get(f"{API}/issues", params={"sort": "due", "cursor": "x"}).status_code == 400
    number_cursor = client.get(f"{API}/issues", params={"limit": 4, "sort": "number"}).json()["next"]
    assert client.get(f"{API}/issues", params={"sort": "due", "cursor": number_cursor}).status_code == 400


def test_the_lights_of_the_database_are_those_of_the_rules(office: Office) -> None:
    """A filter is a condition in SQL; the light of a row is worked out by the rules. They never differ, day or night."""
    from datetime import timedelta

    office.user("office", OFFICE)
    client = office.program("office")
    for severity in ("general", "major", "urgent"):
        for _ in range(2):
            office.town.raise_issue(severity=severity)
        office.town.dispatched(severity=severity)
        number = office.town.dispatched(severity=severity)
        office.town.act(number, "acknowledge", HANDLER)
        if severity == "major":
            office.town.act(number, "resolve", HANDLER, reason="已解决")

    for _ in range(34):
        office.town.now += timedelta(hours=13)
        everything = client.get(f"{API}/issues", params={"limit": 200}).json()["items"]
        for light in ("red", "yellow", "green"):
            filtered = client.get(f"{API}/issues", params={"limit": 200, "light": light}).json()["items"]
            assert {each["number"] for each in filtered} == {e["number"] for e in everything if e["light"] == light}
        overdue = client.get(f"{API}/issues", params={"limit": 200, "overdue": True}).json()["items"]
        assert {each["number"] for each in overdue} == {each["number"] for each in everything if each["overdue"]}


def test_a_search_finds_chinese_and_takes_every_character_as_it_is(office: Office) -> None:
    office.user("office", OFFICE)
    client = office.program("office")
    first = client.post(
        f"{API}/issues", json={"project": "HLJ26-001", "category": "power", "severity": "major", "title": "100%_变压器\\容量"}
    ).json()["number"]
    office.town.raise_issue()

    for q, count in (
        ("变压器", 1),
        ("100%_", 1),
        ("%", 1),
        ("_", 1),
        ("\\", 1),
        (first.lower(), 1),
        ("HLJ26-001", 2),
        ("没有", 0),
    ):
        found = client.get(f"{API}/issues", params={"q": q}).json()["items"]
        assert len(found) == count, q
    for naughty in ("'; DROP TABLE issue; --", "\u202e", "🚇" * 50, "<script>"):
        assert client.get(f"{API}/issues", params={"q": naughty}).status_code == 200


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/issues?light=blue", 400, "usage"),
        ("/issues?stage=moon", 400, "usage"),
        ("/issues?limit=0", 422, "invalid"),
        ("/issues/WT99-9999", 404, "not_found"),
        ("/issues/WT99-9999/journal", 404, "not_found"),
        ("/nothing", 404, "http"),
        ("/summaries/hourly", 422, "invalid"),
    ],
)
def test_every_mistake_is_a_problem_that_names_itself(small: Office, path: str, status: int, code: str) -> None:
    small.user("city", CITY_COORDINATOR)

    answer = small.program("city").get(API + path)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["status"], problem["code"], problem["type"]) == (status, code, f"urn:escalation:{code}")
    assert problem["detail"]


def test_a_refusal_says_what_is_allowed(small: Office) -> None:
    small.user("city", CITY_COORDINATOR)
    number = small.town.raise_issue()

    refused = small.program("city").post(f"{API}/issues/{number}/actions/close", json={})

    assert refused.status_code == 409
    assert refused.json()["code"] == "wrong_state"
    assert "dispatch" in refused.json()["allowed"]


def test_a_token_is_good_for_its_scopes_and_its_time(small: Office) -> None:
    from datetime import timedelta

    from escalation.users import tokens

    small.user("city", CITY_COORDINATOR)
    number = small.town.raise_issue()
    reader = small.program("city", "read")
    assert reader.get(f"{API}/issues/{number}").status_code == 200
    refused = reader.post(f"{API}/issues/{number}/actions/dispatch", json={})
    assert (refused.status_code, refused.json()["code"]) == (403, "scope")
    assert small.client().get(f"{API}/issues").status_code == 401
    assert small.client().get(f"{API}/issues", headers={"Authorization": "Bearer esc_wrong"}).status_code == 401
    with small.store.transaction() as session:
        short = tokens.make(session, small.town.now, "city", "t", ["read"], small.town.now + timedelta(days=1))
        gone = tokens.make(session, small.town.now, "city", "u", ["read"], None)
        session.flush()
        tokens.revoke(session, small.town.now, max(row["id"] for row in tokens.listing(session)))
    headers = {"Authorization": f"Bearer {short}"}
    assert small.client().get(f"{API}/issues", headers=headers).status_code == 200
    assert small.client().get(f"{API}/issues", headers={"Authorization": f"Bearer {gone}"}).status_code == 401
    small.town.now += timedelta(days=1)
    assert small.client().get(f"{API}/issues", headers=headers).status_code == 401


def test_a_cookie_is_no_key_to_the_api_and_a_token_none_to_the_pages(small: Office) -> None:
    person = small.person("city", CITY_COORDINATOR)

    assert person.get(f"{API}/issues").status_code == 401
    assert small.program("city").get("/issues").status_code == 303


def test_nobody_acts_as_a_party_that_is_not_theirs(small: Office) -> None:
    small.user("city", CITY_COORDINATOR)
    number = small.town.dispatched()
    client = small.program("city")

    assert client.post(f"{API}/issues/{number}/actions/acknowledge", json={"as": HANDLER}).status_code == 404
    assert client.post(f"{API}/issues/{number}/actions/urge", json={"party": HANDLER}).status_code == 422
    assert small.town.facts(number).status == "pending_ack"


def test_the_description_names_every_route_of_the_contract(small: Office) -> None:
    told = small.client().get("/api/openapi.json").json()

    for path, method in (
        ("/issues", "post"), ("/issues", "get"), ("/issues/{number}", "get"), ("/issues/{number}/actions/{action}", "post"),
        ("/issues/{number}/journal", "get"), ("/issues/{number}/explain", "get"), ("/projects", "get"),
        ("/summaries/{kind}", "get"), ("/health/live", "get"), ("/health/ready", "get"), ("/metrics", "get"),
    ):  # fmt: skip
        assert method in told["paths"][API + path], path
    assert not any(path.startswith("/admin") or path == "/" for path in told["paths"])


def test_projects_summaries_and_health(office: Office, city: TestClient) -> None:
    office.town.dispatched(severity="urgent")

    projects = city.get(f"{API}/projects").json()["items"]
    assert {each["city"] for each in projects} == {"哈尔滨"}
    assert next(each for each in projects if each["code"] == "HLJ26-001")["open"] == 1
    told = city.get(f"{API}/summaries/weekly").json()
    assert told["scope"] == "哈尔滨市"
    client = office.client()
    assert client.get("/health/live").json() == {"live": True}
    assert client.get("/health/ready").json() == {"ready": True, "wrong": {}}
    assert "escalation_issues_open" in client.get("/metrics").text


def test_a_text_with_a_nul_is_refused_at_every_door(office: Office) -> None:
    person, number = office.person("city", CITY_COORDINATOR), office.town.raise_issue()
    program = office.program("city")

    assert program.get(f"{API}/issues?q=%00").status_code == 400
    assert program.get(f"{API}/issues/%00").status_code == 400
    assert program.post(f"{API}/issues/{number}/actions/urge", json={"reason": "a\x00b"}).status_code == 422
    assert program.post(f"{API}/issues/{number}/actions/urge", content=b'{"reason": "a\\ud800b"}').status_code == 422
    assert person.act(number, "urge", reason="a\x00b").status_code == 303
    assert office.app.show(number, office.town.now)["journal"][-1]["reason"] == "ab"


def test_a_mistake_of_the_program_is_one_sentence(small: Office) -> None:
    def broken() -> None:
        raise RuntimeError("secret detail")

    small.web.add_api_route("/broken", broken)
    small.web.add_api_route("/api/broken", broken)
    client = TestClient(small.web, raise_server_exceptions=False)

    page, problem = client.get("/broken"), client.get("/api/broken")

    assert (page.status_code, problem.status_code) == (500, 500)
    assert "secret detail" not in page.text + problem.text
    assert "程序出错了" in page.text
    assert problem.json()["code"] == "internal"


@pytest.mark.parametrize("until", ["9999-12-31", "0001-01-01", "2027-09-01"])
def test_no_date_however_far_breaks_an_action(small: Office, until: str) -> None:
    from workflows.actions import ACTIONS

    small.user("two", CITY_COORDINATOR, HANDLER)
    client = small.program("two")
    for action in ACTIONS:
        number = small.town.dispatched()
        small.town.act(number, "acknowledge", HANDLER)
        given = {"until": until, "reason": "law_case: x", "to": "PT0030", "note": "x"}
        answer = client.post(f"{API}/issues/{number}/actions/{action}", json=given)
        assert answer.status_code in (200, 400, 404, 409), (action, answer.text)
        assert client.get(f"{API}/issues/{number}").status_code == 200


def test_cursors_of_somebody_s_own_making_are_refused(office: Office) -> None:
    import base64
    import json

    office.user("office", OFFICE)
    client = office.program("office")
    made = [
        ["due", "2026-01-01T00:00:00+00:00", 10**30], ["due", "0001-01-01T00:00:00+14:00", 1], ["due", "2026-01-01T00:00:00", 1],
        ["number", "a\x00", 1], ["due", None, 1], ["due"], {}, [["due"], "x", 1], ["due", "2026-01-01T00:00:00+00:00", True],
    ]  # fmt: skip
    for told in made[:-1]:
        cursor = base64.urlsafe_b64encode(json.dumps(told).encode()).decode().rstrip("=")
        sort = told[0] if isinstance(told, list) and isinstance(told[0], str) else "due"
        assert client.get(f"{API}/issues", params={"sort": sort, "cursor": cursor}).status_code == 400, told
