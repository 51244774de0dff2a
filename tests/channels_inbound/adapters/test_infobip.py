import base64
import dataclasses
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from channels_inbound.adapters.base import Arrival, Incoming, NotAuthentic, Recipient, Unusable
from channels_inbound.adapters.infobip import ALGORITHMS, Infobip
from tests.channels_inbound.adapters.contract import NOW, AdapterContract, check_arrivals, connected, with_header

USER, PASSWORD = "chatzuri", "p:ss:wörd-of-infobip"
SETTINGS = {"username": USER}
CONNECTION = connected(Infobip, {"password": PASSWORD}, SETTINGS)
CREDENTIAL = {"api_key": "ib-key-0123456789", "api_url": "https://xyz12.api.infobip.com"}

SMS = {
    "messageId": "8177",
    "from": "254722000222",
    "to": "254711000111",
    "text": "PRICE of two boxes?",
    "cleanText": "of two boxes?",
    "keyword": "PRICE",
    "receivedAt": "2026-11-25T11:59:58.220+0000",
    "smsCount": 1,
    "price": {"pricePerMessage": 0, "currency": "EUR"},
    "callbackData": "shop",
}
REPORT = {
    "bulkId": "b-1",
    "messageId": "m-1",
    "to": "254722000222",
    "sentAt": "2026-11-25T11:59:50.000+0000",
    "doneAt": "2026-11-25T11:59:55.000+0000",
    "smsCount": 1,
    "status": {
        "groupId": 3,
        "groupName": "DELIVERED",
        "id": 5,
        "name": "DELIVERED_TO_HANDSET",
        "description": "Message delivered to handset",
    },
    "error": {"groupId": 0, "groupName": "OK", "id": 0, "name": "NO_ERROR", "description": "No Error"},
}


def basic(credentials: str = f"{USER}:{PASSWORD}", scheme: str = "Basic", encoding: str = "utf-8") -> str:
    return f"{scheme} {base64.b64encode(credentials.encode(encoding)).decode()}"


def request(body: bytes, **headers: str) -> Incoming:
    return Incoming(headers={"content-type": "application/json", "authorization": basic()} | headers, body=body, at=NOW)


def read(*results: Any, **settings: str) -> list[Arrival]:
    connection = connected(Infobip, {"password": PASSWORD}, SETTINGS | settings)
    body = json.dumps({"results": list(results), "messageCount": len(results), "pendingMessageCount": 0})
    arrivals = Infobip().parse(request(body.encode()), connection)
    check_arrivals(arrivals)
    assert len(arrivals) == len(results)
    return arrivals


class TestInfobip(AdapterContract):
    adapter = Infobip()
    connection = CONNECTION
    sample = json.dumps({"results": [SMS, REPORT], "messageCount": 2}).encode()
    proof_headers = ("authorization",)
    credential = CREDENTIAL
    open_values = frozenset({CREDENTIAL["api_url"]})
    recipient = Recipient(address="254722000222", answer_to={"number": "254711000111"}, message_id="018f-reply")
    signs_body = False

    def request(self, body: bytes) -> Incoming:
        return request(body)


# --- proofs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(basic("chatzuri:wrong"), id="85-wrong"),
        pytest.param(basic(f"other:{PASSWORD}"), id="85-another-user"),
        pytest.param(basic(f":{PASSWORD}"), id="85-no-user"),
        pytest.param("Basic ###", id="85-not-base64"),
        pytest.param("Basic é", id="85-not-ascii"),
        pytest.param(basic("chatzuri"), id="85-no-colon"),
        pytest.param(basic(encoding="latin-1"), id="85-not-utf-8"),
        pytest.param(basic(scheme="Bearer"), id="85-bearer"),
        pytest.param(basic(scheme="App"), id="85-another-scheme"),
        pytest.param(basic() + ", " + basic(), id="L13-twice"),
        pytest.param(basic().removeprefix("Basic "), id="85-no-scheme"),
        pytest.param("Basic", id="85-nothing-after-the-scheme"),
    ],
)
def test_what_does_not_hold_the_password_is_refused(header: str) -> None:
    with pytest.raises(NotAuthentic):
        Infobip().verify(with_header(request(TestInfobip.sample), "authorization", header), CONNECTION)


def test_a_refusal_asks_for_the_password() -> None:  # row 85
    refused = Infobip().refused(request(b""))
    assert refused.status == 401
    assert refused.headers == {"WWW-Authenticate": 'Basic realm="Chatzuri", charset="UTF-8"'}
    assert Infobip().refused(request(b""), 413).headers == {}


