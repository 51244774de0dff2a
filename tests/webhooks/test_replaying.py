"""Range replay: every selected delivery is sent again once, whatever happens to the workers."""

import threading
import time
import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from chatzuri.models import Team
from tests.factories import make_credential, make_delivery, make_endpoint, make_team, make_user
from webhooks import publishing, replaying
from webhooks.models import Attempt, Delivery, Endpoint, Replay, ReplayItem

pytestmark = pytest.mark.django_db
NOW = datetime.now(tz=timezone.get_current_timezone()).replace(microsecond=0)
TEN, ELEVEN = NOW - timedelta(hours=3), NOW - timedelta(hours=2)


@pytest.fixture
def team() -> Team:
    return make_team()


@pytest.fixture
def client(team: Team) -> Client:
    client = Client()
    client.force_login(make_user(team=team, role="member"), backend="django.contrib.auth.backends.ModelBackend")
    return client


def ended(
    *, endpoint: Endpoint, state: str = "not_sent", at: datetime | None = None, of: Delivery | None = None
) -> Delivery:
    """A delivery with an outcome, accepted between ten and eleven; `of` makes it a resend of that one."""
    delivery = publishing.resend(of, wake=False) if of else make_delivery(endpoint=endpoint)
    moment = at or TEN + timedelta(minutes=30)
    Delivery.objects.filter(pk=delivery.pk).update(state=state, accepted_at=moment, finished_at=moment)
    return Delivery.objects.get(pk=delivery.pk)


def the_hour(endpoint: Endpoint, *outcomes: str) -> replaying.Range:
    return replaying.Range(endpoint, TEN, ELEVEN, outcomes or [str(state) for state in replaying.MISSED])


def start(endpoint: Endpoint, *outcomes: str, **options: Any) -> Replay:
    options = {"body": "same", "created_by": None, "form_token": uuid.uuid4(), **options}
    return replaying.start(chosen=the_hour(endpoint, *outcomes), **options)


def finish(replay: Replay) -> Replay:
    """What the workers would do."""
    while Replay.objects.running().filter(pk=replay.pk).exists():
        replaying.advance(replay_id=replay.pk)
    return Replay.objects.get(pk=replay.pk)


def resends_of(deliveries: list[Delivery]) -> list[int]:
    return [delivery.replays.count() for delivery in deliveries]


# --- what is in it ---------------------------------------------------------------------------------------------------


def test_the_time_and_the_outcomes_decide(team):
    endpoint = make_endpoint(team=team)
    inside = [ended(endpoint=endpoint, state=state) for state in ("not_sent", "rejected", "no_answer")]
    inside.append(ended(endpoint=endpoint, at=TEN))
    ended(endpoint=endpoint, at=ELEVEN), ended(endpoint=endpoint, at=TEN - timedelta(seconds=1))
    ended(endpoint=endpoint, state="delivered"), ended(endpoint=endpoint, state="cancelled")
    ended(endpoint=make_endpoint(team=team))
    make_delivery(endpoint=endpoint)
    assert list(the_hour(endpoint).deliveries().order_by("pk")) == inside
    assert [d.state for d in the_hour(endpoint, "rejected").deliveries()] == ["rejected"]


def test_an_event_goes_once_and_not_where_it_arrived_meanwhile(team):
    endpoint = make_endpoint(team=team)
    first = ended(endpoint=endpoint)
    second = ended(endpoint=endpoint, state="rejected", of=first)
    ended(endpoint=endpoint, state="delivered", of=ended(endpoint=endpoint), at=NOW)
    publishing.resend(ended(endpoint=endpoint), wake=False)
    assert list(the_hour(endpoint).deliveries()) == [second]


def test_what_was_delivered_can_be_asked_for(team):
    endpoint = make_endpoint(team=team)
    delivery = ended(endpoint=endpoint, state="delivered")
    assert list(the_hour(endpoint, "delivered").deliveries()) == [delivery]


def test_open_states_and_nonsense_choose_nothing(team):
    endpoint = make_endpoint(team=team)
    make_delivery(endpoint=endpoint)
    Delivery.objects.update(accepted_at=TEN)
    for states in (["queued"], ["sending", "held"], ["' OR 1=1 --"]):
        assert not the_hour(endpoint, *states).deliveries().exists()


