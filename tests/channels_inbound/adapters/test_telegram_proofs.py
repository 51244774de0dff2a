"""Telegram: the secret, and bad input."""

import json
from typing import Any

import pytest

from channels_inbound.adapters.base import Incoming, NotAuthentic, Recipient, Unusable
from channels_inbound.adapters.telegram import Telegram
from tests.channels_inbound.adapters.contract import NOW, AdapterContract, connected, with_header
from tests.channels_inbound.adapters.telegram_posts import (
    CONNECTION,
    CREDENTIAL,
    HEADER,
    SAID,
    SECRET,
    read,
    request,
    update,
)


class TestTelegram(AdapterContract):
    adapter = Telegram()
    connection = CONNECTION
    sample = update("message", SAID)
    proof_headers = (HEADER,)
    credential = CREDENTIAL
    recipient = Recipient(address="5342492667", answer_to={"chat_id": "5342492667"})
    signs_body = False
    secret_in_url = True

    def request(self, body: bytes) -> Incoming:
        return request(body)


# --- proofs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        pytest.param("", id="75-empty"),
        pytest.param(SECRET.lower(), id="75-other-case"),
        pytest.param(f"{SECRET}x", id="75-trailing-text"),
        pytest.param(f"{SECRET},x", id="75-twice"),
        pytest.param(f"{SECRET}, {SECRET}", id="75-twice-the-right-one"),
        pytest.param(f"{SECRET}é", id="75-non-ascii"),
        pytest.param(f" {SECRET}", id="75-leading-space"),
    ],
)
def test_another_secret_is_refused(given: str) -> None:
    with pytest.raises(NotAuthentic):
        Telegram().verify(with_header(request(b"{}"), HEADER, given), CONNECTION)


def test_75_the_secret_in_the_query_proves_nothing() -> None:
    url = f"https://hooks.example.test/chat/telegram?secret_token={SECRET}"
    incoming = Incoming(url=url, query=f"secret_token={SECRET}&{HEADER}={SECRET}", body=b"{}", at=NOW)
    with pytest.raises(NotAuthentic):
        Telegram().verify(incoming, CONNECTION)


def test_both_secrets_of_a_rotation_let_in_and_say_which_it_was() -> None:
    connection = connected(Telegram, {"secret_token": ["new", SECRET]})
    assert Telegram().verify(request(b"{}"), connection).secret_id == "secret_token-1"
    assert Telegram().verify(with_header(request(b"{}"), HEADER, "new"), connection).secret_id == "secret_token-0"


def test_the_answer_is_empty_since_telegram_would_run_it() -> None:
    response = Telegram().accepted(request(b"{}"))
    assert (response.status, response.body) == (200, b"")
    assert Telegram().refused(request(b"{}")).body == b""


# --- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(json.dumps({"message": SAID}).encode(), id="76-no-update-id"),
        pytest.param(update("message", SAID, "abc"), id="76-text-update-id"),
        pytest.param(update("message", SAID, None), id="update-id-null"),
        pytest.param(update("message", SAID, -7), id="update-id-negative"),
        pytest.param(update("message", SAID, [1]), id="update-id-a-list"),
    ],
)
def test_what_has_no_update_id_is_unusable(body: bytes) -> None:
    with pytest.raises(Unusable, match="update_id"):
        Telegram().parse(request(body), CONNECTION)


@pytest.mark.parametrize(
    "element",
    [
        pytest.param(None, id="76-message-null"),
        pytest.param({**SAID, "chat": None}, id="76-no-chat"),
        pytest.param({**SAID, "text": None, "photo": []}, id="76-empty-photo-list"),
        pytest.param({**SAID, "text": ["x"]}, id="text-a-list"),
        pytest.param("text", id="message-a-text"),
    ],
)
def test_an_update_that_says_nothing_is_kept_with_a_reason(element: Any) -> None:
    arrival = read("message", element)
    assert (arrival.kind, arrival.dedupe_key.partition(":")[0]) == ("unsupported", "10000")
    assert arrival.reason.endswith(".")


@pytest.mark.parametrize("date", [10**18, -1, "soon", None, 1.5e300], ids=lambda date: f"76-date-{date}")
def test_a_date_out_of_range_is_no_date(date: Any) -> None:
    arrival = read("message", SAID | {"date": date})
    assert arrival.starts_agent
    assert arrival.occurred_at is None


def test_77_the_key_is_the_update_whatever_it_says() -> None:
    assert read("message", SAID).dedupe_key == read("message", SAID | {"text": "other"}).dedupe_key
