"""Rotating a signing secret: two secrets for a while, never more, and never on a page again."""

import re
import time
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from chatzuri.models import Team
from tests.factories import make_bin, make_delivery, make_endpoint, make_team, make_user
from webhooks import sending, signatures
from webhooks.models import Bin, Endpoint, RotationRefused

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
BODY = b'{"hello":"world"}'


@pytest.fixture
def team() -> Team:
    return make_team()


@pytest.fixture
def client(team: Team) -> Client:
    client = Client()
    client.force_login(make_user(team=team, role="member"), backend="django.contrib.auth.backends.ModelBackend")
    return client


def press(client: Client, page: str, endpoint: Endpoint, **data: Any) -> str:
    response = client.post(reverse(f"admin:webhooks_endpoint_{page}", args=[endpoint.pk]), data, follow=True)
    return str(response.content.decode())


def page_of(client: Client, endpoint: Endpoint) -> str:
    return str(client.get(reverse("admin:webhooks_endpoint_change", args=[endpoint.pk])).content.decode())


def end(endpoint: Endpoint) -> Endpoint:
    """The overlap is over by the clock; the stored secret is still there."""
    Endpoint.objects.filter(pk=endpoint.pk).update(previous_secret_until=timezone.now() - timedelta(seconds=1))
    return Endpoint.objects.get(pk=endpoint.pk)


def test_inside_the_overlap_both_secrets_sign_and_are_masked():
    endpoint = make_endpoint()
    old = endpoint.signing_secret
    new = endpoint.rotate_signing_secret(keep_for=DAY)
    stored = Endpoint.objects.get()
    assert stored.signing_secrets() == endpoint.signing_secrets() == [new, old]
    assert {new, old} <= set(stored.secrets())
    assert end(stored).signing_secrets() == [new]


def test_at_once_leaves_nothing_of_the_old_secret():
    endpoint = make_endpoint()
    new = endpoint.rotate_signing_secret(keep_for=timedelta(0))
    stored = Endpoint.objects.get()
    assert (stored.signing_secrets(), stored.previous_secret) == ([new], "")


def test_a_given_secret_is_taken():
    endpoint, mine = make_endpoint(), signatures.new_secret()
    assert endpoint.rotate_signing_secret(keep_for=DAY, secret=mine) == mine == Endpoint.objects.get().signing_secret


def test_a_second_rotation_inside_the_overlap_is_refused_with_what_to_do():
    endpoint = make_endpoint()
    endpoint.rotate_signing_secret(keep_for=DAY)
    before = endpoint.signing_secrets()
    with pytest.raises(RotationRefused, match="End the overlap first, or wait"):
        endpoint.rotate_signing_secret(keep_for=timedelta(0))
    assert Endpoint.objects.get().signing_secrets() == before
    endpoint.end_overlap()
    endpoint.rotate_signing_secret(keep_for=DAY)
    assert len(Endpoint.objects.get().signing_secrets()) == 2


def test_two_people_at_once_rotate_once():
    """The second one has the row as it was before the first, and is refused all the same."""
    first = make_endpoint()
    second = Endpoint.objects.get()
    new = first.rotate_signing_secret(keep_for=DAY)
    with pytest.raises(RotationRefused):
        second.rotate_signing_secret(keep_for=DAY)
    assert Endpoint.objects.get().signing_secret == new


def test_the_same_secret_again_is_refused():
    endpoint = make_endpoint()
    old = endpoint.signing_secret
    with pytest.raises(RotationRefused, match="was used here before"):
        endpoint.rotate_signing_secret(keep_for=DAY, secret=old)
    endpoint.rotate_signing_secret(keep_for=DAY)
    endpoint = end(endpoint)
    with pytest.raises(RotationRefused, match="was used here before"):
        endpoint.rotate_signing_secret(keep_for=DAY, secret=old)


@pytest.mark.parametrize(
    "secret",
    ["short", "whsec_", "whsec_c2hvcnQ=", "whsec_" + "A" * 1_000_000, "whsec_not base64!", " ", "whsec_\n" + "A" * 44],
)
def test_a_weak_or_broken_secret_is_refused_and_not_repeated(secret):
    endpoint = make_endpoint()
    before = endpoint.signing_secret
    with pytest.raises(RotationRefused) as refused:
        endpoint.rotate_signing_secret(keep_for=DAY, secret=secret)
    assert "Let us generate one" in str(refused.value)
    assert secret not in str(refused.value) or secret.strip() in ("", "whsec_")
    assert Endpoint.objects.get().signing_secret == before


@pytest.mark.parametrize("keep_for", [timedelta(days=7, seconds=1), timedelta(seconds=-1)])
def test_an_overlap_has_a_limit(keep_for):
    with pytest.raises(RotationRefused, match="at most 7 days"):
        make_endpoint().rotate_signing_secret(keep_for=keep_for)


def test_more_than_three_keys_never_sign():
    keys = [signatures.new_secret() for _ in range(10)]
    with pytest.raises(ValueError, match="one to 3 secrets"):
        signatures.headers(keys, delivery_id="dlv_1", timestamp=1, body=b"{}")


