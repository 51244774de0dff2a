"""Mailgun: one proof for one content, mails in either form, what became of ours, and answers in their thread."""

import base64
import dataclasses
import hashlib
import hmac
import io
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels_inbound.adapters.base import (
    FORM_TYPE,
    Arrival,
    Connection,
    Form,
    Incoming,
    NotAuthentic,
    Recipient,
    Unusable,
    Upload,
)
from channels_inbound.adapters.mailgun import Mailgun
from tests.channels_inbound.adapters.contract import NOW, AdapterContract, check_arrivals, connected

KEY = "key-3f9a51c0d2e84b7796aa10"
TOKEN = "a1b2c3d4e5" * 5
HERE = int(NOW.timestamp()) - 60
MAIL = {
    "recipient": "support@mg.example.com",
    "sender": "bounces+7@mailer.example.org",
    "from": "Asha Mwangi <asha@example.org>",
    "From": "Asha Mwangi <asha@example.org>",
    "subject": "Order 1001",
    "Subject": "Order 1001",
    "Message-Id": "<one@mail.example.org>",
    "body-plain": "Where is my order?\r\n\r\n> On Monday you wrote:\r\n> It is on its way.\r\n",
    "stripped-text": "Where is my order?",
    "stripped-signature": "-- \r\nAsha",
    "body-html": "<p>Where is my order?</p>",
}
ADAPTER = Mailgun()
HEADERS = [["Message-Id", "<one@mail.example.org>"], ["Subject", "Order 1001"], ["To", "support@mg.example.com"]]


def connection(key: str | list[str] = KEY, **settings: str) -> Connection:
    return connected(Mailgun, {"signing_key": key}, settings)


def proof(key: str = KEY, *, timestamp: str | int = HERE, token: str = TOKEN) -> dict[str, str]:
    signature = hmac.new(key.encode(), f"{timestamp}{token}".encode(), hashlib.sha256).hexdigest()
    return {"timestamp": str(timestamp), "token": token, "signature": signature}


def encoded(fields: dict[str, Any] | list[tuple[str, Any]], at: datetime = NOW) -> Incoming:
    body = urlencode(fields, doseq=True).encode()
    return Incoming(headers={"content-type": FORM_TYPE}, body=body, at=at)


def posted(fields: dict[str, Any] | list[tuple[str, str]] | None = None, files: Iterable[Upload] = ()) -> Incoming:
    """A multipart form that was parsed already."""
    pairs = list((MAIL if fields is None else fields).items()) if not isinstance(fields, list) else fields
    form = Form([*pairs, *proof().items()], list(files))
    return Incoming(headers={"content-type": "multipart/form-data; boundary=b"}, form=form, at=NOW)


def event(data: Any, signature: Any = None, at: datetime = NOW) -> Incoming:
    body = json.dumps({"signature": proof() if signature is None else signature, "event-data": data}).encode()
    return Incoming(headers={"content-type": "application/json"}, body=body, at=at)


def read(incoming: Incoming, to: Connection | None = None) -> Arrival:
    ADAPTER.verify(incoming, to or connection())
    arrivals = ADAPTER.parse(incoming, to or connection())
    assert len(arrivals) == 1
    return arrivals[0]


def mail(**changes: Any) -> Arrival:
    fields = {name: value for name, value in (MAIL | changes).items() if value is not None}
    return read(encoded(fields | proof()))


def with_headers(*pairs: tuple[str, str], **changes: Any) -> Arrival:
    return mail(**{"message-headers": json.dumps([*HEADERS, *map(list, pairs)])} | changes)


def raw(text: str | bytes, **changes: Any) -> Arrival:
    fields = {"recipient": "support@mg.example.com", "sender": "asha@example.org", "body-mime": text}
    return read(encoded(fields | changes | proof()))


def refused(incoming: Incoming, to: Connection | None = None) -> str:
    with pytest.raises(NotAuthentic) as refusal:
        ADAPTER.verify(incoming, to or connection())
    return refusal.value.reason


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


# --- mails -----------------------------------------------------------------------------------------------------------


