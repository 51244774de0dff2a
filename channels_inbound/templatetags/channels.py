"""What the start page says of channels. Its view lives below and knows nothing of them."""

from dataclasses import dataclass

from django import template
from django.urls import reverse

from channels_inbound.models import Channel, InboundMessage, InboundRequest
from channels_inbound.standing import standing as standing_of
from chatzuri.models import Team

register = template.Library()

MOST_CHANNELS = 200
MOST_COUNTED = 100
QUIET = ("ready", "off")


@dataclass(frozen=True)
class Notice:
    text: str
    link: str


@register.simple_tag
def channel_notices(team: Team | None) -> list[Notice]:
    """Sentences with a link each: what could not be read, what failed, and channels that lack something."""
    if team is None:
        return []
    rows = Channel.objects.filter(agent__team=team).select_related("agent").order_by("pk")
    channels = list(rows[:MOST_CHANNELS])
    return [*_unread(channels), *_failed(channels), *_lacking(channels)]


def _unread(channels: list[Channel]) -> list[Notice]:
    """One for all of them; counted no further than anybody would read."""
    rows = InboundRequest.objects.filter(channel__in=channels, state=InboundRequest.State.QUARANTINED)
    number = rows[:MOST_COUNTED].count()
    address = f"{reverse('admin:channels_inbound_inboundrequest_changelist')}?state__exact=quarantined"
    return [Notice(f"{_many(number, 'inbound request')} could not be read", address)] if number else []


def _failed(channels: list[Channel]) -> list[Notice]:
    """Only of the newest requests of each channel: they come from an index, whatever it holds."""
    found = []
    for channel in channels:
        latest = InboundRequest.objects.filter(channel=channel).order_by("-pk").values_list("pk", flat=True)
        failed = InboundMessage.objects.filter(
            request__in=list(latest[:MOST_COUNTED]), state=InboundMessage.State.FAILED
        )
        newest = failed.order_by("-pk").values_list("request", flat=True).first()
        if newest is not None:
            address = reverse("admin:channels_inbound_inboundrequest_change", args=[newest])
            found.append(Notice(f"{channel}: something that arrived could not be worked off", address))
    return found


def _lacking(channels: list[Channel]) -> list[Notice]:
    standings = [(channel, standing_of(channel)) for channel in channels]
    return [
        Notice(
            f"{channel}: {standing.word}. {standing.sentence}",
            reverse("admin:channels_inbound_channel_change", args=[channel.pk]),
        )
        for channel, standing in standings
        if standing.code not in QUIET
    ][:10]


def _many(number: int, noun: str) -> str:
    if number >= MOST_COUNTED:
        return f"More than {MOST_COUNTED - 1} {noun}s"
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
