"""Groups A, B, C, D and F of the attack list: how an address is read, and which ones are refused."""

import socket
import threading
import time
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooks import addresses, networks
from webhooks.addresses import Blocked, Reason
from webhooks.failures import NotSent

PUBLIC = "93.184.215.14"


@pytest.fixture(autouse=True)
def _policy(settings: Any) -> None:
    """Plain http, as an operator may allow it: the lists below are about hosts."""
    settings.ALLOW_HTTP, settings.ALLOWED_PORTS, settings.INSPECTOR_ORIGIN = True, [80, 443], ""


def reason(url: str) -> str:
    with pytest.raises(Blocked) as refused:
        addresses.parse(url)
    assert refused.value.sentence[-1] in ".)"
    return refused.value.code


PRIVATE = """
127.0.0.1 127.255.255.255 0.0.0.0 10.0.0.1 172.16.0.1 172.31.255.255 192.168.0.1 169.254.169.254 100.64.0.1
100.127.255.254 192.0.0.8 192.0.0.170 192.0.2.1 198.18.0.1 198.51.100.1 203.0.113.1 192.88.99.1 224.0.0.1
239.255.255.255 240.0.0.1 255.255.255.255 168.63.129.16 100.100.100.200
[::1] [::] [::ffff:127.0.0.1] [::ffff:7f00:1] [::FFFF:A9FE:A9FE] [::ffff:8.8.8.8] [::ffff:0:7f00:1] [::7f00:1]
[64:ff9b::7f00:1] [64:ff9b::a9fe:a9fe] [64:ff9b:1::7f00:1] [64:ff9b:1::808:808] [2002:7f00:1::] [2002:a9fe:a9fe::]
[2002:808:808::1] [2001:0:53aa:64c::80ff:fffe] [2001:0:7f00:1::] [::5efe:7f00:1] [2001:470::5efe:7f00:1]
[2001:470::200:5efe:a00:1] [fc00::1] [fd00:ec2::254] [fec0::1] [fe80::1] [ff02::1] [3fff::1] [5f00::1] [2001:db8::1]
[2001:20::1] [2001:2::1] [100::1] [4000::1]
""".split()
ALLOWED = """
100.63.255.255 100.128.0.0 8.8.8.8 172.32.0.1 172.15.255.255 11.0.0.0 [2606:4700:4700::1111] [64:ff9b::808:808]
[2001:470::5efe:808:808]
""".split()


@pytest.mark.parametrize("host", PRIVATE)
def test_special_addresses_are_refused(host: str) -> None:
    assert reason(f"http://{host}/") == Reason.PRIVATE_ADDRESS


@pytest.mark.parametrize("host", ALLOWED)
def test_public_addresses_next_to_them_are_not(host: str) -> None:
    assert addresses.parse(f"http://{host}/").authority == host