def test_a_mail_is_a_message_of_whoever_stands_in_from():
    arrival = with_headers(("Cc", "x@example.org"), ("Date", "Tue, 01 Jan 2013 00:00:00 +0000"))
    assert (arrival.kind, arrival.starts_agent) == ("message", True)
    assert arrival.dedupe_key == "<one@mail.example.org>|support@mg.example.com"
    assert arrival.provider_id == "<one@mail.example.org>"
    assert arrival.sender is not None
    assert (list(arrival.sender.addresses), arrival.sender.id_type) == (["asha@example.org"], "email")
    assert (arrival.sender.name, arrival.recipient) == ("Asha Mwangi", "support@mg.example.com")
    assert (arrival.subject, arrival.text) == ("Order 1001", "Where is my order?")
    assert arrival.html == "<p>Where is my order?</p>"
    assert arrival.occurred_at == datetime.fromtimestamp(HERE, UTC), "the Date header is the sender's clock"
    assert arrival.facts["body_plain"] == MAIL["body-plain"]
    assert arrival.facts["envelope_sender"] == "bounces+7@mailer.example.org"
    assert arrival.facts["from"] == "Asha Mwangi <asha@example.org>"
    assert arrival.facts["cc"] == "x@example.org"
    assert arrival.facts["signature_text"] == "-- \r\nAsha"
    assert ["Cc", "x@example.org"] in arrival.extra["headers"]


def test_line_ends_stay_as_they_are():
    assert mail(**{"stripped-text": "a\r\n\r\nb\n"}).text == "a\r\n\r\nb\n"


@pytest.mark.parametrize(
    "changes, text",
    [
        ({"stripped-text": " \r\n"}, MAIL["body-plain"]),
        ({"stripped-text": None}, MAIL["body-plain"]),
        ({"stripped-text": None, "body-plain": ""}, "Where is my order?"),
        ({"stripped-text": None, "body-plain": None, "body-html": None}, ""),
        ({"stripped-text": None, "body-plain": None, "body-html": ["<p>a</p>", "<p>b</p>"]}, "a\n\nb"),
    ],
)
def test_the_text_is_what_they_wrote_or_all_of_it_or_that_of_the_html(changes, text):
    assert mail(**changes).text == text


def test_without_a_message_id_the_token_is_the_key():
    arrival = mail(**{"Message-Id": None})
    assert (arrival.dedupe_key, arrival.provider_id) == (TOKEN, "")


@pytest.mark.parametrize(
    "listed", [None, "", "garbage", "{}", '[1, [], [1, 2], ["a"]]', "[" * 5000, '[["Subject", 1]]']
)
def test_row_61_without_a_list_of_headers_the_fields_say_it(listed):
    arrival = mail(**{"message-headers": listed, "In-Reply-To": "<zero@x>"})
    assert (arrival.kind, arrival.subject, arrival.provider_id) == ("message", "Order 1001", "<one@mail.example.org>")
    assert list(arrival.references) == ["<zero@x>"]


def test_from_in_either_spelling_is_enough():
    small, capital = mail(From=None), mail(**{"from": None})
    assert small.sender == capital.sender


def test_fields_of_mailguns_own_are_no_headers_of_the_mail():
    assert "token" not in {name.lower() for name, _ in mail().extra["headers"]}


def test_an_answer_goes_to_the_address_that_asks_for_it_and_that_is_the_person():
    arrival = with_headers(("Reply-To", "Forms <customer@example.net>"))
    assert arrival.sender is not None
    assert list(arrival.sender.addresses) == ["customer@example.net"]
    assert (arrival.sender.name, arrival.sender.email) == ("Forms", "")


def test_an_address_of_ours_is_never_the_one_to_answer():
    arrival = with_headers(("Reply-To", "support+x@mg.example.com"))
    assert arrival.sender is not None
    assert list(arrival.sender.addresses) == ["asha@example.org"]


def test_a_mail_without_any_address_is_kept_and_not_answered():
    arrival = mail(**{"from": "nobody", "From": None, "sender": "x"})
    assert (arrival.kind, arrival.sender) == ("unsupported", None)
    assert arrival.dedupe_key


def test_a_mail_of_our_own_is_an_echo():
    incoming = encoded(MAIL | {"from": "Shop <Support+cnv_1@mg.example.com>"} | proof())
    arrival = read(incoming, connection(from_address="Shop <support@mg.example.com>"))
    assert (arrival.kind, arrival.starts_agent) == ("echo", False)


