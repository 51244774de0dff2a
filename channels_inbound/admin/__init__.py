"""The channels' side of the admin."""

from channels_inbound.admin.channels import ChannelAdmin
from channels_inbound.admin.conversations import ChannelConversationAdmin
from channels_inbound.admin.requests import InboundRequestAdmin

__all__ = ["ChannelAdmin", "ChannelConversationAdmin", "InboundRequestAdmin"]
