"""Logging in through the identity provider: a real one on this machine, with real keys; whatever is wrong with it lets nobody in."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from sqlmodel import select
from starlette.testclient import TestClient

from escalation import outside
from escalation.config import MailSettings, OidcSettings
from escalation.database import Store
from escalation.doctor import examine
from escalation.errors import BadConfig
from escalation.models import AuditRow, UserRow
from escalation.users import accounts
from tests.web.browser import served
from tests.web.office import Office, enter
from tests.web.vouching import CLIENT, SECRET, IdentityProvider


@pytest.fixture(scope="module")
def clock() -> list[object]:
    return []


@pytest.fixture(scope="module")
def vouching(clock: list) -> Iterator[IdentityProvider]:  # type: ignore[type-arg]
    made = IdentityProvider(lambda: clock[-1].town.now)
    with served(made.web) as address:
        made.issuer = address
        yield made


@pytest.fixture
def provider(vouching: IdentityProvider, small: Office, clock: list) -> IdentityProvider:  # type: ignore[type-arg]
    clock.append(small)
    vouching.spoil, vouching.claimed_issuer = (lambda claims: None), ""
    vouching.person = {"sub": "4711", "preferred_username": "zhang", "name": "张三"}
    configure(small, vouching)
    return vouching


def configure(office: Office, provider: IdentityProvider, **more: object) -> None:
    given = OidcSettings(issuer=provider.issuer, client_id=CLIENT, client_secret=SECRET, **more)  # type: ignore[arg-type]
    mail = MailSettings(base_url="http://office.test")
    office.app.settings = office.app.settings.model_copy(update={"oidc": given, "mail": mail})


def looked_at(office: Office) -> tuple[bool, str]:
    """What doctor says of it."""
    found = next(check for check in examine(office.app, office.town.now) if check.name == "oidc")
    return found.ok, found.detail


def begun(client: TestClient, following: str = "/") -> str:
    """To the provider and as far as its answer: where it sends the browser back."""
    sent = client.get("/login/provider", params={"next": following})
    assert sent.status_code == 303, sent.text
    return httpx2.get(sent.headers["location"], trust_env=False).headers["location"]


def came(client: TestClient, following: str = "/"):  # type: ignore[no-untyped-def]
    return client.get(begun(client, following))


def test_a_person_is_let_in_and_known_by_their_subject_from_then_on(provider: IdentityProvider, small: Office) -> None:
    small.user("zhang", "PT0013")
    client = small.client()
    assert "/login/provider?next=" in client.get("/login").text

    back = came(client, "/issues?stage=city")

    assert (back.status_code, back.headers["location"]) == (303, "/issues?stage=city")
    assert client.get("/issues").status_code == 200
    cookie = next(each for each in back.headers.get_list("set-cookie") if each.startswith("session="))
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert not [each for each in client.cookies.jar if each.name == "provider"]
    # another name at the provider is still the same person, and the old name is nobody's key
    provider.person["preferred_username"] = "zhang.san"
    assert came(small.client()).status_code == 303
    provider.person = {"sub": "9999", "preferred_username": "zhang"}
    assert came(small.client()).status_code == 401
    with small.store.reading() as session:
        told = [(row.who, row.what, row.detail) for row in session.exec(select(AuditRow).order_by(AuditRow.id))]
    assert told[:2] == [("zhang", "login", "identity provider")] * 2
    assert told[2][1] == "login_failed"
    assert enter(small.client(), "zhang").status_code == 303, "the password goes on"


def test_nobody_is_made_unless_that_is_configured(provider: IdentityProvider, small: Office) -> None:
    provider.person["preferred_username"] = "li.si"
    assert came(small.client()).status_code == 401
    configure(small, provider, create=True)
    client = small.client()
    assert came(client).status_code == 303
    assert client.get("/").status_code == 200
    with small.store.reading() as session:
        row = session.exec(select(UserRow)).one()
    assert (row.login, row.is_admin, row.password) == ("li.si", False, "")
    assert enter(small.client(), "li.si", "").status_code == 401
    with small.store.transaction() as session:
        accounts.set_active(session, small.town.now, "li.si", False)
    assert came(small.client()).status_code == 401


BAD = {
    "another nonce": lambda provider, claims: claims.update(nonce="x"),
    "no nonce": lambda provider, claims: claims.pop("nonce"),
    "another issuer": lambda provider, claims: claims.update(iss="https://evil.test"),
    "for another client": lambda provider, claims: claims.update(aud="other"),
    "for two clients": lambda provider, claims: claims.update(aud=[CLIENT, "other"], azp="other"),
    "run out": lambda provider, claims: claims.update(exp=claims["iat"] - 3600),
    "from the future": lambda provider, claims: claims.update(nbf=claims["iat"] + 3600),
    "no subject": lambda provider, claims: claims.pop("sub"),
    "signed by a stranger": lambda provider, claims: provider.by_a_stranger(claims),
    "signed with what everybody knows": lambda provider, claims: provider.by_the_public_key(claims),
    "not signed": lambda provider, claims: provider.by_nobody(claims),
    "nonsense": lambda provider, claims: "a.b.c",
}


@pytest.mark.parametrize("what", BAD)
def test_a_token_that_is_off_lets_nobody_in(provider: IdentityProvider, small: Office, what: str) -> None:
    small.user("zhang")

    def spoil(claims: dict) -> str | None:  # type: ignore[type-arg]
        told = BAD[what](provider, claims)
        return told if isinstance(told, str) and "." in told else None

    provider.spoil = spoil
    client = small.client()

    assert came(client).status_code == 401
    assert client.get("/").status_code == 303


def test_a_login_ends_in_the_browser_that_began_it_and_once(provider: IdentityProvider, small: Office) -> None:
    small.user("zhang")
    victim, attacker = small.client(), small.client()

    back = begun(attacker)
    assert victim.get(back).status_code == 401, "a link with somebody else's code logs nobody in"
    assert attacker.get(back.replace("state=", "state=x")).status_code == 401
    back = begun(attacker)
    assert attacker.get(back).status_code == 303
    assert attacker.get(back).status_code == 401, "a code is good once"
    back = begun(victim)
    victim.cookies.set("provider", "rubbish", domain="office.test")
    assert victim.get(back).status_code == 401
    for more in ("error=access_denied", "iss=https://evil.test"):
        again = small.client()
        assert again.get(begun(again).replace("iss=", "was=") + f"&{more}").status_code == 401
    assert "evil" not in came(victim, "https://evil.test/").headers["location"]


def test_a_provider_that_is_another_or_does_not_answer(provider: IdentityProvider, small: Office) -> None:
    assert looked_at(small) == (True, f"{provider.issuer} answers")
    provider.claimed_issuer = "https://other.test"
    assert looked_at(small)[0] is False
    assert small.client().get("/login/provider").status_code == 503
    gone = OidcSettings(issuer="http://127.0.0.1:9", client_id=CLIENT, client_secret=SECRET)
    small.app.settings = small.app.settings.model_copy(update={"oidc": gone})
    assert small.client().get("/login/provider").status_code == 503
    plain = OidcSettings(issuer="http://idp.test", client_id=CLIENT, client_secret=SECRET)
    small.app.settings = small.app.settings.model_copy(update={"oidc": plain})
    assert "is not https" in small.client().get("/login/provider").text
    small.app.settings = small.app.settings.model_copy(update={"mail": MailSettings()})
    with pytest.raises(BadConfig, match=r"mail\.base_url"):
        outside.provider(small.app.settings)


def test_how_sure_it_must_be_is_asked_and_checked(provider: IdentityProvider, small: Office) -> None:
    small.user("zhang")
    configure(small, provider, acr="mfa")
    assert came(small.client()).status_code == 401
    provider.person["acr"] = "mfa"
    assert came(small.client()).status_code == 303


def test_without_a_provider_there_is_no_such_door(store: Store, tmp_path: Path) -> None:
    office = Office(store, tmp_path)
    client = office.client()

    assert client.get("/login/provider").status_code == 404
    assert client.get("/login/callback?code=x&state=y").status_code == 404
    assert "/login/provider" not in client.get("/login").text
    office.app.close()
