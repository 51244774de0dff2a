"""Twenty planted secrets, one whole run of the product, and a search in everything it says or leaves behind.

Receiver and language model are nasty: they echo what they were sent. Searched: worker log, web log, every command that
Redis got, API answers, every admin page, error pages.
"""

import base64
import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.db import transaction
from django.test import Client
from django.utils import timezone

from agents import running
from agents.models import ActionRun, Conversation, Escalation, Lead, ToolCall, Turn
from channels_inbound import receiving, samples
from channels_inbound.models import Reply
from chatzuri.models import ApiKey, Credential, Membership
from tests.agents.scripted_model import Answers, ScriptedModel, calls, says
from tests.channels_inbound.providers import make_channel
from tests.factories import (
    PASSWORD,
    install,
    make_action,
    make_agent,
    make_api_key,
    make_bin,
    make_credential,
    make_delivery,
    make_endpoint,
    make_team,
    make_tool,
    make_user,
)
from tests.receiver import Receiver
from tests.routes import admin_pages, api_paths, routes
from tests.test_wall import rule_rows
from webhooks.models import Delivery, Replay

pytestmark = pytest.mark.django_db(transaction=True)

VALUES = {
    "webhook": {"webhook_url": "https://receiver.example/hooks/planted-url-01", "secret": "planted-shared-02"},
    "http_api_key": {"api_key": "planted-api-key-03"},
    "http_bearer_token": {"bearer_token": "planted-bearer-04"},
    "http_basic_auth": {"username": "someone", "password": "planted-basic-05", "api_url": "https://a.example/"},
    "stripe": {"secret_key": "planted-stripe-06"},
    "notion": {"access_token": "planted-notion-07"},
    "generic": {"token": "planted-generic-08", "other": "planted-generic-09"},
}
MODEL_KEY = "planted-model-key-10"
QUERY_TOKEN = "planted-query-11"
HEADER_VALUE = "planted-header-12"
CHANNEL_KEY = "planted-channel-13"
CHANNEL_SECRET = "whsec_cGxhbnRlZC1jaGFubmVsLXNlY3JldC1udW1iZXItMTQ="


class EchoingReceiver(Receiver):
    """Sends every header and the body of a request back to whoever sent it."""

    def _handler(self) -> Any:
        plain = super()._handler()
        receiver = self

        class Handler(plain):  # type: ignore[valid-type, misc]
            def respond(self) -> None:
                receiver.body = repr(dict(self.headers)).encode()
                super().respond()

            do_POST = respond

        return Handler


@pytest.fixture
def commands(settings: Any) -> Iterator[list[str]]:
    """Every command Redis gets while the test runs: task arguments and answers travel here."""
    seen: list[str] = []
    monitor = redis.Redis.from_url(settings.REDIS_URL, retry=None).monitor()

    def listen() -> None:
        try:
            for command in monitor.listen():
                seen.append(str(command["command"]))
        except (redis.RedisError, ValueError, AttributeError, OSError):
            return  # closed at the end of the test

    with monitor:
        threading.Thread(target=listen, daemon=True).start()
        yield seen


def test_planted_secrets_appear_nowhere(start_worker, commands, settings, caplog):
    caplog.set_level(logging.DEBUG)
    receiver, model = EchoingReceiver(), ScriptedModel()
    settings.INSPECTOR_ORIGIN, settings.LANGUAGE_MODEL_ORIGINS = receiver.origin, [model.origin]
    worker = start_worker(inspector_origin=receiver.origin, LANGUAGE_MODEL_ORIGINS=model.origin)
    rows = plant(receiver, model)
    secrets = planted(rows, settings)
    assert len(secrets) >= 20

    said = {"API answers": "\n".join(run_through(rows, receiver, model))}
    said["pages"] = "\n".join(read_pages(rows))
    said["worker log"] = worker.log.read_text()
    said["web log"] = caplog.text
    said["Redis"] = "\n".join(commands)
    receiver.stop(), model.stop()
    for place, text in said.items():
        assert len(text) > 200, f"{place}: there is nothing to search in"
        found = [name for name, secret in secrets.items() if secret in text]
        assert found == [], f"{place} shows {found}"


