"""The command that serves the page and the API."""

import asyncio
from typing import Annotated

import typer

from escalation import logs
from escalation.cli.shared import ConfigFile, opened, say
from escalation.clock import system_clock


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(
        "serve",
        help="网页、接口、调度与发信 page, API, scheduler and dispatcher in one process, until SIGTERM.\n\n"
        "Example: escalation serve --host 127.0.0.1 --port 8080",
    )(serve)


def serve(
    host: Annotated[str, typer.Option("--host", help="监听地址 where to listen; default: [web] host")] = "",
    port: Annotated[int | None, typer.Option("--port", min=0, max=65535, help="端口 the port; default: [web] port")] = None,
    config: ConfigFile = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="详细日志 log more")] = False,
) -> None:
    """Serves until it is told to stop."""
    # the web's libraries take a second to load; no other command needs them
    from escalation.scheduler import watchdog_of  # noqa: PLC0415
    from escalation.web.serving import serve as answer  # noqa: PLC0415

    with opened(config) as app:
        logs.configure(app.settings.log.format, "debug" if verbose else app.settings.log.level)
        web = app.settings.web
        where, at = host or web.host, web.port if port is None else port
        app.secret()
        say(f"网页 page: http://{where}:{at}/  接口 API: http://{where}:{at}/api/openapi.json")
        with watchdog_of(app) as watchdog:
            asyncio.run(answer(app, system_clock, where, at, watchdog))
