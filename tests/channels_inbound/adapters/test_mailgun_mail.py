"""Mailgun: a mail as a message, who vouches for its sender, and its thread."""

import json
from datetime import UTC, datetime

import pytest

from tests.channels_inbound.adapters.mailgun_posts import (
    HEADERS,
    HERE,
    MAIL,
    TOKEN,
    connection,
    encoded,
    mail,
    proof,
    read,
    with_headers,
)

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
