"""J08: the private networks an operator has opened, exactly those, and said aloud."""

import os
import subprocess
import sys
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from tests.attacks import ways
from tests.attacks.namespace import Namespace
from tests.attacks.ways import House
from tests.nameserver import NameServer
from webhooks import addresses, checks
from webhooks.addresses import Blocked

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(autouse=True)
def _policy(settings: Any) -> None:
    settings.ALLOW_HTTP, settings.ALLOWED_PORTS, settings.INSPECTOR_ORIGIN = True, [80, 443], ""


def allow(settings: Any, *listed: str) -> None:
    settings.ALLOWED_PRIVATE_NETWORKS = [ip_network(network) for network in listed]


@pytest.mark.parametrize(
    ("host", "is_allowed"),
    [
        ("10.1.2.0", True),
        ("10.1.2.255", True),
        ("10.1.1.255", False),
        ("10.1.3.1", False),
        ("192.168.0.1", False),
        ("[fd12:3456::1]", True),
        ("[fd12:3457::1]", False),
        ("[::ffff:10.1.2.3]", False),
        ("[64:ff9b::a01:203]", False),
        ("[2002:a01:203::1]", False),
        ("[2001:470::5efe:a01:203]", False),
        ("[fd12:3456::5efe:a01:303]", False),
    ],
)
def test_exactly_what_is_listed(settings: Any, host: str, is_allowed: bool) -> None:
    allow(settings, "10.1.2.0/24", "fd12:3456::/64")
    if is_allowed:
        assert addresses.parse(f"http://{host}/").authority == host
        return
    with pytest.raises(Blocked) as refused:
        addresses.parse(f"http://{host}/")
    assert refused.value.code == "private_address"


NEVER = """
127.0.0.1 0.0.0.0 169.254.169.254 168.63.129.16 100.100.100.200 192.0.0.192 224.0.0.1 255.255.255.255 198.18.0.1
::1 :: fe80::1 fd00:ec2::254 fd20:ce::254 ::ffff:10.0.0.1 64:ff9b::a9fe:a9fe ff02::1 2001:db8::1 fec0::1
""".split()


@pytest.mark.parametrize("ip", NEVER)
def test_some_addresses_stay_closed_even_when_everything_is_listed(settings: Any, ip: str) -> None:
    allow(settings, "0.0.0.0/0", "::/0")
    assert addresses.refusal(ip_address(ip))
    allow(settings, ip)
    assert addresses.refusal(ip_address(ip))
    allow(settings, "0.0.0.0/0", "::/0")
    assert addresses.refusal(ip_address("10.9.8.7")) is None


def test_the_machines_own_address_stays_closed(settings: Any, namespace: Namespace) -> None:
    allow(settings, "10.213.0.0/16")
    assert addresses.refusal(ip_address(namespace.address)) is None
    assert addresses.refusal(ip_address(namespace.gateway)) == "this machine"


def test_a_name_with_one_address_outside_is_refused(settings: Any, server: NameServer) -> None:
    allow(settings, "10.1.2.0/24")
    server.names["crm.example"] = ["10.1.2.3"]
    server.names["mixed.example"] = ["10.1.2.3", "10.1.3.1"]
    crm, mixed = (addresses.parse(f"https://{name}.example/") for name in ("crm", "mixed"))
    assert addresses.resolve(crm, timeout=2) == [ip_address("10.1.2.3")]
    with pytest.raises(Blocked):
        addresses.resolve(mixed, timeout=2)


@pytest.mark.django_db(transaction=True)
def test_a_listed_network_is_reached_and_its_neighbour_is_not(
    settings: Any, server: NameServer, namespace: Namespace
) -> None:
    house, before, url = House(), namespace.connections, f"http://{namespace.address}/"
    assert ways.drain(house, url) == ("blocked", "private_address")
    number = int(namespace.address.split(".")[2])
    allow(settings, f"10.213.{number + 1}.0/24")
    assert ways.drain(house, url) == ("blocked", "private_address")
    assert namespace.connections == before
    allow(settings, f"10.213.{number}.0/24")
    assert ways.drain(house, url) == ("delivered", "")
    assert namespace.connections == before + 1


# --- said aloud ------------------------------------------------------------------------------------------------------


def test_a_warning_names_the_networks_outside_of_development(settings: Any) -> None:
    allow(settings, "10.1.2.0/24", "127.0.0.0/8")
    settings.DEBUG = True
    assert checks.private_networks_are_meant(None) == []
    settings.DEBUG = False
    [warning] = checks.private_networks_are_meant(None)
    assert warning.id == "webhooks.W001"
    assert "lets deliveries reach 10.1.2.0/24." in warning.msg
    assert "in vain, since these are never opened: 127.0.0.0/8." in warning.msg
    allow(settings)
    assert checks.private_networks_are_meant(None) == []


@pytest.mark.parametrize(("listed", "lines"), [("10.1.2.0/24,fd12::/16", 1), ("", 0)])
def test_every_process_logs_it_once_when_it_starts(listed: str, lines: int) -> None:
    environment = {**os.environ, "ALLOWED_PRIVATE_NETWORKS": listed, "DJANGO_SETTINGS_MODULE": "chatzuri.settings"}
    command = [sys.executable, "-c", "import django; django.setup()"]
    started = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert started.returncode == 0
    assert started.stderr.count("may reach these private networks: 10.1.2.0/24, fd12::/16.") == lines


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALLOWED_PRIVATE_NETWORKS", "10.1.2.3/24"),
        ("ALLOWED_PRIVATE_NETWORKS", "everything"),
        ("OUTBOUND_PROXY", "proxy:3128"),
        ("OUTBOUND_PROXY", "https://proxy:3128"),
        ("OUTBOUND_PROXY", "http://user:password@proxy:3128"),
        ("OUTBOUND_PROXY", "http://proxy"),
        ("OUTBOUND_PROXY", "http://proxy:3128/path"),
        ("DNS_SERVERS", "ns.example"),
    ],
)
def test_a_wrong_value_stops_the_start_with_a_sentence(name: str, value: str) -> None:
    environment = {**os.environ, name: value, "DJANGO_SETTINGS_MODULE": "chatzuri.settings"}
    command = [sys.executable, "-c", "import django; django.setup()"]
    started = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert started.returncode != 0
    assert f"{name} is not right" in started.stderr.splitlines()[-1]
    assert "password" not in started.stderr.splitlines()[-1]
