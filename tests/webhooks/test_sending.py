"""Claim, commit, send once, record: with real rows, a real receiver, and races."""

import json
import threading
import time
import uuid
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from tests.factories import make_credential, make_delivery, make_endpoint
from webhooks import attempts, bodies, sending, signatures
from webhooks.models import Attempt, Delivery

pytestmark = pytest.mark.django_db(transaction=True)
State = Delivery.State


@pytest.fixture
def endpoint(receiver):
    return make_endpoint(url=receiver.url)


def test_one_post_arrives_with_every_proof(receiver, endpoint):
    delivery = sending.send(make_delivery(endpoint=endpoint, data={"email": "bob@example.com"}))

    assert (delivery.state, delivery.attempt.status_code) == (State.DELIVERED, 200)
    [received] = receiver.requests
    assert received.method == "POST"
    assert received.headers["Content-Type"] == "application/json"
    assert received.headers["X-Chatzuri-Delivery"] == received.headers["webhook-id"] == delivery.public_id
    assert "X-Webhook-Secret" not in received.headers
    verdict = signatures.verify(endpoint.signing_secret, received.headers, received.body, time.time())
    assert (verdict.valid, verdict.scheme) == (True, "standard-webhooks")
    plain = {"X-Chatzuri-Signature": received.headers["X-Chatzuri-Signature"]}
    assert signatures.verify(endpoint.signing_secret, plain, received.body, time.time()).valid
    body = json.loads(received.body)
    assert list(body) == ["id", "event", "timestamp", "agent_id", "data"]
    assert (body["id"], body["data"]) == (delivery.event.public_id, {"email": "bob@example.com"})


def test_a_given_body_is_sent_byte_for_byte(receiver, endpoint):
    raw = bodies.render({"b": 1, "a": "✓ ü", "n": 2**53 + 1})
    sending.send(make_delivery(endpoint=endpoint, body=raw))
    assert receiver.requests[0].body == raw == '{"b":1,"a":"✓ ü","n":9007199254740993}'.encode()


def test_the_shared_secret_travels_only_when_there_is_one(receiver):
    credential = make_credential(
        team=(endpoint := make_endpoint(url=receiver.url)).team,
        values={"webhook_url": receiver.url, "secret": "shared-secret-77"},
    )
    endpoint.credential = credential
    endpoint.save()
    receiver.answer(body=b"you sent shared-secret-77")
    delivery = sending.send(make_delivery(endpoint=endpoint))
    assert receiver.requests[0].headers["X-Webhook-Secret"] == "shared-secret-77"
    assert b"shared-secret-77" not in bytes(delivery.attempt.response_body)
    assert "shared-secret-77" not in json.dumps(delivery.attempt.request_headers)
    credential.refresh_from_db()
    assert credential.last_used_at is not None


def test_an_endpoint_without_a_url_uses_its_credentials_address(receiver):
    credential = make_credential(team=(team := make_endpoint().team), values={"webhook_url": receiver.url})
    delivery = sending.send(make_delivery(endpoint=make_endpoint(team=team, url="", credential=credential)))
    assert (delivery.state, len(receiver.requests)) == (State.DELIVERED, 1)


@pytest.mark.parametrize("status", [301, 307, 400, 401, 404, 410, 429, 500, 503])
def test_anything_but_2xx_is_rejected_after_one_request(receiver, endpoint, status):
    receiver.answer(status=status)
    delivery = sending.send(make_delivery(endpoint=endpoint))
    assert (delivery.state, delivery.attempt.status_code) == (State.REJECTED, status)
    assert sending.describe(delivery).label == f"rejected {status}"
    assert delivery.seen_by_receiver == "yes"
    assert len(receiver.requests) == 1


def test_a_silent_receiver_may_have_seen_it(receiver, endpoint, settings):
    settings.DELIVERY_DEADLINE = 0.5
    receiver.answer(delay=2)
    delivery = sending.send(make_delivery(endpoint=endpoint))
    assert (delivery.state, delivery.seen_by_receiver) == (State.NO_ANSWER, "maybe")
    assert "may have seen it" in sending.describe(delivery).sentence


