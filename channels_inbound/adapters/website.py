"""The chat widget on a team's own website. Our own script speaks to us: sessions prove themselves, not secrets."""

from channels_inbound.adapters.base import Adapter, Arrival, Connection, Incoming, NotAuthentic, Setting, Verified


class Website(Adapter):
    """Messages of the widget come over its own API (`channels_inbound/widget`), never as a provider's request."""

    kind = "website"
    title = "Website widget"
    aliases = ("widget",)
    conversation_channel = "website"
    settings = (
        Setting(
            name="domains",
            label="Allowed domains",
            help="Host names of your pages, one a line. Empty: any page may show the widget.",
            is_required=False,
            example="www.example.com",
        ),
    )
    steps = ("Paste the script tag that is shown below into your pages, just before the end of the body.",)

    def verify(self, incoming: Incoming, connection: Connection) -> Verified:
        raise NotAuthentic("widget_only")

    def parse(self, incoming: Incoming, connection: Connection) -> list[Arrival]:
        return []
