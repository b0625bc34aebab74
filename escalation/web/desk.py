"""Who sits at the page or calls the API, and what they may see: everything that a request needs of the installation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Annotated, TypeVar

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlmodel import Session
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from escalation import filekinds, scope
from escalation.app import App
from escalation.clock import Clock
from escalation.errors import EscalationError, NotFound, UsageError
from escalation.filekinds import MEGABYTE
from escalation.users import User, entering, tokens
from escalation.users.entering import Limits
from escalation.web.pacing import Pace, cost
from escalation.world import World
from workflows.parties import Party
from workflows.sentence import say

T = TypeVar("T")
#: Where a password that somebody else chose is enough.
WITHOUT = ("/account", "/account/password", "/logout", "/language")
#: No number in a form is greater.
LARGEST = 2**31 - 1


class NotSeated(EscalationError):
    """Nobody is logged in; a page sends them to the login, with what they had typed."""

    code = "not_entered"
    exit_code = 3
    status = 401
    typed: Mapping[str, str] = {}


class MustChange(EscalationError):
    """The password was chosen by somebody else: its user chooses another one first."""

    code = "must_change"
    exit_code = 3
    status = 403


class Forged(EscalationError):
    """A form that was not ours: it came from another site, or from a page of long ago."""

    code = "forged"
    exit_code = 3
    status = 403
    #: What was typed, where the browser says that the page was ours: of a session before.
    posted: "Posted | None" = None


class NotGranted(EscalationError):
    """The token is good, but not for this."""

    code = "scope"
    exit_code = 3
    status = 403


@dataclass(frozen=True, slots=True)
class House:
    """The installation as the web has it."""

    app: App
    clock: Clock
    limits: Limits
    pace: Pace = field(compare=False)
    #: user -> when their to-do was counted, and how much it was: only of those who have a lot to do.
    counts: dict[int, tuple[datetime, int]] = field(default_factory=dict, compare=False)

    def keep_count(self, user: int, count: tuple[datetime, int], worth_it: bool) -> None:
        """Remembers a to-do's count, or forgets it."""
        self.counts.pop(user, None)
        if worth_it:
            self.counts[user] = count

    @classmethod
    def of(cls, app: App, clock: Clock) -> "House":
        """With the limits of its configuration."""
        web = app.settings.web
        limits = Limits(
            failures=web.login_failures,
            lock=timedelta(minutes=web.lock_minutes),
            from_one_address=web.failures_per_address,
            session=timedelta(hours=web.session_hours),
            idle=timedelta(minutes=web.idle_minutes),
        )
        return cls(app, clock, limits, Pace(web.requests_per_minute))

    @property
    def cookie(self) -> str:
        """The session cookie's name: with `__Host-` no other site of the domain can set it."""
        return self.named("session")

    def named(self, name: str) -> str:
        """What a cookie is called, bound to this host where there is TLS."""
        return f"__Host-{name}" if self.app.settings.web.secure_cookies else name


@dataclass(frozen=True, slots=True)
class Desk:
    """One request: who makes it, when, in which language, within which scopes."""

    house: House
    now: datetime
    user: User
    language: str
    #: What a form of this session carries; empty for a program.
    csrf: str = ""
    token: str = field(default="", repr=False)
    scopes: frozenset[str] = frozenset(("read", "act", "admin"))

    @property
    def app(self) -> App:
        """The installation."""
        return self.house.app

    @property
    def zone(self) -> str:
        """The zone that people read moments in."""
        return self.app.settings.calendar.zone

    def parties(self, world: World) -> list[Party]:
        """Those that the user acts for."""
        found = (world.directory.by_id.get(each) for each in self.user.parties)
        return [party for party in found if party is not None and party.active]

    def sight(self, world: World) -> scope.Sight:
        """What the user sees."""
        if self.user.is_admin:
            return scope.EVERYTHING
        return scope.sight(self.parties(world), world, world.calendar.local_day(self.now))

    def look(self, at: Callable[[Session, World, scope.Sight], T]) -> T:
        """Reads with a session, the world, and what the user sees of it."""
        return self.app.look(lambda session, world: at(session, world, self.sight(world)))

    def acting_as(self, world: World, code: str) -> Party:
        """The party of this code, if the user acts for it. Raises NotFound."""
        for party in self.parties(world):
            if party.code == code or not code:
                return party
        said = say("you do not act for {code!r}", code=code) if code else say("you act for nobody")
        raise NotFound(said, "an administrator says whom a user acts for")

    def refuse_without(self, scope_: str) -> None:
        """Raises NotGranted for a token without this scope."""
        if scope_ not in self.scopes:
            raise NotGranted(say("this token has no scope {scope}", scope=scope_), "make one that has: `escalation user token`")


def house(request: Request) -> House:
    """The installation that the request came to."""
    found: House = request.app.state.house
    return found


def address(request: Request) -> str:
    """Where a request comes from; behind a proxy that is believed, where that says."""
    return request.client.host if request.client else "?"


def language_of(request: Request, default: str) -> str:
    """The language of somebody who has not said: the cookie of the login page, then what the browser asks for."""
    chosen = request.cookies.get(house(request).named("language"))
    if chosen in ("zh_CN", "en"):
        return chosen
    wanted = request.headers.get("accept-language", "").lower()
    if wanted.startswith("zh"):
        return "zh_CN"
    return "en" if wanted.startswith("en") and "zh" not in wanted else default


