"""The pages that people work in: one function and one template each."""

from fastapi import APIRouter

from escalation.web.pages import admin, board, entering, issue, issues, raising, summaries, todo

router = APIRouter()
for each in (entering, todo, raising, issues, issue, board, summaries, admin):
    router.include_router(each.router)
