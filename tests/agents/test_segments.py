"""Customers enter and leave segments as they change; entering is told once."""

import pytest

from agents import conditions, segments, turns
from agents.catalogue import SEGMENT_FIELDS
from agents.identity import Identifiers, Told
from agents.leads import Form, submit
from agents.models import Segment, SegmentMember
from tests.agents.facts import at_once, own, told
from tests.factories import make_agent, make_customer, make_team

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def agent():
    return make_agent()


def make_segment(team, field, operator, value=None, name="Good", **row) -> Segment:
    raw = {"all": [{"field": field, "operator": operator, "value": value, **row}]}
    condition, faults = conditions.read(raw, SEGMENT_FIELDS)
    assert faults == []
    return Segment.objects.create(team=team, name=name, condition=condition)


def score(agent, score, external_id="visitor-1") -> None:
    given = Identifiers.read(external_id=external_id)
    submit(agent=agent, told=Told(given), form=Form(email=f"{external_id}@example.com", score=score))


def names(customer) -> list[str]:
    return list(customer.segments.order_by("segment__name").values_list("segment__name", flat=True))


def test_entering_is_told_and_leaving_is_not(agent):
    make_segment(agent.team, "lead.score", "more_than", 70)
    make_segment(make_team(), "lead.score", "more_than", 0, name="Theirs")
    for points in (10, 80, 85, 60, 90):
        score(agent, points)
    matched = told(type="customer.matched")
    assert [(own(event), event.data["lead"]["score"]) for event in matched] == [
        ({"segment": "Good"}, 80),
        ({"segment": "Good"}, 90),
    ]
    # The snapshot of the very event already knows it.
    assert matched[0].data["customer"]["segments"] == ["Good"]
    assert SegmentMember.objects.count() == 1
    score(agent, 0)
    assert SegmentMember.objects.count() == 0


def test_what_a_message_says_can_make_somebody_enter(agent):
    make_segment(agent.team, "customer.email", "ends_with", "@example.com")
    turns.receive(agent=agent, text="hello", external_id="visitor-1")
    assert told(type="customer.matched") == []
    turns.receive(agent=agent, text="asha@example.com", external_id="visitor-1")
    turns.receive(agent=agent, text="asha@example.com", external_id="visitor-1")
    assert len(told(type="customer.matched")) == 1


def test_somebody_new_may_be_in_a_segment_from_the_start(agent):
    make_segment(agent.team, "customer.email", "is_known", **{"not": True})
    turns.receive(agent=agent, text="hello", external_id="visitor-1")
    assert len(told(type="customer.matched")) == 1


def test_many_changes_at_once_enter_once(agent):
    make_segment(agent.team, "lead.score", "more_than", 70)
    done = at_once(lambda number: score(agent, 80 + number % 2))
    assert not [one for one in done if isinstance(one, Exception)]
    assert (len(told(type="customer.matched")), SegmentMember.objects.count()) == (1, 1)


def test_a_segment_is_filled_without_telling_anybody(agent, monkeypatch):
    monkeypatch.setattr(segments, "CHUNK", 2)
    rows = [make_customer(team=agent.team, plan="vip" if number % 2 else "free") for number in range(7)]
    merged = make_customer(team=agent.team, plan="vip", merged_into=rows[0])
    theirs = make_customer(team=make_team(), plan="vip")
    segment = make_segment(agent.team, "customer.plan", "is", "vip")
    SegmentMember.objects.create(segment=segment, customer=rows[0])
    assert segments.fill(segment) == segments.fill(segment) == 3
    assert [names(row) for row in rows] == [[], ["Good"], [], ["Good"], [], ["Good"], []]
    assert names(merged) == names(theirs) == []
    assert told() == []


def test_a_team_without_segments_pays_one_statement(agent, django_assert_num_queries):
    customer = make_customer(team=agent.team)
    with django_assert_num_queries(1):
        assert segments.rejudge(customer) == []


def test_a_segment_asks_about_the_newest_lead_with_any_agent(agent):
    make_segment(agent.team, "lead.score", "more_than", 70)
    score(agent, 80)
    turns.receive(agent=make_agent(team=agent.team), text="my mail: asha@example.com", external_id="visitor-1")
    assert SegmentMember.objects.count() == 0
