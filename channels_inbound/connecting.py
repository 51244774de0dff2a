"""Setting a channel up and changing it: what may be stored, whose credential it may use, its secrets, and its end.

A channel is *ready* while it is switched on and nothing that its provider needs is missing. Becoming ready and ceasing
to be it are events, told in the transaction of the change.
"""

import base64
import re
import secrets as random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any, Literal

from django.core.files.storage import default_storage
from django.db import models, transaction

from agents import events
from agents.models import Agent
from channels_inbound.adapters import ADAPTERS
from channels_inbound.adapters.base import Adapter, SecretField, Setting
from channels_inbound.models import (
    OVERLAP,
    Attachment,
    Channel,
    Contact,
    InboundMessage,
    InboundRequest,
    Refusal,
    Reply,
)
from chatzuri.credentials import KINDS
from chatzuri.fields import NotReadable
from chatzuri.models import Credential

LONGEST_SETTING = 500
SHORTEST_SECRET, LONGEST_SECRET = 8, 512
LONGEST_OVERLAP = timedelta(days=7)
# Each of them is tried for each request, so a stranger's forgery costs as many signatures.
MOST_SECRETS = 4
AT_ONCE = 500
Keep = Literal["keep"]

UNKNOWN_KIND = "There is no such kind of channel."
CONNECTED = "This agent has this channel already. Open it to change it."
FOREIGN_CREDENTIAL = "There is no such credential in this team."
NEEDED = "This is needed. {help}"
REFUSES_WITHOUT = "Without it the channel would refuse everything. {help}"


class ConnectRefused(Exception):
    """Nothing was changed. `fields` has a sentence for each fault: `settings/page_id`, `secrets/app_secret`, `kind`…"""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__(" ".join(fields.values()))
        self.fields = dict(fields)


# --- setting up ------------------------------------------------------------------------------------------------------


def begin(*, agent: Agent, kind: str, by: str) -> tuple[Channel, dict[str, str]]:
    """A channel without anything of the provider's yet, so that its address and the secrets made here can be copied.

    The second is those secrets by name, to be shown once. Raises `ConnectRefused`.
    """
    channel = _new(agent, kind)
    made = _make_secrets(channel, given=())
    return _create(channel, by), made


def connect(
    *,
    agent: Agent,
    kind: str,
    settings: Mapping[str, Any],
    secrets: Mapping[str, Any],
    credential: Credential | None = None,
    by: str,
) -> tuple[Channel, dict[str, str]]:
    """A channel with everything it needs, and the secrets that were made here. Raises `ConnectRefused`."""
    channel = _new(agent, kind)
    adapter = channel.adapter
    kept, faults = _settings(adapter, settings)
    given, wrong = _secrets(adapter, secrets)
    faults |= wrong | _missing_settings(adapter, kept) | _missing_secrets(adapter, given, wrong)
    faults |= _misfit(channel, credential)
    if faults:
        raise ConnectRefused(faults)
    channel.settings, channel.credential = kept, credential
    for name, value in given.items():
        channel.put_secret(name, value)
    made = _make_secrets(channel, given=given)
    return _create(channel, by), made


def _new(agent: Agent, kind: str) -> Channel:
    if kind not in ADAPTERS:
        raise ConnectRefused({"kind": UNKNOWN_KIND})
    if Channel.objects.filter(agent=agent, kind=kind).exists():
        raise ConnectRefused({"kind": CONNECTED})
    return Channel(agent=agent, kind=kind)


def _create(channel: Channel, by: str) -> Channel:
    """Two that begin at the same time make one: the database says so to the later one."""
    with transaction.atomic():
        made = Channel.objects.bulk_create([channel], ignore_conflicts=True)
        kept = Channel.objects.filter(public_id=made[0].public_id).select_related("agent__team", "credential").first()
        if kept is None:
            raise ConnectRefused({"kind": CONNECTED})
        _tell(kept, was_ready=False, reason=f"Set up by {by}.")
    return kept


# --- changing --------------------------------------------------------------------------------------------------------


def change(
    channel: Channel,
    *,
    settings: Mapping[str, Any] | None = None,
    secrets: Mapping[str, Any] | None = None,
    credential: Credential | Keep | None = "keep",
    by: str,
) -> Channel:
    """What is given changes: an empty setting is removed, an empty secret stays as it is. Raises `ConnectRefused`.

    A secret that is replaced goes on being accepted for a day.
    """
    with _changing(channel, f"Completed by {by}.", f"Changed by {by}.") as locked:
        faults: dict[str, str] = {}
        if settings is not None:
            kept, faults = _settings(locked.adapter, _known(locked) | dict(settings))
            faults |= _missing_settings(locked.adapter, kept)
            locked.settings = kept
        given, wrong = _secrets(locked.adapter, secrets or {})
        faults |= wrong
        if credential != "keep":
            faults |= _misfit(locked, credential)
            locked.credential = credential
        if faults:
            raise ConnectRefused(faults)
        for name, value in given.items():
            _put(locked, name, value, OVERLAP)
    return locked


