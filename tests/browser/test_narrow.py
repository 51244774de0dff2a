"""A telephone: 400 px wide, nothing may stick out sideways."""

from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page

from tests.agents.rows import make_call
from tests.factories import make_bin, make_credential, make_team, make_user
from webhooks.models import Replay

pytestmark = pytest.mark.django_db(transaction=True)


def addresses(team: Any) -> list[str]:
    call = make_call(team=team, text="A reply with a very long word: " + "x" * 90)
    agent, endpoint = f"agents/agent/{call.agent.pk}", call.delivery.endpoint.pk
    credential, caught = make_credential(team=team), make_bin(team=team)
    now = timezone.now()
    replay = Replay.objects.create(team=team, endpoint=call.delivery.endpoint, accepted_from=now, accepted_to=now)
    ranged = "accepted_from=2020-01-01T00:00&accepted_to=2090-01-01T00:00&outcomes=delivered&outcomes=no_answer"
    return [
        "",
        *(f"{app}/" for app in ("agents/agent", "agents/conversation", "agents/customer", "agents/toolcall")),
        *(f"{app}/" for app in ("webhooks/delivery", "webhooks/endpoint", "webhooks/event", "webhooks/bin")),
        "agents/agent/add/",
        f"{agent}/change/",
        f"{agent}/tools/",
        f"{agent}/playground/",
        f"agents/conversation/{call.conversation.pk}/change/",
        f"agents/customer/{call.conversation.customer.pk}/change/",
        f"agents/toolcall/{call.pk}/change/",
        f"webhooks/delivery/{call.delivery.pk}/change/",
        f"webhooks/endpoint/{endpoint}/change/",
        f"webhooks/endpoint/{endpoint}/replay/?{ranged}",
        "webhooks/replay/",
        f"webhooks/replay/{replay.pk}/change/",
        f"webhooks/delivery/{call.delivery.pk}/resend/",
        f"webhooks/bin/{caught.pk}/change/",
        f"chatzuri/credential/{credential.pk}/change/",
        "does/not/exist/",
    ]


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_nothing_sticks_out_at_400_pixels(page: Page, live_server: Any, log_in: Any, colours: Any) -> None:
    team = make_team(name="A team with quite a long name")
    page.set_viewport_size({"width": 400, "height": 800})
    page.emulate_media(color_scheme=colours)
    log_in(make_user(team=team))
    wide = {}
    for address in addresses(team):
        page.goto(f"{live_server.url}/admin/{address}")
        surplus = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if surplus > 0:
            wide[address] = surplus
    assert wide == {}
