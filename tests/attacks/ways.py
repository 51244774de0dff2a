"""Every way in: where an address can be typed, and everything that sends to one that is stored.

A row is changed in the database behind the form's back, as a fixture, an import or an older release might have done it;
then something makes the product send. What counts is the delivery that comes of it.
"""

import html
import json
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.html import strip_tags

from agents import turns
from agents.models import Agent, ToolCall, Turn
from tests.agents.scripted_model import ScriptedModel, calls, says
from tests.factories import (
    make_agent,
    make_api_key,
    make_credential,
    make_delivery,
    make_endpoint,
    make_team,
    make_tool,
    make_user,
)
from tests.webhooks.fetches import complete, fetch, make_source
from webhooks import fetching, replaying, sending
from webhooks.models import Delivery, Endpoint

GOOD = "https://receiver.example/hook"


class House:
    """A team with an agent, a tool, an endpoint, and everybody who may press something."""

    def __init__(self, *, model: ScriptedModel | None = None) -> None:
        self.team = make_team()
        self.person = Client()
        self.user = make_user(team=self.team)
        self.person.force_login(self.user, backend="django.contrib.auth.backends.ModelBackend")
        self.program = Client(headers={"Authorization": f"Bearer {make_api_key(team=self.team)}"})
        self.model = model
        brain = {"brain": "llm", "llm_base_url": model.url, "llm_model": "scripted-1"} if model else {}
        self.agent = make_agent(team=self.team, **brain)
        self.endpoint = make_endpoint(team=self.team, url=GOOD)
        self.tool = make_tool(agent=self.agent, endpoint=self.endpoint, repeats="allow")

    def store(self, url: str) -> None:
        Endpoint.objects.filter(pk=self.endpoint.pk).update(url=url)
        self.endpoint.refresh_from_db()

    def press(self, page: str, *args: Any, **data: Any) -> Any:
        return self.person.post(reverse(f"admin:{page}", args=args), {"form_token": str(uuid.uuid4()), **data})

    @property
    def latest(self) -> Delivery:
        return Delivery.objects.select_related("attempt").order_by("-pk")[0]


# --- where an address is typed: returns the errors the person reads --------------------------------------------------


def create_endpoint(house: House, url: str) -> list[str]:
    return _errors(house.press("webhooks_endpoint_add", name=uuid.uuid4().hex, url=url), "adminform", "url")


def change_endpoint(house: House, url: str) -> list[str]:
    data = {"name": house.endpoint.name, "url": url}
    return _errors(house.press("webhooks_endpoint_change", house.endpoint.pk, **data), "adminform", "url")


def look_at_an_address(house: House, url: str) -> list[str]:
    page = house.person.get(reverse("admin:webhooks_endpoint_check"), {"url": url}).content.decode()
    return [html.unescape(strip_tags(page))]


def type_into_the_tool(house: House, url: str) -> list[str]:
    data = {"title": "Call back", "repeats": "window", "repeat_minutes": 10, "is_active": "on", "new_url": url}
    response = house.press("agents_agent_save_tool", house.agent.pk, "webhook_trigger", **data)
    return [] if response.status_code == 302 else list(response.context["rows"][0].errors.get("new_url", []))


def type_as_model_address(house: House, url: str) -> list[str]:
    data = {"name": "A", "greeting": "Hi", "is_active": "on", "max_steps": 6, "brain": "llm", "llm_model": "m"}
    response = house.press("agents_agent_change", house.agent.pk, **data, llm_base_url=url)
    return _errors(response, "adminform", "llm_base_url")


def _errors(response: Any, form: str, field: str) -> list[str]:
    """None where the form was accepted: it then leads on, or shows the secret."""
    if response.status_code == 302 or form not in response.context:
        return []
    return list(response.context[form].form.errors.get(field, []))


FORMS: dict[str, Callable[[House, str], list[str]]] = {
    "endpoint create": create_endpoint,
    "endpoint change": change_endpoint,
    "endpoint check": look_at_an_address,
    "tool form": type_into_the_tool,
    "model address": type_as_model_address,
}


# --- what sends to an address that is stored: returns the delivery's outcome -----------------------------------------


def _outcome(delivery: Delivery | None) -> tuple[str, str]:
    assert delivery is not None
    finished = Delivery.objects.filter(pk=delivery.pk, attempt__finished_at__isnull=False)
    delivery = _soon(finished.select_related("attempt"))
    return delivery.state, delivery.attempt.code


def _soon(rows: Any) -> Delivery:
    """The row that a worker is about to write."""
    until = time.monotonic() + 10
    while (row := rows.first()) is None:
        assert time.monotonic() < until, "no worker came"
        time.sleep(0.01)
    return row


def drain(house: House, url: str) -> tuple[str, str]:
    house.store(url)
    delivery = make_delivery(endpoint=house.endpoint)
    sending.drain()
    return _outcome(delivery)


def changed_delivery(house: House, url: str) -> tuple[str, str]:
    """The address of one accepted delivery, exchanged in the table."""
    delivery = make_delivery(endpoint=house.endpoint)
    Delivery.objects.filter(pk=delivery.pk).update(url=url)
    return _outcome(sending.send(delivery))


