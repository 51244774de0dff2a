import dataclasses
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from channels_inbound.adapters.base import Arrival, Incoming, NotAuthentic, Recipient, Unusable
from channels_inbound.adapters.sozuri import STATUSES, Sozuri
from tests.channels_inbound.adapters.contract import NOW, AdapterContract, check_arrivals, connected

KEY, OLD_KEY = "s0zur1-auth-k3y-n0w", "s0zur1-auth-k3y-old"
CONNECTION = connected(Sozuri, {"auth_key": KEY})
CREDENTIAL = {"api_key": "sz-api-key-0123456789", "project": "Duka la Amina"}

MESSAGE = {
    "project": "Duka la Amina",
    "number": "254722000222",
    "shortcode": "25145",
    "message": "Habari yako? ñ 😀",
    "messageId": "SMSG1",
    "channel": "interactive",
    "status": "success",
    "network": "safaricom",
    "type": "interactive",
    "timestamp": "1795607990",
}
REPORT = {
    "project": "Duka la Amina",
    "messageId": "MSGBLK1",
    "channel": "sms",
    "status": "success",
    "network": "safaricom",
    "type": "bulkDelivery",
    "timestamp": "1795607995",
}
# A WhatsApp status has no time.
WHATSAPP_REPORT = {
    "messageId": "wa-1",
    "from": "+254711000111",
    "to": "+254722000222",
    "channel": "whatsapp",
    "message": "Your order is on its way.",
    "type": "conversation",
    "contentType": "text",
    "direction": "outbound",
    "status": "read",
    "description": "status update",
}


def request(body: bytes, **headers: str) -> Incoming:
    return Incoming(headers={"content-type": "application/json"} | headers, body=body, at=NOW)


def signed(document: Any, key: Any = KEY, name: str = "authKey") -> Incoming:
    return request(json.dumps(document | {name: key}).encode())


def without(document: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in names}


def read(document: Any, **settings: str) -> Arrival:
    (arrival,) = Sozuri().parse(signed(document), connected(Sozuri, {"auth_key": KEY}, settings))
    check_arrivals([arrival])
    assert KEY not in repr(dataclasses.asdict(arrival)), "the key is kept nowhere"
    return arrival


class TestSozuri(AdapterContract):
    adapter = Sozuri()
    connection = CONNECTION
    sample = json.dumps(MESSAGE | {"authKey": KEY}).encode()
    credential = CREDENTIAL
    open_values = frozenset({CREDENTIAL["project"]})
    recipient = Recipient(address="254722000222", answer_to={"shortcode": "25145"}, message_id="018f-reply")
    signs_body = False

    def request(self, body: bytes) -> Incoming:
        """The key is a member of the body: what is not an object has no place for it, and is never authentic."""
        return request(body)


# --- proofs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    [
        pytest.param("x", id="87-wrong"),
        pytest.param(KEY[:-1], id="L02-shorter"),
        pytest.param(KEY + " ", id="L02-longer"),
        pytest.param(KEY.upper(), id="87-another-case"),
        pytest.param("", id="87-empty"),
        pytest.param(None, id="87-null"),
        pytest.param([KEY], id="87-list"),
        pytest.param({"authKey": KEY}, id="87-object"),
        pytest.param(42, id="87-number"),
        pytest.param(True, id="87-true"),
        pytest.param("é", id="87-not-ascii"),
        pytest.param("\ud800", id="87-half-a-character"),
    ],
)
def test_what_is_not_the_key_is_refused(key: Any) -> None:
    with pytest.raises(NotAuthentic):
        Sozuri().verify(signed(MESSAGE, key), CONNECTION)


@pytest.mark.parametrize("name", ["authkey", "AuthKey", "auth_key", "key"])
def test_the_key_under_another_name_is_no_key(name: str) -> None:
    with pytest.raises(NotAuthentic, match="no_signature"):
        Sozuri().verify(signed(MESSAGE, KEY, name), CONNECTION)


def test_without_a_key_it_is_refused() -> None:  # row 87
    with pytest.raises(NotAuthentic, match="no_signature"):
        Sozuri().verify(request(json.dumps(MESSAGE).encode()), CONNECTION)


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b"null", f'"{KEY}"'.encode(), b"[" * 20_000])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(NotAuthentic, match="malformed"):
        Sozuri().verify(request(body), CONNECTION)


def test_the_name_of_the_member_is_a_setting() -> None:
    connection = connected(Sozuri, {"auth_key": KEY}, {"auth_field": "callback_key"})
    incoming = signed(MESSAGE, KEY, "callback_key")
    assert Sozuri().verify(incoming, connection).secret_id == "auth_key-0"
    with pytest.raises(NotAuthentic):
        Sozuri().verify(signed(MESSAGE), connection)
    (arrival,) = Sozuri().parse(incoming, connection)
    assert arrival.extra == MESSAGE


