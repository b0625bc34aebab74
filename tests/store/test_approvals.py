"""Official texts wait for a person: a letter and a circular go out when the office approves them, and never by themselves."""

from datetime import timedelta

import orjson
import pytest
from sqlalchemy import select

from escalation import approvals
from escalation.app import App
from escalation.config import DatabaseSettings, Settings
from escalation.errors import NotFound, Refused
from escalation.queries import OUTBOX
from escalation.summaries.making import Summariser
from tests.town import CITY_COORDINATOR, INSPECTION, LEADER, OFFICE, Town, at

#: Days in which an urgent issue that nobody touches is overdue with the province.
LONG = 60


@pytest.fixture
def town(store) -> Town:
    return Town(store)


def mails(town: Town, **where: str) -> list:
    chosen = select(OUTBOX).order_by(OUTBOX.c.id)
    for name, value in where.items():
        chosen = chosen.where(OUTBOX.c[name] == value)
    return town.look(lambda session, world: session.connection().execute(chosen).all())


def late_at_the_top(town: Town) -> str:
    """An urgent issue that nobody did anything about, until it was overdue with the province."""
    number = town.dispatched(severity="urgent")
    for day in town.days(LONG):
        town.sweep(day)
        if town.facts(number).letters:
            return number
    raise AssertionError("no letter was drafted")


def test_a_letter_is_drafted_and_waits_and_the_office_is_asked(town):
    number = late_at_the_top(town)
    found = mails(town, kind="supervision_letter", about=number)
    assert {row.state for row in found} == {"draft"}
    lead = town.look(lambda s, w: w.directory.by_id[town.facts(number).lead_id].code)
    assert {row.party for row in found} >= {lead, INSPECTION}
    assert LEADER not in {row.recipient for row in found}
    asked = mails(town, kind="approval_asked", about=number)
    assert [row.party for row in asked] == [OFFICE]
    assert asked[0].state == "queued"
    (waiting,) = town.look(lambda session, world: approvals.waiting(session))
    assert (waiting.name, waiting.about) == (f"letter:{number}:1", number)


def test_nobody_but_the_office_approves_and_then_it_goes_out_once(town):
    number = late_at_the_top(town)
    name = f"letter:{number}:1"

    def approve(party: str) -> int:
        with town.store.transaction() as session:
            return approvals.approve(session, town.worlds.read(session), name, party, town.now)

    for other in (CITY_COORDINATOR, INSPECTION):
        with pytest.raises(Refused, match="province office"):
            approve(other)
    count = len(mails(town, kind="supervision_letter"))
    assert approve(OFFICE) == count
    for row in mails(town, kind="supervision_letter"):
        assert (row.state, row.approved_by, row.next_try_at) == ("queued", OFFICE, town.now)
    with pytest.raises(NotFound):
        approve(OFFICE)


def test_a_letter_that_is_declined_is_never_sent_and_says_why(town):
    number = late_at_the_top(town)

    def decline(reason: str) -> int:
        with town.store.transaction() as session:
            return approvals.decline(session, town.worlds.read(session), f"letter:{number}:1", OFFICE, reason, town.now)

    with pytest.raises(Refused, match="reason"):
        decline(" ")
    assert decline("已口头约谈")
    assert {(row.state, row.last_error) for row in mails(town, kind="supervision_letter")} == {
        ("obsolete", "declined: 已口头约谈")
    }


def test_a_letter_about_what_is_over_is_not_approved(town):
    number = late_at_the_top(town)
    town.act(number, "withdraw", OFFICE, reason="项目终止")
    with pytest.raises(Refused, match="is over"), town.store.transaction() as session:
        approvals.approve(session, town.worlds.read(session), f"letter:{number}:1", OFFICE, town.now)


def test_each_letter_waits_by_itself(town):
    number = late_at_the_top(town)
    for day in town.days(14):
        town.sweep(day)
    names = [each.name for each in town.look(lambda session, world: approvals.waiting(session))]
    assert names[:2] == [f"letter:{number}:1", f"letter:{number}:2"]


# Circulars.


@pytest.fixture
def office(database, tmp_path):
    app = App(Settings(database=DatabaseSettings(url=database), root=tmp_path))
    app.init(at("2026-09-01 09:00"))
    app.import_sample(at("2026-11-23 09:00"))
    yield app
    app.close()


def waiting(app: App) -> list[approvals.Waiting]:
    return app.look(lambda session, world: approvals.waiting(session))


def test_a_circular_is_drafted_with_the_monthly_once_and_goes_to_every_city_and_department(office):
    now = at("2026-12-01 09:00")
    assert not waiting(office)
    office.summarise(now)
    (found,) = waiting(office)
    assert (found.name, found.kind) == ("circular:2026-11", "circular")
    assert len(found.recipients) > 20
    assert found.facts["registered"] == "30"
    # made again by another node, and by hand: the same one
    Summariser(office.store, office.worlds, office.outgoing, office.summariser.times, "monthly").make_due(
        now + timedelta(hours=1)
    )
    office.summariser.make("monthly", now, now)
    assert waiting(office) == [found]
    rendered = office.mailroom.renderer().render(found.kind, found.language, found.facts)
    assert rendered.subject.startswith("【通报】全省")
    assert rendered.problem == ""


def test_a_circular_that_was_approved_is_mail_and_is_not_drafted_again(office):
    now = at("2026-12-01 09:00")
    office.summarise(now)
    sent = office.change(lambda session, world: approvals.approve(session, world, "circular:2026-11", OFFICE, now))
    assert sent > 20
    assert waiting(office) == []
    office.summariser.make("monthly", now, now + timedelta(days=1))
    assert waiting(office) == []


def test_no_weekly_drafts_one_unless_the_office_wants_it(office):
    office.summarise(at("2026-11-23 09:00"))
    assert [each.name for each in waiting(office)] == ["circular:2026-10"], "October's, that nobody had made"
    weekly = Summariser(office.store, office.worlds, office.outgoing, office.summariser.times, "weekly")
    weekly.make_due(at("2026-11-30 09:00"))
    assert [each.name for each in waiting(office)] == ["circular:2026-10", "circular:2026-W48"]


def test_the_workbook_goes_with_the_weekly_and_is_kept_once(office):
    office.summarise(at("2026-11-23 09:00"))
    rows = office.look(lambda s, w: s.connection().execute(select(OUTBOX).where(OUTBOX.c.kind == "summary_weekly")).all())
    assert rows
    assert all(row.attached for row in rows)
    assert len({row.attached for row in rows}) < len(rows), "the whole province's is one file for all who get it"
    assert all(orjson.loads(row.facts)["attached"].endswith(".xlsx") for row in rows)
