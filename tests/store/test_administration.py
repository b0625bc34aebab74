"""What an administrator changes between two imports: parties and deputies, workflow versions, a dry look at the calendar."""

from datetime import date, timedelta
from importlib.resources import as_file, files

import pytest
from sqlmodel import select

from escalation import asides, parties, versions
from escalation.app import App
from escalation.config import DatabaseSettings, Settings
from escalation.database import Store
from escalation.errors import NotFound, UsageError
from escalation.models import AuditRow, Issue, SetAside
from escalation.users import audit
from tests.town import CITY_COORDINATOR, Town, at
from workflows.loading import source_of

TOWN = "2026-12-23 09:00"
HANDLER = "PT0033"
#: Ten working days from 24 December are counted differently by a guess and by the notice.
NOTICE = {date(2027, 1, 4): (False, "元旦")}
SECOND = source_of("provincial").replace("version = 1", "version = 2").replace('major = "10wd"', 'major = "8wd"', 1)


def said(store: Store) -> list[tuple[str, str, str]]:
    with store.reading() as session:
        return [(row.who, row.what, row.detail) for row in session.exec(select(AuditRow).order_by(AuditRow.id))]


def changed(town: Town, work):  # type: ignore[no-untyped-def]
    with town.store.transaction() as session:
        return work(session, town.worlds.read(session))


def test_a_party_gets_another_address_and_a_deputy_who_acts(store: Store) -> None:
    town = Town(store)
    number = town.dispatched()

    changed(
        town, lambda s, w: parties.amend(s, w, HANDLER, {"email": "new@example.com", "deputy": "PT0030"}, town.now, by="boss")
    )

    found = town.look(lambda s, w: parties.find(w, HANDLER))
    assert found.email == "new@example.com"
    assert town.act(number, "acknowledge", "PT0030").status == "processing", "the deputy acts at once"
    assert len(said(store)) == 1
    assert "→ new@example.com; deputy — → " in said(store)[0][2]
    assert changed(town, lambda s, w: parties.amend(s, w, HANDLER, {"email": "new@example.com"}, town.now)) == ""
    changed(town, lambda s, w: parties.amend(s, w, HANDLER, {"deputy": ""}, town.now))
    assert not town.look(lambda s, w: parties.stands_in(parties.find(w, HANDLER), date(2026, 9, 1)))
    assert len(said(store)) == 2, "what changes nothing is not on record"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"email": "no address"}, "is no mail address"),
        ({"deputy": HANDLER}, "cannot stand in for itself"),
        ({"deputy": "nobody"}, "there is no party"),
        ({"deputy": "PT0030", "deputy_from": date(2026, 9, 9), "deputy_until": date(2026, 9, 1)}, "is before"),
    ],
)
def test_what_makes_no_sense_changes_nothing(store: Store, changes, error: str) -> None:  # type: ignore[no-untyped-def]
    town = Town(store)
    before = town.look(lambda s, w: parties.find(w, HANDLER))

    with pytest.raises(UsageError, match=error):
        changed(town, lambda s, w: parties.amend(s, w, HANDLER, changes, town.now))

    assert town.look(lambda s, w: parties.find(w, HANDLER)) == before
    assert said(store) == []


def test_new_issues_follow_the_version_that_was_activated_and_running_ones_keep_theirs(store: Store) -> None:
    town = Town(store)
    old = town.raise_issue()

    found = town.look(lambda s, w: versions.check(w, SECOND, "second.toml"))
    assert [tuple(each) for each in found.changes] == [("stages.city.resolve.major", "10wd", "8wd")]
    assert changed(town, lambda s, w: versions.take(s, w, SECOND, "second.toml", town.now, by="boss")) == "provincial@2"

    new = town.raise_issue()
    assert (town.facts(old).workflow, town.facts(new).workflow) == ("provincial@1", "provincial@2")
    town.act(new, "dispatch", CITY_COORDINATOR)
    town.act(old, "dispatch", CITY_COORDINATOR)
    assert (town.facts(old).clock_span, town.facts(new).clock_span) == ("10wd", "8wd")
    changed(town, lambda s, w: versions.choose(s, w, "provincial@1", town.now))
    assert town.facts(town.raise_issue()).workflow == "provincial@1"
    assert [what for _, what, _ in said(store)] == ["workflow_activated"] * 2
    assert town.verify().ok


