"""The chat widget on a team's own website. Our own script speaks to us: sessions prove themselves, not secrets."""

from channels_inbound.adapters.base import (
    Adapter,
    Arrival,
    Connection,
    Incoming,
    NotAuthentic,
    SecretField,
    Setting,
    Verified,
)


class Website(Adapter):
    """Messages of the widget come over its own API (`channels_inbound/widget`), never as a provider's request.

    What its settings mean, and what counts where one is empty or wrong, is read in `widget/appearance.py`.
    """

    kind = "website"
    title = "Website widget"
    aliases = ("widget",)
    conversation_channel = "website"
    settings = (
        Setting(
            name="domains",
            label="Allowed domains",
            help="Host names of your pages, one a line and each exactly as in the address: example.com does not stand "
            "for www.example.com. Empty: any page may show the widget.",
            is_required=False,
            example="www.example.com",
            pattern=r"[\w.-]+(?::\d+)?(?:[\s,;]+[\w.-]+(?::\d+)?)*",
        ),
        Setting(
            name="title",
            label="Title",
            help="Stands at the top of the chat, and names its button. Empty: Chat with us.",
            is_required=False,
            example="Questions? Ask us",
        ),
        Setting(
            name="greeting",
            label="Greeting",
            help="The first line that a visitor reads. Empty: the greeting of the agent.",
            is_required=False,
            example="Hello! How can I help?",
        ),
        Setting(
            name="colour",
            label="Colour",
            help="Of the button and of what the visitor says, as # and six digits. The text on it becomes black or "
            "white, whichever can be read. Empty: the colour of Chatzuri.",
            is_required=False,
            example="#0f766e",
            pattern=r"#[0-9A-Fa-f]{6}",
        ),
        Setting(
            name="position",
            label="Position",
            help="The lower corner of the window. Empty: right.",
            is_required=False,
            example="right",
            choices=(("", "right, unless chosen"), ("right", "right"), ("left", "left")),
        ),
        Setting(
            name="rate_limit",
            label="Messages a minute",
            help="How many messages one visitor, and one internet address, may send within 60 seconds. 0 switches the "
            "limit off. Empty: 20.",
            is_required=False,
            example="20",
            pattern=r"[0-9]{1,6}",
        ),
        Setting(
            name="rate_limit_message",
            label="Text for too many messages",
            help="What a visitor reads when a message is over the limit. It is not stored, and the agent is not asked.",
            is_required=False,
            example="You write faster than we can answer. Please wait a moment.",
        ),
        Setting(
            name="offline_text",
            label="Text while nobody answers",
            help="What visitors read while the agent is switched off.",
            is_required=False,
            example="We are closed. Write to help@example.com and we will answer tomorrow.",
        ),
    )
    secrets = (
        SecretField(
            name="identity_secret",
            label="Identity secret",
            help="Only needed if your site tells the widget who is logged in: your server proves it with this secret. "
            "Never put it into a page.",
            is_required=False,
            is_made_here=True,
        ),
    )
    steps = (
        "Paste the script tag that is shown below into your pages, just before the end of the body.",
        "Enter the host names of these pages as allowed domains, so that nobody else can show your agent.",
        "If your pages have a content security policy, allow the address of the script in script-src and connect-src.",
        "Open one of the pages and say hello.",
    )

    def verify(self, incoming: Incoming, connection: Connection) -> Verified:
        raise NotAuthentic("widget_only")

    def parse(self, incoming: Incoming, connection: Connection) -> list[Arrival]:
        return []
