"""A small identity provider for the tests: discovery, authorization by code with PKCE, tokens signed with a real key."""

from base64 import b64decode
from collections.abc import Callable
from datetime import datetime
from secrets import token_urlsafe
from typing import Any
from urllib.parse import urlencode

from authlib.oauth2.rfc7636 import create_s256_code_challenge
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

CLIENT, SECRET, BACK = "escalation", "a secret between the two", "http://office.test/login/callback"


class IdentityProvider:
    """Vouches for whoever is at the browser now; `spoil` is what a bad one would do to its token."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.clock, self.issuer = clock, ""
        self.person: dict[str, Any] = {"sub": "4711", "preferred_username": "zhang", "name": "张三"}
        self.key, self.stranger = (RSAKey.generate_key(2048, {"kid": name}) for name in ("ours", "other"))
        self.spoil: Callable[[dict[str, Any]], str | None] = lambda claims: None
        self.codes: dict[str, tuple[str, str, dict[str, Any]]] = {}
        self.claimed_issuer = ""
        self.web = FastAPI(openapi_url=None)
        for path, answer, method in (
            ("/.well-known/openid-configuration", self.metadata, "GET"),
            ("/authorize", self.authorize, "GET"),
            ("/token", self.token, "POST"),
            ("/keys", self.keys, "GET"),
        ):
            self.web.add_api_route(path, answer, methods=[method], response_model=None)

    def metadata(self) -> dict[str, Any]:
        names = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
        return {"issuer": self.claimed_issuer or self.issuer} | {name: f"{self.issuer}/{path}" for name, path in names.items()}

    def keys(self) -> dict[str, Any]:
        return {"keys": [self.key.as_dict(private=False)]}

    def authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        assert (asked["client_id"], asked["redirect_uri"], asked["response_type"]) == (CLIENT, BACK, "code")
        assert asked["code_challenge_method"] == "S256"
        code = token_urlsafe()
        self.codes[code] = (asked["code_challenge"], asked["nonce"], dict(self.person))
        return RedirectResponse(f"{BACK}?{urlencode({'code': code, 'state': asked['state'], 'iss': self.issuer})}", 303)

    async def token(self, request: Request) -> Response:
        form = await request.form()
        client = b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
        found = self.codes.pop(str(form["code"]), None)
        good = found is not None and create_s256_code_challenge(str(form["code_verifier"])) == found[0]
        if not good or client != f"{CLIENT}:{SECRET}" or form["redirect_uri"] != BACK:
            return JSONResponse({"error": "invalid_grant"}, 400)
        assert found is not None
        now = int(self.clock().timestamp())
        claims = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": found[1], **found[2]}
        told = self.spoil(claims) or jwt.encode({"alg": "RS256", "kid": "ours"}, claims, self.key)
        return JSONResponse({"access_token": token_urlsafe(), "token_type": "Bearer", "id_token": told})

    def by_a_stranger(self, claims: dict[str, Any]) -> str:
        return jwt.encode({"alg": "RS256", "kid": "ours"}, claims, self.stranger)

    def by_the_public_key(self, claims: dict[str, Any]) -> str:
        """What everybody can read taken as a secret, as where the algorithm is left to the token."""
        shared = OctKey.import_key(self.key.as_pem(private=False))
        return jwt.encode({"alg": "HS256", "kid": "ours"}, claims, shared, algorithms=["HS256"])

    def by_nobody(self, claims: dict[str, Any]) -> str:
        import json
        from base64 import urlsafe_b64encode

        parts = [urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=") for each in ({"alg": "none"}, claims)]
        return ".".join([*parts, ""])
