"""Every role at every door, for an issue inside and outside its scope: what is outside is not there."""

from datetime import timedelta

import pytest

from escalation.errors import NotFound
from tests.town import at
from tests.web.office import Office, Person
from workflows.actions import ACTIONS

API = "/api/v1"
HARBIN, MUDANJIANG = "HLJ26-001", "HLJ26-003"
#: login -> (whom they act for, sees the issue of Harbin, sees the one of Mudanjiang). Category power: the city's 工信局,
#: then 省电力公司; the projects answer to 省工信厅 and 省商务厅.
SEES: dict[str, tuple[tuple[str, ...], bool, bool]] = {
    "owner": (("PT0001",), True, False),
    "another owner": (("PT0003",), False, True),
    "city coordinator": (("PT0013",), True, False),
    "another city's coordinator": (("PT0015",), False, True),
    "a third city's coordinator": (("PT0014",), False, False),
    "responsible organ": (("PT0033",), True, False),
    "another organ of the city": (("PT0030",), True, False),
    "an organ of another city": (("PT0057",), False, True),
    "department coordinator": (("PT0026",), True, False),
    "another department's coordinator": (("PT0027",), False, True),
    "a department that leads nothing": (("PT0200",), False, False),
    "province office": (("PT0205",), True, True),
    "inspection": (("PT0206",), True, True),
    "sponsor's liaison": (("PT0204",), True, True),
    "sponsoring leader": (("PT0203",), True, True),
    "two hats": (("PT0013", "PT0027"), True, True),
    "city observer": (("OB1",), True, False),
    "department observer": (("OB2",), False, True),
    "province observer": (("OB3",), True, True),
    "nobody": ((), False, False),
    "administrator": ((), True, True),
}


@pytest.fixture
def both(small: Office) -> tuple[Office, str, str]:
    """An office, an issue of Harbin and one of Mudanjiang, both dispatched."""
    small.party("OB1", "observer", "city", city="哈尔滨", organ="哈尔滨观察点")
    small.party("OB2", "observer", "department", organ="省商务厅")
    small.party("OB3", "observer", "province", organ="省政府")
    inside = small.town.dispatched()
    outside = small.town.raise_issue(project=MUDANJIANG, by="PT0003")
    small.town.act(outside, "dispatch", "PT0015")
    return small, inside, outside


def login(name: str) -> str:
    return name.replace(" ", "-").replace("'", "")


def person(office: Office, name: str) -> Person:
    return office.person(login(name), *SEES[name][0], admin=name == "administrator")


@pytest.mark.parametrize("name", SEES)
def test_what_is_outside_is_not_there_by_any_door(both, name: str) -> None:  # type: ignore[no-untyped-def]
    office, *numbers = both
    seen = dict(zip(numbers, SEES[name][1:], strict=True))
    who, program = person(office, name), office.program(login(name), "read", "act")
    before = {number: office.town.facts(number).version for number in numbers}
    for number, visible in seen.items():
        expected = 200 if visible else 404
        doors = [f"/issues/{number}", f"/issues/{number}/changed?version=0"]
        assert {door: who.get(door).status_code for door in doors} == dict.fromkeys(doors, expected)
        routes = [f"{API}/issues/{number}{each}" for each in ("", "/journal", "/explain")]
        assert {route: program.get(route).status_code for route in routes} == dict.fromkeys(routes, expected)
        # a filter, a search and a page of the list know as little
        assert (
            number in who.get(f"/issues?state=all&q={number}").text.replace(f'value="{number}"', "").replace(f"q={number}", "")
        ) is visible
        assert (number in [each["number"] for each in program.get(f"{API}/issues").json()["items"]]) is visible
        for action in ACTIONS:
            if not visible:
                assert who.act(number, action, reason="x").status_code == 404, action
                assert program.post(f"{API}/issues/{number}/actions/{action}", json={"reason": "x"}).status_code == 404, action
    for number, visible in seen.items():
        assert visible or office.town.facts(number).version == before[number]
    assert office.town.verify().ok


@pytest.mark.parametrize("name", [name for name, (_, inside, _) in SEES.items() if inside])
def test_inside_every_action_is_allowed_or_refused_by_the_rules(both, name: str) -> None:  # type: ignore[no-untyped-def]
    """For an issue that they see, the page offers exactly what the rules let them do, and every other try is refused."""
    office, inside, _ = both
    who, program = person(office, name), office.program(login(name), "read", "act")
    offered = {each["action"] for each in program.get(f"{API}/issues/{inside}").json()["actions"]}
    page = who.get(f"/issues/{inside}").text

    assert {action for action in ACTIONS if f'action="/issues/{inside}/actions/{action}"' in page} == offered
    for action in ACTIONS:
        if action not in offered:
            answer = who.act(inside, action, reason="x", until="2026-09-10", to="PT0030")
            assert answer.status_code == (409 if SEES[name][0] else 404), (action, answer.status_code)
    assert office.town.facts(inside).status == "pending_ack"


ADMIN = ("/admin", "/admin/nodes", "/admin/outbox", "/admin/users", "/admin/users/administrator", "/admin/parties", "/admin/parties/PT0013",
         "/admin/categories", "/admin/calendar", "/admin/workflows", "/admin/workflows/provincial@1", "/admin/audit")  # fmt: skip


