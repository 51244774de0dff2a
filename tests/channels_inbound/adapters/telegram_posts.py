"""What Telegram posts, for its tests: updates with the secret."""

import json
from typing import Any

from channels_inbound.adapters.base import Arrival, Incoming
from channels_inbound.adapters.telegram import Telegram
from tests.channels_inbound.adapters.contract import NOW, check_arrivals, connected

SECRET = "telegram-Secret_0123456789"
HEADER = "x-telegram-bot-api-secret-token"
CONNECTION = connected(Telegram, {"secret_token": SECRET})
CREDENTIAL = {"bot_token": "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"}

JANE = {
    "id": 5342492667,
    "is_bot": False,
    "first_name": "Jane",
    "last_name": "Doe",
    "username": "jane",
    "language_code": "sw",
}
PRIVATE = {"id": 5342492667, "type": "private", "first_name": "Jane"}
GROUP = {"id": -1002162095988, "type": "supergroup", "title": "Shop", "is_forum": True}
SAID = {"message_id": 41, "from": JANE, "chat": PRIVATE, "date": 1795521500, "text": "Where is my order?"}
FILE = {"file_id": "BQAC", "file_unique_id": "Ag", "file_size": 9001}


def request(body: bytes) -> Incoming:
    return Incoming(headers={"content-type": "application/json", HEADER: SECRET}, body=body, at=NOW)


def update(name: str, element: Any, number: Any = 10000) -> bytes:
    return json.dumps({"update_id": number, name: element}).encode()


def several(name: str, element: Any) -> list[Arrival]:
    arrivals = Telegram().parse(request(update(name, element)), CONNECTION)
    check_arrivals(arrivals)
    return arrivals


def read(name: str, element: Any) -> Arrival:
    (arrival,) = several(name, element)
    return arrival
