"""Files of issues, on both databases: they come with the action or not at all, once, and stay as long as somebody needs them."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, func, select, update

from escalation import backing, filing, views
from escalation.archive import Ages, put_away
from escalation.commands import Raise, raise_many
from escalation.database import Store
from escalation.errors import NotFound, Refused
from escalation.filekinds import File, Limits, check
from escalation.filing import FILE
from escalation.verifying import verify
from escalation.world import WorldReader
from notifications.attaching import ATTACHMENT
from tests.town import CITY_COORDINATOR, OWNER, Town

HANDLER = "PT0033"
PHOTO = check("现场.png", b"\x89PNG\r\n\x1a\n....", Limits())
PROOF = check("证明.pdf", b"%PDF-1.7 ...", Limits())


@pytest.fixture
def town(store: Store) -> Town:
    return Town(store)


def bytes_kept(town: Town) -> int:
    with town.store.reading() as session:
        return session.connection().execute(select(func.count()).select_from(ATTACHMENT)).scalar() or 0


def files_of(town: Town, number: str) -> list[tuple[int, str, int]]:
    shown = town.look(lambda session, world: views.shown(session, world, number, town.now))
    return [(each["no"], each["name"], each["entry"]) for each in shown["files"]]


def solved(town: Town) -> str:
    number = town.dispatched()
    town.act(number, "acknowledge", HANDLER)
    town.act(number, "report_progress", HANDLER, reason="变压器已到货", files=(PHOTO,))
    town.act(number, "resolve", HANDLER, reason="已送电", files=(PROOF, PHOTO))
    return number


def test_files_come_with_their_action_and_are_kept_once(town: Town) -> None:
    first, second = solved(town), solved(town)

    assert files_of(town, first) == [(1, "现场.png", 4), (2, "证明.pdf", 5)]
    assert bytes_kept(town) == 2
    assert town.verify().ok
    with town.store.reading() as session:
        assert filing.one(session.connection(), town.facts(second).id, 2) == PROOF
        with pytest.raises(NotFound):
            filing.one(session.connection(), town.facts(second).id, 3)


def test_files_come_with_a_new_issue_and_only_with_that_one(town: Town) -> None:
    with town.store.transaction() as session:
        wanted = [Raise("HLJ26-001", "power", "major", name, OWNER, files=files) for name, files in (("a", (PHOTO,)), ("b", ()))]
        raised = raise_many(session, town.worlds.read(session), wanted, town.now, town.outgoing)
    assert [files_of(town, each.facts.number) for each in raised] == [[(1, "现场.png", 1)], []]
    assert town.verify().ok


def test_a_refused_action_leaves_no_file(town: Town) -> None:
    number = town.dispatched()
    with pytest.raises(Refused):
        town.act(number, "report_progress", OWNER, reason="变压器已到货", files=(PHOTO,))
    assert (files_of(town, number), bytes_kept(town)) == ([], 0)


def test_verify_names_what_is_missing_altered_or_taken_away(town: Town) -> None:
    number = solved(town)
    with town.store.transaction() as session:
        session.connection().execute(update(ATTACHMENT).where(ATTACHMENT.c.digest == PHOTO.digest).values(data=b"other"))
        session.connection().execute(delete(ATTACHMENT).where(ATTACHMENT.c.digest == PROOF.digest))
    assert sorted(town.verify().broken) == [(number, "file", "现场.png was altered"), (number, "file", "证明.pdf is missing")]
    with town.store.transaction() as session:
        session.connection().execute(delete(FILE))
    assert {each.detail for each in town.verify().broken} == {
        f"{each.digest} belongs to no issue any more" for each in (PHOTO, PROOF)
    }


def test_the_archive_and_a_backup_keep_them_and_what_nobody_needs_goes(town: Town, tmp_path: Path, new_store) -> None:  # type: ignore[no-untyped-def]
    number = town.dispatched()
    town.act(number, "acknowledge", HANDLER)
    town.act(number, "report_progress", HANDLER, reason="变压器已到货", files=(PHOTO,))
    town.act(number, "withdraw", CITY_COORDINATOR, reason="已自行解决")
    user = _user(town)
    with town.store.transaction() as session:
        filing.put_down(session.connection(), user, "x/resolve", [PROOF], town.now)
    assert bytes_kept(town) == 2
    town.now += timedelta(days=800)
    with town.store.transaction() as session:
        assert put_away(session, town.worlds.read(session), Ages(timedelta(days=730), timedelta(days=365)), town.now).issues == 1

    assert bytes_kept(town) == 1, "what was brought and never sent is forgotten"
    assert files_of(town, number) == [(1, "现场.png", 4)]
    backing.backup(town.store, tmp_path / "b.zip", town.now)
    fresh = new_store(f"sqlite:///{tmp_path}/new.db")
    backing.restore(tmp_path / "b.zip", fresh)
    with fresh.reading() as session:
        assert verify(session, WorldReader().read(session)).ok
        assert session.connection().execute(select(ATTACHMENT.c.data)).scalars().all() == [PHOTO.data]


def _user(town: Town) -> int:
    from escalation.models import UserRow

    with town.store.transaction() as session:
        row = UserRow(login="wang", name="王", created_at=town.now)
        session.add(row)
        session.flush()
        assert row.id is not None
        return row.id


def test_what_is_brought_waits_until_it_is_sent(town: Town) -> None:
    user, renamed = _user(town), PHOTO._replace(name="别名.png")
    with town.store.transaction() as session:
        connection = session.connection()
        filing.put_down(connection, user, "new", [PHOTO, PROOF], town.now)
        filing.put_down(connection, user, "new", [renamed], town.now + timedelta(seconds=1))
    with town.store.transaction() as session:
        connection = session.connection()
        waiting = filing.waiting(connection, user, "new")
        assert waiting == [File(each.name, each.content_type, each.size, each.digest) for each in (PROOF, renamed)]
        assert filing.waiting(connection, user, "other") == []
    number = town.dispatched()
    town.act(number, "acknowledge", HANDLER)
    town.act(number, "report_progress", HANDLER, reason="变压器已到货", files=tuple(waiting))
    with town.store.transaction() as session:
        filing.clear(session.connection(), user, "new")
        assert filing.waiting(session.connection(), user, "new") == []
        assert filing.one(session.connection(), town.facts(number).id, 1) == PROOF
