"""Makes processes quickly: it has everything imported already and forks a worker, a beat or a publisher on demand.

Reads one order (JSON) a line, answers with the process id. When its input ends, so do its children.
"""

import contextlib
import json
import os
import signal
import sys
import time
import traceback
from typing import Any

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.db import transaction  # noqa: E402

from chatzuri import celery_app  # noqa: E402
from tests.faults import points  # noqa: E402
from webhooks import publishing, recording  # noqa: E402
from webhooks.models import Endpoint  # noqa: E402

celery_app.loader.import_default_modules()


def worker(order: dict[str, Any]) -> None:
    queues = order.get("queues", "interactive,deliveries")
    arguments = ["worker", "-Q", queues, "--pool", "threads", "-c", str(order.get("threads", 4))]
    arguments += ["-n", f"fault-{time.monotonic_ns()}@%h", "-l", "INFO"]
    celery_app.worker_main([*arguments, "--without-gossip", "--without-mingle", "--without-heartbeat"])


def beat(order: dict[str, Any]) -> None:
    for entry in celery_app.conf.beat_schedule.values():
        entry["schedule"] = order.get("every", 1.0)
    celery_app.start(["beat", "-l", "INFO", "--pidfile=", "--schedule", order["log"] + ".schedule"])


def publish(order: dict[str, Any]) -> None:
    with transaction.atomic():
        publishing.publish(endpoint=Endpoint.objects.get(pk=order["endpoint"]), event_type="fault", data={})


JOBS = {"worker": worker, "beat": beat, "publish": publish}


def run(order: dict[str, Any]) -> None:
    log = os.open(order["log"], os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(log, 1), os.dup2(log, 2)
    settings.DELIVERY_DEADLINE = order.get("deadline", settings.DELIVERY_DEADLINE)
    if order.get("proxy"):
        points.through_proxy(*order["proxy"])
    recording.PATIENCE = order.get("patience", recording.PATIENCE)
    celery_app.conf.broker_transport_options |= order.get("transport", {})
    celery_app.conf.task_acks_late = order.get("acks_late", False)
    if order.get("clock"):
        points.shift_clock(order["clock"])
    if order.get("two_addresses"):
        points.two_addresses()
    if order.get("at"):
        points.install(order["at"], order.get("do", "kill"))
    JOBS[order["job"]](order)


def born(order: dict[str, Any]) -> int:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            run(order)
            code = 0
        except SystemExit as ending:
            code = ending.code if isinstance(ending.code, int) else 1
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush(), sys.stderr.flush()
            os._exit(code)
    return pid


def main() -> None:
    alive: set[int] = set()
    for line in sys.stdin:
        for pid in list(alive):
            if os.waitpid(pid, os.WNOHANG)[0]:
                alive.discard(pid)
        pid = born(json.loads(line))
        alive.add(pid)
        print(json.dumps({"pid": pid}), flush=True)
    for pid in alive:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
