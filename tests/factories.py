"""Rows for tests. Keyword-only; mention only what the test is about."""

import itertools
from typing import Any

from agents.models import Agent, Conversation, CustomAction, Customer, Tool
from chatzuri.models import ApiKey, Credential, Membership, Team, User
from webhooks import sending
from webhooks.models import Bin, Delivery, Endpoint

_numbers = itertools.count(1)
PASSWORD = "correct horse battery staple"


def make_team(*, name: str = "") -> Team:
    number = next(_numbers)
    return Team.objects.create(name=name or f"Team {number}", slug=f"team-{number}")


def make_user(*, team: Team | None = None, role: str = "owner", email: str = "", **fields: Any) -> User:
    user = User.objects.create_user(email or f"user{next(_numbers)}@example.com", PASSWORD, **fields)
    if team is not None:
        Membership.objects.create(team=team, user=user, role=role)
    return user


def make_api_key(*, team: Team) -> str:
    """The secret of a new live key."""
    return ApiKey(team=team, name=f"key {next(_numbers)}").issue()


def make_credential(
    *, team: Team, kind: str = "webhook", values: dict[str, str] | None = None, **fields: Any
) -> Credential:
    """With full access, where its kind has a profile."""
    fields = {"name": f"credential {next(_numbers)}", "allowed_operations": "full_access"} | fields
    credential = Credential(team=team, kind=kind, **fields)
    credential.replace_values(values or {"webhook_url": "https://receiver.example/hook"})
    credential.save()
    return credential


def make_endpoint(*, team: Team | None = None, url: str = "https://receiver.example/hook", **fields: Any) -> Endpoint:
    fields.setdefault("name", f"endpoint {next(_numbers)}")
    return Endpoint.objects.create(team=team or make_team(), url=url, **fields)


def make_bin(*, team: Team | None = None, **fields: Any) -> Bin:
    fields.setdefault("name", f"bin {next(_numbers)}")
    return Bin.objects.create(team=team or make_team(), **fields)


def make_delivery(*, endpoint: Endpoint | None = None, data: Any = None, **options: Any) -> Delivery:
    """An accepted delivery, queued, with no wake-up sent."""
    options.setdefault("event_type", "test.ping")
    options.setdefault("wake", False)
    return sending.publish(endpoint=endpoint or make_endpoint(), data=data or {"n": next(_numbers)}, **options)


def make_agent(*, team: Team | None = None, **fields: Any) -> Agent:
    fields.setdefault("name", f"agent {next(_numbers)}")
    return Agent.objects.create(team=team or make_team(), **fields)


def make_tool(*, agent: Agent | None = None, endpoint: Endpoint | None = None, **fields: Any) -> Tool:
    """A `webhook_trigger` that is switched on, with an endpoint of the agent's team."""
    agent = agent or make_agent()
    fields.setdefault("is_active", True)
    return Tool.objects.create(agent=agent, endpoint=endpoint or make_endpoint(team=agent.team), **fields)


def make_customer(*, team: Team | None = None, **fields: Any) -> Customer:
    return Customer.objects.create(team=team or make_team(), **fields)


def make_conversation(*, agent: Agent | None = None, **fields: Any) -> Conversation:
    agent = agent or make_agent()
    customer = fields.pop("customer", None) or make_customer(team=agent.team)
    return Conversation.objects.create(agent=agent, customer=customer, **fields)


def make_action(*, team: Team | None = None, code: str = "return {success: true};", **fields: Any) -> CustomAction:
    """An action with one version, saved without a look at its syntax."""
    number = next(_numbers)
    fields = {"name": f"action_{number}", "title": f"Action {number}", "description": "Does something."} | fields
    parameters = fields.pop("parameters", [])
    action = CustomAction.objects.create(team=team or make_team(), **fields)
    action.current = action.versions.create(number=1, code=code, parameters=parameters)
    action.save()
    return action


def install(*, action: CustomAction, agent: Agent | None = None, **fields: Any) -> Tool:
    """The action on an agent of its team, switched on."""
    agent = agent or make_agent(team=action.team)
    names = {"name": action.name, "title": action.title, "kind": Tool.Kind.CUSTOM_ACTION, "is_active": True}
    return Tool.objects.create(agent=agent, action=action, **(names | fields))