def seated(request: Request) -> Desk:
    """Somebody who is logged in. Raises NotSeated, MustChange, TooFast."""
    here, token = house(request), request.cookies.get(house(request).cookie, "")
    now = here.clock()
    if not token:
        raise NotSeated("nobody is logged in", "log in")
    with here.app.store.reading() as session:
        entered = entering.resume(session, now, token, here.limits)
    if entered is None:
        raise NotSeated("the session is over", "log in again")
    if entered.silent:
        here.app.store.write(lambda session: entering.sign(session, now, token))
    desk = Desk(here, now, entered.user, entered.user.language, entered.csrf, token)
    request.state.desk = desk
    here.pace.take(f"user {desk.user.id}", cost(request), now)
    if entered.user.must_change and request.url.path not in WITHOUT:
        raise MustChange("this password was chosen by somebody else", "choose one of your own first")
    return desk


def administrator(request: Request) -> Desk:
    """An administrator. Raises NotFound for everybody else: to them there is no such page."""
    desk = seated(request)
    if not desk.user.is_admin:
        raise NotFound("there is no such page", "go back to your to-do")
    return desk


#: A file of a form: what the browser calls it, and its bytes or as many of them as show that it is too large.
Brought = tuple[str, bytes]


class Posted:
    """What a form said. Its token has been checked."""

    def __init__(self, desk: Desk, values: dict[str, str], brought: list[Brought] | None = None) -> None:
        self.desk, self.values, self.brought = desk, values, brought or []

    def __getitem__(self, name: str) -> str:
        return self.values.get(name, "").strip()

    def number(self, name: str) -> int | None:
        """A field that is a number; None when it is empty. Raises UsageError."""
        try:
            found = int(self[name]) if self[name] else None
            if found is None or 0 <= found <= LARGEST:
                return found
            raise ValueError(name)
        except ValueError as error:
            raise UsageError(say("{name} is no number", name=name), "go back and load the page again") from error


def day(text: str) -> date | None:
    """A day as a form's field has it; None when it is empty. Raises UsageError."""
    try:
        return date.fromisoformat(text.strip()) if text.strip() else None
    except ValueError as error:
        raise UsageError(say("{text!r} is no date", text=text), "write it as 2026-11-30") from error


async def posted(request: Request) -> Posted:
    """A form of somebody who is logged in. Raises NotSeated, Forged."""
    refuse_foreign(request)
    # a store is asked: not on the loop that serves everybody
    try:
        desk = await run_in_threadpool(seated, request)
    except NotSeated as error:
        error.typed = await form(request) if request.cookies.get(house(request).cookie) else {}
        raise
    values, brought = await form_with_files(request, desk.app.settings.files.limits)
    given = values.get("csrf", "") or request.headers.get("x-csrf-token", "")
    if not entering.same(given, desk.csrf):
        stale = Forged("this form is not of your session", "load the page again and repeat it")
        stale.posted = Posted(desk, values) if "sec-fetch-site" in request.headers else None
        raise stale
    desk.house.counts.pop(desk.user.id, None)
    return Posted(desk, values, brought)


async def form(request: Request) -> dict[str, str]:
    """The text fields of a form; a NUL is in no text, and PostgreSQL takes none."""
    async with request.form(max_files=20, max_fields=200) as found:
        return {name: value.replace("\x00", "") for name, value in found.items() if isinstance(value, str)}


async def form_with_files(request: Request, limits: filekinds.Limits) -> tuple[dict[str, str], list[Brought]]:
    """The same with the files that came; of each no more than is needed to see that it is too large."""
    async with request.form(max_files=limits.at_once, max_fields=200) as found:
        told = {name: value.replace("\x00", "") for name, value in found.items() if isinstance(value, str)}
        files = [each for _, each in found.multi_items() if isinstance(each, UploadFile) and each.filename]
        return told, [(each.filename or "", await each.read(limits.megabytes * MEGABYTE + 1)) for each in files]


def refuse_foreign(request: Request) -> None:
    """Raises Forged for what another site sent: a browser says so itself, in headers that no script can set."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin", "")
    if site not in ("same-origin", "none") or (origin and origin.partition("://")[2] != request.headers.get("host", "")):
        raise Forged("this form comes from another site", "open the page itself and repeat it")


#: How a program says who it is, as OpenAPI describes it; what is wrong with it is said by ourselves.
TOKEN = HTTPBearer(auto_error=False, scheme_name="token", description="`escalation user token` makes one")


def bearer(request: Request, given: Annotated[HTTPAuthorizationCredentials | None, Security(TOKEN)]) -> Desk:
    """A program with a token. Raises NotSeated, TooFast."""
    here = house(request)
    if given is None or not given.credentials:
        raise NotSeated("a bearer token is needed", "send `Authorization: Bearer …`; `escalation user token` makes one")
    now = here.clock()
    with here.app.store.reading() as session:
        found = tokens.bearer(session, now, given.credentials.strip())
    if found is None:
        raise NotSeated("this token is not good, or not any more", "`escalation user token` makes a new one")
    desk = Desk(here, now, found.user, found.user.language, scopes=found.scopes)
    request.state.desk = desk
    here.pace.take(f"program {desk.user.id}", cost(request), now)
    return desk


__all__ = ["Desk", "House", "Posted", "administrator", "bearer", "house", "posted", "seated"]
