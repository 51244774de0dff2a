"""Rows 79 to 91: Twilio, Infobip, Sozuri, and applications of our customers."""

import base64
import hashlib
import json
import time
from typing import Any
from urllib.parse import urlencode

import pytest

from channels_inbound.models import Channel, InboundMessage
from tests.channels_inbound.providers import (
    SECRETS,
    URL_FORM,
    generic_headers,
    make_channel,
    open_channel,
    twilio_headers,
)
from tests.channels_inbound.rows.sending import JSON, is_empty, messages, requests, send, starting

pytestmark = pytest.mark.django_db

# --- Twilio ----------------------------------------------------------------------------------------------------------

SMS = {"MessageSid": "SM1", "AccountSid": "AC1", "From": "+254712345678", "To": "+12025550100", "Body": "Hi", "X": ""}
FORM = urlencode(SMS).encode()


@pytest.fixture
def twilio() -> Channel:
    return make_channel(kind="twilio")


def test_row_79_what_proves_nothing(twilio: Channel) -> None:
    right = twilio_headers(twilio, FORM)["X-Twilio-Signature"]
    ours = twilio.inbound_url
    host = ours.split("/")[2]
    urls = [
        ours.replace("https://", "x://").replace("http://", "https://"),
        f"{ours}x",
        ours.replace(host, "evil.example"),
    ]
    if ours.startswith("https://"):
        urls[0] = ours.replace("https://", "http://")
    wrong = [twilio_headers(twilio, FORM, url=url) for url in urls]
    wrong += [{}, {"X-Twilio-Signature": right[:-2] + "\xe9="}]
    wrong[2]["X-Forwarded-Host"] = "evil.example"
    for headers in wrong:
        assert send(twilio, FORM, headers, content_type=URL_FORM).status_code == 401, headers
    assert is_empty()


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(SMS | {"Extra": "1"}, id="added"),
        pytest.param({name: value for name, value in SMS.items() if name != "AccountSid"}, id="dropped"),
        pytest.param({name: value for name, value in SMS.items() if value}, id="a-blank-one-dropped"),
        pytest.param(SMS | {"Body": "Ho"}, id="changed"),
    ],
)
def test_row_80_other_parameters_than_were_signed(twilio: Channel, fields: dict[str, str]) -> None:
    headers = twilio_headers(twilio, FORM)
    assert send(twilio, urlencode(fields).encode(), headers, content_type=URL_FORM).status_code == 401
    assert is_empty()


def test_row_81_json_without_its_digest(twilio: Channel) -> None:
    body = json.dumps(SMS).encode()
    assert send(twilio, body, content_type=JSON).status_code == 401
    assert is_empty()
    query = f"bodySHA256={hashlib.sha256(body).hexdigest()}"
    headers = twilio_headers(twilio, body, JSON, url=f"{twilio.inbound_url}?{query}")
    assert send(twilio, body, headers, content_type=JSON, QUERY_STRING=query).status_code == 200
    assert messages() == [("message", "Hi")]


@pytest.mark.parametrize("algorithm", ["HMAC_MD5", "none", "HMAC_SHA256"])
def test_row_82_another_algorithm_than_was_used(twilio: Channel, algorithm: str) -> None:
    headers = twilio_headers(twilio, FORM)
    headers["X-Twilio-Webhooks-Signature-Settings"] = f"key=SK1,algorithm={algorithm}"
    assert send(twilio, FORM, headers, content_type=URL_FORM).status_code == 401
    assert is_empty()


@pytest.mark.parametrize("count", ["abc", "999999", "-1", "", "٣"])
def test_row_83_a_strange_number_of_files(twilio: Channel, count: str) -> None:
    body = urlencode(SMS | {"NumMedia": count, "MediaUrl0": "https://api.twilio.com/a"}).encode()
    assert send(twilio, body, content_type=URL_FORM).status_code == 200
    assert messages() == [("message", "Hi")]
    assert len(InboundMessage.objects.get().facts.get("attachments") or []) <= 10


def test_row_84_another_account() -> None:
    channel = make_channel(kind="twilio", settings={"account_sid": "AC" + "0" * 32})
    assert send(channel, FORM, content_type=URL_FORM).status_code == 200
    assert ([kind for kind, _ in messages()], starting()) == (["unsupported"], 0)


