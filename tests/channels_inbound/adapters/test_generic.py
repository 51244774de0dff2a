import base64
import dataclasses
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels_inbound.adapters.base import Arrival, BadRequest, Connection, Incoming, NotAuthentic, Recipient
from channels_inbound.adapters.generic import Generic
from tests.channels_inbound.adapters.contract import (
    EXAMPLES,
    JSON,
    NOW,
    AdapterContract,
    check_arrivals,
    connected,
    with_header,
)
from webhooks import signatures

# The vector that the Standard Webhooks libraries test themselves with.
VECTOR_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
VECTOR = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
VECTOR_BODY = b'{"test": 2432232314}'

KEY = b"n" * 32
SECRET = "whsec_" + base64.b64encode(KEY).decode()
OLD_SECRET = "whsec_" + base64.b64encode(b"o" * 32).decode()
STAMP = int(NOW.timestamp())
REPLIES = "https://example.com/replies"
CONNECTION = connected(Generic, {"signing_secret": SECRET}, {"reply_url": REPLIES})
BODY = json.dumps({"text": "Do you deliver?", "user_id": "u-5", "conversation_id": "w-77"}).encode()


def signature(body: bytes, message_id: str = "msg_1", stamp: int | str = STAMP, key: bytes = KEY) -> str:
    signed = f"{message_id}.{stamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def request(body: bytes, message_id: str = "msg_1", stamp: int | str = STAMP, **more: str) -> Incoming:
    headers = {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(stamp),
        "webhook-signature": signature(body, message_id, stamp),
    }
    return Incoming(headers=headers | more, body=body, at=NOW)


def read(said: Any, **headers: str) -> Arrival:
    (arrival,) = Generic().parse(request(json.dumps(said).encode(), **headers), CONNECTION)
    check_arrivals([arrival])
    return arrival


class TestGeneric(AdapterContract):
    adapter = Generic()
    connection = CONNECTION
    sample = BODY
    proof_headers = ("webhook-id", "webhook-timestamp", "webhook-signature")

    def request(self, body: bytes) -> Incoming:
        return request(body)

    def _read(self, body: bytes) -> list[Arrival]:
        """What is wrong with a body is told to its sender, so nothing of it comes into quarantine."""
        try:
            arrivals = self.arrivals(body)
        except BadRequest as refusal:
            assert refusal.status == 400
            assert all(sentence.endswith(".") for sentence in refusal.fields.values())
            return []
        check_arrivals(arrivals)
        return arrivals

    @EXAMPLES
    @given(status=st.integers(100, 599), body=st.binary(max_size=120) | JSON.map(lambda v: json.dumps(v).encode()))
    def test_reading_the_providers_answer_never_raises(self, status: int, body: bytes) -> None:
        sent = Generic().sent(status, body)
        assert isinstance(sent.provider_id, str)
        assert sent.error.endswith(".") == (not 200 <= status < 300)

    def test_a_reply_is_one_request_over_tls_without_a_secret_in_its_address(self) -> None:
        """It needs no credential, but the secret that also proves what comes in."""
        outgoing = Generic().outgoing("größe ☃", to=self.recipient, connection=CONNECTION, credential={})
        assert (outgoing.method, outgoing.url) == ("POST", REPLIES)
        assert SECRET.encode() not in outgoing.body
        assert not any(SECRET in value for _, value in outgoing.headers)


# --- proofs ----------------------------------------------------------------------------------------------------------