REFUSED = [
    # A: spellings of IPv4
    ("http://localhost/", Reason.RESERVED_NAME),
    ("http://LOCALHOST./", Reason.RESERVED_NAME),
    ("http://foo.localhost/", Reason.RESERVED_NAME),
    ("http://0x7f000001/", Reason.NUMERIC_HOST),
    ("http://0x7f.1/", Reason.NUMERIC_HOST),
    ("http://2130706433/", Reason.NUMERIC_HOST),
    ("http://0177.0.0.1/", Reason.NUMERIC_HOST),
    ("http://017700000001/", Reason.NUMERIC_HOST),
    ("http://127.1/", Reason.NUMERIC_HOST),
    ("http://0/", Reason.NUMERIC_HOST),
    ("http://①②⑦.⓪.⓪.①/", Reason.NUMERIC_HOST),
    ("http://⑧.⑧.⑧.⑧/", Reason.NUMERIC_HOST),
    ("http://127。0。0。1/", Reason.NUMERIC_HOST),
    ("http://00000000000000000000177.0.0.1/", Reason.NUMERIC_HOST),
    ("http://256.1.1.1/", Reason.NUMERIC_HOST),
    ("http://1.2.3/", Reason.NUMERIC_HOST),
    ("http://1.2.3.4.5/", Reason.NUMERIC_HOST),
    ("http://8.8.8.8./", Reason.NUMERIC_HOST),
    ("http://good.example.0x/", Reason.NUMERIC_HOST),
    # B: spellings of IPv6
    ("http://[2606:4700:4700:0:0:0:0:1111]/", Reason.NUMERIC_HOST),
    ("http://[fe80::1%25eth0]/", Reason.PERCENT_IN_HOST),
    ("http://[::1/", Reason.INVALID_HOST),
    ("http://[]/", Reason.INVALID_HOST),
    ("http://[127.0.0.1]/", Reason.INVALID_HOST),
    ("http://[::1]x/", Reason.INVALID_HOST),
    # C: one address, two readings
    ("http://127.0.0.1\\@good.example/", Reason.BACKSLASH),
    ("http://good.example\\@127.0.0.1/", Reason.BACKSLASH),
    ("http://good.example@127.0.0.1/", Reason.USERINFO),
    ("http://user:pw@good.example/", Reason.USERINFO),
    ("http://127.0.0.1#.good.example/", Reason.PRIVATE_ADDRESS),
    ("http:\\\\127.0.0.1\\", Reason.BACKSLASH),
    ("http:/127.0.0.1/", Reason.NO_HOST),
    ("http:127.0.0.1", Reason.NO_HOST),
    ("http:///127.0.0.1/", Reason.NO_HOST),
    ("http://", Reason.NO_HOST),
    ("http://:80/", Reason.NO_HOST),
    ("http://127.0.0.1\tgood.example/", Reason.CONTROL_CHARACTER),
    ("ht\ntp://good.example/", Reason.CONTROL_CHARACTER),
    ("http://good.example/\r\nX: y", Reason.CONTROL_CHARACTER),
    (" http://good.example/", Reason.CONTROL_CHARACTER),
    ("http://good.example/a b", Reason.CONTROL_CHARACTER),
    ("http://good.example/\u2028", Reason.CONTROL_CHARACTER),
    ("http://good\u200b.example/", Reason.CONTROL_CHARACTER),
    ("http://good.example/\x00", Reason.CONTROL_CHARACTER),
    ("http://127.0.0.1%2f@good.example/", Reason.USERINFO),
    ("http://exa%6dple.com/", Reason.PERCENT_IN_HOST),
    ("http://good.example%00.127.0.0.1/", Reason.PERCENT_IN_HOST),
    ("http://xn--/", Reason.INVALID_HOST),
    ("http://xn--a.example/", Reason.INVALID_HOST),
    (f"http://{'a' * 64}.example/", Reason.INVALID_HOST),
    (f"http://{'a.' * 126}example/", Reason.INVALID_HOST),
    ("http://-a.com/", Reason.INVALID_HOST),
    ("http://a-.com/", Reason.INVALID_HOST),
    ("http://a..b/", Reason.INVALID_HOST),
    ("http://.a.com/", Reason.INVALID_HOST),
    ("http://good.example../", Reason.INVALID_HOST),
    ("http://{{host}}.example/", Reason.INVALID_HOST),
    ("http://a_b.example/", Reason.INVALID_HOST),
    ("http://good.example/é", Reason.NOT_ASCII),
    (f"http://good.example/{'a' * 10_000}", Reason.TOO_LONG),
    # D14: names that only some network knows
    ("http://redis/", Reason.RESERVED_NAME),
    ("http://a.internal/", Reason.RESERVED_NAME),
    ("http://printer.local/", Reason.RESERVED_NAME),
    ("http://router.home.arpa/", Reason.RESERVED_NAME),
    ("http://metadata.google.internal./", Reason.RESERVED_NAME),
    # F: schemes and ports
    ("file:///etc/passwd", Reason.SCHEME),
    ("gopher://good.example/", Reason.SCHEME),
    ("ftp://good.example/", Reason.SCHEME),
    ("dict://good.example/", Reason.SCHEME),
    ("data:text/plain,x", Reason.SCHEME),
    ("javascript:alert(1)", Reason.SCHEME),
    ("ws://good.example/", Reason.SCHEME),
    ("http+unix://%2fvar%2frun%2fdocker.sock/", Reason.SCHEME),
    ("good.example/hook", Reason.SCHEME),
    ("//good.example/", Reason.SCHEME),
    ("", Reason.SCHEME),
    *[(f"https://good.example:{port}/", Reason.PORT) for port in (22, 25, 6379, 5432, 11211, 2375, 9200, 65536, 99999)],
    *[(f"https://good.example:{port}/", Reason.PORT) for port in ("", "0", "080", "+80", "a", "443443")],
    ("https://a:b:443/", Reason.INVALID_HOST),
]


