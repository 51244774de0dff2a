from webhooks.models.delivery import Attempt, Delivery, Event
from webhooks.models.endpoint import Endpoint, RotationRefused
from webhooks.models.inspector import Bin, CaughtRequest
from webhooks.models.replay import Replay, ReplayItem

__all__ = [
    "Attempt",
    "Bin",
    "CaughtRequest",
    "Delivery",
    "Endpoint",
    "Event",
    "Replay",
    "ReplayItem",
    "RotationRefused",
]
