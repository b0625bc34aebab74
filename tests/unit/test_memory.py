"""What was freed between what is kept does not stay with the process."""

import psutil
import pytest

from escalation import memory
from escalation.memory import give_back

MEGABYTE = 1 << 20


@pytest.mark.skipif(not hasattr(memory._LIBC, "malloc_trim"), reason="this C library cannot give memory back")
def test_freed_memory_goes_back() -> None:
    """Of two thousand pieces of 32 KB every tenth is kept, so that no end of the heap is free."""
    pieces: list[bytearray | None] = [bytearray(b"x" * 32_768) for _ in range(2_000)]
    for place in range(len(pieces)):
        if place % 10:
            pieces[place] = None
    process = psutil.Process()
    before = process.memory_info().rss
    give_back()
    assert before - process.memory_info().rss > 40 * MEGABYTE
