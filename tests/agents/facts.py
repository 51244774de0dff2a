"""What was told, for tests of what is told; and many doing the same at the same moment."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import connection

from webhooks.models import Event

COMMON = {"conversation_id", "channel", "customer", "lead"}


def told(*, type: str = "", agent: Any = None) -> list[Event]:
    """Facts of the chat in the order in which they were told."""
    facts = Event.objects.filter(is_owed=False).order_by("pk")
    if type:
        facts = facts.filter(type=type)
    return list(facts.filter(agent_ref=agent.public_id) if agent else facts)


def types() -> list[str]:
    return [event.type for event in told()]


def own(event: Event) -> dict[str, Any]:
    """The keys of its own, without the snapshot."""
    return {name: value for name, value in event.data.items() if name not in COMMON}


def at_once(act: Callable[[int], Any], times: int = 20) -> list[Any]:
    """Let so many threads begin at the same moment; what each of them gave, or the exception it ended with."""
    gate = threading.Barrier(times)

    def run(number: int) -> Any:
        try:
            gate.wait(timeout=30)
            return act(number)
        except Exception as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(times) as threads:
        return list(threads.map(run, range(times)))
