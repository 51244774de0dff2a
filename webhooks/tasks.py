from celery import shared_task

from webhooks import sending
from webhooks.models import Delivery


@shared_task
def drain() -> None:
    sending.drain()


@shared_task
def send_one(*, delivery_id: int) -> None:
    sending.send(Delivery.objects.get(pk=delivery_id))


@shared_task
def sweep() -> None:
    sending.sweep()


@shared_task
def reap() -> None:
    sending.reap()
