"""No input of any kind gives an answer of 500 or more, breaks a reader or a worker, or makes this process grow.

Genuine requests of every provider are spoiled: before they are signed, so that what is read is wrong, and after.
FUZZ_REQUESTS says how many (20,000 for a long run), FUZZ_SEED chooses what is spoiled: both are printed.
"""

import gc
import io
import json
import logging
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from channels_inbound import processing
from channels_inbound.models import Channel, InboundMessage, InboundRequest
from channels_inbound.samples import SAMPLES
from tests.channels_inbound import mutating
from tests.channels_inbound.fuzz_seeds import JSON, Seed, seeds
from tests.channels_inbound.providers import URL_FORM, mailgun_proof, multipart, open_channel, path_of, proof

REQUESTS = int(os.environ.get("FUZZ_REQUESTS") or 600)
SEED = int(os.environ.get("FUZZ_SEED") or 20261125)
MOST_GROWTH = 60 * 1024 * 1024
# What Python, Django and the database's driver fill once is no growth.
WARM = 0.2
pytestmark = pytest.mark.django_db(transaction=True)

CONTENT_TYPES = [
    "",
    "text/plain",
    "application/xml",
    "application/json; charset=utf-16",
    'application/json; charset="utf-8',
    "application/json;charset=rot13",
    "application/json;charset=undefined",
    "application/json;charset=base64",
    "application/json; charset=" + "a" * 3000,
    "multipart/form-data",
    "multipart/form-data; boundary=",
    "multipart/form-data; boundary=x\u00e9",
    URL_FORM,
    ";;;=",
    "é/é",
]
METHODS = ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "post", "BREW"]
QUERIES = [
    "hub.mode=subscribe&hub.verify_token=a-verify-token&hub.challenge=%3Cscript%3E",
    "hub.mode=subscribe&hub.verify_token=&hub.challenge=%00%ff",
    "hub.challenge=1&hub.challenge=2&hub.mode",
    "bodySHA256=abc&bodySHA256=%ff",
    "%",
    "a=" + "b" * 5000,
    "é",
]
LENGTHS = ["0", "1", "-1", "abc", "1e3", "٣", "99999999999", "9" * 30, " 12", "+5"]


@dataclass
class Sent:
    """A request as a server hands it to us."""

    body: bytes
    content_type: str
    headers: dict[str, str]
    method: str = "POST"
    path: str = ""
    more: dict[str, Any] = field(default_factory=dict)


class Faults(logging.Handler):
    """Whatever is logged as a fault of ours."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR or record.exc_info or "broke" in record.getMessage():
            self.seen.append(logging.Formatter("%(name)s: %(message)s").format(record)[-3000:])


@pytest.fixture
def faults() -> Iterator[Faults]:
    handler, requests = Faults(), logging.getLogger("django.request")
    before = requests.level
    # Refusals are thousands; pytest would keep each of them in memory.
    requests.setLevel(logging.ERROR)
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)
    requests.setLevel(before)


def resident() -> int:
    """Bytes of this process that are in memory."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# --- making requests -------------------------------------------------------------------------------------------------


def genuine(channel: Channel, seed: Seed, rng: random.Random, *, number: int, is_spoiled: bool) -> Sent:
    """Signed, whatever is in it; one in ten has the ids of another one."""
    if rng.random() < 0.9:
        form = seed.content_type != JSON
        content = mutating.renamed(dict(seed.content) if form else seed.content, number)
        seed = Seed(seed.content_type, list(content.items()) if form else content)
    if seed.content_type == JSON:
        return _json(channel, seed, rng, is_spoiled=is_spoiled)
    pairs = mutating.spoiled_pairs(seed.content, rng) if is_spoiled else list(seed.content)
    if channel.kind == "mailgun":
        pairs = [(name, value) for name, value in pairs if name not in ("timestamp", "token", "signature")]
        pairs += mailgun_proof().items()
        if rng.random() < 0.5:
            return _multipart(pairs, rng)
    body = mutating.encoded(pairs)
    return Sent(body, URL_FORM, proof(channel, body, URL_FORM))


def _json(channel: Channel, seed: Seed, rng: random.Random, *, is_spoiled: bool) -> Sent:
    content = seed.content
    if channel.kind == "mailgun":
        signature = mailgun_proof()
        body = mutating.spoiled_json(content.get("event-data"), rng) if is_spoiled else b"{}"
        body = b'{"signature": ' + json.dumps(signature).encode() + b', "event-data": ' + body + b"}"
    else:
        body = mutating.spoiled_json(content, rng) if is_spoiled else json.dumps(content).encode()
    return Sent(body, JSON, proof(channel, body))


def _multipart(pairs: list[tuple[str, str]], rng: random.Random) -> Sent:
    fields = [
        (
            name.encode(errors="replace").decode().replace('"', "").replace("\r", "").replace("\n", ""),
            value.encode(errors="surrogatepass"),
        )
        for name, value in pairs
    ]
    files = [("attachment-1", rng.choice(mutating.TEXTS[7:12]).replace('"', ""), rng.randbytes(100))]
    body, kind = multipart(fields, files)
    return Sent(body, kind, {})


