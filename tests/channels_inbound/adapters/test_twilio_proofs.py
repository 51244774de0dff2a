"""Twilio: signatures of forms and JSON, with the token or a shared key."""

import dataclasses
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels_inbound.adapters.base import FORM_TYPE, Incoming, NotAuthentic, Recipient, Unusable
from channels_inbound.adapters.twilio import Twilio
from tests.channels_inbound.adapters.contract import (
    EXAMPLES,
    JSON,
    AdapterContract,
    check_arrivals,
    connected,
    with_header,
)
from tests.channels_inbound.adapters.twilio_posts import (
    CONNECTION,
    CREDENTIAL,
    SHARED,
    SHARED_HEADER,
    SMS,
    TOKEN,
    of_json,
    proof,
    raw,
    read,
    refused,
    shared,
    signed,
)


class TestTwilio(AdapterContract):
    adapter = Twilio()
    connection = CONNECTION
    sample = urlencode(SMS).encode()
    proof_headers = ("x-twilio-signature",)
    credential = CREDENTIAL
    open_values = frozenset({CREDENTIAL["account_sid"]})
    recipient = Recipient(address="+254712345678", answer_to={"from": "+12025550100"})

    def request(self, body: bytes) -> Incoming:
        return raw(body)


# --- proofs ----------------------------------------------------------------------------------------------------------

CALL = {"CallSid": "CA1234567890ABCDE", "Digits": "1234", "From": "+14158675309", "To": "+18005551212"}
EXAMPLE = "https://mycompany.com/myapp.php?foo=1&bar=2"


@pytest.mark.parametrize(
    ("url", "signature"),
    [
        (EXAMPLE, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        (EXAMPLE, "kvajT1Ptam85bY51eRf/AJRuM3w="),
        (EXAMPLE.replace(".com/", ".com:443/"), "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        (EXAMPLE.replace(".com/", ".com:443/"), "kvajT1Ptam85bY51eRf/AJRuM3w="),
        (EXAMPLE.replace("https", "http"), "0ZXoZLH/DfblKGATFgpif+LLRf4="),
    ],
    ids=["https", "signed-with-443", "port-in-ours-only", "port-in-both", "http"],
)
def test_the_vectors_of_twilios_own_validator(url: str, signature: str) -> None:
    body = urlencode(CALL | {"Caller": "+14158675309"}).encode()
    incoming = Incoming(url=url, headers={"content-type": FORM_TYPE, "x-twilio-signature": signature}, body=body)
    assert Twilio().verify(incoming, connected(Twilio, {"auth_token": "12345"})).secret_id == "auth_token-0"


@pytest.mark.parametrize(
    "host",
    [
        "hooks.example.test:8443",
        "user:pa:ss@hooks.example.test",
        "[2001:db8::1]",
        "[2001:db8::1]:443",
        "a:1@h.test:443",
    ],
)
def test_hosts_with_passwords_and_with_colons_are_understood(host: str) -> None:
    url = f"https://{host}/chat/twilio"
    Twilio().verify(signed(SMS, url), CONNECTION)
    plain = url.removesuffix("/chat/twilio").removesuffix(":443") + "/chat/twilio"
    Twilio().verify(dataclasses.replace(signed(SMS, plain), url=url), CONNECTION)


@pytest.mark.parametrize("url", ["https://h:99999/x", "https://[::1/x", "https://h:port/x", ""])
def test_an_address_that_is_none_verifies_nothing_by_accident(url: str) -> None:
    incoming = dataclasses.replace(signed(SMS), url=url)
    with pytest.raises(NotAuthentic):
        Twilio().verify(incoming, CONNECTION)


@pytest.mark.parametrize(
    "url",
    [
        pytest.param(CONNECTION.url.replace("https", "http"), id="79-http"),
        pytest.param(CONNECTION.url + "/x", id="79-another-path"),
        pytest.param(CONNECTION.url + "?a=1", id="79-another-query"),
        pytest.param(CONNECTION.url.replace("hooks.", "other."), id="79-another-host"),
    ],
)
def test_a_signature_of_another_address_is_refused(url: str) -> None:
    incoming = dataclasses.replace(signed(SMS, url), url=CONNECTION.url)
    refused(incoming)
    refused(with_header(incoming, "x-forwarded-host", urlsplit(url).netloc))


def test_79_a_signature_that_is_no_text_of_ours_is_refused() -> None:
    refused(with_header(signed(SMS), "x-twilio-signature", "ä" * 28))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(urlencode(SMS | {"x": "1"}), id="80-added"),
        pytest.param(urlencode({k: v for k, v in SMS.items() if k != "NumMedia"}), id="80-dropped"),
        pytest.param(urlencode({k: v for k, v in SMS.items() if k != "ToCity"}), id="80-blank-one-dropped"),
        pytest.param(urlencode(SMS | {"Body": "other"}), id="80-changed"),
        pytest.param("", id="80-all-gone"),
    ],
)
def test_other_parameters_than_those_signed_are_refused(body: str) -> None:
    refused(dataclasses.replace(signed(SMS), body=body.encode()))


