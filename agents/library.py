"""Ready actions: code a team can take, read, change, and install, for the systems that businesses ask for first."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents import actions
from agents.models import CustomAction
from chatzuri.models import Team

FOLDER = Path(__file__).parent / "ready"


@dataclass(frozen=True)
class ReadyAction:
    """One of the library. `title` and `summary` are for the team, `name` and `description` for a model.

    `offer` is what customers read, as the title of the action that is made of it. Descriptions of parameters are
    questions to a customer: an agent without a language model asks them in these very words.
    `credential_kind` names the credential it reads; `config_example` shows what may be configured where it is
    installed; `code` is the JavaScript of `ready/<slug>.js`.
    """

    slug: str
    title: str
    offer: str
    summary: str
    name: str
    description: str
    credential_kind: str
    config_example: dict[str, Any]
    parameters: list[dict[str, Any]]
    code: str


def code_of(slug: str) -> str:
    return (FOLDER / f"{slug}.js").read_text(encoding="utf-8")


def text(name: str, description: str, *, required: bool = False, format: str = "") -> dict[str, Any]:
    declared = {"name": name, "type": "string", "description": description, "required": required}
    return declared | ({"format": format} if format else {})


EMAIL = text("email", "What is your e-mail address?", required=True, format="email")
MAYBE_EMAIL = EMAIL | {"required": False}
NAME = text("name", "What is your name?")
PHONE = text("phone", "What is your phone number, with the country code?", format="phone")
NOTES = text("notes", "What would you like, in one or two sentences?")
# Never asked for: the platform fills it in.
CONVERSATION = text("conversation_id", "The conversation this happens in.")

READY: dict[str, ReadyAction] = {
    ready.slug: ready
    for ready in (
        ReadyAction(
            slug="post-json",
            title="Send JSON to your own system",
            offer="Ask for an offer",
            summary="Posts lead.captured with the customer's address. Your shared secret travels in X-Webhook-Secret.",
            name="send_lead",
            description="Sends a customer's e-mail address to the sales system. Use it once a customer has given "
            "the address and wants to be contacted. Do not use it before they agreed.",
            credential_kind="webhook",
            config_example={},
            parameters=[EMAIL, CONVERSATION],
            code=code_of("post-json"),
        ),
        ReadyAction(
            slug="signed-post",
            title="Send signed JSON to your own system",
            offer="Leave your contact details",
            summary="Signs timestamp and body with HMAC-SHA256, so that your receiver can prove who sent it and when.",
            name="send_signed_lead",
            description="Sends a customer's contact details to the sales system. Use it once a customer has given "
            "an e-mail address and wants to be contacted. Do not use it before they agreed.",
            credential_kind="webhook",
            config_example={"event": "lead.captured"},
            parameters=[EMAIL, NAME, text("message", "What would you like, in one or two sentences?"), CONVERSATION],
            code=code_of("signed-post"),
        ),
        ReadyAction(
            slug="slack-message",
            title="Post a message to Slack",
            offer="Leave a message for the team",
            summary="Posts to the channel of a Slack incoming webhook, with who wrote and what they want.",
            name="post_to_slack",
            description="Tells the team in Slack about something a person should look at. Use it when a customer "
            "asks for a person or has a problem you cannot solve. Do not use it for small talk.",
            credential_kind="webhook",
            config_example={"title": "From the website chat"},
            parameters=[
                text("text", "What should the team know, in a few sentences?", required=True),
                NAME,
                MAYBE_EMAIL,
            ],
            code=code_of("slack-message"),
        ),
        ReadyAction(
            slug="hubspot-contact",
            title="Save a contact in HubSpot",
            offer="Ask to be contacted",
            summary="Creates the contact, or updates it where HubSpot knows the e-mail address, and says which. "
            "Its credential must be allowed to write.",
            name="save_hubspot_contact",
            description="Saves a customer as a contact in HubSpot, or updates the contact with that e-mail address. "
            "Use it once a customer has given the address and agreed to be contacted.",
            credential_kind="hubspot",
            config_example={"properties": {"lifecyclestage": "lead"}},
            parameters=[
                EMAIL,
                text("first_name", "What is your first name?"),
                text("last_name", "What is your last name?"),
                PHONE,
                text("company", "Which company do you work for?"),
            ],
            code=code_of("hubspot-contact"),
        ),
        ReadyAction(
            slug="airtable-row",
            title="Add a row to Airtable",
            offer="Send us your request",
            summary="Adds a record to a table; config.fields maps our values to the names of your columns. "
            "Its credential must be allowed to write.",
            name="add_airtable_row",
            description="Adds a customer and what they want to the team's table. Use it once a customer has said "
            "what they need and how to reach them.",
            credential_kind="airtable",
            config_example={
                "base": "appXXXXXXXXXXXXXX",
                "table": "Leads",
                "fields": {"name": "Name", "email": "Email", "phone": "Phone", "notes": "Notes"},
            },
            parameters=[NAME, EMAIL, PHONE, NOTES],
            code=code_of("airtable-row"),
        ),
        ReadyAction(
            slug="google-sheets-row",
            title="Add a row to Google Sheets",
            offer="Send us your request",
            summary="Calls a web app of Apps Script that belongs to your sheet; no Google account is shared with us.",
            name="add_sheet_row",
            description="Adds a customer and what they want to the team's spreadsheet. Use it once a customer has "
            "said what they need and how to reach them.",
            credential_kind="webhook",
            config_example={"sheet": "Leads"},
            parameters=[NAME, EMAIL, PHONE, NOTES, CONVERSATION],
            code=code_of("google-sheets-row"),
        ),
        ReadyAction(
            slug="notion-page",
            title="Make a page in Notion",
            offer="Ask us to look into something",
            summary="Makes a page in a database that you connected to your Notion integration. "
            "Its credential must be allowed to write.",
            name="make_notion_page",
            description="Makes a page in the team's Notion database about something to follow up. Use it when a "
            "customer asks for something that the team has to do later.",
            credential_kind="notion",
            config_example={"database": "d9824bdc84454327be8b5b47500af6ce", "title_property": "Name"},
            parameters=[
                text("title", "What is it about, in a few words?", required=True),
                text("text", "Is there more that we should know about it?"),
                MAYBE_EMAIL,
            ],
            code=code_of("notion-page"),
        ),
        ReadyAction(
            slug="stripe-customer",
            title="Look up a customer in Stripe",
            offer="Look up your account",
            summary="Reads whether an e-mail address is known in Stripe, since when, and with what balance.",
            name="find_stripe_customer",
            description="Looks up whether somebody is a paying customer, by e-mail address. It only reads. Use it "
            "when a customer asks about their account and has given the address.",
            credential_kind="stripe",
            config_example={},
            parameters=[EMAIL],
            code=code_of("stripe-customer"),
        ),
    )
}


def add(*, team: Team, slug: str, author: Any = None) -> actions.Saved:
    """Make a ready action the team's own, under a free name. Raises `KeyError`, and `ActionRefused` as a save does."""
    ready = READY[slug]
    return actions.save(
        team=team,
        name=_free_name(team, ready.name),
        title=ready.offer,
        description=ready.description,
        code=ready.code,
        parameters=ready.parameters,
        author=author,
        note=f"From the library: {ready.title}",
    )


def _free_name(team: Team, name: str) -> str:
    taken = set(CustomAction.objects.of(team).filter(name__startswith=name).values_list("name", flat=True))
    return next(name for name in _names_like(name) if name not in taken)


def _names_like(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}_{number}" for number in range(2, actions.MOST_OF_A_TEAM + 2))
