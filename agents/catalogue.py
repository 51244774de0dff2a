"""Every event there is: its name, its version, the schema of its `data`, an example, and what rules can ask of it.

A name stands for one fact, and is in the list only if something really tells of that fact. What is told has been
checked against the schema, so receivers, rules and rehearsals may rely on it.
"""

from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from agents.arguments import FORMATS
from agents.event_parts import (
    BOOLEAN,
    FREE,
    MOMENT,
    NUMBER_OR_NULL,
    SEGMENT_FIELDS,
    TEXT,
    TEXT_OR_NULL,
    WHOLE,
    WORDS,
    EventType,
    Field,
    Key,
    choice,
    event_type,
)

__all__ = ["EVENTS", "SEGMENT_FIELDS", "EventType", "Field", "faults"]

MESSAGE_ID = Key("message_id", TEXT, "msg_06fhnm2q4w6e8r0t2y4p6a8s0d")
SAID = Key("text", TEXT, "Could somebody call me back?", "Text of the message")
STARTED_AT = Key("started_at", MOMENT, "2026-01-31T09:30:00Z", "Conversation began at", "moment")
ENDINGS = ("operator", "api", "idle", "merged")
LEAD_KEYS = (
    Key("name", TEXT_OR_NULL, "Asha Otieno", "Name"),
    Key("email", TEXT_OR_NULL, "asha@example.com", "E-mail address"),
    Key("phone", TEXT_OR_NULL, "+254711000111", "Phone number"),
)
ESCALATION_ID = Key("escalation_id", TEXT, "esc_06fhnm3q4w6e8r0t2y4p6a8s0d")
TRIGGERS = ("tool", "phrase", "repeated", "button", "api")
WAITED = Key("waited_seconds", WHOLE, 95, "Seconds since a person was asked for", "number")
PERSON = Key("by", TEXT_OR_NULL, "Joseph Mwangi", "Person of the team")
CHANGED = Key("changed", WORDS, ["plan"], "What changed", "list", ("name", "email", "phone", "country", "plan"))
TOOL_KEYS = (
    Key("tool", TEXT, "webhook_trigger", "Name of the tool"),
    Key("title", TEXT, "Ask for a call back", "Title of the tool"),
    Key("call_id", TEXT, "call_06fhnm2b3c4d5e6f7g8h9j0k1m"),
    Key("outcome", TEXT, "delivered", "Outcome"),
    Key("delivery_id", TEXT_OR_NULL, "dlv_06fhnm2b9c8d7e6f5g4h3j2k1m"),
    Key("reason", TEXT, "Delivered, HTTP 200.", "What the agent was told"),
)


def _tool_event(type: str, title: str, description: str, outcome: str, reason: str) -> EventType:
    said = {"outcome": outcome, "reason": reason}
    keys = [Key(k.name, k.schema, said.get(k.name, k.example), k.label, k.type) for k in TOOL_KEYS]
    if outcome in ("held", "refused"):
        keys[4] = Key("delivery_id", TEXT_OR_NULL, None)
    return event_type(type, title, description, *keys)


def payment_keys(kind: str) -> tuple[Key, ...]:
    """Amounts are in the currency's own unit: 49.5 dollars, 500 yen."""
    object_id = "re_3PxTest" if kind == "refund" else "pi_3PxTest"
    return (
        Key("amount", NUMBER_OR_NULL, 49.5, "Amount", "number"),
        Key("currency", TEXT_OR_NULL, "KES", "Currency", "choice", ("KES", "USD", "EUR", "GBP", "NGN", "ZAR")),
        Key("reference", TEXT_OR_NULL, "order-1042", "Reference"),
        Key("provider", TEXT, "stripe", "Provider"),
        Key("provider_event", TEXT, "checkout.session.completed", "Provider’s event"),
        Key("object_id", TEXT_OR_NULL, object_id, "Provider’s id"),
        Key("live", BOOLEAN, True, "Real money", "boolean"),
        Key("metadata", FREE, {"order": "1042"}),
    )


