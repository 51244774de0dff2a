"""What the settings of a website channel mean. Whatever a team left empty or mistyped has a value that works."""

import re
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

import idna

from channels_inbound.models import Channel

TITLE = "Chat with us"
COLOUR = "#0f766e"
TOO_FAST = "You write faster than we can answer. Please wait a moment."
OFFLINE = "Nobody answers here right now. Please come back later."
MESSAGES_A_MINUTE = 20
MOST_TEXT = 300

_COLOUR = re.compile(r"#[0-9a-f]{6}")


@dataclass(frozen=True)
class Appearance:
    """What the script needs to draw itself. `colour` is `#` and six digits, `position` is left or right."""

    title: str
    colour: str
    position: str
    offline_text: str

    @classmethod
    def of(cls, channel: Channel) -> "Appearance":
        colour = _setting(channel, "colour").lower()
        return cls(
            title=_setting(channel, "title")[:100] or TITLE,
            colour=colour if _COLOUR.fullmatch(colour) else COLOUR,
            position="left" if _setting(channel, "position").lower() == "left" else "right",
            offline_text=offline_text(channel),
        )

    def facts(self) -> dict[str, str]:
        return asdict(self)


def greeting(channel: Channel) -> str:
    """Empty where the team wants none."""
    return (_setting(channel, "greeting") or channel.agent.greeting)[:MOST_TEXT]


def offline_text(channel: Channel) -> str:
    return _setting(channel, "offline_text")[:MOST_TEXT] or OFFLINE


def rate_limit_message(channel: Channel) -> str:
    return _setting(channel, "rate_limit_message")[:MOST_TEXT] or TOO_FAST


def messages_a_minute(channel: Channel) -> int:
    """0 means no limit; what is no number is the usual one, since a typing error must not switch the limit off."""
    text = _setting(channel, "rate_limit")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 6 else MESSAGES_A_MINUTE


def allows(channel: Channel, origin: str) -> bool:
    """Whether a page of this origin may show the widget: its very host name is listed, or nothing is.

    A list in which no line can be read allows nobody: it was meant to keep somebody out.
    """
    listed = _setting(channel, "domains")
    if not listed:
        return True
    host = host_of(origin)
    return bool(host) and host in {host_of(line) for line in re.split(r"[\s,;]+", listed) if line}


def host_of(text: str) -> str:
    """The host name of an address or of a bare name, as browsers write it; empty where there is none."""
    try:
        host = urlsplit(text if "://" in text else f"//{text}").hostname or ""
        return host if host.isascii() else idna.encode(host, uts46=True).decode()
    except ValueError:  # idna's own errors are some, too
        return ""


def _setting(channel: Channel, name: str) -> str:
    value = channel.settings.get(name)
    return "" if value is None else str(value).strip()
