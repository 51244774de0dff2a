"""Who may begin a session, from where, and what its token is worth."""

import pytest
from django.core import signing

from agents.models import Customer, Message
from channels_inbound.models import InboundRequest
from channels_inbound.widget import sessions
from tests.channels_inbound.widget.client import ORIGIN, Widget, hash_of, make_website
from tests.factories import make_agent

pytestmark = pytest.mark.django_db
SECRET = "s3cret-of-the-shop"


def test_a_session_says_how_to_look_and_is_no_row_yet(widget, channel):
    response = widget.begin()
    body = response.json()
    assert response.status_code == 200
    assert body["session"].startswith("ses_")
    assert body["greeting"] == "Hello! How can I help?"
    assert body["settings"] == {
        "title": "Chat with us",
        "colour": "#0f766e",
        "position": "right",
        "offline_text": "Nobody answers here right now. Please come back later.",
    }
    assert (body["is_answered"], body["is_identified"], body["identity_problem"]) == (True, False, None)
    assert Customer.objects.count() == InboundRequest.objects.count() == 0


def test_it_looks_as_the_team_chose():
    settings = {
        "title": "Ask",
        "greeting": "Karibu!",
        "colour": "#FFCC00",
        "position": "Left",
        "offline_text": "Closed",
    }
    body = Widget(make_website(**settings)).begin().json()
    assert body["greeting"] == "Karibu!"
    assert body["settings"] == {"title": "Ask", "colour": "#ffcc00", "position": "left", "offline_text": "Closed"}


def test_without_a_greeting_of_its_own_it_greets_as_the_agent_does():
    assert Widget(make_website(agent=make_agent(greeting="Jambo!"))).begin().json()["greeting"] == "Jambo!"


@pytest.mark.parametrize("colour", ["red", "#12345", "#1234567", "#12345g", "url(https://evil.example)", 7, None])
def test_a_colour_that_is_none_is_the_usual_one(colour):
    assert Widget(make_website(colour=colour)).begin().json()["settings"]["colour"] == "#0f766e"


def test_the_same_browser_goes_on_with_its_session(widget):
    first = widget.begin().json()
    assert widget.begin().json()["session"] == first["session"]


# --- domains ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("domains", "origin"),
    [
        ("", "https://anything.example"),
        ("", "null"),
        ("www.shop.example", "https://www.shop.example"),
        ("www.shop.example", "http://www.shop.example:8080"),
        ("a.example\n  WWW.Shop.example \n", "https://www.shop.example"),
        ("a.example, www.shop.example", "https://www.shop.example"),
        ("https://www.shop.example/start", "https://www.shop.example"),
        ("bücher.example", "https://xn--bcher-kva.example"),
        ("127.0.0.1", "http://127.0.0.1:5000"),
        ("[::1]", "http://[::1]:5000"),
    ],
)
def test_these_pages_may_show_it(domains, origin):
    widget = Widget(make_website(domains=domains), origin=origin)
    response = widget.begin()
    assert response.status_code == 200
    assert response["Access-Control-Allow-Origin"] == origin
    assert "Origin" in response["Vary"]
    assert "Access-Control-Allow-Credentials" not in response
    preflight = widget.preflight()
    assert (preflight.status_code, preflight.content) == (204, b"")
    assert preflight["Access-Control-Allow-Origin"] == origin
    assert preflight["Access-Control-Allow-Methods"] == "GET, POST"
    assert preflight["Access-Control-Allow-Headers"] == "authorization, content-type"
    assert widget.say().status_code == 202


@pytest.mark.parametrize(
    ("domains", "origin"),
    [
        ("shop.example", "https://www.shop.example"),  # a subdomain is not implied
        ("www.shop.example", "https://shop.example"),
        ("shop.example", "https://shop.example.evil.example"),
        ("shop.example", "https://evilshop.example"),
        ("shop.example", "https://shop.example@evil.example"),
        ("*.shop.example", "https://www.shop.example"),
        ("shop.example", "null"),
        ("shop.example", ""),
        ("shop.example", "https://"),
        ("shop.example", "file://"),
        ("shop.example", "http://["),
        ("///", "https://www.shop.example"),  # a list nobody can read was meant to keep somebody out
        ("///", "null"),
    ],
)
def test_these_pages_may_not(domains, origin):
    widget = Widget(make_website(domains=domains), origin=origin)
    response = widget.begin()
    assert response.status_code == 403
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["title"] == "Domain not allowed"
    assert "is not among the allowed domains of this chat." in response.json()["detail"]
    # The page may read why, and nothing else, ever.
    assert response["Access-Control-Allow-Origin"] == "*"
    preflight = widget.preflight()
    assert preflight.status_code == 403
    assert "Access-Control-Allow-Origin" not in preflight
    widget.token = "whatever"
    said = widget.say()
    assert said.status_code == 403
    assert "Access-Control-Allow-Origin" not in said
    assert Message.objects.count() == 0