@pytest.mark.parametrize(
    "recipients, kind",
    [
        ("", "message"),
        ("other@x.example, SUPPORT@mg.example.com", "message"),
        ("other@x.example", "unsupported"),
    ],
)
def test_row_45_mail_to_others_is_no_message_where_the_team_names_its_addresses(recipients, kind):
    incoming = encoded(MAIL | {"recipient": "support+cnv_1@mg.example.com"} | proof())
    arrival = read(incoming, connection(recipients=recipients))
    assert arrival.kind == kind
    assert kind == "message" or arrival.reason.startswith("Not for this channel")


@pytest.mark.parametrize(
    "pairs, kind",
    [
        ([("Auto-Submitted", "auto-replied")], "auto_reply"),
        ([("Precedence", "bulk")], "auto_reply"),
        ([("List-Id", "<news.example.org>")], "auto_reply"),
        ([("X-Autoreply", "yes")], "auto_reply"),
        ([("Content-Type", "multipart/report; report-type=delivery-status")], "bounce"),
    ],
)
def test_row_66_programs_do_not_start_the_agent(pairs, kind):
    arrival = with_headers(*pairs)
    assert (arrival.kind, arrival.starts_agent) == (kind, False)
    assert arrival.reason


@pytest.mark.parametrize("sender", ["", "<>", " "])
def test_row_66_nor_does_a_mail_without_a_return_address(sender):
    assert mail(sender=sender).kind == "auto_reply"


def test_a_parsed_bounce_says_which_mail_it_is_about():
    arrival = with_headers(
        ("X-Failed-Recipients", "gone@example.org"),
        **{"body-plain": "Sorry.\r\n\r\n> Message-ID: <ours@mg.example.com>\r\n"},
    )
    assert (arrival.kind, arrival.status, arrival.target_id) == ("bounce", "failed", "<ours@mg.example.com>")
    assert arrival.facts["failed_recipient"] == "gone@example.org"


def test_spam_says_so_and_is_a_message_all_the_same():
    arrival = with_headers(("X-Mailgun-Sflag", "Yes"), ("X-Mailgun-Spf", "Pass"))
    assert (arrival.kind, arrival.facts["spam"], arrival.facts["spf"]) == ("message", "Yes", "Pass")


# --- who vouches for an address --------------------------------------------------------------------------------------

SPF, DKIM = ("X-Mailgun-Spf", "Pass"), ("X-Mailgun-Dkim-Check-Result", "Pass")
SIGNED = ("DKIM-Signature", "v=1; a=rsa-sha256; d=Example.org; s=x; b=d=evil.example")


def vouched(*pairs: tuple[str, str], filter_on: str = "yes", sender: str = "x@example.org") -> str:
    fields = MAIL | {"sender": sender, "message-headers": json.dumps([*HEADERS, *map(list, pairs)])}
    arrival = read(encoded(fields | proof()), connection(spam_filter=filter_on))
    assert arrival.sender is not None
    return arrival.sender.email


@pytest.mark.parametrize("pairs", [[SPF], [DKIM, SIGNED], [DKIM, SIGNED, SIGNED]])
def test_an_address_that_mailgun_checked_is_vouched_for(pairs):
    assert vouched(*pairs) == "asha@example.org"


@pytest.mark.parametrize(
    "pairs, how",
    [
        pytest.param([SPF], {"filter_on": ""}, id="nobody says that Mailgun checks"),
        pytest.param([], {}, id="no verdict"),
        pytest.param([("X-Mailgun-Spf", "Neutral")], {}, id="no good verdict"),
        pytest.param([SPF, ("X-Mailgun-Spf", "Fail")], {}, id="a verdict of the sender's own"),
        pytest.param([SPF], {"sender": "x@evil.example"}, id="another domain sent it"),
        pytest.param([SPF], {"sender": "x@sub.example.org"}, id="a domain below it sent it"),
        pytest.param([DKIM], {"sender": "x@y.example"}, id="no signature"),
        pytest.param([DKIM, ("DKIM-Signature", "d=evil.example")], {"sender": "x@y.example"}, id="signed by another"),
        pytest.param(
            [DKIM, SIGNED, ("DKIM-Signature", "d=evil.example")], {"sender": "x@y.example"}, id="signed by both"
        ),
        pytest.param([SPF, ("Reply-To", "other@example.org")], {}, id="the answer goes elsewhere"),
    ],
)
def test_no_other_address_is(pairs, how):
    assert vouched(*pairs, **how) == ""


# --- threads ---------------------------------------------------------------------------------------------------------


