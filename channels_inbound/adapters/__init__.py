"""The providers we speak with. A literal: what is not in it does not exist."""

from channels_inbound.adapters.base import Adapter, Connection, Secret
from channels_inbound.adapters.generic import Generic
from channels_inbound.adapters.infobip import Infobip
from channels_inbound.adapters.instagram import Instagram
from channels_inbound.adapters.mailgun import Mailgun
from channels_inbound.adapters.messenger import Messenger
from channels_inbound.adapters.slack import Slack
from channels_inbound.adapters.sozuri import Sozuri
from channels_inbound.adapters.stripe import Stripe
from channels_inbound.adapters.telegram import Telegram
from channels_inbound.adapters.twilio import Twilio
from channels_inbound.adapters.website import Website
from channels_inbound.adapters.whatsapp import WhatsApp

ADAPTERS: dict[str, Adapter] = {
    adapter.kind: adapter
    for adapter in (
        Website(),
        WhatsApp(),
        Mailgun(),
        Stripe(),
        Telegram(),
        Slack(),
        Messenger(),
        Instagram(),
        Twilio(),
        Infobip(),
        Sozuri(),
        Generic(),
    )
}
# What may stand in the address instead of the kind.
SLUGS: dict[str, Adapter] = {
    slug: adapter for adapter in ADAPTERS.values() for slug in (adapter.kind, *adapter.aliases)
}


def kind_choices() -> list[tuple[str, str]]:
    """Callable, so that a new provider is not a migration."""
    return [(adapter.kind, adapter.title) for adapter in ADAPTERS.values()]


__all__ = ["ADAPTERS", "SLUGS", "Adapter", "Connection", "Secret", "kind_choices"]
