"""Every ready action on the real way: an agent's call, a worker, the sandbox, the door out, a provider's double.

What the doubles check is what the real providers check. Each case also counts the requests: one is one.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from agents import library, parameters
from agents.models import ActionRun, ToolCall
from chatzuri.credentials import KINDS
from chatzuri.models import Team
from tests.agents.doubles import SECRET, Airtable, Providers
from tests.agents.ready_ways import AIRTABLE, EMAIL, LEAD, REQUESTS, WAYS, asked, call, credential_for
from tests.factories import make_api_key, make_team
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db(transaction=True)

# The example of the product's guide, byte for byte.
GUIDE = """\
const payload = {
  event: 'lead.captured',
  source: 'chat',
  customer: params.email,
  conversation_id: params.conversation_id,
  timestamp: new Date().toISOString(),
};

const r = await fetch(credentials.webhook_url, {
  method: 'POST',
  headers: {
    'Content-Type': 'application/json',
    ...(credentials.secret ? { 'X-Webhook-Secret': credentials.secret } : {}),
  },
  body: JSON.stringify(payload),
});

if (!r.ok) throw new Error(`Webhook ${r.status}`);
return { success: true };
"""


@pytest.fixture(scope="module")
def _providers() -> Iterator[Providers]:
    providers = Providers()
    yield providers
    providers.stop()


@pytest.fixture
def providers(_providers: Providers, settings: Any) -> Providers:
    _providers.reset()
    settings.INSPECTOR_ORIGIN = _providers.origin
    return _providers


@pytest.fixture
def worker(_workers: Any, providers: Providers, transactional_db: None) -> Any:
    """A real worker process that can reach the doubles."""
    return _workers.share(inspector_origin=providers.origin)


@pytest.fixture
def team() -> Team:
    return make_team()


@pytest.fixture
def api(team: Team) -> Client:
    return Client(headers={"Authorization": f"Bearer {make_api_key(team=team)}"})


# --- all of them -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slug", WAYS)
def test_it_does_what_it_says_with_one_request_and_keeps_no_secret(api, team, providers, worker, slug):
    credential = credential_for(team, slug, providers)
    answer = call(api, team, slug, providers, credential=credential)
    run = ActionRun.objects.get(purpose="call")
    assert (answer["status"], answer["is_error"]) == ("fired", False), answer
    assert answer["structured"]["result"]["success"] is True
    deliveries = Delivery.objects.filter(event=run.event).order_by("pk")
    assert len(asked(providers, slug)) == len(deliveries) == REQUESTS[slug]
    assert {delivery.caused_by for delivery in deliveries} == {run.public_id}
    assert deliveries.last().state == "delivered"
    shown = api.get(f"/api/v1/runs/{run.public_id}")
    assert [fetch["delivery_id"] for fetch in shown.json()["fetches"]] == [row.public_id for row in deliveries]
    rows = [*ActionRun.objects.values(), *ToolCall.objects.values(), *Delivery.objects.values()]
    everything = json.dumps(answer) + shown.content.decode() + "".join(bytes(row.body).decode() for row in deliveries)
    for secret in credential.secret_values():
        assert secret not in everything + repr(rows)


REFUSALS = {
    "post-json": "Webhook 401",
    "signed-post": "The receiver did not accept the signature (401). Both sides need the same secret.",
    "hubspot-contact": "HubSpot did not accept the access token. Replace it on the credential. HubSpot says: "
    "Authentication credentials not found. This API supports OAuth 2.0 authentication.",
    "airtable-row": "Airtable did not accept the access token. Replace it on the credential. Airtable says: "
    "Authentication required",
    "google-sheets-row": "The script did not add the row: wrong secret",
    "notion-page": "Notion did not accept the access token. Replace it on the credential. Notion says: "
    "API token is invalid.",
    "stripe-customer": "Stripe did not accept the secret key. Replace it on the credential. Stripe says: "
    "Invalid API Key provided: ********************oken",
}


@pytest.mark.parametrize("slug", REFUSALS)
def test_a_wrong_credential_is_said_so(api, team, providers, worker, slug):
    credential = credential_for(team, slug, providers, secret="not-the-right-token")
    answer = call(api, team, slug, providers, credential=credential)
    assert (answer["status"], answer["is_error"]) == ("failed", True)
    assert answer["content"][0]["text"] == f"Action failed: {REFUSALS[slug]}"
    assert answer["structured"]["outcome"] == "thrown"
    assert len(asked(providers, slug)) == REQUESTS[slug]


BUSY = {
    "post-json": "Webhook 503",
    "signed-post": "The receiver refused the request (503): busy",
    "slack-message": "Slack takes no more messages at the moment. This one was not posted.",
    "hubspot-contact": "HubSpot takes no more requests at the moment. Nothing was saved. HubSpot says: "
    "You have reached your ten_secondly_rolling limit.",
    "airtable-row": "Airtable takes no more requests at the moment. The row was not added.",
    "google-sheets-row": "Google refused this (429). Check the address of the web app on the credential.",
    "notion-page": "Notion takes no more requests at the moment. The page was not made. Notion says: "
    "You have been rate limited. Please try again in a few minutes.",
    "stripe-customer": "Stripe takes no more requests at the moment. Stripe says: Request rate limit exceeded.",
}


@pytest.mark.parametrize("slug", BUSY)
def test_a_provider_that_takes_no_more_is_asked_once(api, team, providers, worker, slug):
    getattr(providers, WAYS[slug].provider).busy = True
    answer = call(api, team, slug, providers, credential=credential_for(team, slug, providers))
    assert answer["content"][0]["text"] == f"Action failed: {BUSY[slug]}"
    assert len(asked(providers, slug)) == 1


@pytest.mark.parametrize("slug", [slug for slug in WAYS if slug != "post-json"])
def test_without_a_credential_it_says_which_one_it_needs(api, team, providers, worker, slug):
    answer = call(api, team, slug, providers)
    assert answer["content"][0]["text"].startswith("Action failed: This action needs a")
    assert asked(providers, slug) == []
    assert not Delivery.objects.exists()


@pytest.mark.parametrize("slug", ["airtable-row", "notion-page"])
def test_without_its_configuration_it_says_what_to_configure(api, team, providers, worker, slug):
    answer = call(api, team, slug, providers, credential=credential_for(team, slug, providers), config={})
    assert answer["content"][0]["text"].startswith("Action failed: Say in the configuration which")
    assert asked(providers, slug) == []


# --- one by one ------------------------------------------------------------------------------------------------------


def test_the_example_of_the_guide_is_there_as_it_stands(api, team, providers, worker):
    assert library.READY["post-json"].code == GUIDE
    call(api, team, "post-json", providers, credential=credential_for(team, "post-json", providers))
    [got] = providers.crm.asked
    body = got.json()
    conversation = ToolCall.objects.get().conversation.public_id
    assert got.headers["X-Webhook-Secret"] == SECRET
    assert got.headers["X-Chatzuri-Conversation-Id"] == conversation
    assert list(body) == ["event", "source", "customer", "conversation_id", "timestamp"]
    assert (body["event"], body["source"], body["customer"]) == ("lead.captured", "chat", EMAIL)
    assert body["conversation_id"] == conversation


def test_the_signature_is_one_of_these_very_bytes(api, team, providers, worker):
    call(api, team, "signed-post", providers, credential=credential_for(team, "signed-post", providers))
    [got] = providers.crm.asked
    assert got.json()["customer"] == {"email": EMAIL, "name": "Asha"}
    assert len(got.headers["X-Signature"]) == 64
    assert "X-Webhook-Secret" not in got.headers
    assert SECRET.encode() not in got.body


def test_a_message_to_slack_means_what_the_customer_typed(api, team, providers, worker):
    credential = credential_for(team, "slack-message", providers)
    call(api, team, "slack-message", providers, credential=credential, config={"title": "Website"})
    [got] = providers.slack.asked
    assert got.json() == {"text": "*Website*\nPrices &lt; 5 &amp; up?\nFrom: Asha"}


def test_a_slack_webhook_that_is_gone_says_what_to_do(api, team, providers, worker):
    credential = credential_for(team, "slack-message", providers)
    credential.replace_values({"webhook_url": providers.url("slack") + "/services/T0AAAAAAA/B0BBBBBBB/gone"})
    credential.save()
    answer = call(api, team, "slack-message", providers, credential=credential)
    assert answer["content"][0]["text"] == (
        "Action failed: The Slack webhook does not exist any more. Make a new one and replace its address on the "
        "credential. Slack says: no_service"
    )


def test_a_contact_that_hubspot_knows_is_updated(api, team, providers, worker):
    providers.hubspot.contacts["77"] = {"email": EMAIL, "company": "Baraka Ltd", "firstname": "A."}
    credential = credential_for(team, "hubspot-contact", providers)
    answer = call(api, team, "hubspot-contact", providers, credential=credential)
    assert answer["structured"]["result"]["data"] == {"outcome": "updated", "contact_id": "77"}
    assert [(got.method, got.path) for got in providers.hubspot.asked] == [
        ("POST", "/crm/v3/objects/contacts"),
        ("PATCH", "/crm/v3/objects/contacts/77"),
    ]
    assert providers.hubspot.contacts["77"] == {"email": EMAIL, "company": "Baraka Ltd", "firstname": "Asha"}
    assert sorted(Delivery.objects.values_list("state", flat=True)) == ["delivered", "rejected"]


def test_a_contact_that_hubspot_does_not_know_is_created(api, team, providers, worker):
    credential = credential_for(team, "hubspot-contact", providers)
    config = {"properties": {"lifecyclestage": "lead"}}
    answer = call(api, team, "hubspot-contact", providers, credential=credential, config=config)
    assert answer["structured"]["result"]["data"] == {"outcome": "created", "contact_id": "51"}
    assert providers.hubspot.contacts["51"] == {"email": EMAIL, "firstname": "Asha", "lifecyclestage": "lead"}


def test_what_a_provider_does_not_like_is_told_in_its_words(api, team, providers, worker):
    hubspot = call(
        api,
        team,
        "hubspot-contact",
        providers,
        credential=credential_for(team, "hubspot-contact", providers),
        config={"properties": {"shoe_size": "42"}},
    )
    airtable = call(
        api,
        team,
        "airtable-row",
        providers,
        credential=credential_for(team, "airtable-row", providers),
        config=AIRTABLE | {"fields": {"phone": "Telephone"}},
    )
    assert hubspot["content"][0]["text"].endswith('HubSpot says: Property "shoe_size" does not exist')
    assert airtable["content"][0]["text"].endswith('Airtable says: Unknown field name: "Telephone"')


@pytest.mark.parametrize(
    ("config", "says"),
    [({"base": "appNone", "table": "Leads"}, "NOT_FOUND"), (AIRTABLE | {"table": "None"}, Airtable.NO_MODEL)],
)
def test_an_airtable_table_that_is_not_there_is_said_so(api, team, providers, worker, config, says):
    credential = credential_for(team, "airtable-row", providers)
    answer = call(api, team, "airtable-row", providers, credential=credential, config=config)
    assert answer["content"][0]["text"] == (
        f"Action failed: Airtable has no such base or table, or the token may not write there. Airtable says: {says}"
    )


def test_a_row_of_airtable_has_the_columns_of_the_table(api, team, providers, worker):
    credential = credential_for(team, "airtable-row", providers)
    answer = call(api, team, "airtable-row", providers, credential=credential, arguments=LEAD | {"notes": ""})
    assert answer["structured"]["result"]["data"]["record_id"] == "recAbCdEfGhIjKlMn"
    [got] = providers.airtable.asked
    fields = {"Name": "Asha", "Email": EMAIL, "Phone": "+254 711 000 111"}
    assert got.json() == {"fields": fields, "typecast": True}


def test_googles_redirect_is_followed_and_the_row_is_added_once(api, team, providers, worker):
    credential = credential_for(team, "google-sheets-row", providers)
    answer = call(api, team, "google-sheets-row", providers, credential=credential)
    conversation = ToolCall.objects.get().conversation.public_id
    assert answer["structured"]["result"]["data"] == {"row": 2}
    assert providers.sheets.rows == [LEAD | {"conversation_id": conversation}]
    assert [got.method for got in providers.sheets.asked] == ["POST", "GET"]
    assert providers.sheets.asked[1].body == b""
    assert [row.method for row in Delivery.objects.order_by("pk")] == ["POST", "GET"]


def test_a_web_app_that_asks_for_a_login_says_how_to_open_it(api, team, providers, worker):
    providers.sheets.is_open_to_anyone = False
    credential = credential_for(team, "google-sheets-row", providers)
    answer = call(api, team, "google-sheets-row", providers, credential=credential)
    assert 'Deploy the web app with access for "Anyone"' in answer["content"][0]["text"]
    assert providers.sheets.rows == []


def test_a_page_of_notion_takes_long_texts_in_pieces(api, team, providers, worker):
    credential = credential_for(team, "notion-page", providers)
    arguments = {"title": "Call back", "text": "😀" * 2500, "email": EMAIL}
    answer = call(api, team, "notion-page", providers, credential=credential, arguments=arguments)
    [got] = providers.notion.asked
    assert answer["structured"]["result"]["data"]["page_id"] == "1f2e3d4c-5b6a-7980-a1b2-c3d4e5f60718"
    assert got.headers["Notion-Version"] == "2022-06-28"
    long, email = got.json()["children"]
    assert "".join(piece["text"]["content"] for piece in long["paragraph"]["rich_text"]) == "😀" * 2500
    assert email["paragraph"]["rich_text"][0]["text"]["content"] == f"E-mail: {EMAIL}"


def test_a_notion_database_that_is_not_connected_is_said_so(api, team, providers, worker):
    credential = credential_for(team, "notion-page", providers)
    answer = call(api, team, "notion-page", providers, credential=credential, config={"database": "other"})
    assert answer["content"][0]["text"] == (
        "Action failed: Notion shows the integration no such database. Connect it in Notion. "
        "Notion says: Could not find database with ID: other."
    )


def test_a_look_up_in_stripe_only_reads(api, team, providers, worker):
    credential = credential_for(team, "stripe-customer", providers)
    known = call(api, team, "stripe-customer", providers, credential=credential)["structured"]["result"]["data"]
    unknown = call(
        api, team, "stripe-customer", providers, credential=credential, arguments={"email": "juma@example.com"}
    )
    [customer] = known["customers"]
    assert (known["found"], customer["id"], customer["since"]) == (
        True,
        "cus_NffrFeUfNV2Hib",
        "2023-04-07T18:59:53.000Z",
    )
    assert unknown["structured"]["result"]["data"] == {"found": False, "customers": []}
    assert {got.method for got in providers.stripe.asked} == {"GET"}


def test_a_secret_goes_nowhere_but_where_it_may(api, team, providers, worker):
    """A configuration that was changed to another address does not get the token."""
    credential = credential_for(team, "stripe-customer", providers)
    credential.hosts = ""
    credential.save()
    answer = call(api, team, "stripe-customer", providers, credential=credential)
    assert answer["is_error"] is True
    assert "api.stripe.com" in answer["content"][0]["text"]
    assert providers.stripe.asked == []
    assert Delivery.objects.get().state == "blocked"


# --- the library itself ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slug", library.READY)
def test_what_is_in_the_library_can_be_saved_as_it_is(slug):
    ready = library.READY[slug]
    declared, faults = parameters.read(ready.parameters)
    assert (declared, faults) == (ready.parameters, [])
    assert ready.credential_kind in KINDS
    assert set(WAYS) == set(library.READY)
    assert all(len(words) <= most for words, most in ((ready.title, 100), (ready.description, 1000)))
    assert f"{ready.code.rstrip()}\n" == ready.code
    assert len(ready.code) < 5000


def test_a_second_one_gets_a_free_name(team, monkeypatch):
    monkeypatch.setattr("agents.running.CHECK_PATIENCE", 0.01)
    names = [library.add(team=team, slug="slack-message").action.name for _ in range(3)]
    assert names == ["post_to_slack", "post_to_slack_2", "post_to_slack_3"]
    assert library.add(team=make_team(), slug="slack-message").action.name == "post_to_slack"
    with pytest.raises(KeyError):
        library.add(team=team, slug="fax")
