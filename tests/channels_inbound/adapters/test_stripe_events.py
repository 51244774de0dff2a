"""Stripe: payments, and every other event."""

import dataclasses
from datetime import timedelta
from typing import Any

import pytest

from channels_inbound.adapters.base import Connection
from channels_inbound.adapters.stripe import Stripe
from channels_inbound.adapters.stripe_payments import PAYMENTS
from tests.channels_inbound.adapters.contract import NOW
from tests.channels_inbound.adapters.stripe_posts import (
    BODY,
    CHECKOUT,
    CONNECTION,
    LEFT_OUT,
    STAMP,
    event,
    mac,
    read,
    request,
)


def test_an_event_with_a_payment() -> None:
    arrival = read(event("checkout.session.completed", CHECKOUT, account="acct_1"))
    assert (arrival.kind, arrival.dedupe_key, arrival.provider_id) == ("event", "evt_1", "evt_1")
    assert (arrival.event_type, arrival.reason) == ("checkout.session.completed", "")
    assert arrival.occurred_at == NOW - timedelta(seconds=3)
    assert arrival.facts == {
        "account": "acct_1",
        "livemode": True,
        "api_version": "2026-04-22.dahlia",
        "object_type": "checkout.session",
        "object_id": "cs_1",
        "thin": False,
        "request_id": "req_1",
        "also": ["checkout.session.completed:cs_1"],
    }
    assert arrival.payment == {
        "outcome": "succeeded",
        "fact_id": "pi_1",
        "status": "paid",
        "amount": 150_000,
        "currency": "kes",
        "decimals": 2,
        "customer_ref": "cus_1",
        "email": "amina@example.com",
        "phone": "+254711000111",
        "reference": "order-7",
        "metadata": {"conversation_id": "cnv_1", "customer_id": "cust_9", "note": "gift"},
        "conversation_id": "cnv_1",
        "customer_id": "cust_9",
        "failure_text": "",
        "stripe_account": "acct_1",
        "livemode": True,
        "api_version": "2026-04-22.dahlia",
        "object_type": "checkout.session",
        "object_id": "cs_1",
    }


INTENT = {
    "id": "pi_1",
    "object": "payment_intent",
    "amount": 900,
    "amount_received": 900,
    "currency": "usd",
    "customer": {"id": "cus_2", "object": "customer"},
    "status": "succeeded",
    "receipt_email": "juma@example.com",
}
FAILED_INTENT = INTENT | {
    "status": "requires_payment_method",
    "amount_received": 0,
    "receipt_email": None,
    "last_payment_error": {
        "message": "Your card was declined.",
        "payment_method": {"billing_details": {"email": "declined@example.com", "phone": "+15550100"}},
    },
}
CHARGE = {
    "id": "ch_1",
    "object": "charge",
    "amount": 5000,
    "amount_refunded": 3000,
    "refunded": False,
    "currency": "jpy",
    "billing_details": {"email": "kim@example.com"},
}
INVOICE = {
    "id": "in_1",
    "object": "invoice",
    "number": "INV-0042",
    "amount_due": 2000,
    "amount_paid": 2000,
    "currency": "kwd",
    "customer": "cus_3",
    "customer_email": "wanjiru@example.com",
    "customer_phone": "+254722000222",
    "status": "paid",
    "metadata": {"plan": "pro"},
    "parent": {"subscription_details": {"metadata": {"conversation_id": "cnv_sub", "plan": "old"}}},
}


@pytest.mark.parametrize(
    ("event_type", "about", "expected"),
    [
        ("checkout.session.async_payment_succeeded", CHECKOUT, {"outcome": "succeeded", "amount": 150_000}),
        (
            "checkout.session.async_payment_failed",
            CHECKOUT | {"payment_status": "unpaid"},
            {"outcome": "failed", "status": "unpaid"},
        ),
        (
            "payment_intent.succeeded",
            INTENT,
            {"outcome": "succeeded", "amount": 900, "customer_ref": "cus_2", "email": "juma@example.com"},
        ),
        (
            "payment_intent.payment_failed",
            FAILED_INTENT,
            {
                "outcome": "failed",
                "amount": 900,
                "email": "declined@example.com",
                "phone": "+15550100",
                "failure_text": "Your card was declined.",
            },
        ),
        (
            "charge.refunded",
            CHARGE,
            {"outcome": "refunded", "status": "partially_refunded", "amount": 3000, "decimals": 0},
        ),
        ("charge.refunded", CHARGE | {"refunded": True}, {"outcome": "refunded", "status": "refunded"}),
        (
            "invoice.paid",
            INVOICE,
            {
                "outcome": "succeeded",
                "decimals": 3,
                "reference": "INV-0042",
                "email": "wanjiru@example.com",
                "phone": "+254722000222",
                "conversation_id": "cnv_sub",
                "metadata": {"plan": "pro", "conversation_id": "cnv_sub"},
            },
        ),
        ("invoice.payment_failed", INVOICE | {"status": "open"}, {"outcome": "failed", "amount": 2000}),
    ],
)
def test_what_every_kind_of_payment_tells(event_type: str, about: dict[str, Any], expected: dict[str, Any]) -> None:
    arrival = read(event(event_type, about))
    assert arrival.kind == "event"
    assert arrival.payment is not None
    assert {name: arrival.payment[name] for name in expected} == expected


