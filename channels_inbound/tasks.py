from celery import shared_task

from channels_inbound import draining, media, processing, replying


@shared_task
def work_off() -> None:
    processing.work_off()


@shared_task
def send_replies(*, turn_id: int) -> None:
    replying.send_replies(turn_id=turn_id)


@shared_task
def fetch_media() -> None:
    media.fetch_waiting()


@shared_task
def sweep_channels() -> None:
    processing.sweep()
    replying.sweep()
    media.sweep()
    draining.drain()
