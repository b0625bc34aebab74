"""The page that the demo ends on: one login a role, and the installation as `serve` has it; for this machine alone."""

import secrets
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import select
from sqlmodel import Session

from escalation.app import App
from escalation.config import DatabaseSettings, Settings, SmtpConfig, WebSettings
from escalation.models import PartyRow
from escalation.queries import ISSUE
from escalation.users import accounts
from escalation.world import World, touch
from workflows.parties import Party

#: role -> login and the person's name, in the order in which a newcomer would try them.
PEOPLE = {
    "city_coordinator": ("shi", "张市协调员"),
    "responsible_party": ("chengban", "李承办"),
    "project_owner": ("yezhu", "王业主"),
    "department_coordinator": ("ting", "赵厅协调员"),
    "province_office": ("sheng", "陈主任"),
    "sponsor_liaison": ("lianluo", "周联络员"),
    "sponsor_leader": ("lingdao", "包保省领导"),
    "inspection_office": ("ducha", "吴督查"),
    "observer": ("guancha", "郑观察员"),
    "administrator": ("admin", "系统管理员"),
}
#: The sample has no observer.
OBSERVER = PartyRow(code="OBS1", name="省政府研究室观察员", level="province", organ="省政府研究室", role="observer")


class Login(NamedTuple):
    """Who may log in to the demo."""

    login: str
    password: str
    role: str
    #: The party's name; empty for the administrator, who acts for nobody.
    party: str


def opened(folder: Path) -> App:
    """The demo's store as `serve` has it: mails go on into its mailbox, no TLS."""
    return App(
        Settings(
            database=DatabaseSettings(url=f"sqlite:///{(folder / 'escalation.db').absolute()}"),
            smtp=SmtpConfig(folder=str(folder.absolute() / "mailbox"), sender="escalation@example.com"),
            web=WebSettings(secure_cookies=False),
            root=folder,
        )
    )


def logins(app: App, now: datetime) -> list[Login]:
    """Makes one user a role, each for the party with the most open issues, and one password for all of them."""
    password = secrets.token_urlsafe(12)

    def work(session: Session, world: World) -> list[Login]:
        if world.directory.find(OBSERVER.code) is None:
            session.add(PartyRow(**OBSERVER.model_dump()))
            session.flush()
            touch(session)
        return [_user(session, app.worlds.read(session), role, password, now) for role in PEOPLE]

    return app.change(work)


def _user(session: Session, world: World, role: str, password: str, now: datetime) -> Login:
    login, name = PEOPLE[role]
    if role == "administrator":
        accounts.add(session, now, login, name, password, is_admin=True, by="demo")
        return Login(login, password, role, "")
    party = _busiest(session, world.directory.with_role(role))
    accounts.add(session, now, login, name, password, [party.id], by="demo")
    return Login(login, password, role, party.name)


def _busiest(session: Session, parties: list[Party]) -> Party:
    """The one with the most open issues that it leads, answers for or raised; the first among equals."""
    columns = (ISSUE.c.lead_id, ISSUE.c.responsible_id, ISSUE.c.reporter_id)
    rows = session.connection().execute(select(*columns).where(ISSUE.c.closed_at.is_(None)))
    counted = Counter(party for row in rows for party in set(row))
    return max(parties, key=lambda each: counted[each.id])
