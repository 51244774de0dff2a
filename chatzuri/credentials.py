"""The kinds of credential and the fields each one asks for. A literal: read it, grep it, diff it."""

from dataclasses import dataclass, field


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
    """`fields` is empty for the generic kind, whose names the user chooses. `has_profile`: contract for providers."""

    label: str
    fields: tuple[CredentialField, ...] = field(default=())
    has_profile: bool = False


KINDS: dict[str, CredentialKind] = {
    "webhook": CredentialKind(
        "Webhook",
        (
            CredentialField("webhook_url", "Webhook URL", is_secret=False, help="Where the call goes."),
            CredentialField(
                "secret", "Shared secret", is_required=False, help="Sent as X-Webhook-Secret. Leave empty for none."
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
    "stripe": CredentialKind("Stripe", (CredentialField("secret_key", "Secret key"),), has_profile=True),
    "notion": CredentialKind("Notion", (CredentialField("access_token", "Access token"),), has_profile=True),
    "generic": CredentialKind("Other provider", has_profile=True),
}


def kind_choices() -> list[tuple[str, str]]:
    """Callable, so that a new kind is not a migration."""
    return [(name, kind.label) for name, kind in KINDS.items()]


def field_of(kind: str, name: str) -> CredentialField:
    """The declared field, or a secret one of that name: what we do not know is treated as secret."""
    known = {f.name: f for f in KINDS[kind].fields} if kind in KINDS else {}
    return known.get(name, CredentialField(name, name.replace("_", " ").capitalize()))


def mask(value: str) -> str:
    """Eight dots and the last four characters; short values show nothing of themselves."""
    return "•" * 8 + (value[-4:] if len(value) >= 12 else "")
