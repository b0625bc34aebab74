"""How fast mails leave: rendered, built and sent, beside each of these alone and beside what others do.

uv run python benchmarks/mail.py --n 5000 --connections 4
"""

import argparse
import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, ClassVar, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

import aiosmtplib

from notifications.dispatch import side_by_side
from notifications.kinds import KINDS, LANGUAGES
from notifications.message import Message, Sent, to_bytes
from notifications.rendering import Renderer
from notifications.samples import facts
from notifications.smtp import SmtpChannel, SmtpSettings

AT = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
SENDER = "tiji@example.com"
#: The whole should reach so much of the slower of its two parts; building so many times the speed of EmailMessage.
WHOLE, BUILT = 0.8, 3.0
#: The comparison of what was parsed takes longer than all the rest.
COMPARED = 200


class Sink(asyncio.Protocol):
    """A mail server that takes everything at once, and counts."""

    connections = 0
    identities: ClassVar[set[bytes]] = set()
    taken = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        Sink.connections += 1
        self.transport: Any = transport
        self.waiting, self.in_data = b"", False
        self.transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        self.waiting += data
        while True:
            end = b"\r\n.\r\n" if self.in_data else b"\r\n"
            found, sep, rest = self.waiting.partition(end)
            if not sep:
                return
            self.waiting = rest
            self._take(found) if self.in_data else self._answer(found[:4].upper())

    def _take(self, mail: bytes) -> None:
        identity = re.search(rb"(?m)^Message-ID: (\S+)\r$", mail)
        assert identity, mail[:500]
        Sink.identities.add(identity[1])
        Sink.taken += 1
        self.in_data = False
        self.transport.write(b"250 2.0.0 taken\r\n")

    def _answer(self, word: bytes) -> None:
        if word == b"DATA":
            self.in_data = True
            self.transport.write(b"354 go on\r\n")
        elif word == b"QUIT":
            self.transport.write(b"221 bye\r\n")
            self.transport.close()
        else:
            self.transport.write(b"250-sink\r\n250-8BITMIME\r\n250 SIZE 100000000\r\n" if word == b"EHLO" else b"250 ok\r\n")


async def serve() -> None:
    """The sink in a process of its own: prints its port, and what it took whenever a line comes in."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Sink, "127.0.0.1", 0, backlog=1000)
    print(server.sockets[0].getsockname()[1], flush=True)
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps([Sink.taken, len(Sink.identities), Sink.connections]), flush=True)
        Sink.taken, Sink.connections, Sink.identities = 0, 0, set()


@contextmanager
def sink() -> Iterator[tuple[int, Callable[[], list[int]]]]:
    """Its port, and how to ask what has come since: mails, different ones, connections."""
    process = subprocess.Popen([sys.executable, __file__, "--sink"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None and process.stdout is not None
    told, asked = process.stdout, process.stdin

    def ask() -> list[int]:
        asked.write("?\n")
        asked.flush()
        found: list[int] = json.loads(told.readline())
        return found

    yield int(told.readline()), ask
    asked.close()
    process.wait()


def rows(n: int) -> list[tuple[str, str, dict[str, str]]]:
    """So many notices of every kind and language; no two are about the same."""
    each = [(kind, language, facts(kind, language)) for kind in KINDS for language in LANGUAGES]
    return [
        (kind, language, said | {"number": f"WT26-{number:05}", "title": f"{said['title']} {number}"})
        for number, (kind, language, said) in ((number, each[number % len(each)]) for number in range(n))
    ]


def written(renderer: Renderer, number: int, row: tuple[str, str, dict[str, str]]) -> Message:
    """As the dispatcher writes it."""
    rendered = renderer.render(*row)
    return Message(
        sender=SENDER,
        sender_name="省专班办公室",
        recipient=f"organ{number}@example.com",
        subject=rendered.subject,
        text=rendered.text,
        html=rendered.html,
        message_id=f"<{number}@example.com>",
        thread_id=f"<{number}.thread@example.com>",
        date=AT,
    )


def by_the_library(message: Message) -> bytes:
    """The same mail by EmailMessage with its default policy."""
    mail = EmailMessage()
    mail["Subject"] = message.subject
    mail["From"] = f'"{message.sender_name}" <{message.sender}>'
    mail["To"] = message.recipient
    mail["Date"] = message.date
    mail["Message-ID"] = message.message_id
    mail["In-Reply-To"] = mail["References"] = message.thread_id
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    mail.set_content(message.text)
    mail.add_alternative(message.html, subtype="html")
    return mail.as_bytes()


def the_same(ours: bytes, theirs: bytes) -> bool:
    """Parsed, two mails say the same."""
    one, other = (_parsed(raw) for raw in (ours, theirs))
    return one == other


def _parsed(raw: bytes) -> tuple[dict[str, str], list[tuple[str, str]]]:
    mail = message_from_bytes(raw, policy=policy.default)
    assert isinstance(mail, EmailMessage)
    # the library folds a long subject behind "Subject:", which reads as a blank more
    heads = {name.lower(): str(value).strip() for name, value in mail.items() if name not in ("Content-Type", "MIME-Version")}
    parts = [(part.get_content_type(), part.get_content().replace("\r\n", "\n").rstrip("\n")) for part in mail.iter_parts()]
    return heads, parts


class Taken(NamedTuple):
    """Seconds: by the clock, and of this process's CPU, which other work on the machine lengthens less."""

    wall: float
    cpu: float


