"""`/admin/…`: nodes, mails that did not go out, users, the audit. For everybody but administrators there are no such pages."""

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import RedirectResponse, Response
from sqlmodel import Session

from escalation import nodes
from escalation.commands import find_party
from escalation.errors import EscalationError, NotFound
from escalation.users import accounts, audit
from escalation.web.desk import Desk, Posted, administrator, posted
from escalation.web.pages.showing import show
from escalation.world import World
from notifications import outbox

router = APIRouter(prefix="/admin")
Administrator = Annotated[Desk, Depends(administrator)]
ROWS = 100


def may(given: Annotated[Posted, Depends(posted)]) -> Posted:
    """A form of an administrator. Raises NotFound for everybody else."""
    if not given.desk.user.is_admin:
        raise NotFound("there is no such page", "go back to your to-do")
    return given


Form = Annotated[Posted, Depends(may)]


@router.get("")
def front(desk: Administrator) -> Response:
    """The first of these pages."""
    return RedirectResponse("/admin/nodes", 303)


@router.get("/nodes")
def working(desk: Administrator) -> Response:
    """The processes that work on this store, each with its last sign of life."""
    rows = desk.look(lambda session, world, seen: nodes.listing(session, desk.now))
    return show(desk, "nodes.html", {"items": rows, "here": "nodes"})


@router.get("/outbox")
def mails(desk: Administrator, state: str = "dead", done: int | None = None) -> Response:
    """Mails by state; those that failed first."""
    state = state if state in ("dead", "queued", "sending", "sent", "obsolete") else "dead"
    found = desk.look(lambda session, world, seen: (outbox.listing(session, state, ROWS), outbox.counts(session)))
    return show(desk, "outbox.html", {"items": found[0], "counts": found[1], "state": state, "done": done, "here": "outbox"})


@router.post("/outbox/retry")
def retried(given: Form) -> Response:
    """One failed mail, or all of them, get another life."""
    number, desk = given.number("id"), given.desk

    def work(session: Session, world: World) -> int:
        count = outbox.retry(session, [number] if number is not None else None, desk.now)
        audit.note(session, desk.now, desk.user.login, "outbox_retry", f"{number or 'all'}: {count}")
        return count

    return RedirectResponse(f"/admin/outbox?done={desk.app.change(work)}", 303)


@router.get("/users")
def users(desk: Administrator) -> Response:
    """Users, whom they act for, and the audit's newest lines."""
    return _users(desk, {})


def _users(desk: Desk, values: dict[str, str], failed: EscalationError | None = None) -> Response:
    found = desk.look(
        lambda session, world, seen: {
            "items": accounts.listing(session),
            "lines": audit.newest(session, 50),
            "names": {each.id: each.name for each in world.directory.parties},
            "parties": [each for each in world.directory.parties if each.active],
        }
    )
    more = {"values": values, "failed": failed, "here": "users"}
    return show(desk, "users.html", found | more, status=failed.status if failed else 200)


@router.post("/users")
def added(given: Form) -> Response:
    """A new user; refused, the form comes again with what was typed."""
    desk = given.desk

    def work(session: Session, world: World) -> None:
        names = [each.strip() for each in given["parties"].replace("，", ",").split(",") if each.strip()]
        parties = [find_party(world, each).id for each in names]
        accounts.add(
            session,
            desk.now,
            given["login"],
            given["name"],
            given.values.get("password", ""),
            parties,
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


@router.post("/users/{login}/active")
def let_in(given: Form, login: str) -> Response:
    """A user is shut out, or let in again."""
    desk, active = given.desk, given["active"] == "1"
    desk.app.change(lambda session, world: accounts.set_active(session, desk.now, login, active, by=desk.user.login))
    return RedirectResponse("/admin/users", 303)
