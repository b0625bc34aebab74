"""Whom an installation talks to besides its mail server: the systems that follow by webhooks, and the identity provider.

Few installations use either, and their libraries are slow to load: `app` imports this where it is asked for them.
"""

from escalation.config import Settings
from escalation.errors import BadConfig
from escalation.users.provider import Provider
from notifications import webhook


def deliverer(settings: Settings, node: str) -> webhook.Deliverer:
    """The webhooks of the configuration. Raises BadConfig for one that may not be sent there, or has no secret."""
    given, secrets = settings.webhooks, settings.webhook_secrets
    hooks = {}
    try:
        allowed = webhook.Allowed.of(given.origins, given.networks)
        for name, url in given.to.items():
            allowed.refuse_url(url)
            hooks[name] = webhook.Hook(name, url, webhook.key(secrets.get(name, "")))
    except webhook.BadHook as error:
        raise BadConfig(f"webhooks: {error}", "config.toml's comments say what each key takes; docs/web.md, Webhooks") from error
    return webhook.Deliverer(hooks, allowed, node, _file(settings, given.ca_file))


def provider(settings: Settings) -> Provider | None:
    """The identity provider of the configuration, if there is one. Raises BadConfig."""
    given, base = settings.oidc, settings.mail.base_url.rstrip("/")
    if not given.issuer:
        return None
    if not base or not given.client_id:
        raise BadConfig("oidc: client_id and mail.base_url are needed", "the provider sends people back to mail.base_url")
    return Provider(
        issuer=given.issuer,
        client_id=given.client_id,
        client_secret=settings.oidc_secret,
        redirect_uri=f"{base}/login/callback",
        scope=given.scope,
        claim=given.claim,
        create=given.create,
        acr=given.acr,
        ca_file=_file(settings, given.ca_file),
    )


def _file(settings: Settings, name: str) -> str:
    return str(settings.path(name)) if name else ""
