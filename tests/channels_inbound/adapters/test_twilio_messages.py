"""Twilio: messages, and what became of ours."""

import pytest

from channels_inbound.adapters.base import Unusable
from channels_inbound.adapters.twilio import Twilio
from tests.channels_inbound.adapters.twilio_posts import CONNECTION, SMS, STATUS, read, signed

# --- messages --------------------------------------------------------------------------------------------------------


def test_a_text_message() -> None:
    arrival = read(SMS)
    assert (arrival.kind, arrival.text) == ("message", "Where is my order? ✓")
    assert arrival.dedupe_key == arrival.provider_id == SMS["MessageSid"]
    assert (arrival.recipient, arrival.answer_to) == ("+12025550100", {"from": "+12025550100"})
    assert arrival.sender is not None
    assert (arrival.sender.addresses, arrival.sender.phone) == (["+254712345678"], "+254712345678")
    assert arrival.starts_agent
    assert arrival.extra == SMS


def test_whatsapp_through_twilio_keeps_its_way_and_gives_the_number() -> None:
    more = {"From": "whatsapp:+254712345678", "To": "whatsapp:+12025550100", "ProfileName": "Jane"}
    arrival = read(SMS | more | {"ExternalUserId": "whatsapp:KE.45665", "OriginalRepliedMessageSid": "MM1"})
    assert arrival.sender is not None
    assert arrival.sender.addresses == ["whatsapp:+254712345678", "whatsapp:KE.45665"]
    assert (arrival.sender.phone, arrival.sender.name) == ("+254712345678", "Jane")
    assert arrival.reply_to_id == "MM1"


def test_who_hides_their_number_has_an_id() -> None:
    arrival = read(SMS | {"From": "", "ExternalUserId": "whatsapp:KE.45665"})
    assert arrival.sender is not None
    assert (arrival.sender.addresses, arrival.sender.id_type) == (["whatsapp:KE.45665"], "bsuid")
    assert (arrival.sender.phone, arrival.starts_agent) == ("", True)


@pytest.mark.parametrize("address", ["12345", "SHOP", "messenger:1234567890", "client:jane", "+12"])
def test_what_is_no_number_is_not_vouched_for(address: str) -> None:
    arrival = read(SMS | {"From": address})
    assert arrival.sender is not None
    assert (arrival.sender.addresses, arrival.sender.phone) == ([address], "")


def test_a_quick_reply_says_its_title_and_its_payload() -> None:
    arrival = read(SMS | {"Body": "Yes", "ButtonText": "Yes", "ButtonPayload": "confirm-7"})
    assert arrival.action == {"id": "confirm-7", "payload": "confirm-7", "title": "Yes"}
    assert read(SMS | {"Body": "", "ButtonText": "Yes"}).text == "Yes"


def test_a_place_an_advertisement_and_an_opt_out_are_facts() -> None:
    spot = {"Latitude": "-1.29", "Longitude": "36.82", "Label": "Shop", "Body": ""}
    assert read(SMS | spot).facts["location"] == {"latitude": -1.29, "longitude": 36.82, "name": "Shop"}
    assert "location" not in read(SMS | {"Latitude": "nan", "Longitude": "inf"}).facts
    more = {"ReferralSourceId": "ad1", "Forwarded": "true", "OptOutType": "STOP"}
    facts = read(SMS | more).facts
    assert facts == {"referral": {"ReferralSourceId": "ad1"}, "is_forwarded": True, "opt_out": "STOP"}


@pytest.mark.parametrize("count", ["abc", "999999", "-1", "", "0"], ids=lambda count: f"83-{count}")
def test_files_are_read_by_what_is_there_and_at_most_ten(count: str) -> None:
    media = {f"MediaUrl{number}": f"https://api.twilio.com/Media/ME{number}" for number in range(40)}
    arrival = read(SMS | media | {"NumMedia": count, "Body": "", "MediaContentType0": "image/jpeg"})
    assert len(arrival.attachments) == 10
    first, second = arrival.attachments[:2]
    assert (first.kind, first.mime_type, first.provider_media_id) == ("image", "image/jpeg", "ME0")
    assert (second.kind, second.mime_type) == ("file", "")


@pytest.mark.parametrize(
    ("setting", "value"),
    [pytest.param("account_sid", "AC9", id="84-account"), pytest.param("number", "+12025550199", id="number")],
)
def test_what_is_not_ours_is_no_message(setting: str, value: str) -> None:
    arrival = read(SMS, **{setting: value})
    assert (arrival.kind, arrival.dedupe_key) == ("unsupported", f"foreign:{SMS['MessageSid']}")
    assert arrival.reason.startswith("Not for this channel: ")


def test_our_own_number_is_known_however_it_is_written() -> None:
    assert read(SMS | {"To": "whatsapp:+12025550100"}, number="+1 (202) 555-0100").kind == "message"


@pytest.mark.parametrize("fields", [{}, {"CallSid": "CA1", "To": "+1"}, {"MessageSid": ""}], ids=str)
def test_what_holds_no_message_is_unusable(fields: dict[str, str]) -> None:
    with pytest.raises(Unusable, match="MessageSid"):
        Twilio().parse(signed(fields), CONNECTION)


@pytest.mark.parametrize("more", [{"Body": ""}, {"From": ""}], ids=["says-nothing", "of-nobody"])
def test_a_message_that_cannot_be_answered_has_a_reason(more: dict[str, str]) -> None:
    arrival = read(SMS | more)
    assert (arrival.kind, arrival.dedupe_key) == ("unsupported", SMS["MessageSid"])
    assert arrival.reason.endswith(".")


def test_a_nul_is_replaced() -> None:
    assert read(SMS | {"Body": "a\0b"}).text == "a\ufffdb"


def test_without_an_id_two_messages_stay_two() -> None:
    bare = {name: value for name, value in SMS.items() if not name.endswith("Sid")}
    keys = {read(bare | {"Body": body}).dedupe_key for body in ("one", "two")}
    assert len(keys) == 2


# --- statuses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "status"),
    [("queued", "queued"), ("sent", "sent"), ("delivered", "delivered"), ("read", "read"), ("undelivered", "failed")],
)
def test_a_status_says_of_what(word: str, status: str) -> None:
    arrival = read(STATUS | {"MessageStatus": word})
    assert (arrival.kind, arrival.status) == ("status", status)
    assert (arrival.dedupe_key, arrival.target_id) == (f"SMstatus:{word}", "SMstatus")
    assert not arrival.starts_agent


def test_why_a_message_failed_is_said_in_a_sentence() -> None:
    arrival = read(STATUS | {"MessageStatus": "failed", "ErrorCode": "21610"})
    assert arrival.error_code == "21610"
    assert arrival.error_text.startswith("The customer has opted out")
    other = read(STATUS | {"MessageStatus": "failed", "ErrorCode": "99999", "ErrorMessage": "Odd"})
    assert (other.error_code, other.error_text) == ("99999", "Odd")


def test_a_status_that_nobody_heard_of_is_kept_with_a_reason() -> None:
    arrival = read(STATUS | {"MessageStatus": "huh"})
    assert (arrival.kind, arrival.dedupe_key) == ("unsupported", "SMstatus:huh")


def test_the_status_of_an_older_interface_is_one_too() -> None:
    assert read({"SmsSid": "SM1", "SmsStatus": "sent", "From": "+1"}).dedupe_key == "SM1:sent"
