"""Putting what waited in the spool where it belongs, once the database is back."""

import logging
import threading
import time

from django.db import connection

from channels_inbound import finding, receiving, spooling, storing
from channels_inbound.adapters import ADAPTERS

logger = logging.getLogger(__name__)

LOOK_AGAIN = 2.0

_at_it = threading.Lock()


def drain() -> int:
    """Store what waits, in order; how many are done. Ends at the first one that the database does not take."""
    count = 0
    for path, kind, agent_id, incoming in spooling.take():
        try:
            channel = finding.channel(agent_id=agent_id, kind=kind)
            if channel is None:
                logger.warning("A spooled request was for no channel of ours and is dropped.")
            else:
                receiving.receive(adapter=ADAPTERS[kind], channel=channel, incoming=incoming, was_spooled=True)
        except storing.StoreDown:
            spooling.give_back(path)
            return count
        spooling.done(path)
        count += 1
    return count


def begin() -> None:
    """Look from now on until nothing waits any more, in the background. Other machines do not see this disk."""
    if _at_it.acquire(blocking=False):
        threading.Thread(target=_until_empty, name="spool", daemon=True).start()


def _until_empty() -> None:
    try:
        while spooling.waiting():
            time.sleep(LOOK_AGAIN)
            drain()
    except Exception:
        logger.exception("Draining the spool broke; it goes on with the next request or the next sweep.")
    finally:
        connection.close()
        _at_it.release()
