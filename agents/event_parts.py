"""What an event is made of: its `data` as a schema, what rules can ask of it, and what every event tells."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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


def event_type(type: str, title: str, description: str, *keys: Key) -> EventType:
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


def choice(name: str, label: str, values: Sequence[str], example: str) -> Key:
    return Key(name, {"enum": list(values)}, example, label, "choice", tuple(values))
