"""Work beside the event loop: the loop goes on meanwhile, and whoever is cancelled knows what was done."""

import asyncio
import threading

import pytest

from notifications.aside import in_a_thread


def test_the_loop_goes_on_meanwhile() -> None:
    async def both() -> str:
        go = threading.Event()
        waiting = asyncio.create_task(in_a_thread(lambda: go.wait(10) and "done"))
        await asyncio.sleep(0)
        assert not waiting.done()
        go.set()
        return str(await waiting)

    assert asyncio.run(both()) == "done"


def test_cancelled_it_waits_for_the_end_first() -> None:
    began, go, done = threading.Event(), threading.Event(), []

    def work() -> None:
        began.set()
        go.wait(10)
        done.append(1)

    async def cancelled() -> None:
        task = asyncio.create_task(in_a_thread(work))
        await asyncio.to_thread(began.wait, 10)
        task.cancel()
        await asyncio.sleep(0.05)
        assert not task.done(), "what it does is not known yet"
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert done == [1]

    asyncio.run(cancelled())


def test_what_fails_fails() -> None:
    def work() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        asyncio.run(in_a_thread(work))
