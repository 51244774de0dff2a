"""The playground: chat with an agent as a customer would, and see beside it what the agent decided.

A web thread only writes the turn down and reads what a worker made of it; it opens no socket to anybody.
"""

import secrets
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils import timezone

from agents import llm, turns
from agents.admin import rule_facts
from agents.admin.rule_facts import Fact
from agents.models import Agent, Conversation, Message, Turn
from agents.transcripts import Decision, Receipt, decisions, lines

if TYPE_CHECKING:
    from chatzuri.admin import TeamScopedAdmin as Base
else:
    Base = object

CHANNEL = "playground"
LONGEST = 4000
OVER = (Turn.State.DONE, Turn.State.FAILED)
PATIENCE = timedelta(seconds=5)
# How far back among the agent's newest facts those of a turn are looked for.
LOOKED_AT = 200


def visitor(request: HttpRequest, agent: Agent) -> str:
    """The external id under which this person plays a customer of this agent; a new one starts over."""
    known: str = request.session.get(CHANNEL, {}).get(str(agent.pk), "")
    return known or new_visitor(request, agent)


def new_visitor(request: HttpRequest, agent: Agent) -> str:
    made = f"playground-{secrets.token_hex(6)}"
    request.session[CHANNEL] = {**request.session.get(CHANNEL, {}), str(agent.pk): made}
    return made


class Playground(Base):
    def playground_urls(self) -> list[URLPattern]:
        base = "<int:object_id>/playground/"
        return [
            self.page(base, self.playground_view, "playground"),
            self.page(f"{base}say/", self.say_view, "say"),
            self.page(f"{base}start-over/", self.start_over_view, "start_over"),
            self.page(f"{base}turns/<int:turn_id>/reply/", self.reply_view, "turn_reply"),
            self.page(f"{base}turns/<int:turn_id>/decision/", self.decision_view, "turn_decision"),
        ]

    def playground_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        agent = self.own_row(request, object_id)
        conversation = Conversation.objects.filter(
            agent=agent, channel=CHANNEL, customer__external_id=visitor(request, agent)
        ).first()
        latest = list(_turns(conversation).order_by("-pk")[:20]) if conversation else []
        tools = list(agent.tools.on())
        context = self.page_context(
            request,
            title=str(agent),
            agent=agent,
            original=agent,
            tab="playground",
            media=self.media,
            brain=llm.describe(agent),
            tools=tools,
            examples=[phrase for tool in tools for phrase in tool.phrases[:4]][:6],
            longest=LONGEST,
            lines=lines(conversation) if conversation else [],
            waiting=[_waiting(turn) for turn in reversed(latest) if not _is_over(turn)],
            decisions=sights(agent, latest),
        )
        return TemplateResponse(request, "admin/agents/playground/page.html", context)

    def say_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Take the customer's message in; the bubbles that come back ask for the rest themselves."""
        agent = self.own_row(request, object_id)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        text = request.POST.get("text", "").strip()
        if not text or len(text) > LONGEST:
            return HttpResponse(f"Write between 1 and {LONGEST} characters.", status=422, content_type="text/plain")
        if not agent.is_active:
            return HttpResponse("This agent is not active.", status=422, content_type="text/plain")
        turn = turns.receive(agent=agent, text=text, external_id=visitor(request, agent), channel=CHANNEL)
        context = {
            "agent": agent,
            "message": turn.message,
            "waiting": _waiting(turn),
            "decision": sights(agent, [turn])[0],
        }
        return render(request, "admin/agents/playground/said.html", context)

    def start_over_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        agent = self.own_row(request, object_id)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        new_visitor(request, agent)
        return HttpResponseRedirect(reverse(self.url_name("playground"), args=[agent.pk]))

    def reply_view(self, request: HttpRequest, object_id: int, turn_id: int) -> HttpResponse:
        """The reply when there is one; 204, which leaves the page as it is, while there is not."""
        agent, turn = self._turn(request, object_id, turn_id)
        if _is_over(turn):
            context = {"agent": agent, "turn": turn, "reply": turn.reply}
            return render(request, "admin/agents/playground/reply.html", context)
        waiting = _waiting(turn)
        if not waiting["nobody_answers"]:
            return HttpResponse(status=204)
        return render(request, "admin/agents/playground/waiting.html", {"agent": agent, "waiting": waiting})

    def decision_view(self, request: HttpRequest, object_id: int, turn_id: int) -> HttpResponse:
        """What the agent decided in one turn; 204 while it is what the page shows already."""
        agent, turn = self._turn(request, object_id, turn_id)
        decision = sights(agent, [turn])[0]
        if request.GET.get("version") == decision.version and not decision.is_settled:
            return HttpResponse(status=204)
        context = {"agent": agent, "decision": decision, "said": after_approval(decision.decision)}
        return render(request, "admin/agents/playground/decision.html", context)

    def _turn(self, request: HttpRequest, object_id: int, turn_id: int) -> tuple[Agent, Turn]:
        agent = self.own_row(request, object_id)
        if request.method not in ("GET", "HEAD"):
            raise Http404
        turns_here = Turn.objects.filter(conversation__agent=agent, conversation__channel=CHANNEL)
        return agent, get_object_or_404(turns_here.select_related("reply", "message"), pk=turn_id)