def test_the_ids_that_a_mail_answers_come_in_the_order_of_their_writing():
    arrival = with_headers(("In-Reply-To", "<c@x>\r\n <b@x>"), ("References", "<a@x>\r\n\t<b@x>"))
    assert list(arrival.references) == ["<a@x>", "<b@x>", "<c@x>"]
    assert arrival.reply_to_id == "<c@x>"
    assert arrival.facts["in_reply_to"] == "<c@x> <b@x>"


def test_the_tag_of_the_address_names_a_conversation():
    assert mail(recipient="support+cnv_7@mg.example.com").facts["tag"] == "cnv_7"
    assert "tag" not in mail().facts


def test_the_thread_is_of_the_sender_and_the_subject():
    first, answer = mail(), mail(Subject="RE: AW: order  1001")
    assert first.thread == answer.thread
    assert first.thread != mail(Subject="Order 1002").thread
    assert first.thread != mail(**{"from": "Other <other@example.org>"}).thread


# --- files -----------------------------------------------------------------------------------------------------------


def upload(name: str, filename: str, content_type: str = "text/plain", content: bytes = b"x") -> Upload:
    return Upload(name, filename, content_type, len(content), io.BytesIO(content))


def test_row_62_files_come_with_clean_names_whatever_the_count_says():
    fields = MAIL | {
        "attachment-count": "17",
        "content-id-map": '{"": "attachment-1", "": "attachment-2", "<a@x>": "attachment-3", "<a@x>": "attachment-4"}',
        "body-html": '<img src="cid:a@x">',
    }
    names = ["../../f1.txt", "", "C:\\f3.png", "f4.png"]
    arrival = read(posted(fields, [upload(f"attachment-{n}", name, "image/png") for n, name in enumerate(names, 1)]))
    assert [each.filename for each in arrival.attachments] == ["f1.txt", "", "f3.png", "f4.png"]
    assert [each.upload for each in arrival.attachments] == [0, 1, 2, 3]
    assert [each.content_id for each in arrival.attachments] == ["", "", "a@x", "a@x"]
    assert [each.is_inline for each in arrival.attachments] == [False, False, True, True]
    assert {(each.kind, each.mime_type, each.size) for each in arrival.attachments} == {("image", "image/png", 1)}


def test_a_content_id_that_the_mail_does_not_show_makes_no_picture_of_a_file():
    fields = MAIL | {"content-id-map": '{"<a@x>": "attachment-1"}'}
    [attachment] = read(posted(fields, [upload("attachment-1", "order.pdf", "application/pdf")])).attachments
    assert (attachment.is_inline, attachment.kind) == (False, "document")


@pytest.mark.parametrize("junk", ["", "garbage", "[]", "null", '{"a": 1}', '{"a": {"b": "c"}}', "[" * 9999, '["ab"]'])
def test_row_62_a_broken_map_of_content_ids_loses_no_file(junk):
    assert len(read(posted(MAIL | {"content-id-map": junk}, [upload("attachment-1", "a.txt")])).attachments) == 1


def test_of_very_many_files_it_says_how_many_were_left_out():
    arrival = read(posted(MAIL, [upload(f"attachment-{n}", "a.txt") for n in range(205)]))
    assert (len(arrival.attachments), arrival.facts["attachments_left_out"]) == (200, 5)


STORED = "https://storage-us-east4.api.mailgun.net/v3/domains/mg.example.com/messages/BAABAQ==/attachments/0"


def stored(url: Any) -> Arrival:
    files = [{"url": url, "content-type": "application/pdf", "name": "a/b.pdf", "size": 12}]
    return mail(attachments=json.dumps(files), **{"content-id-map": json.dumps({"<a@x>": url})})


def test_files_that_mailgun_keeps_are_fetched_with_the_api_key():
    [attachment] = stored(STORED).attachments
    assert (attachment.url, attachment.filename, attachment.size) == (STORED, "b.pdf", 12)
    assert attachment.content_id == "a@x"
    request = ADAPTER.media(dataclasses.asdict(attachment), {"api_key": "key"})
    assert request is not None
    assert (request.method, request.url) == ("GET", STORED)
    assert dict(request.headers)["Authorization"] == f"Basic {base64.b64encode(b'api:key').decode()}"


