"""Rows 68 to 78: Slack and Telegram."""

import json
import time
from typing import Any

import pytest

from channels_inbound import views
from channels_inbound.models import Channel, InboundMessage
from tests.channels_inbound.providers import SECRETS, make_channel, slack_headers
from tests.channels_inbound.rows.sending import NOW, STAMP, is_empty, messages, requests, send, starting

pytestmark = pytest.mark.django_db


def slack_event(event: Any, **more: Any) -> bytes:
    whole = {"type": "event_callback", "team_id": "T1", "event_id": "Ev1", "event_time": STAMP, "event": event}
    return json.dumps(whole | more).encode()


SAID = {"type": "message", "channel": "D1", "channel_type": "im", "user": "U1", "text": "Hi", "ts": f"{STAMP}.000100"}
BODY = slack_event(SAID)


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Channel:
    monkeypatch.setattr(views, "now", lambda: NOW)
    return make_channel(kind="slack")


def signed(body: bytes, at: Any = STAMP, **more: Any) -> dict[str, str]:
    return slack_headers(body, at=at, **more)


RIGHT = signed(BODY)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"X-Slack-Signature": RIGHT["X-Slack-Signature"]}, id="68-no-time"),
        pytest.param(signed(BODY, "abc"), id="68-abc"),
        pytest.param(signed(BODY, "1.5"), id="68-fraction"),
        pytest.param(signed(BODY, STAMP - 301), id="68-old"),
        pytest.param(signed(BODY, STAMP + 301), id="68-ahead"),
        pytest.param(RIGHT | {"X-Slack-Request-Timestamp": str(STAMP - 1)}, id="68-moved"),
        pytest.param({name: value.replace("v0=", "v1=") for name, value in RIGHT.items()}, id="69-another-version"),
        pytest.param(RIGHT | {"X-Slack-Signature": RIGHT["X-Slack-Signature"][:-1] + "\xe9"}, id="69-not-ascii"),
        pytest.param(signed(BODY, secret="another-secret"), id="69-another-key"),
    ],
)
def test_rows_68_and_69_what_proves_nothing(slack: Channel, headers: dict[str, str]) -> None:
    assert send(slack, BODY, headers).status_code == 401
    assert is_empty()


def test_row_70_a_challenge_needs_the_proof_too(slack: Channel) -> None:
    body = json.dumps({"type": "url_verification", "challenge": "echo-me"}).encode()
    for headers in ({}, signed(body, secret="another-secret")):
        answer = send(slack, body, headers)
        assert (answer.status_code, b"echo-me" in answer.content) == (401, False)
    answer = send(slack, body, signed(body))
    assert (answer.status_code, answer.content) == (200, b"echo-me")
    assert is_empty()


def test_row_71_a_verification_without_a_challenge(slack: Channel) -> None:
    body = b'{"type": "url_verification"}'
    assert send(slack, body, signed(body)).status_code == 200
    assert (requests(), messages()) == (["quarantined"], [])


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(slack_event(None), id="event-null"),
        pytest.param(b'{"type": "event_callback", "team_id": "T1", "event_id": "Ev1"}', id="event-missing"),
    ],
)
def test_row_72_no_event(slack: Channel, body: bytes) -> None:
    assert send(slack, body, signed(body)).status_code == 200
    assert (requests(), messages()) == (["quarantined"], [])


def test_row_72_a_channel_that_is_an_object(slack: Channel) -> None:
    body = slack_event({"type": "channel_created", "channel": {"id": "C1", "name": "new"}})
    assert send(slack, body, signed(body)).status_code == 200
    assert (requests(), starting()) == (["accepted"], 0)


def test_row_73_an_empty_id_is_no_id(slack: Channel) -> None:
    for number in range(2):
        body = slack_event(SAID | {"text": f"Hi {number}", "ts": f"{STAMP}.00010{number}"}, event_id="")
        assert send(slack, body, signed(body)).status_code == 200
    assert messages() == [("message", "Hi 0"), ("message", "Hi 1")]


@pytest.mark.parametrize("who", [{"bot_id": "B1"}, {"subtype": "bot_message", "bot_id": "B2", "user": None}])
def test_row_74_a_bot(slack: Channel, who: dict[str, Any]) -> None:
    body = slack_event(SAID | who)
    assert send(slack, body, signed(body)).status_code == 200
    assert (len(messages()), starting()) == (1, 0)


# --- Telegram --------------------------------------------------------------------------------------------------------

TOKEN = SECRETS["telegram"]["secret_token"]
HEADER = "X-Telegram-Bot-Api-Secret-Token"


def update(number: Any = 7, **message: Any) -> bytes:
    said = {"message_id": 1, "chat": {"id": 42, "type": "private"}, "from": {"id": 42}, "date": int(time.time())}
    return json.dumps({"update_id": number, "message": said | {"text": "Hi"} | message}).encode()


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="missing"),
        pytest.param({HEADER: ""}, id="empty"),
        pytest.param({HEADER: TOKEN.upper()}, id="other-case"),
        pytest.param({HEADER: TOKEN + "x"}, id="trailing-text"),
        # What a server makes of a header that comes twice.
        pytest.param({HEADER: f"{TOKEN},{TOKEN}"}, id="twice"),
        pytest.param({HEADER: TOKEN + "\xe9"}, id="not-ascii"),
    ],
)
def test_row_75_what_proves_nothing(headers: dict[str, str]) -> None:
    channel = make_channel(kind="telegram")
    assert send(channel, update(), headers).status_code == 401
    assert send(channel, update(), {}, QUERY_STRING=f"secret_token={TOKEN}").status_code == 401
    assert is_empty()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"message": {"text": "Hi"}}', id="no-update-id"),
        pytest.param(update("seven"), id="text-update-id"),
        pytest.param(b'{"update_id": 7, "message": null}', id="message-null"),
        pytest.param(update(chat=None), id="no-chat"),
        pytest.param(update(text=None, photo=[]), id="empty-photo-list"),
        pytest.param(b"[]", id="array"),
    ],
)
def test_row_76_authentic_and_unusable(body: bytes) -> None:
    """In quarantine as a whole, or with what could not be read named for itself."""
    assert send(make_channel(kind="telegram"), body).status_code == 200
    assert requests() == ["quarantined"] or {kind for kind, _ in messages()} == {"unsupported"}
    assert starting() == 0


def test_row_76_a_date_out_of_range() -> None:
    assert send(make_channel(kind="telegram"), update(date=10**20)).status_code == 200
    assert abs(InboundMessage.objects.get().occurred_at.timestamp() - time.time()) < 60


def test_row_77_the_first_one_stays() -> None:
    channel = make_channel(kind="telegram")
    assert [send(channel, update(text=text)).status_code for text in ("One", "Two")] == [200, 200]
    assert messages() == [("message", "One")]


def test_row_78_another_bot_counts_for_itself() -> None:
    assert [send(make_channel(kind="telegram"), update()).status_code for _ in range(2)] == [200, 200]
    assert len(messages()) == 2
