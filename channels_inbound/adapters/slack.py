"""Slack: events, buttons and slash commands of an app, all under one signature."""

from collections.abc import Mapping
from typing import Any, ClassVar

from channels_inbound.adapters.base import (
    FORM_TYPE,
    JSON_TYPES,
    Adapter,
    Arrival,
    Connection,
    Incoming,
    NotAuthentic,
    Outgoing,
    Recipient,
    Response,
    SecretField,
    Sent,
    Setting,
    Unusable,
    Verified,
)
from channels_inbound.adapters.reading import table
from channels_inbound.adapters.reading import text as clean
from channels_inbound.adapters.signing import fingerprint, fresh, hex_mac, matching, timestamp, verified
from channels_inbound.adapters.slack_events import event
from channels_inbound.adapters.slack_forms import pressed_or_commanded
from channels_inbound.adapters.slack_replies import fetch, post, read_answer


class Slack(Adapter):
    """An app in a workspace. `team_id`, `app_id` and `bot_user_id` narrow down what is ours, where they are filled in.

    A message is named `<channel>:<ts>`, as edits, reactions and threads name it. Mentioning the app in a channel
    whose messages it hears arrives twice, under two event ids: `facts["also"]` is what the two have in common.
    """

    kind = "slack"
    title = "Slack"
    conversation_channel = "slack"
    content_types = JSON_TYPES | {FORM_TYPE}
    settings = (
        Setting(
            name="team_id",
            label="Workspace ID",
            help="Begins with T. It stands in the address of Slack in a browser, after /client/. "
            "Messages of other workspaces are then left alone.",
            is_required=False,
            example="T061EG9R6",
        ),
        Setting(
            name="app_id",
            label="App ID",
            help="On the page Basic Information of your app, under App Credentials.",
            is_required=False,
            example="A0PNCHHK2",
        ),
        Setting(
            name="bot_user_id",
            label="Member ID of the bot",
            help="In Slack, open the profile of your app and choose Copy member ID. So we know what it wrote itself.",
            is_required=False,
            example="U0LAN0Z89",
        ),
    )
    secrets = (
        SecretField(
            name="signing_secret",
            label="Signing secret",
            help="On the page Basic Information of your app, under App Credentials.",
        ),
    )
    credential_kind = "slack"
    steps = (
        "Open api.slack.com/apps and create an app for your workspace, or choose the one you have.",
        "Copy its signing secret from the page Basic Information and save it here before you go on.",
        "Under OAuth & Permissions, give the bot the scopes chat:write, app_mentions:read, im:history and files:read.",
        "Install the app to your workspace and save its bot token, which begins with xoxb-, as a credential.",
        "Under Event Subscriptions, switch events on, paste {url} as the request URL, and subscribe to the bot events "
        "app_mention and message.im.",
        "If your messages have buttons, paste {url} under Interactivity & Shortcuts too, and for slash commands at "
        "each command.",
        "Under App Home, allow people to send messages from the messages tab.",
    )
    text_limit = 4000
    media_hosts = ("files.slack.com",)
    links: ClassVar[Mapping[str, str]] = {
        "Your apps": "https://api.slack.com/apps",
        "Events API": "https://docs.slack.dev/apis/events-api/",
    }

    # --- proofs ---

    def verify(self, incoming: Incoming, connection: Connection) -> Verified:
        stamp = incoming.header("x-slack-request-timestamp")
        signed_at = timestamp(stamp)
        fresh(signed_at, incoming.at)
        given = incoming.header("x-slack-signature")
        if not given.startswith("v0="):
            raise NotAuthentic("scheme")
        signed = b"v0:" + stamp.encode() + b":" + incoming.body
        secret = matching(connection.valid("signing_secret"), [given], lambda key: "v0=" + hex_mac(key, signed))
        return verified(secret, signed_at)

    def handshake(self, incoming: Incoming, connection: Connection) -> Response | None:
        if incoming.content_type == FORM_TYPE:
            return None
        try:
            body = table(incoming.body)
        except Unusable:
            return None
        challenge = clean(body.get("challenge"))
        if body.get("type") != "url_verification" or not challenge:
            return None
        return Response(body=challenge.encode(), headers={"X-Content-Type-Options": "nosniff"})

    # --- reading ---

    def parse(self, incoming: Incoming, connection: Connection) -> list[Arrival]:
        # An empty id is no id: what was sent twice must stay two things.
        unnamed = fingerprint(
            incoming.body,
            incoming.header("x-slack-request-timestamp").encode(errors="replace"),
            incoming.header("x-slack-signature").encode(errors="replace"),
        )
        if incoming.content_type == FORM_TYPE:
            return pressed_or_commanded(incoming, connection, unnamed)
        return [event(incoming, connection, unnamed)]

    # --- replying ---

    def outgoing(
        self, text: str, *, to: Recipient, connection: Connection, credential: Mapping[str, str], part: int = 0
    ) -> Outgoing:
        return post(text, to=to, credential=credential)

    def sent(self, status: int, body: bytes) -> Sent:
        return read_answer(status, body)

    def media(self, attachment: Mapping[str, Any], credential: Mapping[str, str]) -> Outgoing | None:
        return fetch(attachment, credential)
