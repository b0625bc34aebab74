"""What every answer carries and every request must bring: security headers, a strict CSP, a host name that is ours."""

import re
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from escalation.web.api import problems

#: No script and no style but our own files; nothing from elsewhere; no framing.
CSP = "; ".join(
    (
        "default-src 'none'",
        "object-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
HEADERS = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
HSTS = "max-age=31536000; includeSubDomains"
#: The largest body that anybody may send: a form of a few texts.
LARGEST = 1_000_000
#: Where files may come with it.
WITH_FILES = re.compile(r"/issues/new|/issues/new/draft|/issues/[^/]+/actions/[^/]+|/api/v1/files")


def _refusal(scope: Scope, said: str, status: int) -> Response:
    """A refusal before anything was read: a problem for programs, a line for everybody else."""
    if scope["path"].startswith("/api/"):
        return problems.told(status, "guard", said)
    return PlainTextResponse(said, status)


class Guard:
    """The outermost layer: refuses foreign host names and bodies that are too large, and signs every answer with the headers."""

    def __init__(self, app: ASGIApp, hosts: str = "", secure: bool = True, files: int = 0) -> None:
        self.app, self.files = app, files
        self.hosts = {each.strip().lower() for each in hosts.split(",") if each.strip()}
        self.secure = secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, as ASGI has it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name: value for name, value in scope["headers"] if name in (b"host", b"content-length")}
        if not self._is_ours(headers.get(b"host", b"").decode("latin-1")):
            await _refusal(scope, "unknown host", 400)(scope, receive, send)
            return
        if int(headers.get(b"content-length", b"0") or b"0") > (most := self._most(scope)):
            await _refusal(scope, "提交的内容过大 / too large", 413)(scope, receive, send)
            return
        if b"%00" in scope.get("raw_path", b"") + scope["query_string"]:
            # no text of ours has one, and PostgreSQL takes none
            await _refusal(scope, "not a text", 400)(scope, receive, send)
            return
        await self.app(scope, self._counted(receive, most), self._signed(scope, send))

    def _is_ours(self, host: str) -> bool:
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        return not self.hosts or name.lower() in self.hosts

    def _most(self, scope: Scope) -> int:
        return LARGEST + (self.files if WITH_FILES.fullmatch(scope["path"]) else 0)

    @staticmethod
    def _counted(receive: Receive, most: int) -> Receive:
        """A body without a length is cut off where it grows too large."""
        got = 0

        async def counted() -> Message:
            nonlocal got
            message = await receive()
            got += len(message.get("body", b""))
            if got > most:
                return {"type": "http.disconnect"}
            return message

        return counted

    def _signed(self, scope: Scope, send: Send) -> Send:
        private = not scope["path"].startswith("/static/")

        async def signed(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if private:
                    headers.setdefault("cache-control", "no-store")
                if self.secure:
                    headers.setdefault("strict-transport-security", HSTS)
            await send(message)

        return signed
