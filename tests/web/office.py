"""An office for the tests of page and API: the sample's parties in a store, people who log in, and a clock that the test moves."""

import re
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher
from sqlmodel import select
from starlette.testclient import TestClient

from escalation.app import App
from escalation.client import Client
from escalation.config import DatabaseSettings, Settings, WebSettings
from escalation.database import Store
from escalation.models import PartyRow, UserParty, UserRow
from escalation.users import passwords, tokens
from escalation.web import create_app
from tests.town import Town

PASSWORD = "correct horse battery staple"
#: What the program hashes with. It takes a fifth of a second by intention, and in these tests people log in a thousand times.
REAL_HASHER = passwords._HASHER
passwords._HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
HASH = passwords.hashed(PASSWORD)
CSRF = re.compile(r'name="csrf" value="([^"]+)"')
HEADERS = {"Sec-Fetch-Site": "same-origin"}


class Unfounded(Town):
    """A town where nobody lives yet: its ledger will be imported."""

    def _found(self, source: str) -> None:
        """Nothing is there."""


class Office:
    """A town with a web page."""

    def __init__(self, store: Store, folder: Path, *, empty: bool = False, **web: Any) -> None:
        self.town = Unfounded(store) if empty else Town(store, "2026-09-01 09:00")
        url = store.url.render_as_string(hide_password=False)
        settings = Settings(
            database=DatabaseSettings(url=url),
            web=WebSettings(**{"secure_cookies": False, "requests_per_minute": 0, **web}),
            root=folder,
        )
        self.app = App(settings)
        self.web = create_app(self.app, lambda: self.town.now)
        self.store = store

    def user(self, login: str, *parties: str, admin: bool = False, language: str = "zh_CN") -> str:
        """Somebody who may log in; their login."""
        with self.store.transaction() as session:
            row = UserRow(login=login, name=login, password=HASH, is_admin=admin, language=language, created_at=self.town.now)
            session.add(row)
            session.flush()
            for code in parties:
                party = session.exec(select(PartyRow).where(PartyRow.code == code)).one()
                session.add(UserParty(user_id=row.id, party_id=party.id))
        return login

    def party(self, code: str, role: str, level: str, **more: str) -> str:
        """A party that the sample does not have; its code."""
        from escalation.world import touch

        with self.store.transaction() as session:
            session.add(PartyRow(code=code, name=f"{role} {code}", role=role, level=level, **more))
            touch(session)
        return code

    def client(self) -> TestClient:
        """A browser that is not logged in."""
        return TestClient(self.web, base_url="http://office.test", follow_redirects=False, headers=HEADERS)

    def person(self, login: str, *parties: str, admin: bool = False, language: str = "zh_CN") -> "Person":
        """Somebody new, logged in."""
        self.user(login, *parties, admin=admin, language=language)
        return Person(self.client(), login)

    def program(self, login: str, *scopes: str) -> TestClient:
        """A program with a token of this user."""
        with self.store.transaction() as session:
            token = tokens.make(session, self.town.now, login, "test", scopes or ("read", "act"), None)
        client = TestClient(self.web, base_url="http://office.test", follow_redirects=False)
        client.headers["Authorization"] = f"Bearer {token}"
        return client

    def api(self, login: str, *parties: str) -> Client:
        """The typed client with a token of this user, who is made if parties are named."""
        if parties:
            self.user(login, *parties)
        http = self.program(login)
        return Client("http://office.test", http.headers["authorization"].removeprefix("Bearer "), http=http)


class Person:
    """Somebody at a browser."""

    def __init__(self, client: TestClient, login: str) -> None:
        self.client, self.login = client, login
        answer = self.enter()
        assert answer.status_code == 303, answer.text
        self.csrf = CSRF.search(self.get("/").text)[1]

    def enter(self, password: str = PASSWORD) -> Any:
        """The login form, filled in and sent."""
        return enter(self.client, self.login, password)

    def get(self, path: str, **more: Any) -> Any:
        """A page."""
        return self.client.get(path, **more)

    def post(self, path: str, **fields: Any) -> Any:
        """A form."""
        return self.client.post(path, data={"csrf": self.csrf, **fields})

    def act(self, number: str, action: str, **fields: Any) -> Any:
        """One action by its form; `as_` names the party."""
        return self.post(f"/issues/{number}/actions/{action}", **fields)


def enter(client: TestClient, login: str, password: str = PASSWORD, **more: str) -> Any:
    """The login form, filled in and sent."""
    proof = re.search(r'name="proof" value="([^"]+)"', client.get("/login").text)[1]
    return client.post("/login", data={"proof": proof, "login": login, "password": password, "next": "/", **more})
