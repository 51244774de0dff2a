import base64
import dataclasses
import hashlib
import hmac
import json
from typing import Any
from urllib.parse import parse_qs, unquote_to_bytes, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels_inbound.adapters.base import FORM_TYPE, Arrival, Incoming, NotAuthentic, Recipient, Unusable
from channels_inbound.adapters.twilio import Twilio
from tests.channels_inbound.adapters.contract import (
    EXAMPLES,
    JSON,
    NOW,
    AdapterContract,
    check_arrivals,
    connected,
    with_header,
)

TOKEN, SHARED = "twilio-auth-token-0123456789", "twilio-shared-key-0123456789"
CONNECTION = connected(Twilio, {"auth_token": TOKEN, "shared_key": SHARED})
CREDENTIAL = {"account_sid": "AC0123456789abcdef0123456789abcdef", "auth_token": TOKEN}
SHARED_HEADER = "x-twilio-webhooks-signature-settings"

SMS = {
    "MessageSid": "SMe287d7109a5a925f182f0e07fe5b223b",
    "SmsSid": "SMe287d7109a5a925f182f0e07fe5b223b",
    "SmsStatus": "received",
    "AccountSid": CREDENTIAL["account_sid"],
    "From": "+254712345678",
    "To": "+12025550100",
    "ToCity": "",
    "Body": "Where is my order? ✓",
    "NumMedia": "0",
}
STATUS = {
    "MessageSid": "SMstatus",
    "MessageStatus": "delivered",
    "From": "+12025550100",
    "To": "+254712345678",
    "AccountSid": CREDENTIAL["account_sid"],
}


def proof(url: str, fields: list[tuple[str, str]], key: str = TOKEN, digest: str = "sha1") -> str:
    signed = url + "".join(name + value for name, value in sorted(set(fields)))
    return base64.b64encode(hmac.new(key.encode(), signed.encode(), digest).digest()).decode()


def signed(fields: dict[str, Any] | list[tuple[str, str]], url: str = CONNECTION.url, **more: str) -> Incoming:
    pairs = list(fields.items()) if isinstance(fields, dict) else fields
    headers = {"content-type": f"{FORM_TYPE}; charset=UTF-8", "x-twilio-signature": proof(url, pairs, **more)}
    return Incoming(url=url, query=urlsplit(url).query, headers=headers, body=urlencode(pairs).encode(), at=NOW)


def raw(body: bytes) -> Incoming:
    """Authentic, whatever the bytes are."""
    fields = sorted({_pair(each) for each in body.split(b"&") if each})
    data = CONNECTION.url.encode() + b"".join(name + value for name, value in fields)
    mac = base64.b64encode(hmac.new(TOKEN.encode(), data, "sha1").digest()).decode()
    headers = {"content-type": FORM_TYPE, "x-twilio-signature": mac}
    return Incoming(url=CONNECTION.url, headers=headers, body=body, at=NOW)


def _pair(each: bytes) -> tuple[bytes, bytes]:
    name, _, value = each.replace(b"+", b" ").partition(b"=")
    return unquote_to_bytes(name), unquote_to_bytes(value)


def shared(fields: dict[str, str], settings: str = "key=webhooks_1,algorithm=HMAC_SHA256", **more: str) -> Incoming:
    return with_header(signed(fields, **{"key": SHARED, "digest": "sha256"} | more), SHARED_HEADER, settings)


def of_json(document: Any, url: str = CONNECTION.url, digest: str | None = None) -> Incoming:
    body = json.dumps(document).encode()
    query = f"bodySHA256={hashlib.sha256(body).hexdigest() if digest is None else digest}"
    url = f"{url}?{query}"
    headers = {"content-type": "application/json", "x-twilio-signature": proof(url, [])}
    return Incoming(url=url, query=query, headers=headers, body=body, at=NOW)


def read(fields: dict[str, str], **settings: str) -> Arrival:
    connection = connected(Twilio, {"auth_token": TOKEN}, settings)
    incoming = signed(fields)
    Twilio().verify(incoming, connection)
    (arrival,) = Twilio().parse(incoming, connection)
    check_arrivals([arrival])
    return arrival


def refused(incoming: Incoming, reason: str = "signature") -> None:
    with pytest.raises(NotAuthentic, match=reason):
        Twilio().verify(incoming, CONNECTION)


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
    assert (arrival.kind, arrival.dedupe_key) == ("unsupported", SMS["MessageSid"])
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
