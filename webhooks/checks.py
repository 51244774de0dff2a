"""What an operator has opened, said aloud: by `manage.py check`, and in the log of every process that starts."""

import logging
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning, register

from webhooks import networks

logger = logging.getLogger(__name__)


@register()
def private_networks_are_meant(app_configs: Any, **_: Any) -> list[CheckMessage]:
    if settings.DEBUG or not settings.ALLOWED_PRIVATE_NETWORKS:
        return []
    return [
        Warning(
            f"ALLOWED_PRIVATE_NETWORKS lets deliveries reach {_opened()}.{_never_opened()}",
            hint="Every team of this installation can send requests there. Leave it empty unless that is wanted.",
            id="webhooks.W001",
        )
    ]


def log_openings() -> None:
    """One line per process, for the audit: which private networks it may reach."""
    if settings.ALLOWED_PRIVATE_NETWORKS:
        logger.warning("Deliveries may reach these private networks: %s.%s", _opened(), _never_opened())


def _opened() -> str:
    return ", ".join(str(n) for n in settings.ALLOWED_PRIVATE_NETWORKS if networks.is_openable(n)) or "no network"


def _never_opened() -> str:
    """Loopback, link-local and public networks in the list change nothing; whoever wrote them should know."""
    void = ", ".join(str(n) for n in settings.ALLOWED_PRIVATE_NETWORKS if not networks.is_openable(n))
    return f" Listed in vain, since these are never opened: {void}." if void else ""
