"""Mailgun: what proves a request, and one proof for one content."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest

from channels_inbound.adapters.base import FORM_TYPE, Incoming, Recipient
from channels_inbound.adapters.mailgun import Mailgun
from tests.channels_inbound.adapters.contract import NOW, AdapterContract
from tests.channels_inbound.adapters.mailgun_posts import (
    ADAPTER,
    HERE,
    MAIL,
    TOKEN,
    connection,
    encoded,
    event,
    posted,
    proof,
    read,
    refused,
)


class TestMailgun(AdapterContract):
    adapter = ADAPTER
    connection = connection(domain="mg.example.com", from_address="Shop <support@mg.example.com>")
    sample = urlencode(MAIL).encode()
    credential = {"api_key": "key-for-sending-0123456789"}
    recipient = Recipient(address="asha@example.org", message_id="018f-reply", last_message_at=NOW)
    signs_body = False  # only the time and the token

    def request(self, body: bytes) -> Incoming:
        whole = body + b"&" + urlencode(proof()).encode()
        return Incoming(headers={"content-type": FORM_TYPE}, body=whole, at=NOW)

    def tampered(self) -> Incoming:
        incoming = self.request(self.sample)
        return dataclasses.replace(incoming, body=incoming.body.replace(b"order", b"ORDER", 1))


# --- proofs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [lambda: encoded(MAIL | proof()), posted, lambda: event({"event": "delivered"})])
def test_each_form_of_request_is_proved(make):
    verified = ADAPTER.verify(make(), connection())
    assert (verified.secret_id, verified.signed_at) == ("signing_key-0", datetime.fromtimestamp(HERE, UTC))


def test_the_key_before_the_last_is_still_valid():
    verified = ADAPTER.verify(encoded(MAIL | proof("old")), connection(["new", "old"]))
    assert verified.secret_id == "signing_key-1"


def test_a_request_of_a_subaccount_is_proved_by_the_key_of_its_parent():
    signature = proof("subaccount") | {"parent-signature": proof()["signature"]}
    assert ADAPTER.verify(event({}, signature), connection())
    assert refused(event({}, proof("subaccount") | {"parent-signature": "0" * 64})) == "signature"


RIGHT = proof()["signature"]


@pytest.mark.parametrize(
    "change, reason",
    [
        ({"signature": "0" * 64}, "signature"),
        ({"signature": RIGHT[:-1]}, "signature"),
        ({"signature": RIGHT + "0"}, "signature"),
        ({"signature": RIGHT.upper()}, "signature"),
        ({"signature": ""}, "signature"),
        ({"signature": None}, "no_signature"),
        ({"signature": [RIGHT, RIGHT]}, "signature"),
        ({"token": [TOKEN, TOKEN]}, "token"),
        ({"timestamp": [str(HERE), str(HERE)]}, "timestamp"),
        ({"timestamp": None}, "timestamp"),
        ({"token": None}, "token"),
    ],
)
def test_row_54_a_signature_that_is_wrong_short_missing_or_there_twice_is_refused(change, reason):
    fields = {name: value for name, value in (proof() | change).items() if value is not None}
    assert refused(encoded(MAIL | fields)) == reason


@pytest.mark.parametrize(
    "timestamp, token, reason",
    [
        (HERE, "ü" * 50, "token"),
        (HERE, TOKEN[:-1], "token"),
        (HERE, TOKEN + "0", "token"),
        (HERE, TOKEN[:-1] + "\n", "token"),
        (HERE, "", "token"),
        ("soon", TOKEN, "timestamp"),
        (f"{HERE}.5", TOKEN, "timestamp"),
        (f" {HERE}", TOKEN, "timestamp"),
        ("١٧٦٤٠٧١٩٤٠", TOKEN, "timestamp"),
        ("9" * 5000, TOKEN, "timestamp"),
    ],
)
def test_row_55_a_token_or_a_time_that_is_none_is_refused_though_rightly_signed(timestamp, token, reason):
    assert refused(encoded(MAIL | proof(timestamp=timestamp, token=token))) == reason


@pytest.mark.parametrize("moved", [1, 2, 9, -1, -2])
def test_row_56_digits_moved_between_the_fields_are_seen(moved):
    token = "12345" * 10
    whole = f"{HERE}{token}"
    fields = proof(token=token) | {"timestamp": whole[: 10 + moved], "token": whole[10 + moved :]}
    assert refused(encoded(MAIL | fields)) in {"timestamp", "token"}


@pytest.mark.parametrize(
    "age, fits",
    [
        pytest.param(timedelta(days=3), False, id="row 57 three days"),
        pytest.param(-timedelta(hours=1), False, id="row 57 an hour ahead"),
        pytest.param(timedelta(hours=7, minutes=45), True, id="row 58 the last repetition"),
        pytest.param(timedelta(hours=12), True, id="exactly twelve hours"),
        pytest.param(timedelta(hours=12, seconds=1), False, id="a second more"),
        pytest.param(-timedelta(minutes=5), True, id="five minutes ahead"),
        pytest.param(-timedelta(minutes=5, seconds=1), False, id="a second further"),
    ],
)
def test_a_proof_is_good_for_the_hours_in_which_mailgun_repeats_it(age, fits):
    incoming = encoded(MAIL | proof(timestamp=int((NOW - age).timestamp())))
    if fits:
        assert ADAPTER.verify(incoming, connection())
    else:
        assert refused(incoming) == "stale"


@pytest.mark.parametrize(
    "body, reason",
    [
        (b"[]", "body"),
        (b"{", "body"),
        (b"\xff", "body"),
        (b"{}", "no_signature"),
        (b'{"signature": "x", "event-data": {}}', "no_signature"),
        (b'{"signature": ["x"], "event-data": {}}', "no_signature"),
        (b'{"signature": null}', "no_signature"),
        (json.dumps({"signature": proof() | {"signature": None}}).encode(), "signature"),
        (json.dumps({"signature": proof() | {"token": [TOKEN]}}).encode(), "token"),
        (b'{"a": "' + b"x" * 2_000_000 + b'"}', "body"),
    ],
    ids=["array", "broken", "no text", "empty", "text", "list", "null", "null inside", "a list inside", "huge"],
)
def test_row_65_json_without_a_proof_in_it_is_refused(body, reason):
    assert refused(Incoming(headers={"content-type": "application/json"}, body=body, at=NOW)) == reason


def test_the_time_of_an_event_may_be_a_number():
    assert ADAPTER.verify(event({}, proof() | {"timestamp": HERE}), connection())


@pytest.mark.parametrize("content_type", ["text/plain", "", "application/xml"])
def test_row_64_another_content_type_proves_nothing(content_type):
    incoming = dataclasses.replace(encoded(MAIL | proof()), headers={"content-type": content_type})
    assert refused(incoming) == "content_type"
    assert content_type not in Mailgun.content_types


def test_a_form_that_was_not_read_proves_nothing():
    assert refused(dataclasses.replace(posted(), form=None)) == "body"


def test_more_fields_than_any_mail_has_are_refused():
    assert refused(dataclasses.replace(encoded(proof()), body=b"a=1&" * 5000)) == "body"


def test_a_header_of_the_mail_that_is_called_like_a_proof_is_none():
    assert (
        read(encoded(MAIL | {"Signature": "best regards", "Token": "x", "Timestamp": "y"} | proof())).kind == "message"
    )


# --- one proof, one content ------------------------------------------------------------------------------------------


def once(incoming: Incoming) -> tuple[str, str]:
    found = ADAPTER.once(incoming)
    assert found is not None
    return found.key, found.fingerprint


def test_row_59_the_same_mail_again_is_the_same_content_however_it_is_encoded():
    assert once(encoded(MAIL | proof())) == once(encoded(MAIL | proof())) == once(posted())
    assert once(encoded(MAIL | proof()))[0] == TOKEN


@pytest.mark.parametrize("name", ["recipient", "Message-Id", "body-plain", "body-mime"])
def test_row_60_a_used_proof_with_another_content_is_another_fingerprint(name):
    key, fingerprint = once(encoded(MAIL | proof()))
    other_key, other = once(encoded(MAIL | {name: "<other@example.org>"} | proof()))
    assert other_key == key
    assert other != fingerprint


def test_words_moved_between_the_fields_are_another_content():
    one = once(encoded({"recipient": "ab", "body-plain": "c"} | proof()))
    assert one != once(encoded({"recipient": "a", "body-plain": "bc"} | proof()))


def test_events_have_contents_too():
    delivered, opened = event({"event": "delivered", "id": "1"}), event({"id": "1", "event": "opened"})
    assert once(delivered) == once(event({"id": "1", "event": "delivered"}))
    assert once(delivered)[0] == once(opened)[0]
    assert once(delivered)[1] != once(opened)[1]
