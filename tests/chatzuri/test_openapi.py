"""The API document: complete, valid, and readable without the internet."""

import re
from typing import Any

import pytest
import yaml
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

pytestmark = pytest.mark.django_db


@pytest.fixture
def document(tmp_path: Any) -> dict[str, Any]:
    """Fails where drf-spectacular has an error or a mere warning, or where the result is not OpenAPI."""
    file = tmp_path / "schema.yml"
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(file))
    return yaml.safe_load(file.read_text())


def routes(patterns: Any, prefix: str = "") -> Any:
    for entry in patterns:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from routes(entry.url_patterns, route)
        elif isinstance(entry, URLPattern):
            yield "/" + re.sub(r"<\w+:(\w+)>", r"{\1}", route)


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(path, operation) for path, methods in document["paths"].items() for operation in methods.values()]


def test_every_route_is_described(document):
    """But for what providers and visitors' browsers call: they follow contracts of their own."""
    ours = {route for route in routes(get_resolver().url_patterns) if route.startswith("/api/v1/")}
    theirs = {route for route in ours if "/chat/website/" in route or "P<slug>" in route}
    assert set(document["paths"]) == ours - theirs - {"/api/v1/schema"}
    assert len(theirs) > 4


def test_every_operation_has_words_a_key_and_its_problems(document):
    for path, operation in operations(document):
        assert operation["summary"], operation
        assert operation["description"], operation
        assert operation["security"] == [{"TeamApiKey": []}]
        expected = {"401"} | ({"400"} if "requestBody" in operation else set()) | ({"404"} if "{" in path else set())
        for status in expected:
            assert "application/problem+json" in operation["responses"][status]["content"], (path, status)
    assert document["components"]["securitySchemes"]["TeamApiKey"]["scheme"] == "bearer"


def test_the_stream_is_described(document):
    chat = document["paths"]["/api/v1/agents/{agent_id}/chat"]["post"]
    assert set(chat["responses"]["200"]["content"]) == {"application/json", "text/event-stream"}


def test_examples_of_custom_actions_are_shown(document):
    tested = document["paths"]["/api/v1/actions/{action_id}/test"]["post"]["responses"]
    assert {"200", "202", "404", "422", "429"} <= set(tested)
    assert tested["200"]["content"]["application/json"]["examples"]["ItReturned"]["value"]["outcome"] == "returned"
    called = document["paths"]["/api/v1/agents/{agent_id}/tools/{name}/calls"]["post"]["responses"]
    assert called["202"]["content"]["application/json"]["examples"]["WaitsForApproval"]["value"]["status"] == "held"
    assert "429" in called


def test_no_document_shows_a_secret(document):
    """`values` and masks of credentials have no place in any shape."""
    credential = document["components"]["schemas"]["CredentialLine"]["properties"]
    assert set(credential) == {"id", "name", "kind", "fields", "hosts", "is_readable"}


def test_the_document_and_its_page_are_served_without_a_key():
    schema = Client().get("/api/v1/schema")
    assert schema.status_code == 200
    assert schema["Content-Type"].startswith("application/vnd.oai.openapi")


def test_the_page_asks_nobody_else_for_anything():
    page = Client().get("/api/docs")
    text = page.content.decode()
    loaded = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert page.status_code == 200
    assert len(loaded) >= 3
    for address in loaded:
        assert address.startswith("/static/"), address
        assert finders.find(address.removeprefix("/static/")), address
    assert "https://" not in text
