"""Channels when things break: the database goes, a worker dies between any two steps. Nothing twice, nothing lost."""

import base64
import hashlib
import hmac
import json
import time
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from agents.models import Message, Turn
from channels_inbound import draining, media, processing, replying, spooling
from channels_inbound.models import Channel, InboundMessage, InboundRequest, Reply
from channels_inbound.waking import WORK_OFF, heed_wake
from tests.channels_inbound.providers import make_channel, meta_headers, path_of, whatsapp_body, whatsapp_text
from tests.factories import make_agent
from tests.faults.system import System, database_away, until

pytestmark = pytest.mark.django_db(transaction=True)

QUEUES = "interactive,deliveries,channels,replies"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def post(channel: Channel, body: bytes, headers: dict[str, str]) -> int:
    # Nobody was woken just before.
    heed_wake(WORK_OFF)
    kind = "application/json"
    return Client().generic("POST", path_of(channel), body, content_type=kind, headers=headers).status_code


def generic(channel: Channel, text: str, id: str) -> int:
    body = json.dumps({"text": text, "user_id": "u1"}).encode()
    stamp = str(int(time.time()))
    mac = hmac.new(base64.b64decode(SECRET[6:]), f"{id}.{stamp}.".encode() + body, hashlib.sha256).digest()
    signature = f"v1,{base64.b64encode(mac).decode()}"
    headers = {"webhook-id": id, "webhook-timestamp": stamp, "webhook-signature": signature}
    return post(channel, body, headers)


def sozuri(text: str, id: str) -> bytes:
    told = {
        "project": "shop",
        "number": "254725164293",
        "shortcode": "25145",
        "message": text,
        "messageId": id,
        "channel": "sms",
        "type": "interactive",
        "timestamp": str(int(time.time())),
        "authKey": "a-sozuri-key-of-tests",
    }
    return json.dumps(told).encode()


@pytest.fixture
def _quick(settings: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.SPOOL_DIR, settings.MEDIA_ROOT = str(tmp_path / "spool"), str(tmp_path / "media")
    monkeypatch.setattr(draining, "LOOK_AGAIN", 0.2)


# --- the database is away --------------------------------------------------------------------------------------------


def test_whoever_asks_again_is_told_when_and_nothing_is_kept_by_halves(_quick: None) -> None:
    channel = make_channel(kind="whatsapp")
    body = whatsapp_body(whatsapp_text("Hello", id="wamid.1"))
    with database_away():
        answer = Client().generic(
            "POST", path_of(channel), body, content_type="application/json", headers=meta_headers(body)
        )
        assert (answer.status_code, answer["Retry-After"]) == (503, "30")
    assert not InboundRequest.objects.exists()
    assert post(channel, body, meta_headers(body)) == 200
    assert InboundMessage.objects.count() == 1


def test_a_message_that_is_never_sent_again_waits_on_disk_and_comes_back(_quick: None) -> None:
    channel = make_channel(kind="sozuri")
    with database_away():
        assert post(channel, sozuri("Where are you?", "SMS1"), {}) == 200
        forged = sozuri("Forged", "SMS2").replace(b"a-sozuri-key-of-tests", b"another-key-altogether")
        assert post(channel, forged, {}) == 200
        files = list(spooling.folder().iterdir())
        assert len(files) == 2
        assert not any(b"Where are you" in each.read_bytes() or b"sozuri-key" in each.read_bytes() for each in files)
    until(lambda: InboundMessage.objects.count() == 1, seconds=10)
    until(lambda: spooling.waiting() == 0, seconds=10)
    message = InboundMessage.objects.select_related("request").get()
    assert (message.text, message.request.was_spooled) == ("Where are you?", True)
    # The same once more, as if this process had died after storing it and before it took the file away.
    assert post(channel, sozuri("Where are you?", "SMS1"), {}) == 200
    assert InboundMessage.objects.count() == 1


def test_the_spool_has_an_end(_quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spooling, "MOST_FILES", 1)
    monkeypatch.setattr(draining, "begin", lambda: None)
    channel = make_channel(kind="sozuri")
    with database_away():
        assert [post(channel, sozuri("Hello", f"SMS{n}"), {}) for n in range(2)] == [200, 503]


# --- a worker dies ---------------------------------------------------------------------------------------------------


def long_ago() -> None:
    past = timezone.now() - timedelta(minutes=3)
    InboundMessage.objects.filter(state="received").update(received_at=past, worked_at=None)
    Reply.objects.filter(state__in=("queued", "sending")).update(created_at=past, began_at=past)
    Turn.objects.filter(finished_at__isnull=False).update(finished_at=past)
    Turn.objects.filter(state="running").update(lease_until=past)
    Turn.objects.filter(state="queued").update(queued_at=past)


def later() -> None:
    """As if a minute or two had passed and a beat had come round."""
    from agents import turns

    long_ago()
    turns.sweep()
    processing.sweep()
    replying.sweep()
    media.sweep()


@pytest.fixture
def channel(system: System, settings: Any) -> Channel:
    settings.INBOUND_DEBOUNCE = 0.1
    agent = make_agent(greeting="Hello!")
    url = system.url("ok")
    return make_channel(agent=agent, kind="generic", settings={"reply_url": url}, secrets={"signing_secret": SECRET})


@pytest.mark.parametrize(
    ("point", "may_be_lost"),
    [
        ("before working off", False),
        ("before its commit", False),
        ("before a reply is claimed", False),
        ("before a reply leaves", True),
        ("before a reply is recorded", True),
    ],
)
def test_a_worker_dies_and_the_next_one_goes_on(
    system: System, channel: Channel, point: str, may_be_lost: bool
) -> None:
    victim = system.worker(queues=QUEUES, at=point)
    assert generic(channel, "Are you open?", "msg_1") == 200
    victim.gone()
    system.worker(queues=QUEUES)

    def is_over() -> bool:
        later()
        time.sleep(0.3)
        return Reply.objects.exclude(state__in=("queued", "sending")).exists()

    until(is_over, seconds=40, why=f"{InboundMessage.objects.values('state', 'reason')} {Reply.objects.values()}")
    assert (InboundMessage.objects.count(), Turn.objects.count()) == (1, 1)
    assert Message.objects.filter(role="agent").count() == 1
    [reply] = Reply.objects.all()
    seen = system.received()[reply.public_id]
    assert seen <= 1
    if may_be_lost:
        assert reply.state == "interrupted" and "not sent again" in reply.reason
    else:
        assert (reply.state, reply.reason, seen) == ("sent", "", 1)


def test_two_workers_at_once_and_every_message_is_answered_once(system: System, channel: Channel) -> None:
    for _ in range(2):
        system.worker(queues=QUEUES)
    ids = [f"msg_{number}" for number in range(12)]
    for id in ids:
        assert generic(channel, f"Question {id}?", id) == 200
        assert generic(channel, f"Question {id}?", id) == 200

    def is_over() -> bool:
        waiting = InboundMessage.objects.filter(state="received").exists()
        return not waiting and Turn.objects.exists() and not Turn.objects.exclude(state="done").exists()

    until(is_over, seconds=40)
    until(lambda: Reply.objects.filter(state="sent").count() == Turn.objects.count(), seconds=20)
    assert InboundMessage.objects.count() == len(ids)
    assert all(count == 1 for count in system.received().values())
