"""A channel's secrets on its page: masks and times, another one in place of each, and the end of the old ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from channels_inbound import connecting
from channels_inbound.adapters.base import SecretField
from channels_inbound.models import Channel
from channels_inbound.standing import is_readable

if TYPE_CHECKING:
    from chatzuri.admin import TeamScopedAdmin as Base
else:
    Base = object

OVERLAPS = ((0, "ends at once"), (1, "1 hour more"), (24, "24 hours more"), (168, "7 days more"))
DEFAULT_OVERLAP = 24


@dataclass(frozen=True)
class Held:
    """One secret that the adapter asks for, and what is stored of it, newest first: masks and times, no value."""

    declared: SecretField
    facts: list[dict[str, Any]]

    @property
    def has_old_ones(self) -> bool:
        return len(self.facts) > 1


@dataclass(frozen=True)
class ShownOnce:
    """A secret that was made here just now. It is in this answer and in no other."""

    label: str
    help: str
    value: str
    number: int


def held(channel: Channel) -> list[Held]:
    """Those of which something is stored; the others stand in the form. Empty where they cannot be decrypted."""
    if not is_readable(channel):
        return []
    facts, valid = channel.secret_facts(), channel.connection()
    ids = {name: {one.id for one in valid.valid(name)} for name in {fact["name"] for fact in facts}}
    found = []
    for declared in channel.adapter.secrets:
        own = [fact for fact in reversed(facts) if fact["name"] == declared.name and fact["id"] in ids[declared.name]]
        if own:
            found.append(Held(declared, own))
    return found


def shown_once(channel: Channel, made: Mapping[str, str]) -> list[ShownOnce]:
    declared = {each.name: each for each in channel.adapter.secrets}
    return [
        ShownOnce(declared[name].label, declared[name].help, value, number)
        for number, (name, value) in enumerate(made.items())
    ]


def command(channel: Channel, made: Mapping[str, str]) -> str:
    """The adapter's line for a shell with what was just made filled in; empty without either."""
    if not made:
        return ""
    line = channel.adapter.command.replace("{url}", channel.inbound_url)
    for name, value in made.items():
        line = line.replace(f"{{{name}}}", value)
    return line


class Secrets(Base):
    def rotate_view(self, request: HttpRequest, object_id: int, name: str) -> HttpResponse:
        """Another secret. One that is made here is shown in this answer, and never again."""
        channel = self.own_row(request, object_id, to_change=True)
        declared = next((each for each in channel.adapter.secrets if each.name == name), None)
        if declared is None:
            raise Http404
        typed = request.POST.get("value", "").strip()
        try:
            value = connecting.rotate_secret(
                channel, name, typed or None, overlap=_overlap(request), by=str(request.user)
            )
        except connecting.ConnectRefused as refused:
            messages.error(request, f"“{declared.label}” was not replaced. {refused}")
            return HttpResponseRedirect(reverse(self.url_name("change"), args=[channel.pk]) + "#secrets")
        self.log_change(request, channel, f"Replaced the secret “{declared.label}”.")
        messages.success(request, f"“{declared.label}” is replaced.")
        if typed:
            return HttpResponseRedirect(reverse(self.url_name("change"), args=[channel.pk]) + "#secrets")
        channel.refresh_from_db()
        return self.channel_page(request, channel, made={name: value})

    def end_old_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        channel = self.own_row(request, object_id, to_change=True)
        connecting.end_old_secrets(channel, by=str(request.user))
        self.log_change(request, channel, "Ended the old secrets.")
        messages.success(request, "Only the newest secrets are accepted from now on.")
        return HttpResponseRedirect(reverse(self.url_name("change"), args=[channel.pk]) + "#secrets")

    def anew_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """For secrets that cannot be decrypted any more: away with them, and the ones made here are made again."""
        channel = self.own_row(request, object_id, to_change=True)
        if is_readable(channel):
            return HttpResponseRedirect(reverse(self.url_name("change"), args=[channel.pk]))
        made = connecting.begin_secrets_anew(channel, by=str(request.user))
        self.log_change(request, channel, "Threw away secrets that could not be decrypted.")
        return self.channel_page(request, self.own_row(request, object_id), made=made)

    def channel_page(self, request: HttpRequest, channel: Channel, **context: Any) -> HttpResponse:
        raise NotImplementedError


def _overlap(request: HttpRequest) -> timedelta:
    typed = request.POST.get("overlap", str(DEFAULT_OVERLAP))
    hours = {str(number): number for number, _ in OVERLAPS}.get(typed, DEFAULT_OVERLAP)
    return timedelta(hours=hours)
