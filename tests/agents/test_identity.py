"""The same person is one customer: recognised in a fixed order, merged where two turn out to be one, once."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from agents import identity, turns
from agents.events import emit_all
from agents.identity import Identifiers, Told
from agents.models import Conversation, Customer, Lead, Segment, SegmentMember, Turn
from tests.agents.facts import at_once, own, told, types
from tests.factories import make_agent, make_conversation, make_customer, make_team
from webhooks.models import Event

pytestmark = pytest.mark.django_db(transaction=True)

ASHA = {"external_id": "user-42", "phone": "+254711000111", "email": "asha@example.com", "session_id": "s-1"}
ORDER = list(ASHA)


@pytest.fixture
def agent():
    return make_agent()


def recognise(agent, *, known=None, heard=None, **how) -> Customer:
    fields = {name: how.pop(name) for name in (*ORDER,) if name in how}
    with transaction.atomic():
        told = Told(Identifiers.read(**fields), heard=Identifiers.read(**(heard or {})), **how)
        recognised = identity.recognise(agent, told, known=known)
        emit_all(agent, recognised.happenings)
    return Customer.objects.get(pk=recognised.customer.pk)


def receive(agent, text="hello", **rest) -> Turn:
    return turns.receive(agent=agent, text=text, **({"external_id": ""} | rest))


# --- recognising -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ORDER)
def test_each_identifier_recognises_its_customer(agent, name):
    known = make_customer(team=agent.team, **{name: ASHA[name]})
    make_customer(team=agent.team)
    assert recognise(agent, **{name: ASHA[name]}) == known
    assert types() == []


@pytest.mark.parametrize(("stronger", "weaker"), [(a, b) for n, a in enumerate(ORDER) for b in ORDER[n + 1 :]])
def test_the_stronger_identifier_decides(agent, stronger, weaker):
    """Where the two cannot be one person, since each has another id of the application."""
    first = {} if stronger == "external_id" else {"external_id": "user-1"}
    weak = make_customer(team=agent.team, **({"external_id": "user-2"} | {weaker: ASHA[weaker]}))
    strong = make_customer(team=agent.team, **(first | {stronger: ASHA[stronger]}))
    assert recognise(agent, **{stronger: ASHA[stronger], weaker: ASHA[weaker]}) == strong
    weak.refresh_from_db()
    assert weak.merged_into is None


def test_somebody_unknown_is_made_and_told_of(agent):
    made = recognise(agent, details={"name": "Asha"}, **ASHA)
    assert {name: getattr(made, name) for name in ORDER} == ASHA
    assert (made.name, types()) == ("Asha", ["customer.created"])


def test_without_any_identifier_everybody_is_new(agent):
    assert recognise(agent) != recognise(agent)


def test_identifiers_are_read_as_they_are_kept():
    read = Identifiers.read(phone="+254 (711) 000-111", email=" Asha@Example.COM ", external_id="x\x00", session_id="s")
    assert read == Identifiers("x\ufffd", "+254711000111", "asha@example.com", "s")
    assert Identifiers.read(phone="0711 000 111").phone == "0711000111"
    assert Identifiers.read(phone="711000111").phone == "711000111"
    assert Identifiers.read(phone="call me", email="at home") == Identifiers()


def test_what_is_new_of_a_customer_is_kept_and_what_is_known_stays(agent):
    make_customer(team=agent.team, external_id="user-42", email="asha@example.com")
    found = recognise(agent, **ASHA | {"email": "other@example.com"})
    assert (found.phone, found.email, found.session_id) == (ASHA["phone"], "asha@example.com", "s-1")
    [event] = told()
    assert (event.type, own(event)) == ("customer.updated", {"changed": ["phone"], "merged": None})


def test_a_correction_replaces_what_was_known(agent):
    customer = make_customer(team=agent.team, email="old@example.com", name="A", attributes={"a": 1, "b": 1})
    details = {"name": "Asha", "attributes": {"b": 2}}
    found = recognise(agent, known=customer, email="asha@example.com", details=details, is_correction=True)
    assert (found.email, found.name, found.attributes) == ("asha@example.com", "Asha", {"a": 1, "b": 2})
    assert sorted(told()[0].data["changed"]) == ["attributes", "email", "name"]


def test_an_id_or_a_session_alone_is_nothing_to_tell(agent):
    make_customer(team=agent.team, phone=ASHA["phone"])
    assert recognise(agent, phone=ASHA["phone"], external_id="user-42", session_id="s-1").external_id == "user-42"
    assert types() == []


# --- merging ---------------------------------------------------------------------------------------------------------


def test_two_rows_that_share_an_identifier_become_one(agent):
    known = make_customer(team=agent.team, external_id="user-42", email=ASHA["email"], attributes={"a": 1})
    visitor = make_customer(team=agent.team, session_id="s-1", name="Asha", plan="pro", attributes={"a": 2, "b": 2})
    kept = recognise(agent, session_id="s-1", heard={"email": ASHA["email"]})
    visitor.refresh_from_db()
    assert (kept, visitor.merged_into) == (known, known)
    assert (kept.name, kept.plan, kept.session_id, kept.attributes) == ("Asha", "pro", "s-1", {"a": 1, "b": 2})
    [event] = told()
    assert event.type == "customer.updated"
    assert own(event) == {"changed": ["name", "plan", "attributes"], "merged": visitor.public_id}
    assert event.customer_ref == known.public_id


def test_without_an_id_the_older_row_is_kept(agent):
    older = make_customer(team=agent.team, phone=ASHA["phone"])
    newer = make_customer(team=agent.team, email=ASHA["email"])
    assert recognise(agent, known=newer, phone=ASHA["phone"]) == older


def test_whoever_was_merged_still_stands_for_the_person(agent):
    older = make_customer(team=agent.team, phone=ASHA["phone"])
    newer = make_customer(team=agent.team, phone="+254722000222", email=ASHA["email"])
    newer.merged_into = older
    newer.save()
    assert recognise(agent, phone="+254722000222") == older
    assert recognise(agent, known=newer) == older
    assert recognise(agent, known=Customer(pk=newer.pk, team=agent.team)) == older  # as it was a moment ago
    assert receive(agent, customer=newer).conversation.customer == older


def test_three_rows_become_one(agent):
    rows = [make_customer(team=agent.team, **{name: ASHA[name]}) for name in ORDER]
    kept = recognise(agent, **ASHA)
    assert {name: getattr(kept, name) for name in ORDER} == ASHA
    assert kept == rows[0]
    assert Customer.objects.filter(merged_into=None).count() == 1


def test_two_ids_of_the_application_are_two_people(agent):
    one = make_customer(team=agent.team, external_id="user-1", email=ASHA["email"])
    two = make_customer(team=agent.team, external_id="user-2")
    assert recognise(agent, external_id="user-2", email=ASHA["email"]) == two
    assert recognise(agent, known=two, heard={"email": ASHA["email"]}) == two
    assert set(Customer.objects.filter(merged_into=None)) == {one, two}


def test_an_address_that_is_heard_merges_nobody_who_has_one(agent):
    bob = make_customer(team=agent.team, email="bob@example.com")
    asha = make_customer(team=agent.team, email=ASHA["email"])
    assert recognise(agent, known=asha, heard={"email": "bob@example.com"}) == asha
    bob.refresh_from_db()
    assert bob.merged_into is None


def test_never_across_teams(agent):
    theirs = make_customer(team=make_team(), **ASHA)
    mine = recognise(agent, **ASHA)
    assert mine != theirs
    assert mine.team == agent.team
    theirs.refresh_from_db()
    assert theirs.merged_into is None


def test_conversations_leads_and_segments_move(agent):
    other_agent = make_agent(team=agent.team)
    kept = make_customer(team=agent.team, external_id="user-42", email=ASHA["email"])
    gone = make_customer(team=agent.team, session_id="s-1")
    ended = make_conversation(agent=agent, customer=gone, state="ended")
    elsewhere = make_conversation(agent=other_agent, customer=gone)
    early, late = timezone.now() - timedelta(days=2), timezone.now()
    mine = Lead.objects.create(agent=agent, customer=kept, email="a@b.co", answers={"a": 1}, submitted_at=late)
    Lead.objects.create(
        agent=agent,
        customer=gone,
        name="Asha",
        score=7,
        answers={"a": 2, "b": 2},
        submitted_at=early,
        qualified_at=early,
    )
    alone = Lead.objects.create(agent=other_agent, customer=gone)
    both, one = (Segment.objects.create(team=agent.team, name=name) for name in ("Both", "One"))
    SegmentMember.objects.create(segment=both, customer=kept)
    for segment in (both, one):
        SegmentMember.objects.create(segment=segment, customer=gone)
    recognise(agent, session_id="s-1", heard={"email": ASHA["email"]})
    assert set(Conversation.objects.filter(customer=kept)) == {ended, elsewhere}
    assert set(Lead.objects.all()) == {mine, alone}
    mine.refresh_from_db()
    assert (mine.name, mine.email, mine.score, mine.answers) == ("Asha", "a@b.co", 7, {"a": 1, "b": 2})
    assert (mine.submitted_at, mine.qualified_at) == (early, early)
    assert set(kept.segments.values_list("segment__name", flat=True)) == {"Both", "One"}
    assert not gone.segments.exists()


def test_of_two_open_threads_the_one_that_moved_last_stays(agent):
    known = make_customer(team=agent.team, external_id="user-42", email=ASHA["email"])
    gone = make_customer(team=agent.team, session_id="s-1")
    older = make_conversation(agent=agent, customer=known)
    newer = make_conversation(agent=agent, customer=gone)
    other_channel = make_conversation(agent=agent, customer=gone, channel="whatsapp")
    Conversation.objects.filter(pk=older.pk).update(last_message_at=timezone.now() - timedelta(hours=1))
    recognise(agent, session_id="s-1", heard={"email": ASHA["email"]})
    states = {row.pk: (row.state, row.ended_by) for row in Conversation.objects.filter(customer=known)}
    assert states == {older.pk: ("ended", "merged"), newer.pk: ("open", ""), other_channel.pk: ("open", "")}
    ended = told(type="conversation.ended")[0]
    assert (ended.data["reason"], ended.conversation_ref) == ("merged", older.public_id)
    assert ended.customer_ref == known.public_id


def test_the_thread_in_which_the_customer_writes_stays(agent):
    """Although the other one moved later: this is the one they have before their eyes."""
    known = make_customer(team=agent.team, external_id="user-42", email=ASHA["email"])
    first = receive(agent, session_id="s-1").conversation
    second = make_conversation(agent=agent, customer=known)
    turn = receive(agent, "I am asha@example.com", session_id="s-1")
    second.refresh_from_db()
    assert turn.conversation == first
    assert turn.conversation.customer == known
    assert (second.state, second.ended_by) == ("ended", "merged")


def test_a_thread_with_another_agent_is_told_as_that_agents(agent):
    other = make_agent(team=agent.team)
    known = make_customer(team=agent.team, external_id="user-42", email=ASHA["email"])
    gone = make_customer(team=agent.team, session_id="s-1")
    for customer in (known, gone):
        make_conversation(agent=other, customer=customer)
    recognise(agent, session_id="s-1", heard={"email": ASHA["email"]})
    assert [event.agent_ref for event in told(type="conversation.ended")] == [other.public_id]
    assert [event.agent_ref for event in told(type="customer.updated")] == [agent.public_id]


def test_events_of_before_keep_whom_they_named(agent):
    turn = receive(agent, session_id="s-1")
    visitor = turn.conversation.customer
    before = Event.objects.filter(customer_ref=visitor.public_id).count()
    make_customer(team=agent.team, external_id="user-42", email=ASHA["email"])
    receive(agent, "asha@example.com", session_id="s-1")
    assert Event.objects.filter(customer_ref=visitor.public_id).count() == before == 3


def test_a_reply_to_somebody_merged_meanwhile_is_about_who_was_kept(agent):
    turn = receive(agent, session_id="s-1")
    known = make_customer(team=agent.team, external_id="user-42", email=ASHA["email"])
    recognise(agent, session_id="s-1", heard={"email": ASHA["email"]})
    turns.take_turn(turn_id=turn.pk)
    assert told(type="message.sent")[0].customer_ref == known.public_id


# --- at the same moment ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ORDER)
def test_many_first_messages_at_once_make_one_customer(agent, name):
    done = at_once(lambda _: receive(agent, **{name: ASHA[name]}))
    assert not [one for one in done if isinstance(one, Exception)]
    assert (Customer.objects.count(), Conversation.objects.count()) == (1, 1)
    assert [types().count(kind) for kind in ("customer.created", "conversation.started")] == [1, 1]
    assert len(told(type="message.received")) == 20


def test_many_merges_of_the_same_rows_at_once_are_one(agent):
    rows = [make_customer(team=agent.team, **{name: ASHA[name]}) for name in ORDER]
    for row in rows:
        make_conversation(agent=agent, customer=row)

    def act(number):
        return receive(
            agent, **{name: ASHA[name] for name in (ORDER[number % 4], ORDER[(number + 1 + number // 4) % 4])}
        )

    done = at_once(act)
    assert not [one for one in done if isinstance(one, Exception)]
    kept = Customer.objects.get(merged_into=None)
    assert kept == rows[0]
    assert Conversation.objects.filter(customer=kept).count() == 4
    assert Conversation.objects.filter(state="open").count() == 1
    assert len(told(type="conversation.ended")) == 3
    assert len([event for event in told(type="customer.updated") if event.data["merged"]]) == 3
    assert len(told(type="message.received")) == 20


def test_merges_that_follow_from_one_another_at_once_are_each_told_once(agent):
    """Each shares something with the next: whoever was merged a moment ago is looked up again, and none is lost."""
    rows = [make_customer(team=agent.team, phone=f"+2547110001{n:02}", session_id=f"s-{n}") for n in range(20)]

    def act(number):
        """The application says: this number and the next one's browser are the same person's."""
        pair = {"phone": rows[number].phone, "session_id": f"s-{(number + 1) % 20}"}
        return recognise(agent, is_correction=True, **pair)

    done = at_once(act)
    assert not [one for one in done if isinstance(one, Exception)]
    merged = Customer.objects.exclude(merged_into=None)
    assert merged.count() >= 10
    assert sorted(merged.values_list("public_id", flat=True)) == sorted(
        event.data["merged"] for event in told(type="customer.updated") if event.data["merged"]
    )
    assert Customer.objects.count() == 20 + len(told(type="customer.created"))
    for row in merged:
        assert identity.standing(row).pk < row.pk  # no circle: the older one is kept