def switch_on(channel: Channel, *, by: str) -> Channel:
    with _changing(channel, f"Switched on by {by}.", "") as locked:
        locked.is_active = True
    return locked


def switch_off(channel: Channel, *, by: str) -> Channel:
    """From now on its address answers as if there were nothing, and replies that wait are not sent."""
    with _changing(channel, "", f"Switched off by {by}.") as locked:
        locked.is_active = False
    return locked


def disconnect(channel: Channel, *, by: str) -> None:
    """The end: with everything that arrived and its files. Conversations stay, and what was said in them."""
    with transaction.atomic():
        locked = _locked(channel)
        if is_ready(locked):
            _emit(locked, "channel.disconnected", f"Removed by {by}.")
        attached = Attachment.objects.filter(inbound_message__channel=locked)
        files = [*attached.exclude(file="").values_list("file", flat=True)]
        requests = InboundRequest.objects.filter(channel=locked)
        files += requests.exclude(body_file="").values_list("body_file", flat=True)
        for model in (Reply, Attachment, InboundMessage, InboundRequest, Contact, Refusal):
            _delete_all(model, locked)
        locked.delete()
        for name in files:
            transaction.on_commit(partial(default_storage.delete, name), robust=True)


def _delete_all(model: type[models.Model], channel: Channel) -> None:
    """In pieces, and without reading the bodies: there may be a million of them."""
    path = "inbound_message__channel" if model is Attachment else "channel"
    rows = model._default_manager.filter(**{path: channel}).order_by("pk")
    while keys := list(rows.values_list("pk", flat=True)[:AT_ONCE]):
        model._default_manager.filter(pk__in=keys).only("pk").delete()


# --- secrets ---------------------------------------------------------------------------------------------------------


def rotate_secret(
    channel: Channel, name: str, value: str | None = None, *, overlap: timedelta = OVERLAP, by: str
) -> str:
    """Another secret of that name, made here where none is given; the value. Older ones end after `overlap`.

    Raises `ConnectRefused`.
    """
    declared = _declared(channel.adapter, name)
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise ConnectRefused({"overlap_hours": "Choose between 0 and 168 hours."})
    if value is None and not declared.is_made_here:
        raise ConnectRefused({f"secrets/{name}": "The provider makes this one: copy it from there."})
    value = make_secret(declared) if value is None else value
    given, wrong = _secrets(channel.adapter, {name: value})
    if wrong or not given:
        raise ConnectRefused(wrong or {f"secrets/{name}": "A secret cannot be empty."})
    with _changing(channel, f"Completed by {by}.", "") as locked:
        _put(locked, name, given[name], overlap)
    return given[name]


def end_old_secrets(channel: Channel, *, by: str) -> Channel:
    with _changing(channel, "", f"Changed by {by}.") as locked:
        locked.end_old_secrets()
    return locked


def begin_secrets_anew(channel: Channel, *, by: str) -> dict[str, str]:
    """Throw all of them away, as when their key is gone. Those that are made here are made again and returned."""
    with _changing(channel, f"Completed by {by}.", f"Changed by {by}.") as locked:
        locked.secrets = "[]"
        return _make_secrets(locked, given=())


def make_secret(declared: SecretField) -> str:
    """256 random bits in a form that the provider takes."""
    for value in (random.token_urlsafe(32), "whsec_" + base64.b64encode(random.token_bytes(32)).decode()):
        if re.fullmatch(declared.pattern or ".*", value):
            return value
    raise RuntimeError(f"No secret that is made here fits the pattern of {declared.name}.")


def _make_secrets(channel: Channel, *, given: Any) -> dict[str, str]:
    fields = [each for each in channel.adapter.secrets if each.is_made_here and each.name not in given]
    made = {each.name: make_secret(each) for each in fields}
    for name, value in made.items():
        channel.put_secret(name, value)
    return made


def _put(channel: Channel, name: str, value: str, overlap: timedelta) -> None:
    known = channel.connection().valid(name)
    if known and known[0].value == value:
        return  # it is the newest already; a second entry of it would only make the first one end
    if overlap and len(known) >= MOST_SECRETS:
        sentence = f"{len(known)} secrets of this name are valid already. End the old ones first."
        raise ConnectRefused({f"secrets/{name}": sentence})
    channel.put_secret(name, value, overlap=overlap)


def _declared(adapter: Adapter, name: str) -> SecretField:
    found = next((each for each in adapter.secrets if each.name == name), None)
    if found is None:
        raise ConnectRefused({f"secrets/{name}": f"{adapter.title} has no secret of this name."})
    return found


# --- what may be stored ----------------------------------------------------------------------------------------------