def test_a_domain_that_is_taken_off_the_list_is_out_at_once(widget, channel):
    widget.begin()
    channel.settings = {"domains": "other.example"}
    channel.save()
    assert widget.say().status_code == 403
    widget.origin = ""  # a browser on a page of our own names no origin with a GET; a program may leave it out
    assert widget.get("messages").status_code == 401


# --- tokens ----------------------------------------------------------------------------------------------------------


def refused(widget: Widget) -> None:
    """Everywhere, with nothing stored."""
    answers = [
        widget.post("messages", {"text": "Hello", "client_id": "c"}),
        widget.get("messages"),
        widget.get("stream?turn=turn_1"),
        widget.post("messages/msg_1/feedback", {"rating": "up"}),
    ]
    assert [answer.status_code for answer in answers] == [401] * 4
    assert answers[0]["Content-Type"] == "application/problem+json"
    # The script has to be able to read it, to begin anew.
    assert answers[0]["Access-Control-Allow-Origin"] == widget.origin
    assert Message.objects.count() == 0


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "Bearer", "\N{SNOWMAN}".encode().decode("latin-1")])
def test_a_token_that_is_none(widget, token):
    widget.token = token
    refused(widget)


def test_a_token_that_was_changed(widget):
    widget.begin()
    widget.token = widget.token[:-1] + ("A" if widget.token[-1] != "A" else "B")
    refused(widget)


def test_a_token_that_was_signed_for_something_else(widget, channel):
    widget.token = signing.dumps({"s": "ses_1", "c": channel.public_id, "o": ORIGIN}, salt="other")
    refused(widget)


def test_a_token_of_another_channel_is_worthless(widget, channel):
    same_team = make_website(agent=make_agent(team=channel.agent.team))
    for other in (same_team, make_website()):
        stranger = Widget(other)
        stranger.begin()
        widget.token = stranger.token
        refused(widget)


def test_a_token_of_another_origin_is_worthless(widget):
    widget.begin()
    widget.origin = "https://evil.example"
    refused(widget)


def test_a_token_ends_after_30_days(widget, monkeypatch):
    widget.begin()
    monkeypatch.setattr(sessions, "LASTS", -1)
    refused(widget)
    old = signing.loads(widget.token, salt=sessions.SALT)["s"]
    assert widget.begin().json()["session"] != old


def test_a_channel_that_is_switched_off_is_gone_at_once(widget, channel):
    widget.begin()
    channel.is_active = False
    channel.save()
    assert widget.say().status_code == widget.get("messages").status_code == 404
    assert widget.get("stream?turn=turn_1").status_code == widget.begin().status_code == 404
    assert Message.objects.count() == 0


@pytest.mark.parametrize("agent_id", ["agt_unknown", "x", "agt_" + "0" * 26, "%00", "..%2f"])
def test_an_agent_that_is_none(client, db, agent_id):
    response = client.post(f"/api/v1/agents/{agent_id}/chat/website/session", "{}", content_type="text/plain")
    assert response.status_code == 404


@pytest.mark.parametrize(
    "body", ["[]", "1", "null", "{", '{"token": []}', '{"visitor": 1}', '{"token": "%s"}' % ("x" * 4001)]
)
def test_a_body_that_is_not_right(widget, body):
    response = widget.client.post(widget.root + "session", body, content_type="text/plain", headers=widget.headers())
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"


def test_both_forms_of_the_address(widget):
    assert widget.post("session", {}).status_code == widget.post("session/", {}).status_code == 200
    widget.begin()
    assert widget.get("messages").status_code == widget.get("messages/").status_code == 200
    assert widget.post("messages/", {"text": "Hi", "client_id": "c1"}).status_code == 202


