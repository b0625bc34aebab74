"""Raising: files, drafts, and what was typed surviving refusals, sessions and conflicts."""

import re
from datetime import timedelta

from tests.town import CITY_COORDINATOR, OWNER
from tests.web.office import PASSWORD, Office, Person

HANDLER = "PT0033"
PHOTO = ("files", ("../现场<b>.png", b"\x89PNG\r\n\x1a\n....", "text/html"))
PROOF = ("files", ("证明.pdf", b"%PDF-1.7 ...", "application/pdf"))
PROGRAM = ("files", ("报告.pdf", b"MZ\x90", "application/pdf"))
GIVEN = {"project": "HLJ26-001", "category": "power", "severity": "major", "title": "缺电", "text": "三相<不>稳"}


def send(who: Person, path: str, files: list[object], **fields: str):  # type: ignore[no-untyped-def]
    return who.client.post(path, data={"csrf": who.csrf, **fields}, files=files)


def kept(page: str) -> list[str]:
    return re.findall(r'name="(keep:[0-9a-f]{64})"', page)


def test_an_issue_is_raised_with_files_that_only_those_who_see_it_get(office: Office) -> None:
    owner, other = office.person("owner", OWNER), office.person("other", "PT0002")

    raised = send(owner, "/issues/new", [PHOTO, PROOF, PHOTO], **GIVEN, open="1")

    assert raised.status_code == 303
    number = raised.headers["location"].split("/")[2].partition("?")[0]
    page = owner.get(f"/issues/{number}").text
    assert "现场_b_.png" in page
    assert "证明.pdf" in page
    got = owner.get(f"/issues/{number}/files/1")
    assert got.content == PHOTO[1][1]
    assert got.headers["content-type"] == "application/octet-stream"
    assert got.headers["content-disposition"].startswith("attachment; filename*=UTF-8''%E7%8E%B0")
    assert got.headers["content-security-policy"].startswith("sandbox")
    assert got.headers["x-content-type-options"] == "nosniff"
    assert owner.get(f"/issues/{number}/files/3").status_code == 404
    assert other.get(f"/issues/{number}/files/1").status_code == 404
    assert office.client().get(f"/issues/{number}/files/1").status_code == 303
    assert office.town.verify().ok


def test_what_was_typed_and_brought_survives_a_refusal(office: Office) -> None:
    owner = office.person("owner", OWNER)

    refused = send(owner, "/issues/new", [PROOF, PROGRAM], **GIVEN, open="1")

    assert refused.status_code == 400
    assert "附件不能收" in refused.text
    assert "三相&lt;不&gt;稳" in refused.text
    assert len(kept(refused.text)) == 1
    again = Person(office.client(), "owner").get("/issues/new").text
    assert "这是您" in again
    assert "三相&lt;不&gt;稳" in again
    raised = send(owner, "/issues/new", [PHOTO], **GIVEN, open="1", **dict.fromkeys(kept(again), "1"))
    number = raised.headers["location"].split("/")[2].partition("?")[0]
    assert {"现场_b_.png", "证明.pdf"} <= set(re.findall(r'download="([^"]+)"', owner.get(f"/issues/{number}").text))
    assert "这是您" not in owner.get("/issues/new").text


def test_a_draft_is_kept_while_it_is_typed_and_shows_what_may_be_the_same(small: Office) -> None:
    owner = small.person("owner", OWNER)
    number = small.town.raise_issue()

    part = owner.client.post("/issues/new/draft", data={"csrf": owner.csrf, **GIVEN}, headers={"HX-Request": "true"})
    assert "草稿已保存" in part.text
    assert owner.post("/issues/new/draft", **GIVEN).status_code == 303
    page = owner.get("/issues/new").text
    assert "三相&lt;不&gt;稳" in page
    assert f"/issues/{number}" in page, "without JavaScript too"
    assert "事权目录“用电”" in page
    assert small.person("second", OWNER).get("/issues/new").text.count("三相") == 0
    assert owner.post("/issues/new/discard").status_code == 303
    assert "三相" not in owner.get("/issues/new").text