def test_the_key_may_come_in_a_header_where_that_is_set() -> None:
    incoming = request(json.dumps(MESSAGE).encode(), **{"x-auth-key": KEY})
    with pytest.raises(NotAuthentic):
        Sozuri().verify(incoming, CONNECTION)
    connection = connected(Sozuri, {"auth_key": KEY}, {"auth_header": "X-Auth-Key"})
    assert Sozuri().verify(incoming, connection).secret_id == "auth_key-0"
    assert Sozuri().verify(signed(MESSAGE), connection).secret_id == "auth_key-0"
    with pytest.raises(NotAuthentic):
        Sozuri().verify(request(json.dumps(MESSAGE).encode(), **{"x-auth-key": "wrong"}), connection)


def test_while_the_key_is_rotated_both_are_accepted_and_named() -> None:
    connection = connected(Sozuri, {"auth_key": [KEY, OLD_KEY]})
    assert Sozuri().verify(signed(MESSAGE, OLD_KEY), connection).secret_id == "auth_key-1"


def test_what_it_says_of_itself() -> None:
    assert not Sozuri.retries
    assert Sozuri.hides_secrets_in_body


# --- messages --------------------------------------------------------------------------------------------------------


def test_a_text_message() -> None:
    arrival = read(MESSAGE)
    assert (arrival.kind, arrival.dedupe_key, arrival.provider_id) == ("message", "SMSG1", "SMSG1")
    assert arrival.starts_agent
    assert arrival.text == "Habari yako? ñ 😀"
    assert arrival.sender is not None
    assert (arrival.sender.addresses, arrival.sender.phone) == (["254722000222"], "+254722000222")
    assert (arrival.recipient, arrival.event_type) == ("25145", "interactive")
    assert arrival.occurred_at == datetime.fromtimestamp(1795607990, UTC)
    assert arrival.answer_to == {"shortcode": "25145", "channel": "sms", "link_id": ""}
    assert arrival.facts["network"] == "safaricom"
    assert arrival.extra == MESSAGE


def test_a_whatsapp_message_is_answered_where_it_was_written() -> None:
    arrival = read(WHATSAPP_REPORT | {"direction": "inbound", "from": "+254722000222", "to": "+254711000111"})
    assert arrival.kind == "message"
    assert arrival.sender is not None
    assert (arrival.sender.addresses, arrival.recipient) == (["+254722000222"], "+254711000111")
    to = Recipient(address="+254722000222", answer_to=arrival.answer_to)
    body = json.loads(Sozuri().outgoing("Yes", to=to, connection=CONNECTION, credential=CREDENTIAL).body)
    assert (body["channel"], body["from"], body["to"]) == ("whatsapp", "+254711000111", "254722000222")


def test_without_an_id_the_key_is_who_when_and_what() -> None:  # row 88
    nameless = without(MESSAGE, "messageId") | {"timestamp": "soon"}
    keys = [
        read(nameless).dedupe_key,
        read(nameless | {"number": "254733000333"}).dedupe_key,
        read(nameless | {"timestamp": "later"}).dedupe_key,
        read(nameless | {"message": "Another"}).dedupe_key,
    ]
    assert len(set(keys)) == 4
    assert read(nameless).dedupe_key == keys[0]
    assert (read(nameless).kind, read(nameless).occurred_at) == ("message", None)


def test_without_an_id_and_a_time_two_equal_messages_are_two() -> None:
    incoming = signed(without(MESSAGE, "messageId", "timestamp"))
    later = dataclasses.replace(incoming, at=NOW.replace(minute=1))
    keys = {Sozuri().parse(each, CONNECTION)[0].dedupe_key for each in (incoming, later)}
    assert len(keys) == 2


@pytest.mark.parametrize(
    ("configured", "kind"),
    [
        ({}, "message"),
        ({"shortcode": " 25145 ", "project": "duka la amina"}, "message"),
        ({"shortcode": "25146"}, "unsupported"),
        ({"project": "Duka la Juma"}, "unsupported"),
    ],
)
def test_messages_of_others_are_not_for_this_channel(configured: dict[str, str], kind: str) -> None:
    arrival = read(MESSAGE, **configured)
    assert arrival.kind == kind
    assert arrival.reason.startswith("Not for this channel: ") == (kind == "unsupported")


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"type": "subscription", "number": "254722000222", "status": "active"},
        {"type": "payment", "amount": "900"},
        MESSAGE | {"message": 5},
        MESSAGE | {"number": None},
        MESSAGE | {"message": None},
    ],
)
def test_what_is_neither_message_nor_report_is_kept(document: dict[str, Any]) -> None:
    arrival = read(document)
    assert (arrival.kind, arrival.starts_agent) == ("unsupported", False)


def test_what_is_no_object_is_unusable() -> None:
    with pytest.raises(Unusable):
        Sozuri().parse(request(b"[]"), CONNECTION)


# --- reports ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("word", "status"), [*STATUSES.items(), (" Delivered ", "delivered")])
def test_a_report_tells_what_became_of_a_message(word: str, status: str) -> None:
    arrival = read(REPORT | {"status": word})
    assert (arrival.kind, arrival.status) == ("status", status)
    assert (arrival.provider_id, arrival.target_id) == ("MSGBLK1", "MSGBLK1")
    assert arrival.dedupe_key == f"MSGBLK1:{word.strip().lower()}"
    assert arrival.occurred_at == datetime.fromtimestamp(1795607995, UTC)
    assert bool(arrival.error_code) == (status == "failed")


