"""Every mail in a real browser, at the desk and on a phone, light and dark: nothing is cut, nothing asks the network.

`pytest tests/mail/test_pictures.py --artefacts DIR` writes the pictures to be looked at.
"""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from notifications.kinds import KINDS, LANGUAGES
from tests.mail.letters import Letter

WIDTHS = {"desk": 900, "phone": 375}


def test_there_is_a_letter_of_every_kind_and_language(every: list[Letter]) -> None:
    kinds = {*KINDS, "digest", "summary_daily", "summary_weekly", "summary_monthly", "circular"}
    assert sorted(letter.name for letter in every) == sorted(f"{kind}-{language}" for kind in kinds for language in LANGUAGES)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_cut_and_nothing_asks_the_network(
    every: list[Letter], browser: Browser, width: str, scheme: str, request: pytest.FixtureRequest
) -> None:
    folder = request.config.getoption("--artefacts")
    asked: list[str] = []
    page = browser.new_page(viewport={"width": WIDTHS[width], "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
    page.on("request", lambda made: asked.append(made.url))
    for letter in every:
        page.set_content(letter.message.html)
        assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width], f"{letter.name} is cut at {width}"
        small = page.evaluate(
            "[...document.querySelectorAll('td,p,a')].filter(e => e.textContent.trim() && parseFloat(getComputedStyle(e).fontSize) < 12).length"
        )
        assert not small, f"{letter.name}: letters smaller than 12 pixels"
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=Path(folder) / f"{letter.name}-{width}-{scheme}.png", full_page=True)
    page.close()
    assert asked == []