def test_a_closed_port_is_not_sent(receiver, endpoint, settings):
    settings.INSPECTOR_ORIGIN = "http://127.0.0.1:1"
    endpoint.url = "http://127.0.0.1:1/inspector/x"
    endpoint.save()
    delivery = sending.send(make_delivery(endpoint=endpoint))
    assert (delivery.state, delivery.seen_by_receiver) == (State.NOT_SENT, "no")


@pytest.mark.parametrize("path", ["/admin/", "/inspector/../admin/", "/inspector/%2e%2e/admin/"])
def test_the_inspectors_host_is_open_for_the_inspector_only(receiver, path):
    delivery = sending.send(make_delivery(endpoint=make_endpoint(url=receiver.origin + path)))
    assert delivery.state == State.BLOCKED
    assert receiver.requests == []


def test_a_private_address_is_blocked_and_says_so(receiver):
    delivery = sending.send(make_delivery(endpoint=make_endpoint(url="https://10.0.0.1/hook")))
    assert delivery.state == State.BLOCKED
    assert sending.describe(delivery).label == "blocked: private address"


def test_sending_inside_a_transaction_is_refused(receiver, endpoint):
    delivery = make_delivery(endpoint=endpoint)
    with transaction.atomic(), pytest.raises(sending.InsideTransaction):
        sending.send(delivery)
    assert receiver.requests == []


def test_twenty_threads_send_one_delivery_once(receiver, endpoint):
    delivery = make_delivery(endpoint=endpoint)
    _together(20, lambda: sending.send(Delivery.objects.get(pk=delivery.pk)))
    assert len(receiver.requests) == 1
    assert Attempt.objects.count() == 1


def test_drains_beside_each_other_send_each_delivery_once(receiver, endpoint):
    deliveries = [make_delivery(endpoint=endpoint) for _ in range(40)]
    lanes = [sending.Lane(slow=False) for _ in range(4)]
    _together(4, lambda: lanes.pop().drain())
    sending.drain()  # what was beyond the endpoint's limit when the others looked
    seen = sorted(request.headers["webhook-id"] for request in receiver.requests)
    assert seen == sorted(d.public_id for d in deliveries)
    assert Delivery.objects.filter(state=State.DELIVERED).count() == 40


def test_a_wake_up_that_comes_while_a_lane_is_drained_is_heeded(receiver, endpoint):
    receiver.answer(delay=0.5)
    make_delivery(endpoint=endpoint)
    first = threading.Thread(target=_closing(sending.drain))
    first.start()
    receiver.wait_for(1)
    make_delivery(endpoint=endpoint)
    assert sending.drain() == 0  # the running one takes it
    first.join()
    assert len(receiver.requests) == 2


def test_a_rolled_back_change_sends_nothing(receiver, endpoint):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        make_delivery(endpoint=endpoint)
        raise ZeroDivisionError
    assert sending.drain() == 0
    assert (Delivery.objects.count(), receiver.requests) == (0, [])


def test_the_reaper_writes_interrupted_and_a_late_outcome_corrects_it(receiver, endpoint):
    delivery = make_delivery(endpoint=endpoint)
    [claimed] = sending.claim(limit=1, only=delivery.pk)
    Delivery.objects.filter(pk=delivery.pk).update(deadline_at=timezone.now() - timedelta(minutes=1))
    assert sending.reap() == 1
    delivery.refresh_from_db()
    assert (delivery.state, delivery.seen_by_receiver, receiver.requests) == (State.INTERRUPTED, "maybe", [])
    assert sending.sweep() is False

    sending.record([(claimed, sending.transmit(claimed))])
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempt.outcome) == (State.DELIVERED, State.DELIVERED)
    assert len(receiver.requests) == 1


def test_an_outcome_under_another_token_changes_nothing(receiver, endpoint):
    delivery = make_delivery(endpoint=endpoint)
    [claimed] = sending.claim(limit=1, only=delivery.pk)
    Delivery.objects.filter(pk=delivery.pk).update(token=uuid.uuid4())
    sending.record([(claimed, sending.Outcome(State.DELIVERED, status_code=200))])
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempt.outcome) == (State.SENDING, "")


