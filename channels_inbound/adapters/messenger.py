"""Facebook Messenger: what people write to a page."""

from collections.abc import Mapping
from urllib.parse import quote

from channels_inbound.adapters.base import Connection, Outgoing, Recipient, Setting
from channels_inbound.adapters.meta import GRAPH, post, token_of
from channels_inbound.adapters.meta_messaging import Messaging


class Messenger(Messaging):
    kind = "messenger"
    title = "Facebook Messenger"
    aliases = ("facebook",)
    conversation_channel = "messenger"
    product = "page"
    owner = "page_id"
    id_type = "psid"
    settings = (
        Setting(
            name="page_id",
            label="Page ID",
            help="On your page under About, Page transparency.",
            example="102290129340398",
        ),
    )
    credential_kind = "messenger"
    steps = (
        "In Meta's dashboard for developers open your app, and in it Messenger, then Settings.",
        "Under webhooks paste {url} as callback URL and the verify token from here, and choose Verify and save.",
        "Add your page there and subscribe it to messages, messaging_postbacks, message_deliveries, message_reads, "
        "message_reactions and message_edits.",
        "Copy the app secret under App settings, Basic, and enter it here together with the ID of your page.",
        "Make an access token of the page and store it as the credential that sends replies.",
    )
    text_limit = 2000
    links = {
        "App dashboard": "https://developers.facebook.com/apps/",
        "Setting up webhooks": "https://developers.facebook.com/documentation/business-messaging/messenger-platform/webhooks",
    }

    def outgoing(
        self, text: str, *, to: Recipient, connection: Connection, credential: Mapping[str, str], part: int = 0
    ) -> Outgoing:
        token = token_of(credential, self.title)
        if not to.address:
            raise ValueError("There is nobody to answer to.")
        message: dict[str, str] = {"text": text}
        if to.message_id:
            # It comes back in the echo of this message.
            message["metadata"] = to.message_id
        content = {"recipient": {"id": to.address}, "messaging_type": "RESPONSE", "message": message}
        page = quote(connection.setting("page_id") or "me", safe="")
        return post(f"{GRAPH}/{page}/messages", token, content)
