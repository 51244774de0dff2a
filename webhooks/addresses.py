"""Where a request may go: one strict reading of the address, one look-up of its name, no repairs.

Two programs that read `http://127.0.0.1\\@good.example/` differently are the classic way in. So an address is
taken apart once, anything doubtful is refused, and what is sent is rebuilt from the parts that were checked.
"""

import re
import socket
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address

import idna
from django.conf import settings

from webhooks import names, networks
from webhooks.failures import Blocked, NotSent
from webhooks.networks import Address

MAX_LENGTH = 2048
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Reason(StrEnum):
    TOO_LONG = "too_long"
    CONTROL_CHARACTER = "control_character"
    BACKSLASH = "backslash"
    NOT_ASCII = "not_ascii"
    SCHEME = "scheme"
    HTTP = "http"
    NO_HOST = "no_host"
    USERINFO = "userinfo"
    PERCENT_IN_HOST = "percent_in_host"
    INVALID_HOST = "invalid_host"
    NUMERIC_HOST = "numeric_host"
    RESERVED_NAME = "reserved_name"
    PORT = "port"
    PRIVATE_ADDRESS = "private_address"


_SENTENCES = {
    Reason.TOO_LONG: f"The address is longer than {MAX_LENGTH} characters. Use a shorter one.",
    Reason.CONTROL_CHARACTER: "The address has a blank or an invisible character in it. Copy it again without.",
    Reason.BACKSLASH: "The address has a backslash in it. Write / instead.",
    Reason.NOT_ASCII: "The part after the host has letters that must be percent-encoded, such as %C3%A9 for é.",
    Reason.SCHEME: "The address must start with https://.",
    Reason.HTTP: (
        "The address starts with http://, which sends data unprotected. Use https://. "
        "(Whoever runs this installation can allow http with the setting ALLOW_HTTP.)"
    ),
    Reason.NO_HOST: "The address names no host. Write it like https://example.com/hook.",
    Reason.USERINFO: "The address has an @ before the host. Put user name and password into a credential instead.",
    Reason.PERCENT_IN_HOST: "The host has a percent sign in it. Write the host as it is, without encoding.",
    Reason.INVALID_HOST: "The host of the address is not a valid name. Check it for typing mistakes.",
    Reason.NUMERIC_HOST: "The host looks like a number. Write an IP address in its usual form, such as 1.2.3.4.",
    Reason.RESERVED_NAME: (
        "This host name exists only inside a network or a machine. Use a name that is reachable from the internet."
    ),
    Reason.PORT: (
        "This port is not allowed. Leave the port out. "
        "(Whoever runs this installation can allow more ports with the setting ALLOWED_PORTS.)"
    ),
    # The same for all of them, and without the address a name stands for: it would be a map of our network.
    Reason.PRIVATE_ADDRESS: (
        "This address belongs to a private or internal network, which is never reached from here. "
        "Use an address that is reachable from the internet."
    ),
}


@dataclass(frozen=True, slots=True)
class Destination:
    """An address that passed. `host` is lower-case ASCII without brackets or a dot at the end."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """What belongs into the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.authority}"

    @property
    def url(self) -> str:
        return self.origin + self.target

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def ip(self) -> Address | None:
        """The IP address, where the host is one and not a name."""
        try:
            return ip_address(self.host)
        except ValueError:
            return None


def parse(url: str) -> Destination:
    """The one reading of an address that a customer gave; raises Blocked with a reason for people."""
    destination = _read(url)
    if not is_inspector(destination):
        _check(destination)
    return destination


def parse_language_model(url: str) -> Destination:
    """The same for the address of a language model: the operator may list origins that are private, a local Ollama."""
    destination = _read(url)
    if not is_listed_model(destination):
        _check(destination)
    return destination


def resolve_language_model(destination: Destination, *, timeout: float) -> list[Address]:
    """As `resolve`, except that a listed origin may be private."""
    if not is_listed_model(destination):
        return resolve(destination, timeout=timeout)
    return [destination.ip] if destination.ip is not None else _look_up(destination, timeout)


def is_listed_model(destination: Destination) -> bool:
    """Whether the operator has named this very origin as a language model's, wherever it is."""
    return destination.origin in {_read(origin).origin for origin in settings.LANGUAGE_MODEL_ORIGINS}


def resolve(destination: Destination, *, timeout: float) -> list[Address]:
    """All IP addresses of the host, from one look-up, each of them checked. Connect to these and to no others."""
    if destination.ip is not None:
        answers = [destination.ip]
    else:
        answers = _look_up(destination, timeout)
    if not is_inspector(destination) and any(refusal(ip) for ip in answers):
        # One bad answer refuses the name: with several, the order decides, and the order is the attacker's.
        raise _blocked(Reason.PRIVATE_ADDRESS)
    return answers


def refusal(ip: Address) -> str | None:
    """Why this IP address is never reached, or None."""
    kind = networks.special(ip)
    if kind and networks.may_be_opened(ip) and any(ip in network for network in settings.ALLOWED_PRIVATE_NETWORKS):
        kind = None
    return kind or ("this machine" if _is_own(ip) else None)


def is_inspector(destination: Destination) -> bool:
    """The one exception: the built-in inspector, at exactly one origin and below exactly one path.

    The path may hold only plain segments, so that no server on the way can read ../ into it.
    """
    if not settings.INSPECTOR_ORIGIN or not _INSPECTOR_PATH.fullmatch(destination.path):
        return False
    try:
        origin = _read(settings.INSPECTOR_ORIGIN)
    except Blocked:
        return False
    return origin.ip is not None and origin.origin == destination.origin