def test_the_scheme_is_a_word_in_any_case() -> None:
    incoming = with_header(request(TestInfobip.sample), "authorization", basic(scheme="bAsIc"))
    assert Infobip().verify(incoming, CONNECTION).secret_id == "password-0"


def test_while_the_password_is_rotated_both_are_accepted_and_named() -> None:
    connection = connected(Infobip, {"password": ["the-newest-password", PASSWORD]}, SETTINGS)
    assert Infobip().verify(request(TestInfobip.sample), connection).secret_id == "password-1"


HMAC_KEY = "key of the notification profile"
DIGESTS: dict[str, Callable[..., Any]] = {
    "HMAC_MD5": hashlib.md5,
    "HMAC_SHA_1": hashlib.sha1,
    "HMAC_SHA_224": hashlib.sha224,
    "HMAC_SHA_256": hashlib.sha256,
    "HMAC_SHA_384": hashlib.sha384,
    "HMAC_SHA_512": hashlib.sha512,
}


def signing_connection(algorithm: str = "") -> Any:
    settings = SETTINGS | {"hmac_header": "X-Signature", "hmac_algorithm": algorithm}
    return connected(Infobip, {"password": PASSWORD, "hmac_key": HMAC_KEY}, settings)


@pytest.mark.parametrize("algorithm", [*ALGORITHMS, ""])
def test_a_signed_body_proves_itself_without_the_password(algorithm: str) -> None:
    body = TestInfobip.sample
    digest = hmac.new(HMAC_KEY.encode(), body, DIGESTS[algorithm or "HMAC_SHA_256"]).digest()
    for written in (digest.hex(), digest.hex().upper(), base64.b64encode(digest).decode()):
        incoming = with_header(request(body, **{"x-signature": written}), "authorization", None)
        assert Infobip().verify(incoming, signing_connection(algorithm)).secret_id == "hmac_key-0"
        with pytest.raises(NotAuthentic, match="signature"):
            Infobip().verify(dataclasses.replace(incoming, body=body + b" "), signing_connection(algorithm))


@pytest.mark.parametrize("signature", ["0" * 64, "é", "sha256", "\ud800"])
def test_a_wrong_signature_is_not_mended_by_the_password(signature: str) -> None:
    with pytest.raises(NotAuthentic, match="signature"):
        Infobip().verify(request(TestInfobip.sample, **{"x-signature": signature}), signing_connection())


def test_an_algorithm_that_nobody_knows_lets_nobody_in() -> None:
    with pytest.raises(NotAuthentic, match="algorithm"):
        Infobip().verify(request(b"{}", **{"x-signature": "0"}), signing_connection("HMAC_CRC"))


def test_without_the_header_the_password_decides() -> None:
    assert Infobip().verify(request(TestInfobip.sample), signing_connection()).secret_id == "password-0"


# --- messages --------------------------------------------------------------------------------------------------------


def test_a_text_message() -> None:
    (arrival,) = read(SMS)
    assert (arrival.kind, arrival.dedupe_key, arrival.provider_id) == ("message", "8177", "8177")
    assert arrival.text == "PRICE of two boxes?"
    assert arrival.sender is not None
    assert (arrival.sender.addresses, arrival.sender.phone) == (["254722000222"], "+254722000222")
    assert (arrival.recipient, arrival.answer_to) == ("254711000111", {"number": "254711000111"})
    assert arrival.occurred_at == datetime(2026, 11, 25, 11, 59, 58, 220_000, UTC)
    assert arrival.facts == {
        "keyword": "PRICE",
        "clean_text": "of two boxes?",
        "callback_data": "shop",
        "sms_count": 1,
        "price": {"pricePerMessage": 0, "currency": "EUR"},
    }
    assert arrival.extra == SMS


def test_a_message_with_media() -> None:
    url = "https://api.infobip.com/mms/1/content/1.jpg"
    mms = {name: value for name, value in SMS.items() if name != "text"} | {
        "message": [
            {"contentType": "application/smil", "url": "https://api.infobip.com/mms/1/content/0.smil"},
            {"contentType": "text/plain", "value": "Look"},
            {"contentType": "image/jpeg", "url": url},
            {"contentType": "text/plain; charset=utf-8", "value": "at this"},
            {"contentType": "text/vcard", "url": "https://api.infobip.com/mms/1/content/2.vcf"},
            "broken",
        ]
    }
    (arrival,) = read(mms)
    assert (arrival.text, arrival.event_type) == ("Look\nat this", "mms")
    assert [(each.kind, each.mime_type) for each in arrival.attachments] == [
        ("image", "image/jpeg"),
        ("file", "text/vcard"),
    ]
    assert arrival.attachments[0].url == url