def test_a_definition_that_is_not_sound_is_not_taken(store: Store) -> None:
    town = Town(store)
    for text, why in (
        ("nonsense", "cannot be used"),
        (SECOND.replace("version = 2", "version = 1"), "higher version"),
        (SECOND.replace("省电力公司", "没有的单位"), "the directory has no organ"),
    ):
        with pytest.raises(UsageError, match=why):
            changed(town, lambda s, w, text=text: versions.take(s, w, text, "bad.toml", town.now))
    with pytest.raises(NotFound):
        changed(town, lambda s, w: versions.choose(s, w, "provincial@9", town.now))
    assert town.look(lambda s, w: (w.active, list(w.sources))) == ("provincial@1", ["provincial@1"])


def test_a_version_chosen_by_hand_outlives_an_upgrade_that_brings_another(store: Store) -> None:
    town = Town(store)
    changed(town, lambda s, w: versions.take(s, w, SECOND, "second.toml", town.now))
    third = SECOND.replace("version = 2", "version = 3")

    changed(town, lambda s, w: versions.keep(s, third, "provincial.toml", town.now, named=False))
    assert town.look(lambda s, w: w.active) == "provincial@2"
    town.now += timedelta(days=1)
    fourth = SECOND.replace("version = 2", "version = 4")
    changed(town, lambda s, w: versions.keep(s, fourth, "own.toml", town.now, named=True))
    assert town.look(lambda s, w: w.active) == "provincial@4", "what the configuration names is chosen too"


def test_a_look_at_a_notice_says_what_would_move_and_changes_nothing(store: Store, database: str) -> None:
    town = Town(store, TOWN)
    number = town.dispatched()
    app = App(Settings(database=DatabaseSettings(url=database)))
    before, entries = town.facts(number), app.show(number, town.now)["journal"]

    looked = app.change_days(NOTICE, "look", town.now, dry_run=True)
    assert [each.number for each in looked] == [number]
    assert looked[0].before == before.due_at < looked[0].after
    assert (town.facts(number), app.show(number, town.now)["journal"]) == (before, entries)
    assert said(store) == []

    assert app.change_days(NOTICE, "notice", town.now, by="boss") == looked
    assert town.facts(number).due_at == looked[0].after
    assert said(store)[-1] == ("boss", "calendar_imported", "notice: 1 days; 1 deadlines counted again")
    assert town.verify().ok
    app.close()


def test_a_dry_run_of_an_import_says_what_would_come_and_brings_nothing(database: str) -> None:
    app = App(Settings(database=DatabaseSettings(url=database)))
    now = at(TOWN)
    app.init(now)
    with as_file(files("escalation") / "sample" / "parties.csv") as path:
        assert app.import_files([path], now, dry_run=True).created["party"] == 206
    assert app.look(lambda s, w: w.directory.parties) == ()
    app.close()


def test_what_was_set_aside_is_tried_again_at_once(store: Store) -> None:
    town = Town(store)
    number = town.dispatched()
    with store.transaction() as session:
        row = session.exec(select(Issue).where(Issue.number == number)).one()
        session.add(SetAside(issue_id=row.id, at=town.now, tries=2, error="KeyError: 'x'"))

    assert [(each.number, each.tries) for each in town.look(lambda s, w: asides.listed(s))] == [(number, 2)]
    assert changed(town, lambda s, w: asides.try_again(s, None, town.now)) == 1
    assert town.facts(number).wake_at == town.now
    town.sweep()
    assert town.look(lambda s, w: asides.listed(s)) == []
    assert town.verify().ok


def test_the_audit_is_narrowed_to_logins_to_one_login_and_to_a_text(store: Store) -> None:
    town = Town(store)
    with store.transaction() as session:
        for who, what, detail in (("zhang", "login", ""), ("li", "login_failed", ""), ("zhang", "party_changed", "PT0013 100%")):
            audit.note(session, town.now, who, what, detail)

    def whats(**asked):  # type: ignore[no-untyped-def]
        return town.look(lambda s, w: [row.what for row in audit.newest(s, 10, **asked)])

    assert whats() == ["party_changed", "login_failed", "login"]
    assert whats(about="logins") == ["login_failed", "login"]
    assert whats(about="changes") == whats(text="0%") == ["party_changed"]
    assert whats(who="zhang", about="logins") == ["login"]
    assert whats(text="%%") == []
    assert len(whats(before=2)) == 1
