from webhooks.admin.bins import BinAdmin
from webhooks.admin.deliveries import DeliveryAdmin
from webhooks.admin.endpoints import EndpointAdmin
from webhooks.admin.events import EventAdmin
from webhooks.admin.replays import ReplayAdmin

__all__ = ["BinAdmin", "DeliveryAdmin", "EndpointAdmin", "EventAdmin", "ReplayAdmin"]
