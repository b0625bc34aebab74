"""`/account`: one's own password, and where one is logged in. What changes either asks for the password again."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response
from sqlmodel import Session

from escalation.errors import EscalationError, UsageError
from escalation.users import accounts, entering
from escalation.users.entering import NotEntered
from escalation.web.desk import Desk, Posted, address, posted, seated
from escalation.web.pages.entering import seat
from escalation.web.pages.showing import show
from escalation.world import World

router = APIRouter(prefix="/account")
Seated = Annotated[Desk, Depends(seated)]
Form = Annotated[Posted, Depends(posted)]


@router.get("")
def shown(desk: Seated, done: str = "") -> Response:
    """Whom one acts for, one's logins, and the form for a new password."""
    return _page(desk, done=done)


def _page(desk: Desk, *, done: str = "", failed: EscalationError | None = None) -> Response:
    def told(session: Session, world: World, seen: object) -> dict[str, object]:
        logins = entering.sessions(session, desk.now, desk.user)
        return {"logins": logins, "parties": [each.name for each in desk.parties(world)]}

    values = desk.look(told) | {"done": done, "failed": failed, "here": "account"}
    return show(desk, "account.html", values, status=failed.status if failed else 200)


@router.post("/password")
def changed(request: Request, given: Form) -> Response:
    """A new password in place of the one that is given; every login ends but this one, which begins anew."""
    desk = given.desk
    try:
        _confirm(request, given)
        if given.values.get("password", "") != given.values.get("again", ""):
            raise UsageError("the two new passwords differ", "type the same one twice")

        def work(session: Session) -> str:
            accounts.set_password(session, desk.now, desk.user.login, given.values["password"], by=desk.user.login)
            return entering.begin(session, desk.now, desk.user, desk.house.limits)

        token = desk.app.store.write(work)
    except EscalationError as error:
        return _page(desk, failed=error)
    return seat(desk.house, token, "/account?done=password")


@router.post("/sessions")
def ended(request: Request, given: Form) -> Response:
    """Every other login of one's own ends."""
    desk = given.desk
    try:
        _confirm(request, given)
    except EscalationError as error:
        return _page(desk, failed=error)
    desk.app.store.write(lambda session: entering.end_others(session, desk.now, desk.user, desk.token))
    return RedirectResponse("/account?done=sessions", 303)


def _confirm(request: Request, given: Posted) -> None:
    """The password again, counted like a login. Raises TooMany, NotEntered."""
    desk, limits, where = given.desk, given.desk.house.limits, address(request)
    with desk.app.store.reading() as session:
        entering.refuse_hammering(session, desk.now, where, limits)
    now, login, current = desk.now, desk.user.login, given.values.get("current", "")
    if desk.app.store.write(lambda session: entering.check(session, now, login, current, where, limits, "confirmed")) is None:
        raise NotEntered("that is not your password", "type the one that you logged in with")
