"""WeCom, DingTalk, Feishu and any other webhook: the only home of apprise (and of requests, which it brings along).

Apprise answers True or False, and says why in a log that comes with its answer: `error=503` is an HTTP status, `code=19001` what
the service itself says. That is read here. Where it says neither (no connection, no answer in time, other words in another
version) it cannot be told whether the message is bad or the moment: it is tried again, which loses nothing.

WeCom, DingTalk and Feishu answer HTTP 200 also when they refuse (a code in the body). Apprise 2.2 takes that for success, so for
these three the request is sent from here; what is refused would else be recorded as sent.

It blocks, so each message is sent in a thread of its own, one at a time for a channel, and waited for so many seconds and no
longer. The library reads an answer whole; a server that drips for ever keeps its thread, and after STUCK of those the channel is
not asked again until one of them ends. Redirections are not followed: the address holds a key.
"""

import asyncio
import hmac
import json
import logging
import re
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Thread
from types import TracebackType
from typing import Any, Literal, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

import requests
from apprise import Apprise, AppriseAsset, NotifyFormat
from apprise.exception import AppriseException
from apprise.plugins.base import NotifyBase
from apprise.plugins.custom_json import NotifyJSON
from apprise.plugins.dingtalk import NotifyDingTalk
from apprise.plugins.feishu import NotifyFeishu
from apprise.plugins.wecombot import NotifyWeComBot

from notifications.message import Down, GiveUp, Hold, Message, Outcome, Sent, TryAgain

T = TypeVar("T")
Kind = Literal["wecom", "dingtalk", "feishu", "webhook"]
#: Bytes of a text that each takes; what is longer is cut in the middle, the link at its end stays.
LONGEST: dict[Kind, int] = {"wecom": 2048, "dingtalk": 15_000, "feishu": 15_000, "webhook": 100_000}
#: Threads that a server may keep before it is left alone.
STUCK = 2
#: HTTP: our address or key is wrong; this message will not be taken. All else that is no success: try again.
OURS, NEVER = {*range(300, 400), 401, 402, 403, 404, 405, 407, 410, 421, 451}, {400, 406, 409, 411, 413, 414, 415, 422}
#: What the services say in their own codes: key, signature, keyword or address list wrong; message too long or not fit.
OURS_TOO = {93000, 93017, 300001, 300005, 310000, 400101, 400102, 400106, 19001, 19021, 19022, 19024}
NEVER_TOO = {40058, 44004, 45002, 400105, 460101, 430101, 430102, 430103, 430104, 19002}

# both write addresses with their keys into the log; what apprise says that matters comes with its answer
for _name, _level in (("apprise", logging.WARNING), ("urllib3", logging.CRITICAL)):
    logging.getLogger(_name).setLevel(_level)
    logging.getLogger(_name).propagate = False
    logging.getLogger(_name).addHandler(logging.NullHandler())


class BadAddressOfChannel(ValueError):
    """An address that is none for this kind of channel; the sentence does not repeat it, it holds a key."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where messages go: the address as the service gives it out, also one of an installation of the office's own."""

    kind: Kind
    url: str = field(repr=False)
    secret: str = field(default="", repr=False)
    #: Seconds for one message, whatever the server does.
    seconds: float = 10


