"""`/admin/users`: who may log in, whom they act for, their passwords and tokens."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response
from sqlmodel import Session

from escalation.commands import find_party
from escalation.errors import EscalationError
from escalation.scope import Sight
from escalation.users import accounts, audit, tokens
from escalation.web.desk import Desk
from escalation.web.pages.admin import Administrator, Form
from escalation.web.pages.showing import show
from escalation.world import World

router = APIRouter(prefix="/admin/users")


@router.get("")
def users(desk: Administrator) -> Response:
    """Users and whom they act for."""
    return _users(desk, {})


def _users(desk: Desk, values: dict[str, str], failed: EscalationError | None = None) -> Response:
    found = desk.look(
        lambda session, world, seen: {
            "items": accounts.listing(session),
            "names": {each.id: each.name for each in world.directory.parties},
            "parties": [each for each in world.directory.parties if each.active],
        }
    )
    more = {"values": values, "failed": failed, "here": "users"}
    return show(desk, "users.html", found | more, status=failed.status if failed else 200)


def _named(world: World, text: str) -> list[int]:
    """The parties of a list with commas, Chinese or not. Raises NotFound."""
    return [find_party(world, each.strip()).id for each in text.replace("，", ",").split(",") if each.strip()]


@router.post("")
def added(given: Form) -> Response:
    """A new user; refused, the form comes again with what was typed."""
    desk = given.desk

    def work(session: Session, world: World) -> None:
        accounts.add(
            session,
            desk.now,
            given["login"],
            given["name"],
            given.values.get("password", ""),
            _named(world, given["parties"]),
            language=given["language"] or "zh_CN",
            is_admin=given["is_admin"] == "1",
            by=desk.user.login,
        )

    try:
        desk.app.change(work)
    except EscalationError as error:
        kept = {name: value for name, value in given.values.items() if name not in ("password", "csrf")}
        return _users(desk, kept, error)
    return RedirectResponse("/admin/users", 303)


@router.get("/{login}")
def user(desk: Administrator, login: str, done: str = "") -> Response:
    """One user: whom they act for, password, tokens, and what the audit has of them."""
    return _user(desk, login, done)


def _user(desk: Desk, login: str, done: str = "", failed: EscalationError | None = None, typed: str | None = None) -> Response:
    def told(session: Session, world: World, seen: Sight) -> dict[str, Any]:
        row = accounts.find(session, login)
        names = {each.id: each.name for each in world.directory.parties}
        acts_for = [names[each] for each in accounts.user(session, row).parties if each in names]
        return {
            "who": row,
            "acts_for": ", ".join(acts_for) if typed is None else typed,
            "parties": [each for each in world.directory.parties if each.active],
            "tokens": [each for each in tokens.listing(session) if each["user_id"] == row.id],
            "lines": audit.newest(session, 20, who=row.login),
        }

    more = {"done": done, "failed": failed, "here": "users"}
    return show(desk, "user.html", desk.look(told) | more, status=failed.status if failed else 200)


@router.post("/{login}/active")
def let_in(given: Form, login: str) -> Response:
    """A user is shut out, or let in again."""
    desk, active = given.desk, given["active"] == "1"
    desk.app.change(lambda session, world: accounts.set_active(session, desk.now, login, active, by=desk.user.login))
    return RedirectResponse("/admin/users", 303)


@router.post("/{login}/parties")
def acts_for(given: Form, login: str) -> Response:
    """Whom a user acts for from now on."""
    desk = given.desk

    def work(session: Session, world: World) -> None:
        accounts.set_parties(session, desk.now, login, _named(world, given["parties"]), by=desk.user.login)

    try:
        desk.app.change(work)
    except EscalationError as error:
        return _user(desk, login, failed=error, typed=given["parties"])
    return RedirectResponse(f"/admin/users/{login}?done=user_parties", 303)


@router.post("/{login}/password")
def new_password(given: Form, login: str) -> Response:
    """A new password; every session of the user ends."""
    desk, secret = given.desk, given.values.get("password", "")
    try:
        desk.app.change(lambda session, world: accounts.set_password(session, desk.now, login, secret, by=desk.user.login))
    except EscalationError as error:
        return _user(desk, login, failed=error)
    return RedirectResponse(f"/admin/users/{login}?done=password_set", 303)


@router.post("/{login}/tokens/revoke")
def revoked(given: Form, login: str) -> Response:
    """A token is good no longer."""
    desk, number = given.desk, given.number("id") or 0
    desk.app.change(lambda session, world: tokens.revoke(session, desk.now, number, by=desk.user.login))
    return RedirectResponse(f"/admin/users/{login}?done=token_revoked", 303)
