"""Mail, by way of Mailgun: what its routes forward, parsed or raw, and what became of the mails we sent.

Only the time and a token are signed, nothing of the mail. A block that somebody copied would prove any content, so each
token stands for one content (`once`). Mailgun repeats a block for eight hours until it is answered, hence the long
tolerance for the past.
"""

import json
from collections.abc import Mapping
from typing import Any

from channels_inbound.adapters import mailgun_events, mailgun_mail, mailgun_post, mailgun_replies, mime, signing
from channels_inbound.adapters.base import (
    FORM_TYPE,
    MEGABYTE,
    Adapter,
    Arrival,
    Connection,
    Incoming,
    NotAuthentic,
    Once,
    Outgoing,
    Recipient,
    SecretField,
    Sent,
    Setting,
    Unusable,
    Verified,
)

PAST, FUTURE = 12 * 3600.0, 300.0


class Mailgun(Adapter):
    kind = "mailgun"
    title = "Email (Mailgun)"
    aliases = ("email",)
    conversation_channel = "email"
    max_body = 26 * MEGABYTE
    content_types = frozenset({FORM_TYPE, mailgun_post.MULTIPART, mailgun_post.JSON})
    streams_form = True
    refusal_status = 406  # the only refusal that Mailgun does not repeat for eight hours
    settings = (
        Setting(
            name="domain",
            label="Sending domain",
            help="The domain in Mailgun that replies are sent from.",
            example="mg.example.com",
            pattern=r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+",
            without="Mail comes in, but no reply can be sent.",
        ),
        Setting(
            name="from_address",
            label="Sender of replies",
            help="What customers see as the sender: an address, with a name before it if you like.",
            example="Example Support <support@mg.example.com>",
            pattern=r"[^\s<>@,]+@[^\s<>@,]+|[^<>]*<[^\s<>@,]+@[^\s<>@,]+>",
            without="Mail comes in, but no reply can be sent.",
        ),
        Setting(
            name="region",
            label="Region",
            help="Where the domain was made in Mailgun. Empty: us.",
            is_required=False,
            example="us",
            choices=(("", "us, unless chosen"), ("us", "us"), ("eu", "eu")),
        ),
        Setting(
            name="recipients",
            label="Addresses of this agent",
            help="Mail to any other address is set aside. Several are separated by commas; without a value the agent "
            "gets whatever your route forwards.",
            is_required=False,
            example="support@example.com",
            pattern=r"[^\s<>@,]+@[^\s<>@,]+(?:,\s*[^\s<>@,]+@[^\s<>@,]+)*",
        ),
        Setting(
            name="spam_filter",
            label="Mailgun checks senders",
            help="Choose yes once the spam filter of the domain is on in Mailgun. Only then can a customer be "
            "recognised by the address, because otherwise anybody may write any address there.",
            is_required=False,
            example="yes",
            choices=(("", "no, unless chosen"), ("yes", "yes"), ("no", "no")),
        ),
    )
    secrets = (
        SecretField(
            name="signing_key",
            label="HTTP webhook signing key",
            help="In Mailgun under Account settings, API security. It is not the API key.",
        ),
    )
    credential_kind = "mailgun"
    steps = (
        "In Mailgun, open Receive and then Routes, and create a route for the address that your customers write to.",
        "A route that matches support@mg.example.com takes this address alone. One with the pattern "
        r"^support(\+.*)?@mg\.example\.com$ also takes plus addresses, such as support+shop@mg.example.com.",
        "Choose Forward as the action, paste {url} and save the route.",
        "Under Account settings, API security, copy the HTTP webhook signing key and put it in here.",
        "Create a sending key for the domain and put it into a Mailgun credential of your team, for the replies.",
        "To see what becomes of the replies, open Send and then Webhooks, and add {url} for delivered messages "
        "and permanent failures.",
    )
    text_limit = 100_000
    media_hosts = mailgun_replies.FILE_HOSTS
    links = {
        "Receiving mail with routes": "https://documentation.mailgun.com/docs/mailgun/user-manual/receive-forward-store/receive-http",
        "Signing key": "https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks",
    }

    def verify(self, incoming: Incoming, connection: Connection) -> Verified:
        proof = mailgun_post.proof(incoming)
        signed = (proof.timestamp + proof.token).encode()
        secret = signing.matching(
            connection.valid("signing_key"), proof.signatures, lambda key: signing.hex_mac(key, signed)
        )
        signed_at = signing.timestamp(proof.timestamp)
        signing.fresh(signed_at, incoming.at, past=PAST, future=FUTURE)
        return signing.verified(secret, signed_at)

    def once(self, incoming: Incoming) -> Once | None:
        """The token, and what it came with. A multipart form is never the same bytes twice, so it is read."""
        try:
            token = mailgun_post.proof(incoming).token
            parts = _event_parts(incoming) if incoming.content_type == mailgun_post.JSON else _mail_parts(incoming)
        except (NotAuthentic, Unusable):
            return None
        return Once(token, signing.fingerprint(*parts))

    def parse(self, incoming: Incoming, connection: Connection) -> list[Arrival]:
        if incoming.content_type == mailgun_post.JSON:
            return [mailgun_events.arrival(mailgun_post.event(incoming), incoming, connection)]
        post = mailgun_post.post(incoming)
        letter = mime.read(post.raw("body-mime")) if post.get("body-mime") else mailgun_mail.parsed(post)
        if not letter.headers.pairs and not post.get("recipient"):
            raise Unusable("The form holds no mail.")
        return [mailgun_mail.arrival(post, letter, incoming, connection)]

    def outgoing(
        self, text: str, *, to: Recipient, connection: Connection, credential: Mapping[str, str], part: int = 0
    ) -> Outgoing:
        return mailgun_replies.request(text, to=to, connection=connection, credential=credential, part=part)

    def sent(self, status: int, body: bytes) -> Sent:
        return mailgun_replies.answer(status, body)

    def media(self, attachment: Mapping[str, Any], credential: Mapping[str, str]) -> Outgoing | None:
        return mailgun_replies.file(str(attachment.get("url") or ""), credential)


def _mail_parts(incoming: Incoming) -> list[bytes]:
    post = mailgun_post.post(incoming)
    message_id = mailgun_mail.form_headers(post).get("message-id").encode("utf-8", "replace")
    return [post.raw("recipient"), message_id, post.raw("body-plain"), post.raw("body-mime")]


def _event_parts(incoming: Incoming) -> list[bytes]:
    data = mailgun_post.event(incoming).get("event-data")
    return [json.dumps(data, sort_keys=True).encode("utf-8", "replace")]
