"""WeCom, DingTalk, Feishu and any webhook, against a real HTTP server: what is asked, and what each answer means."""

import asyncio
import base64
import hashlib
import hmac
import logging
from urllib.parse import parse_qs, urlsplit

import pytest

from notifications.message import Down, GiveUp, Hold, Outcome, Sent, TryAgain
from notifications.robots import BadAddressOfChannel, Webhook, WebhookChannel, shortened
from tests.faults.test_smtp import message
from tests.webhook import Service

PATHS = {
    "wecom": "/cgi-bin/webhook/send?key=693a-91fe",
    "dingtalk": "/robot/send?access_token=4f2c0a",
    "feishu": "/open-apis/bot/v2/hook/9c1d-77aa",
    "webhook": "/in?room=7",
}
#: What a service says when it has taken a message.
TAKEN = {"wecom": {"errcode": 0}, "dingtalk": {"errcode": 0}, "feishu": {"code": 0}, "webhook": {}}


def send(service: Service, kind: str, *messages, **options) -> list[Outcome]:
    async def story() -> list[Outcome]:
        settings = Webhook(kind, service.url + PATHS[kind], **{"seconds": 5.0, **options})
        async with WebhookChannel(settings) as channel:
            return list(await asyncio.gather(*[channel.send(each) for each in messages]))

    return asyncio.run(story())


def test_what_each_service_is_asked():
    asked = {}
    for kind, wanted in PATHS.items():
        with Service((200, TAKEN[kind])).running() as service:
            assert send(service, kind, message("duty", about="WT26-0001")) == [Sent(200, "taken")]
            ((path, headers, body),) = service.asked
            assert path == wanted
            asked[kind] = body
    text = "【交办】WT26-0001 冷库"
    assert asked["wecom"] == {"msgtype": "text", "text": {"content": f"{text}\r\n请办理。"}}
    assert asked["dingtalk"] == {"msgtype": "text", "text": {"content": f"{text}\n请办理。"}}
    assert asked["feishu"] == {"msg_type": "text", "content": {"text": f"{text}\r\n请办理。"}}
    said = {"title": text, "message": "请办理。", "id": "<duty>", "about": "WT26-0001", "type": "info", "version": "1.0"}
    assert asked["webhook"] == said
    assert headers["idempotency-key"] == "<duty>"


def test_a_message_to_dingtalk_is_signed_with_its_secret():
    with Service((200, {"errcode": 0})).running() as service:
        send(service, "dingtalk", message("duty"), secret="SEC0a1b")
        asked = {name: each[0] for name, each in parse_qs(urlsplit(service.asked[0][0]).query).items()}
    made = hmac.digest(b"SEC0a1b", f"{asked['timestamp']}\nSEC0a1b".encode(), hashlib.sha256)
    assert asked["sign"] == base64.b64encode(made).decode()
    assert asked["access_token"] == "4f2c0a"


def test_a_message_to_feishu_is_signed_at_the_moment_of_the_dispatch():
    with Service((200, {"code": 0})).running() as service:
        send(service, "feishu", message("duty"), secret="k3y")
        ((_, _, body),) = service.asked
    assert body["timestamp"] == "1795683600"
    assert body["sign"] == base64.b64encode(hmac.digest(b"1795683600\nk3y", b"", hashlib.sha256)).decode()


@pytest.mark.parametrize("kind", PATHS)
@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (400, GiveUp),
        (413, GiveUp),
        (401, Hold),
        (404, Hold),
        (307, Hold),
        (408, TryAgain),
        (429, TryAgain),
        (500, TryAgain),
        (503, TryAgain),
    ],
)
def test_what_a_status_means(kind, status, outcome):
    with Service((status, {})).running() as service:
        (found,) = send(service, kind, message("duty"))
        assert len(service.asked) == 1, "a redirection is not followed, and nothing is tried twice here"
    assert type(found) is outcome
    assert str(status) in found.reason
    assert getattr(found, "host", True)


