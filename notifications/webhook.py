"""Webhooks: rows of the outbox that go to other systems by HTTP, signed as Standard Webhooks has it, and only where they may.

The address is from the configuration alone and on its list; it is resolved here, every answer is checked, and what was checked is
what is connected to, so that a name that changes its mind leads nowhere. No redirect is followed, no proxy asked, no answer read.
"""

import asyncio
import hmac
import ssl
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from socket import SOCK_STREAM, gaierror
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

import httpx2
from sqlmodel import Session

from notifications import claiming, outbox
from notifications.aside import in_a_thread
from notifications.claiming import Claimed, Counts
from notifications.lanes import Lane
from notifications.message import GiveUp, Outcome, Sent, TryAgain
from notifications.retrying import USUAL, RetryPolicy

#: Seconds for one delivery, from the look-up to the answer's first line.
PATIENCE = 10.0
#: Answers that may be another one next time.
PASSING = (408, 425, 429)
#: Bytes of a secret.
SHORTEST = 24
PORTS = {"https": 443, "http": 80}

OpenSession = Callable[[], AbstractContextManager[Session]]
Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class BadHook(ValueError):
    """A webhook may not be sent there; the message says why."""


class Hook(NamedTuple):
    """One system that follows."""

    name: str
    url: str
    secret: bytes


@dataclass(frozen=True, slots=True)
class Allowed:
    """Where webhooks may go: these origins, at addresses of these networks; without networks, of the internet alone."""

    origins: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def of(cls, origins: str, networks: str) -> "Allowed":
        """From lists with commas. Raises BadHook."""
        try:
            nets = tuple(ip_network(each) for each in _listed(networks))
        except ValueError as error:
            raise BadHook(f"{error}; write it as 10.20.0.0/16") from error
        return cls(frozenset(origin(urlsplit(each)) for each in _listed(origins)), nets)

    def refuse_url(self, url: str) -> SplitResult:
        """An address taken apart, if it is on the list. Raises BadHook."""
        parts = urlsplit(url)
        if origin(parts) not in self.origins:
            raise BadHook(f"{origin(parts)} is not in webhooks.origins")
        if parts.username or parts.password or parts.fragment:
            raise BadHook("an address has no user, password or fragment")
        return parts

    def refuse_address(self, address: Address) -> None:
        """Raises BadHook for an address inside, unless its network is named."""
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        fine = any(address in each for each in self.networks) if self.networks else address.is_global and not address.is_multicast
        if not fine:
            raise BadHook(f"{address} is not in webhooks.networks")


def _listed(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]


def origin(parts: SplitResult) -> str:
    """Scheme, host and port, as they are compared. Raises BadHook."""
    try:
        port = parts.port or PORTS[parts.scheme]
    except (KeyError, ValueError) as error:
        raise BadHook(f"{parts.geturl()!r} is no address; write it as https://erp.example.org") from error
    if not parts.hostname:
        raise BadHook(f"{parts.geturl()!r} names no host")
    return f"{parts.scheme}://{parts.hostname}:{port}"


def key(secret: str) -> bytes:
    """The bytes of a secret, written as `whsec_` and base64. Raises BadHook when it is missing or too short to be one."""
    try:
        found = b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError as error:
        raise BadHook("a secret is not written as whsec_ and base64") from error
    if len(found) < SHORTEST:
        raise BadHook(f"a secret is missing, or has less than {SHORTEST} bytes")
    return found


def signature(secret: bytes, identity: str, timestamp: int, body: bytes) -> str:
    """HMAC-SHA256 over id, time and body, as Standard Webhooks writes it."""
    told = f"{identity}.{timestamp}.".encode() + body
    return "v1," + b64encode(hmac.new(secret, told, sha256).digest()).decode()


