"""Rows 36 to 53: WhatsApp, Messenger, Instagram."""

import json
import time
from typing import Any

import pytest
from django.test import Client

from channels_inbound.models import Channel, InboundMessage
from tests.channels_inbound.providers import make_channel, meta_headers, path_of, whatsapp_body, whatsapp_text
from tests.channels_inbound.rows.sending import is_empty, messages, requests, send, starting

pytestmark = pytest.mark.django_db

BODY = whatsapp_body(whatsapp_text("Hé", id="wamid.1"))
RIGHT = meta_headers(BODY)["X-Hub-Signature-256"]


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="36-missing"),
        pytest.param({"X-Hub-Signature-256": RIGHT.removeprefix("sha256=")}, id="36-without-its-scheme"),
        pytest.param({"X-Hub-Signature-256": RIGHT.replace("sha256", "sha1")}, id="36-another-scheme"),
        pytest.param({"X-Hub-Signature-256": RIGHT[:-1]}, id="36-short"),
        pytest.param({"X-Hub-Signature-256": RIGHT[:-1] + "x"}, id="36-not-hex"),
        pytest.param({"X-Hub-Signature-256": RIGHT[:-1] + "\xe9"}, id="36-not-ascii"),
        pytest.param({"X-Hub-Signature": RIGHT}, id="37-the-old-header"),
        pytest.param(meta_headers(json.dumps(json.loads(BODY), ensure_ascii=False).encode()), id="38-written-anew"),
    ],
)
@pytest.mark.parametrize("kind", ["whatsapp", "messenger", "instagram"])
def test_rows_36_to_38_what_proves_nothing(kind: str, headers: dict[str, str]) -> None:
    assert send(make_channel(kind=kind), BODY, headers).status_code == 401
    assert is_empty()


@pytest.mark.parametrize(
    "query",
    [
        {"hub.mode": "subscribe", "hub.verify_token": "wrong", "hub.challenge": "1"},
        {"hub.verify_token": "a-verify-token", "hub.challenge": "1"},
        {"hub.mode": "subscribe", "hub.verify_token": "", "hub.challenge": "1"},
        {},
    ],
)
def test_row_39_a_handshake_that_proves_nothing(whatsapp: Channel, query: dict[str, str]) -> None:
    assert Client().get(path_of(whatsapp), query).status_code == 403
    assert is_empty()


def test_row_40_a_challenge_is_never_a_page(whatsapp: Channel) -> None:
    token = {"hub.mode": "subscribe", "hub.verify_token": "a-verify-token"}
    right = Client().get(path_of(whatsapp), token | {"hub.challenge": "1158201444"})
    assert (right.status_code, right.content) == (200, b"1158201444")
    assert right["Content-Type"].startswith("text/plain")
    assert right["X-Content-Type-Options"] == "nosniff"
    markup = Client().get(path_of(whatsapp), token | {"hub.challenge": "<script>alert(1)</script>"})
    assert markup.status_code in (200, 400, 403)
    assert b"<script>" not in markup.content or markup["Content-Type"].startswith("text/plain")
    assert is_empty()


def entry(**content: Any) -> bytes:
    return json.dumps({"object": "whatsapp_business_account", "entry": [{"id": "1", **content}]}).encode()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(BODY.replace(b"whatsapp_business_account", b"page"), id="41-another-product"),
        pytest.param(b'{"object": "whatsapp_business_account", "entry": null}', id="42-entry-null"),
        pytest.param(entry(changes="changes"), id="42-changes-a-string"),
        pytest.param(whatsapp_body(messages={"id": "wamid.1"}), id="42-messages-an-object"),
    ],
)
def test_rows_41_and_42_authentic_and_unusable(whatsapp: Channel, body: bytes) -> None:
    """In quarantine as a whole, or with what could not be read named for itself: kept in either case."""
    assert send(whatsapp, body).status_code == 200
    assert len(requests()) == 1
    assert requests() == ["quarantined"] or {kind for kind, _ in messages()} == {"unsupported"}
    assert starting() == 0


@pytest.mark.parametrize("broken", [None, "text", 5, [], {}, {"id": {}, "type": []}])
def test_row_43_one_broken_one_good(whatsapp: Channel, broken: Any) -> None:
    body = json.loads(whatsapp_body(whatsapp_text("Good")))
    body["entry"][0]["changes"][0]["value"]["messages"].insert(0, broken)
    assert send(whatsapp, json.dumps(body).encode()).status_code == 200
    assert ("message", "Good") in messages()
    assert starting() == 1


def test_row_44_equal_ids_in_one_request(whatsapp: Channel) -> None:
    body = whatsapp_body(whatsapp_text("One", id="wamid.1"), whatsapp_text("Two", id="wamid.1"))
    assert send(whatsapp, body).status_code == 200
    assert messages() == [("message", "One")]


