"""Group D of the attack list: names, asked of a real name server over UDP and TCP."""

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests import nameserver
from tests.attacks.cases import ANSWERS, PUBLIC
from tests.nameserver import NameServer, silence
from tests.webhooks import receivers
from tests.webhooks.receivers import OK, Receiver, answering
from webhooks import addresses, http, names
from webhooks.addresses import Blocked, Reason
from webhooks.failures import NotSent

HOST = "good.example"


@pytest.fixture
def server(settings: Any) -> NameServer:
    server = nameserver.shared()
    server.reset()
    settings.DNS_SERVERS, settings.INSPECTOR_ORIGIN = server.setting, ""
    return server


def resolve(host: str = HOST, timeout: float = 5.0) -> list[str]:
    destination = addresses.parse(f"https://{host}/")
    return [str(ip) for ip in addresses.resolve(destination, timeout=timeout)]


def not_found(host: str = HOST, timeout: float = 5.0) -> float:
    """How long it took to say so, in the one text for everything that can go wrong."""
    began = time.monotonic()
    with pytest.raises(NotSent) as failed:
        resolve(host, timeout)
    assert (failed.value.code, failed.value.seen) == ("dns", "no")
    assert failed.value.sentence == addresses._not_resolved().sentence
    return time.monotonic() - began


def test_every_address_is_asked_for_once_and_returned(server: NameServer) -> None:
    server.names[HOST] = [PUBLIC, "8.8.8.8", PUBLIC, "2606:4700:4700::1111"]
    assert resolve() == [PUBLIC, "8.8.8.8", "2606:4700:4700::1111"]
    assert server.asked == [(HOST, "A"), (HOST, "AAAA")]


@pytest.mark.parametrize("host", ANSWERS, ids=lambda host: f"{ANSWERS[host][0]} {host}")
def test_one_bad_answer_refuses_the_name(server: NameServer, host: str) -> None:
    _, server.names[host] = ANSWERS[host]
    with pytest.raises(Blocked) as refused:
        resolve(host)
    assert refused.value.code == Reason.PRIVATE_ADDRESS
    assert not any(answer in refused.value.sentence for answer in ANSWERS[host][1])


def test_nothing_is_remembered_from_one_delivery_to_the_next(server: NameServer) -> None:
    """D04: what the test button found says nothing about the delivery a second later."""
    server.names[HOST] = iter([[PUBLIC], ["127.0.0.1"]])
    assert resolve() == [PUBLIC]
    with pytest.raises(Blocked):
        resolve()


@pytest.mark.parametrize("names_", [["-> b.example", "-> a.example"], ["-> a.example"]])
def test_aliases_in_a_circle(server: NameServer, names_: list[str]) -> None:
    server.names["a.example"] = names_
    assert not_found("a.example") < 1.0


def test_fifty_aliases(server: NameServer) -> None:
    server.names[HOST] = [f"-> alias{number}.example" for number in range(50)] + [PUBLIC]
    assert not_found() < 1.0


def test_ten_aliases_are_somebodys_content_network(server: NameServer) -> None:
    server.names[HOST] = [f"-> alias{number}.example" for number in range(10)] + [PUBLIC]
    assert resolve() == [PUBLIC]


@pytest.mark.parametrize("answer", ["NXDOMAIN", "SERVFAIL", "REFUSED", "NOTIMP", []])
def test_every_failure_says_the_same(server: NameServer, answer: Any) -> None:
    server.names[HOST] = answer
    assert not_found() < 1.0


def test_a_family_that_cannot_be_found_out_is_done_without(server: NameServer) -> None:
    server.names[HOST] = lambda kind: [PUBLIC] if kind == "A" else "SERVFAIL"
    assert resolve() == [PUBLIC]
    server.names[HOST] = lambda kind: ["2606:4700:4700::1111"] if kind == "AAAA" else "SERVFAIL"
    assert resolve() == ["2606:4700:4700::1111"]


