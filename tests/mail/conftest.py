"""Every letter, made once a run; and a real browser to look at them."""

import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.mail.letters import Letter, letters


@pytest.fixture(scope="session")
def every(tmp_path_factory: pytest.TempPathFactory) -> list[Letter]:
    return letters(tmp_path_factory.mktemp("letters"))


@pytest.fixture(scope="session")
def letter(every: list[Letter]) -> Callable[[str, str], Letter]:
    """One letter by its kind and language."""
    found = {(each.kind, each.language): each for each in every}
    return lambda kind, language: found[kind, language]


def installed(*packages: str, program: str) -> str:
    """The path of a program. Fails, never skips: what is not looked at is not known to be good."""
    found = shutil.which(program, path="/usr/sbin:/usr/local/bin:/usr/bin:/bin")
    assert found, f"{program} is not installed, and the mails cannot be checked without it: apt-get install {' '.join(packages)}"
    return found


@pytest.fixture(scope="module")
def browser(every: list[Letter]) -> Iterator[Browser]:
    """While it is open its loop runs in this thread and nobody else's does: so the letters are made before, and it closes soon."""
    chromium = installed("chromium", "fonts-noto-cjk", program="chromium")
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
