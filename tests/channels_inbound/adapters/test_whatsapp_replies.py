"""WhatsApp: replies and files."""

import json
from datetime import timedelta
from typing import Any

import pytest

from channels_inbound.adapters.base import Connection, Recipient
from channels_inbound.adapters.whatsapp_words import ERRORS
from tests.channels_inbound.adapters.whatsapp_posts import ADAPTER, BSUID, CONNECTION, CREDENTIAL, NUMBER, NUMBER_ID

# --- replies ---------------------------------------------------------------------------------------------------------


def reply(to: Recipient, part: int = 0, connection: Connection = CONNECTION) -> dict[str, Any]:
    outgoing = ADAPTER.outgoing("Karibu", to=to, connection=connection, credential=CREDENTIAL, part=part)
    assert outgoing.url == f"https://graph.facebook.com/v25.0/{NUMBER_ID}/messages"
    return dict(json.loads(outgoing.body))


def test_a_reply_to_a_number() -> None:
    assert reply(Recipient(address=NUMBER, message_id="rpl_1", reply_to_id="wamid.1")) == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": NUMBER,
        "type": "text",
        "text": {"body": "Karibu"},
        "biz_opaque_callback_data": "rpl_1",
    }


@pytest.mark.parametrize("address", [BSUID, "KE.ENT.118"])
def test_a_reply_to_somebody_without_a_number(address: str) -> None:
    content = reply(Recipient(address=address))
    assert content["recipient"] == address
    assert "to" not in content


def test_a_reply_in_a_group_goes_to_the_group_and_shows_what_it_answers_once() -> None:
    to = Recipient(address=NUMBER, answer_to={"group_id": "grp"}, reply_to_id="wamid.1")
    first, second = reply(to), reply(to, part=1)
    assert (first["recipient_type"], first["to"], first["context"]) == ("group", "grp", {"message_id": "wamid.1"})
    assert second["to"] == "grp"
    assert "context" not in second


def test_the_number_that_was_written_to_answers_where_none_is_set() -> None:
    reply(Recipient(address=NUMBER, answer_to={"phone_number_id": NUMBER_ID}), connection=Connection())
    with pytest.raises(ValueError, match="phone number ID"):
        reply(Recipient(address=NUMBER), connection=Connection())


def test_nobody_is_no_recipient() -> None:
    with pytest.raises(ValueError, match="number to answer"):
        reply(Recipient(address=""))


def test_the_number_id_cannot_change_the_path() -> None:
    connection = Connection(settings={"phone_number_id": "1/../me?x="})
    outgoing = ADAPTER.outgoing("x", to=Recipient(address=NUMBER), connection=connection, credential=CREDENTIAL)
    assert outgoing.url == "https://graph.facebook.com/v25.0/1%2F..%2Fme%3Fx%3D/messages"


def test_the_answer_names_the_message() -> None:
    body = {"contacts": [{"input": NUMBER, "wa_id": NUMBER}], "messages": [{"id": "wamid.9"}]}
    assert ADAPTER.sent(200, json.dumps(body).encode()).provider_id == "wamid.9"


@pytest.mark.parametrize("code", ERRORS)
def test_every_known_error_is_a_sentence(code: str) -> None:
    body = {"error": {"message": f"(#{code}) Their words", "code": int(code), "fbtrace_id": "x"}}
    sent = ADAPTER.sent(400, json.dumps(body).encode())
    assert (sent.error, sent.error_code, sent.provider_id) == (ERRORS[code], code, "")


def test_a_long_reply_comes_in_parts_that_whatsapp_takes() -> None:
    parts = ADAPTER.parts("Neno " * 2000)
    assert [len(part) <= 4096 for part in parts] == [True] * 3


def test_free_text_may_be_sent_for_a_day() -> None:
    assert ADAPTER.reply_window == timedelta(hours=24)


# --- files -----------------------------------------------------------------------------------------------------------


def test_a_file_is_asked_for_by_its_id_with_the_token() -> None:
    outgoing = ADAPTER.media({"provider_media_id": "65463453"}, CREDENTIAL)
    assert outgoing is not None
    assert (outgoing.method, outgoing.url) == ("GET", "https://graph.facebook.com/v25.0/65463453")
    assert dict(outgoing.headers) == {"Authorization": "Bearer EAAG-a-token-of-tests"}
    url = "https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=65463453&hash=x"
    assert ADAPTER.media_url(json.dumps({"url": url, "mime_type": "image/jpeg"}).encode(), {}) == url


@pytest.mark.parametrize("name", ["", "me", "1/../../me", "1?fields=x", None], ids=repr)
def test_an_id_that_is_no_number_is_not_asked_for(name: Any) -> None:
    assert ADAPTER.media({"provider_media_id": name, "url": "https://evil.example/x"}, CREDENTIAL) is None


def test_the_short_lived_address_in_a_message_is_never_fetched_with_the_token() -> None:
    assert ADAPTER.media({"url": "https://lookaside.fbsbx.com/x"}, CREDENTIAL) is None
