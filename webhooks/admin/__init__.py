from webhooks.admin.bins import BinAdmin
from webhooks.admin.deliveries import DeliveryAdmin
from webhooks.admin.endpoints import EndpointAdmin
from webhooks.admin.events import EventAdmin

__all__ = ["BinAdmin", "DeliveryAdmin", "EndpointAdmin", "EventAdmin"]
