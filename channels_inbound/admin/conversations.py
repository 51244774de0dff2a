"""Conversations as seen from above: what became of a reply at its provider, and the files that came along."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from agents.admin import history
from agents.models import Conversation
from agents.transcripts import Line
from channels_inbound.adapters import ADAPTERS
from channels_inbound.admin.words import REPLY_TONES
from channels_inbound.models import Attachment, Reply

WORDS = {"api": "API", "playground": "Playground", "sms": "Text message", "email": "Email"}


@dataclass(frozen=True)
class Sent:
    """One part of a reply, in a sentence. `tone` is that of tool calls: good, warn, bad or wait."""

    sentence: str
    tone: str
    reply: Reply


class ChannelFilter(admin.SimpleListFilter):
    """A fixed list: Django's own filter would offer the values of every team."""

    title = parameter_name = "channel"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        named = {each.conversation_channel: each.title for each in ADAPTERS.values() if each.conversation_channel}
        return [*(named | WORDS).items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(channel=self.value()) if self.value() else queryset


class ChannelConversationAdmin(history.ConversationAdmin):
    list_filter = [
        ChannelFilter if each is history.ChannelFilter else each for each in history.ConversationAdmin.list_filter
    ]

    def lines(self, conversation: Conversation) -> list[Line]:
        found = super().lines(conversation)
        keys = [line.message.pk for line in found]
        sent, files = _sent(keys), _files(keys)
        return [replace(line, sent=sent[line.message.pk], files=files[line.message.pk]) for line in found]


def _sent(messages: Iterable[int]) -> dict[int, list[Sent]]:
    found: dict[int, list[Sent]] = defaultdict(list)
    rows = Reply.objects.filter(message__in=messages).select_related("channel").order_by("message", "part")
    parts: dict[int, list[Reply]] = defaultdict(list)
    for reply in rows:
        parts[reply.message_id].append(reply)
    for message, replies in parts.items():
        found[message] = [_told(reply, len(replies)) for reply in replies]
    return found


def _told(reply: Reply, parts: int) -> Sent:
    """`WhatsApp: delivered, 12:03`, or why it was not."""
    state = Reply.State(reply.state)
    part = f", part {reply.part + 1} of {parts}" if parts > 1 else ""
    at = timezone.localtime(reply.changed_at).strftime("%H:%M")
    why = f". {reply.reason}" if reply.reason else ""
    return Sent(f"{reply.channel.adapter.title}{part}: {state.label.lower()}, {at}{why}", REPLY_TONES[state], reply)


def _files(messages: Iterable[int]) -> dict[int, list[Attachment]]:
    found: dict[int, list[Attachment]] = defaultdict(list)
    rows = Attachment.objects.filter(message__in=messages).select_related("inbound_message")
    for attachment in rows.order_by("message", "position"):
        found[attachment.message_id or 0].append(attachment)
    return found


admin.site.unregister(Conversation)
admin.site.register(Conversation, ChannelConversationAdmin)
