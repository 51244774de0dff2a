import json
import time
from threading import BoundedSemaphore

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from webhooks import inspector
from webhooks.bodies import MAX_BODY
from webhooks.models import Bin

# A waiting answer holds a web thread. Beyond this many, answers come at once and say so.
WAITING_AT_ONCE = 8
MAX_DELAY = 12
BODILESS = (204, 205, 304)

_waiting = BoundedSemaphore(WAITING_AT_ONCE)


@csrf_exempt
def catch(request: HttpRequest, key: str, rest: str | None = None) -> HttpResponse:
    """`/inspector/<key>`: any method, no login. Whoever does not hold the key learns nothing."""
    bin = Bin.objects.select_related("team").filter(key=key).first()
    if bin is None or bin.is_expired:
        raise Http404
    body = request.read(MAX_BODY + 1)
    inspector.catch(
        bin=bin,
        method=request.method or "",
        path=request.get_full_path(),
        headers=list(request.headers.items()),
        body=body[:MAX_BODY],
        cut=len(body) > MAX_BODY,
    )
    return answer(bin)


def answer(bin: Bin) -> HttpResponse:
    """As the bin was told; never as a page, since it stands on our own origin."""
    skipped = not _wait(min(bin.answer_delay, MAX_DELAY))
    text = "" if bin.answer_status in BODILESS else bin.answer_body
    kind = "application/json" if _is_json(text) else "text/plain; charset=utf-8"
    response = HttpResponse(text, status=bin.answer_status, content_type=kind)
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    if skipped:
        response["X-Chatzuri-Inspector"] = "delay skipped: too many answers are waiting"
    return response


def _wait(seconds: int) -> bool:
    if not seconds:
        return True
    if not _waiting.acquire(blocking=False):
        return False
    try:
        time.sleep(seconds)
    finally:
        _waiting.release()
    return True


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
