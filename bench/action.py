"""A custom action from the API's test run to its result: trivial, the guide's example, and beside two endless loops.

Web and worker as in production; the receiver answers at once. The loops belong to another team and end at the time
limit. The ceiling is how fast single-use sandboxes can be started, which `start_ms` and `cpu_ms` show.
"""

import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests

from bench import stage
from bench.interactive import Web

SCALES = {"small": (40, 60), "full": (200, 400)}  # runs one after the other, runs at once
POOL = ["--pool", "threads", "-c", "4"]
TRIVIAL = "return {success: true};"
LOOP = "for (;;) {}"


class Team:
    """A team with a key and a webhook credential that leads to the receiver."""

    def __init__(self, receiver: stage.Receiver, server: Web, name: str) -> None:
        from chatzuri.models import ApiKey, Credential

        [endpoint] = stage.make_endpoints(receiver=receiver, count=1, name=name)
        credential = Credential(team=endpoint.team, name="hook", kind="webhook", hosts="127.0.0.1")
        credential.replace_values({"webhook_url": f"{receiver.origin}/inspector/example", "secret": "s3cret-s3cret"})
        credential.save()
        self.credential = credential.public_id
        self.inside: list[float] = []  # milliseconds of each trivial run in the sandbox itself
        self.url = f"{server.url}/api/v1/actions/test"
        self.headers = {"Authorization": "Bearer " + ApiKey(team=endpoint.team, name="bench").issue()}

    def run(self, code: str, **more: Any) -> tuple[float, dict[str, Any]]:
        """Milliseconds from the call to its answer, and the answer."""
        began = time.perf_counter()
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(self.url, json={"code": code, **more}, headers=self.headers, timeout=60)
        took = (time.perf_counter() - began) * 1000
        assert answer.status_code == 200, answer.text
        return took, dict(answer.json())

    def trivial(self) -> float:
        took, run = self.run(TRIVIAL)
        assert run["state"] == "succeeded", run
        self.inside.append(run["milliseconds"])
        return took

    def example(self) -> float:
        from agents.library import READY

        ready = READY["post-json"]
        params = {"email": "ada@example.com", "conversation_id": "cnv_bench"}
        took, run = self.run(ready.code, parameters=ready.parameters, params=params, credential=self.credential)
        assert run["result"] == {"success": True}, run
        return took


def one_by_one(work: Any, count: int, pause: float) -> list[float]:
    """With a pause in between, in which the worker fills its pool again, as between two customers."""
    found = []
    for _ in range(count):
        found.append(work())
        time.sleep(pause)
    return found


def throughput(teams: list[Team], count: int) -> float:
    """Runs per second with four teams that want two at a time each."""
    began = time.perf_counter()
    with ThreadPoolExecutor(len(teams) * 2) as pool:
        list(pool.map(lambda number: teams[number % len(teams)].trivial(), range(count)))
    return count / (time.perf_counter() - began)


def beside_loops(calm: Team, crowd: Team, count: int) -> tuple[list[float], list[float]]:
    """What the calm team's runs took, and what the endless ones of the other team took until they were ended."""
    ended: list[float] = []
    loops = [threading.Thread(target=lambda: ended.append(crowd.run(LOOP)[0])) for _ in range(2)]
    for loop in loops:
        loop.start()
    time.sleep(1)
    took = one_by_one(calm.trivial, count, 0.15)
    for loop in loops:
        loop.join()
    return took, ended


def main() -> None:
    few, many = SCALES[stage.arguments().scale]
    with stage.running(stage.Receiver()) as receiver:
        stage.prepare(receiver)
        workers = stage.Workers(app="chatzuri", count=1, queues="actions", pool=POOL)
        with stage.running(workers), stage.running(Web()) as server:
            teams = [Team(receiver, server, f"team{number}") for number in range(4)]
            cold = teams[0].trivial()
            one_by_one(teams[0].trivial, 5, 0.2)
            trivial = one_by_one(teams[0].trivial, few, 0.2)
            example = one_by_one(teams[0].example, few, 0.2)
            beside, ended = beside_loops(teams[1], teams[2], 20)
            cpu = workers.cpu()
            rate = throughput(teams, many)
            cpu = (workers.cpu() - cpu) / many
    figures = {
        "first_run_ms": cold,
        "trivial_p50_ms": statistics.median(trivial),
        "trivial_p95_ms": stage.percentile(trivial, 0.95),
        "example_p50_ms": statistics.median(example),
        "example_p95_ms": stage.percentile(example, 0.95),
        "trivial_in_the_sandbox_p50_ms": statistics.median(teams[0].inside),
        "beside_two_loops_p50_ms": statistics.median(beside),
        "beside_two_loops_in_the_sandbox_p50_ms": statistics.median(teams[1].inside[: len(beside)]),
        "endless_loop_ended_after_ms": max(ended),
        "runs_per_second": rate,
        "worker_cpu_ms_per_run": cpu * 1000,
    }
    goals = {"trivial_p50_ms": ("<=", 50.0), "example_p50_ms": ("<=", 100.0), "runs_per_second": (">=", 40.0)}
    stage.report("action", figures, goals)


if __name__ == "__main__":
    main()
