"""The text of an HTML mail, without what it quotes: one pass over its tags, in time that grows with its length. Pure."""

import re
from html import unescape

LONGEST = 200_000
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]{0,20})([^<>]*)>|<!--|-->|<[!?][^<>]*>")
#: Nobody reads these.
_UNSEEN = ("script", "style", "head", "title", "blockquote", "includetail")
_VOID = ("br", "hr", "img", "meta", "link", "input", "col", "area", "wbr")
_LINES = ("br", "p", "div", "tr", "li", "table", "ul", "ol", "blockquote", "hr", "h1", "h2", "h3", "h4")
#: How mail programs mark what they quote: Gmail, Outlook, QQ Mail, NetEase, Thunderbird, Apple.
_QUOTED = re.compile(
    r"(?i)gmail_quote|gmail_attr|divRplyFwdMsg|appendonsend|isReplyContent|ntes_not_fresh_bg_color|"
    r"moz-cite-prefix|yahoo_quoted|includetail|qmbox|_originalContent|FoxReplyBanner|mail-editor-reference-message"
)
#: From these on all is quoted, although what follows lies beside them.
_REST = re.compile(r"(?i)divRplyFwdMsg|appendonsend|moz-cite-prefix|gmail_quote_container|_originalContent|FoxReplyBanner")


def as_text(html: str) -> str:
    """What a person reads of it, a line a paragraph."""
    html = html[:LONGEST]
    said: list[str] = []
    place, inside, depth, comment = 0, "", 0, False
    for tag in _TAG.finditer(html):
        if not inside and not comment:
            said.append(re.sub(r"\s+", " ", html[place : tag.start()]))
        place = tag.end()
        if tag[2] is None:
            comment = tag[0] == "<!--" or (comment and tag[0] != "-->")
            continue
        closing, name, attributes = bool(tag[1]), tag[2].lower(), tag[3]
        if inside:
            # what is skipped ends where its own element does
            depth += (name == inside) * (-1 if closing else 1)
            inside = inside if depth > 0 else ""
            continue
        if comment or (closing and name != "p"):
            continue
        if _REST.search(attributes[:2000]):
            return _lines(said)
        if name not in _VOID and (name in _UNSEEN or _QUOTED.search(attributes[:2000])):
            inside, depth = name, 1
        if name in _LINES:
            said.append("\n")
    if not inside and not comment:
        said.append(re.sub(r"\s+", " ", html[place:]))
    return _lines(said)


def _lines(said: list[str]) -> str:
    return "\n".join(line.strip() for line in unescape("".join(said)).split("\n")).strip()
