"""The archive: what is over leaves the hot tables and is read where it is."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from escalation import views
from escalation.app import App
from escalation.archive import Ages, Stored, put_away
from escalation.config import DatabaseSettings, Settings
from escalation.database import Store
from escalation.errors import DatabaseTrouble, Refused
from escalation.models import ArchivedIssue
from escalation.queries import ARCHIVED, ARCHIVED_MAIL, ISSUE, JOURNAL, OUTBOX
from notifications import claiming
from notifications.message import Sent
from notifications.retrying import RetryPolicy
from tests.town import DEPARTMENT_COORDINATOR, OWNER, Town, at

AGES = Ages(timedelta(days=730), timedelta(days=365))


@pytest.fixture
def town(store: Store) -> Town:
    return Town(store)


def closed(town: Town) -> str:
    """An issue that was withdrawn."""
    number = town.dispatched()
    town.act(number, "withdraw", OWNER, reason="solved by itself")
    assert not town.facts(number).is_open
    return number


def send_all(town: Town) -> None:
    with town.store.transaction() as session:
        claimed = claiming.claim(session, town.now, 1000, "here", timedelta(minutes=5), RetryPolicy())
        claiming.record(session, [(each, Sent(250, "taken")) for each in claimed], town.now, RetryPolicy())


def store_away(town: Town, when: str, ages: Ages = AGES) -> Stored:
    with town.store.transaction() as session:
        return put_away(session, town.worlds.read(session), ages, at(when))


def count(town: Town, table: object) -> int:
    with town.store.reading() as session:
        return session.connection().execute(select(func.count()).select_from(table)).scalar() or 0  # type: ignore[arg-type]


def shown(town: Town, number: str) -> dict[str, object]:
    return town.look(lambda session, world: views.shown(session, world, number, at("2028-10-01 09:00")))


def test_what_is_over_leaves_whole_and_is_shown_as_before(town: Town) -> None:
    over, still = closed(town), town.dispatched()
    send_all(town)
    before = shown(town, over)
    assert before["mails"]
    assert before["journal"]
    assert store_away(town, "2028-08-30 09:00", Ages(AGES.closed, None)) == Stored(), "a day too early"
    assert store_away(town, "2028-09-05 09:00", Ages(AGES.closed, None)) == Stored(issues=1)
    assert count(town, ISSUE) == 1
    with town.store.reading() as session:
        assert set(session.connection().execute(select(OUTBOX.c.about)).scalars()) == {still}
    assert shown(town, over) == before
    found = town.verify()
    assert (found.issues, found.broken) == (2, [])


def test_mails_of_open_issues_are_slimmed_and_still_count_as_told(town: Town) -> None:
    number = town.dispatched()
    send_all(town)
    before = shown(town, number)["mails"]
    assert store_away(town, "2027-09-05 09:00").mails == len(before)  # type: ignore[arg-type]
    assert (count(town, OUTBOX), count(town, ARCHIVED_MAIL)) == (0, len(before))  # type: ignore[arg-type]
    after = shown(town, number)["mails"]
    assert {mail["message_id"] for mail in after} == {mail["message_id"] for mail in before}  # type: ignore[index,attr-defined]
    assert town.verify().broken == []


def test_mails_that_still_wait_stay(town: Town) -> None:
    town.dispatched()
    assert store_away(town, "2029-09-05 09:00").mails == 0


def test_slimmed_mails_go_with_their_issue(town: Town) -> None:
    over = closed(town)
    send_all(town)
    store_away(town, "2028-01-05 09:00")
    assert count(town, ARCHIVED_MAIL)
    store_away(town, "2028-09-05 09:00")
    assert count(town, ARCHIVED_MAIL) == 0
    assert shown(town, over)["mails"]
    assert town.verify().broken == []


def test_an_issue_that_does_not_verify_stays_where_it_is(town: Town) -> None:
    over = closed(town)
    with town.store.transaction() as session:
        session.connection().execute(update(JOURNAL).where(JOURNAL.c.seq == 2).values(actor="nobody"))
    assert store_away(town, "2028-09-05 09:00", Ages(AGES.closed, None)) == Stored(left=1)
    assert town.facts(over).number == over


def test_a_change_inside_the_archive_is_noticed(town: Town) -> None:
    over = closed(town)
    store_away(town, "2028-09-05 09:00")
    with town.store.transaction() as session:
        piece = session.get(ArchivedIssue, 1)
        assert piece is not None
        piece.content = piece.content[:-9]
    assert [broken.invariant for broken in town.verify().broken] == ["archive"]
    with pytest.raises(DatabaseTrouble, match="damaged"):
        shown(town, over)


def test_what_is_archived_is_not_acted_on_and_its_number_is_not_given_again(town: Town) -> None:
    over = closed(town)
    store_away(town, "2028-09-05 09:00")
    with pytest.raises(Refused, match="in the archive"):
        town.act(over, "reopen", DEPARTMENT_COORDINATOR, reason="again")
    assert town.dispatched() == "WT26-0002"


def test_never_means_never(town: Town) -> None:
    closed(town)
    send_all(town)
    assert store_away(town, "2099-01-01 09:00", Ages(None, None)) == Stored()
    assert count(town, ARCHIVED) == 0


def test_last_years_spreadsheet_imported_again_brings_nothing_back(database: str) -> None:
    """What came with a ledger and is in the archive by now is known, as it was before."""
    app = App(Settings(database=DatabaseSettings(url=database)))
    app.init(at("2026-11-23 09:00"))
    app.import_sample(at("2026-11-23 09:00"))
    with app.store.transaction() as session:
        stored = put_away(session, app.worlds.read(session), AGES, at("2029-01-05 09:00"))
    assert stored.issues
    again = app.import_sample(at("2029-01-06 09:00"))
    assert (again.created["issue"], again.updated["issue"], again.unchanged["issue"]) == (0, 0, 30)
    assert app.verify().broken == []
    app.close()
