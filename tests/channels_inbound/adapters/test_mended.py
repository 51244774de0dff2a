"""Messages that must not be lost: keys that come again, settings that are put right later, addresses with a slash."""

import dataclasses
import json
from typing import Any

import pytest

from channels_inbound.adapters.base import Arrival, Incoming, NotAuthentic, Recipient
from channels_inbound.adapters.generic import Generic
from channels_inbound.adapters.mailgun import Mailgun
from channels_inbound.adapters.sozuri import Sozuri
from channels_inbound.adapters.stripe import Stripe
from channels_inbound.adapters.twilio import Twilio
from tests.channels_inbound.adapters import (
    infobip_posts,
    mailgun_posts,
    slack_posts,
    stripe_posts,
    telegram_posts,
    twilio_posts,
)
from tests.channels_inbound.adapters.contract import NOW, connected

# --- Telegram: the number of an update comes again -------------------------------------------------------------------


def telegram(name: str, element: Any, number: int = 10000) -> Arrival:
    incoming = telegram_posts.request(telegram_posts.update(name, element, number))
    return telegram_posts.Telegram().parse(incoming, telegram_posts.CONNECTION)[0]


def test_the_same_update_of_telegram_has_one_key() -> None:
    said = telegram_posts.SAID
    assert telegram("message", said).dedupe_key == telegram("message", said).dedupe_key


@pytest.mark.parametrize("more", [{"message_id": 2}, {"chat": telegram_posts.GROUP}], ids=["message", "chat"])
def test_an_update_id_that_begins_anew_loses_no_message(more: dict[str, Any]) -> None:
    said = telegram_posts.SAID
    assert telegram("message", said).dedupe_key != telegram("message", said | more).dedupe_key


def test_a_button_pressed_twice_is_two_also_under_one_update_id() -> None:
    keys = {
        telegram("callback_query", {"id": each, "from": telegram_posts.JANE, "data": "y"}).dedupe_key for each in "12"
    }
    assert len(keys) == 2


# --- what is not for the channel leaves the key of the thing itself free ---------------------------------------------

SOZURI = {"messageId": "S1", "number": "254722000222", "shortcode": "25145", "message": "Hi", "project": "Shop"}


def sozuri(**settings: str) -> Arrival:
    connection = connected(Sozuri, {"auth_key": "sozuri-key-0123456789"}, settings)
    incoming = Incoming(headers={"content-type": "application/json"}, body=json.dumps(SOZURI).encode(), at=NOW)
    (arrival,) = Sozuri().parse(incoming, connection)
    return arrival


def stripe(**settings: str) -> Arrival:
    connection = connected(Stripe, {"signing_secret": "whsec_0123456789"}, settings)
    event = json.loads(stripe_posts.BODY) | {"account": "acct_1"}
    (arrival,) = Stripe().parse(stripe_posts.request(json.dumps(event).encode()), connection)
    return arrival


def slack_command(**settings: str) -> Arrival:
    fields = {"command": "/ask", "text": "Hi", "user_id": "U1", "trigger_id": "13.3.7", "team_id": "T1"}
    return slack_posts.only(slack_posts.form(**fields), **settings)


def slack_button(**settings: str) -> Arrival:
    body = {
        "type": "block_actions",
        "trigger_id": "12.34.abc",
        "team": {"id": "T1"},
        "user": {"id": "U1"},
        "actions": [{"action_id": "again", "value": "1"}],
    }
    return slack_posts.only(slack_posts.form(payload=json.dumps(body)), **settings)


def mailgun_mail(**settings: str) -> Arrival:
    incoming = mailgun_posts.encoded(mailgun_posts.MAIL | mailgun_posts.proof())
    return mailgun_posts.read(incoming, mailgun_posts.connection(**settings))


def mailgun_event(**settings: str) -> Arrival:
    data = {"id": "ev-1", "event": "delivered", "domain": {"name": "mg.example.com"}}
    return mailgun_posts.read(mailgun_posts.event(data), mailgun_posts.connection(**settings))


READ = {
    "infobip": (lambda **settings: infobip_posts.read(infobip_posts.SMS, **settings)[0], "number", "254799999999"),
    "mailgun-event": (mailgun_event, "domain", "mg.example.org"),
    "mailgun-mail": (mailgun_mail, "recipients", "sales@mg.example.com"),
    "slack-button": (slack_button, "team_id", "T9"),
    "slack-command": (slack_command, "team_id", "T9"),
    "slack-event": (lambda **settings: slack_posts.read(slack_posts.SAID, **settings), "team_id", "T9"),
    "sozuri-number": (sozuri, "shortcode", "99999"),
    "sozuri-project": (sozuri, "project", "Another"),
    "stripe": (stripe, "account", "acct_9"),
    "twilio-account": (lambda **settings: twilio_posts.read(twilio_posts.SMS, **settings), "account_sid", "AC9"),
    "twilio-number": (lambda **settings: twilio_posts.read(twilio_posts.SMS, **settings), "number", "+12025550199"),
    "twilio-status": (lambda **settings: twilio_posts.read(twilio_posts.STATUS, **settings), "account_sid", "AC9"),
}


