"""Page, API, scheduler and dispatcher in one process. The only home of uvicorn."""

import asyncio
import gc
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from escalation.app import App
from escalation.clock import Clock
from escalation.errors import BadConfig
from escalation.scheduler import Worker
from escalation.watchdog import Watchdog
from escalation.web.application import create_app

#: How long an answer that is being given may take when the process is told to stop, in seconds.
GRACE = 5
#: How often it is looked whether somebody told the worker to stop, in seconds.
LOOK = 0.2


class _Server(uvicorn.Server):
    """The worker listens to the signals for both; uvicorn would end the process by one before the worker is done."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Takes no signal."""
        yield


async def serve(app: App, clock: Clock, host: str, port: int, watchdog: Watchdog) -> None:
    """Works and answers until a SIGTERM or SIGINT comes, finishes what it is doing, and ends. Raises BadConfig."""
    await answer(app, clock, listening(host, port), watchdog)


async def answer(app: App, clock: Clock, taken: socket.socket, watchdog: Watchdog | None = None) -> None:
    """The same on a port that was taken before (`listening`)."""
    host, port = taken.getsockname()[:2]
    worker = Worker(app, clock, kind="serve", watchdog=watchdog)
    server = _Server(_config(app, clock, worker, host, port))
    settle()
    working = asyncio.create_task(worker.run())
    answering = asyncio.create_task(server.serve(sockets=[taken]))
    try:
        # whichever ends first, by a signal or by a fault, ends the other
        await asyncio.wait({answering, asyncio.create_task(_told_to_stop(worker, working))}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        server.should_exit = True
        worker.stop()
        await asyncio.gather(answering, working)


def settle() -> None:
    """What has been loaded by now stays for good: the collector does not look through it again while somebody waits.

    That took a quarter of a second each time (212,000 objects), and takes a hundredth over what has come since.
    """
    gc.collect()
    gc.freeze()


async def _told_to_stop(worker: Worker, working: asyncio.Task[None]) -> None:
    """Waits for the signal, not for the batch that the worker still finishes."""
    while not worker.stopping and not working.done():
        await asyncio.sleep(LOOK)


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


def listening(host: str, port: int) -> socket.socket:
    """The port, taken before anything else is begun. Raises BadConfig."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise BadConfig(f"web.port: {host}:{port} cannot be used: {error.strerror}", "name a free one with --port") from error