_ALL = (
    event_type(
        "message.received",
        "A customer writes",
        "A message of a customer was stored.",
        MESSAGE_ID,
        SAID,
    ),
    event_type(
        "message.sent",
        "The agent replies",
        "A reply of the agent was stored and goes out.",
        MESSAGE_ID,
        Key("text", TEXT, "Thank you. I have passed it on.", "Text of the reply"),
    ),
    event_type(
        "conversation.started",
        "A conversation begins",
        "The first message of a new thread arrived.",
        STARTED_AT,
    ),
    event_type(
        "conversation.idle",
        "A conversation falls silent",
        "Nobody has written anything for 15 minutes, and the conversation is still open. Once for each silence.",
        Key("minutes", WHOLE, 15, "Minutes of silence", "number"),
        choice("last_message_by", "Last message was written by", ("customer", "agent"), "agent"),
    ),
    event_type(
        "conversation.ended",
        "A conversation ends",
        "A thread was closed: by a person, over the API, after the silence set on the agent, or because two customers "
        "turned out to be one person who had two open threads.",
        choice("reason", "Reason", ENDINGS, "operator"),
        Key("message_count", WHOLE, 12, "Number of messages", "number"),
        STARTED_AT,
    ),
    event_type(
        "conversation.reopened",
        "A conversation is opened again",
        "A person or the API opened a thread that had ended.",
        choice("by", "Opened by", ("operator", "api"), "operator"),
    ),
    event_type(
        "contact.shared",
        "Contact details are shared",
        "A message of a customer holds an e-mail address or a phone number. Once for each of the two.",
        choice("kind", "Kind", ("email", "phone"), "email"),
        Key("value", TEXT, "asha@example.com", "E-mail address or number"),
        MESSAGE_ID,
    ),
    event_type(
        "keyword.matched",
        "A word of a list is used",
        "A message of a customer holds a word or phrase of one of the team’s word lists. Once a list and message.",
        Key("word", TEXT, "refund", "Word or phrase"),
        Key("list", TEXT, "Money back", "Word list"),
        MESSAGE_ID,
        SAID,
    ),
    event_type(
        "lead.submit",
        "A lead is complete",
        "Everything that the agent needs of a lead is known, from a form or from the chat. Once for each lead.",
        *LEAD_KEYS,
    ),
    event_type(
        "lead.qualified",
        "A lead is qualified",
        "The lead’s score reached what the agent asks for, or somebody said that it is qualified. Once for each lead.",
        *LEAD_KEYS,
        Key("score", NUMBER_OR_NULL, 82, "Score", "number"),
        choice("by", "Qualified by", ("score", "api", "person"), "score"),
    ),
    event_type(
        "customer.created",
        "A new customer appears",
        "Somebody wrote, or was added, whom the team did not know before.",
    ),
    event_type(
        "customer.updated",
        "A customer’s details change",
        "Something else is known of a customer now. `merged` is the id of another customer who turned out to be the "
        "same person, if that is how.",
        CHANGED,
        Key("merged", TEXT_OR_NULL, None),
    ),
    event_type(
        "customer.matched",
        "A customer enters a segment",
        "A saved segment begins to hold for a customer.",
        Key("segment", TEXT, "Big customers", "Segment"),
    ),
    event_type(
        "feedback.submitted",
        "A reply is rated",
        "A customer rated a reply from 1 (bad) to 5 (good). Thumbs up counts as 5, thumbs down as 1.",
        MESSAGE_ID,
        Key("rating", {"type": "integer", "minimum": 1, "maximum": 5}, 2, "Rating", "number"),
        Key("comment", TEXT_OR_NULL, "That was not what I asked.", "Comment"),
    ),
    event_type(
        "escalation.triggered",
        "A person is asked for",
        "A conversation needs a person of the team. Once until that is resolved.",
        Key("reason", TEXT_OR_NULL, "The customer wants to talk to a person.", "Reason"),
        Key("summary", TEXT_OR_NULL, "Customer: Can I talk to a person?", "Summary"),
        choice("trigger", "Asked for by", TRIGGERS, "phrase"),
        ESCALATION_ID,
    ),
    event_type(
        "escalation.accepted",
        "A person takes over",
        "Somebody of the team took a conversation that needs a person.",
        ESCALATION_ID,
        PERSON,
        WAITED,
    ),
    event_type(
        "escalation.resolved",
        "An escalation is resolved",
        "What a person was asked for is done.",
        ESCALATION_ID,
        PERSON,
        WAITED,
    ),
    _tool_event(
        "tool.fired",
        "A tool was used",
        "The agent used a tool, and it worked.",
        "delivered",
        "Delivered, HTTP 200.",
    ),
    _tool_event(
        "tool.failed",
        "A tool failed",
        "The agent used a tool, and it did not work. It was tried once.",
        "rejected",
        "Webhook failed: rejected, HTTP 503.",
    ),
    _tool_event(
        "tool.held",
        "A tool waits for approval",
        "The agent wants to use a tool that a person has to approve first.",
        "held",
        "A person of the team has to approve this first. Nothing was sent yet.",
    ),
    _tool_event(
        "tool.refused",
        "A tool was refused",
        "The agent wanted to use a tool and was not allowed to. Nothing was sent.",
        "refused",
        "The arguments do not fit: /payload: 7 is not of type 'object'",
    ),
    event_type(
        "budget.reached",
        "A tool’s limit is reached",
        "The agent wanted to use a tool more often than its settings allow. Nothing was sent.",
        Key("tool", TEXT, "webhook_trigger", "Name of the tool"),
        Key("title", TEXT, "Ask for a call back", "Title of the tool"),
        Key("call_id", TEXT, "call_06fhnm2b3c4d5e6f7g8h9j0k1m"),
        Key("reason", TEXT, "This tool may be used once in one conversation. Nothing was sent.", "Which limit"),
    ),
    event_type(
        "reply.unbacked",
        "A reply claims what was not done",
        "A language model wrote that it did something, and nothing was done in that turn. The reply is not changed.",
        MESSAGE_ID,
        Key("text", TEXT, "I have sent your details to the team.", "Text of the reply"),
        Key("phrase", TEXT, "i have sent", "Words that claim it"),
    ),
    event_type(
        "delivery.failed",
        "A delivery fails",
        "What was sent to an endpoint because of this agent did not arrive, or nobody knows whether it did. Once for "
        "each delivery; tests are not told.",
        Key("delivery_id", TEXT, "dlv_06fhnm2b9c8d7e6f5g4h3j2k1m"),
        Key("endpoint", TEXT, "CRM", "Endpoint"),
        Key("endpoint_id", TEXT, "ep_06fhnm2b9c8d7e6f5g4h3j2k1m"),
        choice("outcome", "Outcome", ("rejected", "not_sent", "blocked", "no_answer", "interrupted"), "rejected"),
        Key("status_code", NUMBER_OR_NULL, 503, "Status of the answer", "number"),
        Key("reason", TEXT, "The receiver answered 503.", "Reason"),
        choice("seen", "Receiver saw it", ("no", "maybe", "yes"), "yes"),
        Key("event_type", TEXT, "lead.qualified", "Event that was sent"),
    ),
    event_type(
        "payment.succeeded",
        "A payment comes in",
        "A payment provider that is connected to the agent says that a customer paid. Once for each payment.",
        *payment_keys("charge"),
    ),
    event_type(
        "payment.failed",
        "A payment fails",
        "A payment provider that is connected to the agent says that a customer tried to pay and could not.",
        *payment_keys("charge"),
    ),
    event_type(
        "payment.refunded",
        "A payment is paid back",
        "A payment provider that is connected to the agent says that a customer got money back.",
        *payment_keys("refund"),
    ),
    event_type(
        "email.replied",
        "A customer answers a mail",
        "A mail came that answers one of a conversation. `message.received` is told of it besides.",
        MESSAGE_ID,
        Key("subject", TEXT, "Re: Your order", "Subject"),
        SAID,
    ),
    event_type(
        "channel.connected",
        "A channel is connected",
        "A channel of the agent was set up or switched on. `channel` says which.",
        Key("reason", TEXT, "Set up by Asha Otieno.", "Reason"),
    ),
    event_type(
        "channel.disconnected",
        "A channel is disconnected",
        "A channel of the agent was switched off or removed, here or at the provider. `channel` says which.",
        Key("reason", TEXT, "Switched off by Asha Otieno.", "Reason"),
    ),
)
EVENTS: dict[str, EventType] = {event.type: event for event in _ALL}


def faults(type: str, data: dict[str, Any]) -> list[str]:
    """What keeps this `data` from being that of an event of this type; empty where it fits."""
    if type not in EVENTS:
        return [f"there is no event {type!r}"]
    return [f"/{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}" for error in _errors(type, data)]


def _errors(type: str, data: dict[str, Any]) -> list[Any]:
    return list(_validator(type).iter_errors(data))


@cache
def _validator(type: str) -> Draft202012Validator:
    return Draft202012Validator(EVENTS[type].schema, format_checker=FORMATS)