def test_a_worker_that_wakes_up_too_late_puts_it_back(receiver, endpoint, monkeypatch):
    delivery = make_delivery(endpoint=endpoint)
    [claimed] = sending.claim(limit=1, only=delivery.pk)
    monkeypatch.setattr(attempts, "BEGIN_WITHIN", -1)
    sending.record([(claimed, sending.transmit(claimed))])
    delivery.refresh_from_db()
    assert (delivery.state, delivery.token, receiver.requests) == (State.QUEUED, None, [])
    assert not Attempt.objects.exists()
    monkeypatch.undo()
    assert (sending.drain(), len(receiver.requests)) == (1, 1)


def test_what_was_called_interrupted_is_not_put_back(receiver, endpoint, monkeypatch):
    delivery = make_delivery(endpoint=endpoint)
    [claimed] = sending.claim(limit=1, only=delivery.pk)
    Delivery.objects.filter(pk=delivery.pk).update(deadline_at=timezone.now() - timedelta(minutes=1))
    sending.reap()
    monkeypatch.setattr(attempts, "BEGIN_WITHIN", -1)
    sending.record([(claimed, sending.transmit(claimed))])
    delivery.refresh_from_db()
    assert (delivery.state, sending.drain(), receiver.requests) == (State.INTERRUPTED, 0, [])


def test_the_sweeper_sees_only_what_was_forgotten(receiver, endpoint):
    delivery = make_delivery(endpoint=endpoint)
    assert sending.sweep() is False
    Delivery.objects.filter(pk=delivery.pk).update(queued_at=timezone.now() - timedelta(seconds=11))
    assert sending.sweep() is True


def test_a_paused_endpoint_holds_and_nothing_goes_out_by_surprise(receiver, endpoint):
    endpoint.pause()
    held = make_delivery(endpoint=endpoint)
    assert (held.state, sending.drain()) == (State.HELD, 0)
    endpoint.resume()
    assert sending.drain() == 0
    assert endpoint.deliveries.release() == 1
    assert (sending.drain(), len(receiver.requests)) == (1, 1)


def test_a_resend_is_a_new_delivery_of_the_same_event(receiver, endpoint):
    first = sending.send(make_delivery(endpoint=endpoint))
    again = sending.send(sending.resend(first, wake=False))
    assert again.replay_of == first
    one, two = receiver.requests
    assert one.body == two.body
    assert one.headers["webhook-id"] != two.headers["webhook-id"]


def test_resend_pressed_ten_times_at_once_sends_one_more(receiver, endpoint):
    first, token = sending.send(make_delivery(endpoint=endpoint)), uuid.uuid4()
    _together(10, lambda: sending.resend(first, form_token=token, wake=False))
    sending.drain()
    assert len(receiver.requests) == 2


def test_a_body_over_the_limit_is_refused_before_anything_is_stored(receiver, endpoint):
    with pytest.raises(bodies.BodyRefused):
        make_delivery(endpoint=endpoint, data={"text": "x" * 300_000})
    assert Delivery.objects.count() == 0


def test_a_lost_encryption_key_blocks_instead_of_sending_unsigned(receiver, endpoint, settings):
    delivery = make_delivery(endpoint=endpoint)
    settings.FIELD_ENCRYPTION_KEYS = [("other", b"0" * 32)]
    delivery = sending.send(delivery)
    assert (delivery.state, delivery.attempt.code) == (State.BLOCKED, "secret_not_readable")
    assert receiver.requests == []


def _closing(work):
    """For threads: a connection of their own must not outlive them."""

    def run():
        try:
            work()
        finally:
            connection.close()

    return run


def _together(count, work):
    """`work` in `count` threads that start at the same moment; their errors are the test's."""
    barrier, errors = threading.Barrier(count), []

    def run():
        barrier.wait()
        try:
            work()
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert errors == []
