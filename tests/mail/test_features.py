"""What a mail's HTML is made of: only what mail programs show.

By the tables of caniemail.com (features html-*, css-*): Outlook for Windows draws with Word, so tables carry the layout, and no
flex, grid, position, float, background picture, variable or relative unit is used; `display:none` needs `mso-hide` there. Gmail
cuts a mail at 102 KB, takes 8,192 characters of a style sheet and drops one with a mistake whole; QQ Mail and Foxmail drop
scripts, forms and outer style sheets. A mail that loses all style sheets is still whole.
"""

import re
from collections.abc import Iterator

import pytest
import tinycss2
from selectolax.lexbor import LexborHTMLParser, LexborNode

from tests.mail.letters import EACH

TAGS = frozenset("html head meta title style body table tbody tr td th br a span".split())
ATTRIBUTES = frozenset(
    "lang charset name content role width height align valign bgcolor cellpadding cellspacing border style href class nowrap".split()
)
#: Properties that Outlook, Gmail, QQ Mail and Apple Mail all honour on table cells and text, or may overlook without harm.
PROPERTIES = frozenset(
    "margin padding max-width border border-top border-bottom border-left border-collapse background-color color font-family"
    " font-size font-weight line-height text-decoration word-break white-space display mso-hide".split()
)
#: What the style sheets may change besides.
IN_SHEETS = PROPERTIES | frozenset("padding-left padding-right border-color text-align".split())
MEDIA = ("(max-width: 480px)", "(prefers-color-scheme: dark)")
GMAIL_CUTS_AT = 102_000
GMAIL_SHEET = 8_192


def wrong_with(html: str) -> list[str]:
    """Everything in a mail that some mail program does not show."""
    tree = LexborHTMLParser(html)
    found = [] if html.startswith("<!doctype html>") else ["no doctype: quirks mode"]
    found += [f"not there: {wanted}" for wanted in _WANTED if tree.css_first(wanted) is None]
    for node in tree.root.traverse() if tree.root else ():
        found += _node(node)
    for sheet in tree.css("style"):
        found += _sheet(sheet.text())
    outside = re.sub(r"<!--\[if mso\]>.*?<!\[endif\]-->", "", html, flags=re.DOTALL)
    found += ["a comment that is not for Outlook"] if "<!--" in outside else []
    return found + ([f"{len(html.encode())} bytes: Gmail cuts it"] if len(html.encode()) > GMAIL_CUTS_AT else [])


_WANTED = (
    "html[lang]",
    'meta[charset="utf-8"]',
    'meta[name="viewport"]',
    'meta[name="color-scheme"][content="light dark"]',
    "title",
    'table[role="presentation"]',
)


def _node(node: LexborNode) -> Iterator[str]:
    tag, given = node.tag or "", dict(node.attributes)
    if tag.startswith("-"):
        return
    if tag not in TAGS:
        yield f"<{tag}>"
    yield from (f"<{tag} {name}>" for name in given if name not in ATTRIBUTES)
    if tag == "a" and not (given.get("href") or "").startswith(("https://", "http://", "mailto:")):
        yield f"<a href={given.get('href')}>"
    if tag == "table" and given.get("role") != "presentation" and node.css_first("th") is None:
        yield "a table of layout without role=presentation"
    style = given.get("style") or ""
    yield from _declarations(style, PROPERTIES, f"<{tag} style>", important=False)
    colour = re.search(r"background-color:(#\w+)", style)
    if colour and given.get("bgcolor") != colour[1]:
        yield f"<{tag}> has no bgcolor for Outlook: {colour[1]}"
    if "display:none" in style and "mso-hide:all" not in style:
        yield f"<{tag}> is hidden, but not in Outlook"


def _declarations(style: str, allowed: frozenset[str], where: str, *, important: bool) -> Iterator[str]:
    for each in tinycss2.parse_blocks_contents(style, skip_comments=True, skip_whitespace=True):
        if each.type != "declaration":
            yield f"{where}: {getattr(each, 'message', each.type)}"
        elif each.name not in allowed or each.important != important:
            yield f"{where}: {each.name}{' !important' if each.important else ''}"
        else:
            yield from (f"{where}: {each.name}: {part.serialize()}" for part in each.value if not _usual(each.name, part))


def _usual(name: str, part: tinycss2.ast.Node) -> bool:
    """No functions, no addresses, no unit but the pixel; of displays only those that take away or stack."""
    if part.type == "dimension":
        return part.unit == "px"
    if part.type in ("function", "url", "percentage", "error"):
        return False
    if name == "display" and part.type == "ident":
        return part.value in ("none", "block", "inline", "inline-block")
    return True