def test_the_preview_counts_what_may_have_been_seen(team):
    endpoint = make_endpoint(team=team)
    for state in ("not_sent", "no_answer", "interrupted", "rejected"):
        ended(endpoint=endpoint, state=state)
    seen = replaying.preview(the_hour(endpoint))
    assert (seen.total, seen.maybe, seen.yes) == (4, 2, 1)
    assert seen.outcomes == {"Interrupted": 1, "No answer": 1, "Not sent": 1, "Rejected": 1}


def test_more_than_the_cap_is_refused_and_nothing_begins(team, monkeypatch):
    monkeypatch.setattr(replaying, "CAP", 3)
    endpoint = make_endpoint(team=team)
    for _ in range(4):
        ended(endpoint=endpoint)
    assert replaying.preview(the_hour(endpoint)).is_too_many
    with pytest.raises(replaying.TooMany, match="Choose a shorter time"):
        start(endpoint)
    assert not Replay.objects.exists()


# --- conservation ----------------------------------------------------------------------------------------------------


def test_every_selected_delivery_gets_one_linked_resend(team, monkeypatch):
    monkeypatch.setattr(replaying, "CHUNK", 4)
    endpoint = make_endpoint(team=team)
    selected = [ended(endpoint=endpoint) for _ in range(10)]
    replay = finish(start(endpoint))
    assert (replay.state, replay.total, replay.done) == ("finished", 10, 10)
    assert resends_of(selected) == [1] * 10
    made = Delivery.objects.filter(caused_by=replay.public_id).order_by("pk")
    assert [each.replay_of for each in made] == selected
    assert [(m.event_id, bytes(m.body)) for m in made] == [(d.event_id, bytes(d.body)) for d in selected]
    assert replaying.receipt(replay) == [("queued", 10)]
    replaying.advance(replay_id=replay.pk)
    assert made.count() == 10


def test_what_fails_after_the_count_is_not_added(team):
    endpoint = make_endpoint(team=team)
    ended(endpoint=endpoint)
    replay = start(endpoint)
    ended(endpoint=endpoint)
    assert finish(replay).total == Delivery.objects.filter(caused_by=replay.public_id).count() == 1


def test_rebuilt_bodies_are_rendered_from_the_event(team):
    endpoint = make_endpoint(team=team)
    envelope = ended(endpoint=endpoint)
    tool = make_delivery(endpoint=endpoint, data={"n": 1}, body=b'{ "n": 1 }')
    Delivery.objects.filter(pk=tool.pk).update(state="not_sent", accepted_at=TEN, finished_at=TEN)
    Delivery.objects.filter(pk=envelope.pk).update(body=bytes(envelope.body).replace(b'"event"', b'"eventType"'))
    own = make_delivery(endpoint=endpoint, data={"n": 2}, body=b'{"of a rule": 2}')
    Delivery.objects.filter(pk=own.pk).update(state="not_sent", accepted_at=TEN, finished_at=TEN)
    finish(start(endpoint, body="rebuilt"))
    assert bytes(own.replays.get().body) == b'{"of a rule": 2}'
    assert bytes(envelope.replays.get().body) == bytes(envelope.body)
    assert bytes(tool.replays.get().body) == b'{"n":1}'


def test_a_paused_endpoint_holds_them(team):
    endpoint = make_endpoint(team=team, state="paused")
    ended(endpoint=endpoint)
    assert replaying.receipt(finish(start(endpoint))) == [("held", 1)]


def test_an_address_that_cannot_be_read_stops_it_with_the_reason(team, settings):
    endpoint = make_endpoint(team=team)
    selected = ended(endpoint=endpoint)
    Endpoint.objects.filter(pk=endpoint.pk).update(url="", credential=make_credential(team=team))
    replay = start(endpoint)
    keys, settings.FIELD_ENCRYPTION_KEYS = settings.FIELD_ENCRYPTION_KEYS, [("k9", b"9" * 32)]
    replaying.advance(replay_id=replay.pk)
    replay.refresh_from_db()
    assert (replay.state, "FIELD_ENCRYPTION_KEYS" in replay.trouble) == ("paused", True)
    settings.FIELD_ENCRYPTION_KEYS = keys
    assert replay.go_on()
    assert finish(replay).done == 1
    assert resends_of([selected]) == [1]


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_the_same_replay_send_everything_once(team, monkeypatch):
    monkeypatch.setattr(replaying, "CHUNK", 3)
    endpoint = make_endpoint(team=team)
    selected = [ended(endpoint=endpoint) for _ in range(30)]
    replay = start(endpoint)
    errors: list[BaseException] = []

    def work() -> None:
        try:
            finish(replay)
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    [thread.start() for thread in threads], [thread.join(30) for thread in threads]
    assert errors == []
    assert resends_of(selected) == [1] * 30
    replay.refresh_from_db()
    assert (replay.state, replay.done) == ("finished", 30)