def test_a_whatsapp_report_has_no_time_and_its_text_is_not_a_message() -> None:
    arrival = read(WHATSAPP_REPORT, shortcode="25145")
    assert (arrival.kind, arrival.status, arrival.dedupe_key) == ("status", "read", "wa-1:read")
    assert (arrival.text, arrival.occurred_at) == ("", None)


def test_a_bare_report_has_no_type() -> None:
    assert read({"messageId": "m-1", "status": "delivered"}).kind == "status"


@pytest.mark.parametrize(
    "report", [REPORT | {"messageId": ""}, REPORT | {"status": "invented"}, without(REPORT, "status")]
)
def test_a_report_that_cannot_be_read_is_kept(report: dict[str, Any]) -> None:
    arrival = read(report)
    assert arrival.kind == "unsupported"


# --- replies ---------------------------------------------------------------------------------------------------------

TO = TestSozuri.recipient


def test_a_reply_is_sent_with_the_key_of_the_project() -> None:
    outgoing = Sozuri().outgoing("Karibu ☃", to=TO, connection=CONNECTION, credential=CREDENTIAL)
    assert (outgoing.method, outgoing.url) == ("POST", "https://sozuri.net/api/v1/messaging")
    assert dict(outgoing.headers)["Authorization"] == "Bearer sz-api-key-0123456789"
    assert json.loads(outgoing.body) == {
        "project": "Duka la Amina",
        "from": "25145",
        "to": "254722000222",
        "message": "Karibu ☃",
        "type": "transactional",
        "channel": "sms",
    }


def test_settings_say_from_where_and_as_what_a_reply_goes() -> None:
    connection = connected(Sozuri, {"auth_key": KEY}, {"shortcode": "40404", "message_type": "Promotional"})
    body = json.loads(Sozuri().outgoing("Hi", to=TO, connection=connection, credential=CREDENTIAL).body)
    assert (body["from"], body["type"]) == ("40404", "promotional")


@pytest.mark.parametrize(
    ("to", "credential", "configured", "sentence"),
    [
        (TO, CREDENTIAL | {"api_key": ""}, {}, "has no API key"),
        (TO, CREDENTIAL | {"api_key": "a\nb"}, {}, "has no API key"),
        (TO, CREDENTIAL | {"project": " "}, {}, "does not name the project"),
        (TO, CREDENTIAL, {"message_type": "bulk"}, "transactional or promotional"),
        (dataclasses.replace(TO, address="SAFARICOM"), CREDENTIAL, {}, "cannot be answered"),
        (dataclasses.replace(TO, answer_to={}), CREDENTIAL, {}, "Enter your short code"),
        (dataclasses.replace(TO, answer_to={"link_id": "LNK-1"}), CREDENTIAL, {}, "paid service"),
    ],
)
def test_a_reply_that_cannot_be_sent_says_why(
    to: Recipient, credential: dict[str, str], configured: dict[str, str], sentence: str
) -> None:
    connection = connected(Sozuri, {"auth_key": KEY}, configured)
    with pytest.raises(ValueError, match=sentence):
        Sozuri().outgoing("Hello", to=to, connection=connection, credential=credential)


def answer(**recipient: Any) -> bytes:
    whole = {"messageId": "MSG9", "to": "254722000222", "status": "accepted", "statusCode": "11"} | recipient
    return json.dumps({"messageData": {"messages": 1}, "recipients": [whole]}).encode()


@pytest.mark.parametrize(
    ("status", "body", "provider_id", "error", "code"),
    [
        (200, answer(), "MSG9", "", ""),
        (200, answer(status="queued", statusCode=13), "MSG9", "", ""),
        (
            200,
            answer(status="unsupported_number", statusCode="12"),
            "",
            "Sozuri does not reach the customer's number.",
            "12",
        ),
        (200, answer(status="", statusCode=22), "", "Your Sozuri account has no balance left.", "22"),
        (200, answer(messageId=None), "", "Sozuri answered without an id of the message.", ""),
        (
            200,
            b'{"messageData":{"message":"No valid recipients."}}',
            "",
            "Sozuri did not take the message. It says: No valid recipients.",
            "200",
        ),
        (
            401,
            b'{"error_code":"AUTHENTICATION_FAILED","message":"Invalid key","retryable":false}',
            "",
            "Sozuri did not accept the API key, or it belongs to another project. It says: Invalid key.",
            "AUTHENTICATION_FAILED",
        ),
        (429, b"", "", "Sozuri took no more messages just now: too many at once.", "429"),
        (502, b"<html>", "", "Sozuri answered 502.", "502"),
    ],
)
def test_what_sozuri_answers_is_read(status: int, body: bytes, provider_id: str, error: str, code: str) -> None:
    sent = Sozuri().sent(status, body)
    assert (sent.provider_id, sent.error, sent.error_code) == (provider_id, error, code)
