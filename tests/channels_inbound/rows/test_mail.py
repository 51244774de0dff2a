"""Rows 54 to 67: mail, by way of Mailgun."""

import json
import time
from typing import Any
from urllib.parse import urlencode

import pytest

from channels_inbound.models import Channel, InboundMessage
from tests.channels_inbound.providers import URL_FORM, mailgun_proof, make_channel, multipart
from tests.channels_inbound.rows.sending import JSON, is_empty, messages, requests, send, starting

pytestmark = pytest.mark.django_db
TOKEN = "0" * 49 + "1"
HOUR = 3600


@pytest.fixture
def mailgun(agent: Any) -> Channel:
    return make_channel(agent=agent, kind="mailgun")


def mail(**changes: Any) -> dict[str, Any]:
    base = {
        "recipient": "help@mg.example.com",
        "sender": "asha@example.org",
        "from": "Asha <asha@example.org>",
        "subject": "Order 1001",
        "Message-Id": "<1@example.org>",
        "body-plain": "Where is it?",
        "stripped-text": "Where is it?",
        "message-headers": json.dumps([["Message-Id", "<1@example.org>"], ["Subject", "Order 1001"]]),
    }
    return {name: value for name, value in (base | changes).items() if value is not None}


def post(channel: Channel, fields: Any) -> int:
    return int(send(channel, urlencode(fields, doseq=True).encode(), {}, content_type=URL_FORM).status_code)


def ago(seconds: float) -> int:
    return int(time.time() - seconds)


RIGHT = mailgun_proof()


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(RIGHT | {"signature": "0" * 64}, id="54-wrong"),
        pytest.param(RIGHT | {"signature": RIGHT["signature"][:-1]}, id="54-short"),
        pytest.param({"timestamp": RIGHT["timestamp"], "token": RIGHT["token"]}, id="54-missing"),
        pytest.param(RIGHT | {"signature": [RIGHT["signature"]] * 2}, id="54-twice"),
        pytest.param(RIGHT | {"token": [RIGHT["token"]] * 2}, id="54-token-twice"),
        pytest.param(mailgun_proof(token="é" * 50), id="55-not-ascii"),
        pytest.param(mailgun_proof(token="a" * 49), id="55-short-token"),
        pytest.param(
            RIGHT | {"timestamp": RIGHT["timestamp"] + RIGHT["token"][0], "token": RIGHT["token"][1:]}, id="56-moved"
        ),
        pytest.param(mailgun_proof(at=ago(72 * HOUR)), id="57-three-days-old"),
        pytest.param(mailgun_proof(at=ago(-HOUR)), id="57-from-the-future"),
    ],
)
def test_rows_54_to_57_what_proves_nothing(mailgun: Channel, fields: dict[str, Any]) -> None:
    assert post(mailgun, mail() | fields) == 406
    assert is_empty()


def test_row_55_a_time_that_is_none(mailgun: Channel) -> None:
    proved = mailgun_proof()
    assert post(mailgun, mail() | proved | {"timestamp": "soon"}) == 406
    assert is_empty()


def test_row_58_nearly_eight_hours_old(mailgun: Channel) -> None:
    assert post(mailgun, mail() | mailgun_proof(at=ago(7.75 * HOUR))) == 200
    assert messages() == [("message", "Where is it?")]


def test_row_59_the_same_proof_with_the_same_content(mailgun: Channel) -> None:
    proved = mailgun_proof(token=TOKEN)
    assert [post(mailgun, mail() | proved) for _ in range(2)] == [200, 200]
    assert (len(requests()), len(messages())) == (1, 1)


def test_row_60_the_same_proof_with_another_content(mailgun: Channel) -> None:
    proved = mailgun_proof(token=TOKEN)
    assert post(mailgun, mail() | proved) == 200
    assert post(mailgun, mail(**{"body-plain": "Pay here instead", "Message-Id": "<2@example.org>"}) | proved) == 406
    assert messages() == [("message", "Where is it?")]
    assert mailgun.refusals.get().reason == "token_reused"


@pytest.mark.parametrize("headers", [None, "", "garbage", "{}", '[["x"], 5, null]'])
def test_row_61_headers_that_are_none(mailgun: Channel, headers: str | None) -> None:
    assert post(mailgun, mail(**{"message-headers": headers}) | mailgun_proof()) == 200
    assert messages() == [("message", "Where is it?")]


def test_row_62_files_with_strange_names(mailgun: Channel) -> None:
    fields = mail(**{"attachment-count": "9", "content-id-map": '{"<a>": "attachment-1", "<a>": "attachment-2"}'})
    files = [("attachment-1", "../../etc/passwd", b"one"), ("attachment-2", "", b"two")]
    body, kind = multipart([*fields.items(), *mailgun_proof().items()], files)
    assert send(mailgun, body, {}, content_type=kind).status_code == 200
    assert messages() == [("message", "Where is it?")]
    kept = InboundMessage.objects.get().facts["attachments"]
    assert [each["size"] for each in kept] == [3, 3]
    assert not any("/" in (each.get("filename") or "") for each in kept)


def test_row_63_twenty_five_megabytes(mailgun: Channel) -> None:
    large = b"x" * (25 * 1024 * 1024)
    body, kind = multipart([*mail().items(), *mailgun_proof().items()], [("attachment-1", "a.bin", large)])
    assert send(mailgun, body, {}, content_type=kind).status_code == 200
    assert InboundMessage.objects.get().facts["attachments"][0]["size"] == len(large)


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=", "text/plain", "", "a/b"])
def test_row_64_what_is_no_form(mailgun: Channel, kind: str) -> None:
    body, _ = multipart([*mail().items(), *mailgun_proof().items()])
    assert send(mailgun, body, {}, content_type=kind).status_code in (400, 415)
    assert is_empty()


@pytest.mark.parametrize(
    "body", [b"[]", b'{"signature": "abc", "event-data": {}}', b'{"event-data": {}}', b"{", b"null", b"\xff"]
)
def test_row_65_json_that_proves_nothing(mailgun: Channel, body: bytes) -> None:
    assert send(mailgun, body, {}, content_type=JSON).status_code == 406
    assert is_empty()


@pytest.mark.parametrize(
    ("header", "sender"),
    [
        (["Auto-Submitted", "auto-replied"], "asha@example.org"),
        (["Content-Type", "multipart/report; report-type=delivery-status"], ""),
        (["List-Id", "<news.example.org>"], "asha@example.org"),
        (["Precedence", "bulk"], "asha@example.org"),
    ],
)
def test_row_66_what_a_program_wrote(mailgun: Channel, header: list[str], sender: str) -> None:
    told = json.dumps([["Message-Id", "<1@example.org>"], header])
    assert post(mailgun, mail(**{"message-headers": told, "sender": sender}) | mailgun_proof()) == 200
    assert (len(messages()), starting()) == (1, 0)


@pytest.mark.parametrize(
    "mime",
    [
        "Content-Type: text/plain; charset=klingon\r\n\r\nHi \xff",
        "Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!!a",
        "Content-Type: image/png\r\n\r\nx",
        "Content-Type: multipart/mixed; boundary=x\r\n\r\nno part at all",
    ],
)
def test_row_67_a_raw_mail_that_is_broken(mailgun: Channel, mime: str) -> None:
    raw = b"From: asha@example.org\r\nMessage-Id: <1@example.org>\r\n" + mime.encode("latin-1")
    fields = {"recipient": "help@mg.example.com", "sender": "asha@example.org", "body-mime": raw}
    assert post(mailgun, fields | mailgun_proof()) == 200
    assert requests() == ["accepted"]
    assert len(messages()) == 1
