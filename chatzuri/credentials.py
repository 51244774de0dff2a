"""The kinds of credential and the fields each one asks for. A literal: read it, grep it, diff it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator


@dataclass(frozen=True)
class CredentialField:
    """One value of a credential. `is_secret` decides whether it is masked; every value is encrypted all the same."""

    name: str
    label: str
    is_secret: bool = True
    is_required: bool = True
    help: str = ""


@dataclass(frozen=True)
class CredentialKind:
    """`fields` is empty for the generic kind, whose names the user chooses. `has_profile`: contract for providers.

    `hosts` are the provider's own: code that holds the credential may send its secrets there and nowhere else.
    """

    label: str
    fields: tuple[CredentialField, ...] = field(default=())
    has_profile: bool = False
    hosts: tuple[str, ...] = ()


KINDS: dict[str, CredentialKind] = {
    "webhook": CredentialKind(
        "Webhook",
        (
            CredentialField("webhook_url", "Webhook URL", is_secret=False, help="Where the call goes."),
            CredentialField(
                "secret",
                "Shared secret",
                is_required=False,
                help="Endpoints send it as X-Webhook-Secret; a custom action only where its code does so.",
            ),
        ),
    ),
    "http_api_key": CredentialKind("API key", (CredentialField("api_key", "API key"),)),
    "http_bearer_token": CredentialKind("Bearer token", (CredentialField("bearer_token", "Bearer token"),)),
    "http_basic_auth": CredentialKind(
        "Basic authentication",
        (
            CredentialField("username", "User name", is_secret=False),
            CredentialField("password", "Password"),
            CredentialField("api_url", "API address", is_secret=False, is_required=False),
        ),
    ),
    "stripe": CredentialKind(
        "Stripe", (CredentialField("secret_key", "Secret key"),), has_profile=True, hosts=("api.stripe.com",)
    ),
    # What replies of channels are sent with. Without a profile: sending messages is all they are for.
    "whatsapp": CredentialKind(
        "WhatsApp Business",
        (CredentialField("access_token", "Access token", help="A permanent token of a system user."),),
        hosts=("graph.facebook.com",),
    ),
    "messenger": CredentialKind(
        "Facebook Messenger",
        (CredentialField("access_token", "Page access token"),),
        hosts=("graph.facebook.com",),
    ),
    "instagram": CredentialKind(
        "Instagram",
        (CredentialField("access_token", "Access token"),),
        hosts=("graph.facebook.com", "graph.instagram.com"),
    ),
    "mailgun": CredentialKind(
        "Mailgun",
        (CredentialField("api_key", "API key", help="A sending key of the domain is enough."),),
        hosts=("api.mailgun.net", "api.eu.mailgun.net"),
    ),
    "telegram": CredentialKind(
        "Telegram",
        (CredentialField("bot_token", "Bot token", help="What BotFather gave you."),),
        hosts=("api.telegram.org",),
    ),
    "slack": CredentialKind(
        "Slack",
        (CredentialField("bot_token", "Bot token", help="It begins with xoxb-."),),
        hosts=("slack.com",),
    ),
    "twilio": CredentialKind(
        "Twilio",
        (
            CredentialField("account_sid", "Account SID", is_secret=False),
            CredentialField("auth_token", "Auth token"),
        ),
        hosts=("api.twilio.com",),
    ),
    "infobip": CredentialKind(
        "Infobip",
        (
            CredentialField("api_key", "API key"),
            CredentialField("api_url", "Base address", is_secret=False, help="https://xxxxx.api.infobip.com"),
        ),
    ),
    "sozuri": CredentialKind(
        "Sozuri",
        (
            CredentialField("api_key", "API key"),
            CredentialField("project", "Project", is_secret=False),
        ),
        hosts=("sozuri.net",),
    ),
    "notion": CredentialKind(
        "Notion", (CredentialField("access_token", "Access token"),), has_profile=True, hosts=("api.notion.com",)
    ),
    "hubspot": CredentialKind(
        "HubSpot", (CredentialField("access_token", "Access token"),), has_profile=True, hosts=("api.hubapi.com",)
    ),
    "airtable": CredentialKind(
        "Airtable", (CredentialField("access_token", "Access token"),), has_profile=True, hosts=("api.airtable.com",)
    ),
    "generic": CredentialKind("Other provider", has_profile=True),
}


def kind_choices() -> list[tuple[str, str]]:
    """Callable, so that a new kind is not a migration."""
    return [(name, kind.label) for name, kind in KINDS.items()]


def field_of(kind: str, name: str) -> CredentialField:
    """The declared field, or a secret one of that name: what we do not know is treated as secret."""
    known = {f.name: f for f in KINDS[kind].fields} if kind in KINDS else {}
    return known.get(name, CredentialField(name, name.replace("_", " ").capitalize()))


# What a profile means for requests: looking up is reading, removing needs full access.
METHODS: dict[str, tuple[str, ...]] = {
    "read_only": ("GET", "HEAD", "OPTIONS"),
    "read_write": ("GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"),
    "full_access": ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"),
}
# The fields that hold an address: a secret beside one may be sent to its host.
ADDRESSES = ("webhook_url", "api_url")


_WELL_FORMED = URLValidator(schemes=["http", "https"])


def check_address(address: str) -> None:
    """Whether it is written like an address at all; sending looks closer. Raises ValidationError, a sentence."""
    try:
        _WELL_FORMED(address)
        parts = urlsplit(address)
    except (ValidationError, ValueError):
        raise ValidationError("Write a whole address with its host, like https://example.com/hook.") from None
    if parts.username is not None:
        raise ValidationError("Write the address without user name and password before its host.")


def hosts_of(kind: str, values: Mapping[str, str], typed: str = "") -> frozenset[str]:
    """The hosts that a credential's secrets may be sent to: its provider's, those of its addresses, those typed."""
    named = [_host_of(values[name]) for name in ADDRESSES if values.get(name)]
    known = KINDS[kind].hosts if kind in KINDS else ()
    return frozenset(host.casefold() for host in (*known, *named, *typed.split()) if host)


def _host_of(address: str) -> str:
    """Empty for what is no address: nothing may be sent there anyway."""
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def tail_of(address: str) -> str:
    """Path and query of an address where they are long enough to be a key: that of a Slack hook is one."""
    _, _, rest = address.partition("//")
    _, slash, tail = rest.partition("#")[0].partition("/")
    return slash + tail if len(slash + tail) >= 16 else ""


def mask(value: str) -> str:
    """Eight dots and the last four characters; short values show nothing of themselves."""
    return "•" * 8 + (value[-4:] if len(value) >= 12 else "")
