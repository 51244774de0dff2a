"""Audience: segments, built of the same rows as rules, and word lists."""

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget

from agents import segments
from agents.admin import rule_words
from agents.admin.rule_rows import Typed, read
from agents.admin.rules import rows_context
from agents.catalogue import SEGMENT_FIELDS
from agents.models import Segment, WordList
from chatzuri.admin import TeamScopedAdmin
from chatzuri.admin.wall import team_of

WITHOUT_ROWS = "Add a row: it says who belongs to the segment."


@admin.register(Segment)
class SegmentAdmin(TeamScopedAdmin):
    empty_sentence = "A segment is a saved question: who is on the business plan, who comes from Kenya …"
    list_display = ["name", "says", "members_now"]
    search_fields = ["name", "public_id"]
    ordering = ["name"]
    sortable_by = ["name"]

    class Media:
        css = {"all": ["agents/agents.css", "agents/actions.css", "agents/rules.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Segment]:
        return super().get_queryset(request).annotate(counted=Count("members"))

    @display(description="Who")
    def says(self, segment: Segment) -> str:
        return rule_words.condition_in_words(segment.condition, SEGMENT_FIELDS)

    @display(description="Members")
    def members_now(self, segment: Segment) -> int:
        return segment.counted  # type: ignore[attr-defined]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise Http404
        return self._edit(request, Segment(team=team_of(request)))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        return self._edit(request, self.own_row(request, object_id, to_change=True))

    def _edit(self, request: HttpRequest, segment: Segment) -> HttpResponse:
        if request.method != "POST":
            return self._page(request, segment, Typed.of(segment.condition, SEGMENT_FIELDS))
        typed = Typed.posted(request.POST)
        segment.name = request.POST.get("name", "").strip()
        condition = read(typed, SEGMENT_FIELDS)
        if not condition and not typed.has_errors:
            typed.errors.append(WITHOUT_ROWS)
        faults = _name_faults(segment)
        if faults or typed.has_errors:
            return self._page(request, segment, typed, faults)
        return self._save(request, segment, condition)

    def _save(self, request: HttpRequest, segment: Segment, condition: dict[str, Any]) -> HttpResponse:
        is_new = segment.pk is None
        segment.condition = condition
        segment.save()
        (self.log_addition if is_new else self.log_change)(request, segment, f"Saved the segment “{segment}”.")
        members = segments.fill(segment)
        messages.success(request, f"“{segment}” is saved: {members} customer{'' if members == 1 else 's'} in it now.")
        return HttpResponseRedirect(reverse(self.url_name("change"), args=[segment.pk]))

    def _page(
        self, request: HttpRequest, segment: Segment, typed: Typed, faults: list[str] | None = None
    ) -> HttpResponse:
        context = self.page_context(
            request,
            title=segment.name if segment.pk else "New segment",
            segment=segment,
            condition=typed,
            name_faults=faults or [],
            has_errors=bool(faults) or typed.has_errors,
            members=segment.members.count() if segment.pk else None,
            latest=_latest(segment) if segment.pk else [],
            without_rows=WITHOUT_ROWS,
            suggestions=rule_words.suggestions(segment.team).items(),
            builder_data=rule_words.builder_data(),
            media=self.media,
            **rows_context(typed.groups, SEGMENT_FIELDS),
        )
        return TemplateResponse(request, "admin/agents/rules/segment.html", context)


def _latest(segment: Segment) -> Any:
    return segment.members.select_related("customer").order_by("-since", "-pk")[:20]


def _name_faults(segment: Segment) -> list[str]:
    try:
        segment.full_clean(exclude=["condition"])
    except ValidationError as error:
        return [
            "Your team has a segment with this name." if field == "__all__" else sentence
            for field, sentences in error.message_dict.items()
            for sentence in sentences
        ]
    return []


def _what_it_does(words: WordList) -> SafeString:
    """Beside the words: the event they make, and, once the list is saved, the way to a rule for it."""
    said = "One word or phrase a line. A customer who writes one of them is the event keyword.matched."
    if words._state.adding:
        return format_html("{} Save the list, then make a rule for it.", said)
    address = f"{reverse('admin:agents_triggerrule_add')}?{urlencode({'event': 'keyword.matched', 'list': words.name})}"
    return format_html('{} <a class="cz-link" href="{}">Make a rule for this list</a>', said, address)


class WordListForm(forms.ModelForm[WordList]):
    class Meta:
        model = WordList
        fields = ("name", "words")
        widgets = {"words": UnfoldAdminTextareaWidget({"rows": 12})}

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if "words" in self.fields:
            self.fields["words"].help_text = _what_it_does(self.instance)

    def clean_words(self) -> str:
        """Each word once, in the order given."""
        lines = dict.fromkeys(line.strip() for line in self.cleaned_data["words"].splitlines())
        words = "\n".join(line for line in lines if line)
        if not words:
            raise ValidationError("Write at least one word or phrase.")
        return words


@admin.register(WordList)
class WordListAdmin(TeamScopedAdmin):
    form = WordListForm
    empty_sentence = "Words to listen for, such as refund or cancel: using one is an event that rules can listen to."
    list_display = ["name", "how_many"]
    search_fields = ["name", "public_id"]
    ordering = ["name"]
    fields = ["name", "words"]

    @display(description="Words and phrases")
    def how_many(self, words: WordList) -> int:
        return len(words.lines)
