"""What people of the team do for a conversation: take it, say that it is done, ask for a person, end it, go on."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils.safestring import SafeString

from agents import ending, escalating
from agents.models import Conversation, Escalation
from webhooks.admin.showing import badge

if TYPE_CHECKING:
    from chatzuri.admin import TeamScopedAdmin as Base
else:
    Base = object

State = Escalation.State
FASTER = "Somebody was faster: it is not open any more."
BADGES = {State.REQUESTED: ("waits for a person", "warn"), State.ACCEPTED: ("taken by a person", "wait")}


def with_escalation(conversations: QuerySet[Conversation]) -> QuerySet[Conversation]:
    """Each with `escalation_state`: that of its open escalation, None without one."""
    open_ones = Escalation.objects.filter(conversation=OuterRef("pk")).exclude(state=State.RESOLVED)
    return conversations.annotate(escalation_state=Subquery(open_ones.values("state")[:1]))


def escalation_badge(state: str | None) -> SafeString | str:
    return badge(*BADGES[State(state)]) if state else ""


def open_escalation(conversation: Conversation) -> Escalation | None:
    return conversation.escalations.exclude(state=State.RESOLVED).select_related("accepted_by").first()


class PersonFilter(admin.SimpleListFilter):
    title = "person"
    parameter_name = "person"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(state.value, words.capitalize()) for state, (words, _) in BADGES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in BADGES:
            return queryset
        asked = Escalation.objects.filter(state=self.value())
        return queryset.filter(pk__in=asked.values("conversation"))


class Escalations(Base):
    """Every member of the team may: whoever may not should not see the conversation either."""

    def escalation_urls(self) -> list[URLPattern]:
        return [
            self.page("<int:object_id>/person/", self.ask_view, "ask_person"),
            self.page("<int:object_id>/take/", self.take_view, "take"),
            self.page("<int:object_id>/resolve/", self.resolve_view, "resolve"),
            self.page("<int:object_id>/end/", self.end_view, "end"),
            self.page("<int:object_id>/reopen/", self.reopen_view, "reopen"),
        ]

    def ask_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return self._act(request, object_id, _ask)

    def take_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return self._act(request, object_id, _take)

    def resolve_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return self._act(request, object_id, _resolve)

    def end_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return self._act(request, object_id, _end)

    def reopen_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return self._act(request, object_id, _reopen)

    def _act(self, request: HttpRequest, object_id: int, act: Callable[[HttpRequest, Any], str]) -> HttpResponse:
        conversation = self.own_row(request, object_id)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            said = act(request, conversation)
        except (escalating.NotOpen, ending.NotReopened) as refused:
            messages.warning(request, str(refused))
        else:
            self.log_change(request, conversation, said)
            messages.success(request, said)
        return HttpResponseRedirect(reverse(self.url_name("change"), args=[conversation.pk]))


# --- what each button does; the sentence is what came of it ----------------------------------------------------------


def _ask(request: HttpRequest, conversation: Conversation) -> str:
    reason = request.POST.get("reason", "")
    requested = escalating.ask(conversation=conversation, trigger=escalating.Trigger.BUTTON, reason=reason)
    if not requested.is_new:
        raise escalating.NotOpen("A person was asked for already.")
    return "A person is asked for."


def _take(request: HttpRequest, conversation: Conversation) -> str:
    escalating.accept(escalation=_meant(request, conversation), by=request.user)
    return "It is yours now."


def _resolve(request: HttpRequest, conversation: Conversation) -> str:
    escalating.resolve(escalation=_meant(request, conversation), by=request.user)
    return "Resolved."


def _end(request: HttpRequest, conversation: Conversation) -> str:
    if not ending.end(conversation=conversation, by="operator"):
        raise ending.NotReopened("This conversation had ended before.")
    return "The conversation is ended."


def _reopen(request: HttpRequest, conversation: Conversation) -> str:
    ending.reopen(conversation=conversation, by="operator")
    return "The conversation is open again."


def _meant(request: HttpRequest, conversation: Conversation) -> Escalation:
    """The escalation that the page showed, which may be another than the one that is open now."""
    found = open_escalation(conversation)
    if found is None or found.public_id != request.POST.get("escalation"):
        raise escalating.NotOpen(FASTER)
    return found