# --- on the wire -----------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_receivers_with_either_secret_accept_and_a_resend_is_signed_afresh(receiver):
    endpoint = make_endpoint(url=receiver.url)
    old = endpoint.signing_secret
    new = endpoint.rotate_signing_secret(keep_for=DAY)
    first = sending.send(make_delivery(endpoint=endpoint))
    time.sleep(1.1)
    second = sending.send(sending.resend(first, wake=False))
    sent, again = receiver.requests
    for request in (sent, again):
        for secret in (old, new):
            assert signatures.verify(secret, request.headers, request.body, now=time.time()).valid
    assert sent.headers["webhook-signature"].count("v1,") == 2
    assert (second.event, second.replay_of) == (first.event, first)
    for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        assert sent.headers[name] != again.headers[name]
    assert sent.body == again.body


@pytest.mark.django_db(transaction=True)
def test_after_the_overlap_only_the_new_secret_is_right(receiver):
    endpoint = make_endpoint(url=receiver.url)
    old = endpoint.signing_secret
    new = endpoint.rotate_signing_secret(keep_for=DAY)
    endpoint.end_overlap()
    sending.send(make_delivery(endpoint=endpoint))
    (request,) = receiver.requests
    verdicts = [signatures.verify(each, request.headers, request.body, now=time.time()).reason for each in (new, old)]
    assert verdicts == ["valid", "wrong_signature"]


@pytest.mark.django_db(transaction=True)
def test_a_receiver_that_says_the_old_secret_is_masked(receiver):
    endpoint = make_endpoint(url=receiver.url)
    old = endpoint.signing_secret
    new = endpoint.rotate_signing_secret(keep_for=DAY)
    receiver.answer(body=f"{old} {new}".encode())
    delivery = sending.send(make_delivery(endpoint=endpoint))
    assert bytes(delivery.attempt.response_body).decode() == "•••••••• ••••••••"


# --- the inspector ---------------------------------------------------------------------------------------------------


def caught_with(bin: Bin, secrets: list[str]) -> tuple[str, str]:
    headers = signatures.headers(secrets, delivery_id="dlv_1", timestamp=int(time.time()), body=BODY)
    Client().post(f"/inspector/{bin.key}", BODY, content_type="application/json", headers=headers)
    caught = bin.requests.latest("pk")
    return caught.verdict, caught.reason


def test_the_inspector_says_which_secret_it_was():
    bin = make_bin()
    endpoint = make_endpoint(team=bin.team, url=bin.address)
    old = endpoint.signing_secret
    new = endpoint.rotate_signing_secret(keep_for=DAY)
    until = f"{endpoint.previous_secret_until:%d %B, %H:%M} UTC"
    verdict, reason = caught_with(bin, [new, old])
    assert (verdict, until in reason) == ("valid", True)
    assert "both secrets" in reason
    assert caught_with(bin, [old]) == ("valid", f"Signed with the previous secret only, which is valid until {until}.")
    assert caught_with(bin, [new])[0] == "valid"
    end(endpoint)
    verdict, reason = caught_with(bin, [old])
    assert (verdict, "is not any more" in reason) == ("invalid", True)
    assert caught_with(bin, [signatures.new_secret()])[0] == "invalid"


# --- the page --------------------------------------------------------------------------------------------------------


def test_the_new_secret_is_shown_once_and_the_overlap_stays_visible(client, team):
    endpoint = make_endpoint(team=team)
    old = endpoint.signing_secret
    page = press(client, "secret", endpoint, keep_for="3600")
    endpoint.refresh_from_db()
    assert re.search(r'id="shown-once">([^<]+)<', page)[1] == endpoint.signing_secret != old
    left = endpoint.previous_secret_until - timezone.now()
    assert timedelta(minutes=59) < left <= timedelta(hours=1)
    page = page_of(client, endpoint)
    assert f"{endpoint.previous_secret_until:%H:%M}" in page
    assert "End the overlap now" in page
    assert old not in page
    assert endpoint.signing_secret not in page


def test_ending_the_overlap(client, team):
    endpoint = make_endpoint(team=team)
    endpoint.rotate_signing_secret(keep_for=DAY)
    press(client, "end_overlap", endpoint)
    endpoint.refresh_from_db()
    assert (endpoint.previous_secret, endpoint.overlap_ends_at) == ("", None)
    assert "End the overlap now" not in page_of(client, endpoint)


def test_without_a_choice_the_old_one_stays_for_a_day(client, team):
    endpoint = make_endpoint(team=team)
    press(client, "secret", endpoint)
    endpoint.refresh_from_db()
    assert endpoint.overlap_ends_at - timezone.now() > timedelta(hours=23, minutes=59)


@pytest.mark.parametrize("data", [{"keep_for": "999999999"}, {"keep_for": "x"}, {"secret": "hunter2"}])
def test_what_cannot_be_is_refused_in_words(client, team, data):
    endpoint = make_endpoint(team=team)
    before = endpoint.signing_secret
    page = press(client, "secret", endpoint, **data)
    endpoint.refresh_from_db()
    assert endpoint.signing_secret == before
    assert "hunter2" not in page
    assert "shown-once" not in page
    assert "cz-card" in page