def spoil(sent: Sent, rng: random.Random) -> None:
    """After it was signed."""
    action = rng.randrange(8)
    if action == 0:
        sent.body = mutating.spoiled_bytes(sent.body, rng)
    elif action == 1 and sent.headers:
        name = rng.choice(list(sent.headers))
        sent.headers[name] = mutating.spoiled_header(sent.headers[name], rng)
    elif action == 2 and sent.headers:
        del sent.headers[rng.choice(list(sent.headers))]
    elif action == 3:
        sent.content_type = rng.choice(CONTENT_TYPES)
    elif action == 4:
        sent.method = rng.choice(METHODS)
        sent.more["QUERY_STRING"] = rng.choice(QUERIES)
    elif action == 5:
        sent.more["CONTENT_LENGTH"] = rng.choice(LENGTHS)
    elif action == 6:
        sent.more["QUERY_STRING"] = rng.choice(QUERIES)
    else:
        _unusual(sent, rng)


def _unusual(sent: Sent, rng: random.Random) -> None:
    action = rng.randrange(4)
    if action == 0:
        sent.headers["Content-Encoding"] = rng.choice(("gzip", "identity", "br, gzip", "é", ""))
    elif action == 1:
        sent.headers["Transfer-Encoding"] = rng.choice(("chunked", "CHUNKED", "gzip, chunked", "é"))
        sent.more["CONTENT_LENGTH"] = ""
    elif action == 2:
        sent.path += rng.choice(("/", "//", "%00", "/../x", "%ff", "\u00e9", "?"))
    else:
        sent.headers |= {"X-Forwarded-Host": "evil.example", "Idempotency-Key": rng.choice(mutating.TEXTS[6:9]) or "k"}


def deliver(client: Client, sent: Sent) -> int:
    # A real server's stream ends where the body does, whatever length was announced.
    more = {"wsgi.input": io.BytesIO(sent.body), **sent.more}
    headers = {
        name: value.encode().decode("latin-1") if not value.isascii() else value for name, value in sent.headers.items()
    }
    answer = client.generic(sent.method, sent.path, sent.body, content_type=sent.content_type, headers=headers, **more)
    return int(answer.status_code)


# --- the run ---------------------------------------------------------------------------------------------------------


def test_no_input_gives_a_fault(faults: Faults, settings: Any, capsys: Any) -> None:
    settings.INBOUND_DEBOUNCE = 0
    rng, client = random.Random(SEED), Client(raise_request_exception=False)
    statuses: Counter[int] = Counter()
    channels = [(channel, seeds(channel)) for channel in map(open_channel, SAMPLES)]
    began, memory, slowest = time.monotonic(), 0, (0.0, "")
    for number in range(REQUESTS):
        if number == int(REQUESTS * WARM):
            memory = resident()
        channel, known = rng.choice(channels)
        sent = genuine(channel, rng.choice(known), rng, number=number, is_spoiled=(before := rng.random() < 0.7))
        sent.path = path_of(channel)
        if not before or rng.random() < 0.1:
            spoil(sent, rng)
        at = time.monotonic()
        status = deliver(client, sent)
        slowest = max(slowest, (time.monotonic() - at, f"request {number} to {channel.kind}"))
        statuses[status] += 1
        assert status < 500, describe(number, channel, sent, status, faults)
        assert not faults.seen, describe(number, channel, sent, status, faults)
    growth, took = resident() - memory, time.monotonic() - began
    worked = work_everything_off()
    with capsys.disabled():
        print(f"\n{REQUESTS:,} requests, seed {SEED}, in {took:.1f} s; slowest {slowest[0]:.2f} s ({slowest[1]})")
        print(f"answers {dict(sorted(statuses.items()))}; memory grew by {growth / 2**20:.1f} MB")
        states = Counter(InboundRequest.objects.values_list("state", flat=True))
        print(f"kept {dict(states)}; messages {dict(worked)}")
    assert growth < MOST_GROWTH
    assert statuses[200] > REQUESTS / 3, "most requests are signed, and have to come to the readers"
    assert faults.seen == []
    assert set(worked) <= {"done", "ignored", "received"}
    assert not InboundMessage.objects.filter(reason=processing.BROKEN).exists()


def work_everything_off() -> Counter[str]:
    """The workers' part, until nothing is left but receipts that wait for what they are a receipt of."""
    while waiting := processing.waiting():
        for thread in waiting:
            processing.work_on(thread.channel_id, thread.thread_key)
    return Counter(InboundMessage.objects.values_list("state", flat=True))


def describe(number: int, channel: Channel, sent: Sent, status: int, faults: Faults) -> str:
    named = f"request {number} (seed {SEED}) to {channel.kind}: {sent.method} {sent.content_type} {sent.headers}"
    return "\n".join([named, repr(sent.more), f"answered {status}", repr(sent.body[:2000]), *faults.seen])
