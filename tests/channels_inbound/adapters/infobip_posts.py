"""What Infobip posts, for its tests: messages, reports, and requests that hold the password."""

import base64
import json
from typing import Any

from channels_inbound.adapters.base import Arrival, Incoming, Recipient
from channels_inbound.adapters.infobip import Infobip
from tests.channels_inbound.adapters.contract import NOW, check_arrivals, connected

USER, PASSWORD = "chatzuri", "p:ss:wörd-of-infobip"
SETTINGS = {"username": USER}
CONNECTION = connected(Infobip, {"password": PASSWORD}, SETTINGS)
CREDENTIAL = {"api_key": "ib-key-0123456789", "api_url": "https://xyz12.api.infobip.com"}

SMS = {
    "messageId": "8177",
    "from": "254722000222",
    "to": "254711000111",
    "text": "PRICE of two boxes?",
    "cleanText": "of two boxes?",
    "keyword": "PRICE",
    "receivedAt": "2026-11-25T11:59:58.220+0000",
    "smsCount": 1,
    "price": {"pricePerMessage": 0, "currency": "EUR"},
    "callbackData": "shop",
}
REPORT = {
    "bulkId": "b-1",
    "messageId": "m-1",
    "to": "254722000222",
    "sentAt": "2026-11-25T11:59:50.000+0000",
    "doneAt": "2026-11-25T11:59:55.000+0000",
    "smsCount": 1,
    "status": {
        "groupId": 3,
        "groupName": "DELIVERED",
        "id": 5,
        "name": "DELIVERED_TO_HANDSET",
        "description": "Message delivered to handset",
    },
    "error": {"groupId": 0, "groupName": "OK", "id": 0, "name": "NO_ERROR", "description": "No Error"},
}


def basic(credentials: str = f"{USER}:{PASSWORD}", scheme: str = "Basic", encoding: str = "utf-8") -> str:
    return f"{scheme} {base64.b64encode(credentials.encode(encoding)).decode()}"


def request(body: bytes, **headers: str) -> Incoming:
    return Incoming(headers={"content-type": "application/json", "authorization": basic()} | headers, body=body, at=NOW)


def read(*results: Any, **settings: str) -> list[Arrival]:
    connection = connected(Infobip, {"password": PASSWORD}, SETTINGS | settings)
    body = json.dumps({"results": list(results), "messageCount": len(results), "pendingMessageCount": 0})
    arrivals = Infobip().parse(request(body.encode()), connection)
    check_arrivals(arrivals)
    assert len(arrivals) == len(results)
    return arrivals


SAMPLE = json.dumps({"results": [SMS, REPORT], "messageCount": 2}).encode()
TO = Recipient(address="254722000222", answer_to={"number": "254711000111"}, message_id="018f-reply")
