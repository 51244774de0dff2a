"""Channels of the team: the list, setting one up step by step, and the page of one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from agents.models import Agent
from channels_inbound import connecting
from channels_inbound.adapters import ADAPTERS
from channels_inbound.adapters.base import Adapter
from channels_inbound.admin import words
from channels_inbound.admin.forms import ChannelForm
from channels_inbound.admin.secrets import DEFAULT_OVERLAP, OVERLAPS, Secrets, command, held, shown_once
from channels_inbound.admin.trying import Trying, look_again
from channels_inbound.models import Channel, InboundRequest, Refusal
from channels_inbound.standing import standing as standing_of
from chatzuri.admin import TeamScopedAdmin
from chatzuri.admin.wall import rows_of_team
from chatzuri.fields import NotReadable
from chatzuri.models import Credential
from webhooks.admin.showing import badge

PAGE = "admin/channels_inbound/channel/page.html"
LATEST = 8


@dataclass(frozen=True)
class Card:
    kind: str
    title: str
    about: str
    icon: str


@admin.register(Channel)
class ChannelAdmin(Trying, Secrets, TeamScopedAdmin):
    team_path = "agent__team"
    empty_sentence = "Add the first one: choose a provider, and the page tells you what to copy where."
    list_display = ["channel", "agent", "state_label", "last_request", "in_quarantine"]
    list_display_links = ["channel"]
    list_select_related = ["agent", "credential"]
    list_filter = ["agent", ("kind", admin.ChoicesFieldListFilter)]
    search_fields = ["public_id", "agent__name"]
    search_help_text = "Search by agent, or by the id of a channel"
    ordering = ["agent__name", "kind"]
    sortable_by: list[str] = []
    actions = None

    class Media:
        css = {"all": ["agents/agents.css", "channels_inbound/channels.css"]}

    # --- the list ---

    def get_queryset(self, request: HttpRequest) -> QuerySet[Channel]:
        """The newest request and the number in quarantine come from an index each, whatever the channel holds."""
        requests = InboundRequest.objects.filter(channel=OuterRef("pk"))
        quarantined = requests.filter(state=InboundRequest.State.QUARANTINED).order_by().values("channel")
        newest = requests.order_by("-pk")
        return (
            super()
            .get_queryset(request)
            .select_related("agent", "credential")
            .annotate(
                last_at=Subquery(newest.values("received_at")[:1]),
                last_state=Subquery(newest.values("state")[:1]),
                quarantined=Subquery(quarantined.annotate(number=Count("pk")).values("number")),
            )
        )

    @admin.display(description="Channel")
    def channel(self, channel: Channel) -> SafeString:
        return icon_and_title(channel.adapter)

    @admin.display(description="State")
    def state_label(self, channel: Channel) -> SafeString:
        standing = standing_of(channel)
        return badge(standing.word, standing.tone)

    @admin.display(description="Last request (UTC)")
    def last_request(self, channel: Any) -> SafeString | str:
        if channel.last_at is None:
            return "None yet"
        state = InboundRequest.State(channel.last_state)
        return format_html("{} {}", f"{channel.last_at:%Y-%m-%d %H:%M}", badge(state.label, words.REQUEST_TONES[state]))

    @admin.display(description="In quarantine")
    def in_quarantine(self, channel: Any) -> SafeString | str:
        if not channel.quarantined:
            return "–"
        address = f"{reverse('admin:channels_inbound_inboundrequest_changelist')}?{quarantine_of(channel)}"
        return format_html('<a class="cz-link" href="{}">{}</a>', address, channel.quarantined)

    # --- pages ---

    def get_urls(self) -> list[URLPattern]:
        posts: dict[str, tuple[str, Callable[..., HttpResponse]]] = {
            "switch": ("<int:object_id>/switch/", self.switch_view),
            "test": ("<int:object_id>/test/", self.test_view),
            "rotate": ("<int:object_id>/secrets/<slug:name>/", self.rotate_view),
            "end_old": ("<int:object_id>/end-old-secrets/", self.end_old_view),
            "anew": ("<int:object_id>/secrets-anew/", self.anew_view),
        }
        pages = [self.page(route, require_POST(view), name) for name, (route, view) in posts.items()]
        return [*pages, *super().get_urls()]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """First the provider, then the agent; then there is a channel, and its page says what to copy where."""
        if not self.has_add_permission(request):
            raise Http404
        agents = rows_of_team(Agent, request=request, site=self.admin_site).order_by("name")
        agent = _named(agents, request.POST.get("agent") or request.GET.get("agent", ""))
        adapter = ADAPTERS.get(request.GET.get("kind", ""))
        if adapter is None:
            return self._choose_provider(request, agent)
        if request.method == "POST" and agent is not None:
            return self._begin(request, agent, adapter)
        context = self.page_context(
            request,
            title=f"Connect {adapter.title}",
            adapter=adapter,
            card=card(adapter),
            agent=agent,
            agents=agents[:500],
            replies=words.replies(adapter),
            media=self.media,
        )
        return TemplateResponse(request, "admin/channels_inbound/channel/choose_agent.html", context)

    def _choose_provider(self, request: HttpRequest, agent: Agent | None) -> HttpResponse:
        context = self.page_context(
            request,
            title="Add a channel",
            cards=[card(adapter) for adapter in ADAPTERS.values()],
            agent=agent,
            connected=set(agent.channels.values_list("kind", flat=True)) if agent else set(),
            media=self.media,
        )
        return TemplateResponse(request, "admin/channels_inbound/channel/choose_provider.html", context)

    def _begin(self, request: HttpRequest, agent: Agent, adapter: Adapter) -> HttpResponse:
        """What was made for it is shown in this answer and in no other, so there is no redirect."""
        try:
            channel, made = connecting.begin(agent=agent, kind=adapter.kind, by=str(request.user))
        except connecting.ConnectRefused as refused:
            messages.warning(request, str(refused))
            known = self.get_queryset(request).filter(agent=agent, kind=adapter.kind).values_list("pk", flat=True)
            return HttpResponseRedirect(reverse(self.url_name("change"), args=[known[0]]))
        self.log_addition(request, channel, f"Connected {channel}.")
        return self.channel_page(request, self.own_row(request, channel.pk), made=made)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        channel = self.own_row(request, object_id, to_change=True)
        if request.method != "POST":
            return self.channel_page(request, channel, tried=look_again(channel, request.GET.get("tested", "")))
        form = self._form(request, channel, request.POST)
        if form is None or not (form.is_valid() and form.save(str(request.user))):
            return self.channel_page(request, channel, form=form)
        self.log_change(request, channel, "Saved its settings.")
        channel = self.own_row(request, object_id)
        messages.success(request, f"Saved. {standing_of(channel).sentence}")
        return HttpResponseRedirect(reverse(self.url_name("change"), args=[channel.pk]))

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Disconnecting asks for the agent's name: what arrived goes with the channel."""
        channel = self.own_row(request, object_id, to_change=True)
        typed = request.POST.get("name", "").strip()
        if request.method == "POST" and typed == channel.agent.name:
            self.log_deletions(request, [channel])
            connecting.disconnect(channel, by=str(request.user))
            messages.success(request, f"{channel} is disconnected. Its conversations are kept.")
            return HttpResponseRedirect(reverse(self.url_name("changelist")))
        requests = InboundRequest.objects.filter(channel=channel).order_by("pk")
        context = self.page_context(
            request,
            title=f"Disconnect {channel}?",
            channel=channel,
            adapter=channel.adapter,
            counted=requests[:1000].count(),
            is_wrong=request.method == "POST",
            media=self.media,
        )
        return TemplateResponse(request, "admin/channels_inbound/channel/disconnect.html", context)

    def switch_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        channel = self.own_row(request, object_id, to_change=True)
        switch = connecting.switch_on if request.POST.get("state") == "on" else connecting.switch_off
        standing = standing_of(switch(channel, by=str(request.user)))
        self.log_change(request, channel, f"It is {standing.word}.")
        messages.success(request, f"{channel}: {standing.word}. {standing.sentence}")
        return HttpResponseRedirect(reverse(self.url_name("change"), args=[channel.pk]))

    # --- the page of one ---

    def channel_page(self, request: HttpRequest, channel: Channel, **context: Any) -> HttpResponse:
        adapter = channel.adapter
        made = context.pop("made", {})
        shown = self.page_context(
            request,
            title=str(channel),
            channel=channel,
            agent=channel.agent,
            tab="channels",
            adapter=adapter,
            card=card(adapter),
            standing=standing_of(channel),
            replies=words.replies(adapter),
            steps=steps(adapter),
            script=script_tag(channel) if adapter.kind == "website" else "",
            form=context.pop("form", None) or self._form(request, channel),
            credentials=self._credentials(request, adapter),
            held=held(channel),
            overlaps=OVERLAPS,
            default_overlap=DEFAULT_OVERLAP,
            made=shown_once(channel, made),
            command=command(channel, made),
            refusals=Refusal.objects.filter(channel=channel).order_by("-last_at")[:10],
            latest=_latest(channel),
            quarantine=quarantine_of(channel),
            media=self.media,
            **context,
        )
        return TemplateResponse(request, PAGE, shown)

    def _form(self, request: HttpRequest, channel: Channel, data: Any = None) -> ChannelForm | None:
        """None where the stored secrets cannot be decrypted: then nothing can be added to them either."""
        try:
            return ChannelForm(data, channel=channel, credentials=self._credentials(request, channel.adapter))
        except NotReadable:
            return None

    def _credentials(self, request: HttpRequest, adapter: Adapter) -> QuerySet[Credential]:
        rows = rows_of_team(Credential, request=request, site=self.admin_site).defer("values")
        return rows.filter(kind=adapter.credential_kind).order_by("name")


