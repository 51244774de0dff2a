"""Mailgun: what became of our mails, and whatever else comes."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels_inbound.adapters.base import Unusable
from tests.channels_inbound.adapters.contract import check_arrivals
from tests.channels_inbound.adapters.mailgun_posts import (
    ADAPTER,
    HERE,
    MAIL,
    TOKEN,
    connection,
    encoded,
    event,
    posted,
    proof,
    read,
)

# --- events ----------------------------------------------------------------------------------------------------------


def data(word: Any, **more: Any) -> dict[str, Any]:
    message = {"headers": {"message-id": "ours@mg.example.com", "to": "asha@example.org"}}
    return {
        "event": word,
        "id": "ev-1",
        "timestamp": HERE + 0.5,
        "recipient": "asha@example.org",
        "message": message,
    } | more


@pytest.mark.parametrize(
    "word, more, status",
    [
        ("accepted", {}, "sent"),
        ("delivered", {}, "delivered"),
        ("opened", {}, "read"),
        ("clicked", {}, "read"),
        ("failed", {"severity": "permanent"}, "failed"),
        ("failed", {"severity": "temporary"}, "deferred"),
        ("failed", {}, "failed"),
        ("rejected", {}, "failed"),
        ("complained", {}, "complained"),
        ("unsubscribed", {}, "unsubscribed"),
        ("something new", {}, "something new"),
    ],
)
def test_an_event_is_a_status_of_the_mail_we_sent(word, more, status):
    arrival = read(event(data(word, **more)))
    assert (arrival.kind, arrival.event_type, arrival.status) == ("status", word, status)
    assert (arrival.dedupe_key, arrival.provider_id) == (TOKEN, "ev-1")
    assert arrival.target_id == "<ours@mg.example.com>", "as the id stands in the mail"
    assert arrival.occurred_at == datetime.fromtimestamp(HERE + 0.5, UTC)
    assert not arrival.starts_agent


@pytest.mark.parametrize(
    "more, code, text",
    [
        ({"delivery-status": {"code": 550, "message": "no such user", "description": ""}}, "550", "no such user"),
        (
            {"delivery-status": {"code": 605, "description": "Not delivering to an old bounce"}},
            "605",
            "Not delivering to an old bounce",
        ),
        ({"delivery-status": None, "reason": "suppress-bounce"}, "", "suppress-bounce"),
        ({"delivery-status": "x"}, "", ""),
    ],
)
def test_a_failure_says_why(more, code, text):
    arrival = read(event(data("failed", severity="permanent", **more)))
    assert (arrival.error_code, arrival.error_text) == (code, text)


@pytest.mark.parametrize("broken", [{}, {"event": None}, {"event": ["x"]}, {"event": {}}])
def test_an_event_of_nothing_is_unsupported(broken):
    assert read(event(broken)).kind == "unsupported"


@pytest.mark.parametrize("broken", [None, [], "x", 7])
def test_a_signed_event_without_data_is_unusable(broken):
    with pytest.raises(Unusable):
        read(event(broken))


def test_an_event_of_another_domain_of_the_account_is_not_ours():
    incoming = event(data("delivered", domain={"name": "other.example.com"}))
    assert read(incoming, connection(domain="mg.example.com")).kind == "unsupported"
    assert read(incoming).kind == "status"


# --- whatever comes --------------------------------------------------------------------------------------------------

FIELDS = st.sampled_from(
    [*MAIL, "message-headers", "content-id-map", "attachments", "body-mime", "Reply-To", "References"]
)
PAIRS = st.lists(st.tuples(FIELDS | st.text(max_size=6), st.text(max_size=40)), max_size=12)


@settings(max_examples=200, deadline=None)
@given(pairs=PAIRS, as_form=st.booleans())
def test_any_fields_give_arrivals_or_are_unusable(pairs, as_form):
    safe = [
        (name.encode("utf-8", "replace").decode(), value.encode("utf-8", "replace").decode()) for name, value in pairs
    ]
    incoming = posted(pairs) if as_form else encoded([*safe, *proof().items()])
    ADAPTER.once(incoming)
    try:
        check_arrivals(ADAPTER.parse(incoming, connection()))
    except Unusable as refusal:
        assert str(refusal).endswith(".")