class WebhookChannel:
    """One channel. Raises BadAddressOfChannel when its address is none."""

    def __init__(self, settings: Webhook) -> None:
        self.settings = settings
        self._stopped: Outcome | None = None
        self._turn = asyncio.Lock()
        self._threads: list[Thread] = []
        _plugin(settings)

    async def __aenter__(self) -> "WebhookChannel":
        self._stopped, self._turn = None, asyncio.Lock()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return None

    async def send(self, message: Message) -> Outcome:
        """One message; after a failure of the server itself the rest of the batch is not tried."""
        async with self._turn:
            if self._stopped is not None:
                return self._stopped
            outcome = await self._send(message)
            if isinstance(outcome, Down) or (isinstance(outcome, Hold) and outcome.host):
                self._stopped = outcome
            elif isinstance(outcome, TryAgain) and outcome.host:
                self._stopped = Down(outcome.reason)
            return outcome

    async def _send(self, message: Message) -> Outcome:
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        if len(self._threads) >= STUCK:
            return Down("the server has not finished its answers to earlier messages")
        try:
            async with asyncio.timeout(self.settings.seconds):
                return await self._in_a_thread(lambda: _posted(self.settings, message))
        except TimeoutError:
            return TryAgain("unknown, the server may have it: no answer in time", host=True)

    async def _in_a_thread(self, work: Callable[[], T]) -> T:
        """A daemon: neither the loop's own threads nor the end of the process wait for a server that never answers."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()

        def settle(result: T | None, error: Exception | None) -> None:
            if not done.done():
                if error is not None:
                    done.set_exception(error)
                else:
                    done.set_result(result)  # type: ignore[arg-type]

        def run() -> None:
            result, error = None, None
            try:
                result = work()
            except Exception as trouble:
                error = trouble
            with suppress(RuntimeError):  # the loop has ended: nobody waits any more
                loop.call_soon_threadsafe(settle, result, error)

        thread = Thread(target=run, daemon=True, name=f"webhook-{self.settings.kind}")
        self._threads.append(thread)
        thread.start()
        return await done


def _posted(settings: Webhook, message: Message) -> Outcome:
    """Blocks until the server has answered."""
    sender = Apprise(asset=_ASSET)
    sender.add(_plugin(settings, message))
    text = shortened(message, LONGEST[settings.kind])
    answer = sender.notify(title=message.subject, body=text, body_format=NotifyFormat.TEXT)
    if answer:
        return Sent(200, "taken")
    return sorted_out([entry.message for result in answer.results for attempt in result for entry in attempt])


def sorted_out(log: list[str]) -> Outcome:
    """What apprise's log means for the message."""
    said = "; ".join(log) or "no reason given"
    if found := re.search(r"\berror=(\d{3})\b", said):
        status = int(found[1])
        return _sorted(status in OURS, status in NEVER, said)
    if found := re.search(r"\bcode=(-?\d+)\b", said):
        code = int(found[1])
        return _sorted(code in OURS_TOO, code in NEVER_TOO, said)
    return TryAgain(said, host=True)


def _sorted(ours: bool, never: bool, said: str) -> Outcome:
    if ours:
        return Hold(f"the channel refuses us: {said}")
    return GiveUp(said) if never else TryAgain(said, host=True)


def shortened(message: Message, most: int) -> str:
    """The text as a group chat shows it: without the ending that speaks of mail, and with its subject within `most` bytes."""
    text = message.text.partition("\n--\n")[0].strip()
    room = most - len(message.subject.encode()) - 2
    if len(text.encode()) <= room:
        return text
    head, _, last = text.rpartition("\n\n")
    end = f"…\n\n{last}" if "://" in last and len(last.encode()) < room // 2 else "…"
    kept = head if len(end) > 1 else text
    return kept.encode()[: max(0, room - len(end.encode()))].decode(errors="ignore") + end


# no time limit of its own: for that apprise keeps threads for which the end of the process would wait
_ASSET = AppriseAsset(http_redirects=False, async_mode=False, secure_logging=True, service_timeout=0)


