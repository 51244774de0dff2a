"""Which channel an address means."""

import json
import re
from typing import Any

from django.db import InterfaceError, OperationalError, connection

from agents.models import Agent
from channels_inbound import prepared
from channels_inbound.models import Channel
from channels_inbound.storing import store_errors
from chatzuri.fields import Sealed

_AGENT_ID = re.compile(r"agt_[0-9a-z]{26}")
# What a request needs to know, and no more: this runs for every one of them.
_FIND = """
SELECT channel.id, channel.public_id, channel.settings::text, channel.secrets, channel.credential_id,
       agent.id, agent.public_id, agent.team_id, agent.is_active
FROM channels_inbound_channel AS channel JOIN agents_agent AS agent ON agent.id = channel.agent_id
WHERE agent.public_id = %s AND channel.kind = %s AND channel.is_active
"""


def channel(*, agent_id: str, kind: str) -> Channel | None:
    """One indexed look; None for every reason why there is none. Raises `StoreDown`."""
    if not _AGENT_ID.fullmatch(agent_id):
        return None
    row = _row(agent_id, kind)
    if row is None:
        return None
    key, public_id, settings, secrets, credential, agent_key, agent_public_id, team_key, agent_is_active = row
    agent = Agent(pk=agent_key, public_id=agent_public_id, team_id=team_key, is_active=agent_is_active)
    found = Channel(pk=key, public_id=public_id, kind=kind, settings=json.loads(settings), credential_id=credential)
    found.agent, found.secrets, found.is_active = agent, Sealed(secrets), True
    found._state.adding = agent._state.adding = False
    return found


def _row(agent_id: str, kind: str) -> tuple[Any, ...] | None:
    """A connection that died while nobody used it is no reason to refuse anybody: one more look, on a new one."""
    with store_errors():
        try:
            return prepared.first(_FIND, [agent_id, kind])
        except (OperationalError, InterfaceError):
            connection.close()
            return prepared.first(_FIND, [agent_id, kind])