def test_an_answer_too_long_for_udp_is_fetched_over_tcp(server: NameServer) -> None:
    many = [f"8.8.{number}.8" for number in range(120)]
    server.names[HOST] = many
    assert resolve() == many
    server.names[HOST] = [*many, "10.0.0.1"]
    with pytest.raises(Blocked):
        resolve()


def test_a_server_that_never_answers_is_given_up_in_time_and_keeps_no_thread(server: NameServer) -> None:
    server.names[HOST] = silence(3)
    before = {thread.ident for thread in threading.enumerate() if "serve" not in thread.name}
    askers = [threading.Thread(target=lambda: suppress_not_sent(), name="asker") for _ in range(40)]
    began = time.monotonic()
    for asker in askers:
        asker.start()
    server.names["quick.example"] = [PUBLIC]
    assert resolve("quick.example") == [PUBLIC]
    assert time.monotonic() - began < 0.9
    for asker in askers:
        asker.join(5)
    assert time.monotonic() - began < 2.0
    left = {thread.name for thread in threading.enumerate() if thread.ident not in before}
    assert not [name for name in left if "asker" in name or "lookup" in name]


def suppress_not_sent() -> None:
    with suppress(NotSent):
        resolve(timeout=0.5)


def test_a_server_that_is_not_there(settings: Any) -> None:
    settings.DNS_SERVERS = [("127.0.0.1", 1)]
    assert not_found(timeout=0.4) < 0.9


def test_a_second_server_is_asked_when_the_first_is_dead(server: NameServer, settings: Any) -> None:
    settings.DNS_SERVERS = [("127.0.0.1", 1), *server.setting]
    server.names[HOST] = [PUBLIC]
    assert resolve() == [PUBLIC]


# --- the hosts file --------------------------------------------------------------------------------------------------


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    hosts = tmp_path / "hosts"
    monkeypatch.setattr(names, "HOSTS", hosts)
    yield hosts
    names._hosts.cache_clear()


def test_a_name_in_the_hosts_file_is_refused_by_its_address(server: NameServer, hosts: Path) -> None:
    server.names["crm.example"] = [PUBLIC]
    hosts.write_text("# ours\n127.0.0.1 localhost\nnonsense\n10.0.0.7 other.example CRM.example # the CRM\n")
    with pytest.raises(Blocked):
        resolve("crm.example")
    assert server.asked == []
    hosts.write_text(f"{PUBLIC} crm.example\n::1 ip6-localhost\n")
    assert resolve("crm.example") == [PUBLIC]


def test_the_hosts_file_of_this_very_machine() -> None:
    destination = addresses.Destination("https", "localhost", 443, "/")
    with pytest.raises(Blocked):
        addresses.resolve(destination, timeout=5)


def test_without_a_hosts_file_the_name_server_is_asked(server: NameServer, hosts: Path) -> None:
    server.names[HOST] = [PUBLIC]
    assert resolve() == [PUBLIC]


def test_search_domains_of_the_machine_are_not_added(server: NameServer) -> None:
    server.names[HOST] = "NXDOMAIN"
    resolver = names._resolver()
    resolver.domain, resolver.ndots = names.dns.name.from_text("internal.example"), 5
    not_found()
    assert {name for name, _ in server.asked} == {HOST}


# --- where the packets went ------------------------------------------------------------------------------------------


def test_rebinding_goes_to_the_first_answer_and_nowhere_else(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """D02: one look-up for one delivery. `let_in` makes 127.0.0.1 the public address; the canary is on 127.0.0.2."""
    receivers.let_in(monkeypatch, settings)
    server = nameserver.shared()
    server.names[HOST] = itertools.chain([["127.0.0.1"]], itertools.repeat(["127.0.0.2"]))
    with Receiver(answering(OK)) as receiver, Receiver(answering(OK), host="127.0.0.2", port=receiver.port) as canary:
        assert http.post(receiver.url(host=HOST), body=b"{}").address == "127.0.0.1"
        assert server.asked == [(HOST, "A"), (HOST, "AAAA")]
        with pytest.raises(Blocked):
            http.post(receiver.url(host=HOST), body=b"{}")
        assert (receiver.connections, canary.connections) == (1, 0)
