"""A tool call over the API: request in, POST out, answer back. Web and worker as in production, idle otherwise."""

import os
import subprocess
import sys
import time

import requests

from bench import stage

SCALES = {"small": 60, "full": 400}


def web(port: int) -> subprocess.Popen:
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)]
    return subprocess.Popen(
        [*command, "--blocking-threads", "8", "--no-ws", "--log-level", "error", "chatzuri.wsgi:application"],
        cwd=stage.ROOT,
        env=os.environ | {"ALLOWED_HOSTS": "127.0.0.1"},
    )


class Web:
    def __init__(self) -> None:
        port = stage.free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.process = web(port)
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                requests.get(f"{self.url}/api/v1/schema", timeout=20)
                return
            except requests.ConnectionError:
                time.sleep(0.2)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)


def main() -> None:
    count = SCALES[stage.arguments().scale]
    with stage.running(stage.Receiver()) as receiver:
        stage.prepare(receiver)
        from agents.models import Agent, Tool
        from chatzuri.models import ApiKey

        [endpoint] = stage.make_endpoints(receiver=receiver, count=1)
        agent = Agent.objects.create(team=endpoint.team, name="bench")
        Tool.objects.create(agent=agent, endpoint=endpoint, is_active=True, repeats="allow")
        key = ApiKey(team=endpoint.team, name="bench").issue()
        pool = ["--pool", "threads", "-c", "8"]
        workers = stage.Workers(app="chatzuri", count=1, queues="interactive", pool=pool)
        with stage.running(workers), stage.running(Web()) as server:
            session = requests.Session()
            session.trust_env = False
            session.headers["Authorization"] = f"Bearer {key}"
            path = f"{server.url}/api/v1/agents/{agent.public_id}/tools/webhook_trigger/calls"
            [call(session, path) for _ in range(10)]
            took = [call(session, path) for _ in range(count)]
            bare = [plain(f"{receiver.origin}/inspector/bare") for _ in range(count)]
    own = stage.percentile(bare, 0.5)
    figures = {
        "call_p50_ms": stage.percentile(took, 0.5),
        "call_p95_ms": stage.percentile(took, 0.95),
        "call_p99_ms": stage.percentile(took, 0.99),
        "receiver_alone_p50_ms": own,
        "overhead_p50_ms": stage.percentile(took, 0.5) - own,
    }
    stage.report("interactive", figures, {"overhead_p50_ms": ("<=", 20.0)})


def call(session: requests.Session, path: str) -> float:
    began = time.perf_counter()
    answer = session.post(path, json={"arguments": {"payload": {"at": time.time_ns()}}}, timeout=30)
    assert answer.status_code == 200 and answer.json()["status"] == "fired", answer.text
    return (time.perf_counter() - began) * 1000


def plain(url: str) -> float:
    began = time.perf_counter()
    requests.post(url, data=b"{}", headers={"Connection": "close"}, timeout=10)
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    main()
