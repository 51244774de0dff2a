from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from webhooks.restoring import WorkersAreSending, hold_after_restore

NEXT = """What to do next:
  1. Start the workers and beat. New deliveries go out as always; the held ones wait.
  2. Open each endpoint's page. Ask its receiver which of the held deliveries it has (by webhook-id), then release or
     discard them. A released delivery keeps its id and its event's id, by which the receiver recognizes it."""


class Command(BaseCommand):
    help = (
        "Run this after a database backup was restored and before workers start: holds deliveries that the backup "
        "shows as unfinished, because they may have been sent since it was made."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--older-than",
            required=True,
            metavar="TIME",
            help="when the backup was restored, in ISO 8601, for example 2030-01-31T14:05:00+00:00 (UTC if no offset)",
        )

    def handle(self, *, older_than: str, **_: Any) -> None:
        try:
            moment = datetime.fromisoformat(older_than)
        except ValueError:
            raise CommandError(f"{older_than!r} is no time. Write it like 2030-01-31T14:05:00+00:00.") from None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        try:
            held = hold_after_restore(older_than=moment)
        except WorkersAreSending as refusal:
            raise CommandError(str(refusal)) from None
        self.stdout.write(
            f"Held {held.queued + held.sending} deliveries accepted before {moment.isoformat()}: "
            f"{held.queued} were queued, {held.sending} were being sent."
        )
        self.stdout.write(NEXT if held.queued + held.sending else "Nothing was unfinished. You can start the workers.")
