"""What a host name stands for: the hosts file first, then the name servers, and an end to the waiting.

The system's own resolver cannot be interrupted: a customer's dead name server would keep a thread of ours for as long
as the system likes to wait, and a few such names would keep all of them. This one works in the thread that asks, and
stops when its time is up. It adds no search domains, so a name is that name and never one inside our own network.
"""

import functools
from ipaddress import ip_address
from pathlib import Path
from time import monotonic

import dns.exception
import dns.name
import dns.nameserver
import dns.rdatatype
import dns.resolver
from django.conf import settings

from webhooks.networks import Address

HOSTS = Path("/etc/hosts")
RESOLV_CONF = Path("/etc/resolv.conf")
# One question to one server; then the next one is asked, or the same one again.
PATIENCE = 1.5


class NotFound(Exception):
    """No address, for whatever reason: it does not exist, its server is broken, or the time is up."""


def look_up(host: str, *, timeout: float) -> list[Address]:
    """Every address of the name, IPv4 first. One question for each family, asked once per call and never remembered."""
    if known := _hosts(_changed_at(HOSTS)).get(host):
        return list(known)
    until = monotonic() + timeout
    found: list[Address] = []
    for kind in (dns.rdatatype.A, dns.rdatatype.AAAA):
        # A family that cannot be found out is never connected to, so the other one may be used without it.
        found += _ask(host, kind, until - monotonic())
    if not found:
        raise NotFound
    return list(dict.fromkeys(found))


def _ask(host: str, kind: dns.rdatatype.RdataType, seconds: float) -> list[Address]:
    """The library follows aliases inside an answer, up to a fixed number and never in a circle."""
    if seconds <= 0:
        return []
    name = dns.name.from_text(host)
    try:
        answer = _resolver().resolve(name, kind, search=False, lifetime=seconds)
    except dns.resolver.NXDOMAIN:
        raise NotFound from None
    except (dns.exception.DNSException, OSError):
        return []
    return [ip_address(record.address) for record in answer]


# --- what the machine is configured with -----------------------------------------------------------------------------


def _resolver() -> dns.resolver.Resolver:
    return _configured(tuple(settings.DNS_SERVERS), _changed_at(RESOLV_CONF))


@functools.lru_cache(maxsize=4)
def _configured(servers: tuple[tuple[str, int], ...], changed_at: int) -> dns.resolver.Resolver:
    """Made anew when the settings or the system's file change."""
    resolver = dns.resolver.Resolver(configure=not servers)
    if servers:
        resolver.nameservers = [dns.nameserver.Do53Nameserver(host, port) for host, port in servers]
    resolver.search, resolver.cache, resolver.timeout = [], None, PATIENCE
    return resolver


@functools.lru_cache(maxsize=1)
def _hosts(changed_at: int) -> dict[str, list[Address]]:
    names: dict[str, list[Address]] = {}
    for line in HOSTS.read_text(errors="replace").splitlines() if changed_at else []:
        fields = line.partition("#")[0].split()
        try:
            address = ip_address(fields[0] if fields else "")
        except ValueError:
            continue
        for name in fields[1:]:
            names.setdefault(name.lower().rstrip("."), []).append(address)
    return names


def _changed_at(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
