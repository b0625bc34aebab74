"""The store's work, beside the event loop: a database that keeps somebody waiting holds up no mail, no signal and no page."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")
#: How work that may block is done.
Aside = Callable[[Callable[[], None]], Awaitable[None]]


async def in_a_thread(work: Callable[[], T], /) -> T:
    """Does it in a thread. Cancelled meanwhile, it is awaited to its end first, so that what it did is known then."""
    doing = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(doing)
    except asyncio.CancelledError:
        while not doing.done():
            with suppress(asyncio.CancelledError):  # again
                await asyncio.wait([doing])
        raise