def test_a_parameter_that_comes_several_times_is_signed_once_and_in_order() -> None:
    pairs = [*SMS.items(), ("Twice", "b"), ("Twice", "a"), ("Twice", "b")]
    Twilio().verify(signed(pairs), CONNECTION)


def test_parameters_that_nobody_heard_of_are_part_of_the_signature() -> None:
    Twilio().verify(signed(SMS | {"NewThing": "✓ & = %41 +", "": "nameless"}), CONNECTION)


def test_both_tokens_of_a_rotation_let_in_and_say_which_it_was() -> None:
    connection = connected(Twilio, {"auth_token": ["primary", TOKEN]})
    assert Twilio().verify(signed(SMS), connection).secret_id == "auth_token-1"
    assert Twilio().verify(signed(SMS, key="primary"), connection).secret_id == "auth_token-0"


# --- the shared key --------------------------------------------------------------------------------------------------


def test_a_shared_key_signs_with_the_stronger_digest() -> None:
    assert Twilio().verify(shared(SMS), CONNECTION).secret_id == "shared_key-0"


@pytest.mark.parametrize(
    "incoming",
    [
        pytest.param(shared(SMS, digest="sha1", key=TOKEN), id="82-announced-stronger-sent-weaker"),
        pytest.param(shared(SMS, digest="sha1"), id="weaker-digest-with-the-shared-key"),
        pytest.param(shared(SMS, key=TOKEN), id="auth-token-in-place-of-the-shared-key"),
        pytest.param(shared(SMS, settings="key=webhooks_1"), id="shared-key-unannounced"),
        pytest.param(shared(SMS, settings=""), id="no-settings"),
    ],
)
def test_one_scheme_does_not_pass_for_the_other(incoming: Incoming) -> None:
    refused(incoming)


@pytest.mark.parametrize("name", ["HMAC_MD5", "none", "HMAC_SHA512", "ä"], ids=lambda name: f"82-{name}")
def test_an_unknown_algorithm_is_refused(name: str) -> None:
    refused(with_header(signed(SMS), SHARED_HEADER, f"algorithm={name}"), "algorithm")


def test_only_the_key_that_was_named_is_accepted_where_one_is() -> None:
    connection = connected(Twilio, {"auth_token": TOKEN, "shared_key": SHARED}, {"shared_key_id": "webhooks_1"})
    Twilio().verify(shared(SMS), connection)
    with pytest.raises(NotAuthentic, match="key"):
        Twilio().verify(shared(SMS, settings="key=webhooks_2,algorithm=HMAC_SHA256"), connection)


def test_without_a_shared_key_its_signature_is_refused() -> None:
    with pytest.raises(NotAuthentic, match="no_secret"):
        Twilio().verify(shared(SMS), connected(Twilio, {"auth_token": TOKEN}))


@EXAMPLES
@given(value=st.text(max_size=80))
def test_no_settings_break_the_verifier(value: str) -> None:
    try:
        Twilio().verify(with_header(signed(SMS), SHARED_HEADER, value), CONNECTION)
    except NotAuthentic as refusal:
        assert refusal.reason in {"algorithm", "signature", "key"}


# --- JSON ------------------------------------------------------------------------------------------------------------


def test_json_is_authentic_by_its_digest_in_the_address() -> None:
    event = {"specversion": "1.0", "type": "com.twilio.messaging.message.sent", "id": "EZ1", "data": {}}
    incoming = of_json([event, event | {"id": "EZ2"}])
    Twilio().verify(incoming, CONNECTION)
    arrivals = Twilio().parse(incoming, CONNECTION)
    check_arrivals(arrivals)
    assert [(each.kind, each.dedupe_key) for each in arrivals] == [("event", "EZ1"), ("event", "EZ2")]


@pytest.mark.parametrize("digest", ["", "0" * 64, "ä"])
def test_json_with_another_digest_is_refused(digest: str) -> None:
    refused(of_json(SMS, digest=digest), "body|signature")


def test_81_json_without_a_digest_is_refused() -> None:
    headers = {"content-type": "application/json", "x-twilio-signature": proof(CONNECTION.url, [])}
    refused(Incoming(url=CONNECTION.url, headers=headers, body=b"{}"), "body")


@EXAMPLES
@given(value=JSON)
def test_any_json_gives_arrivals_or_is_unusable(value: Any) -> None:
    for document in (value, [value], SMS | {"From": value, "Body": value, "MediaUrl0": value}):
        try:
            check_arrivals(Twilio().parse(of_json(document), CONNECTION))
        except Unusable as refusal:
            assert str(refusal).endswith(".")


@EXAMPLES
@given(fields=st.dictionaries(st.sampled_from([*SMS, "MessageStatus", "Latitude", "Longitude"]), st.text(max_size=20)))
def test_any_values_give_arrivals_or_are_unusable(fields: dict[str, str]) -> None:
    plain = {name: value.encode("utf-8", "replace").decode() for name, value in fields.items()}
    try:
        read(SMS | plain)
    except Unusable as refusal:
        assert str(refusal).endswith(".")
