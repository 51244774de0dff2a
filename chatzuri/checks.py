"""What must hold before this installation may start."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register


@register()
def private_networks_are_closed(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """Development openings are loud, and refused on a public https installation."""
    findings: list[CheckMessage] = []
    if settings.DEBUG:
        return findings
    if settings.INSPECTOR_ORIGIN:
        findings.append(
            Warning(
                f"INSPECTOR_ORIGIN lets deliveries reach {settings.INSPECTOR_ORIGIN}/inspector/ at a private address.",
                hint="Leave it empty in production: a public inspector address needs no exception.",
                id="chatzuri.W001",
            )
        )
    if settings.PUBLIC_URL.startswith("https://") and settings.ALLOW_HTTP:
        findings.append(
            Error(
                "ALLOW_HTTP is on: customers' data and secrets would leave unencrypted.",
                hint="Set ALLOW_HTTP=false.",
                id="chatzuri.E001",
            )
        )
    return findings
