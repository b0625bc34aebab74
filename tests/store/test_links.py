"""Links in mails: they act once, for one party, on one issue, until they run out; looking at one changes nothing."""

import json
import re
import string
from base64 import urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select

from escalation import queries
from escalation.errors import Refused
from escalation.links import OFFERED, SECRET, USED, BadLink, Claim, Links, LinkSigner
from escalation.queries import OUTBOX
from notifications.claiming import Claimed
from notifications.kinds import KINDS
from tests.town import CITY_COORDINATOR, Town, at

LIFE = timedelta(days=14)
BASE = "https://tiji.example"


@pytest.fixture
def town(store) -> Town:
    return Town(store)


@pytest.fixture
def links(town) -> Links:
    return Links(town.store, town.worlds, town.outgoing, LIFE)


def token(links: Links, town: Town, number: str, action: str, party: str = "") -> str:
    claim = Claim(
        number, action, party or town.look(lambda s, w: w.directory.by_id[town.facts(number).lead_id].code), town.now + LIFE, "k"
    )
    return links.signer(town.now).link(claim).rpartition("/")[2]


def used(town: Town) -> int:
    return town.look(lambda session, world: len(session.connection().execute(select(USED)).all()))


def test_a_link_acknowledges_once(town, links):
    number = town.dispatched()
    mine = token(links, town, number, "acknowledge")
    assert links.look(mine, town.now).action == "acknowledge"
    assert links.use(mine, town.now)["status"] == "processing"
    for again in (links.look, links.use):
        with pytest.raises(BadLink) as said:
            again(mine, town.now)
        assert said.value.code == "used"
    assert town.verify().broken == []


def test_looking_changes_nothing_however_often(town, links):
    number = town.dispatched()
    mine, before = token(links, town, number, "acknowledge"), town.facts(number)
    for _ in range(5):
        links.look(mine, town.now)
    assert (town.facts(number), used(town)) == (before, 0)


def test_progress_and_an_extension_by_link(town, links):
    number = town.dispatched()
    links.use(token(links, town, number, "acknowledge"), town.now)
    links.use(token(links, town, number, "report_progress"), town.now, reason="第四版方案已送审，待评审会后三日内批复")
    due = town.facts(number).due_at
    wanted = (due + timedelta(days=5)).date()
    links.use(token(links, town, number, "request_extension"), town.now, reason="评审会推迟", until=wanted)
    entries = town.look(lambda s, w: [each.action for each in queries.whole(s.connection(), number).journal])
    assert entries[-3:] == ["acknowledge", "report_progress", "ask_extension"]


def test_what_was_refused_leaves_the_link_good(town, links):
    number = town.dispatched()
    links.use(token(links, town, number, "acknowledge"), town.now)
    mine = token(links, town, number, "report_progress")
    with pytest.raises(Refused):
        links.use(mine, town.now, reason="")
    assert used(town) == 1
    links.use(mine, town.now, reason="供电方案已送审，预计下周批复")


def test_an_expired_a_tampered_and_another_persons_link(town, links):
    number = town.dispatched()
    mine = token(links, town, number, "acknowledge")
    late = town.now + LIFE + timedelta(seconds=1)
    with pytest.raises(BadLink, match="run out"):
        links.use(mine, late)
    for broken in (mine[:-2] + ("AA" if mine[-2:] != "AA" else "BB"), mine.replace(".", "", 1), "x", "", mine + "x", "a.b.c"):
        with pytest.raises(BadLink) as said:
            links.use(broken, town.now)
        assert said.value.code == "tampered"
    with pytest.raises(Refused):
        links.use(token(links, town, number, "acknowledge", CITY_COORDINATOR), town.now)
    assert town.facts(number).status == "pending_ack"


def respelled(link: str) -> set[str]:
    """What a lenient reader would take for the same link."""
    head, _, signature = link.rpartition(".")
    ends = {signature[:-1] + letter for letter in string.ascii_letters + string.digits + "-_"}
    base64 = urlsafe_b64encode(bytes.fromhex(signature)).decode()
    others = {signature.upper(), signature + "=", signature + "==", base64, base64.rstrip("="), " " + signature}
    return {f"{head}.{each}" for each in ends | others} - {link}


def test_a_link_that_was_used_cannot_be_spelled_anew(town, links):
    number = town.dispatched()
    links.use(token(links, town, number, "acknowledge"), town.now)
    mine = token(links, town, number, "report_progress")
    links.use(mine, town.now, reason="供电方案已送审，预计下周批复")
    for other in respelled(mine):
        with pytest.raises(BadLink) as said:
            links.use(other, town.now, reason="供电方案已送审，预计下周批复")
        assert said.value.code == "tampered", other


