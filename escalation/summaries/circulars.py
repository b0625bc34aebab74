"""Circulars (通报): the province's figures for every city and department, drafted with a summary, sent when approved."""

from collections.abc import Iterator
from datetime import datetime

import orjson

from escalation.notices import reader_of
from escalation.summaries import telling
from escalation.summaries.figures import Figures
from escalation.summaries.periods import Period
from escalation.summaries.scopes import readers
from escalation.world import World
from notifications.message import Draft

#: Who is asked to approve it.
OFFICE = "province_office"


def circular(
    figures: Figures, before: Figures | None, world: World, period: Period, made: datetime, base_url: str
) -> Iterator[Draft]:
    """The drafts of one circular, one a reader, and a mail to the office that it waits."""
    name = f"circular:{period.name}"
    said: dict[str, dict[str, object]] = {}
    today = world.calendar.local_day(made)
    for each in readers(world, today):
        language = each.reader.language
        if language not in said:
            said[language] = telling.of_scope(figures, before, world, period, language, made, base_url)
        facts = orjson.dumps(said[language] | {"recipient_name": each.party.name})
        key = f"{name}:{each.party.code}"
        yield Draft(each.reader.email, "circular", language, facts, key, "", each.party.code, False, None, name)
    for party in world.directory.with_role(OFFICE):
        reader = reader_of(party, world, today)
        if reader is None or reader.language not in said:
            continue
        told = said[reader.language]
        link = f"{base_url}/admin/approvals" if base_url else ""
        facts = orjson.dumps({"number": period.name, "title": told["title"], "link": link, "recipient_name": party.name})
        yield Draft(reader.email, "approval_asked", reader.language, facts, f"{name}:asked:{party.code}", "", party.code)
