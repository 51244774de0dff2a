"""Infobip: replies, what it answers to them, and its files."""

import dataclasses
import json
from typing import Any

import pytest

from channels_inbound.adapters.base import Recipient
from channels_inbound.adapters.infobip import Infobip
from tests.channels_inbound.adapters.contract import connected
from tests.channels_inbound.adapters.infobip_posts import CONNECTION, CREDENTIAL, PASSWORD, SETTINGS, TO


def body_of(text: str = "Two boxes are 900 KES.", to: Recipient = TO, **settings: str) -> Any:
    connection = connected(Infobip, {"password": PASSWORD}, SETTINGS | settings)
    return json.loads(Infobip().outgoing(text, to=to, connection=connection, credential=CREDENTIAL).body)


def test_a_reply_is_sent_with_the_key_of_the_account() -> None:
    outgoing = Infobip().outgoing("Größe ☃", to=TO, connection=CONNECTION, credential=CREDENTIAL)
    assert (outgoing.method, outgoing.url) == ("POST", "https://xyz12.api.infobip.com/sms/3/messages")
    assert dict(outgoing.headers)["Authorization"] == "App ib-key-0123456789"
    assert json.loads(outgoing.body) == {
        "messages": [
            {"sender": "254711000111", "destinations": [{"to": "254722000222"}], "content": {"text": "Größe ☃"}}
        ]
    }


@pytest.mark.parametrize(
    ("configured", "sender"),
    [
        ({}, "254711000111"),
        ({"number": "+254 733 000 333"}, "254733000333"),
        ({"number": "+254733000333", "sender": "Duka la Amina"}, "Duka la Amina"),
    ],
)
def test_a_reply_comes_from_the_sender_the_number_or_where_the_customer_wrote(
    configured: dict[str, str], sender: str
) -> None:
    assert body_of(**configured)["messages"][0]["sender"] == sender


@pytest.mark.parametrize(
    "address", ["xyz12.api.infobip.com", "https://xyz12.api.infobip.com/", " xyz12.api.infobip.com "]
)
def test_the_base_url_may_be_written_as_infobip_shows_it(address: str) -> None:
    credential = CREDENTIAL | {"api_url": address}
    outgoing = Infobip().outgoing("Hello", to=TO, connection=CONNECTION, credential=credential)
    assert outgoing.url == "https://xyz12.api.infobip.com/sms/3/messages"


@pytest.mark.parametrize(
    ("to", "credential", "sentence"),
    [
        (TO, CREDENTIAL | {"api_key": ""}, "has no API key"),
        (TO, CREDENTIAL | {"api_key": "a\r\nX-Other: b"}, "has no API key"),
        (TO, CREDENTIAL | {"api_url": ""}, "has no base URL"),
        (TO, CREDENTIAL | {"api_url": "http://xyz12.api.infobip.com"}, "has no base URL"),
        (TO, CREDENTIAL | {"api_url": "https://[broken"}, "has no base URL"),
        (dataclasses.replace(TO, address="Safaricom"), CREDENTIAL, "cannot be answered"),
        (dataclasses.replace(TO, answer_to={}), CREDENTIAL, "Enter the sender"),
    ],
)
def test_a_reply_that_cannot_be_sent_says_why(to: Recipient, credential: dict[str, str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Infobip().outgoing("Hello", to=to, connection=CONNECTION, credential=credential)


def taken(name: str, group: str, **members: Any) -> bytes:
    status = {"groupName": group, "name": name, "description": "Described by Infobip."}
    return json.dumps({"messages": [{"messageId": "m-9", "status": status} | members]}).encode()


@pytest.mark.parametrize(
    ("status", "body", "provider_id", "error", "code"),
    [
        (200, taken("PENDING_ACCEPTED", "PENDING"), "m-9", "", ""),
        (
            200,
            taken("REJECTED_NOT_ENOUGH_CREDITS", "REJECTED"),
            "",
            "Your Infobip account has no credit left.",
            "REJECTED_NOT_ENOUGH_CREDITS",
        ),
        (
            200,
            taken("REJECTED_SOMETHING", "REJECTED"),
            "",
            "Infobip did not take the message: Described by Infobip.",
            "REJECTED_SOMETHING",
        ),
        (200, b"{}", "", "Infobip answered without an id of the message.", ""),
        (
            401,
            b'{"requestError":{"serviceException":{"messageId":"UNAUTHORIZED","text":"Invalid login details"}}}',
            "",
            "Infobip did not accept the API key. It says: Invalid login details.",
            "UNAUTHORIZED",
        ),
        (
            400,
            b'{"errorCode":"E400","description":"Request cannot be processed.","violations":[],"resources":[]}',
            "",
            "Infobip did not understand the message. It says: Request cannot be processed.",
            "E400",
        ),
        (200, b'{"messages":[{"messageId":"1","status":{"groupName":{}}}]}', "1", "", ""),
        (429, b"", "", "Infobip took no more messages just now: too many at once.", "429"),
        (503, b"<html>", "", "Infobip answered 503.", "503"),
    ],
)
def test_what_infobip_answers_is_read(status: int, body: bytes, provider_id: str, error: str, code: str) -> None:
    sent = Infobip().sent(status, body)
    assert (sent.provider_id, sent.error, sent.error_code) == (provider_id, error, code)


@pytest.mark.parametrize(
    ("url", "has_key"),
    [
        ("https://api.infobip.com/mms/1/content/1.jpg", True),
        ("https://xyz12.api.infobip.com/1.jpg", True),
        ("http://api.infobip.com/1.jpg", False),
        ("https://infobip.com.example.net/1.jpg", False),
        ("https://notinfobip.com/1.jpg", False),
        ("https://user@[broken", False),
    ],
)
def test_the_key_goes_with_a_file_only_to_infobip(url: str, has_key: bool) -> None:
    fetch = Infobip().media({"url": url}, CREDENTIAL)
    assert fetch is not None
    assert (fetch.method, fetch.url) == ("GET", url)
    assert bool(fetch.headers) == has_key


def test_a_file_without_an_address_is_not_fetched() -> None:
    assert Infobip().media({"url": ""}, CREDENTIAL) is None
