"""Which IP addresses a request may never reach.

Our own table, from the IANA special-purpose registries, because Python's `is_global` changes between versions
and lets through carrier-grade NAT, translation prefixes and addresses that carry a private IPv4 address inside.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# https://www.iana.org/assignments/iana-ipv4-special-registry
_IPV4 = tuple(
    (IPv4Network(network), name)
    for network, name in (
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "protocol assignments"),
        ("192.0.2.0/24", "documentation"),
        ("192.88.99.0/24", "6to4 relay"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
        # Looks public, and is the host of every virtual machine in Azure.
        ("168.63.129.16/32", "platform"),
    )
)

# https://www.iana.org/assignments/iana-ipv6-special-registry: the holes inside of what is global at all.
_IPV6_GLOBAL = IPv6Network("2000::/3")
_IPV6_HOLES = tuple(
    (IPv6Network(network), name)
    for network, name in (
        ("2001::/23", "protocol assignments"),  # Teredo, benchmarking and ORCHID among them
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "6to4"),
        ("3fff::/20", "documentation"),
    )
)
# Everything outside of 2000::/3 is refused; these have a better name than "reserved".
_IPV6_NAMES = tuple(
    (IPv6Network(network), name)
    for network, name in (
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("::ffff:0:0/96", "IPv4-mapped"),
        ("100::/64", "discard"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local"),
        ("ff00::/8", "multicast"),
    )
)

# The last 32 bits are an IPv4 address: compatible, mapped, SIIT, NAT64 and NAT64 for local use.
_NAT64 = IPv6Network("64:ff9b::/96")
_IN_LAST_BITS = (
    IPv6Network("::/96"),
    IPv6Network("::ffff:0:0/96"),
    IPv6Network("::ffff:0:0:0/96"),
    _NAT64,
    IPv6Network("64:ff9b:1::/48"),
)
_SIX_TO_FOUR = IPv6Network("2002::/16")
_TEREDO = IPv6Network("2001::/32")
_ISATAP = (0x00005EFE, 0x02005EFE)


def special(ip: Address) -> str | None:
    """The kind of special address this is, or None for one that is public, and carries none that is not."""
    if isinstance(ip, IPv4Address):
        return _name(ip, _IPV4)
    for inner in carried(ip):
        if kind := _name(inner, _IPV4):
            return kind
    # NAT64 is how a machine without IPv4 reaches public IPv4 addresses, and those alone are left here.
    if ip in _NAT64:
        return None
    if ip not in _IPV6_GLOBAL:
        return _name(ip, _IPV6_NAMES) or "reserved"
    return _name(ip, _IPV6_HOLES)


# What an operator may open for an installation, range by range: networks of their own, and nothing else.
_OPENABLE = tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")))
# Inside those, the places where clouds hand out their machines' passwords, and their name servers.
_METADATA = tuple(
    map(ip_network, ("100.100.100.200/32", "fd00:ec2::/32", "fd20:ce::/32", "fd00:42::42/128", "fd00:a9fe:a9fe::/48"))
)


def may_be_opened(ip: Address) -> bool:
    """Whether an operator's list may reach this private address: never loopback, link-local, metadata, tunnels."""
    if isinstance(ip, IPv6Address) and carried(ip):
        return False
    return any(ip in network for network in _OPENABLE) and not any(ip in network for network in _METADATA)


def is_openable(network: Network) -> bool:
    """Whether listing this network opens anything at all."""
    return any(network.version == known.version and network.overlaps(known) for known in _OPENABLE)


def carried(ip: IPv6Address) -> list[IPv4Address]:
    """Every IPv4 address that some translator or tunnel would take out of this IPv6 address."""
    bits = int(ip)
    inner = []
    if any(ip in network for network in _IN_LAST_BITS) or (bits >> 32) & 0xFFFFFFFF in _ISATAP:
        inner.append(bits)
    if ip in _SIX_TO_FOUR:
        inner.append(bits >> 80)
    if ip in _TEREDO:
        # The server is in the clear, the client has every bit turned over.
        inner += [bits >> 64, ~bits]
    return [IPv4Address(number & 0xFFFFFFFF) for number in inner]


def _name(ip: Address, table: tuple[tuple[IPv4Network | IPv6Network, str], ...]) -> str | None:
    return next((name for network, name in table if ip in network), None)
