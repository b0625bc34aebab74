"""Naughty texts through every door that takes a text: they stay texts, nothing breaks, nothing runs."""

import io
import re
from urllib.parse import quote

from openpyxl import load_workbook
from selectolax.lexbor import LexborHTMLParser

from escalation.filekinds import fit_name
from tests.naughty import ALL
from tests.town import OFFICE, OWNER
from tests.web.office import Office

#: Nothing of these is in a page of ours, but in its head.
FOREIGN = "script:not([src]), img, iframe, object, embed, style, base, a[href^='javascript:']"


def quiet(page: str) -> None:
    """Only our own elements are on the page, and nothing in it is run."""
    tree = LexborHTMLParser(page)
    assert [each.html for each in tree.css(FOREIGN)] == []
    handlers = [each.tag for each in tree.css("body *") if any(name.startswith("on") for name in each.attributes)]
    assert handlers == []
    assert "7049" not in page, "a template in a text was reckoned out"


def test_naughty_texts_stay_texts_at_every_door(small: Office) -> None:
    """Each is raised, shown and searched for; the other doors take turns."""
    owner, boss = small.person("owner", OWNER), small.person("office", OFFICE, admin=True)
    program = small.program("owner")
    base = {"project": "HLJ26-001", "category": "power", "severity": "major"}
    titles: dict[str, str] = {}
    for place, text in enumerate(ALL):
        clean = text.replace("\x00", "")
        file = ("files", (f"{clean}.txt", f"{place}".encode(), "text/plain"))
        given = {"csrf": owner.csrf, **base, "title": text[:200], "text": text, "requested": text, "open": "1"}
        raised = owner.client.post("/issues/new", data=given, files=[file])
        assert raised.status_code == (303 if clean.strip() else 400), (text, raised.text)
        titles[raised.headers["location"].split("/")[2].partition("?")[0]] = clean.strip()
        strange = quote(clean[:60], safe="")
        if place % 3 == 0:
            answer = program.post("/api/v1/issues", json={**base, "title": text[:200], "text": text})
            assert answer.status_code == (422 if "\x00" in text else 201), answer.text
            assert program.get("/api/v1/issues", params={"q": clean, "mine": clean[:50]}).status_code == 200
        elif place % 3 == 1:
            assert owner.client.post("/issues/new/draft", data=given, headers={"HX-Request": "true"}).status_code == 200
            assert boss.post("/issues/views", name=text[:40], query=f"q={text}&{text}").status_code in (303, 400)
            told = {"q": text, "city": text, "department": text, "project": text, "category": text}
            quiet(boss.get("/issues", params=told).text)
        else:
            for name in ("sort", "light", "state", "cursor"):
                assert boss.get("/issues", params={name: text[:100]}).status_code == 400
            assert boss.get(f"/issues/{strange}").status_code == 404
            assert boss.get(f"/projects/{strange}").status_code == 404

    quiet(owner.get("/issues/new").text)
    for place, (number, text) in enumerate(titles.items()):
        page = boss.get(f"/issues/{number}").text
        quiet(page)
        assert "</h1>" in page
        if place % 3 == 0:
            ticks = {f"row:{number}": str(small.town.facts(number).version), f"row:{text[:30]}": "1"}
            urged = owner.post("/issues/bulk", what="urge", reason=text, **ticks)
            assert "已催办 1 件" in urged.text
            quiet(urged.text)
            shown = program.get(f"/api/v1/issues/{number}").json()
            assert shown["issue"]["title"] == text
            (name,) = [each["name"] for each in shown["files"]]
            assert name == fit_name(name), "as a browser sends it, and then as any disk takes it"
            assert program.get(f"/api/v1/issues/{number}/files/1").headers["content-disposition"].isascii()
    for page in (
        "/",
        "/issues?state=all&sort=-number",
        "/board",
        "/projects/HLJ26-001",
        "/summaries",
        "/admin/outbox?state=queued",
    ):
        quiet(boss.get(page).text)
    book = boss.post("/issues/bulk", what="export", **{f"row:{number}": "1" for number in titles}).content
    cells = [cell for line in load_workbook(io.BytesIO(book)).active.iter_rows(min_row=2) for cell in line]
    assert {cell.data_type for cell in cells if isinstance(cell.value, str)} == {"s"}
    assert small.town.verify().ok


def test_naughty_texts_at_the_door_and_in_the_administration(small: Office) -> None:
    boss = small.person("boss", OFFICE, admin=True)
    for text in ALL[::3]:
        made = boss.post("/admin/users", login=text, name=text, parties=text, password="a long enough one")
        assert made.status_code in (400, 404)
        quiet(made.text)
    made = boss.post("/admin/users", login="wang", name=ALL[0], parties="", password="a long enough one")
    assert made.status_code == 303
    quiet(boss.get("/admin/users").text)
    for text in ALL[::9]:
        client = small.client()
        proof = re.search(r'name="proof" value="([^"]+)"', client.get("/login", params={"next": text}).text)[1]
        given = {"proof": proof, "login": text, "password": text, "next": text, "kept": text}
        entered = client.post("/login", data=given)
        assert entered.status_code in (401, 429)
        quiet(entered.text)
        assert client.get(f"/a/{quote(text.replace(chr(0), ''), safe='')}").status_code < 500
