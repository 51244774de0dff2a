"""Every event there is: its name, its version, the schema of its `data`, an example, and what rules can ask of it.

A name stands for one fact, and is in the list only if something really tells of that fact. What is told has been
checked against the schema, so receivers, rules and rehearsals may rely on it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from agents.arguments import FORMATS

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
NUMBER_OR_NULL: Schema = {"type": ["number", "null"]}
BOOLEAN: Schema = {"type": "boolean"}
WHOLE: Schema = {"type": "integer", "minimum": 0}
MOMENT: Schema = {"type": "string", "format": "date-time"}
WORDS: Schema = {"type": "array", "items": TEXT}
FREE: Schema = {"type": "object"}

CHANNELS = ("api", "website", "whatsapp", "telegram", "messenger", "instagram", "email", "slack", "sms", "playground")


@dataclass(frozen=True)
class Field:
    """What a rule's row can ask about. `path` is dotted into `data`; `type` says which operators there are.

    Below a path that ends in `.*` stands whatever name the customer's own system gave, like `lead.answers.budget`.
    """

    path: str
    label: str
    type: str  # text, number, boolean, moment, list or choice
    suggestions: tuple[str, ...] = ()


@dataclass(frozen=True)
class EventType:
    """`schema` (JSON Schema 2020-12) and `example` are those of `data`, not of the envelope around it."""

    type: str
    version: int
    title: str
    description: str
    schema: Schema
    example: dict[str, Any]
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Key:
    """One key at the top of `data`. Without a label it can be sent on, but is nothing that a rule would ask about."""

    name: str
    schema: Schema
    example: Any
    label: str = ""
    type: str = "text"
    suggestions: tuple[str, ...] = ()


def _object(properties: dict[str, Schema]) -> Schema:
    return {"properties": properties, "required": list(properties), "additionalProperties": False}


# --- what every event tells -------------------------------------------------------------------------------------------

CUSTOMER = {"type": ["object", "null"]} | _object(
    {
        "id": TEXT,
        "name": TEXT_OR_NULL,
        "email": TEXT_OR_NULL,
        "phone": TEXT_OR_NULL,
        "country": TEXT_OR_NULL,
        "plan": TEXT_OR_NULL,
        "attributes": FREE,
        "segments": WORDS,
    }
)
LEAD = {"type": ["object", "null"]} | _object(
    {
        "id": TEXT,
        "name": TEXT_OR_NULL,
        "email": TEXT_OR_NULL,
        "phone": TEXT_OR_NULL,
        "score": NUMBER_OR_NULL,
        "answers": FREE,
        "qualified": BOOLEAN,
    }
)
ASHA = {
    "id": "cus_06fhnm0a1b2c3d4e5f6g7h8j9k",
    "name": "Asha Otieno",
    "email": "asha@example.com",
    "phone": "+254711000111",
    "country": "KE",
    "plan": "business",
    "attributes": {"company": "Otieno Traders"},
    "segments": ["Big customers"],
}
HER_LEAD = {
    "id": "lead_06fhnm0m1n2p3q4r5s6t7v8w9x",
    "name": "Asha Otieno",
    "email": "asha@example.com",
    "phone": "+254711000111",
    "score": 82,
    "answers": {"budget": "5000"},
    "qualified": True,
}
COMMON = (
    Key("conversation_id", TEXT_OR_NULL, "cnv_06fhnm1z3x5c7v9b1n3m5a7s9d"),
    Key("channel", TEXT_OR_NULL, "website", "Channel", "choice", CHANNELS),
    Key("customer", CUSTOMER, ASHA),
    Key("lead", LEAD, HER_LEAD),
)
CUSTOMER_FIELDS = (
    Field("customer.name", "Customer’s name", "text"),
    Field("customer.email", "Customer’s e-mail address", "text"),
    Field("customer.phone", "Customer’s phone number", "text"),
    Field("customer.country", "Customer’s country", "text", ("KE", "UG", "TZ", "NG", "ZA", "GB", "US")),
    Field("customer.plan", "Customer’s plan", "text"),
    Field("customer.segments", "Customer’s segments", "list"),
    Field("customer.attributes.*", "Customer’s own attribute", "text"),
)
LEAD_FIELDS = (
    Field("lead.score", "Lead’s score", "number"),
    Field("lead.qualified", "Lead is qualified", "boolean"),
    Field("lead.name", "Lead’s name", "text"),
    Field("lead.email", "Lead’s e-mail address", "text"),
    Field("lead.phone", "Lead’s phone number", "text"),
    Field("lead.answers.*", "Lead’s answer", "text"),
)
# A saved segment asks about people, not about something that happened.
SEGMENT_FIELDS = (*CUSTOMER_FIELDS, *LEAD_FIELDS)


def _event(type: str, title: str, description: str, *keys: Key) -> EventType:
    every = (*COMMON, *keys)
    asked = [Field(key.name, key.label, key.type, key.suggestions) for key in every if key.label]
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": type, "type": "object"}
    return EventType(
        type=type,
        version=1,
        title=title,
        description=description,
        schema=schema | _object({key.name: key.schema for key in every}),
        example={key.name: key.example for key in every},
        fields=(*asked, *CUSTOMER_FIELDS, *LEAD_FIELDS),
    )


def _choice(name: str, label: str, values: Sequence[str], example: str) -> Key:
    return Key(name, {"enum": list(values)}, example, label, "choice", tuple(values))


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
    return _event(type, title, description, *keys)


_ALL = (
    _event(
        "message.received",
        "A customer writes",
        "A message of a customer was stored.",
        MESSAGE_ID,
        SAID,
    ),
    _event(
        "message.sent",
        "The agent replies",
        "A reply of the agent was stored and goes out.",
        MESSAGE_ID,
        Key("text", TEXT, "Thank you. I have passed it on.", "Text of the reply"),
    ),
    _event(
        "conversation.started",
        "A conversation begins",
        "The first message of a new thread arrived.",
        STARTED_AT,
    ),
    _event(
        "conversation.idle",
        "A conversation falls silent",
        "Nobody has written anything for 15 minutes, and the conversation is still open. Once for each silence.",
        Key("minutes", WHOLE, 15, "Minutes of silence", "number"),
        _choice("last_message_by", "Last message was written by", ("customer", "agent"), "agent"),
    ),
    _event(
        "conversation.ended",
        "A conversation ends",
        "A thread was closed: by a person, over the API, after the silence set on the agent, or because two customers "
        "turned out to be one person who had two open threads.",
        _choice("reason", "Reason", ENDINGS, "operator"),
        Key("message_count", WHOLE, 12, "Number of messages", "number"),
        STARTED_AT,
    ),
    _event(
        "conversation.reopened",
        "A conversation is opened again",
        "A person or the API opened a thread that had ended.",
        _choice("by", "Opened by", ("operator", "api"), "operator"),
    ),
    _event(
        "contact.shared",
        "Contact details are shared",
        "A message of a customer holds an e-mail address or a phone number. Once for each of the two.",
        _choice("kind", "Kind", ("email", "phone"), "email"),
        Key("value", TEXT, "asha@example.com", "E-mail address or number"),
        MESSAGE_ID,
    ),
    _event(
        "keyword.matched",
        "A word of a list is used",
        "A message of a customer holds a word or phrase of one of the team’s word lists. Once a list and message.",
        Key("word", TEXT, "refund", "Word or phrase"),
        Key("list", TEXT, "Money back", "Word list"),
        MESSAGE_ID,
        SAID,
    ),
    _event(
        "lead.submit",
        "A lead is complete",
        "Everything that the agent needs of a lead is known, from a form or from the chat. Once for each lead.",
        *LEAD_KEYS,
    ),
    _event(
        "lead.qualified",
        "A lead is qualified",
        "The lead’s score reached what the agent asks for, or somebody said that it is qualified. Once for each lead.",
        *LEAD_KEYS,
        Key("score", NUMBER_OR_NULL, 82, "Score", "number"),
        _choice("by", "Qualified by", ("score", "api", "person"), "score"),
    ),
    _event(
        "customer.created",
        "A new customer appears",
        "Somebody wrote, or was added, whom the team did not know before.",
    ),
    _event(
        "customer.updated",
        "A customer’s details change",
        "Something else is known of a customer now. `merged` is the id of another customer who turned out to be the "
        "same person, if that is how.",
        CHANGED,
        Key("merged", TEXT_OR_NULL, None),
    ),
    _event(
        "customer.matched",
        "A customer enters a segment",
        "A saved segment begins to hold for a customer.",
        Key("segment", TEXT, "Big customers", "Segment"),
    ),
    _event(
        "feedback.submitted",
        "A reply is rated",
        "A customer rated a reply from 1 (bad) to 5 (good). Thumbs up counts as 5, thumbs down as 1.",
        MESSAGE_ID,
        Key("rating", {"type": "integer", "minimum": 1, "maximum": 5}, 2, "Rating", "number"),
        Key("comment", TEXT_OR_NULL, "That was not what I asked.", "Comment"),
    ),
    _event(
        "escalation.triggered",
        "A person is asked for",
        "A conversation needs a person of the team. Once until that is resolved.",
        Key("reason", TEXT_OR_NULL, "The customer wants to talk to a person.", "Reason"),
        Key("summary", TEXT_OR_NULL, "Customer: Can I talk to a person?", "Summary"),
        _choice("trigger", "Asked for by", TRIGGERS, "phrase"),
        ESCALATION_ID,
    ),
    _event(
        "escalation.accepted",
        "A person takes over",
        "Somebody of the team took a conversation that needs a person.",
        ESCALATION_ID,
        PERSON,
        WAITED,
    ),
    _event(
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
    _event(
        "budget.reached",
        "A tool’s limit is reached",
        "The agent wanted to use a tool more often than its settings allow. Nothing was sent.",
        Key("tool", TEXT, "webhook_trigger", "Name of the tool"),
        Key("title", TEXT, "Ask for a call back", "Title of the tool"),
        Key("call_id", TEXT, "call_06fhnm2b3c4d5e6f7g8h9j0k1m"),
        Key("reason", TEXT, "This tool may be used once in one conversation. Nothing was sent.", "Which limit"),
    ),
    _event(
        "reply.unbacked",
        "A reply claims what was not done",
        "A language model wrote that it did something, and nothing was done in that turn. The reply is not changed.",
        MESSAGE_ID,
        Key("text", TEXT, "I have sent your details to the team.", "Text of the reply"),
        Key("phrase", TEXT, "i have sent", "Words that claim it"),
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
