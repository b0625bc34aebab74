"""The REST API, `/api/v1`: what other programs read and do with a bearer token."""

from fastapi import APIRouter

from escalation.web.api import files, issues, ledger

router = APIRouter(prefix="/api/v1")
router.include_router(issues.router)
router.include_router(files.router)
router.include_router(ledger.router)
