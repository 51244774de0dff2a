"""A telephone: 400 px wide, nothing may stick out sideways."""

from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from playwright.sync_api import Page

from agents import deciding, events, judging, rehearsing
from agents.models import ActionRun, Evaluation, Segment, ToolCall, TriggerRule, WordList
from tests.agents.rows import make_call
from tests.factories import install, make_action, make_bin, make_credential, make_team, make_user
from webhooks.models import Replay

pytestmark = pytest.mark.django_db(transaction=True)


def addresses(team: Any) -> list[str]:
    call = make_call(team=team, text="A reply with a very long word: " + "x" * 90)
    agent, endpoint = f"agents/agent/{call.agent.pk}", call.delivery.endpoint.pk
    credential, caught = make_credential(team=team), make_bin(team=team)
    now = timezone.now()
    replay = Replay.objects.create(team=team, endpoint=call.delivery.endpoint, accepted_from=now, accepted_to=now)
    ranged = "accepted_from=2020-01-01T00:00&accepted_to=2090-01-01T00:00&outcomes=delivered&outcomes=no_answer"
    action, run, held = action_rows(team, call)
    return [
        *rule_pages(call.agent, call.conversation),
        *(f"agents/customaction/{page}" for page in ("", "add/", "library/", "library/signed-post/")),
        f"agents/customaction/library/?agent={call.agent.pk}",
        f"agents/customaction/{action.pk}/change/",
        f"agents/customaction/{action.pk}/versions/",
        "agents/actionrun/",
        f"agents/actionrun/{run.pk}/change/",
        f"agents/toolcall/{held.pk}/change/",
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


def action_rows(team: Any, call: Any) -> tuple[Any, Any, Any]:
    """An action with long words everywhere, a run of it that failed, and a call that waits for approval."""
    parameters = [{"name": "a" * 60, "type": "string", "description": "x" * 200, "required": True}]
    action = make_action(team=team, code="return '" + "x" * 300 + "';\n", parameters=parameters)
    action.versions.create(number=2, code="return '" + "y" * 300 + "';\n", parameters=[])
    tool = install(action=action, agent=call.agent)
    facts = {"state": "failed", "kind": "thrown", "error": "e" * 500, "line": 1, "console": [["log", "c" * 300]]}
    run = ActionRun.objects.create(team=team, action=action, tool=tool, event=call.delivery.event, **facts)
    arguments = {"a" * 60: "v" * 300}
    held = ToolCall.objects.create(
        agent=call.agent, tool=tool, tool_name=tool.name, key="held", arguments=arguments, status="held"
    )
    return action, run, held


def rule_pages(agent: Any, conversation: Any) -> list[str]:
    """A rule with long words everywhere, what it said, a rehearsal of it, a segment and a word list."""
    long = {"field": "lead.answers." + "a" * 60, "operator": "contains", "value": "v" * 90, "not": True}
    condition = {"all": [long, {"any": [long, long | {"operator": "is_one_of", "value": ["w" * 90]}]}]}
    facts = {
        "event_type": "message.received",
        "condition": condition,
        "fault": "f" * 90,
        "payload": {"k" * 60: "x" * 90},
    }
    rule = TriggerRule.objects.create(agent=agent, name="r" * 90, predicate="return " + "p" * 90, **facts)
    with transaction.atomic():
        data = {"message_id": "msg_1", "text": "t" * 200}
        event = events.emit(agent=agent, type="message.received", data=data, conversation=conversation)
    judging.judge_pending()
    rehearsal = rehearsing.begin(agent=agent, draft=deciding.Draft.of(rule), rule=rule)
    rehearsing.run(rehearsal_id=rehearsal.pk)
    segment = Segment.objects.create(team=agent.team, name="s" * 90, condition=condition)
    words = WordList.objects.create(team=agent.team, name="n" * 90, words="w" * 90)
    said = Evaluation.objects.get(rule=rule)
    return [
        *(f"agents/agent/{agent.pk}/{page}" for page in ("rules/", "events/", f"events/{event.public_id}/")),
        *(f"agents/triggerrule/{page}" for page in ("", "add/", f"add/?agent={agent.pk}", f"{rule.pk}/change/")),
        *(f"agents/rehearsal/{page}" for page in ("", f"{rehearsal.pk}/change/")),
        *(f"agents/evaluation/{page}" for page in ("", f"{said.pk}/change/")),
        *(f"agents/segment/{page}" for page in ("", "add/", f"{segment.pk}/change/")),
        *(f"agents/wordlist/{page}" for page in ("", "add/", f"{words.pk}/change/")),
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
