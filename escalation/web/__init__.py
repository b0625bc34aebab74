"""The page and the API: what people and programs see of it over HTTP. No rule lives here."""

from escalation.web.application import create_app

__all__ = ["create_app"]