@pytest.mark.parametrize("sender", ["Safaricom", "25145"])
def test_a_sender_may_be_a_name_or_a_short_code(sender: str) -> None:
    (arrival,) = read(SMS | {"from": sender})
    assert arrival.sender is not None
    assert (arrival.sender.addresses, arrival.sender.phone) == ([sender], "")


@pytest.mark.parametrize("received", ["garbage", "", None, 5, "0000-00-00T00:00:00.000+0000"])
def test_a_date_that_is_none_is_left_open(received: Any) -> None:  # row 86
    (arrival,) = read(SMS | {"receivedAt": received})
    assert (arrival.kind, arrival.occurred_at) == ("message", None)


def test_a_broken_message_does_not_hide_a_good_one() -> None:
    arrivals = read("text", None, {}, SMS | {"from": ""}, SMS)
    assert [each.kind for each in arrivals] == ["unsupported"] * 4 + ["message"]
    assert arrivals[3].dedupe_key == "8177"


def test_messages_without_an_id_are_told_apart_by_what_they_say() -> None:
    nameless = {name: value for name, value in SMS.items() if name != "messageId"}
    one, same, other = read(nameless, dict(nameless), nameless | {"text": "Another"})
    assert one.dedupe_key == same.dedupe_key != other.dedupe_key
    assert one.kind == "message"


def test_without_an_id_and_a_time_two_equal_messages_are_two() -> None:
    body = json.dumps({"results": [{"from": "254722000222", "text": "Yes"}]}).encode()
    later = NOW.replace(minute=1)
    keys = {Infobip().parse(dataclasses.replace(request(body), at=at), CONNECTION)[0].dedupe_key for at in (NOW, later)}
    assert len(keys) == 2


@pytest.mark.parametrize(
    ("ours", "kind"), [("", "message"), ("+254 711 000 111", "message"), ("254799999999", "unsupported")]
)
def test_messages_to_another_number_are_not_for_this_channel(ours: str, kind: str) -> None:
    (arrival,) = read(SMS, number=ours)
    assert arrival.kind == kind
    assert arrival.reason == ("" if kind == "message" else "Not for this channel: it was sent to 254711000111.")


# --- reports ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("group", "status"),
    [
        ("PENDING", "sent"),
        ("DELIVERED", "delivered"),
        ("UNDELIVERABLE", "failed"),
        ("EXPIRED", "failed"),
        ("REJECTED", "failed"),
    ],
)
def test_a_report_tells_what_became_of_a_message(group: str, status: str) -> None:
    (arrival,) = read(REPORT | {"status": REPORT["status"] | {"groupName": group}})
    assert (arrival.kind, arrival.status) == ("status", status)
    assert (arrival.dedupe_key, arrival.target_id) == (f"m-1:{group}", "m-1")
    assert arrival.occurred_at == datetime(2026, 11, 25, 11, 59, 55, tzinfo=UTC)
    assert bool(arrival.error_code) == (status == "failed")


def test_a_report_of_a_failure_says_why() -> None:
    error = {"groupName": "HANDSET_ERRORS", "name": "EC_ABSENT_SUBSCRIBER", "description": "Absent Subscriber"}
    (arrival,) = read(REPORT | {"status": {"groupName": "UNDELIVERABLE", "name": "X"}, "error": error})
    assert (arrival.error_code, arrival.error_text) == ("EC_ABSENT_SUBSCRIBER", "Absent Subscriber")


@pytest.mark.parametrize(
    "report",
    [
        REPORT | {"messageId": ""},
        REPORT | {"status": {}},
        REPORT | {"status": {"groupName": "INVENTED"}},
        REPORT | {"status": {"groupName": 3}},
    ],
)
def test_a_report_that_cannot_be_read_is_kept(report: dict[str, Any]) -> None:
    (arrival,) = read(report)
    assert arrival.kind == "unsupported"


# --- what is not usable ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"{}", b'{"results":{"messageId":"1"}}', b'{"results":null}', b"[]", b"\xff"])
def test_without_a_list_of_results_it_is_unusable(body: bytes) -> None:  # row 86
    with pytest.raises(Unusable, match=r"\.$"):
        Infobip().parse(request(body), CONNECTION)


def test_an_empty_list_of_results_is_nothing() -> None:  # row 86
    assert read() == []


# --- replies ---------------------------------------------------------------------------------------------------------

TO = TestInfobip.recipient


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
