"""A real SMTP server on loopback that does what it is told to, step by step of the conversation."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

#: What may be done at a step instead of a reply: say nothing any more, or end the connection.
HANG, DROP = "hang", "drop"
#: A reply, one of these words, or what gives one for the line that was said.
Answer = str | Callable[[bytes], str]
USUAL = {"CONNECT": "220 hello", "EHLO": "250 hello", "DATA": "354 go on", "QUIT": "221 bye"}


@asynccontextmanager
async def scripted(
    script: Mapping[str, Answer],
    said: list[bytes] | None = None,
    sessions: list[int] | None = None,
    lasts: int = 999,
    pause: float = 0,
    drip: float = 0,
) -> AsyncIterator[int]:
    """A server that answers `script[step]` at CONNECT, EHLO, MAIL, RCPT, DATA, BODY, DOT, RSET, QUIT, else that all is well.

    `said` gets every line but those of a mail, `sessions` the mails of each connection; a connection `lasts` so many.
    Seconds: `pause` before each reply, `drip` before each of its bytes.
    """
    said = said if said is not None else []
    sessions = sessions if sessions is not None else []
    open_tasks: set[asyncio.Task[None]] = set()

    async def write(reply: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(pause)
        for piece in [reply[n : n + 1] for n in range(len(reply))] if drip else [reply]:
            await asyncio.sleep(drip)
            writer.write(piece)
            await writer.drain()

    async def answer(step: str, writer: asyncio.StreamWriter, line: bytes = b"") -> bool:
        found = script.get(step, USUAL.get(step, "250 ok"))
        what = found if isinstance(found, str) else found(line)
        if what == HANG:
            await asyncio.Event().wait()
        if what == DROP:
            return False
        await write(what.encode("latin-1") + b"\r\n", writer)
        return not what.startswith(("421", "221"))

    async def mail(reader: asyncio.StreamReader) -> bytes | None:
        if script.get("BODY") == DROP:
            await reader.readline()
            return None
        lines = []
        while (line := await reader.readline()) != b".\r\n":
            if not line:
                return None
            lines.append(line)
        return b"".join(lines)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sessions.append(0)
        mine = len(sessions) - 1
        going = await answer("CONNECT", writer)
        while going and (line := await reader.readline()):
            said.append(line)
            step = line[:4].decode("latin-1").upper()
            if step == "MAIL" and sessions[mine] >= lasts:
                break
            found = script.get("DATA", "354")
            going = await answer(step, writer, line)
            if going and step == "DATA" and isinstance(found, str) and found.startswith("354"):
                content = await mail(reader)
                sessions[mine] += 1
                going = content is not None and await answer("DOT", writer, content)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_tasks.add(task)
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            open_tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        left = list(open_tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
