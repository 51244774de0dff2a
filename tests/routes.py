"""Every route of the product, from the URL resolver, so that a new page cannot be forgotten."""

import re
from collections.abc import Iterator
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

# Asked by providers and by visitors' browsers, who prove themselves otherwise: no key of a team opens or closes them.
WITHOUT_KEY = re.compile(r"api/v1/(\^agents/\(\?P<agent_id>.*slug|agents/<str:agent_id>/chat/website/)")


def routes(patterns: Any = None, prefix: str = "") -> Iterator[str]:
    for entry in get_resolver().url_patterns if patterns is None else patterns:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from routes(entry.url_patterns, route)
        elif isinstance(entry, URLPattern):
            yield route


def admin_pages(rows: dict[str, Any]) -> Iterator[str]:
    """Every admin route with an argument, filled with the id of the row of that model."""
    for route in routes():
        if not route.startswith("admin/") or "<" not in route:
            continue
        found = re.match(r"admin/(?:chatzuri|webhooks|agents|channels_inbound)/(\w+)/", route)
        if found is None:
            continue
        row = rows.get(found[1])
        assert row is not None, f"{route}: this test has no row of {found[1]}; give it one"
        yield "/" + re.sub(r"<[^>]+>", str(row.pk), route)


def api_paths(rows: dict[str, Any]) -> list[str]:
    values = {
        "agent_id": rows["agent"].public_id,
        "delivery_id": rows["delivery"].public_id,
        "turn_id": rows["turn"].public_id,
        "name": "webhook_trigger",
        "call_id": rows["toolcall"].public_id,
        "action_id": rows["customaction"].public_id,
        "run_id": rows["actionrun"].public_id,
        "number": "1",
        "conversation_id": rows["conversation"].public_id,
        "customer_id": rows["customer"].public_id,
        "escalation_id": rows["escalation"].public_id,
        "lead_id": rows["lead"].public_id,
        "message_id": rows["message"].public_id,
        "channel_id": rows["channel"].public_id,
        "request_id": rows["inboundrequest"].public_id,
    }
    paths = []
    for route in [r for r in routes() if r.startswith("api/v1/") and "<" in r and not WITHOUT_KEY.match(r)]:
        names = re.findall(r"<(?:\w+:)?(\w+)>", route)
        unknown = [name for name in names if name not in values and name != "unknown"]
        assert not unknown, f"{route}: this test does not know {unknown}"
        if "unknown" not in names:
            paths.append("/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda found: values[found[1]], route))
    return paths
