from channels_inbound.models.channel import OVERLAP, Channel, Contact, Refusal
from channels_inbound.models.inbound import Attachment, InboundMessage, InboundRequest
from channels_inbound.models.reply import Reply

__all__ = ["OVERLAP", "Attachment", "Channel", "Contact", "InboundMessage", "InboundRequest", "Refusal", "Reply"]