def test_what_was_typed_survives_the_end_of_the_session(office: Office) -> None:
    owner, handler = office.person("owner", OWNER), office.person("handler", HANDLER)
    number = office.town.dispatched()
    office.town.act(number, "acknowledge", HANDLER)
    office.town.now += timedelta(hours=13)

    unsaved = owner.client.post("/issues/new/draft", data={"csrf": owner.csrf, **GIVEN}, headers={"HX-Request": "true"})
    assert "data-unsaved" in unsaved.text
    late = send(owner, "/issues/new", [PROOF], **GIVEN, open="1")
    assert late.status_code == 401
    assert "您填写的内容还在" in late.text
    wrong = _log_in(owner, late.text, "wrong")
    assert wrong.status_code == 401
    right = _log_in(owner, wrong.text, PASSWORD)
    assert right.headers["location"] == "/issues/new"
    assert "三相&lt;不&gt;稳" in owner.get("/issues/new").text
    late = handler.act(number, "report_progress", reason="变压器已到货", version="3")
    right = _log_in(handler, late.text, PASSWORD)
    assert right.headers["location"] == f"/issues/{number}?do=report_progress"
    page = handler.get(right.headers["location"]).text
    assert "您上次填写的内容已恢复" in page
    assert ">变压器已到货</textarea>" in page


def _log_in(who: Person, page: str, password: str):  # type: ignore[no-untyped-def]
    import html

    fields = {name: html.unescape(value) for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page)}
    assert "kept" in fields
    return who.client.post("/login", data={**fields, "login": who.login, "password": password})


def test_a_form_of_the_session_before_comes_again_with_a_token_of_this_one(small: Office) -> None:
    owner = small.person("owner", OWNER)
    old = owner.csrf
    owner.enter()

    answer = owner.client.post("/issues/new", data={"csrf": old, **GIVEN, "open": "1"})

    assert answer.status_code == 403
    assert "三相&lt;不&gt;稳" in answer.text
    new = re.search(r'name="csrf" value="([^"]+)"', answer.text)[1]
    assert new != old
    assert owner.client.post("/issues/new", data={"csrf": new, **GIVEN, "open": "1"}).status_code == 303


def test_files_of_an_action_survive_that_somebody_else_was_faster(office: Office) -> None:
    handler, city = office.person("handler", HANDLER), office.person("city", CITY_COORDINATOR)
    number = office.town.dispatched()
    office.town.act(number, "acknowledge", HANDLER)
    seen = str(office.town.facts(number).version)
    city.act(number, "urge", reason="请抓紧")

    late = send(handler, f"/issues/{number}/actions/resolve", [PROOF], reason="已送电", version=seen)

    assert late.status_code == 412
    assert "请抓紧" in late.text
    assert len(kept(late.text)) == 1
    now = re.search(r'name="version" value="(\d+)"', late.text)[1]
    assert handler.act(number, "resolve", reason="已送电", version=now, **dict.fromkeys(kept(late.text), "1")).status_code == 303
    assert "证明.pdf" in handler.get(f"/issues/{number}").text
    assert office.town.verify().ok


def test_a_body_is_no_larger_than_its_files_may_be(small: Office) -> None:
    owner = small.person("owner", OWNER)
    large = ("files", ("大.pdf", b"%PDF-" + bytes(2_000_000), "application/pdf"))

    assert send(owner, "/language", [large]).status_code == 413
    assert send(owner, "/issues/new", [large], **GIVEN, open="1").status_code == 303
    many = [("files", (f"{n}.pdf", b"%PDF-" + bytes([n]), "application/pdf")) for n in range(11)]
    assert send(owner, "/issues/new", many, **GIVEN, open="1").status_code == 400


def test_a_program_brings_files_and_names_them(office: Office) -> None:
    office.user("handler", HANDLER)
    office.user("owner", "PT0002")
    program, other = office.program("handler"), office.program("owner")
    number = office.town.dispatched()
    office.town.act(number, "acknowledge", HANDLER)
    address = f"/api/v1/issues/{number}"

    def bring(name: str, data: bytes):  # type: ignore[no-untyped-def]
        return program.post("/api/v1/files", files={"file": (name, data, "x/y")})

    brought = bring("证明.pdf", b"%PDF-1.7 ...")
    assert brought.status_code == 201
    digest = brought.json()["digest"]
    assert bring("a.exe", b"MZ").json()["code"] == "bad_file"
    done = program.post(f"{address}/actions/report_progress", json={"reason": "变压器已到货", "files": [digest]})
    assert done.status_code == 200, done.text
    assert [(each["name"], each["entry"], each["digest"]) for each in done.json()["files"]] == [("证明.pdf", 4, digest)]
    assert program.get(f"{address}/files/1").content == b"%PDF-1.7 ..."
    assert other.get(f"{address}/files/1").status_code == 404
    again = program.post(f"{address}/actions/report_progress", json={"reason": "变压器已到货", "files": [digest]})
    assert again.status_code == 404, "it is sent"
    raised = other.post("/api/v1/issues", json={**GIVEN, "project": "HLJ26-002", "files": [digest]})
    assert raised.status_code == 404, "it was another's"
