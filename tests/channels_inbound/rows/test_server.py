"""Rows that the web server has a part in, or the process: 9, 10, 16, 92 to 96."""

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from channels_inbound.models import Channel, InboundMessage
from tests.channels_inbound.providers import (
    make_channel,
    meta_headers,
    path_of,
    whatsapp_body,
    whatsapp_text,
)
from tests.channels_inbound.rows.sending import is_empty, messages, requests, send
from tests.channels_inbound.rows.server import Server, chunked, request, status_of
from tests.processes import ROOT, database_url

pytestmark = pytest.mark.django_db(transaction=True)
CHUNKED = {"Transfer-Encoding": "chunked"}


@pytest.fixture(scope="module")
def server(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: Any) -> Iterator[Server]:
    with django_db_blocker.unblock():
        server = Server(tmp_path_factory.mktemp("server") / "server.log")
    yield server
    server.stop()


@pytest.fixture
def channel() -> Channel:
    return make_channel(kind="whatsapp")


BODY = whatsapp_body(whatsapp_text("Over the wire", id="wamid.1"))
LARGE = whatsapp_body(whatsapp_text("a" * (5 * 1024 * 1024)))


def test_a_body_in_chunks_is_read(server: Server, channel: Channel) -> None:
    headers = meta_headers(BODY) | CHUNKED
    assert server.ask(request("POST", path_of(channel), chunked(BODY, 100), headers)) == 200
    assert messages() == [("message", "Over the wire")]


def test_row_8_too_large_by_its_length(server: Server, channel: Channel) -> None:
    """Answered although nothing of the body ever comes."""
    headers = meta_headers(LARGE) | {"Content-Length": str(len(LARGE))}
    assert server.ask(request("POST", path_of(channel), b"", headers)) == 413
    assert is_empty()


def test_row_9_too_large_in_chunks(server: Server, channel: Channel) -> None:
    headers = meta_headers(LARGE) | CHUNKED
    assert server.ask(request("POST", path_of(channel), chunked(LARGE), headers)) == 413
    assert is_empty()


def test_row_9_chunks_without_an_end(server: Server, channel: Channel) -> None:
    """Reading stops at the limit: nobody waits for the rest."""
    with server.connect() as connection:
        connection.sendall(request("POST", path_of(channel), b"", CHUNKED))
        piece = chunked(b"a" * 64 * 1024)[: -len(b"0\r\n\r\n")]
        try:
            for _ in range(80):
                connection.sendall(piece)
        except OSError:
            pass  # refused while we were still writing
        assert status_of(connection) in (413, 0)
    assert is_empty()


def test_row_10_a_body_that_ends_too_early(channel: Channel) -> None:
    """Where the caller goes away in the middle. One who stays and sends nothing is the web server's to give up."""
    more = {"wsgi.input": io.BytesIO(BODY), "CONTENT_LENGTH": str(len(BODY) + 1000)}
    assert send(channel, BODY, **more).status_code == 400
    assert is_empty()


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("a\rb", id="cr"),
        pytest.param("a\nb: c\n d", id="lf"),
        pytest.param("a\x00b", id="nul"),
        pytest.param("a" * 100 * 1024, id="100-kb"),
        pytest.param("a" * 1024 * 1024, id="1-mb"),
    ],
)
def test_row_92_header_values_that_are_none(server: Server, channel: Channel, value: str) -> None:
    """The server's to refuse; what it lets through is a request like any other."""
    data = request("POST", path_of(channel), BODY, {"X-Hub-Signature-256": value})
    assert server.ask(data) in (400, 401, 414, 431, 0)
    assert is_empty()
    assert server.ask(request("POST", path_of(channel), BODY, meta_headers(BODY))) == 200


def test_row_92_a_charset_with_a_nul_never_comes_here(server: Server, channel: Channel) -> None:
    kind = {"Content-Type": "application/json; charset=\x00"}
    assert server.ask(request("POST", path_of(channel), BODY, meta_headers(BODY) | kind)) in (400, 0)


# --- what is in the body ---------------------------------------------------------------------------------------------


def test_row_93_of_equal_keys_the_last_one_counts(channel: Channel) -> None:
    body = BODY.replace(b'"id": "wamid.1"', b'"id": "wamid.first", "id": "wamid.last"')
    assert send(channel, body).status_code == 200
    assert list(InboundMessage.objects.values_list("dedupe_key", flat=True)) == ["wamid.last"]


@pytest.mark.parametrize(
    ("extra", "status"),
    [
        pytest.param(
            {"__proto__": {"admin": True}, "constructor": {"prototype": 1}, "__class__": "x"}, 200, id="names"
        ),
        pytest.param({f"key{number}": number for number in range(100_000)}, 200, id="100000-keys"),
        pytest.param({"long": "a" * (10 * 1024 * 1024)}, 413, id="10-mb"),
    ],
)
def test_row_94_keys_and_texts_beyond_measure(channel: Channel, extra: dict[str, Any], status: int) -> None:
    began = time.monotonic()
    body = json.dumps(json.loads(BODY) | extra).encode()
    assert send(channel, body).status_code == status
    assert time.monotonic() - began < 20
    assert messages() == ([("message", "Over the wire")] if status == 200 else [])


# --- the process dies ------------------------------------------------------------------------------------------------


def die(moment: str, channel: Channel) -> None:
    asked = json.dumps({"path": path_of(channel), "body": BODY.decode(), "headers": meta_headers(BODY)})
    command = [sys.executable, "-m", "tests.channels_inbound.rows.dying", moment]
    environment = os.environ | {"DATABASE_URL": database_url()}
    ended = subprocess.run(command, cwd=ROOT, env=environment, input=asked.encode(), capture_output=True, timeout=60)
    assert ended.returncode == -9, ended.stderr.decode()


def test_row_95_dead_between_commit_and_answer(channel: Channel) -> None:
    die("between commit and answer", channel)
    assert messages() == [("message", "Over the wire")]
    assert send(channel, BODY).status_code == 200
    assert messages() == [("message", "Over the wire")]


def test_row_96_dead_before_the_commit(channel: Channel) -> None:
    die("before the commit", channel)
    assert is_empty()
    assert send(channel, BODY).status_code == 200
    assert (requests(), messages()) == (["accepted"], [("message", "Over the wire")])
