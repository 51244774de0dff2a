from typing import Any

from celery import shared_task
from celery.signals import task_failure, worker_shutting_down
from django.db import close_old_connections

from webhooks import auditing, lanes, recording, replaying, sending
from webhooks.models import Delivery


@shared_task
def drain() -> None:
    sending.drain()


@shared_task
def drain_slow() -> None:
    sending.drain(slow=True)


@shared_task
def drain_calm() -> None:
    lanes.drain_calm()


@shared_task
def send_one(*, delivery_id: int) -> None:
    sending.send(Delivery.objects.get(pk=delivery_id))


@shared_task
def sweep() -> None:
    sending.sweep()
    replaying.sweep()


@shared_task
def reap() -> None:
    sending.reap()


@shared_task
def audit() -> None:
    auditing.audit()


@shared_task
def replay(*, replay_id: int) -> None:
    replaying.advance(replay_id=replay_id)


@shared_task
def hold_failing() -> None:
    recording.hold_failing()


@task_failure.connect
def _leave_broken_connections(**_: Any) -> None:
    """A connection outlives its task. One that broke would make every later task of this thread fail as well."""
    close_old_connections()


@worker_shutting_down.connect
def _finish_and_stop(**_: Any) -> None:
    sending.stop_claiming()