def test_button(house: House, url: str) -> tuple[str, str]:
    house.store(url)
    house.press("webhooks_endpoint_test", house.endpoint.pk)
    return _outcome(house.latest)


def tools_test_button(house: House, url: str) -> tuple[str, str]:
    house.store(url)
    house.press("agents_agent_send_test", house.agent.pk, "webhook_trigger")
    return _outcome(house.latest)


def resend_button(house: House, url: str) -> tuple[str, str]:
    house.store(GOOD)
    old = make_delivery(endpoint=house.endpoint)
    Delivery.objects.filter(pk=old.pk).update(state="not_sent")
    house.store(url)
    house.press("webhooks_delivery_resend", old.pk)
    return _outcome(Delivery.objects.get(replay_of=old))


def bulk_replay(house: House, url: str) -> tuple[str, str]:
    endpoint = make_endpoint(team=house.team, url=GOOD)
    old = make_delivery(endpoint=endpoint)
    Delivery.objects.filter(pk=old.pk).update(state="not_sent")
    Endpoint.objects.filter(pk=endpoint.pk).update(url=url)
    minute = timedelta(minutes=1)
    chosen = replaying.Range(endpoint, timezone.now() - minute, timezone.now() + minute, ("not_sent",))
    replaying.start(chosen=chosen, body="same", created_by=house.user, form_token=uuid.uuid4())
    return _outcome(_soon(Delivery.objects.filter(replay_of=old)))


def tool_call(house: House, url: str) -> tuple[str, str]:
    house.store(url)
    path = f"/api/v1/agents/{house.agent.public_id}/tools/webhook_trigger/calls"
    body = json.dumps({"arguments": {"payload": {"n": uuid.uuid4().hex}}})
    answer = house.program.post(path, body, content_type="application/json").json()
    assert url not in json.dumps(answer)
    return _outcome(house.latest)


def chat_turn(house: House, url: str) -> tuple[str, str]:
    """The brain wants the tool, and nothing it writes chooses the address."""
    house.store(url)
    _play(house)
    path = f"/api/v1/agents/{house.agent.public_id}/chat"
    body = json.dumps({"message": "Please call me", "user_id": uuid.uuid4().hex})
    house.program.post(path, body, content_type="application/json")
    return _outcome(ToolCall.objects.order_by("-pk")[0].delivery)


def playground(house: House, url: str) -> tuple[str, str]:
    house.store(url)
    _play(house)
    house.press("agents_agent_say", house.agent.pk, text="Please call me")
    turns.wait(Turn.objects.order_by("-pk")[0], timeout=10)
    return _outcome(ToolCall.objects.order_by("-pk")[0].delivery)


def _play(house: House) -> None:
    assert house.model is not None
    house.model.plays(calls({"payload": {"n": uuid.uuid4().hex}, "url": GOOD}), calls({"payload": {"n": 1}}), says("k"))


def credentials_address(house: House, url: str) -> tuple[str, str]:
    credential = make_credential(team=house.team, values={"webhook_url": url})
    endpoint = make_endpoint(team=house.team, url="", credential=credential)
    return _outcome(sending.send(make_delivery(endpoint=endpoint)))


def fetch_of_an_action(house: House, url: str) -> tuple[str, str]:
    """What a script asks for, as the host of its sandbox passes it on."""
    got = fetch(make_source(team=house.team, secrets=["planted-secret"], hosts=["good.example"]), url)
    assert url not in got.told
    return got.outcome


def redirect_of_a_fetch(house: House, url: str) -> tuple[str, str]:
    """A receiver that was allowed sends the script elsewhere, and the script asked to be sent."""
    source = make_source(team=house.team)
    begun = fetching.begin(source, method="GET", url=GOOD, headers=[])
    assert isinstance(begun, fetching.Begun)
    answer = fetching.Outcome("rejected", status_code=307, headers=[("Location", url)])
    then = fetching.hop(source, begun, fetching.Performed(answer), followed=0)
    assert then is not None
    return complete(then).outcome


def model_turn(house: House, url: str) -> tuple[str, str]:
    """The model's address itself; there is no delivery, so the turn says it."""
    Agent.objects.filter(pk=house.agent.pk).update(llm_base_url=url)
    house.press("agents_agent_say", house.agent.pk, text="Hello")
    turn = turns.wait(Turn.objects.order_by("-pk")[0], timeout=10)
    return "blocked", turn.ending.removeprefix("error: ")


def model_check_button(house: House, url: str) -> tuple[str, str]:
    Agent.objects.filter(pk=house.agent.pk).update(llm_base_url=url)
    return "blocked", house.press("agents_agent_test_brain", house.agent.pk).content.decode()


Way = Callable[[House, str], tuple[str, str]]
QUICK: dict[str, Way] = {
    "drain": drain,
    "changed delivery": changed_delivery,
    "credential": credentials_address,
    "fetch of an action": fetch_of_an_action,
}
WORKER: dict[str, Way] = {
    "test button": test_button,
    "tool's test button": tools_test_button,
    "resend button": resend_button,
    "bulk replay": bulk_replay,
    "tool call": tool_call,
    "chat": chat_turn,
    "playground": playground,
    "model turn": model_turn,
    "model check button": model_check_button,
}