@pytest.mark.parametrize(
    "url",
    [
        STORED.replace("https", "http"),
        STORED.replace("api.mailgun.net", "api.mailgun.net.evil.example"),
        STORED.replace("api.mailgun.net", "evilapi.mailgun.net"),
        STORED.replace("https://", "https://evil.example\\@"),
        STORED.replace("https://", "https://evil.example/@"),
        STORED.replace("https://", "https://user@"),
        STORED.replace(".net/", ".net:8443/"),
        STORED.replace("storage-us-east4.api.mailgun.net", "169.254.169.254"),
        STORED + "?x=1",
        STORED.replace("messages/BAABAQ==", "messages/../../../v5/x"),
        "https://api.mailgun.net/v3/domains/mg.example.com/credentials",
        "https://api.mailgun.net/v5/accounts/subaccounts",
        "",
        7,
        None,
        ["x"],
    ],
)
def test_no_other_address_gets_the_api_key(url):
    [attachment] = stored(url).attachments
    assert attachment.url == ""
    assert ADAPTER.media({"url": url}, {"api_key": "key"}) is None


@pytest.mark.parametrize(
    "host", ["api.mailgun.net", "so.api.mailgun.net", "storage.eu.mailgun.net", "api.eu.mailgun.net"]
)
def test_the_hosts_where_files_lie_are_known(host):
    url = STORED.replace("storage-us-east4.api.mailgun.net", host)
    assert stored(url).attachments[0].url == url
    assert any(host == each or host.endswith(f".{each}") for each in Mailgun.media_hosts)


# --- raw mails -------------------------------------------------------------------------------------------------------

RAW = "\r\n".join(
    [
        "From: =?utf-8?q?J=C3=BCrgen?= <jw@example.org>",
        "Message-ID: <raw@example.org>",
        "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=",
        "In-Reply-To: <a@x>",
        " <b@x>",
        "References: <z@x>",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: quoted-printable",
        "",
        "Sch=C3=B6n.",
        "Bis dann.",
    ]
)


def test_a_raw_mail_is_taken_apart_here():
    arrival = raw(RAW)
    assert arrival.sender is not None
    assert (arrival.kind, list(arrival.sender.addresses), arrival.sender.name) == (
        "message",
        ["jw@example.org"],
        "Jürgen",
    )
    assert (arrival.subject, arrival.text) == ("Grüße", "Schön.\r\nBis dann.")
    assert arrival.dedupe_key == "<raw@example.org>|support@mg.example.com"
    assert list(arrival.references) == ["<z@x>", "<a@x>", "<b@x>"]


def test_a_raw_mail_of_eight_bits_survives_the_form():
    body = b"From: a@example.org\r\nContent-Type: text/plain; charset=latin-1\r\n\r\nGr\xfc\xdfe"
    for incoming in (
        encoded({"recipient": "x@y.example", "body-mime": body} | proof()),
        posted([("recipient", "x@y.example"), ("body-mime", body.decode("utf-8", "surrogateescape"))]),
    ):
        assert read(incoming).text == "Grüße"


@pytest.mark.parametrize(
    "body",
    [
        "From: a@example.org\r\nContent-Type: text/plain; charset=x-klingon\r\n\r\nhello",
        "From: a@example.org\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n%%%",
        "From: a@example.org\r\nContent-Type: multipart/mixed\r\n\r\nx",
        "From: a@example.org\r\nContent-Type: application/pdf\r\n\r\n%PDF",
        "From: a@example.org",
    ],
    ids=["charset", "base64", "no boundary", "no text part", "no body"],
)
def test_row_67_a_broken_raw_mail_is_still_a_message(body):
    assert raw(body).kind == "message"


def test_a_form_without_a_mail_is_unusable():
    with pytest.raises(Unusable):
        ADAPTER.parse(encoded(proof()), connection())


# --- events ----------------------------------------------------------------------------------------------------------


def data(word: Any, **more: Any) -> dict[str, Any]:
    message = {"headers": {"message-id": "ours@mg.example.com", "to": "asha@example.org"}}
    return {
        "event": word,
        "id": "ev-1",
        "timestamp": HERE + 0.5,
        "recipient": "asha@example.org",
        "message": message,
    } | more


