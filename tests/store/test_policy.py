"""The policy of config.toml reaches the outbox."""

from sqlalchemy import select

from escalation.applying import Outgoing
from escalation.audience import audience
from escalation.queries import OUTBOX
from tests.town import Town


def kinds(town: Town) -> list[str]:
    chosen = select(OUTBOX.c.kind).order_by(OUTBOX.c.id)
    return town.look(lambda session, world: list(session.connection().execute(chosen).scalars()))


def test_an_office_that_wants_no_receipts_gets_none(store):
    town = Town(store)
    town.outgoing = Outgoing(audience=audience({"raised": ["intake_notice:coordinator"], "acknowledged": []}))
    number = town.raise_issue()
    assert kinds(town) == ["intake_notice"]
    town.act(number, "dispatch", "PT0013")
    told = kinds(town)
    lead = town.look(lambda session, world: world.directory.by_id[town.facts(number).lead_id].code)
    town.act(number, "acknowledge", lead)
    assert kinds(town) == told
    assert town.verify().broken == []
