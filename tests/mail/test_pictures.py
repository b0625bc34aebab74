"""Every mail in a real browser, at the desk and on a phone, light and dark: nothing is cut, all is readable, nothing asks the network.

`pytest tests/mail/test_pictures.py --artefacts DIR` writes the pictures to be looked at.
"""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.mail.letters import EACH, Letter

WIDTHS = {"desk": 800, "phone": 375}
#: Runs in the page: what is wrong with how it looks.
MEASURE = (Path(__file__).parent / "measure.js").read_text(encoding="utf-8")


def test_there_is_a_letter_of_every_kind_and_language(every: list[Letter]) -> None:
    assert sorted((each.kind, each.language) for each in every) == sorted(EACH)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_cut_and_all_is_readable(
    every: list[Letter], browser: Browser, width: str, scheme: str, request: pytest.FixtureRequest
) -> None:
    folder = request.config.getoption("--artefacts")
    asked: list[str] = []
    wrong: dict[str, object] = {}
    page = browser.new_page(viewport={"width": WIDTHS[width], "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
    page.on("request", lambda made: asked.append(made.url))
    for letter in every:
        page.set_content(letter.message.html, wait_until="commit")
        if found := page.evaluate(MEASURE):
            wrong[letter.name] = found
        if folder:
            path = Path(folder) / letter.language / f"{letter.kind}.{width}.{scheme}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=path, full_page=True)
    page.close()
    assert wrong == {}
    assert asked == []


@pytest.mark.parametrize(
    ("html", "what"),
    [
        ("<p style='width:900px'>wide</p>", "scrolls sideways"),
        ("<p style='color:#999'>faint</p>", "hard to read"),
        ("<p style='font-size:10px'>small</p>", "too small"),
        ("<table style='table-layout:fixed' width='40'><tr><td>incomprehensibilities</td></tr></table>", "leaves its cell"),
    ],
)
def test_what_looks_wrong_is_seen(browser: Browser, html: str, what: str) -> None:
    page = browser.new_page(viewport={"width": 375, "height": 800})
    page.set_content(f"<!doctype html><body style='background-color:#fff'>{html}")
    found = [each["what"] for each in page.evaluate(MEASURE)]
    page.close()
    assert what in found