def plant(receiver: Receiver, model: ScriptedModel) -> dict[str, Any]:
    team = make_team()
    kept = {kind: make_credential(team=team, kind=kind, values=values) for kind, values in VALUES.items()}
    endpoint = make_endpoint(team=team, url=receiver.url, credential=kept["webhook"])
    endpoint.replace_headers({"Authorization": f"Bearer {HEADER_VALUE}"})
    endpoint.rotate_signing_secret(keep_for=timedelta(hours=1))
    agent = make_agent(team=team, brain="llm", llm_base_url=model.url, llm_model="scripted-1", llm_api_key=MODEL_KEY)
    make_endpoint(team=team, url=f"{receiver.url}?key={QUERY_TOKEN}", name="with a token")
    return {
        "team": team,
        "user": make_user(team=team),
        "membership": Membership.objects.get(team=team),
        "key": make_api_key(team=team),
        "old key": make_api_key(team=team),
        "apikey": ApiKey.objects.first(),
        "agent": agent,
        "endpoint": endpoint,
        "tool": make_tool(agent=agent, endpoint=endpoint),
        "credential": kept["stripe"],
        "bin": make_bin(team=team),
    }


def planted(rows: dict[str, Any], settings: Any) -> dict[str, str]:
    values = {f"{kind}.{name}": value for kind, fields in VALUES.items() for name, value in fields.items()}
    values = {name: value for name, value in values.items() if "planted" in value}
    endpoints = rows["team"].endpoints.order_by("pk")
    values |= {f"signing secret {n}": endpoint.signing_secret for n, endpoint in enumerate(endpoints)}
    values |= {
        "model key": MODEL_KEY,
        "query token": QUERY_TOKEN,
        "custom header": HEADER_VALUE,
        "a provider's key": CHANNEL_KEY,
        "a channel's signing secret": CHANNEL_SECRET,
        "previous signing secret": rows["endpoint"].previous_secret,
        "API key": rows["key"],
        "second API key": rows["old key"],
        "password": PASSWORD,
        "password hash": rows["user"].password,
        "SECRET_KEY": settings.SECRET_KEY,
        "encryption key": base64.b64encode(settings.FIELD_ENCRYPTION_KEYS[0][1]).decode(),
        "database ciphertext": str.__str__(Credential.objects.get(pk=rows["credential"].pk).__dict__["values"]),
        "database address": settings.DATABASES["default"]["PASSWORD"] or "no database password is set in this run",
    }
    return values


def run_through(rows: dict[str, Any], receiver: Receiver, model: ScriptedModel) -> Iterator[str]:
    """Chat, failures of the model, a tool call, and reading it all back over the API."""
    client = Client(headers={"Authorization": f"Bearer {rows['key']}"}, raise_request_exception=False)
    chat = f"/api/v1/agents/{rows['agent'].public_id}/chat"
    echo = Answers(status=401, body=f'{{"error": {{"message": "bad key {MODEL_KEY}"}}}}')
    for script in ([calls({"payload": {"hello": 1}}), says("Sent.")], [echo], [Answers(status=500, body=MODEL_KEY)]):
        model.plays(*script)
        yield text_of(client.post(chat, {"message": "hi", "user_id": "ann"}, content_type="application/json"))
    assert receiver.requests, "the product did not send anything"
    rows["conversation"] = Conversation.objects.get()
    rows["customer"] = rows["conversation"].customer
    rows["turn"] = Turn.objects.order_by("pk").first()
    rows["toolcall"] = ToolCall.objects.get()
    rows["delivery"] = Delivery.objects.get()
    rows["actionrun"] = run_leaky_action(rows, receiver)
    rows["customaction"] = rows["actionrun"].action
    rows["event"] = rows["delivery"].event
    rows["replay"] = Replay.objects.create(
        team=rows["team"], endpoint=rows["endpoint"], accepted_from=timezone.now(), accepted_to=timezone.now()
    )
    rows["message"] = rows["conversation"].messages.order_by("pk").first()
    rows["lead"] = Lead.objects.create(agent=rows["agent"], customer=rows["customer"])
    rows["escalation"] = Escalation.objects.create(conversation=rows["conversation"], trigger="api")
    rows |= rule_rows(rows["agent"], rows["event"])
    make_delivery(endpoint=rows["team"].endpoints.get(name="with a token"))
    rows |= messages_come_in(rows["agent"], receiver)
    for path in api_paths(rows):
        yield text_of(client.get(path))
        yield text_of(client.post(path, {"arguments": {"payload": {}}}, content_type="application/json"))
        yield text_of(client.post(path, b"{broken", content_type="application/json"))
    yield text_of(client.get("/api/v1/deliveries"))
    yield text_of(client.get("/api/v1/schema"))


