"""The attack list, the part of it that is an address: what is typed or stored, and the code it is refused with.

One table for every way in. `test_addresses.py` puts it to the parser, `test_every_path.py` to everything that can send.
The identifiers name the rows of the list; a row with several spellings has its identifier several times.
"""

from dataclasses import dataclass

from webhooks.addresses import Reason

PUBLIC = "93.184.215.14"


@dataclass(frozen=True)
class Case:
    id: str
    url: str
    code: str

    def __str__(self) -> str:
        return f"{self.id} {self.url[:48]!r}"

    @property
    def is_storable(self) -> bool:
        """PostgreSQL itself refuses the others."""
        return len(self.url) <= 2048 and "\x00" not in self.url


def _hosts(case: str, code: Reason, hosts: str) -> list[Case]:
    return [Case(case, f"http://{host}/", code) for host in hosts.split()]


def _urls(case: str, code: Reason, *urls: str) -> list[Case]:
    return [Case(case, url, code) for url in urls]


SPELLINGS_OF_IPV4 = [
    *_hosts("A01", Reason.PRIVATE_ADDRESS, "127.0.0.1 127.255.255.255"),
    *_hosts("A02", Reason.RESERVED_NAME, "localhost LOCALHOST. foo.localhost"),
    *_hosts("A04", Reason.NUMERIC_HOST, "0x7f000001 0x7f.1 2130706433 127.1"),
    *_hosts("A05", Reason.NUMERIC_HOST, "0177.0.0.1 017700000001"),
    *_hosts("A07", Reason.NUMERIC_HOST, "0"),
    *_hosts("A07", Reason.PRIVATE_ADDRESS, "0.0.0.0"),
    *_hosts("A08", Reason.NUMERIC_HOST, "①②⑦.⓪.⓪.① ⑧.⑧.⑧.⑧ 127。0。0。1"),
    *_hosts("A10", Reason.NUMERIC_HOST, "00000000000000000000177.0.0.1"),
    *_hosts("A11", Reason.PRIVATE_ADDRESS, "10.0.0.1 172.16.0.1 172.31.255.255 192.168.0.1"),
    *_urls("A13", Reason.PRIVATE_ADDRESS, "http://169.254.169.254/latest/meta-data/"),
    *_hosts("A14", Reason.PRIVATE_ADDRESS, "100.64.0.1 100.127.255.254 100.100.100.200"),
    *_hosts("A16", Reason.PRIVATE_ADDRESS, "192.0.0.8 192.0.0.170 192.0.2.1 198.18.0.1 198.51.100.1 203.0.113.1"),
    *_hosts("A16", Reason.PRIVATE_ADDRESS, "192.88.99.1 168.63.129.16"),
    *_hosts("A17", Reason.PRIVATE_ADDRESS, "224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255"),
    *_hosts("A19", Reason.NUMERIC_HOST, "256.1.1.1 1.2.3 1.2.3.4.5 8.8.8.8. good.example.0x"),
]
IPV6 = [
    *_hosts("B01", Reason.PRIVATE_ADDRESS, "[::1] [::]"),
    *_hosts("B01", Reason.NUMERIC_HOST, "[0:0:0:0:0:0:0:1] [2606:4700:4700:0:0:0:0:1111]"),
    *_hosts("B02", Reason.PRIVATE_ADDRESS, "[::ffff:127.0.0.1] [::ffff:7f00:1] [::FFFF:A9FE:A9FE] [::ffff:8.8.8.8]"),
    *_hosts("B04", Reason.PRIVATE_ADDRESS, "[::ffff:0:7f00:1] [::7f00:1]"),
    *_hosts("B05", Reason.PRIVATE_ADDRESS, "[64:ff9b::7f00:1] [64:ff9b::a9fe:a9fe] [64:ff9b:1::7f00:1]"),
    *_hosts("B05", Reason.PRIVATE_ADDRESS, "[64:ff9b:1::808:808] [2002:7f00:1::] [2002:a9fe:a9fe::] [2002:808:808::1]"),
    *_hosts("B07", Reason.PRIVATE_ADDRESS, "[2001:0:53aa:64c::80ff:fffe] [2001:0:7f00:1::]"),
    *_hosts("B08", Reason.PRIVATE_ADDRESS, "[::5efe:7f00:1] [2001:470::5efe:7f00:1] [2001:470::200:5efe:a00:1]"),
    *_hosts("B10", Reason.PRIVATE_ADDRESS, "[fc00::1] [fd00:ec2::254]"),
    *_hosts("B11", Reason.PRIVATE_ADDRESS, "[fec0::1] [fe80::1] [ff02::1] [3fff::1] [5f00::1] [2001:db8::1]"),
    *_hosts("B11", Reason.PRIVATE_ADDRESS, "[2001:20::1] [2001:2::1] [100::1] [4000::1]"),
    *_hosts("B01", Reason.PERCENT_IN_HOST, "[fe80::1%25eth0]"),
    *_hosts("B01", Reason.INVALID_HOST, "[::1 [] [127.0.0.1] [::1]x"),
]
TWO_READINGS = [
    *_urls("C01", Reason.BACKSLASH, "http://127.0.0.1\\@good.example/", "http://127.0.0.1:80\\@good.example/"),
    *_urls("C02", Reason.BACKSLASH, "http://good.example\\@127.0.0.1/"),
    *_urls("C04", Reason.USERINFO, "http://good.example@127.0.0.1/", "http://user:pw@good.example/"),
    *_urls("C05", Reason.PRIVATE_ADDRESS, "http://127.0.0.1#.good.example/"),
    *_urls("C07", Reason.BACKSLASH, "http:\\\\127.0.0.1\\"),
    *_urls("C07", Reason.NO_HOST, "http:/127.0.0.1/", "http:127.0.0.1", "http:///127.0.0.1/", "http://", "http://:80/"),
    *_urls("C08", Reason.CONTROL_CHARACTER, "http://127.0.0.1\tgood.example/", "ht\ntp://good.example/"),
    *_urls("C08", Reason.CONTROL_CHARACTER, "http://good.example/\r\nX: y", "http://good.example/a b"),
    *_urls("C08", Reason.CONTROL_CHARACTER, "http://good.example/\u2028x", "http://good\u200b.example/"),
    *_urls("C08", Reason.CONTROL_CHARACTER, "http://good.example/\x00"),
    *_urls("C10", Reason.USERINFO, "http://127.0.0.1%2f@good.example/"),
    *_urls("C10", Reason.PERCENT_IN_HOST, "http://exa%6dple.com/"),
    *_urls("C11", Reason.PERCENT_IN_HOST, "http://good.example%00.127.0.0.1/"),
    *_hosts("C13", Reason.INVALID_HOST, f"xn-- xn--a.example {'a' * 64}.example {'a.' * 126}example"),
    *_hosts("C13", Reason.INVALID_HOST, "-a.com a-.com a..b .a.com good.example.. a_b.example"),
    *_urls("C16", Reason.TOO_LONG, f"http://good.example/{'a' * 10_000}", f"http://good.example/{'a' * 1_000_000}"),
    *_urls("C17", Reason.NOT_ASCII, "http://good.example/é"),
    *_hosts("J04", Reason.INVALID_HOST, "{{host}}.example {{x}}"),
]
NAMES = [
    *_hosts("D14", Reason.RESERVED_NAME, "redis a.internal printer.local router.home.arpa metadata.google.internal."),
]
SCHEMES_AND_PORTS = [
    *_urls("F01", Reason.SCHEME, "file:///etc/passwd", "gopher://good.example/", "ftp://good.example/"),
    *_urls("F01", Reason.SCHEME, "dict://good.example/", "data:text/plain,x", "javascript:alert(1)"),
    *_urls("F01", Reason.SCHEME, "ws://good.example/", "http+unix://%2fvar%2frun%2fdocker.sock/"),
    *_urls("F01", Reason.SCHEME, "good.example/hook", "//good.example/"),
    *[
        Case("F02", f"https://good.example:{port}/", Reason.PORT)
        for port in (22, 25, 6379, 5432, 11211, 2375, 9200, 65536, 99999, "", "0", "080", "+80", "a", "443443")
    ],
    *_urls("F02", Reason.INVALID_HOST, "https://a:b:443/"),
]
REFUSED = [*SPELLINGS_OF_IPV4, *IPV6, *TWO_READINGS, *NAMES, *SCHEMES_AND_PORTS]