@pytest.mark.parametrize(
    "word, more, status",
    [
        ("accepted", {}, "sent"),
        ("delivered", {}, "delivered"),
        ("opened", {}, "read"),
        ("clicked", {}, "read"),
        ("failed", {"severity": "permanent"}, "failed"),
        ("failed", {"severity": "temporary"}, "deferred"),
        ("failed", {}, "failed"),
        ("rejected", {}, "failed"),
        ("complained", {}, "complained"),
        ("unsubscribed", {}, "unsubscribed"),
        ("something new", {}, "something new"),
    ],
)
def test_an_event_is_a_status_of_the_mail_we_sent(word, more, status):
    arrival = read(event(data(word, **more)))
    assert (arrival.kind, arrival.event_type, arrival.status) == ("status", word, status)
    assert (arrival.dedupe_key, arrival.provider_id) == (TOKEN, "ev-1")
    assert arrival.target_id == "<ours@mg.example.com>", "as the id stands in the mail"
    assert arrival.occurred_at == datetime.fromtimestamp(HERE + 0.5, UTC)
    assert not arrival.starts_agent


@pytest.mark.parametrize(
    "more, code, text",
    [
        ({"delivery-status": {"code": 550, "message": "no such user", "description": ""}}, "550", "no such user"),
        (
            {"delivery-status": {"code": 605, "description": "Not delivering to an old bounce"}},
            "605",
            "Not delivering to an old bounce",
        ),
        ({"delivery-status": None, "reason": "suppress-bounce"}, "", "suppress-bounce"),
        ({"delivery-status": "x"}, "", ""),
    ],
)
def test_a_failure_says_why(more, code, text):
    arrival = read(event(data("failed", severity="permanent", **more)))
    assert (arrival.error_code, arrival.error_text) == (code, text)


@pytest.mark.parametrize("broken", [{}, {"event": None}, {"event": ["x"]}, {"event": {}}])
def test_an_event_of_nothing_is_unsupported(broken):
    assert read(event(broken)).kind == "unsupported"


@pytest.mark.parametrize("broken", [None, [], "x", 7])
def test_a_signed_event_without_data_is_unusable(broken):
    with pytest.raises(Unusable):
        read(event(broken))


def test_an_event_of_another_domain_of_the_account_is_not_ours():
    incoming = event(data("delivered", domain={"name": "other.example.com"}))
    assert read(incoming, connection(domain="mg.example.com")).kind == "unsupported"
    assert read(incoming).kind == "status"


# --- whatever comes --------------------------------------------------------------------------------------------------

FIELDS = st.sampled_from(
    [*MAIL, "message-headers", "content-id-map", "attachments", "body-mime", "Reply-To", "References"]
)
PAIRS = st.lists(st.tuples(FIELDS | st.text(max_size=6), st.text(max_size=40)), max_size=12)


@settings(max_examples=200, deadline=None)
@given(pairs=PAIRS, as_form=st.booleans())
def test_any_fields_give_arrivals_or_are_unusable(pairs, as_form):
    safe = [
        (name.encode("utf-8", "replace").decode(), value.encode("utf-8", "replace").decode()) for name, value in pairs
    ]
    incoming = posted(pairs) if as_form else encoded([*safe, *proof().items()])
    ADAPTER.once(incoming)
    try:
        check_arrivals(ADAPTER.parse(incoming, connection()))
    except Unusable as refusal:
        assert str(refusal).endswith(".")


# --- answers ---------------------------------------------------------------------------------------------------------

SETTINGS = {"domain": "mg.example.com", "from_address": "Example Support <support@mg.example.com>"}


def answer(text: str = "It is on its way.", *, part: int = 0, key: str = "key", to: Any = None, **settings: str):
    recipient = Recipient(**{"address": "asha@example.org", "message_id": "rpl_1"} | (to or {}))
    return ADAPTER.outgoing(
        text, to=recipient, connection=connection(**SETTINGS | settings), credential={"api_key": key}, part=part
    )


