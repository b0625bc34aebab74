"""Pages: the to-do of each, the form that was overtaken keeps what was typed, naughty strings stay text, both languages."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from tests.faults.test_much import longer
from tests.town import CITY_COORDINATOR, DEPARTMENT_COORDINATOR, OFFICE, OWNER
from tests.web.office import Office, Person

HANDLER = "PT0033"


def version(page: str) -> str:
    return re.search(r'name="version" value="(\d+)"', page)[1]


def test_the_to_do_of_each_is_what_waits_for_them(office: Office) -> None:
    people = {
        login: office.person(login, party)
        for login, party in (("owner", OWNER), ("city", CITY_COORDINATOR), ("handler", HANDLER), ("dept", DEPARTMENT_COORDINATOR))
    }

    def waiting() -> dict[str, list[str]]:
        return {login: re.findall(r'<section class="tasks" id="(\w+)"', who.get("/").text) for login, who in people.items()}

    number = office.town.raise_issue(severity="major")
    assert waiting() == {"owner": [], "city": ["intake"], "handler": [], "dept": []}
    assert people["city"].get("/todo/count").text == "1"
    assert people["city"].act(number, "dispatch").status_code == 303
    assert waiting() == {"owner": [], "city": [], "handler": ["acknowledge"], "dept": []}
    assert people["handler"].act(number, "acknowledge").status_code == 303
    assert waiting()["handler"] == ["processing"]
    office.town.now += timedelta(days=11)
    people = {login: Person(office.client(), login) for login in people}
    assert waiting()["handler"] == ["due_soon"]
    office.town.act(number, "request_extension", HANDLER, reason="设备在途", until=office.town.now.date() + timedelta(days=7))
    assert waiting()["city"] == ["decide"]
    office.town.act(number, "approve", CITY_COORDINATOR)
    office.town.act(number, "resolve", HANDLER, reason="已解决")
    assert waiting()["dept"] == ["review"], "nobody reviews what their own organ handled; the stage above does"
    assert waiting()["city"] == []


def test_a_form_that_was_overtaken_says_who_did_what_and_keeps_what_was_typed(office: Office) -> None:
    handler, city = office.person("handler", HANDLER), office.person("city", CITY_COORDINATOR)
    number = office.town.dispatched(severity="major")
    office.town.act(number, "acknowledge", HANDLER)
    page = handler.get(f"/issues/{number}").text
    seen = version(page)
    assert handler.get(f"/issues/{number}/changed?version={seen}").text == ""

    assert city.act(number, "urge", reason="请抓紧").status_code == 303
    told = handler.get(f"/issues/{number}/changed?version={seen}").text
    assert "催办" in told
    assert "哈尔滨市工信局协调员" in told
    late = handler.act(number, "report_progress", version=seen, reason="变压器<已到>货")

    assert late.status_code == 412
    assert "问题刚刚被他人更新" in late.text
    assert "请抓紧" in late.text
    assert "变压器&lt;已到&gt;货" in late.text
    assert office.town.facts(number).version == int(seen) + 1
    again = handler.act(number, "report_progress", version=version(late.text), reason="变压器<已到>货")
    assert again.status_code == 303


def test_two_who_press_the_same_button_at_once(office: Office) -> None:
    """One wins; the other is told who did what, and what they typed is still there."""
    people = [office.person("city", CITY_COORDINATOR), office.person("deputy", CITY_COORDINATOR)]
    number = office.town.raise_issue(severity="major")
    seen = version(people[0].get(f"/issues/{number}").text)
    ready = threading.Barrier(2)

    def press(who: Person) -> Any:
        ready.wait()
        return who.act(number, "dispatch", version=seen, reason=f"由{who.login}交办")

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(press, people))

    (winner, won), (loser, lost) = sorted(zip(people, answers, strict=True), key=lambda pair: pair[1].status_code)
    assert (won.status_code, lost.status_code) == (303, 412)
    assert "问题刚刚被他人更新" in lost.text
    assert f"由{winner.login}交办" in lost.text
    assert f"由{loser.login}交办" in lost.text
    assert office.town.facts(number).version == int(seen) + 1
    assert office.town.verify().ok


def test_what_became_impossible_meanwhile_still_shows_what_was_typed(office: Office) -> None:
    handler, city = office.person("handler", HANDLER), office.person("city", CITY_COORDINATOR)
    number = office.town.dispatched(severity="major")
    office.town.act(number, "acknowledge", HANDLER)
    seen = version(handler.get(f"/issues/{number}").text)
    city.act(number, "reassign", to="PT0030", reason="应由住建局办理")

    late = handler.act(number, "resolve", version=seen, reason="我们已经解决了")

    assert late.status_code == 412
    assert "现在已不能再这样办理" in late.text
    assert "我们已经解决了" in late.text
    assert "应由住建局办理" in late.text


def test_a_refusal_is_said_beside_the_form(small: Office) -> None:
    handler = small.person("handler", HANDLER)
    number = small.town.dispatched(severity="major")
    small.town.act(number, "acknowledge", HANDLER)

    refused = handler.act(number, "request_extension", reason="要等设备", until="2027-09-01")

    assert refused.status_code == 409
    assert "日期不符合规定" in refused.text
    assert "要等设备" in refused.text
    assert 'value="2027-09-01"' in refused.text


def test_a_no_is_said_in_the_language_of_who_reads_it(small: Office) -> None:
    """The sentence of the rule and what it names; the page has no other language in it."""
    number = small.town.dispatched()
    small.town.act(number, "acknowledge", "PT0033")
    wanted = {"reason": "设备晚到", "until": "2027-06-01"}
    chinese = small.person("li", "PT0033").act(number, "request_extension", **wanted)
    assert chinese.status_code == 409
    assert re.search("新时限须晚于原时限，最迟到2026年\\d+月\\d+日", chinese.text)
    assert 'span lang="en"' not in chinese.text
    english = small.person("lee", "PT0033", language="en").act(number, "request_extension", **wanted)
    assert "the new deadline lies after the old one and by 2026-" in english.text


def test_what_is_not_possible_says_why(small: Office) -> None:
    handler = small.person("handler", HANDLER)
    number = small.town.dispatched(severity="urgent")
    small.town.act(number, "acknowledge", HANDLER)
    small.town.now += timedelta(days=7)

    page = Person(small.client(), "handler").get(f"/issues/{number}").text

    why = page[page.index('class="why"') :]
    assert "申请延期" in why
    assert "已过规定的时间" in why
    assert f'action="/issues/{number}/actions/request_extension"' not in page
    assert handler.login


def test_raising_shows_who_is_competent_and_what_may_be_the_same(office: Office) -> None:
    owner = office.person("owner", OWNER)
    other = office.town.raise_issue()

    told = owner.get("/issues/new/suggest?project=HLJ26-001&category=power&title=power is stuck again").text
    assert "哈尔滨市工信局" in told
    assert "省电力公司" in told
    assert f"/issues/{other}" in told
    given = {"project": "HLJ26-001", "category": "power", "severity": "major", "title": "缺电", "text": "三相不稳"}
    unsaid = owner.post("/issues/new", **given)
    assert unsaid.status_code == 400
    assert "三相不稳" in unsaid.text
    raised = owner.post("/issues/new", **given, open="1")
    assert raised.status_code == 303
    assert "三相不稳" in owner.get(raised.headers["location"]).text


def test_every_page_in_english_and_in_chinese(small: Office) -> None:
    who = small.person("boss", OFFICE, admin=True)
    number = small.town.dispatched()
    pages = ("/", "/issues", f"/issues/{number}", "/issues/new", "/account", "/board", "/charts", "/projects", "/projects/HLJ26-001", "/summaries",
             "/admin/nodes", "/admin/outbox", "/admin/users", "/admin/users/boss", "/admin/parties", "/admin/parties/PT0013",
             "/admin/categories", "/admin/calendar", "/admin/workflows", "/admin/workflows/provincial@1", "/admin/audit")  # fmt: skip

    for page in pages:
        assert 'lang="zh-CN"' in who.get(page).text
    assert who.post("/language", language="en", next="//evil.test").headers["location"] == "/"
    for page in pages:
        text = who.get(page).text
        assert 'lang="en"' in text
        assert "我的待办" not in text
        assert "办结时限" not in text
    assert who.get("/nothing").status_code == 404


def test_an_archived_issue_is_shown_and_offers_nothing(office: Office) -> None:
    from escalation.archive import Ages, put_away

    who = office.person("office", OFFICE)
    number = office.town.raise_issue()
    office.town.act(number, "reject", CITY_COORDINATOR, reason="不属于项目问题")
    office.town.now += timedelta(days=200)
    with office.store.transaction() as session:
        stored = put_away(session, office.town.worlds.read(session), Ages(timedelta(days=100), None), office.town.now)
    assert stored.issues == 1

    page = Person(office.client(), who.login).get(f"/issues/{number}")

    assert page.status_code == 200
    assert "不属于项目问题" in page.text
    assert f'action="/issues/{number}' not in page.text


def test_an_administrator_looks_after_users_and_mails(office: Office) -> None:
    boss = office.person("boss", admin=True)

    made = boss.post("/admin/users", login="wang", name="王五", parties="PT0013，省专班办公室", password="a long enough one")
    assert made.status_code == 303
    assert "王五" in boss.get("/admin/users").text
    taken = boss.post("/admin/users", login="wang", parties="", password="a long enough one")
    assert taken.status_code == 400
    unknown = boss.post("/admin/users", login="zhao", parties="没有这个单位", password="a long enough one")
    assert unknown.status_code == 404
    assert "zhao" in unknown.text
    assert "a long enough one" not in unknown.text
    assert boss.post("/admin/users/wang/active", active="0").status_code == 303
    assert "停用用户" in boss.get("/admin/audit?about=changes").text
    office.town.raise_issue()
    assert boss.post("/admin/outbox/retry").headers["location"] == "/admin/outbox?done=0"
    assert boss.get("/admin/outbox?state=queued").text.count("<tr>") >= 2


def test_a_journal_without_end_comes_a_part_at_a_time(office: Office) -> None:
    handler = office.person("handler", HANDLER)
    number = office.town.dispatched(severity="major")
    office.town.act(number, "acknowledge", HANDLER)
    office.town.act(number, "report_progress", HANDLER, reason="已开会")
    longer(office.store, number, 1_500)

    def shown(page: str) -> int:
        return len(re.findall("<li", re.search(r'class="timeline">(.*?)</ol>', page, re.S)[1]))

    page = handler.get(f"/issues/{number}").text
    earlier = re.search(rf'href="(/issues/{number}\?before=(\d+))#h-log"', page)
    last = office.town.facts(number).version
    assert (shown(page), int(earlier[2])) == (100, last - 99)
    page = handler.get(earlier[1]).text
    assert shown(page) == 100
    assert f'href="/issues/{number}#h-log"' in page
    assert handler.get(f"/issues/{number}?before={2**31 - 1}").status_code == 200
    assert handler.get(f"/issues/{number}?before={2**31}").status_code == 400, "no integer of PostgreSQL's"
    first = handler.get(f"/issues/{number}?before=4").text
    assert shown(first) == 3
    assert "before=" not in first
    assert handler.act(number, "report_progress", version=str(last), reason="继续").status_code == 303

    client = office.api("owner", OWNER)
    assert len(client.issue(number)["journal"]) == 200
    assert [each["seq"] for each in client.journal(number)] == list(range(1, last + 2))
