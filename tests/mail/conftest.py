"""Every letter, made once a run; and a real browser to look at them."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.mail.letters import Letter, letters
from tests.programs import needed


@pytest.fixture(scope="session")
def every(tmp_path_factory: pytest.TempPathFactory) -> list[Letter]:
    return letters(tmp_path_factory.mktemp("letters"))


@pytest.fixture(scope="session")
def letter(every: list[Letter]) -> Callable[[str, str], Letter]:
    """One letter by its kind and language."""
    found = {(each.kind, each.language): each for each in every}
    return lambda kind, language: found[kind, language]


@pytest.fixture(scope="module")
def browser(every: list[Letter]) -> Iterator[Browser]:
    """While it is open its loop runs in this thread and nobody else's does: so the letters are made before, and it closes soon."""
    chromium = needed("chromium", "chromium", "fonts-noto-cjk")
    arguments = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-background-networking",
        "--disable-component-update",
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield browser
        browser.close()
