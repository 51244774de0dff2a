"""WhatsApp: what became of our messages, what the business said itself, and events of the account."""

import pytest

from channels_inbound.adapters.whatsapp_words import ERRORS, STATUSES
from tests.channels_inbound.adapters.meta import only
from tests.channels_inbound.adapters.whatsapp_posts import (
    BSUID,
    NUMBER,
    NUMBER_ID,
    SENT_AT,
    STAMP,
    document,
    message,
    read,
)


@pytest.mark.parametrize("word", STATUSES)
def test_a_status_is_about_a_message_of_ours(word: str) -> None:
    status = {"id": "wamid.0", "status": word, "timestamp": STAMP, "recipient_id": NUMBER}
    found = only(read(document(statuses=[status | {"biz_opaque_callback_data": "rpl_1"}])))
    assert (found.kind, found.status, found.starts_agent) == ("status", STATUSES[word], False)
    assert (found.dedupe_key, found.target_id) == (f"wamid.0:{word}", "wamid.0")
    assert (found.recipient, found.occurred_at) == (NUMBER, SENT_AT)
    assert found.facts == {"phone_number_id": NUMBER_ID, "our_message_id": "rpl_1"}


@pytest.mark.parametrize("code", [131047, 131026, 131049, 130429])
def test_a_failure_says_why(code: int) -> None:
    status = {"id": "wamid.0", "status": "failed", "errors": [{"code": code, "title": "Their words"}]}
    found = only(read(document(statuses=[status])))
    assert (found.status, found.error_code, found.error_text) == ("failed", str(code), ERRORS[str(code)])


def test_a_failure_that_we_do_not_know_is_told_in_their_words() -> None:
    error = {"code": 1, "title": "Title", "error_data": {"details": "All of it"}}
    found = only(read(document(statuses=[{"id": "wamid.0", "status": "failed", "errors": [error]}])))
    assert found.error_text == "All of it."


def test_a_status_of_somebody_without_a_number() -> None:
    found = only(read(document(statuses=[{"id": "wamid.0", "status": "read", "recipient_user_id": BSUID}])))
    assert found.recipient == BSUID


@pytest.mark.parametrize("field", ["smb_message_echoes", "message_echoes"])
def test_what_the_business_said_itself_starts_nothing(field: str) -> None:
    echo = message() | {"from": "254700000000", "to": NUMBER}
    found = only(read(document(field, message_echoes=[echo])))
    assert (found.kind, found.starts_agent, found.text) == ("echo", False, "Habari?")
    assert found.recipient == NUMBER


def test_row_52_while_another_program_has_the_thread_nothing_starts() -> None:
    found = read(document("standby", messages=[message()], message_echoes=[message(id="wamid.2")]))
    assert [(each.kind, each.starts_agent) for each in found] == [("standby", False), ("echo", False)]


def test_an_error_of_the_account_is_an_event() -> None:
    found = only(read(document(errors=[{"code": 131031, "title": "Locked"}])))
    assert (found.kind, found.event_type, found.error_code) == ("event", "whatsapp.errors", "131031")
    assert found.error_text == "WhatsApp has locked your account."


@pytest.mark.parametrize("field", ["account_update", "message_template_status_update", "user_preferences", "history"])
def test_what_happens_to_the_account_is_an_event(field: str) -> None:
    found = only(read(document(field, event="X")))
    assert (found.kind, found.event_type, found.starts_agent) == ("event", f"whatsapp.{field}", False)


def test_a_batch_over_several_entries() -> None:
    both = document(messages=[message(), message(id="wamid.2")], statuses=[{"id": "wamid.0", "status": "sent"}])
    both["entry"] += document(messages=[message(id="wamid.3")])["entry"]
    keys = [each.dedupe_key for each in read(both)]
    assert keys == ["wamid.1", "wamid.2", "wamid.0:sent", "wamid.3"]
