from webhooks.models.delivery import Attempt, Delivery, Event
from webhooks.models.endpoint import Endpoint
from webhooks.models.inspector import Bin, CaughtRequest

__all__ = ["Attempt", "Bin", "CaughtRequest", "Delivery", "Endpoint", "Event"]
