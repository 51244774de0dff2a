"""Replies are rated; the same rating again is no news."""

import pytest

from agents import feedback
from agents.models import Feedback, Message
from tests.agents.facts import at_once, own, told
from tests.factories import make_conversation

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def message() -> Message:
    made = make_conversation().say(role="agent", text="Hello!")
    return Message.objects.select_related("conversation__agent").get(pk=made.pk)


def test_a_rating_is_kept_and_told(message):
    given, is_new = feedback.submit(message=message, rating=2, comment="Not what I asked.")
    assert (given.rating, given.comment, is_new) == (2, "Not what I asked.", True)
    [event] = told()
    assert event.type == "feedback.submitted"
    assert own(event) == {"message_id": message.public_id, "rating": 2, "comment": "Not what I asked."}


def test_a_later_rating_takes_its_place_and_the_same_again_is_no_news(message):
    feedback.submit(message=message, rating=1)
    feedback.submit(message=message, rating=1)
    feedback.submit(message=message, rating=5)
    assert [(event.data["rating"], event.data["comment"]) for event in told()] == [(1, None), (5, None)]
    assert Feedback.objects.get().rating == 5


@pytest.mark.parametrize("role", ["customer", "system"])
def test_only_replies_are_rated(message, role):
    message.role = role
    with pytest.raises(feedback.NotAReply):
        feedback.submit(message=message, rating=5)
    assert (told(), Feedback.objects.count()) == ([], 0)


def test_a_button_pressed_many_times_at_once_rates_once(message):
    given = at_once(lambda _: feedback.submit(message=message, rating=5))
    assert sorted(is_new for _, is_new in given) == [False] * 19 + [True]
    assert len(told()) == 1