def test_no_mail_filter_takes_a_link_for_something_else():
    """A Bitcoin address is thirty letters and digits between two word boundaries: here are only two words, the last of 64."""
    for each in range(1000):
        signer = LinkSigner([f"key {each}"], BASE, LIFE)
        link = signer.link(Claim("WT26-0007", "report_progress", "PT0033", at("2026-11-23 09:00"), f"dispatch_notice:{each}"))
        assert re.fullmatch(re.escape(BASE) + r"/a/WyJ[A-Za-z0-9]+\.[0-9a-f]{64}", link), link


def test_a_link_of_the_one_who_answered_before_does_nothing_after_the_issue_went_up(town, links):
    number = town.dispatched(severity="urgent")
    mine = token(links, town, number, "acknowledge")
    town.sweep("2026-09-09 09:00")
    assert town.facts(number).stage == "department"
    with pytest.raises(Refused):
        links.look(mine, town.now)
    with pytest.raises(Refused):
        links.use(mine, town.now)


def test_pressed_twice_at_the_same_moment_it_acts_once(town, links):
    number = town.dispatched()
    mine = token(links, town, number, "acknowledge")

    def press(_):
        try:
            links.use(mine, town.now)
        except (BadLink, Refused) as error:
            return error.code
        return "done"

    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(press, range(4)))
    assert said.count("done") == 1
    assert used(town) == 1
    assert town.verify().broken == []


def test_a_new_key_lets_old_links_run_out_or_kills_them_at_once(town, links):
    number = town.dispatched()
    mine = token(links, town, number, "acknowledge")
    links.rotate(town.now)
    assert links.look(mine, town.now)
    new = token(links, town, number, "acknowledge")
    links.rotate(town.now, at_once=True)
    for dead in (mine, new):
        with pytest.raises(BadLink) as said:
            links.look(dead, town.now)
        assert said.value.code == "tampered"


@pytest.mark.parametrize("at_once", [False, True])
def test_a_new_key_where_there_was_none(town, links, at_once):
    links.rotate(town.now, at_once=at_once)
    assert town.look(lambda session, world: len(session.connection().execute(select(SECRET)).all())) == 1
    assert links.look(token(links, town, town.dispatched(), "acknowledge"), town.now)


def test_a_key_goes_when_all_that_it_signed_has_run_out(town, links):
    links.signer(town.now)
    for days in (0, 10, 20, 30):
        links.rotate(town.now + timedelta(days=days))
    left = town.look(lambda session, world: len(session.connection().execute(select(SECRET)).all()))
    assert left == 3, "signed until day 20 and 30, and the new one; what was replaced on day 0 and 10 is gone"


def test_two_nodes_believe_each_others_links(town, links, new_store):
    other = Links(new_store(town.store.engine.url.render_as_string(hide_password=False)), town.worlds, town.outgoing, LIFE)
    number = town.dispatched()
    assert other.look(token(links, town, number, "acknowledge"), town.now)


def test_every_kind_that_offers_links_exists_and_its_reader_may_use_them(town, links):
    assert set(OFFERED) <= set(KINDS)
    number = town.dispatched()
    row = town.look(
        lambda s, w: s.connection().execute(select(OUTBOX).where(OUTBOX.c.kind == "dispatch_notice")).mappings().all()
    )
    signer = Links(town.store, town.worlds, type(town.outgoing)("x.example", BASE), LIFE).signer(town.now)
    offered = {}
    for each in row:
        told = json.loads(each["facts"])
        claimed = Claimed(*[each.get(name, "") for name in Claimed._fields])
        offered[told["recipient_role"]] = dict(signer.actions(claimed, told, town.now))
    assert set(offered["responsible"]) == {"签收", "反馈进展", "申请延期"}
    assert offered["coordinator"] == {}
    assert links.use(offered["responsible"]["签收"].removeprefix(f"{BASE}/a/"), town.now)["status"] == "processing"
    assert number


def test_no_link_and_no_key_is_kept_in_a_mail(town):
    town.dispatched()
    facts = town.look(lambda s, w: [bytes(r) for r in s.connection().execute(select(OUTBOX.c.facts)).scalars()])
    assert facts
    assert not any(b"/a/" in each for each in facts)


def test_at_the_end_of_its_life_to_the_second(town, links):
    number = town.dispatched()
    mine = token(links, town, number, "acknowledge")
    assert links.look(mine, at("2026-09-15 09:00"))
