"""Mailgun: answers in their thread."""

import base64
from typing import Any
from urllib.parse import parse_qsl

import pytest

from channels_inbound.adapters.base import FORM_TYPE, Recipient
from tests.channels_inbound.adapters.mailgun_posts import ADAPTER, connection, mail

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
        "h:Reply-To": "support+old@mg.example.com",
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
