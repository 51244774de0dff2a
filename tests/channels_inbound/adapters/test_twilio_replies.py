"""Twilio: answers, replies and files."""

import base64
import json
from typing import Any
from urllib.parse import parse_qs

import pytest

from channels_inbound.adapters.base import Recipient
from channels_inbound.adapters.twilio import Twilio
from tests.channels_inbound.adapters.contract import connected
from tests.channels_inbound.adapters.twilio_posts import CONNECTION, CREDENTIAL, SMS, TOKEN, signed

# --- answers and replies ---------------------------------------------------------------------------------------------


def test_the_answer_tells_twilio_to_do_nothing() -> None:
    response = Twilio().accepted(signed(SMS))
    assert (response.status, response.body) == (200, b"<Response/>")
    assert response.content_type.startswith("text/xml")


def reply(to: Recipient, **settings: str) -> dict[str, list[str]]:
    connection = connected(Twilio, {"auth_token": TOKEN}, settings)
    outgoing = Twilio().outgoing("Größe & ☃", to=to, connection=connection, credential=CREDENTIAL)
    assert outgoing.url == f"https://api.twilio.com/2010-04-01/Accounts/{CREDENTIAL['account_sid']}/Messages.json"
    plain = base64.b64encode(f"{CREDENTIAL['account_sid']}:{TOKEN}".encode()).decode()
    assert ("Authorization", f"Basic {plain}") in outgoing.headers
    return parse_qs(outgoing.body.decode())


def test_a_reply_comes_from_the_number_that_was_written_to() -> None:
    fields = reply(Recipient(address="+254712345678", answer_to={"from": "+12025550100"}), number="+12025550199")
    assert fields == {
        "To": ["+254712345678"],
        "From": ["+12025550100"],
        "Body": ["Größe & ☃"],
        "StatusCallback": [CONNECTION.url],
    }


def test_whatsapp_is_answered_on_whatsapp() -> None:
    assert reply(Recipient(address="whatsapp:+254712345678"), number="+12025550100")["From"] == [
        "whatsapp:+12025550100"
    ]


def test_without_a_number_there_is_no_reply() -> None:
    with pytest.raises(ValueError, match="Enter your Twilio number"):
        Twilio().outgoing("x", to=Recipient(address="+1"), connection=CONNECTION, credential=CREDENTIAL)


@pytest.mark.parametrize("sid", ["", "AC1/../x", "AC 1", "AC1\r\nX"])
def test_an_account_that_is_none_never_becomes_part_of_an_address(sid: str) -> None:
    credential = CREDENTIAL | {"account_sid": sid}
    with pytest.raises(ValueError, match="account SID"):
        Twilio().outgoing("x", to=Recipient(address="+1"), connection=CONNECTION, credential=credential)


@pytest.mark.parametrize(
    ("status", "answer", "provider_id", "words"),
    [
        (201, {"sid": "SM1", "status": "queued", "error_code": None}, "SM1", ""),
        (400, {"code": 21610, "message": "Attempt to send to unsubscribed recipient"}, "", "opted out"),
        (400, {"code": 63016, "message": "outside the window"}, "", "24 hours"),
        (429, {"code": 63018}, "", "limit of messages"),
        (429, {}, "", "no more messages"),
        (401, {"code": 20003, "message": "Authenticate"}, "", "does not accept the account SID"),
        (401, {}, "", "does not accept the account SID"),
        (400, {"code": 99999, "message": "Something new."}, "", "Twilio says: Something new."),
        (503, [], "", "(503)"),
    ],
)
def test_what_twilio_answers_is_read(status: int, answer: Any, provider_id: str, words: str) -> None:
    sent = Twilio().sent(status, json.dumps(answer).encode())
    assert sent.provider_id == provider_id
    assert words in sent.error
    assert bool(sent.error) == bool(words)


# --- files -----------------------------------------------------------------------------------------------------------


def test_a_file_at_twilio_is_fetched_with_the_accounts_proof() -> None:
    outgoing = Twilio().media({"url": "https://api.twilio.com/2010-04-01/Accounts/AC1/Media/ME1"}, CREDENTIAL)
    assert outgoing is not None
    assert outgoing.headers[0][0] == "Authorization"


@pytest.mark.parametrize(
    "url", ["https://evil.example/x", "http://api.twilio.com/x", "https://api.twilio.com@e.example/x", "https://["]
)
def test_a_foreign_host_never_sees_the_accounts_proof(url: str) -> None:
    outgoing = Twilio().media({"url": url}, CREDENTIAL)
    assert outgoing is not None
    assert outgoing.headers == ()