@dataclass(frozen=True)
class Sight:
    """What the right side shows of one turn: what the agent decided, what happened, and what the rules said of it."""

    decision: Decision
    facts: list[Fact]

    @property
    def turn(self) -> Turn:
        return self.decision.turn

    @property
    def receipts(self) -> list[Receipt]:
        return self.decision.receipts

    @property
    def brain(self) -> str:
        return self.decision.brain

    @property
    def waits_for_a_person(self) -> bool:
        return self.decision.waits_for_a_person

    @property
    def is_settled(self) -> bool:
        return self.decision.is_settled and all(fact.is_settled for fact in self.facts)

    @property
    def version(self) -> str:
        """Changes whenever the page has to change. A fact that no rule listens to comes with a change of the turn."""
        heard = (fact.version for fact in self.facts if fact.said or fact.waits)
        return "-".join([self.decision.version, *heard]).replace(" ", "_")


def sights(agent: Agent, shown: Sequence[Turn]) -> list[Sight]:
    """One a turn of the same conversation, in the order given. What happened belongs to the turn that came before."""
    if not shown:
        return []
    conversation = shown[0].conversation
    later = conversation.turns.filter(pk__gte=min(turn.pk for turn in shown)).order_by("pk")
    starts = list(later.values_list("pk", "message__created_at"))
    events = rule_facts.of_conversation(agent, conversation.public_id, since=starts[0][1], limit=LOOKED_AT)
    facts: dict[int, list[Fact]] = defaultdict(list)
    for fact in rule_facts.told(events):
        began = [key for key, at in starts if at <= fact.event.occurred_at]
        facts[began[-1]].append(fact)
    return [Sight(decision, facts[decision.turn.pk]) for decision in decisions(shown)]


def after_approval(decision: Decision) -> list[Message]:
    """What the conversation was told about the calls that a person judged; once, when nothing is open any more."""
    turn = decision.turn
    if not decision.is_settled or not any(one.call.judged_at for one in decision.receipts):
        return []
    since = min(one.call.judged_at for one in decision.receipts if one.call.judged_at)
    said = turn.conversation.messages.filter(role=Message.Role.SYSTEM, created_at__gte=since)
    return list(said.order_by("pk")[:20])


def _turns(conversation: Conversation) -> Any:
    return conversation.turns.select_related("reply", "message")


def _is_over(turn: Turn) -> bool:
    return turn.state in OVER


def _waiting(turn: Turn) -> dict[str, Any]:
    late = turn.state == Turn.State.QUEUED and timezone.now() - turn.queued_at > PATIENCE
    # Only who runs the installation can start a worker.
    return {"turn": turn, "nobody_answers": late and not _waits_its_turn(turn), "can_start_worker": settings.DEBUG}


def _waits_its_turn(turn: Turn) -> bool:
    """Turns of a conversation go one after the other, so this one is held up by the one before and by nobody else.

    An earlier one that is queued too long says so itself.
    """
    return turn.conversation.turns.filter(pk__lt=turn.pk).exclude(state__in=OVER).exists()