@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_in_the_middle_loses_and_repeats_nothing(start_worker, receiver, team):
    endpoint = make_endpoint(team=team, url=receiver.url)
    selected = [ended(endpoint=endpoint) for _ in range(700)]
    first = start_worker()
    replay = start(endpoint)
    until = time.monotonic() + 30
    while not Delivery.objects.filter(caused_by=replay.public_id).exists():
        assert time.monotonic() < until
        time.sleep(0.005)
    first.kill()
    replay.refresh_from_db()
    made = Delivery.objects.filter(caused_by=replay.public_id)
    assert replay.done == made.count() == replay.items.exclude(made=None).count()
    assert 0 < replay.done < 700, "killed too late to prove anything"
    second = start_worker()
    Replay.objects.filter(pk=replay.pk).update(moved_at=timezone.now() - timedelta(minutes=1))
    assert replaying.sweep() == 1
    until = time.monotonic() + 60
    while not Replay.objects.filter(pk=replay.pk, state="finished").exists():
        assert time.monotonic() < until, second.log.read_text()[-2000:]
        time.sleep(0.05)
    assert set(resends_of(selected)) == {1}
    assert made.count() == 700
    events = [received.headers["webhook-id"] for received in receiver.requests]
    assert len(events) == len(set(events))


@pytest.mark.django_db(transaction=True)
def test_the_database_refuses_a_delivery_twice_in_a_replay(team):
    delivery = ended(endpoint=make_endpoint(team=team))
    replay = start(delivery.endpoint)
    with pytest.raises(IntegrityError):
        ReplayItem.objects.create(replay=replay, delivery=delivery)


# --- pausing ---------------------------------------------------------------------------------------------------------


def test_pause_go_on_and_cancel(team, monkeypatch):
    monkeypatch.setattr(replaying, "CHUNK", 2)
    endpoint = make_endpoint(team=team)
    for _ in range(6):
        ended(endpoint=endpoint)
    replay = start(endpoint)
    replaying.advance(replay_id=replay.pk)
    assert replay.pause()
    replaying.advance(replay_id=replay.pk)
    replay.refresh_from_db()
    assert (replay.state, replay.done) == ("paused", 2)
    assert replay.go_on()
    replaying.advance(replay_id=replay.pk)
    assert replay.cancel()
    replaying.advance(replay_id=replay.pk)
    replay.refresh_from_db()
    assert (replay.state, replay.done) == ("cancelled", 4)
    assert not replay.go_on()
    assert not replay.pause()
    assert Delivery.objects.filter(caused_by=replay.public_id).count() == 4


# --- the pages -------------------------------------------------------------------------------------------------------


def ask(endpoint: Endpoint, **changes: Any) -> dict[str, Any]:
    text = "%Y-%m-%dT%H:%M:%S"
    asked = {"accepted_from": TEN.strftime(text), "accepted_to": ELEVEN.strftime(text)}
    return asked | {"outcomes": [str(state) for state in replaying.MISSED], **changes}


def path_of(endpoint: Endpoint) -> str:
    return reverse("admin:webhooks_endpoint_replay", args=[endpoint.pk])


def test_the_page_counts_and_warns_before_anything_happens(client, team):
    endpoint = make_endpoint(team=team)
    ended(endpoint=endpoint), ended(endpoint=endpoint, state="no_answer")
    assert "would be sent again" not in client.get(path_of(endpoint)).content.decode()
    page = client.get(path_of(endpoint), ask(endpoint)).content.decode()
    assert "2 deliveries would be sent again" in page
    assert "1 of them may have been seen by the receiver already." in page
    assert not Replay.objects.exists()


