"""What WhatsApp posts, for its tests: messages in their document, signed."""

import json
from datetime import UTC, datetime
from typing import Any

from channels_inbound.adapters.base import Arrival
from channels_inbound.adapters.whatsapp import WhatsApp
from tests.channels_inbound.adapters.contract import check_arrivals, connected
from tests.channels_inbound.adapters.meta import SECRETS, MetaContract, signed

NUMBER_ID, NUMBER, BSUID = "106540352242922", "254712345678", "KE.13491208655302741918"
SENT_AT = datetime(2026, 11, 25, 11, 59, 50, tzinfo=UTC)
STAMP = str(int(SENT_AT.timestamp()))
AMINA = {"profile": {"name": "Amina", "username": "amina_k"}, "wa_id": NUMBER, "user_id": BSUID}
CONNECTION = connected(WhatsApp, SECRETS, {"phone_number_id": NUMBER_ID})


def message(kind: str = "text", id: Any = "wamid.1", **fields: Any) -> dict[str, Any]:
    content = {"text": {"body": "Habari?"}} if kind == "text" else {}
    return {"from": NUMBER, "id": id, "timestamp": STAMP, "type": kind} | content | fields


def document(field: str = "messages", number_id: str = NUMBER_ID, **value: Any) -> dict[str, Any]:
    metadata = {"display_phone_number": "254700000000", "phone_number_id": number_id}
    inner = {"messaging_product": "whatsapp", "metadata": metadata, "contacts": [AMINA]} | value
    return {
        "object": "whatsapp_business_account",
        "entry": [{"id": "102290129340398", "time": 1, "changes": [{"field": field, "value": inner}]}],
    }


def said(**fields: Any) -> dict[str, Any]:
    return document(messages=[message(**fields)])


ADAPTER = WhatsApp()
SAMPLE = json.dumps(said()).encode()
CREDENTIAL = MetaContract.credential


def read(content: Any) -> list[Arrival]:
    found = ADAPTER.parse(signed(json.dumps(content).encode()), CONNECTION)
    check_arrivals(found)
    return found
