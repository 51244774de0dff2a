"""What django-unfold shows around every page: name, colour, sidebar, the teams to switch between."""

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse

# Group → (title, icon, model); a model shows where its admin lets the reader in.
SIDEBAR = (
    (
        "Agents",
        (
            ("Agents", "smart_toy", "agents.agent"),
            ("Custom actions", "code_blocks", "agents.customaction"),
            ("Trigger rules", "rule", "agents.triggerrule"),
            ("Conversations", "forum", "agents.conversation"),
            ("Tool calls", "bolt", "agents.toolcall"),
            ("Action runs", "terminal", "agents.actionrun"),
        ),
    ),
    (
        "Channels",
        (
            ("Channels", "hub", "channels_inbound.channel"),
            ("Inbound requests", "move_to_inbox", "channels_inbound.inboundrequest"),
        ),
    ),
    (
        "Audience",
        (
            ("Customers", "person", "agents.customer"),
            ("Segments", "groups", "agents.segment"),
            ("Word lists", "match_word", "agents.wordlist"),
        ),
    ),
    (
        "Deliveries",
        (
            ("Deliveries", "send", "webhooks.delivery"),
            ("Endpoints", "webhook", "webhooks.endpoint"),
            ("Events", "event_note", "webhooks.event"),
            ("Inspector", "pest_control", "webhooks.bin"),
        ),
    ),
    (
        "Team",
        (
            ("Members", "group", "chatzuri.membership"),
            ("Credentials", "key", "chatzuri.credential"),
            ("API keys", "vpn_key", "chatzuri.apikey"),
            ("Team settings", "settings", "chatzuri.team"),
        ),
    ),
)


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    groups: list[dict[str, Any]] = [{"items": [{"title": "Home", "icon": "home", "link": reverse("admin:index")}]}]
    for title, entries in SIDEBAR:
        items = [_item(request, *entry) for entry in entries]
        groups.append({"title": title, "items": [item for item in items if item]})
    return groups


def _item(request: HttpRequest, title: str, icon: str, label: str) -> dict[str, Any] | None:
    from django.contrib import admin

    for model, model_admin in admin.site._registry.items():
        if model._meta.label_lower == label and model_admin.has_view_permission(request):
            link = reverse(f"admin:{label.replace('.', '_')}_changelist")
            return {"title": title, "icon": icon, "link": link}
    return None


def around_every_page(request: HttpRequest) -> dict[str, Any]:
    """The current team and the ones to switch to."""
    from chatzuri.models import Team

    if not request.user.is_authenticated:
        return {}
    teams = Team.objects.open_to(request.user).order_by("name")[:200]
    return {"team": getattr(request, "team", None), "teams": teams}


def environment(request: HttpRequest) -> list[str] | None:
    from django.conf import settings

    return ["Development", "warning"] if settings.DEBUG else None


def _static(path: str) -> Any:
    return lambda request: static(path)


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Chatzuri",
    "SITE_HEADER": "Chatzuri",
    "SITE_URL": None,
    "SITE_ICON": _static("chatzuri/mark.svg"),
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": _static("chatzuri/mark.svg")}],
    "SHOW_VIEW_ON_SITE": False,
    "ENVIRONMENT": "chatzuri.unfold.environment",
    "GLOBAL_CALLBACK": "chatzuri.unfold.around_every_page",
    "STYLES": [_static("chatzuri/admin.css")],
    "SCRIPTS": [_static("chatzuri/admin.js")],
    "DASHBOARD_CALLBACK": "agents.dashboard.callback",
    "SIDEBAR": {"navigation": "chatzuri.unfold.navigation"},
    "COLORS": {
        "primary": {
            "50": "oklch(97.5% .015 190)",
            "100": "oklch(94% .04 190)",
            "200": "oklch(88% .075 190)",
            "300": "oklch(80% .11 190)",
            "400": "oklch(70% .115 190)",
            "500": "oklch(60% .105 190)",
            "600": "oklch(48% .085 192)",
            "700": "oklch(42% .075 193)",
            "800": "oklch(37% .062 195)",
            "900": "oklch(32% .05 197)",
            "950": "oklch(24% .04 200)",
        }
    },
}
