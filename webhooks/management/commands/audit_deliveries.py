import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from webhooks.auditing import Audit, audit
from webhooks.models import Delivery

SEEN = {"yes": "yes", "maybe": "maybe", "no": "no", "": "not yet"}


class Command(BaseCommand):
    help = "Holds every delivery against its event and its attempt. Exit code 1 if anything does not add up."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--all", action="store_true", help="look at every row, not only at the latest")

    def handle(self, *, all: bool, **_: Any) -> None:  # named by the option
        found = audit(whole=all)
        self._show(found)
        if found.findings:
            sys.exit(1)

    def _show(self, found: Audit) -> None:
        write = self.stdout.write
        write(f"{'State':<14}{'Deliveries':>12}   Seen by the receiver")
        for state in Delivery.State.values:
            seen = Delivery(state=state).seen_by_receiver
            write(f"{state:<14}{found.sums[state]:>12,}   {SEEN[seen]}")
        write(f"{'accepted':<14}{found.accepted:>12,}   {'all there are' if found.is_whole else 'the latest ones'}")
        write("")
        if found.oldest_queued is not None:
            write(f"The oldest one in the queue has waited {found.oldest_queued:,.0f} s.")
        for finding in found.findings:
            write(self.style.ERROR(f"✗ {finding}"))
        if not found.findings:
            write(self.style.SUCCESS("✓ Every delivery has the proof that its state asks for."))
