"""Page, API, scheduler and dispatcher in one process. The only home of uvicorn."""

import asyncio
import logging
import socket

import uvicorn

from escalation.app import App
from escalation.clock import Clock
from escalation.errors import BadConfig
from escalation.scheduler import Worker
from escalation.web.application import create_app

log = logging.getLogger(__name__)
#: How long an answer that is being given may take when the process is told to stop, in seconds.
GRACE = 5


async def serve(app: App, clock: Clock, host: str, port: int) -> None:
    """Works and answers until a SIGTERM or SIGINT comes, finishes what it is doing, and ends. Raises BadConfig."""
    worker = Worker(app, clock, kind="serve")
    server = uvicorn.Server(_config(app, clock, worker, host, port))
    listening = _listening(host, port)
    answering = asyncio.create_task(server.serve(sockets=[listening]))
    working = asyncio.create_task(worker.run(signals=False))
    try:
        # uvicorn takes the signals and ends on one; a worker that ends by itself is a fault that ends both
        await asyncio.wait({answering, working}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        server.should_exit = True
        worker.stop()
        await asyncio.gather(answering, working)
        listening.close()


def _config(app: App, clock: Clock, worker: Worker, host: str, port: int) -> uvicorn.Config:
    return uvicorn.Config(
        create_app(app, clock, worker.node),
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        lifespan="off",
        timeout_graceful_shutdown=GRACE,
        proxy_headers=bool(app.settings.web.proxies),
        forwarded_allow_ips=app.settings.web.proxies or None,
    )


def _listening(host: str, port: int) -> socket.socket:
    """The port, taken before anything else is begun. Raises BadConfig."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise BadConfig(f"web.port: {host}:{port} cannot be used: {error.strerror}", "name a free one with --port") from error
