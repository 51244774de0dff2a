"""Channels that can answer, and their answers on the way to the doubles of the providers."""

import json
from typing import Any

from agents.models import Agent
from channels_inbound import replying
from channels_inbound.models import Channel, InboundMessage, Reply
from tests.channels_inbound.arriving import replies_to
from tests.channels_inbound.doubles import Providers
from tests.channels_inbound.providers import SETTINGS, make_channel
from tests.factories import make_credential

TEXT = "We open at nine."
BOT = "123456789:AAE-a_token_of_the_bot_of_tests_0123"
VALUES: dict[str, dict[str, str]] = {
    "whatsapp": {"access_token": "EAAG-a-token-of-tests-0123456789"},
    "messenger": {"access_token": "EAAP-a-page-token-of-tests-01234"},
    "instagram": {"access_token": "EAAI-an-account-token-of-tests-0"},
    "telegram": {"bot_token": BOT},
    "slack": {"bot_token": "xoxb-a-token-of-tests-0123456789"},
    "twilio": {"account_sid": "AC00000000000000000000000000000001", "auth_token": "a-twilio-auth-token-of-tests"},
    "infobip": {"api_key": "an-infobip-key-of-tests-0123456789", "api_url": "https://tests.api.infobip.com"},
    "sozuri": {"api_key": "a-sozuri-api-key-of-tests-01234567", "project": "shop"},
}


def connected(agent: Agent, kind: str, **more: Any) -> Channel:
    credential = make_credential(team=agent.team, kind=kind, values=VALUES[kind] | more.pop("values", {}))
    settings = SETTINGS.get(kind, {}) | more.pop("settings", {})
    return make_channel(agent=agent, kind=kind, settings=settings, credential=credential)


def answers(providers: Providers, host: str, content: Any, status: int = 200) -> None:
    providers.answers[host] = lambda _: (status, json.dumps(content).encode(), {"Content-Type": "application/json"})


def sent(row: InboundMessage, text: str = TEXT) -> Reply:
    """The one part of the answer, after it was sent."""
    [reply] = replies_to(row, text)
    replying.send_due(row.channel, reply.address)
    reply.refresh_from_db()
    return reply
