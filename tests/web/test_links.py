"""What a link in a mail opens: nothing happens until somebody presses the button, and then once, for the party it was sent to."""

from datetime import timedelta
from pathlib import Path

import pytest

from escalation import approvals
from escalation.config import LinkSettings
from escalation.links import Claim
from tests.town import CITY_COORDINATOR, OFFICE
from tests.web.office import Office

HANDLER = "PT0033"
WORDS = "供电方案已送审，预计下周三批复"


def link(office: Office, number: str, action: str, party: str = HANDLER, days: int = 14) -> str:
    now = office.town.now
    claim = Claim(number, action, party, now + timedelta(days=days), "key")
    return office.app.links.signer(now).link(claim)


def test_a_scanner_that_follows_it_changes_nothing(office: Office) -> None:
    number = office.town.dispatched()
    before, path = office.town.facts(number), link(office, number, "acknowledge")
    scanner = office.client()
    for method in ("GET", "HEAD", "GET"):
        answer = scanner.request(method, path, headers={"Sec-Purpose": "prefetch", "Sec-Fetch-Site": "none"})
        assert answer.status_code == 200
    assert office.town.facts(number) == before
    assert "签收" in scanner.get(path).text
    assert scanner.get(path).headers["cache-control"] == "no-store"


def test_pressing_the_button_acts_once_without_a_login(office: Office) -> None:
    number = office.town.dispatched()
    path, phone = link(office, number, "acknowledge"), office.client()
    assert "已办理" in phone.post(path).text
    assert office.town.facts(number).status == "processing"
    again = phone.post(path)
    assert again.status_code == 410
    assert "链接已使用过" in again.text
    assert phone.get(path).status_code == 410


def test_what_was_typed_stays_when_it_is_refused(office: Office) -> None:
    number = office.town.dispatched()
    office.town.act(number, "acknowledge", HANDLER)
    path, phone = link(office, number, "request_extension"), office.client()
    too_far = phone.post(path, data={"until": "2027-09-01", "reason": "设备<在途>"})
    assert too_far.status_code in (400, 409)
    assert "设备&lt;在途&gt;" in too_far.text
    nonsense = phone.post(path, data={"until": "next week", "reason": WORDS})
    assert nonsense.status_code == 400
    progress = link(office, number, "report_progress")
    assert "已办理" in phone.post(progress, data={"reason": WORDS}).text


@pytest.mark.parametrize(("spoil", "said"), [(lambda token: token[:-3] + "abc", "链接无效"), (lambda token: "x", "链接无效")])
def test_one_that_was_tampered_with(office: Office, spoil, said) -> None:  # type: ignore[no-untyped-def]
    number = office.town.dispatched()
    token = link(office, number, "acknowledge").rpartition("/")[2]
    for answer in (office.client().get(f"/a/{spoil(token)}"), office.client().post(f"/a/{spoil(token)}")):
        assert answer.status_code == 410
        assert said in answer.text
    assert office.town.facts(number).status == "pending_ack"


def test_one_that_has_run_out_says_so_and_offers_the_way_in(office: Office) -> None:
    number = office.town.dispatched()
    path = link(office, number, "acknowledge", days=1)
    office.town.now += timedelta(days=1, seconds=1)
    for answer in (office.client().get(path), office.client().post(path)):
        assert answer.status_code == 410
        assert "链接已过期" in answer.text
        assert 'href="/"' in answer.text


def test_another_person_who_is_logged_in_is_refused(office: Office) -> None:
    number = office.town.dispatched()
    other, mine = office.person("city", CITY_COORDINATOR), office.person("handler", HANDLER)
    path = link(office, number, "acknowledge")
    assert other.get(path).status_code == 404
    assert other.client.post(path).status_code == 404
    assert office.town.facts(number).status == "pending_ack"
    assert mine.get(path).status_code == 200


def test_another_site_cannot_press_it(office: Office) -> None:
    number = office.town.dispatched()
    answer = office.client().post(link(office, number, "acknowledge"), headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert office.town.facts(number).status == "pending_ack"


def test_where_a_login_is_wanted_the_link_alone_is_not_enough(store, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    office = Office(store, tmp_path)
    asked = LinkSettings(without_login=False)
    office.app.settings = office.app.settings.model_copy(update={"links": asked})
    number = office.town.dispatched()
    path = link(office, number, "acknowledge")
    answer = office.client().get(path)
    assert (answer.status_code, answer.headers["location"][:12]) == (303, "/login?next=")
    assert office.client().post(path).status_code == 303
    assert office.town.facts(number).status == "pending_ack"
    assert office.person("handler", HANDLER).get(path).status_code == 200


def test_the_office_reads_and_approves_a_letter_and_nobody_else_sees_the_page(office: Office) -> None:
    number = office.town.dispatched(severity="urgent")
    for day in office.town.days(60):
        office.town.sweep(day)
        if office.town.facts(number).letters:
            break
    chief, city = office.person("chief", OFFICE), office.person("city", CITY_COORDINATOR)
    assert city.get("/admin/approvals").status_code == 404
    assert "/admin/approvals" not in city.get("/summaries").text
    assert "/admin/approvals" in chief.get("/summaries").text
    page = chief.get("/admin/approvals").text
    assert f"letter:{number}:1" in page
    assert "督办函" in page
    assert chief.post("/admin/approvals/approve", name=f"letter:{number}:1").status_code == 303
    assert office.app.look(lambda session, world: approvals.waiting(session)) == []
    assert "没有待签发的文稿" in chief.get("/admin/approvals").text