def card(adapter: Adapter) -> Card:
    return Card(adapter.kind, adapter.title, words.ABOUT.get(adapter.kind, ""), words.ICONS.get(adapter.kind, "forum"))


def icon_and_title(adapter: Adapter) -> SafeString:
    mark = '<span class="ch-name"><span class="material-symbols-outlined" aria-hidden="true">{}</span>{}</span>'
    return format_html(mark, words.ICONS.get(adapter.kind, "forum"), adapter.title)


def quarantine_of(channel: Channel) -> str:
    """The query of the list of requests that leads to those of a channel that could not be read."""
    return f"channel__id__exact={channel.pk}&state__exact={InboundRequest.State.QUARANTINED}"


def steps(adapter: Adapter) -> list[SafeString]:
    """In the order of the adapter. The address itself stands above them, with its button."""
    address = format_html('<strong class="cz-strong">{}</strong>', "the address above")
    return [format_html_join(address, "{}", ((piece,) for piece in step.split("{url}"))) for step in adapter.steps]


def script_tag(channel: Channel) -> str:
    """By its plain name: pages of customers keep it for years, and hashed names change."""
    static = "/" + settings.STATIC_URL.strip("/")
    source = f"{settings.PUBLIC_URL}{static}/channels_inbound/widget.js"
    return f'<script src="{source}" data-agent="{channel.agent.public_id}" async></script>'


def _latest(channel: Channel) -> list[tuple[InboundRequest, SafeString]]:
    rows = InboundRequest.objects.filter(channel=channel).defer("body", "headers").order_by("-pk")[:LATEST]
    return [(row, request_badge(row)) for row in rows]


def request_badge(row: InboundRequest) -> SafeString:
    state = InboundRequest.State(row.state)
    return badge(state.label, words.REQUEST_TONES[state])


def _named(rows: QuerySet[Any], number: str) -> Any:
    """The row of that number. None without one, 404 where the team has none."""
    if not number:
        return None
    found = rows.filter(pk=int(number)).first() if number.isdecimal() and len(number) < 19 else None
    if found is None:
        raise Http404
    return found
