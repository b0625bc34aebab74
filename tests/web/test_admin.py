"""The administration by its pages: looked at first, then changed, refused with what was typed, on record."""

import re
from html import unescape

from tests.web.office import Office
from workflows.loading import source_of

HANDLER = "PT0033"
SECOND = source_of("provincial").replace("version = 1", "version = 2").replace('major = "10wd"', 'major = "8wd"', 1)


def test_a_deputy_is_entered_and_acts(office: Office) -> None:
    boss, deputy = office.person("boss", admin=True), office.person("deputy", "PT0030")
    number = office.town.dispatched()

    wrong = boss.post(f"/admin/parties/{HANDLER}", email="no <address>", deputy="PT0030", active="1")
    assert wrong.status_code == 400
    assert 'value="no &lt;address&gt;"' in wrong.text
    given = {
        "email": "a@example.com",
        "deputy": "PT0030",
        "deputy_from": "2026-09-01",
        "deputy_until": "2026-09-03",
        "active": "1",
    }
    assert boss.post(f"/admin/parties/{HANDLER}", **given).headers["location"].endswith("done=changed")
    assert boss.post(f"/admin/parties/{HANDLER}", **given).headers["location"].endswith("done=same")

    page = boss.get(f"/admin/parties/{HANDLER}").text
    assert "代理人正在代办" in page
    assert "→ a@example.com" in page
    assert "1 件由其牵头或负责" in page
    assert deputy.act(number, "acknowledge").status_code == 303
    assert HANDLER in boss.get("/admin/parties?q=a@example.com").text
    assert "没有找到单位" in boss.get("/admin/parties?q=nowhere").text


def test_a_version_is_checked_compared_and_activated_for_new_issues(office: Office) -> None:
    boss, number = office.person("boss", admin=True), office.town.raise_issue()

    wrong = boss.post("/admin/workflows/check", source=SECOND.replace('review = "2wd"', 'review = "<b>"', 1))
    assert "不能启用" in wrong.text
    assert "<b>&#34;" not in wrong.text
    looked = boss.post("/admin/workflows/check", source=SECOND.replace("\n", "\r\n")).text
    assert "stages.city.resolve.major" in looked
    assert "<del>10wd</del>" in looked
    assert office.town.look(lambda s, w: w.active) == "provincial@1", "a look changes nothing"
    source = unescape(re.search(r"<textarea name=\"source\" hidden[^>]*>(.*?)</textarea>", looked, re.DOTALL)[1])
    assert boss.post("/admin/workflows", source=source).headers["location"] == "/admin/workflows?done=provincial@2"

    assert office.town.facts(number).workflow == "provincial@1"
    assert office.town.facts(office.town.raise_issue()).workflow == "provincial@2"
    assert "<ins>10wd</ins>" in boss.get("/admin/workflows/provincial@1").text
    assert boss.post("/admin/workflows/provincial@1/activate").status_code == 303
    assert boss.post("/admin/workflows/provincial@9/activate").status_code == 404
    assert boss.get("/admin/audit?about=changes").text.count("启用流程版本") == 2


def test_a_notice_is_looked_at_before_it_is_imported(office: Office) -> None:
    boss, number = office.person("boss", admin=True), office.town.dispatched()
    before = office.town.facts(number).due_at
    notice = {"text": "2026-09-07,放假,测试\n", "source": "通知"}

    assert boss.post("/admin/calendar", text="2026-13-01,放假").status_code == 400
    looked = boss.post("/admin/calendar", **notice)
    assert "将有 1 件问题的时限变动" in looked.text
    assert f'href="/issues/{number}"' in looked.text
    assert office.town.facts(number).due_at == before
    done = boss.post("/admin/calendar", **notice, do="import")
    assert "已导入 1 天，1 件问题的时限重新计算" in done.text
    assert office.town.facts(number).due_at > before
    assert 'class="d-off"' in boss.get("/admin/calendar?year=2026").text
    assert "通知: 1 days" in boss.get("/admin/audit").text


def test_a_user_gets_other_parties_and_a_password_and_loses_a_token(office: Office) -> None:
    boss, li = office.person("boss", admin=True), office.person("li", "PT0030")
    program = office.program("li", "read")

    assert boss.post("/admin/users/li/parties", parties="没有这个").status_code == 404
    assert boss.post("/admin/users/li/parties", parties="PT0033，PT0013").status_code == 303
    assert "哈尔滨市工信局" in li.get("/").text
    assert boss.post("/admin/users/li/password", password="short").status_code == 400
    assert boss.post("/admin/users/li/password", password="a long enough one").status_code == 303
    assert li.get("/").status_code == 303, "a new password ends every session"
    assert program.get("/api/v1/issues").status_code == 200
    assert boss.post("/admin/users/li/tokens/revoke", id="1").status_code == 303
    assert program.get("/api/v1/issues").status_code == 401
    page = boss.get("/admin/users/li").text
    assert "已撤销" in page
    assert "a long enough one" not in page + boss.get("/admin/audit").text


def test_a_failed_mail_is_dropped_with_a_reason(office: Office) -> None:
    boss = office.person("boss", admin=True)
    office.town.raise_issue()
    number = re.search(r'name="id" value="(\d+)"', boss.get("/admin/outbox?state=queued").text)[1]

    assert boss.post("/admin/outbox/drop", id=number, reason="地址有误").headers["location"].endswith("done=1")
    assert "boss: 地址有误" in boss.get("/admin/outbox?state=obsolete").text
    assert boss.post("/admin/outbox/drop").headers["location"].endswith("done=0"), "nothing is named, nothing is dropped"


def test_forms_of_the_administration_need_their_token(small: Office) -> None:
    boss = small.person("boss", admin=True)
    paths = ("/admin/parties/PT0033", "/admin/workflows", "/admin/workflows/check", "/admin/calendar", "/admin/aside/retry",
             "/admin/outbox/drop", "/admin/users/boss/password", "/admin/users/boss/parties", "/admin/users/boss/tokens/revoke",
             "/admin/workflows/provincial@1/activate")  # fmt: skip
    for path in paths:
        assert boss.client.post(path, data={"csrf": "x"}).status_code == 403, path
