"""Where a redirect leads to, for code that asked to follow it. Decides only: sends nothing and writes nothing down."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import urljoin

from webhooks import addresses
from webhooks.failures import Blocked
from webhooks.masking import Masker

MOST_HOPS = 5
# Headers that prove who asks. They are never kept in plain, and never follow a redirect to another origin.
PROOFS = ("authorization", "x-webhook-secret")

_REDIRECTS = (301, 302, 303, 307, 308)
_OF_THE_BODY = ("content-type", "content-encoding", "content-language", "content-location")
_NOT_ASCII = re.compile(r"[\x80-\xff]")

_TO_HTTP = "The redirect leads from https:// to http://, which would send data unprotected. It is not followed."
_TOO_MANY = f"More than {MOST_HOPS} redirects in a row are not followed."


@dataclass(frozen=True)
class Asked:
    """A request as the code wants it, in plain: it is sent, and never stored or shown."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


def following(asked: Asked, status: int, headers: Iterable[tuple[str, str]], masker: Masker) -> Asked | None:
    """What to ask next after this answer; None where it is no redirect, or points to several places."""
    locations = {value for name, value in headers if name.lower() == "location" and value}
    if status not in _REDIRECTS or len(locations) != 1:
        return None
    then = _redirected(asked, status, _joined(asked.url, locations.pop()))
    if _origin(then.url) == _origin(asked.url):
        return then
    return replace(then, headers=_without_proofs(then.headers, masker))


def refusal(asked: Asked, then: Asked, hops: int) -> Blocked | None:
    """Why this is not followed after so many hops, whatever the guard will say about the address itself."""
    if hops >= MOST_HOPS:
        return Blocked("too_many_redirects", _TOO_MANY)
    if asked.url.startswith("https:") and then.url.lower().startswith("http:"):
        return Blocked("redirect_to_http", _TO_HTTP)
    return None


def _joined(url: str, location: str) -> str:
    """The address that a redirect names. Bytes beyond ASCII are encoded; nonsense stays nonsense, to be refused."""
    location = _NOT_ASCII.sub(lambda found: f"%{ord(found[0]):02X}", location)
    try:
        return urljoin(url, location)
    except ValueError:
        return location


def _redirected(asked: Asked, status: int, url: str) -> Asked:
    """What browsers make of it: after 303, and a POST after 301 or 302, it becomes a GET without a body."""
    keeps = asked.method in ("GET", "HEAD") if status == 303 else asked.method != "POST" or status in (307, 308)
    if keeps:
        return replace(asked, url=url)
    headers = {name: value for name, value in asked.headers.items() if name.lower() not in _OF_THE_BODY}
    return Asked("GET", url, headers, b"")


def _origin(url: str) -> str:
    """Empty for what is no address; that is refused later, and shares its origin with nothing."""
    try:
        return addresses.parse(url).origin
    except Blocked:
        return ""


def _without_proofs(headers: Mapping[str, str], masker: Masker) -> dict[str, str]:
    return {
        name: value
        for name, value in headers.items()
        if name.lower() not in PROOFS and not masker.holds(name) and not masker.holds(value)
    }