# --- people ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def shop():
    return make_website(secret=SECRET)


def test_whoever_the_server_vouches_for_is_that_customer(shop):
    widget = Widget(shop)
    body = widget.begin(
        user_id="u-7", name="Asha", email="Asha@Example.com", hash=hash_of(SECRET, "u-7", "Asha@Example.com")
    ).json()
    assert (body["is_identified"], body["identity_problem"]) == (True, None)
    widget.say()
    customer = Customer.objects.get()
    assert (customer.external_id, customer.name, customer.email) == ("u-7", "Asha", "asha@example.com")


def test_an_address_that_the_hash_does_not_cover_does_not_count(shop):
    """Whoever is logged in could otherwise become anybody whose address they know."""
    widget = Widget(shop)
    widget.begin(user_id="u-7", name="Asha", email="victim@example.com", hash=hash_of(SECRET, "u-7"))
    widget.say()
    customer = Customer.objects.get()
    assert (customer.external_id, customer.name, customer.email) == ("u-7", "Asha", "")


@pytest.mark.parametrize(
    "told",
    [
        {"user_id": "u-7"},
        {"user_id": "u-7", "hash": ""},
        {"user_id": "u-7", "hash": hash_of("wrong", "u-7")},
        {"user_id": "u-8", "hash": hash_of(SECRET, "u-7")},
        {"user_id": "u-7 ", "hash": hash_of(SECRET, "u-7")},
        {"user_id": "u-7", "hash": hash_of("", "u-7")},
        {"user_id": "u-7", "hash": "\N{SNOWMAN}"},
        {"user_id": "u-7", "email": "b@example.com", "hash": hash_of(SECRET, "u-7", "a@example.com")},
    ],
)
def test_without_proof_they_are_nobody_and_the_developer_is_told(shop, told):
    widget = Widget(shop)
    body = widget.begin(**told, name="Mallory").json()
    assert body["is_identified"] is False
    assert body["identity_problem"] == sessions.WRONG_HASH
    widget.say()
    customer = Customer.objects.get()
    assert (customer.external_id, customer.name, customer.email) == ("", "", "")


def test_a_hash_of_two_values_cannot_be_made_from_one(shop):
    """An application that lets people choose their user_id signs any text: it must not read as an id and an address."""
    chosen = "u-7\nvictim@example.com"
    response = Widget(shop).begin(user_id=chosen, hash=hash_of(SECRET, chosen))
    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"] == "/visitor/user_id"


def test_without_a_secret_nobody_is_vouched_for(widget):
    body = widget.begin(user_id="u-7", hash=hash_of("", "u-7")).json()
    assert (body["is_identified"], body["identity_problem"]) == (False, sessions.NOBODY_VOUCHES)


def test_another_person_in_the_same_browser_has_a_session_of_their_own(shop):
    widget = Widget(shop)
    asha = widget.begin(user_id="asha", hash=hash_of(SECRET, "asha")).json()["session"]
    again = widget.begin(user_id="asha", hash=hash_of(SECRET, "asha")).json()["session"]
    juma = widget.begin(user_id="juma", hash=hash_of(SECRET, "juma")).json()["session"]
    nobody = widget.begin().json()["session"]
    assert asha == again
    assert len({asha, juma, nobody}) == 3


def test_when_the_secret_is_replaced_its_sessions_end_with_it(shop):
    widget = Widget(shop)
    widget.begin(user_id="u-7", hash=hash_of(SECRET, "u-7"))
    shop.put_secret("identity_secret", "another")
    shop.save()
    assert widget.say("During the day in which both are valid").status_code == 202
    shop.end_old_secrets()
    shop.save()
    assert widget.say("Too late").status_code == 401
    assert Message.objects.count() == 1
    assert widget.begin(user_id="u-7", hash=hash_of("another", "u-7")).json()["is_identified"] is True


def test_the_secret_is_in_no_answer(shop):
    widget = Widget(shop)
    answers = [widget.begin(user_id="u-7", hash=hash_of(SECRET, "u-7")), widget.say(), widget.get("messages")]
    assert not any(SECRET in answer.content.decode() for answer in answers)