@pytest.mark.parametrize(("url", "expected"), REFUSED, ids=[url[:60] or "empty" for url, _ in REFUSED])
def test_refused(url: str, expected: str) -> None:
    assert reason(url) == expected


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


# --- names -----------------------------------------------------------------------------------------------------------


class Names:
    """Stands where the system's resolver is, and counts."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.answers: list[str] | Exception = [PUBLIC]
        self.delay = threading.Event()
        self.delay.set()

    def __call__(self, host: bytes, port: int, **_: Any) -> list[Any]:
        self.asked.append(host)
        self.delay.wait(10)
        if isinstance(self.answers, Exception):
            raise self.answers
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answer, port)) for answer in self.answers]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    names = Names()
    monkeypatch.setattr(addresses, "getaddrinfo", names)
    yield names
    names.delay.set()


def resolve(timeout: float = 5.0) -> list[str]:
    destination = addresses.parse("https://good.example/")
    return [str(ip) for ip in addresses.resolve(destination, timeout=timeout)]


def test_a_name_is_looked_up_once_and_all_answers_are_returned(names: Names) -> None:
    names.answers = [PUBLIC, "8.8.8.8", PUBLIC, "2606:4700:4700::1111"]
    assert resolve() == [PUBLIC, "8.8.8.8", "2606:4700:4700::1111"]
    assert names.asked == [b"good.example"]


@pytest.mark.parametrize(
    "answers",
    [["127.0.0.1"], [PUBLIC, "10.0.0.1"], ["10.0.0.1", PUBLIC], [PUBLIC, "64:ff9b::a9fe:a9fe"], ["fe80::1%1"]],
)
def test_one_bad_answer_refuses_the_name(names: Names, answers: list[str]) -> None:
    names.answers = answers
    with pytest.raises(Blocked) as refused:
        resolve()
    assert refused.value.code == Reason.PRIVATE_ADDRESS
    assert not any(answer in refused.value.sentence for answer in answers)


@pytest.mark.parametrize(
    "failure",
    [socket.gaierror(socket.EAI_NONAME, "x"), socket.gaierror(socket.EAI_AGAIN, "x"), OSError(), UnicodeError(), []],
)
def test_every_failed_look_up_says_the_same(names: Names, failure: Any) -> None:
    names.answers = failure
    with pytest.raises(NotSent) as failed:
        resolve()
    assert (failed.value.code, failed.value.seen) == ("dns", "no")
    assert failed.value.sentence == addresses._not_resolved().sentence


def test_a_name_server_that_never_answers_is_given_up_in_time(names: Names) -> None:
    names.delay.clear()
    began = time.monotonic()
    with pytest.raises(NotSent) as failed:
        resolve(timeout=0.3)
    assert failed.value.sentence == addresses._not_resolved().sentence
    assert time.monotonic() - began < 1.0


def test_a_name_in_the_hosts_file_is_refused_by_its_address() -> None:
    """The system's own resolver, no DNS involved: this machine's name is in its hosts file or unknown."""
    destination = addresses.Destination("https", "localhost", 443, "/")
    with pytest.raises(Blocked):
        addresses.resolve(destination, timeout=5)


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
