"""What the pipeline is measured against, with the same policy: a fresh connection for each POST.

`bare`: a loop of `requests.Session.post`, no database, no queue. `untuned`: one Celery task per delivery as most Django
projects write it. `lean`: one task per delivery with a conditional claim and no ORM object.
"""

import os
import sys
import threading
import time

import requests
from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatzuri.settings")

app = Celery("bench.baselines")
app.config_from_object("django.conf:settings", namespace="CELERY")
if os.environ.get("BENCH_UNTUNED"):
    app.conf.update(db_reuse_max=None)  # Celery's own default: the connection is closed after each task

BODY = b'{"event":"bench","data":{"text":"' + b"x" * 900 + b'"}}'
HEADERS = {"Content-Type": "application/json", "Connection": "close"}


@app.task
def untuned(delivery_id: int) -> None:
    from webhooks.models import Delivery

    delivery = Delivery.objects.get(pk=delivery_id)
    delivery.state, delivery.token, delivery.deadline_at = "sending", "0" * 32, delivery.accepted_at
    delivery.save()
    answer = requests.post(delivery.url, data=bytes(delivery.body), headers=HEADERS, timeout=10)
    delivery.state = "delivered" if answer.ok else "rejected"
    delivery.save()


session = requests.Session()
session.trust_env = False


@app.task
def lean(delivery_id: int) -> None:
    from webhooks.models import Delivery

    row = Delivery.objects.filter(pk=delivery_id, state="queued")
    if not row.update(state="sending", token="0" * 32, deadline_at="2100-01-01T00:00Z"):
        return
    url, body = Delivery.objects.values_list("url", "body").get(pk=delivery_id)
    answer = session.post(url, data=bytes(body), headers=HEADERS, timeout=10)
    Delivery.objects.filter(pk=delivery_id).update(state="delivered" if answer.ok else "rejected")


def bare(url: str, *, count: int, threads: int) -> None:
    """`count` POSTs from `threads` threads, a session each."""

    def loop() -> None:
        own = requests.Session()
        own.trust_env = False
        for _ in range(count // threads):
            own.post(url, data=BODY, headers=HEADERS, timeout=10)

    workers = [threading.Thread(target=loop) for _ in range(threads)]
    [worker.start() for worker in workers]
    [worker.join() for worker in workers]


if __name__ == "__main__":
    # URL COUNT THREADS: says ready, begins at the next line of input, prints its CPU seconds.
    print("ready", flush=True)
    sys.stdin.readline()
    before = time.process_time()
    bare(sys.argv[1], count=int(sys.argv[2]), threads=int(sys.argv[3]))
    print(time.process_time() - before, flush=True)
