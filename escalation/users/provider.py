"""Logging in through the office's identity provider (OpenID Connect): code flow with PKCE, state and nonce. Off by default.

The only home of authlib and joserfc. A person is known by issuer and subject, which nobody else gets later; the first time
they are bound to the user whose login the provider names, if there is one.
"""

import json
import ssl
from dataclasses import dataclass
from datetime import datetime
from secrets import token_urlsafe
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx2
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry
from sqlalchemy import select
from sqlmodel import Session

from escalation.errors import EscalationError, Unusable
from escalation.models.users import UserRow, UserSubject
from escalation.users import audit
from escalation.users.accounts import LOGIN, USER, User, user
from workflows.sentence import say

SUBJECT = UserSubject.__table__  # type: ignore[attr-defined]
#: A provider signs with its private key; with what everybody could know (HS256) or nothing (none) it does not.
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
#: Seconds for one request to the provider, and by how many its clock may be off.
PATIENCE, LEEWAY = 10.0, 60
HERE = ("localhost", "127.0.0.1", "::1")
#: What a provider is configured with may be in any of these ways off; all of them are one answer to a browser.
TROUBLE = (httpx2.HTTPError, AuthlibBaseError, JoseError, ValueError, KeyError, TypeError, OSError)


class NotVouched(EscalationError):
    """The identity provider does not vouch for anybody who may come in: why is in the log."""

    code = "not_vouched"
    exit_code = 3
    status = 401


class ProviderTrouble(Unusable):
    """The identity provider cannot be used."""

    code = "provider"


class Begun(NamedTuple):
    """A login that has begun: where the browser goes, and what it must bring back."""

    url: str
    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True, slots=True)
class Provider:
    """The provider of the configuration, and who we are to it."""

    issuer: str
    client_id: str
    client_secret: str
    redirect_uri: str
    scope: str = "openid profile"
    #: The claim that names a login, the first time that somebody comes.
    claim: str = "preferred_username"
    #: Is a user made for somebody whom nobody here knows? They see nothing until an administrator says whom they act for.
    create: bool = False
    #: How strongly the provider must have made sure (`acr`); empty: that is left to it.
    acr: str = ""
    ca_file: str = ""

    def begin(self) -> Begun:
        """Where a browser is sent. Raises ProviderTrouble."""
        state, nonce, verifier = token_urlsafe(32), token_urlsafe(32), token_urlsafe(48)
        try:
            with self._client() as client:
                told = self._metadata(client)
                more = {"nonce": nonce} | ({"acr_values": self.acr} if self.acr else {})
                url, _ = client.create_authorization_url(told["authorization_endpoint"], state, code_verifier=verifier, **more)
        except TROUBLE as error:
            raise ProviderTrouble(
                say("the identity provider cannot be asked: {error}", error=error), "try again, or log in by password"
            ) from error
        return Begun(url, state, nonce, verifier)

    def claims(self, code: str, begun: Begun, now: datetime) -> dict[str, Any]:
        """What the provider says of who has come back with a code. Raises NotVouched."""
        try:
            with self._client() as client:
                told = self._metadata(client)
                token = client.fetch_token(told["token_endpoint"], code=code, code_verifier=begun.verifier)
                keys = client.request("GET", _safe(told["jwks_uri"]), withhold_token=True).raise_for_status().json()
            return self._checked(token, keys, begun, now)
        except TROUBLE as error:
            raise NotVouched(
                say("the identity provider's answer is not good: {kind}: {error}", kind=type(error).__name__, error=error),
                "log in again",
            ) from error

    def _client(self) -> OAuth2Client:
        return OAuth2Client(
            client_id=self.client_id,
            client_secret=self.client_secret,
            scope=self.scope,
            redirect_uri=self.redirect_uri,
            code_challenge_method="S256",
            timeout=PATIENCE,
            follow_redirects=False,
            trust_env=False,
            verify=ssl.create_default_context(cafile=self.ca_file or None),
        )

    def _metadata(self, client: OAuth2Client) -> dict[str, Any]:
        """What the provider says about itself. Raises what a request raises, ValueError when it is another one's."""
        where = f"{_safe(self.issuer).rstrip('/')}/.well-known/openid-configuration"
        told: dict[str, Any] = client.request("GET", where, withhold_token=True).raise_for_status().json()
        if told.get("issuer") != self.issuer:
            raise ValueError("its metadata names another issuer")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            _safe(told[name])
        return told

    def _checked(self, token: dict[str, Any], keys: dict[str, Any], begun: Begun, now: datetime) -> dict[str, Any]:
        registry = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
        read = jwt.decode(token["id_token"], KeySet.import_key_set(keys), registry=registry)  # type: ignore[arg-type]
        options: Any = {"iss": {"essential": True, "value": self.issuer}, "aud": {"essential": True, "value": self.client_id}}
        params = {"nonce": begun.nonce, "client_id": self.client_id, "access_token": token.get("access_token")}
        claims = CodeIDToken(read.claims, read.header, options, params)
        claims.validate(now=int(now.timestamp()), leeway=LEEWAY)
        if self.acr and claims.get("acr") != self.acr:
            raise ValueError(f"it was made sure by {claims.get('acr')!r}, not {self.acr!r}")
        return dict(claims)

    def enter(self, session: Session, now: datetime, claims: dict[str, Any], address: str) -> User:
        """The user whom these claims are of. Raises NotVouched, also for one who is shut out; the caller notes and commits."""
        subject = str(claims["sub"])
        known = session.get(UserSubject, (self.issuer, subject))
        row = session.get(UserRow, known.user_id) if known is not None else self._bound(session, now, subject, claims)
        if row is None or not row.active:
            raise NotVouched("nobody here goes by that name, or they are shut out", "ask an administrator")
        row.seen_at = now
        audit.note(session, now, row.login, "login", "identity provider", address)
        session.flush()
        return user(session, row)

    def _bound(self, session: Session, now: datetime, subject: str, claims: dict[str, Any]) -> UserRow | None:
        """The user whose login the provider names, from now on known by its subject; a new one where that is configured."""
        login = str(claims.get(self.claim) or "").strip().lower()
        found = session.connection().execute(select(USER.c.id).where(USER.c.login == login)).scalar()
        row = session.get(UserRow, found) if found is not None else None
        if row is None and self.create and LOGIN.fullmatch(login):
            row = UserRow(login=login, name=str(claims.get("name") or login)[:200], password="", created_at=now)
            session.add(row)
            session.flush()
            audit.note(session, now, "identity provider", "user_added", f"{login}; parties []")
        if row is None or session.connection().execute(select(SUBJECT.c.user_id).where(SUBJECT.c.user_id == row.id)).first():
            # a login is bound once: somebody else who is called so now is somebody else
            return None
        assert row.id is not None
        if row.password_given:
            # a first password that was never changed opens nothing any more
            row.password, row.password_given = "", False
        session.add(UserSubject(issuer=self.issuer, subject=subject, user_id=row.id, bound_at=now))
        return row


def _safe(url: str) -> str:
    """An address by TLS, or on this machine. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in HERE):
        return url
    raise ValueError(f"{url} is not https")


def packed(begun: Begun, following: str) -> str:
    """What the browser keeps of a login that has begun."""
    return json.dumps([begun.state, begun.nonce, begun.verifier, following[:500]])


def unpacked(text: str) -> tuple[Begun, str] | None:
    """That again; None when it is not such a thing."""
    try:
        state, nonce, verifier, following = map(str, json.loads(text))
    except (ValueError, TypeError):
        return None
    return Begun("", state, nonce, verifier), following