def seconds(work: Callable[[], object]) -> Taken:
    begun, worked = perf_counter(), process_time()
    work()
    return Taken(perf_counter() - begun, process_time() - worked)


async def channelled(port: int, connections: int, messages: Iterable[Callable[[], Message]]) -> None:
    """Written and sent as the dispatcher does it, over the channel's connections."""
    settings = SmtpSettings(host="127.0.0.1", port=port, security="none", connections=connections, local_hostname="localhost")

    async def one(write: Callable[[], Message]) -> None:
        assert isinstance(await channel.send(write()), Sent)

    async with SmtpChannel(settings) as channel:
        await side_by_side(messages, one, 2 * connections)


async def bare(port: int, connections: int, prebuilt: list[tuple[str, bytes]]) -> None:
    """Built beforehand, and sent by aiosmtplib alone over as many connections."""
    waiting = iter(prebuilt)

    async def line() -> None:
        client = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False, use_tls=False, local_hostname="localhost")
        await client.connect()
        for recipient, raw in waiting:
            await client.sendmail(SENDER, [recipient], raw)
        await client.quit()

    await asyncio.gather(*[line() for _ in range(connections)])


async def one_by_one(port: int, connections: int, prebuilt: list[tuple[str, bytes]]) -> None:
    """The naive way: a connection for every mail, as many at a time."""
    waiting = iter(prebuilt)

    async def line() -> None:
        for recipient, raw in waiting:
            to = {"hostname": "127.0.0.1", "port": port, "start_tls": False, "use_tls": False, "local_hostname": "localhost"}
            await aiosmtplib.send(raw, sender=SENDER, recipients=[recipient], **to)

    await asyncio.gather(*[line() for _ in range(connections)])


def measured(n: int, connections: int) -> dict[str, Taken]:
    """What every case takes for the same messages."""
    renderer, given = Renderer(), rows(n)
    for number, row in enumerate(given[: 2 * len(KINDS)]):
        written(renderer, number, row)  # templates are compiled once
    found: dict[str, Taken] = {}
    messages: list[Message] = []
    prebuilt: list[tuple[str, bytes]] = []

    def build() -> None:
        for number, row in enumerate(given):
            message = written(renderer, number, row)
            raw = to_bytes(message)
            messages.append(message)
            prebuilt.append((message.recipient, raw))

    found["built"] = seconds(build)
    found["built by EmailMessage"] = seconds(
        lambda: [by_the_library(written(renderer, number, row)) for number, row in enumerate(given)]
    )
    assert all(the_same(raw, by_the_library(message)) for message, (_, raw) in zip(messages[:COMPARED], prebuilt, strict=False))
    writers = [lambda number=number, row=row: written(renderer, number, row) for number, row in enumerate(given)]
    with sink() as (port, ask):
        for case, work in (
            ("mail", lambda: channelled(port, connections, writers)),
            ("sent prebuilt", lambda: bare(port, connections, prebuilt)),
            ("a connection a mail", lambda: one_by_one(port, connections, prebuilt)),
        ):
            found[case] = seconds(lambda work=work: asyncio.run(_done(work)))
            taken, different, opened = ask()
            assert taken == different == n, (case, taken, different)
            assert opened == n if case == "a connection a mail" else opened <= connections + n / 100, (case, opened)
    return found


async def _done(work: Callable[[], Awaitable[None]]) -> None:
    await work()


def table(n: int, connections: int, runs: int) -> list[dict[str, object]]:
    """The best of some runs of every case; `floor` is the slower of building alone and sending alone."""
    found = [measured(n, connections) for _ in range(runs)]
    best = {case: Taken(*(min(of) for of in zip(*(each[case] for each in found), strict=True))) for case in found[0]}
    floor = _slower(best, 0)
    # of one run: what the machine does besides changes from run to run
    ratio, ratio_cpu = (max(_slower(each, of) / each["mail"][of] for each in found) for of in range(2))
    common = {"n": n, "connections": connections, "floor_per_second": n / floor, "ratio_cpu": ratio_cpu}
    return [
        common
        | {"case": case, "per_second": n / taken.wall, "ratio": ratio if case == "mail" else floor / taken.wall}
        | {"cpu_us": taken.cpu / n * 1e6}
        for case, taken in sorted(best.items(), key=lambda each: each[0] != "mail")
    ]


def _slower(found: dict[str, Taken], of: int) -> float:
    return max(found["built"][of], found["sent prebuilt"][of])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, nargs="*", default=[5_000])
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--sink", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.sink:
        asyncio.run(serve())
        return
    found = [row for n in asked.n for row in table(n, asked.connections, asked.runs)]
    if asked.json:
        print(json.dumps({"rows": found}))
        return
    for row in found:
        speed = f"{row['per_second']:8.0f}/s  {row['ratio']:.2f} of the slower of building and sending"
        print(f"{row['case']:22} n={row['n']} {speed}, {row['cpu_us']:6.0f} µs of CPU each")
    speed = {str(row["case"]): float(str(row["per_second"])) for row in found}
    print(f"building is {speed['built'] / speed['built by EmailMessage']:.1f} times EmailMessage (wanted: {BUILT})")
    print(f"wanted of the whole: {WHOLE}; by the sender's CPU alone it is {found[0]['ratio_cpu']:.2f}")


if __name__ == "__main__":
    main()
