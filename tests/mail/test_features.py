"""What a mail's HTML is made of: only what mail programs show (figures of caniemail.com, looked up in 2026).

Outlook for Windows draws with Word: tables, no flex, no grid, no positions, no background pictures; Gmail cuts a mail at 102 KB
and drops a style sheet with a mistake; QQ Mail and Foxmail drop scripts, forms and outer style sheets. So every style is inline,
out of the properties below, and a mail that loses all of its styles is still read from top to bottom.
"""

import re
from html.parser import HTMLParser

import pytest

from tests.mail.letters import Letter

TAGS = frozenset("html head meta title style body table tbody thead tr td th p br a span b strong div img".split())
VOID = frozenset(("meta", "br", "img"))
ATTRIBUTES = frozenset(
    "lang charset name content http-equiv role width height align valign bgcolor cellpadding cellspacing border style href alt src"
    " colspan class scope".split()
)
#: Properties that Outlook, Gmail, QQ Mail and Apple Mail all honour on table cells and text.
PROPERTIES = frozenset(
    "margin padding padding-top padding-bottom padding-left padding-right width max-width height border border-top border-bottom"
    " border-left border-right border-collapse background-color color font-family font-size font-weight line-height text-align"
    " text-decoration vertical-align word-break word-wrap overflow-wrap white-space overflow-x table-layout mso-line-height-rule".split()
)
GMAIL_CUTS_AT = 102_000


class Reader(HTMLParser):
    """Takes a page apart, and keeps what is wrong with it."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS:
            self.wrong.append(f"<{tag}>")
        given = dict(attrs)
        self.wrong += [f"<{tag} {name}>" for name in given if name not in ATTRIBUTES]
        for name, value in _declarations(given.get("style") or ""):
            if name not in PROPERTIES:
                self.wrong.append(f"<{tag} style={name}>")
            if re.search(r"url\(|var\(|calc\(|!important|\d(?:r?em|vw|vh|ch)\b", value):
                self.wrong.append(f"<{tag} style={name}: {value}>")
        if tag == "img" and not (given.get("src") or "").startswith("cid:"):
            self.wrong.append("<img> from elsewhere")
        if tag == "img" and "alt" not in given:
            self.wrong.append("<img> without alt")
        if tag == "a" and not (given.get("href") or "").startswith(("https://", "http://", "mailto:")):
            self.wrong.append(f"<a href={given.get('href')}>")
        if tag == "table" and given.get("role") != "presentation" and "th" not in self.rawdata:
            self.wrong.append("a table of layout without role=presentation")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> in the wrong place")


def _declarations(style: str) -> list[tuple[str, str]]:
    return [
        (name.strip().lower(), value.strip())
        for name, _, value in (each.partition(":") for each in style.split(";"))
        if name.strip()
    ]


def read(html: str) -> list[str]:
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader.wrong + [f"<{tag}> is never closed" for tag in reader.open]


def test_every_mail_is_made_of_what_mail_programs_show(every: list[Letter]) -> None:
    for letter in every:
        html = letter.message.html
        assert read(html) == [], letter.name
        assert html.startswith("<!doctype html>")
        assert 'charset="utf-8"' in html
        assert 'name="color-scheme" content="light dark"' in html
        assert 'name="viewport"' in html
        assert re.search(r'<html lang="(zh-CN|en)">', html)
        assert len(html.encode()) < GMAIL_CUTS_AT, letter.name


@pytest.mark.parametrize(
    "html",
    [
        "<div style='display:flex'></div>",
        "<td style='position:absolute'></td>",
        "<script></script>",
        "<form></form>",
        "<img src='https://example.com/a.png' alt=''>",
        "<a href='javascript:alert(1)'>x</a>",
        "<td style='width:calc(1px)'></td>",
        "<table><tr></table>",
        "<p style='font-size:2rem'>x</p>",
        "<link rel=stylesheet>",
    ],
)
def test_what_they_do_not_show_is_found(html: str) -> None:
    assert read(html)


def test_the_text_alone_says_all(every: list[Letter]) -> None:
    for letter in every:
        message = letter.message
        assert "<" not in re.sub(r"<https?://[^>]+>", "", message.text), letter.name
        assert message.text.strip()
        for line in message.text.splitlines():
            assert line == line.rstrip(), letter.name
        number = re.search(r"WT26-\d{4}", message.subject)
        if number and letter.kind != "digest":
            assert message.subject.find(number[0]) < 32, f"{letter.name}: the number stands first"
