"""Infobip: messages, reports on ours, and what is neither."""

import dataclasses
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from channels_inbound.adapters.base import Unusable
from channels_inbound.adapters.infobip import Infobip
from tests.channels_inbound.adapters.contract import NOW
from tests.channels_inbound.adapters.infobip_posts import CONNECTION, REPORT, SMS, read, request

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
