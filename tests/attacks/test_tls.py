"""Group I of the attack list: a certificate must be valid, and for the name."""

import datetime
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

import pytest
import trustme

from tests.webhooks import receivers
from tests.webhooks.receivers import OK, Receiver, answering
from webhooks import http

AUTHORITY = trustme.CA()
STRANGER = trustme.CA()
NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)
PRODUCTION = http.ssl_context
HELLO = answering(OK)


@pytest.fixture(autouse=True)
def _way_in(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """The authority above is trusted here besides the public ones."""
    receivers.let_in(monkeypatch, settings, allow_http=False)
    context = PRODUCTION.__wrapped__()
    AUTHORITY.configure_trust(context)
    monkeypatch.setattr(http, "ssl_context", lambda: context)


def server(*names: str, authority: trustme.CA = AUTHORITY, **validity: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, **validity).configure_cert(context)
    return context


def post(tls: ssl.SSLContext, script: receivers.Script = HELLO, **options: Any) -> tuple[http.Answer, Receiver]:
    with Receiver(script, tls=tls) as receiver:
        return http.post(receiver.url(scheme="https"), **{"body": b"{}", "deadline": 3.0, **options}), receiver


def test_a_valid_certificate() -> None:
    answer, receiver = post(server("receiver.example"))
    assert (answer.status, answer.body, answer.body_cut) == (200, b"hi", False)
    assert answer.timings.tls > 0
    assert len(receiver.requests) == 1


def test_an_ip_address_is_verified_as_such() -> None:
    with Receiver(answering(OK), tls=server("127.0.0.1")) as receiver:
        assert http.post(receiver.url(scheme="https", host="127.0.0.1"), body=b"{}").status == 200


BAD: dict[str, tuple[Callable[[], ssl.SSLContext], str]] = {
    "another name": (lambda: server("other.example"), "another name"),
    "the address, but not the name": (lambda: server("127.0.0.1"), "another name"),
    "a wildcard too wide": (lambda: server("*.receiver.example"), "another name"),
    "unknown authority": (lambda: server("receiver.example", authority=STRANGER), "authority"),
    "expired": (lambda: server("receiver.example", not_before=NOW - 9 * DAY, not_after=NOW - DAY), "expired"),
    "not yet": (lambda: server("receiver.example", not_before=NOW + DAY, not_after=NOW + 9 * DAY), "not valid yet"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_certificate_is_not_sent_to_and_the_reason_is_in_words(name: str) -> None:
    make, words = BAD[name]
    with Receiver(answering(OK), tls=make()) as receiver, pytest.raises(http.NotSent, match=words) as failed:
        http.post(receiver.url(scheme="https"), body=b"{}")
    assert (failed.value.code, failed.value.seen, receiver.requests) == ("certificate", "no", [])


def test_a_self_signed_certificate_is_called_that(tmp_path: Any) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "receiver.example")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW - DAY, NOW + DAY)
    names = x509.SubjectAlternativeName([x509.DNSName("receiver.example")])
    certificate = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    pem, encoding = tmp_path / "server.pem", serialization.Encoding.PEM
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    pem.write_bytes(certificate.public_bytes(encoding) + key.private_bytes(encoding, *plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with pytest.raises(http.NotSent, match="self-signed"):
        post(context)


def test_production_trusts_public_authorities_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "ssl_context", PRODUCTION)
    with pytest.raises(http.NotSent, match="authority"):
        post(server("receiver.example"))
    context = PRODUCTION()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert len(context.get_ca_certs()) > 50


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_protocols_are_not_spoken() -> None:
    tls = server("receiver.example")
    tls.minimum_version = ssl.TLSVersion.TLSv1
    tls.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(http.NotSent) as failed:
        post(tls)
    assert failed.value.code == "tls"


def test_something_that_is_not_tls() -> None:
    with Receiver(lambda connection: connection.sendall(OK)) as receiver, pytest.raises(http.NotSent) as failed:
        http.post(receiver.url(scheme="https"), body=b"{}")
    assert failed.value.code == "tls"


def handshake_that_trickles(connection: socket.socket) -> None:
    """The header of a TLS record of 16 KB, and then a byte now and then."""
    connection.recv(65536)
    connection.sendall(b"\x16\x03\x03\x3f\xff\x02\x00\x3f\xfb\x03\x03")
    while True:
        connection.sendall(b"\x00")
        time.sleep(0.05)


@pytest.mark.parametrize("script", [receivers.deaf, handshake_that_trickles])
def test_a_slow_handshake_ends_with_the_deadline(script: receivers.Script) -> None:
    began = time.monotonic()
    with Receiver(script) as receiver, pytest.raises(http.NotSent) as failed:
        http.post(receiver.url(scheme="https"), body=b"{}", deadline=0.8)
    assert (failed.value.code, failed.value.seen) == ("tls_timeout", "no")
    assert 0.7 < time.monotonic() - began < 1.3


SLOW = {
    "silent": (receivers.silent, http.NoAnswer),
    "deaf": (receivers.deaf, http.NoAnswer),
    "trickles": (receivers.endless(b"HTTP/1.1 200 OK\r\n\r\n", b"a", pause=0.1), 200),
}


@pytest.mark.parametrize("name", SLOW)
def test_the_deadline_holds_over_tls(name: str) -> None:
    script, expected = SLOW[name]
    began = time.monotonic()
    if isinstance(expected, int):
        answer, _ = post(server("receiver.example"), script, body=b"a" * 256 * 1024, deadline=0.8)
        assert (answer.status, answer.body_cut) == (expected, True)
    else:
        with pytest.raises(expected) as failed:
            post(server("receiver.example"), script, body=b"a" * 256 * 1024, deadline=0.8)
        assert failed.value.code == "deadline"
    assert 0.7 < time.monotonic() - began < 1.4


def test_an_early_answer_over_tls() -> None:
    def early(connection: socket.socket) -> None:
        connection.recv(10)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        time.sleep(0.3)

    answer, _ = post(server("receiver.example"), early, body=b"a" * 256 * 1024)
    assert answer.status == 413
