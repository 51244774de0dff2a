"""Instagram: direct messages to a professional account."""

from collections.abc import Mapping
from typing import Any

from channels_inbound.adapters.base import Connection, Outgoing, Recipient, SecretField, Setting, split
from channels_inbound.adapters.meta import GRAPH, SECRETS, post, token_of
from channels_inbound.adapters.meta_messaging import Messaging

INSTAGRAM_GRAPH = "https://graph.instagram.com/v25.0"
# Tokens of people who logged in with Instagram itself begin so; those of a page that the account is linked to do not.
_OF_INSTAGRAM = "IG"
TEXT_BYTES = 1000


class Instagram(Messaging):
    kind = "instagram"
    title = "Instagram"
    conversation_channel = "instagram"
    product = "instagram"
    owner = "account_id"
    id_type = "igsid"
    settings = (
        Setting(
            name="account_id",
            label="Account ID",
            help="The ID of the professional account, a long number that begins with 17841. It is not its name.",
            example="17841405309211844",
        ),
    )
    secrets = (
        SecretField(
            name="app_secret",
            label="App secret",
            help="With Instagram login the Instagram app secret; with a linked page the one under App settings, Basic.",
        ),
        *SECRETS[1:],
    )
    credential_kind = "instagram"
    steps = (
        "In Meta's dashboard for developers open your app, and in it Instagram, then the setup of the API.",
        "Under webhooks paste {url} as callback URL and the verify token from here, and choose Verify and save.",
        "Subscribe to messages, messaging_postbacks, messaging_seen, message_reactions and message_edit there.",
        "Allow access to messages in the app of Instagram, under Settings, Messages, Connected tools.",
        "Copy the app secret and the ID of your account, and enter both here.",
        "Make an access token and store it as the credential that sends replies.",
    )
    text_limit = TEXT_BYTES
    links = {
        "App dashboard": "https://developers.facebook.com/apps/",
        "Setting up webhooks": "https://developers.facebook.com/documentation/instagram-platform/webhooks",
    }

    def parts(self, text: str) -> list[str]:
        """Instagram counts bytes."""
        pieces, rest = [], text.strip()
        while len(_bytes(rest)) > TEXT_BYTES:
            fits = len(_bytes(rest)[:TEXT_BYTES].decode(errors="ignore"))
            head = split(rest, fits)[0]
            pieces.append(head)
            rest = rest[len(head) :].lstrip()
        return [*pieces, rest] if rest or not pieces else pieces

    def outgoing(
        self, text: str, *, to: Recipient, connection: Connection, credential: Mapping[str, str], part: int = 0
    ) -> Outgoing:
        token = token_of(credential, self.title)
        if not to.address:
            raise ValueError("There is nobody to answer to.")
        content: dict[str, Any] = {"recipient": {"id": to.address}, "message": {"text": text}}
        if token.startswith(_OF_INSTAGRAM):
            return post(f"{INSTAGRAM_GRAPH}/me/messages", token, content)
        return post(f"{GRAPH}/me/messages", token, content | {"messaging_type": "RESPONSE"})


def _bytes(text: str) -> bytes:
    return text.encode(errors="replace")