@pytest.mark.parametrize("name", SEES)
def test_the_administration_is_there_for_administrators_alone(both, name: str) -> None:  # type: ignore[no-untyped-def]
    office, *_ = both
    who = person(office, name)
    admin = name == "administrator"

    assert {path: who.get(path).status_code < 400 for path in ADMIN} == dict.fromkeys(ADMIN, admin)
    for path, fields in (
        ("/admin/outbox/retry", {}),
        ("/admin/users", {"login": "eve", "password": "a long enough one", "is_admin": "1"}),
        ("/admin/users/administrator/active", {"active": "1"}),
        ("/admin/users/eve/parties", {"parties": "PT0013"}),
        ("/admin/users/eve/password", {"password": "another long one"}),
        ("/admin/parties/PT0013", {"email": "eve@example.com", "active": "1"}),
        ("/admin/workflows/provincial@1/activate", {}),
        ("/admin/calendar", {"do": "import", "text": "2027-10-08,放假,国庆节"}),
        ("/admin/aside/retry", {}),
        ("/admin/outbox/drop", {"id": "1"}),
    ):
        assert who.post(path, **fields).status_code == ((200 if path == "/admin/calendar" else 303) if admin else 404), path
    assert ("/admin/users" in who.get("/").text) is admin


@pytest.mark.parametrize("name", SEES)
def test_projects_and_boards_are_within_the_same_bounds(both, name: str) -> None:  # type: ignore[no-untyped-def]
    office, *_ = both
    who, program = person(office, name), office.program(login(name), "read")

    listed = [each["code"] for each in program.get(f"{API}/projects").json()["items"]]
    for code, visible in zip((HARBIN, MUDANJIANG), SEES[name][1:], strict=True):
        assert (code in listed) is visible
        assert who.get(f"/projects/{code}").status_code == (200 if visible else 404)
        assert (f"/projects/{code}" in who.get("/projects").text) is visible
    board = who.get("/board").text
    assert ("哈尔滨" in board) is SEES[name][1]
    assert ("牡丹江" in board) is SEES[name][2]
    suggested = who.get(f"/issues/new/suggest?project={MUDANJIANG}&category=power&title=power").text
    assert ("牡丹江市工信局" in suggested) is SEES[name][2]


def test_nobody_raises_an_issue_for_a_project_that_is_not_theirs(both) -> None:  # type: ignore[no-untyped-def]
    office, *_ = both
    who, program = person(office, "owner"), office.program("owner", "act")
    given = {"category": "power", "severity": "general", "title": "x"}

    assert program.post(f"{API}/issues", json={**given, "project": MUDANJIANG}).status_code == 404
    assert who.post("/issues/new", **given, project=MUDANJIANG, open="1").status_code == 404
    assert program.post(f"{API}/issues", json={**given, "project": HARBIN}).status_code == 201


def test_a_deputy_sees_what_they_stand_in_for_and_only_as_long(both) -> None:  # type: ignore[no-untyped-def]
    from sqlmodel import select

    from escalation.models import PartyRow
    from escalation.world import touch

    office, inside, outside = both
    who = person(office, "a third city's coordinator")
    assert who.get(f"/issues/{outside}").status_code == 404
    with office.store.transaction() as session:
        rows = {row.code: row for row in session.exec(select(PartyRow).where(PartyRow.code.in_(["PT0014", "PT0015"])))}
        rows["PT0015"].deputy_id = rows["PT0014"].id
        rows["PT0015"].deputy_until = (office.town.now + timedelta(days=1)).date()
        touch(session)

    assert who.get(f"/issues/{outside}").status_code == 200
    assert who.get(f"/issues/{inside}").status_code == 404
    assert "urge" in who.get(f"/issues/{outside}").text
    assert who.act(outside, "urge").status_code == 303
    office.town.now = at("2026-09-04 09:00")
    person_again = Person(office.client(), who.login)
    assert person_again.get(f"/issues/{outside}").status_code == 404


def test_an_organ_that_is_asked_sees_the_issue(both) -> None:  # type: ignore[no-untyped-def]
    office, inside, _ = both
    who, other = person(office, "a department that leads nothing"), person(office, "a third city's coordinator")
    assert who.get(f"/issues/{inside}").status_code == 404
    office.town.act(inside, "acknowledge", "PT0033")
    office.town.act(inside, "consult", "PT0033", to="PT0200")

    assert who.get(f"/issues/{inside}").status_code == 200
    assert other.get(f"/issues/{inside}").status_code == 404, "that another was asked shows it to nobody else"
    assert "待答复" in who.get("/").text
    assert who.act(inside, "answer", reason="无意见").status_code == 303
    assert who.get(f"/projects/{HARBIN}").status_code == 404, "the issue, not the project"


def test_the_command_line_is_the_same_door(both) -> None:  # type: ignore[no-untyped-def]
    from escalation.commands import Do
    from escalation.views import Wanted

    office, inside, outside = both
    with pytest.raises(NotFound, match="there is no issue"):
        office.app.act(Do(outside, "urge", "PT0013"), office.town.now)
    with pytest.raises(NotFound, match="there is no issue"):
        office.app.refuse_unseen(outside, "PT0013", office.town.now)
    assert [each["number"] for each in office.app.issues(Wanted(), office.town.now, "PT0013")] == [inside]
    assert {each["number"] for each in office.app.issues(Wanted(), office.town.now)} == {inside, outside}
