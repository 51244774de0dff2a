"""Groups A, B, C and F of the attack list: how an address is read, and which ones are refused."""

import socket
import time
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.attacks.cases import ALLOWED, PUBLIC, REFUSED, Case
from webhooks import addresses, networks
from webhooks.addresses import Blocked, Reason


@pytest.fixture(autouse=True)
def _policy(settings: Any) -> None:
    """Plain http, as an operator may allow it: the lists below are about hosts."""
    settings.ALLOW_HTTP, settings.ALLOWED_PORTS, settings.INSPECTOR_ORIGIN = True, [80, 443], ""


def reason(url: str) -> str:
    with pytest.raises(Blocked) as refused:
        addresses.parse(url)
    assert refused.value.sentence[-1] in ".)"
    return refused.value.code


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_refused(case: Case) -> None:
    assert reason(case.url) == case.code


def test_nothing_typed_is_refused() -> None:
    assert reason("") == Reason.SCHEME
    assert reason(" http://good.example/") == Reason.CONTROL_CHARACTER


@pytest.mark.parametrize("host", ALLOWED)
def test_public_addresses_next_to_them_are_not(host: str) -> None:
    assert addresses.parse(f"http://{host}/").authority == host


@pytest.mark.parametrize(
    ("url", "rebuilt"),
    [
        ("http://good.example#@127.0.0.1/", "http://good.example/"),
        ("HTTPS://GOOD.Example./Hook", "https://good.example/Hook"),
        ("https://good.example:443?a=b", "https://good.example/?a=b"),
        ("https://good.example:80/", "https://good.example:80/"),
        ("https://good.example/a/../../b", "https://good.example/a/../../b"),
        ("https://good.example/%2e%2e/?x=%7e#f", "https://good.example/%2e%2e/?x=%7e"),
        ("https://good.example//evil/", "https://good.example//evil/"),
        ("https://good.example/?u=http://x@y?z", "https://good.example/?u=http://x@y?z"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/"),
        ("https://FAß.example/", "https://xn--fa-hia.example/"),
    ],
)
def test_read_and_rebuilt(url: str, rebuilt: str) -> None:
    destination = addresses.parse(url)
    assert destination.url == rebuilt
    assert addresses.parse(rebuilt) == destination


def test_http_is_refused_unless_the_operator_allows_it_and_the_text_names_the_setting(settings: Any) -> None:
    settings.ALLOW_HTTP = False
    with pytest.raises(Blocked, match="ALLOW_HTTP"):
        addresses.parse("http://good.example/")
    assert addresses.parse("https://good.example/").port == 443


def test_the_operator_may_allow_ports(settings: Any) -> None:
    settings.ALLOWED_PORTS = [443, 8443]
    assert addresses.parse("https://good.example:8443/").origin == "https://good.example:8443"
    assert reason("http://good.example/") == Reason.PORT


def test_a_megabyte_is_refused_at_once() -> None:
    url = "http://" + "é" * 1_000_000

    def seconds() -> float:
        began = time.perf_counter()
        assert reason(url) == Reason.TOO_LONG
        return time.perf_counter() - began

    assert min(seconds() for _ in range(5)) < 0.01


@given(st.text(max_size=60) | st.from_regex(r"https?://[\[\]a-z0-9.:@%#?/\\-]{0,40}", fullmatch=True))
def test_whatever_is_typed_is_read_the_same_twice_or_refused(url: str) -> None:
    try:
        destination = addresses._read(url)
    except Blocked:
        return
    assert addresses._read(destination.url) == destination
    assert destination.url.isascii()


# --- the table -------------------------------------------------------------------------------------------------------

CARRIERS = {
    "compatible": lambda v4: v4,
    "mapped": lambda v4: 0xFFFF << 32 | v4,
    "siit": lambda v4: 0xFFFF << 48 | v4,
    "nat64": lambda v4: 0x64FF9B << 96 | v4,
    "nat64 local": lambda v4: 0x64FF9B0001 << 80 | v4,
    "6to4": lambda v4: 0x2002 << 112 | v4 << 80,
    "teredo server": lambda v4: 0x20010000 << 96 | v4 << 64,
    "teredo client": lambda v4: 0x20010000 << 96 | (v4 ^ 0xFFFFFFFF),
    "isatap": lambda v4: 0x20010470 << 96 | 0x5EFE << 32 | v4,
    "isatap global": lambda v4: 0x20010470 << 96 | 0x02005EFE << 32 | v4,
}


@pytest.mark.parametrize("carrier", CARRIERS)
@given(st.ip_addresses(v=4))
def test_every_ipv6_form_that_carries_ipv4_is_unwrapped(carrier: str, inner: IPv4Address) -> None:
    outer = IPv6Address(CARRIERS[carrier](int(inner)))
    assert inner in networks.carried(outer)
    if networks.special(inner):
        assert networks.special(outer)


@given(st.ip_addresses())
def test_the_table_never_lets_through_what_python_calls_private(ip: Any) -> None:
    if ip.is_private or ip.is_loopback or ip.is_multicast or ip.is_reserved or ip.is_link_local:
        assert networks.special(ip) or (ip.version == 6 and ip in networks._NAT64)


def test_the_addresses_of_this_machine_are_refused() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((PUBLIC, 9))
        except OSError:
            pytest.skip("This machine has no address to find.")
        own = probe.getsockname()[0]
    assert addresses._is_own(ip_address(own))
    assert addresses.refusal(ip_address(own))
    assert not addresses._is_own(ip_address(PUBLIC))


def test_an_address_that_was_saved_is_checked_again_when_it_is_used() -> None:
    with pytest.raises(Blocked):
        addresses.resolve(addresses.Destination("http", "10.0.0.1", 80, "/"), timeout=5)


# --- the inspector ---------------------------------------------------------------------------------------------------


@pytest.fixture
def inspector(settings: Any) -> str:
    settings.ALLOW_HTTP = False
    settings.INSPECTOR_ORIGIN = "http://127.0.0.1:8123"
    return "http://127.0.0.1:8123/inspector/"


def test_the_inspector_is_reached_at_exactly_its_address(inspector: str) -> None:
    destination = addresses.parse(inspector + "in_Ab-1?x=../y")
    assert addresses.resolve(destination, timeout=1) == [IPv4Address("127.0.0.1")]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8123/",
        "http://127.0.0.1:8123/admin/",
        "http://127.0.0.1:8123/inspector",
        "http://127.0.0.1:8123/inspectors/a",
        "http://127.0.0.1:8123/inspector/../admin/",
        "http://127.0.0.1:8123/inspector/a/../../admin/",
        "http://127.0.0.1:8123/inspector/%2e%2e/admin/",
        "http://127.0.0.1:8123/inspector/%2E./admin/",
        "http://127.0.0.1:8123/inspector/..%2fadmin/",
        "http://127.0.0.1:8123/inspector/%252e%252e/admin/",
        "http://127.0.0.1:8123/inspector/./a",
        "http://127.0.0.1:8123/inspector//a",
        "http://127.0.0.1:8123/inspector/..;/admin/",
        "http://127.0.0.1:8124/inspector/a",
        "http://127.0.0.2:8123/inspector/a",
        "https://127.0.0.1:8123/inspector/a",
        "http://localhost:8123/inspector/a",
        "http://[::1]:8123/inspector/a",
    ],
)
def test_nothing_else_becomes_reachable_by_the_inspector(inspector: str, url: str) -> None:
    reason(url)


@pytest.mark.parametrize("origin", ["http://localhost:8123", "http://app.example", "nonsense", "http://127.0.0.1:0"])
def test_an_inspector_origin_that_is_not_an_ip_address_opens_nothing(settings: Any, origin: str) -> None:
    settings.ALLOW_HTTP, settings.INSPECTOR_ORIGIN = False, origin
    reason(f"{origin}/inspector/a")


def test_only_listed_origins_of_language_models_may_be_private(settings: Any) -> None:
    settings.ALLOW_HTTP = False
    settings.LANGUAGE_MODEL_ORIGINS = ["http://127.0.0.1:11434/"]
    assert addresses.parse_language_model("http://127.0.0.1:11434/v1").port == 11434
    assert addresses.parse_language_model("https://models.example/v1").port == 443
    for url in ("http://127.0.0.1:11435/v1", "http://10.0.0.1/v1"):
        with pytest.raises(Blocked):
            addresses.parse_language_model(url)
    assert reason("http://127.0.0.1:11434/v1") == Reason.HTTP
