"""How a channel is doing, from what is stored of it."""

from dataclasses import dataclass

from channels_inbound.models import Channel
from chatzuri.fields import NotReadable


@dataclass(frozen=True)
class Standing:
    """`code` is for programs, `word` and `tone` for pages. `sentence` says what it means, and what to do about it."""

    code: str
    word: str
    tone: str
    sentence: str


OFF = Standing("off", "switched off", "", "Its address answers as if there were nothing, and replies are not sent.")
UNREADABLE = Standing(
    "unreadable", "secrets not readable", "bad", "Its secrets cannot be decrypted any more. Enter them again."
)
CANNOT_REPLY = Standing(
    "cannot_reply", "cannot reply", "warn", "Messages come in, but without a credential nothing goes out."
)
READY = Standing("ready", "works", "good", "It has everything that it needs.")


def standing(channel: Channel) -> Standing:
    """Whether anything ever arrived is said elsewhere."""
    if not is_readable(channel):
        return UNREADABLE
    if not channel.is_active:
        return OFF
    if secrets := channel.missing_secrets():
        sentence = f"It waits for {_quoted(secrets)}. Until then nobody can prove who they are."
        return Standing("refuses_everything", "refuses everything", "bad", sentence)
    if settings := channel.missing_settings():
        sentence = f"It has no {_quoted(settings)} yet. {_without(channel, settings)}"
        return Standing("incomplete", "not complete", "warn", sentence)
    return CANNOT_REPLY if channel.adapter.credential_kind and channel.credential_id is None else READY


def is_readable(channel: Channel) -> bool:
    """Whether its secrets can be decrypted: their key may be gone."""
    try:
        channel.secret_facts()
    except NotReadable:
        return False
    return True


def _without(channel: Channel, labels: list[str]) -> str:
    """What does not work while these settings are missing, each sentence once."""
    missing = (each for each in channel.adapter.settings if each.label in labels)
    return " ".join(dict.fromkeys(each.without for each in missing))


def _quoted(labels: list[str]) -> str:
    return " and ".join(f"“{label}”" for label in labels)