_INSPECTOR_PATH = re.compile(r"/inspector(?:/[A-Za-z0-9_-]+)+/?")


def _blocked(reason: Reason) -> Blocked:
    return Blocked(reason, _SENTENCES[reason])


# --- reading ---------------------------------------------------------------------------------------------------------

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)
_REST = re.compile(r"//([^/?#]*)([^?#]*)(\?[^#]*)?(?:#.*)?")
_AUTHORITY = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::([1-9][0-9]{0,4}))?")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
# Names that some resolver answers from within; metadata.google.internal is among them.
_RESERVED = (".localhost", ".localdomain", ".internal", ".local", ".home.arpa", ".intranet", ".lan")


def _read(url: str) -> Destination:
    """Syntax only."""
    _check_characters(url)
    scheme, rest = _split_scheme(url)
    parts = _REST.fullmatch(rest)
    if parts is None or not parts[1]:
        raise _blocked(Reason.NO_HOST)
    host, port = _read_authority(parts[1])
    target = (parts[2] or "/") + (parts[3] or "")
    if not target.isascii():
        raise _blocked(Reason.NOT_ASCII)
    return Destination(scheme=scheme, host=host, port=port or _DEFAULT_PORTS[scheme], target=target)


def _check_characters(url: str) -> None:
    if len(url) > MAX_LENGTH:
        raise _blocked(Reason.TOO_LONG)
    if not url.isprintable() or any(character.isspace() for character in url):
        raise _blocked(Reason.CONTROL_CHARACTER)
    if "\\" in url:
        raise _blocked(Reason.BACKSLASH)


def _split_scheme(url: str) -> tuple[str, str]:
    parts = _SCHEME.fullmatch(url)
    if parts is None or parts[1].lower() not in _DEFAULT_PORTS:
        raise _blocked(Reason.SCHEME)
    return parts[1].lower(), parts[2]


def _read_authority(authority: str) -> tuple[str, int | None]:
    if "@" in authority:
        raise _blocked(Reason.USERINFO)
    if "%" in authority:
        raise _blocked(Reason.PERCENT_IN_HOST)
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None:
        raise _blocked(Reason.PORT if _has_odd_port(authority) else Reason.INVALID_HOST)
    port = int(parts[2]) if parts[2] else None
    if port is not None and port > 65535:
        raise _blocked(Reason.PORT)
    return _read_host(parts[1]), port


def _has_odd_port(authority: str) -> bool:
    """A port that is empty, zero, padded, too long or not a number; `a:b:c` is a broken host instead."""
    return authority.rpartition("]")[2].count(":") == 1


def _read_host(host: str) -> str:
    if host.startswith("["):
        return _read_ipv6(host[1:-1])
    name = _to_ascii(host).removesuffix(".")
    labels = name.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return _read_ipv4(name, given=host)
    if len(name) > 253 or not all(_is_label(label) for label in labels):
        raise _blocked(Reason.INVALID_HOST)
    return name


def _to_ascii(host: str) -> str:
    if not host:
        raise _blocked(Reason.NO_HOST)
    if host.isascii():
        return host.lower()
    try:
        return idna.encode(host, uts46=True, std3_rules=True).decode("ascii").lower()
    except UnicodeError:
        raise _blocked(Reason.INVALID_HOST) from None


def _is_label(label: str) -> bool:
    if not _LABEL.fullmatch(label):
        return False
    if not label.startswith("xn--"):
        return True
    try:
        return idna.alabel(idna.ulabel(label)).decode("ascii") == label
    except UnicodeError:
        return False


def _read_ipv4(name: str, *, given: str) -> str:
    """Only the canonical dotted quad, and only as it was typed: 127.1, 0x7f000001 and ①②⑦.⓪.⓪.① are refused."""
    try:
        address = IPv4Address(name)
    except ValueError:
        raise _blocked(Reason.NUMERIC_HOST) from None
    if str(address) != given:
        raise _blocked(Reason.NUMERIC_HOST)
    return name


def _read_ipv6(text: str) -> str:
    try:
        address = IPv6Address(text)
    except ValueError:
        raise _blocked(Reason.INVALID_HOST) from None
    # Python's own spelling of mapped addresses differs between versions; nobody may send to those anyway.
    if str(address) != text.lower() and address.ipv4_mapped is None:
        raise _blocked(Reason.NUMERIC_HOST)
    return str(address)


# --- checking --------------------------------------------------------------------------------------------------------


def _check(destination: Destination) -> None:
    if destination.scheme == "http" and not settings.ALLOW_HTTP:
        raise _blocked(Reason.HTTP)
    if destination.port not in settings.ALLOWED_PORTS:
        raise _blocked(Reason.PORT)
    _check_host(destination)


def _check_host(destination: Destination) -> None:
    if destination.ip is not None:
        if refusal(destination.ip):
            raise _blocked(Reason.PRIVATE_ADDRESS)
    elif "." not in destination.host or f".{destination.host}".endswith(_RESERVED):
        raise _blocked(Reason.RESERVED_NAME)


def _is_own(ip: Address) -> bool:
    """Whether the machine itself has this address: its kernel would then answer from it. No packet is sent."""
    family = socket.AF_INET if ip.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(ip), 9))
            return bool(probe.getsockname()[0] == str(ip))
    except OSError:
        return False


# --- looking up ------------------------------------------------------------------------------------------------------


def _look_up(destination: Destination, timeout: float) -> list[Address]:
    try:
        return names.look_up(destination.host, timeout=timeout)
    except names.NotFound:
        raise _not_resolved() from None


def _not_resolved() -> NotSent:
    """One text for every way a look-up can fail."""
    return NotSent("dns", "The host name was not found. Check its spelling, and that its DNS entry exists.")