def _plugin(settings: Webhook, message: Message | None = None) -> NotifyBase:
    """Apprise's own for this kind of channel. Raises BadAddressOfChannel."""
    parts = urlsplit(settings.url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadAddressOfChannel("the address begins with https:// and names a host")
    asked = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    usual: dict[str, Any] = {"asset": _ASSET, "rto": settings.seconds, "cto": settings.seconds}
    try:
        match settings.kind:
            case "wecom":
                return _WeCom(settings.url, key=asked.get("key"), **usual)
            case "dingtalk":
                return _DingTalk(settings.url, token=asked.get("access_token"), secret=settings.secret or None, **usual)
            case "feishu":
                token = parts.path.rstrip("/").rpartition("/")[2]
                at = int(message.date.timestamp()) if message else 0
                return _Feishu(settings.url, settings.secret, at, token=token, **usual)
            case "webhook":
                return NotifyJSON(
                    secure=parts.scheme == "https",
                    schema="jsons" if parts.scheme == "https" else "json",
                    host=f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname,
                    port=parts.port,
                    user=unquote(parts.username or ""),
                    password=unquote(parts.password or ""),
                    fullpath=parts.path or "/",
                    params=asked,
                    headers={"Idempotency-Key": message.message_id} if message else {},
                    # nothing is attached; the id is the same at every try
                    payload={"attachments": "", "id": message.message_id, "about": message.about} if message else {},
                    **usual,
                )
    except (AppriseException, TypeError, ValueError) as error:
        raise BadAddressOfChannel(f"the address is not one that {settings.kind} gives out") from error


class _Answering:
    """Sends a message to a service that answers 200 whatever becomes of it, and reads what it says."""

    def _ask(self, plugin: NotifyBase, url: str, payload: dict[str, Any], params: dict[str, str] | None = None) -> bool:
        data = json.dumps(payload, ensure_ascii=False).encode()
        kind = {"Content-Type": "application/json; charset=utf-8"}
        try:
            answer = requests.post(
                url, data=data, headers=kind, params=params, timeout=plugin.request_timeout, allow_redirects=False
            )
        except requests.RequestException as error:
            plugin.logger.warning("no answer from the server: %s", type(error).__name__)
            return False
        if answer.status_code != requests.codes.ok:
            plugin.logger.warning("the server answers error=%s", answer.status_code)
            return False
        try:
            said = json.loads(answer.content)
            code = said["errcode"] if "errcode" in said else said["code"]
            why = said.get("errmsg") or said.get("msg") or ""
        except (ValueError, KeyError, TypeError, AttributeError):
            plugin.logger.warning("the server answers 200 and nothing that makes sense")
            return False
        if code != 0:
            plugin.logger.warning("the server refuses: code=%s msg=%s", code, str(why)[:200])
        return bool(code == 0)


class _Feishu(_Answering, NotifyFeishu):
    def __init__(self, address: str, secret: str, at: int, **options: Any) -> None:
        super().__init__(**options)
        self.address, self.key, self.at = address, secret, at

    def send(self, body: str, title: str = "", *_: Any, **__: Any) -> bool:
        """Signed with the secret, where there is one; apprise does not know how."""
        payload: dict[str, Any] = {"msg_type": "text", "content": {"text": f"{title}\n{body}" if title else body}}
        if self.key:
            made = hmac.digest(f"{self.at}\n{self.key}".encode(), b"", "sha256")
            payload |= {"timestamp": str(self.at), "sign": b64encode(made).decode()}
        return self._ask(self, self.address, payload)


class _WeCom(_Answering, NotifyWeComBot):
    def __init__(self, address: str, **options: Any) -> None:
        super().__init__(**options)
        self.address = address

    def send(self, body: str, title: str = "", *_: Any, **__: Any) -> bool:
        """The title is part of the body already; its own length limit counts characters, ours bytes."""
        return self._ask(self, self.address, {"msgtype": "text", "text": {"content": body}})


class _DingTalk(_Answering, NotifyDingTalk):
    def __init__(self, address: str, **options: Any) -> None:
        super().__init__(**options)
        self.address = address

    def send(self, body: str, title: str = "", *_: Any, **__: Any) -> bool:
        """Signed with the secret, where there is one."""
        text = f"{title}\n{body}" if title else body
        signed = dict(zip(("timestamp", "sign"), self.get_signature(), strict=True)) if self.secret else {}
        signed = {name: unquote(value) for name, value in signed.items()}
        return self._ask(self, self.address, {"msgtype": "text", "text": {"content": text}}, signed)