# Names that look like any other; what their name server says is what refuses them, so only when they are sent to.
ANSWERS: dict[str, tuple[str, list[str]]] = {
    "loopback.attack.example": ("D01", ["127.0.0.1"]),
    "127.0.0.1.nip.attack.example": ("D01", ["127.0.0.1"]),
    "metadata.attack.example": ("D01", ["169.254.169.254"]),
    "loopback6.attack.example": ("D01", ["::1"]),
    "mixed.attack.example": ("D05", [PUBLIC, "10.0.0.1"]),
    "mixed-other-order.attack.example": ("D05", ["10.0.0.1", PUBLIC]),
    "families.attack.example": ("D07", [PUBLIC, "64:ff9b::a9fe:a9fe"]),
    "alias.attack.example": ("D08", ["-> other.attack.example", "10.0.0.1"]),
    "alias-of-reserved.attack.example": ("D08", ["-> metadata.google.internal", "169.254.169.254"]),
}
RESOLVED = [Case(case, f"https://{name}/hook", Reason.PRIVATE_ADDRESS) for name, (case, _) in ANSWERS.items()]


def one_of_each(cases: list[Case]) -> list[Case]:
    """The first spelling of every row and reason, for the ways in that take their time."""
    return list({(case.id, case.code): case for case in reversed(cases)}.values())[::-1]


# Next to what is refused, and allowed.
ALLOWED = """
100.63.255.255 100.128.0.0 8.8.8.8 172.32.0.1 172.15.255.255 11.0.0.0 [2606:4700:4700::1111] [64:ff9b::808:808]
[2001:470::5efe:808:808]
""".split()