def test_a_second_refund_is_as_much_as_it_added() -> None:
    whole = event("charge.refunded", CHARGE)
    whole["data"]["previous_attributes"] = {"amount_refunded": 1000}
    payment = read(whole).payment
    assert payment is not None
    assert payment["amount"] == 2000


def fact_of(event_type: str, about: dict[str, Any], **members: Any) -> str:
    payment = read(event(event_type, about, **members)).payment
    assert payment is not None
    return str(payment["fact_id"])


def test_events_that_tell_of_one_payment_name_the_same_fact() -> None:
    assert fact_of("checkout.session.completed", CHECKOUT) == fact_of("payment_intent.succeeded", INTENT) == "pi_1"
    subscribed = CHECKOUT | {"payment_intent": None, "invoice": "in_1", "mode": "subscription"}
    assert (
        fact_of("checkout.session.completed", subscribed)
        == fact_of("payment_intent.succeeded", INTENT | {"invoice": {"id": "in_1"}})
        == fact_of("invoice.paid", INVOICE | {"payment_intent": "pi_1"})
        == "in_1"
    )


def test_every_failed_try_and_every_refund_is_a_fact_of_its_own() -> None:
    tries = [
        fact_of("payment_intent.payment_failed", FAILED_INTENT | {"latest_charge": "ch_1"}),
        fact_of("payment_intent.payment_failed", FAILED_INTENT | {"latest_charge": {"id": "ch_2"}}),
        fact_of("payment_intent.payment_failed", INTENT | {"last_payment_error": {"charge": "ch_3"}}),
        fact_of("payment_intent.payment_failed", FAILED_INTENT, id="evt_7"),
        fact_of("invoice.payment_failed", INVOICE | {"charge": "ch_4"}),
        fact_of("invoice.payment_failed", INVOICE | {"attempt_count": 2}),
    ]
    assert tries == ["ch_1", "ch_2", "ch_3", "evt_7", "ch_4", "in_1:2"]
    assert fact_of("charge.refunded", CHARGE) == "ch_1:3000"
    assert fact_of("charge.refunded", CHARGE | {"amount_refunded": 5000}) == "ch_1:5000"


def test_stripe_counts_shillings_of_uganda_in_hundredths() -> None:
    payment = read(event("payment_intent.succeeded", INTENT | {"currency": "ugx", "amount_received": 500_000})).payment
    assert payment is not None
    assert (payment["amount"], payment["decimals"]) == (500_000, 2)


def test_only_what_happens_once_to_an_object_has_a_second_key() -> None:
    second_keys = {name: read(event(name, CHECKOUT | {"id": "x"})).facts.get("also") for name in PAYMENTS}
    assert {name for name, also in second_keys.items() if also is None} == {
        "payment_intent.payment_failed",
        "charge.refunded",
        "invoice.payment_failed",
    }
    assert second_keys["invoice.paid"] == ["invoice.paid:x"]


def test_an_order_that_is_not_paid_yet_is_no_payment() -> None:
    arrival = read(event("checkout.session.completed", CHECKOUT | {"payment_status": "unpaid"}))
    assert (arrival.kind, arrival.payment) == ("event", None)
    assert arrival.reason.startswith("ignored: ")


def test_a_payment_link_may_carry_the_conversation_as_its_reference() -> None:
    payment = read(
        event("checkout.session.completed", CHECKOUT | {"metadata": {}, "client_reference_id": "cnv_9"})
    ).payment
    assert payment is not None
    assert (payment["conversation_id"], payment["reference"]) == ("cnv_9", "cnv_9")


@pytest.mark.parametrize("event_type", ["charge.failed", "customer.deleted", "charge.dispute.created", "new.kind"])
def test_any_other_event_is_kept_and_means_nothing(event_type: str) -> None:
    arrival = read(event(event_type, {"object": "x"}))
    assert (arrival.kind, arrival.payment) == ("event", None)
    assert arrival.reason.startswith("ignored: ")
    assert arrival.facts["object_id"] is None