@dataclass(slots=True)
class Deliverer:
    """Sends what waits for the hooks. `ca_file`: the office's own certificate authority."""

    hooks: Mapping[str, Hook]
    allowed: Allowed
    node: str
    ca_file: str = ""
    lease: timedelta = timedelta(minutes=5)
    policy: RetryPolicy = USUAL
    #: Hooks that did not answer in this dispatch: the others of theirs wait for the next one.
    silent: dict[str, str] = field(default_factory=dict)
    #: What was begun in this dispatch; the rest was not tried.
    begun: set[int] = field(default_factory=set)

    async def deliver_once(self, open_session: OpenSession, now: datetime, limit: int = 200) -> Counts:
        """Claims, commits, sends, records: one hook after another's row in order, all hooks at once."""
        going: list[Claimed] = []
        results: dict[int, Outcome] = {}
        self.silent, self.begun = {}, set()

        def claim() -> None:
            with open_session() as session:
                claimed = claiming.claim(session, now, limit, self.node, self.lease, self.policy, lane=Lane(outbox.WEBHOOK))
            going.extend(claimed)

        def record() -> Counts:
            unknown = TryAgain("unknown: sending was broken off, the other side may have it")
            begun = [each for each in going if each.id in self.begun]
            with open_session() as session:
                claiming.postpone(session, [each for each in going if each.id not in self.begun], now)
                return claiming.record(session, [(each, results.get(each.id, unknown)) for each in begun], now, self.policy)

        counts = Counts()
        try:
            await in_a_thread(claim)
            if going:
                await self._send(going, now, results)
        finally:
            if going:
                counts = await in_a_thread(record)
        return counts

    async def _send(self, going: Sequence[Claimed], now: datetime, results: dict[int, Outcome]) -> None:
        names = dict.fromkeys(each.recipient for each in going)
        rows = [[each for each in going if each.recipient == name] for name in names]
        try:
            async with asyncio.timeout(self.lease.total_seconds() * 0.9), self._client() as client:
                await asyncio.gather(*[self._one_hook(client, some, now, results) for some in rows])
        except TimeoutError:
            pass

    def _client(self) -> httpx2.AsyncClient:
        context = ssl.create_default_context(cafile=self.ca_file or None)
        return httpx2.AsyncClient(verify=context, timeout=PATIENCE, follow_redirects=False, trust_env=False)

    async def _one_hook(
        self, client: httpx2.AsyncClient, rows: Sequence[Claimed], now: datetime, results: dict[int, Outcome]
    ) -> None:
        for each in rows:
            name = each.recipient
            self.begun.add(each.id)
            results[each.id] = TryAgain(self.silent[name]) if name in self.silent else await self._deliver(client, each, now)

    async def _deliver(self, client: httpx2.AsyncClient, each: Claimed, now: datetime) -> Outcome:
        hook = self.hooks.get(each.recipient)
        if hook is None:
            return GiveUp(f"there is no webhook {each.recipient} any more")
        try:
            async with asyncio.timeout(PATIENCE):
                status = await self._post(client, hook, each, now)
        except BadHook as error:
            return GiveUp(str(error))
        except (httpx2.HTTPError, OSError, TimeoutError, UnicodeError) as error:
            self.silent[hook.name] = f"{type(error).__name__}: {error}".rstrip(": ")
            return TryAgain(self.silent[hook.name])
        return _outcome(status)

    async def _post(self, client: httpx2.AsyncClient, hook: Hook, each: Claimed, now: datetime) -> int:
        """The status of the answer. Raises BadHook, and what a connection raises."""
        parts = self.allowed.refuse_url(hook.url)
        address = await self._resolved(parts)
        timestamp = int(now.timestamp())
        headers = {
            "Host": parts.netloc,
            "Content-Type": "application/json",
            "User-Agent": "escalation",
            "Webhook-Id": each.key,
            "Webhook-Timestamp": f"{timestamp}",
            "Webhook-Signature": signature(hook.secret, each.key, timestamp, each.facts),
        }
        url = httpx2.URL(hook.url).copy_with(host=str(address))
        # the certificate is that of the name, whatever address it has
        named = {"sni_hostname": parts.hostname} if parts.scheme == "https" else {}
        async with client.stream("POST", url, content=each.facts, headers=headers, extensions=named) as answer:
            return answer.status_code

    async def _resolved(self, parts: SplitResult) -> Address:
        """The first address of a host, when all that it has are allowed. Raises BadHook, OSError."""
        assert parts.hostname is not None
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(parts.hostname, parts.port or PORTS[parts.scheme], type=SOCK_STREAM)
        except gaierror as error:
            raise OSError(f"{parts.hostname} has no address: {error.strerror}") from error
        addresses = [ip_address(str(each[4][0]).partition("%")[0]) for each in found]
        for address in addresses:
            self.allowed.refuse_address(address)
        return addresses[0]


def _outcome(status: int) -> Outcome:
    if 200 <= status < 300:
        return Sent(status)
    if status in PASSING or status >= 500:
        return TryAgain(f"the other side answers {status}")
    said = "redirects are not followed" if 300 <= status < 400 else "it will not take it"
    return GiveUp(f"the other side answers {status}: {said}")
