"""Which channel an address means."""

import re

from channels_inbound.models import Channel
from channels_inbound.storing import store_errors

_AGENT_ID = re.compile(r"agt_[0-9a-z]{26}")


def channel(*, agent_id: str, kind: str) -> Channel | None:
    """One indexed look; None for every reason why there is none. Raises `StoreDown`."""
    if not _AGENT_ID.fullmatch(agent_id):
        return None
    rows = Channel.objects.select_related("agent").filter(agent__public_id=agent_id, kind=kind, is_active=True)
    with store_errors():
        return rows.first()