def messages_come_in(agent: Any, receiver: Receiver) -> dict[str, Any]:
    """One provider sends its secret inside of the body; another one's secret signs our replies. Forgeries come too."""
    sozuri = make_channel(agent=agent, kind="sozuri", secrets={"auth_key": CHANNEL_KEY})
    own = make_channel(
        agent=agent, kind="generic", secrets={"signing_secret": CHANNEL_SECRET}, settings={"reply_url": receiver.url}
    )
    kept = {}
    for channel in (sozuri, own):
        genuine = samples.sample(channel, "Hello, are you there?")
        kept[channel.kind] = receiving.receive(adapter=channel.adapter, channel=channel, incoming=genuine).request
        for forged in (replace(genuine, body=genuine.body[:-1]), replace(genuine, headers={}, body=b"{}")):
            receiving.receive(adapter=channel.adapter, channel=channel, incoming=forged)
    until = time.monotonic() + 20
    while Reply.objects.filter(state__in=("queued", "sending")).exists() or Reply.objects.count() < 2:
        assert time.monotonic() < until, "nobody answered"
        time.sleep(0.1)
    assert CHANNEL_KEY.encode() not in bytes(kept["sozuri"].body)
    return {"channel": sozuri, "inboundrequest": kept["sozuri"], "reply": Reply.objects.first()}


LEAKY = """
console.log('all of it', credentials, btoa(credentials.secret), encodeURIComponent(credentials.webhook_url));
const options = { method: 'POST', headers: { 'X-Secret': credentials.secret }, body: JSON.stringify(credentials) };
const r = await fetch(config.url + '?key=' + credentials.secret, options);
console.error(await r.text());
throw new Error(`${credentials.secret} and ${credentials.webhook_url}`);
"""


def run_leaky_action(rows: dict[str, Any], receiver: Receiver) -> ActionRun:
    """An action that says its credential in every way it has, and fetches from a receiver that echoes it."""
    team, credential = rows["team"], rows["endpoint"].credential
    Credential.objects.filter(pk=credential.pk).update(hosts="127.0.0.1")
    action = make_action(team=team, code=LEAKY)
    tool = install(action=action, agent=rows["agent"], credential=credential, config={"url": receiver.url})
    with transaction.atomic():
        run = running.accept(
            running.Wanted(
                team=team,
                action=action,
                version=action.current,
                tool=tool,
                credential=credential,
                config=tool.config,
                agent=tool.agent,
            )
        )
    done = running.wait(run, timeout=60)
    assert (done.kind, done.line) == ("thrown", 6)
    assert VALUES["webhook"]["secret"] in str(receiver.requests[-1].headers)
    return done


def read_pages(rows: dict[str, Any]) -> Iterator[str]:
    """Every page of the admin that the team's owner can open, and some that fail."""
    client = Client(raise_request_exception=False)
    client.force_login(rows["user"], backend="django.contrib.auth.backends.ModelBackend")
    lists = [f"/{route}" for route in routes() if route.startswith("admin/") and "<" not in route]
    shown = 0
    for path in [*lists, *admin_pages(rows), "/admin/nothing/", "/nothing"]:
        if "logout" in path:
            continue
        response = client.get(path)
        assert response.status_code < 500, f"{path} answered {response.status_code}"
        shown += response.status_code == 200
        yield text_of(response)
    assert shown > 25


def text_of(response: Any) -> str:
    body = b"".join(response.streaming_content) if response.streaming else response.content
    return f"{response.status_code} {response.headers} {body.decode(errors='replace')}"