@pytest.mark.parametrize(
    ("kind", "answer", "outcome"),
    [
        ("wecom", {"errcode": 93000, "errmsg": "invalid webhook url"}, Hold),
        ("wecom", {"errcode": 45009, "errmsg": "api freq out of limit"}, TryAgain),
        ("wecom", {"errcode": 40058, "errmsg": "content exceed max length"}, GiveUp),
        ("dingtalk", {"errcode": 310000, "errmsg": "keywords not in content"}, Hold),
        ("dingtalk", {"errcode": 130101, "errmsg": "send too fast"}, TryAgain),
        ("feishu", {"code": 19001, "msg": "incoming webhook access token invalid"}, Hold),
        ("feishu", {"code": 11232, "msg": "frequency limited"}, TryAgain),
        ("wecom", {"errcode": 77777}, TryAgain),
        ("wecom", "<html>please log in</html>", TryAgain),
        ("dingtalk", "[]", TryAgain),
    ],
)
def test_a_refusal_with_status_200_is_a_refusal(kind, answer, outcome):
    with Service((200, answer)).running() as service:
        assert type(send(service, kind, message("duty"))[0]) is outcome


def test_a_server_that_never_ends_its_answer_is_left_alone_and_stops_no_loop():
    async def story(url: str) -> tuple[list[list[Outcome]], int]:
        channel, ticks, batches = WebhookChannel(Webhook("webhook", url, seconds=0.5)), 0, []
        for _ in range(3):
            async with channel:
                sending = asyncio.gather(*[channel.send(message(f"m{n}")) for n in range(5)])
                while not sending.done():
                    ticks += 1
                    await asyncio.sleep(0.01)
                batches.append(await sending)
        return batches, ticks

    with Service(None).running() as service:
        batches, ticks = asyncio.run(story(service.url))
        assert len(service.asked) <= 2, "one a batch, and none while two threads are still kept"
    assert ticks > 3
    kinds = [[type(each) for each in batch] for batch in batches]
    assert kinds == [[TryAgain] + [Down] * 4] * 2 + [[Down] * 5], "what was not said to it keeps its tries"
    assert "has not finished its answers" in batches[2][0].reason


def test_a_server_that_is_not_there_is_tried_again():
    with Service().running() as service:
        pass
    for kind in PATHS:
        (found,) = send(service, kind, message("duty"))
        assert isinstance(found, TryAgain)
        assert found.host


@pytest.mark.parametrize(
    ("kind", "url"),
    [
        ("wecom", "https://qyapi.weixin.qq.com/cgi-bin/webhook/send"),
        ("wecom", "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=a%20b%2F"),
        ("dingtalk", "https://oapi.dingtalk.com/robot/send?access_token=a-b"),
        ("feishu", "https://open.feishu.cn/"),
        ("webhook", "file:///etc/passwd"),
        ("webhook", "https://"),
        ("webhook", ""),
    ],
)
def test_an_address_that_is_none_is_refused_without_repeating_it(kind, url):
    with pytest.raises(BadAddressOfChannel) as refused:
        WebhookChannel(Webhook(kind, url))
    assert not any(part in str(refused.value) for part in ("qyapi", "a%20b", "a-b", "passwd"))


def test_no_key_comes_into_the_log(caplog):
    caplog.set_level(logging.DEBUG)
    for kind in PATHS:
        for answer in ((200, TAKEN[kind]), (500, {})):
            with Service(answer).running() as service:
                outcome = send(service, kind, message("duty"), secret="SEC0a1b" if kind == "dingtalk" else "")
            for key in ("693a-91fe", "4f2c0a", "9c1d-77aa", "SEC0a1b"):
                assert key not in caplog.text + repr(outcome)
    assert "693a" not in repr(Webhook("wecom", "https://x/?key=693a-91fe"))


def test_a_long_text_is_cut_in_the_middle_and_its_link_stays():
    link = "打开办理页面：https://tiji.example.com/issues/WT26-0007"
    long = message("duty", text=f"省电力公司：\n\n{'长' * 3_000}\n\n{link}\n\n--\n请勿回复本邮件。")
    text = shortened(long, 2048)
    assert text.startswith("省电力公司：\n\n长长")
    assert text.endswith(f"…\n\n{link}")
    assert 2000 < len(f"{long.subject}\r\n{text}".encode()) <= 2048
    assert shortened(message("duty", text=f"短\n\n{link}\n\n--\n请勿回复。"), 2048) == f"短\n\n{link}"
    assert len(shortened(message("duty", text="长" * 3_000), 300).encode()) <= 300