# --- Infobip ---------------------------------------------------------------------------------------------------------

RESULT = {"messageId": "i1", "from": "254712345678", "to": "254711000111", "text": "Hi"}


def results(value: Any) -> bytes:
    return json.dumps({"results": value}).encode()


def basic(pair: bytes) -> str:
    return "Basic " + base64.b64encode(pair).decode()


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        basic(b"ibuser:wrong"),
        "Basic !!!",
        "Basic \xe9",
        basic(b"ibuser"),
        basic(b"\xff\xfe:\xff"),
        "Bearer a-password-of-tests",
        "Basic ",
    ],
)
def test_row_85_what_proves_nothing(authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = send(open_channel("infobip"), results([RESULT]), headers)
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Basic ")
    assert is_empty()


@pytest.mark.parametrize("body", [b"{}", results({"messageId": "i1"}), results(None), b"[]", b"x"])
def test_row_86_no_results(body: bytes) -> None:
    assert send(open_channel("infobip"), body).status_code == 200
    assert (requests(), messages()) == (["quarantined"], [])


def test_row_86_an_empty_list_and_a_strange_date() -> None:
    channel = open_channel("infobip")
    assert send(channel, results([])).status_code == 200
    assert (requests(), messages()) == (["accepted"], [])
    assert send(channel, results([RESULT | {"receivedAt": "the day before"}])).status_code == 200
    assert messages() == [("message", "Hi")]
    assert abs(InboundMessage.objects.get().occurred_at.timestamp() - time.time()) < 60


# --- Sozuri ----------------------------------------------------------------------------------------------------------

KEY = SECRETS["sozuri"]["auth_key"]


def sozuri(**changes: Any) -> bytes:
    told = {
        "number": "254712345678",
        "shortcode": "25145",
        "message": "Hi",
        "messageId": "s1",
        "type": "interactive",
        "timestamp": str(int(time.time())),
        "authKey": KEY,
    }
    return json.dumps({name: value for name, value in (told | changes).items() if value != "drop"}).encode()


@pytest.mark.parametrize("key", ["drop", "wrong", None, [KEY], 5, {"a": KEY}, "é", "", True])
def test_row_87_what_proves_nothing(key: Any) -> None:
    assert send(make_channel(kind="sozuri"), sozuri(authKey=key), {}).status_code == 401
    assert is_empty()


def test_row_88_neither_an_id_nor_a_time() -> None:
    channel = make_channel(kind="sozuri")
    for text in ("Hi", "Hi", "Ho"):
        assert send(channel, sozuri(messageId="drop", timestamp="soon", message=text), {}).status_code == 200
    assert messages() == [("message", "Hi"), ("message", "Ho")]


# --- our own ---------------------------------------------------------------------------------------------------------


def said(**members: Any) -> bytes:
    return json.dumps({"text": "Hi", "user_id": "u1"} | members).encode()


def test_row_89_the_same_id_with_another_body() -> None:
    channel = make_channel(kind="generic")
    for body, status in ((said(), 200), (said(), 200), (said(text="Ho"), 409)):
        assert send(channel, body, generic_headers(body, id="msg_1")).status_code == status
    assert messages() == [("message", "Hi")]


@pytest.mark.parametrize(
    "change",
    [
        {"Webhook-Signature": "v1"},
        {"Webhook-Signature": ","},
        {"Webhook-Timestamp": "nan"},
        {"Webhook-Timestamp": "1e9"},
        {"Webhook-Id": ""},
    ],
)
def test_row_90_what_proves_nothing(change: dict[str, str]) -> None:
    headers = generic_headers(said()) | change
    assert send(make_channel(kind="generic"), said(), headers).status_code == 401
    assert is_empty()


@pytest.mark.parametrize("minutes", [-6, 6])
def test_row_90_six_minutes_off(minutes: int) -> None:
    headers = generic_headers(said(), at=int(time.time()) + minutes * 60)
    assert send(make_channel(kind="generic"), said(), headers).status_code == 401
    assert is_empty()


@pytest.mark.parametrize("text", ["", "   ", "a" * 8001, 5, None, ["Hi"]])
def test_row_91_a_text_that_is_none(text: Any) -> None:
    answer = send(make_channel(kind="generic"), said(text=text))
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert [fault["pointer"] for fault in answer.json()["errors"]] == ["/text"]
    assert is_empty()
