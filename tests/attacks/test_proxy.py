"""E10, E11 and the second wall: an operator's proxy behind the guard, over real sockets."""

import socket
import ssl
import time
from typing import Any

import pytest
import trustme

from tests import nameserver
from tests.agents.conftest import model as model
from tests.agents.scripted_model import ScriptedModel
from tests.attacks.cases import PUBLIC, REFUSED, RESOLVED, one_of_each
from tests.attacks.proxies import Proxy
from tests.attacks.ways import House, _outcome
from tests.factories import make_delivery
from tests.nameserver import NameServer
from tests.webhooks.receivers import OK, Receiver, answering, silent
from webhooks import http, outcomes, sending
from webhooks.models import Delivery, Endpoint

AUTHORITY = trustme.CA()
HOST = "receiver.example"


@pytest.fixture(autouse=True)
def _policy(settings: Any, server: NameServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing private is let in: the receiver has a public address, and the proxy alone knows where that is."""
    settings.ALLOW_HTTP, settings.ALLOWED_PORTS = True, [80, 443]
    server.names[HOST] = [PUBLIC]
    context = http.ssl_context.__wrapped__()
    AUTHORITY.configure_trust(context)
    monkeypatch.setattr(http, "ssl_context", lambda: context)


def post(scheme: str = "https", **options: Any) -> http.Answer:
    return http.post(f"{scheme}://{HOST}/hook?x=1", **{"body": b"{}", "deadline": 3.0, **options})


def test_https_goes_end_to_end_through_a_tunnel_to_the_checked_address(settings: Any) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert(HOST).configure_cert(tls)
    with Receiver(answering(OK), tls=tls) as receiver, Proxy(leads_to=receiver.port) as proxy:
        settings.OUTBOUND_PROXY = proxy.setting
        answer = post(platform_headers={"X-Webhook-Secret": "s3cret"})
        assert (answer.status, answer.body, answer.address) == (200, b"hi", PUBLIC)
        [asked] = proxy.asked
        assert asked.startswith(f"CONNECT {PUBLIC}:443 HTTP/1.1\r\nHost: {PUBLIC}:443\r\n".encode())
        assert b"s3cret" not in asked
        assert HOST.encode() not in asked
        assert receiver.requests[0].startswith(b"POST /hook?x=1 HTTP/1.1\r\nHost: receiver.example\r\n")
    assert answer.timings.tls > 0


def test_the_certificate_must_be_for_the_name_behind_the_proxy_too(settings: Any) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert(PUBLIC).configure_cert(tls)
    with Receiver(answering(OK), tls=tls) as receiver, Proxy(leads_to=receiver.port) as proxy:
        settings.OUTBOUND_PROXY = proxy.setting
        with pytest.raises(http.NotSent) as failed:
            post()
        assert (failed.value.code, receiver.requests) == ("certificate", [])


def test_http_goes_through_a_tunnel_too_so_that_no_name_is_looked_up_twice(settings: Any, server: NameServer) -> None:
    with Receiver(answering(OK)) as receiver, Proxy(leads_to=receiver.port) as proxy:
        settings.OUTBOUND_PROXY = proxy.setting
        assert post("http").status == 200
        assert proxy.asked[0].startswith(f"CONNECT {PUBLIC}:80 ".encode())
        assert receiver.requests[0].startswith(b"POST /hook?x=1 HTTP/1.1\r\nHost: receiver.example\r\n")
    assert server.asked == [(HOST, "A"), (HOST, "AAAA")]


def test_an_ipv6_address_has_brackets(settings: Any, server: NameServer) -> None:
    server.names[HOST] = ["2606:4700:4700::1111"]
    with Receiver(answering(OK)) as receiver, Proxy(leads_to=receiver.port) as proxy:
        settings.OUTBOUND_PROXY = proxy.setting
        assert post("http").address == "2606:4700:4700::1111"
        assert proxy.asked[0].startswith(b"CONNECT [2606:4700:4700::1111]:80 HTTP/1.1\r\n")


def test_an_answer_of_the_receiver_is_never_taken_for_the_proxys(settings: Any) -> None:
    for status in (403, 407, 502, 503, 504):
        with (
            Receiver(answering(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status)) as receiver,
            Proxy(leads_to=receiver.port) as proxy,
        ):
            settings.OUTBOUND_PROXY = proxy.setting
            assert post("http").status == status


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\nforbidden", http.Blocked, "egress_proxy"),
        (b"HTTP/1.1 407 Authenticate\r\n\r\n", http.Blocked, "egress_proxy"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", http.NotSent, "our_proxy"),
        (b"HTTP/1.1 503 Busy\r\n\r\n", http.NotSent, "our_proxy"),
        (b"HTTP/1.1 504 Timeout\r\n\r\n", http.NotSent, "our_proxy"),
        (b"HTTP/1.1 302 Go\r\nLocation: http://127.0.0.1/\r\n\r\n", http.NotSent, "our_proxy"),
        (b"HTTP/1.1 200 Esta", http.NotSent, "our_proxy"),
        (b"SSH-2.0-OpenSSH\r\n", http.NotSent, "our_proxy"),
        (b"", http.NotSent, "our_proxy"),
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_what_the_proxy_says_itself(settings: Any, scheme: str, answer: bytes, kind: Any, code: str) -> None:
    with Proxy(answer=answer) as proxy:
        settings.OUTBOUND_PROXY = proxy.setting
        with pytest.raises(http.SendFailed) as failed:
            post(scheme)
        assert (type(failed.value), failed.value.code, failed.value.seen) == (kind, code, "no")
        assert len(proxy.asked) == 1


def test_a_proxy_that_is_away_or_silent(settings: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings.OUTBOUND_PROXY = ("127.0.0.1", listener.getsockname()[1])
    with pytest.raises(http.NotSent) as away:
        post()
    with Receiver(silent) as proxy:
        settings.OUTBOUND_PROXY = ("127.0.0.1", proxy.port)
        began = time.monotonic()
        with pytest.raises(http.NotSent) as hangs:
            post(deadline=0.5)
    assert time.monotonic() - began < 1.2
    assert away.value.code == hangs.value.code == "our_proxy"


def test_the_guard_runs_before_the_proxy_is_asked(settings: Any, subtests: Any) -> None:
    with Proxy() as proxy:
        settings.OUTBOUND_PROXY = proxy.setting
        for case in [*one_of_each(REFUSED), *RESOLVED]:
            with subtests.test(msg=str(case)), pytest.raises(http.Blocked) as refused:
                http.post(case.url, body=b"{}")
            assert refused.value.code == case.code
        assert proxy.connections == 0


def test_proxies_of_the_environment_are_still_nobody(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with Receiver(answering(OK)) as receiver, Proxy(leads_to=receiver.port) as proxy, Proxy() as canary:
        settings.OUTBOUND_PROXY = proxy.setting
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{canary.port}")
        assert post("http").status == 200
        assert (len(proxy.asked), canary.connections) == (1, 0)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("answer", "outcome", "label"),
    [
        (b"HTTP/1.1 403 No\r\n\r\n", ("blocked", "egress_proxy"), "blocked: egress proxy"),
        (b"HTTP/1.1 503 No\r\n\r\n", ("not_sent", "our_proxy"), "not sent: our own proxy"),
    ],
)
def test_neither_counts_against_the_endpoint(settings: Any, answer: bytes, outcome: Any, label: str) -> None:
    house = House()
    house.store(f"https://{HOST}/hook")
    delivery = make_delivery(endpoint=house.endpoint)
    with Proxy(answer=answer) as proxy:
        settings.OUTBOUND_PROXY = proxy.setting
        sending.send(delivery)
    assert _outcome(delivery) == outcome
    assert outcomes.describe(Delivery.objects.select_related("attempt").get(pk=delivery.pk)).label == label
    endpoint = Endpoint.objects.get(pk=house.endpoint.pk)
    assert (endpoint.consecutive_failures, endpoint.failing_since, endpoint.state) == (0, None, "active")


# --- the language model takes the same way ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "code"), [(b"HTTP/1.1 403 No\r\n\r\n", "egress_proxy"), (b"HTTP/1.1 502 No\r\n\r\n", "our_proxy")]
)
def test_a_language_model_behind_the_proxy(settings: Any, answer: bytes, code: str) -> None:
    import asyncio

    from agents.brains import guarded

    async def ask() -> int:
        async with guarded.client(f"http://{HOST}/v1", timeout=3) as client:
            return (await client.post(f"http://{HOST}/v1/chat", json={})).status_code

    with Receiver(answering(OK)) as receiver, Proxy(leads_to=receiver.port) as proxy:
        settings.OUTBOUND_PROXY = proxy.setting
        assert asyncio.run(ask()) == 200
        assert proxy.asked[0].startswith(f"CONNECT {PUBLIC}:80 ".encode())
    with Proxy(answer=answer) as proxy:
        settings.OUTBOUND_PROXY = proxy.setting
        with pytest.raises(Exception) as failed:
            asyncio.run(ask())
        refusal = guarded.refusal(failed.value)
        assert refusal is not None
        assert refusal.code == code


def test_a_listed_model_is_reached_without_the_proxy(settings: Any, model: ScriptedModel) -> None:
    import asyncio

    from agents.brains import guarded

    async def ask() -> int:
        async with guarded.client(model.url, timeout=3) as client:
            return (await client.post(f"{model.url}/chat/completions", json={"messages": []})).status_code

    with Proxy() as proxy:
        settings.OUTBOUND_PROXY = proxy.setting
        assert asyncio.run(ask()) == 200
        assert proxy.connections == 0


def test_the_shared_name_server_is_the_one_asked(settings: Any) -> None:
    assert nameserver.shared().setting == settings.DNS_SERVERS
