"""`/admin/…`: nodes and what a sweep set aside, mails that did not go out, the audit. Only for administrators: for everybody else
there are no such pages."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import RedirectResponse, Response
from sqlmodel import Session

from escalation import asides, nodes
from escalation.errors import NotFound
from escalation.users import audit
from escalation.web.desk import LARGEST, Desk, Posted, administrator, posted
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
def working(desk: Administrator, done: int | None = None) -> Response:
    """The processes that work on this store, each with the last runs of its jobs, and the issues that a sweep set aside."""
    rows = desk.look(lambda session, world, seen: {"items": nodes.listing(session, desk.now), "aside": asides.listed(session)})
    return show(desk, "nodes.html", rows | {"done": done, "here": "nodes"})


@router.post("/aside/retry")
def tried_again(given: Form) -> Response:
    """One issue that was set aside, or all of them: the next sweep looks again."""
    number, desk = given["number"], given.desk

    def work(session: Session, world: World) -> int:
        count = asides.try_again(session, [number] if number else None, desk.now)
        audit.note(session, desk.now, desk.user.login, "aside_retry", f"{number or 'all'}: {count}")
        return count

    return RedirectResponse(f"/admin/nodes?done={desk.app.change(work)}", 303)


@router.get("/outbox")
def mails(desk: Administrator, state: str = "dead", done: int | None = None, what: str = "retry") -> Response:
    """Mails by state; those that failed first."""
    state = state if state in ("dead", "queued", "sending", "sent", "obsolete") else "dead"
    found = desk.look(
        lambda session, world, seen: {"items": outbox.listing(session, state, ROWS), "counts": outbox.counts(session)}
    )
    return show(desk, "outbox.html", found | {"state": state, "done": done, "what": what, "here": "outbox"})


@router.post("/outbox/retry")
def retried(given: Form) -> Response:
    """One failed mail, or all of them, get another life."""
    number, desk = given.number("id"), given.desk

    def work(session: Session, world: World) -> int:
        count = outbox.retry(session, [number] if number is not None else None, desk.now)
        audit.note(session, desk.now, desk.user.login, "outbox_retry", f"{number or 'all'}: {count}")
        return count

    return RedirectResponse(f"/admin/outbox?done={desk.app.change(work)}", 303)


@router.post("/outbox/drop")
def dropped(given: Form) -> Response:
    """One mail is never sent: nobody needs it any more."""
    number, desk = given.number("id"), given.desk
    reason = given["reason"] or "dropped by hand"

    def work(session: Session, world: World) -> int:
        count = outbox.drop(session, [number] if number is not None else [], f"{desk.user.login}: {reason}"[:500])
        audit.note(session, desk.now, desk.user.login, "outbox_drop", f"{number}: {count}; {reason}")
        return count

    return RedirectResponse(f"/admin/outbox?what=drop&done={desk.app.change(work)}", 303)


@router.get("/audit")
def audited(
    desk: Administrator,
    about: str = "",
    who: str = "",
    text: str = "",
    before: Annotated[int | None, Query(ge=1, le=LARGEST)] = None,
) -> Response:
    """Who came in or failed to, and who changed what; the newest first."""
    about = about if about in audit.ABOUT else ""
    older = before if before is not None and 0 < before <= LARGEST else None
    asked = {"about": about, "who": who.strip(), "text": text.strip()}
    rows = desk.look(lambda session, world, seen: audit.newest(session, ROWS + 1, before=older, **asked))
    values = {"items": rows[:ROWS], "next": rows[ROWS - 1].id if len(rows) > ROWS else None, "asked": asked, "here": "audit"}
    return show(desk, "audit.html", values)
