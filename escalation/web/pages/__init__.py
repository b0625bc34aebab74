"""The pages that people work in: one function and one template each."""

from fastapi import APIRouter

from escalation.web.pages import admin, approving, board, bulk, entering, issue, issues, links, raising, summaries, todo

router = APIRouter()
for each in (entering, links, todo, raising, issues, bulk, issue, board, summaries, approving, admin):
    router.include_router(each.router)