def fields_of(outgoing: Any) -> dict[str, str]:
    pairs = parse_qsl(outgoing.body.decode(), keep_blank_values=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def test_an_answer_stands_in_the_thread_and_no_program_answers_it():
    to = {
        "reply_to_id": "<one@mail.example.org>",
        "references": ["<a@x>", "<b@x>"],
        "answer_to": {"subject": "Order 1001", "inbox": "support+old@mg.example.com", "reply_tag": "cnv_7"},
    }
    outgoing = answer(to=to)
    assert (outgoing.method, outgoing.url) == ("POST", "https://api.mailgun.net/v3/mg.example.com/messages")
    headers = dict(outgoing.headers)
    assert headers["Content-Type"] == FORM_TYPE
    assert headers["Authorization"] == f"Basic {base64.b64encode(b'api:key').decode()}"
    assert fields_of(outgoing) == {
        "from": '"Example Support" <support@mg.example.com>',
        "to": "asha@example.org",
        "subject": "Re: Order 1001",
        "text": "It is on its way.",
        "h:In-Reply-To": "<one@mail.example.org>",
        "h:References": "<a@x> <b@x> <one@mail.example.org>",
        "h:Message-Id": "<rpl_1@mg.example.com>",
        "h:Reply-To": "support+cnv_7@mg.example.com",
        "h:Auto-Submitted": "auto-replied",
        "o:tracking": "no",
    }


def test_what_a_mail_leaves_for_its_answer_is_enough_for_one():
    arrival = mail()
    fields = fields_of(answer(to={"answer_to": arrival.answer_to}))
    assert (fields["subject"], fields["h:In-Reply-To"]) == ("Re: Order 1001", "<one@mail.example.org>")
    assert fields["h:References"] == "<one@mail.example.org>"
    assert "h:Reply-To" not in fields


def test_each_part_is_a_mail_of_its_own():
    assert fields_of(answer(part=2))["h:Message-Id"] == "<rpl_1.2@mg.example.com>"


def test_of_a_long_thread_the_first_and_the_last_mails_are_named():
    fields = fields_of(answer(to={"references": [f"<{n}@x>" for n in range(90)], "reply_to_id": "<r@x>"}))
    named = fields["h:References"].split()
    assert (len(named), named[0], named[-2:]) == (30, "<0@x>", ["<89@x>", "<r@x>"])


def test_the_european_region_is_another_host():
    assert answer(region="eu").url == "https://api.eu.mailgun.net/v3/mg.example.com/messages"


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"domain": ""}, "no domain"),
        ({"domain": "mg.example.com/../../v5"}, "no domain"),
        ({"from_address": ""}, "no address to send from"),
        ({"region": "mars"}, "neither us nor eu"),
        ({"key": ""}, "no API key"),
        ({"to": {"address": ""}}, "no mail address"),
        ({"to": {"address": "a@x.example, victim@y.example"}}, "no mail address"),
        ({"to": {"address": "a@x.example\r\nBcc: b@y.example"}}, "no mail address"),
    ],
)
def test_what_is_missing_is_said_in_a_sentence(changes, words):
    with pytest.raises(ValueError, match=rf"{words}.*\.$"):
        answer(**changes)


@pytest.mark.parametrize(
    "change",
    [
        {"answer_to": {"subject": "x\r\nBcc: victim@y.example"}},
        {"answer_to": {"reply_tag": "x\r\ny", "inbox": "a@x.example\r\nBcc: b@y.example"}},
        {"references": ["<a@x>\r\nBcc: b@y.example"]},
        {"reply_to_id": "<a@x\r\n>"},
        {"message_id": "x>\r\nBcc: b@y.example"},
        {"answer_to": {"subject": 7, "inbox": None, "reply_tag": ["x"], "message_id": {}}},
    ],
)
def test_nothing_of_a_strangers_begins_a_header(change):
    fields = fields_of(answer(to=change))
    assert not any(set("\r\n") & set(value) for name, value in fields.items() if name != "text")


def test_mailgun_gives_the_id_of_what_it_took():
    body = b'{"id": "<rpl_1@mg.example.com>", "message": "Queued. Thank you."}'
    assert ADAPTER.sent(200, body).provider_id == "<rpl_1@mg.example.com>"
    assert ADAPTER.sent(200, b'{"id": "rpl_1@mg.example.com"}').provider_id == "<rpl_1@mg.example.com>"
    assert ADAPTER.sent(200, b"").error == ""


@pytest.mark.parametrize(
    "status, body, words",
    [
        (400, b'{"message": "to parameter is not a valid address."}', "It says: to parameter is not a valid address."),
        (401, b"Forbidden", "API key"),
        (403, b'{"message": "Free accounts are for test purposes only."}', "Free accounts are for test purposes only."),
        (404, b'{"message": "Domain not found: mg.example.com"}', "region"),
        (413, b"", "larger"),
        (429, b"{}", "limit"),
        (500, b"<html>", "fault"),
        (418, b"", "418"),
    ],
)
def test_a_refusal_is_a_sentence_for_the_team(status, body, words):
    sent = ADAPTER.sent(status, body)
    assert words in sent.error
    assert (sent.provider_id, sent.error_code) == ("", str(status))