@pytest.mark.parametrize("name", READ)
def test_what_is_not_for_the_channel_can_still_come_once_the_setting_is_right(name: str) -> None:
    read, setting, wrong = READ[name]
    foreign, own = read(**{setting: wrong}), read()
    assert (foreign.kind, foreign.reason[:22]) == ("unsupported", "Not for this channel: ")
    assert own.kind != "unsupported"
    assert foreign.dedupe_key == f"foreign:{own.dedupe_key}"
    assert "also" not in foreign.facts


# --- your own application: one id, one content -----------------------------------------------------------------------


def generic(body: bytes, message_id: str, key: str) -> Incoming:
    headers = {"content-type": "application/json", "webhook-id": message_id, "idempotency-key": key}
    return Incoming(headers=headers, body=body, at=NOW)


def test_an_idempotency_key_opens_no_second_content_under_one_id() -> None:
    told = ((b'{"text":"a"}', "k-1"), (b'{"text":"b"}', "k-2"))
    first, second = (Generic().once(generic(body, "msg_1", key)) for body, key in told)
    assert first is not None
    assert second is not None
    assert first.key == second.key == "msg_1"
    assert first.fingerprint != second.fingerprint


def test_an_idempotency_key_that_is_used_again_drops_no_other_content() -> None:
    connection = connected(Generic, {})
    same, again, other = (
        Generic().parse(generic(body, message_id, "k-1"), connection)[0].facts["also"]
        for body, message_id in ((b'{"text":"a"}', "msg_1"), (b'{"text":"a"}', "msg_2"), (b'{"text":"b"}', "msg_3"))
    )
    assert same == again != other


# --- Twilio: the address as it was entered there ---------------------------------------------------------------------


def twilio(signed_for: str, path: str) -> Incoming:
    incoming = twilio_posts.signed(twilio_posts.SMS, url=signed_for)
    return dataclasses.replace(incoming, url=twilio_posts.CONNECTION.url, path=path)


@pytest.mark.parametrize("end", ["/", "-sms", "-sms/"])
def test_twilio_may_sign_the_path_that_it_asked_for(end: str) -> None:
    url = f"{twilio_posts.CONNECTION.url}{end}"
    host, _, path = url.removeprefix("https://").partition("/")
    assert Twilio().verify(twilio(url, f"/{path}"), twilio_posts.CONNECTION)
    assert Twilio().verify(twilio(f"https://{host}:443/{path}", f"/{path}"), twilio_posts.CONNECTION)


def test_twilio_signs_neither_another_path_nor_another_host() -> None:
    url = f"{twilio_posts.CONNECTION.url}/"
    path = "/" + url.removeprefix("https://").partition("/")[2]
    for wrong, asked in ((url, "/other"), (url, ""), (f"https://other.example{path}", path)):
        with pytest.raises(NotAuthentic, match="signature"):
            Twilio().verify(twilio(wrong, asked), twilio_posts.CONNECTION)


# --- Mailgun: an answer to our answer finds the route ----------------------------------------------------------------


def reply_to(inbox: str) -> str:
    to = Recipient(address="asha@example.org", answer_to={"inbox": inbox, "reply_tag": "cnv_7"})
    settings = {"domain": "mg.example.com", "from_address": "Shop <support@mg.example.com>"}
    connection = mailgun_posts.connection(**settings)
    outgoing = Mailgun().outgoing("Hi", to=to, connection=connection, credential={"api_key": "key"})
    fields = dict(pair.split("=", 1) for pair in outgoing.body.decode().split("&"))
    return fields.get("h%3AReply-To", "")


@pytest.mark.parametrize(
    ("inbox", "wanted"),
    [
        ("support@mg.example.com", ""),
        ("help@mg.example.com", "help%40mg.example.com"),
        ("help+shop@mg.example.com", "help%2Bshop%40mg.example.com"),
        ("", ""),
    ],
)
def test_answers_go_to_where_the_mail_came_in_without_a_tag_of_ours(inbox: str, wanted: str) -> None:
    assert reply_to(inbox) == wanted


@pytest.mark.parametrize(
    ("recipient", "inbox"),
    [
        ("support+cnv_7@mg.example.com", "support@mg.example.com"),
        ("support+shop@mg.example.com", "support+shop@mg.example.com"),
    ],
)
def test_a_tag_that_came_in_is_read_and_not_sent_again(recipient: str, inbox: str) -> None:
    arrival = mailgun_posts.mail(recipient=recipient)
    assert arrival.answer_to["inbox"] == inbox
    assert arrival.facts["tag"] == recipient.partition("+")[2].partition("@")[0]


def test_the_steps_of_mailgun_ask_only_for_what_is_read() -> None:
    steps = " ".join(Mailgun.steps)
    assert r"^support(\+.*)?@mg\.example\.com$" in steps
    assert "complain" not in steps