def test_the_official_vector() -> None:
    incoming = Incoming(headers=VECTOR, body=VECTOR_BODY, at=datetime.fromtimestamp(1614265331, UTC))
    verified = Generic().verify(incoming, connected(Generic, {"signing_secret": VECTOR_SECRET}))
    assert verified.secret_id == "signing_secret-0"
    assert verified.signed_at == datetime.fromtimestamp(1614265330, UTC)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        pytest.param({"webhook-signature": signature(BODY).removeprefix("v1,")}, "signature", id="90-no-comma"),
        pytest.param({"webhook-signature": "v1a," + signature(BODY)[3:]}, "signature", id="another-scheme"),
        pytest.param({"webhook-signature": signature(BODY)[:-1]}, "signature", id="L02-shorter"),
        pytest.param({"webhook-signature": "v1,"}, "signature", id="L01-v1-comma"),
        pytest.param({"webhook-signature": ",,,"}, "signature", id="L01-three-commas"),
        pytest.param({"webhook-signature": "v1,é"}, "signature", id="L01-not-ascii"),
        pytest.param({"webhook-signature": "v1,a " * 2000}, "malformed", id="L01-long"),
        pytest.param({"webhook-timestamp": "nan"}, "malformed", id="90-nan"),
        pytest.param({"webhook-timestamp": f"{STAMP}.0"}, "malformed", id="L04-a-fraction"),
        pytest.param({"webhook-timestamp": f"-{STAMP}"}, "malformed", id="L04-negative"),
        pytest.param({"webhook-timestamp": "1" + "0" * 30}, "malformed", id="L04-ten-to-the-thirty"),
        pytest.param({"webhook-timestamp": ""}, "no_signature", id="L04-empty"),
        pytest.param({"webhook-timestamp": str(STAMP + 1)}, "signature", id="another-time"),
        pytest.param({"webhook-id": "msg_2"}, "signature", id="another-id"),
        pytest.param({"webhook-id": "msg.1"}, "malformed", id="an-id-that-could-shift-the-parts"),
        pytest.param({"webhook-id": ""}, "no_signature", id="no-id"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(changed: dict[str, str], reason: str) -> None:
    incoming = request(BODY)
    for name, value in changed.items():
        incoming = with_header(incoming, name, value)
    with pytest.raises(NotAuthentic, match=f"^{reason}$"):
        Generic().verify(incoming, CONNECTION)


@pytest.mark.parametrize("offset", [-360, -301, 301, 360])
def test_too_old_or_ahead_is_refused(offset: int) -> None:  # row 90
    with pytest.raises(NotAuthentic, match="stale"):
        Generic().verify(request(BODY, stamp=STAMP + offset), CONNECTION)


@pytest.mark.parametrize("offset", [-300, 0, 300])
def test_five_minutes_off_are_still_right(offset: int) -> None:
    incoming = dataclasses.replace(request(BODY, stamp=STAMP + offset), at=NOW + timedelta(milliseconds=900))
    assert Generic().verify(incoming, CONNECTION).signed_at == NOW + timedelta(seconds=offset)


def test_the_plain_signature_without_a_time_proves_nothing_here() -> None:
    signed = signatures.headers(SECRET, delivery_id="msg_1", timestamp=STAMP, body=BODY)
    incoming = Incoming(headers={"x-chatzuri-signature": signed["X-Chatzuri-Signature"]}, body=BODY, at=NOW)
    with pytest.raises(NotAuthentic, match="no_signature"):
        Generic().verify(incoming, CONNECTION)


def test_while_the_secret_is_rotated_both_are_accepted_and_named() -> None:
    connection = connected(Generic, {"signing_secret": [OLD_SECRET, SECRET]})
    assert Generic().verify(request(BODY), connection).secret_id == "signing_secret-1"
    several = f"v1,{'A' * 43}= {signature(BODY, key=b'o' * 32)}"
    assert Generic().verify(with_header(request(BODY), "webhook-signature", several), connection)


def test_a_secret_that_is_none_hides_no_other() -> None:
    connection = connected(Generic, {"signing_secret": ["not a secret", SECRET]})
    assert Generic().verify(request(BODY), connection).secret_id == "signing_secret-1"


# --- once ------------------------------------------------------------------------------------------------------------


def test_a_key_stands_for_one_content() -> None:  # row 89
    once, same, other = (Generic().once(request(body)) for body in (BODY, BODY, BODY + b" "))
    assert once == same
    assert once is not None
    assert other is not None
    assert once.key == other.key == "msg_1"
    assert once.fingerprint != other.fingerprint


def test_the_idempotency_key_stands_for_the_message_also_under_another_id() -> None:
    first, second = (
        Generic().parse(request(BODY, message_id, **{"idempotency-key": "k-1"}), CONNECTION)[0]
        for message_id in ("msg_1", "msg_2")
    )
    # It is not signed, so the signed id stays the first key: nobody repeats a request by changing this header.
    assert (first.dedupe_key, second.dedupe_key) == ("msg_1", "msg_2")
    assert first.facts["also"] == second.facts["also"]


def test_long_idempotency_keys_that_begin_alike_stay_two() -> None:
    requests = [request(BODY, **{"idempotency-key": "k" * 400 + last}) for last in "ab"]
    keys = {Generic().parse(each, CONNECTION)[0].facts["also"][0] for each in requests}
    assert len(keys) == 2
    assert all(len(each) <= 255 for each in keys)


# --- messages --------------------------------------------------------------------------------------------------------


def test_a_message_with_everything() -> None:
    arrival = read(
        {
            "text": "Do you deliver to Kisumu?",
            "user_id": "u-5",
            "conversation_id": "w-77",
            "name": "Amina Wanjiru",
            "email": "amina@example.com",
            "phone": "+254 711 000-111",
            "metadata": {"plan": "pro", "visits": 3, "is_new": False, "note": None},
            "timestamp": "2026-11-25T11:59:00+03:00",
        }
    )
    assert arrival.kind == "message"
    assert arrival.starts_agent
    assert (arrival.dedupe_key, arrival.provider_id) == ("msg_1", "msg_1")
    assert (arrival.text, arrival.thread) == ("Do you deliver to Kisumu?", "w-77")
    assert arrival.sender is not None
    assert (arrival.sender.addresses, arrival.sender.id_type) == (["u-5"], "customer_ref")
    assert (arrival.sender.external_id, arrival.sender.session_id) == ("u-5", "")
    assert (arrival.sender.name, arrival.sender.email) == ("Amina Wanjiru", "amina@example.com")
    assert arrival.sender.phone == "+254711000111"
    assert arrival.facts == {"metadata": {"plan": "pro", "visits": 3, "is_new": False, "note": None}}
    assert arrival.occurred_at == datetime(2026, 11, 25, 8, 59, tzinfo=UTC)
    assert arrival.answer_to == {"user_id": "u-5", "conversation_id": "w-77", "message_id": "msg_1"}


@pytest.mark.parametrize(
    ("said", "id_type", "address"),
    [
        ({"user_id": 5, "email": "a@example.com"}, "customer_ref", "5"),
        ({"email": "a@example.com", "phone": "+254711000111"}, "email", "a@example.com"),
        ({"phone": "+254711000111", "conversation_id": "w-1"}, "phone", "+254711000111"),
        ({"conversation_id": "w-1"}, "session", "w-1"),
        ({"user_id": None, "email": ""}, "session", "msg_1"),
    ],
)
def test_who_writes_is_known_by_the_best_id(said: dict[str, Any], id_type: str, address: str) -> None:
    sender = read({"text": "Hello"} | said).sender
    assert sender is not None
    assert (sender.id_type, sender.addresses) == (id_type, [address])
    assert sender.session_id == (address if id_type == "session" else "")


def test_message_is_another_name_of_text_as_in_the_chat_api() -> None:
    assert read({"message": "Hello"}).text == "Hello"


def test_members_that_mean_nothing_are_kept() -> None:
    assert read({"text": "Hello", "theme": {"dark": True}}).extra == {"text": "Hello", "theme": {"dark": True}}


@pytest.mark.parametrize(
    ("said", "fields"),
    [
        pytest.param({}, {"text"}, id="91-missing"),
        pytest.param({"text": ""}, {"text"}, id="91-empty"),
        pytest.param({"text": " \n"}, {"text"}, id="91-blank"),
        pytest.param({"text": "x" * 8001}, {"text"}, id="91-over-the-limit"),
        pytest.param({"text": 5}, {"text"}, id="91-a-number"),
        pytest.param({"text": ["x"]}, {"text"}, id="91-a-list"),
        pytest.param({"text": None}, {"text"}, id="91-null"),
        pytest.param({"message": ""}, {"message"}, id="91-empty-message"),
        pytest.param({"text": "a", "message": "a"}, {"message"}, id="both"),
        pytest.param({"text": "a", "user_id": ["u"]}, {"user_id"}, id="user-id"),
        pytest.param({"text": "a", "user_id": True}, {"user_id"}, id="user-id-true"),
        pytest.param({"text": "a", "user_id": "u" * 201}, {"user_id"}, id="user-id-long"),
        pytest.param({"text": "a", "user_id": "u\u0000"}, set(), id="nul-is-replaced-as-everywhere"),
        pytest.param({"text": "a", "conversation_id": "a\nb"}, {"conversation_id"}, id="conversation-id"),
        pytest.param({"text": "a", "name": 5}, {"name"}, id="name"),
        pytest.param({"text": "a", "email": "nobody"}, {"email"}, id="email"),
        pytest.param({"text": "a", "phone": "0711 000 111"}, {"phone"}, id="phone-without-country"),
        pytest.param({"text": "a", "metadata": []}, {"metadata"}, id="metadata"),
        pytest.param({"text": "a", "metadata": {"a": {"b": 1}}}, {"metadata"}, id="metadata-nested"),
        pytest.param({"text": "a", "metadata": {"a": "x" * 17_000}}, {"metadata"}, id="metadata-large"),
        pytest.param({"text": "a", "timestamp": "soon"}, {"timestamp"}, id="timestamp"),
        pytest.param({"text": "a", "timestamp": "2031-01-01T00:00:00Z"}, {"timestamp"}, id="timestamp-ahead"),
        pytest.param({"text": 1, "email": 2, "phone": 3}, {"text", "email", "phone"}, id="all-at-once"),
        pytest.param([1], {""}, id="no-object"),
    ],
)
def test_wrong_fields_are_named_with_a_sentence(said: Any, fields: set[str]) -> None:
    if not fields:
        assert read(said)
        return
    with pytest.raises(BadRequest) as refusal:
        read(said)
    assert set(refusal.value.fields) == fields
    assert refusal.value.status == 400
    assert all(sentence.endswith(".") for sentence in refusal.value.fields.values())


def test_a_text_of_exactly_the_limit_is_taken_whole() -> None:
    assert read({"text": "x" * 8000}).text == "x" * 8000


def test_the_client_reads_what_became_of_its_request() -> None:
    accepted = Generic().accepted(request(BODY))
    assert (accepted.status, accepted.content_type) == (200, "application/json")
    assert json.loads(accepted.body) == {"id": "msg_1", "status": "accepted"}
    for status in (401, 409):
        refused = Generic().refused(request(BODY), status)
        assert (refused.status, refused.content_type) == (status, "application/problem+json")
        assert json.loads(refused.body)["status"] == status


# --- replies ---------------------------------------------------------------------------------------------------------

TO = Recipient(
    address="u-5",
    answer_to={"user_id": "u-5", "conversation_id": "", "message_id": "msg_1"},
    message_id="rpl_018f:1",
)


def reply(connection: Connection = CONNECTION, *, to: Recipient = TO, part: int = 0) -> tuple[dict[str, str], bytes]:
    outgoing = Generic().outgoing("Yes, to Kisumu too ☃", to=to, connection=connection, credential={}, part=part)
    return {name.lower(): value for name, value in outgoing.headers}, outgoing.body


def test_a_reply_is_signed_so_that_a_standard_library_accepts_it() -> None:
    headers, body = reply()
    assert signatures.verify(SECRET, headers, body, datetime.now(UTC).timestamp()).valid
    assert headers["webhook-id"] == "rpl_018f-1"
    assert json.loads(body) == {
        "id": "rpl_018f-1",
        "type": "reply",
        "text": "Yes, to Kisumu too ☃",
        "part": 0,
        "user_id": "u-5",
        "conversation_id": None,
        "in_reply_to": "msg_1",
    }
    assert "x-chatzuri-signature" not in headers


def test_every_part_has_an_id_of_its_own() -> None:
    assert reply(part=1)[0]["webhook-id"] == "rpl_018f-1-1"


def test_two_replies_without_an_id_of_ours_are_two() -> None:
    nameless = dataclasses.replace(TO, message_id="")
    assert reply(to=nameless)[0]["webhook-id"] != reply(to=nameless)[0]["webhook-id"]


def test_during_a_rotation_a_reply_is_signed_with_both() -> None:
    rotating = connected(Generic, {"signing_secret": [SECRET, OLD_SECRET]}, {"reply_url": REPLIES})
    headers, body = reply(rotating)
    for secret in (SECRET, OLD_SECRET):
        assert signatures.verify(secret, headers, body, datetime.now(UTC).timestamp()).valid


@pytest.mark.parametrize(
    ("secrets", "configured", "sentence"),
    [
        ({"signing_secret": SECRET}, {}, "no reply address"),
        ({"signing_secret": SECRET}, {"reply_url": "ftp://example.com"}, "not a web address"),
        ({}, {"reply_url": REPLIES}, "no signing secret"),
    ],
)
def test_a_reply_that_cannot_be_sent_says_why(
    secrets: dict[str, str], configured: dict[str, str], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        reply(connected(Generic, dict(secrets), configured))


@pytest.mark.parametrize(
    ("status", "body", "provider_id", "error"),
    [
        (200, b'{"id": "r-1"}', "r-1", ""),
        (204, b"", "", ""),
        (200, b"<html>", "", ""),
        (401, b"", "", "Your application refused the signature of the reply."),
        (500, b"", "", "Your application did not take the reply: it answered 500."),
        (302, b"", "", "Your application did not take the reply: it answered 302."),
    ],
)
def test_what_the_application_answers_is_read(status: int, body: bytes, provider_id: str, error: str) -> None:
    sent = Generic().sent(status, body)
    assert (sent.provider_id, sent.error) == (provider_id, error)
