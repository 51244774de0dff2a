"""What pages say of channels, requests and replies: a word, its colour, and a sentence with what to do."""

from channels_inbound.adapters.base import Adapter
from channels_inbound.models import InboundMessage, InboundRequest, Reply

ICONS = {
    "website": "web",
    "whatsapp": "chat",
    "mailgun": "mail",
    "stripe": "payments",
    "telegram": "send",
    "slack": "tag",
    "messenger": "forum",
    "instagram": "photo_camera",
    "twilio": "sms",
    "infobip": "sms",
    "sozuri": "sms",
    "generic": "api",
}
# What a provider's card says before anybody chooses it.
ABOUT = {
    "website": "A chat in the corner of your own pages, by one line of HTML.",
    "whatsapp": "Messages to the number of your WhatsApp Business account, over Meta’s Cloud API.",
    "mailgun": "Mail to an address of yours. Answers stay in their thread.",
    "stripe": "Payments, refunds and failed payments appear in the conversation they belong to.",
    "telegram": "Messages to a bot of yours.",
    "slack": "Direct messages to an app in your workspace, and mentions of it.",
    "messenger": "Messages to your Facebook page.",
    "instagram": "Direct messages to your professional account.",
    "twilio": "Text messages to a number at Twilio, and WhatsApp where Twilio carries it.",
    "infobip": "Text messages to a number at Infobip.",
    "sozuri": "Text messages to a short code at Sozuri.",
    "generic": "Your own application passes on what its users write, by signed requests.",
}
REQUEST_TONES = {
    InboundRequest.State.ACCEPTED: "good",
    InboundRequest.State.QUARANTINED: "warn",
    InboundRequest.State.SET_ASIDE: "wait",
}
MESSAGE_TONES = {
    InboundMessage.State.RECEIVED: "wait",
    InboundMessage.State.DONE: "good",
    InboundMessage.State.IGNORED: "",
    InboundMessage.State.FAILED: "bad",
}
REPLY_TONES = {
    Reply.State.QUEUED: "wait",
    Reply.State.SENDING: "wait",
    Reply.State.SENT: "good",
    Reply.State.DELIVERED: "good",
    Reply.State.READ: "good",
    Reply.State.FAILED: "bad",
    Reply.State.NOT_SENT: "bad",
    Reply.State.INTERRUPTED: "warn",
}
KINDS = {
    "message": "Message",
    "postback": "Button pressed",
    "message_edited": "Edit",
    "message_deleted": "Deletion",
    "reaction": "Reaction",
    "status": "Receipt",
    "echo": "Our own message",
    "bot_message": "Message of a program",
    "standby": "Held by another application",
    "channel_post": "Post in a channel",
    "bounce": "Bounced mail",
    "auto_reply": "Automatic reply",
    "event": "Event",
    "unsupported": "Not readable",
}


def window(adapter: Adapter) -> str:
    """What the provider allows after the customer's last message; empty where it does not care."""
    if adapter.reply_window is None:
        return ""
    hours = int(adapter.reply_window.total_seconds() // 3600)
    return (
        f"{adapter.title} takes replies only within {hours} hours of the customer’s last message. Later ones are not "
        "sent, and the conversation says so."
    )


def replies(adapter: Adapter) -> str:
    """Where replies go, in a sentence for the channel's page."""
    if adapter.credential_kind:
        return f"The agent’s replies go back through {adapter.title}, each part once. {window(adapter)}".strip()
    if adapter.kind == "stripe":
        return "Nothing is sent back: payments are noted in their conversation, and trigger rules see them."
    if adapter.kind == "generic":
        return (
            "Replies are sent to the reply address, signed with the same secret. Without one, read them with the API."
        )
    return "Replies appear in the widget as they are written."
