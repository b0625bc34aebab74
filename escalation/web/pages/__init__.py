"""The pages that people work in: one function and one template each."""

from fastapi import APIRouter

from escalation.web.pages import (
    account,
    accounts,
    admin,
    approving,
    board,
    bulk,
    charts,
    directory,
    entering,
    issue,
    issues,
    links,
    raising,
    rulebook,
    summaries,
    todo,
    vouched,
)

router = APIRouter()
for each in (
    entering,
    vouched,
    account,
    links,
    todo,
    raising,
    issues,
    bulk,
    issue,
    board,
    charts,
    summaries,
    approving,
    admin,
    accounts,
    directory,
    rulebook,
):
    router.include_router(each.router)
