"""Requests of a provider: verified and stored a second, and how long one takes at half of that load.

The product's view, an ordinary Django view that does the same (bench/inbound_site.py) and an empty one, in turns, on
the same server (granian, two processes with two threads each) in the same run. Every request is a WhatsApp message of
its own with its own signature.
"""

import hashlib
import hmac
import json
import os
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass

from bench import stage

SCALES = {"small": 3.0, "full": 10.0}
ROUNDS = 3
CLIENTS = 8
SECRET = "a-secret-of-the-benchmark"


class Server:
    def __init__(self) -> None:
        self.port = stage.free_port()
        command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1"]
        command += ["--port", str(self.port), "--workers", "2", "--blocking-threads", "2", "--no-ws"]
        self.process = subprocess.Popen(
            [*command, "--log-level", "error", "bench.inbound_site:application"],
            cwd=stage.ROOT,
            env=os.environ | {"ALLOWED_HOSTS": "127.0.0.1", "LOG_LEVEL": "ERROR"},
        )
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                if b" 200 " in Connection(self.port).send(request("/bench/empty", b"", "")):
                    return
            except OSError:
                pass
            time.sleep(0.2)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)


class Connection:
    """Keep-alive, and as little work as possible: the client shares the processors with the server."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data: bytes) -> bytes:
        self.socket.sendall(data)
        answer = b""
        while b"\r\n\r\n" not in answer:
            piece = self.socket.recv(65536)
            if not piece:
                raise OSError("closed")
            answer += piece
        return answer.partition(b"\r\n")[0]


def request(path: str, body: bytes, signature: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json"]
    lines += [f"Content-Length: {len(body)}", f"X-Hub-Signature-256: sha256={signature}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def message(path: str, number: str) -> bytes:
    text = {"from": "254712345678", "id": f"wamid.{number}", "timestamp": str(int(time.time())), "type": "text"}
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550001111", "phone_number_id": "1234567890"},
        "contacts": [{"profile": {"name": "Asha"}, "wa_id": "254712345678"}],
        "messages": [text | {"text": {"body": "Do you ship to Kisumu, and how long does it take?"}}],
    }
    whole = {
        "object": "whatsapp_business_account",
        "entry": [{"id": "1", "changes": [{"field": "messages", "value": value}]}],
    }
    body = json.dumps(whole).encode()
    return request(path, body, hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest())


@dataclass(frozen=True)
class Measured:
    rate: float
    latencies: list[float]


def load(port: int, requests: list[bytes], *, seconds: float, rate: float | None = None) -> Measured:
    """As fast as it goes with CLIENTS connections, or at `rate` requests a second whatever the server does."""
    queue, lock = iter(requests), threading.Lock()
    began, latencies = time.perf_counter(), list[float]()
    sent = 0

    def run() -> None:
        nonlocal sent
        connection = Connection(port)
        while time.perf_counter() - began < seconds:
            with lock:
                data, number = next(queue, None), sent
                sent += 1
            if data is None:
                return
            due = began + number / rate if rate else time.perf_counter()
            time.sleep(max(0.0, due - time.perf_counter()))
            first = connection.send(data)
            # From when it was due: a request that had to wait for a free client waited for the server.
            latencies.append((time.perf_counter() - due) * 1000)
            assert b" 200 " in first, first

    threads = [threading.Thread(target=run) for _ in range(CLIENTS)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert sent <= len(requests) + CLIENTS, "there were too few requests prepared"
    return Measured(len(latencies) / (time.perf_counter() - began), latencies)


def main() -> None:
    seconds = SCALES[stage.arguments().scale]
    with stage.running(stage.Receiver()) as receiver:
        stage.prepare(receiver)
        from agents.models import Agent
        from channels_inbound.models import Channel, InboundMessage
        from chatzuri.models import Team

        team = Team.objects.create(name="bench", slug="bench")
        agent = Agent.objects.create(team=team, name="bench")
        channel = Channel(agent=agent, kind="whatsapp", settings={"phone_number_id": "1234567890"})
        channel.put_secret("app_secret", SECRET)
        channel.save()
        paths = {
            "product": f"/api/v1/agents/{agent.public_id}/chat/whatsapp",
            "ordinary": f"/bench/ordinary/{agent.public_id}",
            "empty": "/bench/empty",
        }
        rates: dict[str, list[float]] = {name: [] for name in paths}
        with stage.running(Server()) as server:
            for each in range(ROUNDS):
                for name, path in paths.items():
                    prepared = [message(path, f"{name}.{each}.{n}") for n in range(int(4000 * seconds))]
                    rates[name].append(load(server.port, prepared, seconds=seconds).rate)
            product = stage.percentile(rates["product"], 0.5)
            prepared = [message(paths["product"], f"half.{n}") for n in range(int(product * seconds * 2))]
            half = load(server.port, prepared, seconds=seconds * 2, rate=product / 2)
        stored = InboundMessage.objects.count()
    ordinary = stage.percentile(rates["ordinary"], 0.5)
    figures = {
        "product_per_second": product,
        "ordinary_per_second": ordinary,
        "empty_per_second": stage.percentile(rates["empty"], 0.5),
        "ratio_to_ordinary": product / ordinary,
        "half_load_p50_ms": stage.percentile(half.latencies, 0.5),
        "half_load_p99_ms": stage.percentile(half.latencies, 0.99),
        "messages_stored": float(stored),
    }
    goals = {"ratio_to_ordinary": (">=", 1.8), "half_load_p99_ms": ("<=", 30.0)}
    stage.report("inbound", figures, goals)


if __name__ == "__main__":
    main()