@pytest.mark.parametrize(
    ("told", "expected"),
    [(None, None), ("req_old", "req_old"), ({"id": "req_new"}, "req_new"), ({"id": None}, None), ([1], None)],
)
def test_the_request_behind_an_event_has_had_three_forms(told: Any, expected: str | None) -> None:
    assert read(event("charge.failed", {}, request=told)).facts["request_id"] == expected


def test_a_thin_event_is_kept_with_what_it_points_at() -> None:  # row 32
    thin = {
        "id": "evt_235",
        "object": "v2.core.event",
        "type": "payment_intent.succeeded",
        "livemode": True,
        "created": "2026-11-25T11:59:00.330Z",
        "context": "acct_456",
        "related_object": {"id": "mtr_1", "type": "billing.meter", "url": "/v1/billing/meters/mtr_1"},
    }
    arrival = read(thin)
    assert (arrival.kind, arrival.dedupe_key, arrival.payment) == ("event", "evt_235", None)
    assert (arrival.facts["thin"], arrival.facts["account"]) == (True, "acct_456")
    assert (arrival.facts["object_id"], arrival.facts["object_type"]) == ("mtr_1", "billing.meter")
    assert arrival.occurred_at is not None
    assert arrival.reason == "ignored: a thin event does not say what was paid"


@pytest.mark.parametrize(
    ("setting", "livemode", "is_ignored"),
    [
        ("live", False, True),
        ("test", True, True),
        ("live", True, False),
        (" Test ", False, False),
        ("", False, False),
        ("live", None, False),
    ],
)
def test_events_of_the_other_mode_are_kept_and_ignored(setting: str, livemode: Any, is_ignored: bool) -> None:
    # row 33, L23
    arrival = read(event("checkout.session.completed", CHECKOUT, livemode=livemode), livemode=setting)
    assert arrival.kind == "event"
    assert (arrival.payment is None) == is_ignored
    assert arrival.reason.startswith("ignored: ") == is_ignored


@pytest.mark.parametrize(
    ("ours", "theirs", "is_foreign"),
    [
        ("acct_ours", "acct_other", True),
        ("acct_ours", "acct_ours", False),
        ("acct_ours", LEFT_OUT, False),
        ("", "acct_other", False),
    ],
)
def test_events_of_another_account_are_not_for_this_channel(ours: str, theirs: Any, is_foreign: bool) -> None:
    # row 35
    arrival = read(event("checkout.session.completed", CHECKOUT, account=theirs), account=ours)
    assert arrival.kind == ("unsupported" if is_foreign else "event")
    assert (arrival.payment is None) == is_foreign
    assert arrival.reason.startswith("Not for this channel: ") == is_foreign


def test_a_try_again_has_another_signature_and_the_same_key() -> None:  # row 34
    later = dataclasses.replace(
        request(BODY, f"t={STAMP + 60},v1={mac(BODY, STAMP + 60)}"), at=NOW + timedelta(seconds=60)
    )
    assert Stripe().verify(later, CONNECTION)
    keys = {arrival.dedupe_key for each in (request(BODY), later) for arrival in Stripe().parse(each, CONNECTION)}
    assert keys == {"evt_1"}


def test_of_an_id_that_stands_there_twice_the_last_one_counts() -> None:  # row 93
    body = BODY.replace(b'{"id": "evt_1"', b'{"id": "evt_0", "id": "evt_1"', 1)
    assert [each.dedupe_key for each in Stripe().parse(request(body), CONNECTION)] == ["evt_1"]


@pytest.mark.parametrize(
    "about",
    [
        {"amount_total": "1500", "currency": 7, "customer": [1], "metadata": [1], "customer_details": "x"},
        {"amount_total": True, "metadata": {"a": 1, "b": {"c": 2}, "d": "kept"}},
        {},
    ],
)
def test_an_object_of_another_shape_still_tells_what_it_can(about: dict[str, Any]) -> None:
    payment = read(event("checkout.session.completed", about)).payment
    assert payment is not None
    assert (payment["amount"], payment["customer_ref"], payment["fact_id"]) == (None, None, "")
    assert payment["metadata"] == ({"d": "kept"} if "metadata" in about and isinstance(about["metadata"], dict) else {})


def test_a_channel_without_any_setting_takes_everything() -> None:
    bare = Connection(secrets=CONNECTION.secrets)
    (arrival,) = Stripe().parse(request(BODY), bare)
    assert arrival.payment is not None
