"""Every mail as Chromium shows it: at desktop and phone width, light and dark, measured and, if wanted, kept as pictures.

uv run python -m tests.mail.pictures --artefacts DIR [--only KIND ...]
"""

import argparse
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from playwright.sync_api import Page, sync_playwright

from tests.mail.letters import EACH, rendered

WIDTHS = {"desktop": 800, "phone": 375}
SCHEMES = ("light", "dark")
#: What nobody should see: a page that scrolls sideways, text that leaves its cell or is hard to read. Runs in the page.
MEASURE = (Path(__file__).parent / "measure.js").read_text(encoding="utf-8")


class View(NamedTuple):
    """One mail as one reader sees it."""

    name: str
    language: str
    width: str
    scheme: str

    @property
    def file(self) -> str:
        return f"{self.language}/{self.name}.{self.width}.{self.scheme}.png"


def views(each: Iterable[tuple[str, str]] = EACH) -> Iterator[View]:
    """Widths and schemes outside, so that the page is set up once for many mails."""
    mails = tuple(each)
    for width in WIDTHS:
        for scheme in SCHEMES:
            yield from (View(name, language, width, scheme) for name, language in mails)


@contextmanager
def browser() -> Iterator[Page]:
    """A page of the Chromium that is installed. Raises RuntimeError with the mend where none is."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        raise RuntimeError("Chromium shows the mails, and none is installed: apt-get install chromium fonts-noto-cjk")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=found, args=flags)
        page = running.new_page(device_scale_factor=1)
        page.route("**/*", lambda route: route.abort())  # a mail fetches nothing
        yield page
        running.close()


def shown(page: Page, view: View, folder: Path | None = None) -> list[dict[str, Any]]:
    """Shows a mail; what is wrong with how it looks. With a folder its picture is kept there."""
    page.set_viewport_size({"width": WIDTHS[view.width], "height": 600})
    page.emulate_media(color_scheme=view.scheme)  # type: ignore[arg-type]
    page.set_content(rendered(view.name, view.language).html, wait_until="commit")
    wrong: list[dict[str, Any]] = page.evaluate(MEASURE)
    if folder is not None:
        path = folder / view.file
        path.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=path, full_page=True)
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--artefacts", type=Path, required=True, metavar="DIR")
    parser.add_argument("--only", nargs="*", default=[], metavar="KIND")
    asked = parser.parse_args()
    wanted = [each for each in EACH if not asked.only or each[0] in asked.only]
    with browser() as page:
        for view in views(wanted):
            for wrong in shown(page, view, asked.artefacts):
                print(view.file, wrong)


if __name__ == "__main__":
    main()