def test_a_double_click_begins_one_replay(client, team):
    endpoint = make_endpoint(team=team)
    ended(endpoint=endpoint)
    asked = ask(endpoint, form_token=str(uuid.uuid4()))
    first, second = (client.post(path_of(endpoint), asked) for _ in range(2))
    replay = Replay.objects.get()
    assert first.url == second.url == reverse("admin:webhooks_replay_change", args=[replay.pk])
    assert (replay.total, replay.created_by.memberships.get().team) == (1, team)


def test_a_token_of_another_team_opens_nothing(client, team):
    theirs = start(ended(endpoint=make_endpoint()).endpoint)
    mine = make_endpoint(team=team)
    response = client.post(path_of(mine), ask(mine, form_token=str(theirs.form_token)))
    assert response.status_code == 404
    assert Replay.objects.count() == 1


@pytest.mark.parametrize(
    "wrong",
    [{"accepted_from": "yesterday"}, {"outcomes": ["queued"]}, {"outcomes": []}, {"accepted_to": "2001-01-01T00:00"}],
)
def test_what_cannot_be_is_said_and_begins_nothing(client, team, wrong):
    endpoint = make_endpoint(team=team)
    ended(endpoint=endpoint)
    for answer in (
        client.get(path_of(endpoint), ask(endpoint, **wrong)),
        client.post(path_of(endpoint), ask(endpoint, **wrong)),
    ):
        assert 'role="alert"' in answer.content.decode()
    assert not Replay.objects.exists()


def test_a_crafted_filter_reaches_own_rows_only(client, team):
    theirs = ended(endpoint=make_endpoint())
    mine = make_endpoint(team=team)
    asked = ask(mine, team=theirs.team_id, endpoint__team=theirs.team_id) | {"endpoint": theirs.endpoint_id}
    client.post(path_of(mine), asked)
    assert Replay.objects.get().total == 0
    replay = start(theirs.endpoint)
    finish(replay)
    page = client.get("/admin/webhooks/delivery/", {"replay": replay.pk}).content.decode()
    assert theirs.public_id not in page
    assert theirs.replays.get().public_id not in page


def test_progress_pause_and_the_receipt_with_its_links(client, team, monkeypatch):
    monkeypatch.setattr(replaying, "CHUNK", 2)
    endpoint = make_endpoint(team=team)
    for _ in range(3):
        ended(endpoint=endpoint)
    replay = start(endpoint)
    page, live = (reverse(f"admin:webhooks_replay_{name}", args=[replay.pk]) for name in ("change", "live"))
    replaying.advance(replay_id=replay.pk)
    assert "2 of 3 sent again" in client.get(page).content.decode()
    assert f'hx-get="{live}"' in client.get(live).content.decode()
    client.post(reverse("admin:webhooks_replay_pause", args=[replay.pk]))
    assert "hx-get" not in client.get(live).content.decode()
    client.post(reverse("admin:webhooks_replay_go_on", args=[replay.pk]))
    finish(replay)
    Delivery.objects.filter(state="queued").update(state="delivered", finished_at=timezone.now())
    text = client.get(live).content.decode()
    assert "Receipt: what became of them" in text
    assert "hx-get" not in text
    link = f"/admin/webhooks/delivery/?replay={replay.pk}&state__exact=delivered"
    assert link.replace("&", "&amp;") in text
    listed = client.get(link).content.decode()
    assert listed.count("dlv_") >= 3
    assert client.get("/admin/webhooks/replay/").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_from_the_button_to_the_receipt(worker, receiver, client, team):
    endpoint = make_endpoint(team=team, url=receiver.url)
    for _ in range(5):
        ended(endpoint=endpoint)
    client.post(path_of(endpoint), ask(endpoint, form_token=str(uuid.uuid4())))
    assert len(receiver.wait_for(5)) == 5
    replay = Replay.objects.get()
    until = time.monotonic() + 10
    while not replaying.is_settled(replay) and time.monotonic() < until:
        time.sleep(0.1)
        replay.refresh_from_db()
    assert replaying.receipt(replay) == [("delivered", 5)]
    assert Attempt.objects.filter(outcome="delivered").count() == 5
