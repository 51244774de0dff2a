"""How fast a visitor may write."""

import time

import pytest
from django.test import RequestFactory

from agents.models import Message
from channels_inbound.widget import limits
from tests.channels_inbound.widget.client import Widget, make_website

pytestmark = pytest.mark.django_db


def test_over_the_limit_a_visitor_reads_the_teams_words_and_nothing_is_stored():
    channel = make_website(rate_limit="3", rate_limit_message="Pole pole, please.")
    widget = Widget(channel)
    assert [widget.say().status_code for _ in range(4)] == [202, 202, 202, 429]
    response = widget.say()
    assert response.json()["detail"] == "Pole pole, please."
    assert 0 < int(response["Retry-After"]) <= 60
    assert response["Access-Control-Expose-Headers"] == "Retry-After"
    assert Message.objects.count() == 3


def test_a_message_that_is_known_already_is_not_counted():
    widget = Widget(make_website(rate_limit="1"))
    assert [widget.say(client_id="one").status_code for _ in range(3)] == [202, 202, 202]
    assert widget.say(client_id="two").status_code == 429


def test_a_new_session_from_the_same_address_does_not_help():
    channel = make_website(rate_limit="1")
    assert Widget(channel).say().status_code == 202
    assert Widget(channel).say().status_code == 429
    assert Widget(channel, address="203.0.113.8").say().status_code == 202


def test_another_address_does_not_help_the_same_session():
    channel = make_website(rate_limit="1")
    widget, elsewhere = Widget(channel), Widget(channel, address="203.0.113.8")
    widget.say()
    elsewhere.token = widget.token
    assert elsewhere.say().status_code == 429


def test_another_channel_counts_for_itself():
    assert Widget(make_website(rate_limit="1")).say().status_code == 202
    assert Widget(make_website(rate_limit="1")).say().status_code == 202


@pytest.mark.parametrize(
    ("setting", "most"), [("", 20), (None, 20), ("many", 20), ("-1", 20), ("5", 5), (5, 5), ("٣", 20), ("9" * 30, 20)]
)
def test_what_is_no_number_is_the_usual_limit(setting, most):
    widget = Widget(make_website(rate_limit=setting))
    statuses = [widget.say().status_code for _ in range(most + 1)]
    assert statuses == [202] * most + [429]


def test_0_switches_it_off():
    widget = Widget(make_website(rate_limit="0"))
    assert [widget.say().status_code for _ in range(25)] == [202] * 25


def test_without_redis_everybody_may_write(settings):
    channel = make_website(rate_limit="1")
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    widget = Widget(channel)
    assert [widget.say().status_code for _ in range(3)] == [202] * 3


def test_ratings_are_counted_too():
    widget = Widget(make_website(rate_limit="2"))
    widget.say()
    reply = Message.objects.get().conversation.say(role="agent", text="Hello")
    statuses = [widget.post(f"messages/{reply.public_id}/feedback", {"rating": "up"}).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]


# --- the counter -----------------------------------------------------------------------------------------------------


def test_all_may_or_none_is_counted():
    assert limits.take("t", most=1, whose=["limits:a"]) == 0
    assert limits.take("t", most=1, whose=["limits:a", "limits:b"]) > 0
    assert limits.take("t", most=1, whose=["limits:b"]) == 0


def test_the_minute_slides(monkeypatch):
    monkeypatch.setattr(limits, "WINDOW", 600)
    take = lambda: limits.take("t", most=2, whose=["limits:slides"])  # noqa: E731
    assert (take(), take()) == (0, 0)
    assert take() == 1
    time.sleep(0.7)
    assert take() == 0


def test_a_limit_that_was_lowered_waits_until_few_enough_are_left():
    for _ in range(5):
        limits.take("t", most=5, whose=["limits:lowered"])
    assert limits.take("t", most=1, whose=["limits:lowered"]) > 0


# --- where a visitor is ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("remote", "forwarded", "is_behind_proxy", "address"),
    [
        ("203.0.113.7", "198.51.100.1", False, "203.0.113.7"),  # nobody told us of a proxy: anybody could have said it
        ("10.0.0.1", "198.51.100.1", True, "198.51.100.1"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.1", True, "198.51.100.1"),
        ("10.0.0.1", "", True, "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "", False, "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "", False, "203.0.113.7"),
        ("nowhere", "", False, "nowhere"),
    ],
)
def test_the_address_that_is_counted(settings, remote, forwarded, is_behind_proxy, address):
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if is_behind_proxy else None
    request = RequestFactory().get("/", REMOTE_ADDR=remote, headers={"X-Forwarded-For": forwarded} if forwarded else {})
    assert limits.address_of(request) == address