def _settings(adapter: Adapter, given: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """Settings as they are kept, and the faults. Several lines become one, separated by commas."""
    known = {each.name: each for each in adapter.settings}
    kept: dict[str, str] = {}
    faults: dict[str, str] = {}
    for name, value in given.items():
        where = f"settings/{name}"
        if name not in known:
            faults[where] = f"{adapter.title} has no setting of this name."
        elif fault := _text_fault(value, LONGEST_SETTING):
            faults[where] = fault
        elif text := ", ".join(line.strip().rstrip(",") for line in (value or "").splitlines() if line.strip()):
            if fault := _text_fault(text, LONGEST_SETTING) or _setting_fault(known[name], text):
                faults[where] = fault
            kept[name] = text
    return kept, faults


def _secrets(adapter: Adapter, given: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """Secrets that are filled in, trimmed, and the faults."""
    known = {each.name: each for each in adapter.secrets}
    kept: dict[str, str] = {}
    faults: dict[str, str] = {}
    for name, value in given.items():
        where = f"secrets/{name}"
        if name not in known:
            faults[where] = f"{adapter.title} has no secret of this name."
        elif fault := _text_fault(value, LONGEST_SECRET):
            faults[where] = fault
        elif text := (value or "").strip():
            kept[name] = text
            if fault := _secret_fault(known[name], text):
                faults[where] = fault
    return kept, faults


def _known(channel: Channel) -> dict[str, Any]:
    """Without what an adapter does not ask for any more."""
    names = {each.name for each in channel.adapter.settings}
    return {name: value for name, value in channel.settings.items() if name in names}


UNPRINTABLE = "It has characters that cannot be seen. Copy it once more, without line breaks."


def _text_fault(value: Any, longest: int) -> str:
    if value is not None and not isinstance(value, str):
        return "This has to be a text."
    return f"It may have {longest} characters." if len((value or "").strip()) > longest else ""


def _setting_fault(declared: Setting, text: str) -> str:
    if not text.isprintable():
        return UNPRINTABLE
    values = [value for value, _ in declared.choices if value]
    if values and text not in values:
        return f"Choose one of {', '.join(values)}."
    if declared.pattern and not re.fullmatch(declared.pattern, text):
        return f"This does not look like it. For example: {declared.example}"
    return ""


def _secret_fault(declared: SecretField, text: str) -> str:
    if not text.isprintable():
        return UNPRINTABLE
    # What the provider made has the length that it has; what people think up has to be long enough.
    if declared.is_made_here and len(text) < SHORTEST_SECRET:
        return f"It has to have at least {SHORTEST_SECRET} characters."
    if declared.pattern and not re.fullmatch(declared.pattern, text):
        return f"This does not look like it. {declared.help}".strip()
    return ""


def _missing_settings(adapter: Adapter, kept: Mapping[str, str]) -> dict[str, str]:
    missing = [each for each in adapter.settings if each.is_required and not kept.get(each.name)]
    return {f"settings/{each.name}": NEEDED.format(help=each.help).strip() for each in missing}


def _missing_secrets(adapter: Adapter, given: Mapping[str, str], wrong: Mapping[str, str]) -> dict[str, str]:
    needed = [each for each in adapter.secrets if each.is_required and not each.is_made_here]
    missing = [each for each in needed if each.name not in given and f"secrets/{each.name}" not in wrong]
    return {f"secrets/{each.name}": REFUSES_WITHOUT.format(help=each.help).strip() for each in missing}


def _misfit(channel: Channel, credential: Credential | None) -> dict[str, str]:
    if credential is None:
        return {}
    wanted = channel.adapter.credential_kind
    if credential.team_id != channel.agent.team_id:
        return {"credential": FOREIGN_CREDENTIAL}
    if not wanted:
        return {"credential": f"{channel.adapter.title} needs no credential."}
    if credential.kind != wanted:
        return {"credential": f"Choose a credential of the kind {KINDS[wanted].label}."}
    return {}


# --- telling ---------------------------------------------------------------------------------------------------------


def is_ready(channel: Channel) -> bool:
    """Switched on, and nothing that it needs is missing. Secrets that cannot be decrypted are missing."""
    try:
        return channel.is_active and not channel.missing_secrets() and not channel.missing_settings()
    except NotReadable:
        return False


@contextmanager
def _changing(channel: Channel, connected: str, disconnected: str) -> Iterator[Channel]:
    """One at a time: secrets are read, added to and written. The sentences are for the event, if it becomes one."""
    with transaction.atomic():
        locked = _locked(channel)
        was_ready = is_ready(locked)
        yield locked
        locked.save()
        _tell(locked, was_ready=was_ready, reason=disconnected if was_ready else connected)


def _locked(channel: Channel) -> Channel:
    rows = Channel.objects.select_for_update(of=("self",)).select_related("agent__team", "credential")
    return rows.get(pk=channel.pk)


def _tell(channel: Channel, *, was_ready: bool, reason: str) -> None:
    if is_ready(channel) != was_ready:
        _emit(channel, "channel.disconnected" if was_ready else "channel.connected", reason)


def _emit(channel: Channel, type: str, reason: str) -> None:
    events.emit(agent=channel.agent, type=type, data={"channel": channel.kind, "reason": reason})
