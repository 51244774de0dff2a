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
    endpoints = leading_here(bin)
    now = time.time()
    verdict = signatures.verify([each.signing_secret for each in endpoints], headers, body, now=now)
    if verdict.reason != "missing_header" and not endpoints:
        return Verdict.UNKNOWN, "No endpoint of your team has this address, so there is no secret to check with."
    if cut and not verdict.valid:
        return Verdict.UNKNOWN, "The body was too long to keep, so its signature could not be checked."
    for endpoint in endpoints if verdict.reason in ("valid", "wrong_signature") else ():
        if signatures.verify(endpoint.previous_secret, headers, body, now=now).valid:
            return _with_previous(endpoint, also_newest=verdict.valid)
    return VERDICTS.get(verdict.reason, Verdict.INVALID), verdict.sentence


def _with_previous(endpoint: Endpoint, *, also_newest: bool) -> tuple[Verdict, str]:
    until = f"{endpoint.previous_secret_until:%d %B, %H:%M} UTC" if endpoint.previous_secret_until else ""
    if also_newest:
        sentence = f"Signed with both secrets: the new one, and the previous one, which is valid until {until}."
        return Verdict.VALID, sentence
    if endpoint.overlap_ends_at:
        return Verdict.VALID, f"Signed with the previous secret only, which is valid until {until}."
    return Verdict.INVALID, f"Signed with the previous secret, which was valid until {until} and is not any more."


def leading_here(bin: Bin) -> list[Endpoint]:
    """The team's endpoints that send here, by their own address or by the one in their credential."""
    candidates = Endpoint.objects.of(bin.team).filter(url__in=[bin.address, bin.address + "/", ""])
    found = candidates.select_related("credential")[:200]
    return [each for each in found if each.destination().rstrip("/") == bin.address]


def _shown(name: str, value: str) -> str:
    return mask(value) if name.lower() in SECRET_HEADERS else _storable(value)


def _storable(text: str) -> str:
    """PostgreSQL keeps no NUL, and a lone surrogate is not text."""
    return text.replace("\x00", "�").encode(errors="replace").decode()