def _sheet(text: str) -> Iterator[str]:
    if len(text) > GMAIL_SHEET:
        yield f"a style sheet of {len(text)} characters"
    for rule in tinycss2.parse_stylesheet(text, skip_comments=True, skip_whitespace=True):
        asked = tinycss2.serialize(rule.prelude).strip() if rule.type == "at-rule" else ""
        if rule.type != "at-rule" or rule.at_keyword != "media" or asked not in MEDIA:
            yield f"in a style sheet: {rule.type} {asked}"
            continue
        for inner in tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True):
            selector = tinycss2.serialize(inner.prelude).strip() if inner.type == "qualified-rule" else ""
            if not re.fullmatch(r"\.[a-z]+", selector):
                yield f"in a style sheet: {selector or inner.type}"
                continue
            yield from _declarations(tinycss2.serialize(inner.content), IN_SHEETS, f"{asked} {selector}", important=True)


@pytest.mark.parametrize(("name", "language"), EACH)
def test_it_is_made_of_what_mail_programs_show(letter, name, language):
    html = letter(name, language).message.html
    assert wrong_with(html) == []
    assert f'<html lang="{"zh-CN" if language == "zh_CN" else "en"}">' in html


@pytest.mark.parametrize(("name", "language"), EACH)
def test_without_its_style_sheets_it_says_the_same(letter, name, language):
    """The bodies' words in their order, and those of the text part."""
    message = letter(name, language).message
    shown = " ".join(LexborHTMLParser(message.html).body.text(separator=" ").split())  # type: ignore[union-attr]
    for block in re.split(r"\n+", message.text.partition("\n--\n")[0]):
        for piece in re.split(r" \| |：|: |^[-*] |█+|https://\S+", block):
            assert " ".join(piece.split()).removesuffix(":") in shown, piece


def test_every_class_that_is_used_is_styled(letter):
    html = letter("summary_weekly", "en").message.html
    used = set(" ".join(re.findall(r'class="([^"]+)"', html)).split())
    assert used >= {"cell", "short", "label"}
    assert not {name for name in used if f".{name} {{" not in html}


@pytest.mark.parametrize(
    "bad",
    [
        "<td style='display:flex'></td>",
        "<td style='display:grid'></td>",
        "<td style='position:absolute'></td>",
        "<td style='float:left'></td>",
        "<td style='width:calc(1px)'></td>",
        "<td style='color:var(--ink)'></td>",
        "<td style='font-size:2rem'></td>",
        "<td style='max-width:50%'></td>",
        "<td style='color:#000 !important'></td>",
        "<td style='background-color:url(https://example.com/a.png)'></td>",
        "<td style='background-color:#fff'></td>",
        "<td style='color'></td>",
        "<span style='display:none'>x</span>",
        "<script></script>",
        "<form></form>",
        "<svg></svg>",
        "<link rel='stylesheet' href='https://example.com/a.css'>",
        "<img src='https://example.com/a.png' alt=''>",
        "<a href='javascript:alert(1)'>x</a>",
        "<td onclick='x'></td>",
        "<table><tr><td>x</td></tr></table>",
        "<style>@import url(a.css);</style>",
        "<style>.a { color: red !important; }</style>",
        "<style>@media (max-width: 480px) { td > .a { color: red !important; } }</style>",
        "<style>@media (max-width: 480px) { .a { position: fixed !important; } }</style>",
        f"<style>{' ' * 9000}</style>",
        "<!-- a word -->",
        "x" * GMAIL_CUTS_AT,
    ],
)
def test_what_they_do_not_show_is_found(letter, bad):
    html = letter("closed", "en").message.html
    place = html.index("<style>") if bad.startswith("<style") else html.index("</td></tr>\n</table>\n<!--[if mso]></td>")
    inside = (
        bad.replace("<td", "<table role='presentation'><tr><td").replace("</td>", "</td></tr></table>")
        if bad.startswith("<td")
        else bad
    )
    assert wrong_with(html) == []
    assert wrong_with(html[:place] + inside + html[place:]) != []


@pytest.mark.parametrize(
    "missing", [' lang="en"', '<meta charset="utf-8">', "<!doctype html>\n", '<meta name="color-scheme" content="light dark">']
)
def test_what_they_need_is_missed(letter, missing):
    html = letter("closed", "en").message.html
    assert missing in html
    assert wrong_with(html.replace(missing, "", 1)) != []


@pytest.mark.parametrize(("name", "language"), EACH)
def test_the_text_alone_is_a_letter(letter, name, language):
    message = letter(name, language).message
    assert "<" not in message.text
    assert all(line == line.rstrip() for line in message.text.splitlines())
    number = re.search(r"WT26-\d{4}", message.subject)
    assert number is None or name == "digest" or message.subject.find(number[0]) < 36, "the number stands first"
