"""Runs of custom actions: their list, their pages, and the start page when they fail."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from agents.admin import run_words
from agents.models import ActionRun, ToolCall
from tests.agents.admin.actions import make_run
from tests.agents.admin.pages import page, text
from tests.agents.rows import finished
from tests.factories import install, make_action, make_agent, make_conversation, make_delivery, make_endpoint, make_team
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db


def page_of(delivery: Delivery) -> str:
    return reverse("admin:webhooks_delivery_change", args=[delivery.pk])


def make_action_call(*, team: Any) -> ToolCall:
    """A call that ran and reported a failure."""
    tool = install(action=make_action(team=team), agent=make_agent(team=team))
    conversation = make_conversation(agent=tool.agent)
    message = conversation.say(role="customer", text="Book it")
    reply = conversation.say(role="agent", text="It did not work.")
    turn = conversation.turns.create(message=message, reply=reply, state="done")
    run = make_run(
        team=team, action=tool.action, agent=tool.agent, conversation=conversation, result={"success": False}
    )
    return ToolCall.objects.create(
        agent=tool.agent,
        conversation=conversation,
        turn=turn,
        tool=tool,
        tool_name=tool.name,
        key=turn.public_id,
        arguments={"email": "a@b.co"},
        status="failed",
        result={"text": "Action failed: sold out", "structured": {"outcome": "reported_failure"}, "is_error": True},
        run=run,
    )


class TestRuns:
    def outcomes(self, client: Client, query: str = "") -> list[str]:
        rows = client.get(page("actionrun_changelist") + query).context["cl"].result_list
        return [run_words.describe(run).label for run in rows]

    def test_outcomes_are_told_apart_and_syntax_checks_never_listed(self, owner, team):
        make_run(team=team, result={"success": True})
        make_run(team=team, result={"success": False, "error": "sold out"})
        make_run(team=team, state="failed", kind="thrown", error="x")
        make_run(team=team, state="failed", kind="timeout")
        make_run(team=team, state="interrupted", kind="interrupted")
        make_run(team=team, state="cancelled", kind="unavailable")
        make_run(team=team, purpose="check", state="failed", kind="syntax")
        make_run(team=make_team(), state="failed", kind="memory")
        told = ["not run", "interrupted", "timed out", "threw an error", "reported failure", "succeeded"]
        assert self.outcomes(owner) == told
        for chosen, labels in (
            ("succeeded", ["succeeded"]),
            ("reported", ["reported failure"]),
            ("failed", told[1:5]),
            ("thrown", ["threw an error"]),
            ("timeout", ["timed out"]),
            ("interrupted", ["interrupted"]),
            ("not_run", ["not run"]),
            ("open", []),
        ):
            assert self.outcomes(owner, f"?outcome={chosen}") == labels, chosen

    @pytest.mark.parametrize("result", [None, 7, "text", [1], {"success": "no"}, {}])
    def test_whatever_else_was_returned_succeeded(self, owner, team, result):
        make_run(team=team, result=result)
        assert self.outcomes(owner) == ["succeeded"]
        assert self.outcomes(owner, "?outcome=succeeded") == ["succeeded"]

    def test_filters_and_search(self, owner, team):
        action, agent = make_action(team=team), make_agent(team=team)
        one = make_run(team=team, action=action, agent=agent)
        make_run(team=team, purpose="test")
        for query in (f"?action__id__exact={action.pk}", f"?agent__id__exact={agent.pk}", "?purpose=call"):
            assert len(self.outcomes(owner, query)) == 1, query
        assert len(self.outcomes(owner, f"?q={one.public_id}")) == 1
        assert self.outcomes(owner, f"?q={one.public_id[:-1]}") == []
        assert len(self.outcomes(owner, "?queued=hour")) == 2

    def test_the_page_says_what_happened_and_what_left(self, owner, team):
        action = make_action(team=team, title="Send the lead")
        delivery = finished(make_delivery(endpoint=make_endpoint(team=team)), state="rejected", status=503)
        run = make_run(
            team=team,
            action=action,
            version=action.current,
            state="failed",
            kind="thrown",
            error="Webhook 503",
            line=3,
            params={"email": "a@b.co"},
            config={"list": "leads"},
            console=[["log", "before"], ["error", "<b>after</b>"]],
            event=delivery.event,
            milliseconds=12.4,
        )
        html = text(owner.get(page("actionrun_change", run.pk)))
        for words in (
            "The code threw an error in line 3: Webhook 503.",
            "rejected 503",
            page_of(delivery),
            "a@b.co",
            "leads",
            "&lt;b&gt;after&lt;/b&gt;",
            "12 ms",
            f"{page('customaction_versions', action.pk)}?version=1",
        ):
            assert words in html
        assert "hx-get" not in html[html.index('id="run-') : html.index("</div>", html.index('id="run-'))]

    def test_a_run_of_a_call_links_to_it_and_back(self, owner, team):
        call = make_action_call(team=team)
        html = text(owner.get(page("actionrun_change", call.run.pk)))
        assert page("toolcall_change", call.pk) in html
        assert page("conversation_change", call.conversation.pk) in html
        run_page = page("actionrun_change", call.run.pk)
        assert run_page in text(owner.get(page("toolcall_change", call.pk)))
        assert run_page in text(owner.get(page("conversation_change", call.conversation.pk)))
        assert run_page in text(owner.get(page("toolcall_changelist")))

    def test_while_it_runs_the_panel_asks_again_and_then_stops(self, owner, team):
        run = make_run(team=team, state="queued")
        panel = page("actionrun_panel", run.pk)
        assert "hx-get" in text(owner.get(panel))
        ActionRun.objects.filter(pk=run.pk).update(queued_at="2020-01-01T00:00:00Z")
        assert "No worker has come yet" in text(owner.get(panel))
        run.finish(state="succeeded", result=1)
        assert "hx-get" not in text(owner.get(panel))

    def test_nobody_writes_or_deletes_a_run(self, owner, team):
        run = make_run(team=team)
        assert owner.post(page("actionrun_change", run.pk), {"state": "failed"}).status_code == 405
        assert owner.post(page("actionrun_delete", run.pk), {"post": "yes"}).status_code == 403
        assert owner.get(page("actionrun_add")).status_code == 403

    def test_a_long_result_is_cut(self):
        shown = run_words.pretty("x" * 100_000)
        assert len(shown) < 70_000
        assert shown.endswith("(the rest is not shown)")

    def test_what_was_ended_before_it_fetched_has_sent_nothing(self, team):
        told = run_words.describe(make_run(team=team, state="failed", kind="timeout"))
        assert told.advice == "Until then it had sent nothing."

    def test_every_kind_has_words(self, team):
        for kind in (
            "thrown",
            "syntax",
            "timeout",
            "memory",
            "result",
            "exit",
            "crashed",
            "protocol",
            "busy",
            "unknown",
        ):
            told = run_words.describe(make_run(team=team, state="failed", kind=kind, error="it broke"))
            assert told.tone == "bad"
            assert told.label
            assert "{" not in told.sentence + told.advice


class TestStartPage:
    def test_actions_that_fail_need_attention(self, owner, team):
        action, fine = make_action(team=team, title="Shaky"), make_action(team=team, title="Solid")
        make_run(team=team, action=action, result={"success": True})
        make_run(team=team, action=action, result={"success": False})
        make_run(team=team, action=action, state="failed", kind="thrown")
        make_run(team=team, action=fine, result=1)
        make_run(team=team, action=fine, purpose="test", state="failed", kind="thrown")
        html = text(owner.get("/admin/"))
        assert "Shaky: 2 of the last 3 runs failed." in html
        assert f"action__id__exact={action.pk}&amp;outcome=failed" in html
        assert "Solid" not in html

    def test_fetches_without_an_endpoint_do_no_harm(self, owner, team):
        delivery = finished(make_delivery(endpoint=make_endpoint(team=team)), state="rejected", status=500)
        Delivery.objects.filter(pk=delivery.pk).update(endpoint=None, caused_by="run_x", method="GET")
        assert owner.get("/admin/").status_code == 200