def test_row_45_a_number_that_is_not_ours(whatsapp: Channel) -> None:
    assert send(whatsapp, whatsapp_body(whatsapp_text("Hi"), phone_number_id="666")).status_code == 200
    assert (len(requests()), starting()) == (1, 0)
    assert all(kind == "unsupported" for kind, _ in messages())


@pytest.mark.parametrize(("kind", "product"), [("messenger", "page"), ("instagram", "instagram")])
def test_row_45_a_page_that_is_not_ours(kind: str, product: str) -> None:
    assert send(make_channel(kind=kind), messaging(product, said(), account="666")).status_code == 200
    assert (len(requests()), starting()) == (1, 0)


def test_row_46_somebody_who_hides_their_number(whatsapp: Channel) -> None:
    message = whatsapp_text("Hi") | {"from_user_id": "US.13491208655302741918"}
    del message["from"]
    assert send(whatsapp, whatsapp_body(message)).status_code == 200
    assert messages() == [("message", "Hi")]
    assert InboundMessage.objects.get().facts["sender"]["addresses"] == ["US.13491208655302741918"]


def test_row_47_a_message_of_nobody(whatsapp: Channel) -> None:
    message = whatsapp_text("Hi")
    del message["from"]
    assert send(whatsapp, whatsapp_body(message)).status_code == 200
    assert len(requests()) == 1
    assert starting() == 0


@pytest.mark.parametrize("timestamp", ["asdf", 1_790_000_000, None, -1, "9" * 30])
def test_row_48_a_strange_time(whatsapp: Channel, timestamp: Any) -> None:
    assert send(whatsapp, whatsapp_body(whatsapp_text("Hi", timestamp=timestamp))).status_code == 200
    assert messages() == [("message", "Hi")]
    occurred = InboundMessage.objects.get().occurred_at.timestamp()
    assert occurred == 1_790_000_000 if timestamp == 1_790_000_000 else abs(occurred - time.time()) < 60


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(whatsapp_body(whatsapp_text("Hi", type="hologram")), id="49-type"),
        pytest.param(
            whatsapp_body(statuses=[{"id": "wamid.9", "status": "dreamt", "recipient_id": "1"}]), id="49-status"
        ),
        pytest.param(
            entry(changes=[{"field": "weather", "value": {"metadata": {"phone_number_id": "1234567890"}}}]),
            id="49-field",
        ),
        pytest.param(
            whatsapp_body(statuses=[{"id": "wamid.never", "status": "read", "timestamp": "1", "recipient_id": "1"}]),
            id="50-of-a-message-we-never-sent",
        ),
    ],
)
def test_rows_49_and_50_what_starts_nothing(whatsapp: Channel, body: bytes) -> None:
    assert send(whatsapp, body).status_code == 200
    assert (requests(), starting()) == (["accepted"], 0)


def test_row_51_nearly_three_megabytes(whatsapp: Channel) -> None:
    texts = [whatsapp_text("é" * 30_000) for _ in range(15)]
    body = whatsapp_body(*texts)
    assert 2_700_000 < len(body) < 3_000_000
    assert send(whatsapp, body).status_code == 200
    assert starting() == 15


def messaging(product: str, *events: Any, account: str = "1234567890", list_name: str = "messaging") -> bytes:
    item = {"id": account, "time": int(time.time() * 1000), list_name: list(events)}
    return json.dumps({"object": product, "entry": [item]}).encode()


def said(**message: Any) -> dict[str, Any]:
    base = {"mid": "m_1", "text": "Hi", **message}
    return {
        "sender": {"id": "99"},
        "recipient": {"id": "1234567890"},
        "timestamp": int(time.time() * 1000),
        "message": base,
    }


@pytest.mark.parametrize(("kind", "product"), [("messenger", "page"), ("instagram", "instagram")])
@pytest.mark.parametrize(("more", "list_name"), [({"is_echo": True}, "messaging"), ({}, "standby")])
def test_row_52_our_own_words_and_what_another_application_has(
    kind: str, product: str, more: dict[str, Any], list_name: str
) -> None:
    body = messaging(product, said(**more), list_name=list_name)
    assert send(make_channel(kind=kind), body).status_code == 200
    assert [kind for kind, _ in messages()] == ["echo" if more else "standby"]
    assert starting() == 0


def test_row_53_an_unsend_of_what_we_never_saw() -> None:
    body = messaging("instagram", said(is_deleted=True, text=None))
    assert send(make_channel(kind="instagram"), body).status_code == 200
    assert messages() == [("message_deleted", "")]
    assert starting() == 0
