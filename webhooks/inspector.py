"""The built-in request bin: catches, checks signatures, answers as told."""

import time
from collections.abc import Sequence

from chatzuri.credentials import mask
from webhooks import signatures
from webhooks.models import Bin, CaughtRequest, Endpoint

# What a receiver must keep to itself; it is shown masked here too.
SECRET_HEADERS = {"x-webhook-secret", "authorization", "proxy-authorization", "cookie"}

Verdict = CaughtRequest.Verdict
VERDICTS = {"valid": Verdict.VALID, "missing_header": Verdict.UNSIGNED, "no_secret": Verdict.UNKNOWN}


def catch(
    *, bin: Bin, method: str, path: str, headers: Sequence[tuple[str, str]], body: bytes, cut: bool
) -> CaughtRequest:
    """Keep a request with what a receiver would have said of its signature."""
    verdict, reason = judge(bin=bin, headers=dict(headers), body=body, cut=cut)
    return bin.catch(
        method=method[:10],
        path=_storable(path)[:2048],
        headers=[[name, _shown(name, value)] for name, value in headers],
        body=body,
        body_cut=cut,
        answered=bin.answer_status,
        verdict=verdict,
        reason=reason[:300],
    )


def judge(*, bin: Bin, headers: dict[str, str], body: bytes, cut: bool) -> tuple[Verdict, str]:
    secrets = signing_secrets(bin)
    verdict = signatures.verify(secrets, headers, body, now=time.time())
    if verdict.reason != "missing_header" and not secrets:
        return Verdict.UNKNOWN, "No endpoint of your team has this address, so there is no secret to check with."
    if cut and not verdict.valid:
        return Verdict.UNKNOWN, "The body was too long to keep, so its signature could not be checked."
    return VERDICTS.get(verdict.reason, Verdict.INVALID), verdict.sentence


def signing_secrets(bin: Bin) -> list[str]:
    """Of the team's endpoints that lead here, by their own address or by the one in their credential."""
    candidates = Endpoint.objects.of(bin.team).filter(url__in=[bin.address, bin.address + "/", ""])
    leading = (endpoint for endpoint in candidates.select_related("credential")[:200])
    return [each.signing_secret for each in leading if each.destination().rstrip("/") == bin.address]


def _shown(name: str, value: str) -> str:
    return mask(value) if name.lower() in SECRET_HEADERS else _storable(value)


def _storable(text: str) -> str:
    """PostgreSQL keeps no NUL, and a lone surrogate is not text."""
    return text.replace("\x00", "�").encode(errors="replace").decode()
