"""Files that came with messages: fetched by workers, from the provider's own hosts only, through the one door."""

import hashlib
import logging
import time
import uuid
from datetime import timedelta
from urllib.parse import urlsplit

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from channels_inbound.adapters.base import Adapter, Outgoing
from channels_inbound.models import Attachment, Channel
from channels_inbound.waking import BELIEF, FETCH_MEDIA, heed_wake, wake_workers
from webhooks import http
from webhooks.headers import check_fetched

logger = logging.getLogger(__name__)

State = Attachment.State
MOST = 16 * 1024 * 1024
LIMITS = http.Limits(request_body=64 * 1024, response_body=MOST, check_headers=check_fetched)
SECONDS = 30.0
LEASE = timedelta(seconds=120)
REDIRECTS = 3
TRIED_FOR = timedelta(minutes=30)
AT_ONCE = 20


class NotFetched(Exception):
    """The sentence says why there is no file. What `may_pass` is tried again: reading twice does no harm."""

    def __init__(self, sentence: str, *, may_pass: bool = False) -> None:
        super().__init__(sentence)
        self.may_pass = may_pass


def fetch_waiting() -> int:
    """Fetch what waits; how many were tried. Fetching is reading: a worker that dies may do it again."""
    heed_wake(FETCH_MEDIA)
    count = 0
    while count < AT_ONCE and (attachment := _lease() or _lease_soon()) is not None:
        fetch(attachment)
        count += 1
    if count == AT_ONCE:
        wake_workers(FETCH_MEDIA)
    return count


def _lease_soon() -> Attachment | None:
    """Whoever believed that somebody is on the way has committed by then."""
    time.sleep(2 * BELIEF)
    return _lease()


def _is_free() -> Q:
    """It waits, and no worker is at it."""
    return Q(state=State.PENDING) & (Q(lease_until=None) | Q(lease_until__lt=Now()))


def _lease() -> Attachment | None:
    with transaction.atomic():
        rows = Attachment.objects.select_for_update(skip_locked=True).filter(_is_free())
        row = rows.order_by("pk").first()
        if row is None:
            return None
        Attachment.objects.filter(pk=row.pk).update(lease_until=Now() + LEASE)
    related = ("inbound_message__channel__agent__team", "inbound_message__channel__credential")
    return Attachment.objects.select_related(*related).get(pk=row.pk)


def fetch(attachment: Attachment) -> None:
    channel = attachment.inbound_message.channel
    try:
        content, mime_type = _content(channel, attachment)
    except NotFetched as why:
        if not (why.may_pass and _is_young(attachment)):
            _refuse(attachment, str(why))
        return
    except Exception:
        logger.exception("Fetching %s broke.", attachment.public_id)
        _refuse(attachment, "The file could not be fetched. That is a fault of ours.")
        return
    name = default_storage.save(f"inbound/{channel.public_id}/{uuid.uuid4().hex}", ContentFile(content))
    stored = Attachment.objects.filter(pk=attachment.pk, state=State.PENDING).update(
        state=State.STORED,
        file=name,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        mime_type=(attachment.mime_type or mime_type)[:100],
        stored_at=Now(),
        reason="",
    )
    if not stored:
        # Somebody deleted the message while we fetched its file, or another worker was faster.
        default_storage.delete(name)


def _is_young(attachment: Attachment) -> bool:
    """Within this time the lease runs out now and then, and somebody tries again."""
    return timezone.now() - attachment.inbound_message.received_at < TRIED_FOR


def _refuse(attachment: Attachment, why: str) -> None:
    waiting = Attachment.objects.filter(pk=attachment.pk, state=State.PENDING)
    waiting.update(state=State.REFUSED, reason=why[:500], lease_until=None)


def _content(channel: Channel, attachment: Attachment) -> tuple[bytes, str]:
    adapter = channel.adapter
    credential = channel.credential.reveal() if channel.credential else {}
    if (attachment.size or 0) > MOST:
        raise NotFetched(f"It is larger than {MOST // 1024 // 1024} MB.")
    try:
        request = adapter.media(attachment.described, credential)
    except ValueError as why:
        raise NotFetched(str(why)) from None
    if request is None:
        raise NotFetched("The provider says neither where the file is nor what it is called.")
    answer = _get(adapter, request)
    # Never of a file's own content: that would let a customer choose where our proof goes next.
    is_file = request.url == attachment.described.get("url")
    if not is_file and (url := adapter.media_url(answer.body, credential)):
        answer = _get(adapter, _at(request, url))
    kind = next((value for name, value in answer.headers if name.lower() == "content-type"), "")
    return answer.body, kind.partition(";")[0].strip()


def _at(request: Outgoing, url: str) -> Outgoing:
    """The file itself, with the same proof: providers ask for it there too."""
    return Outgoing(method="GET", url=url, headers=request.headers)


def _get(adapter: Adapter, request: Outgoing) -> http.Answer:
    """Follows redirects among the provider's own hosts only, and takes its proof to the first host only."""
    first_host = urlsplit(request.url).hostname
    for _ in range(REDIRECTS + 1):
        host = urlsplit(request.url).hostname or ""
        if not is_among(host, adapter.media_hosts):
            raise NotFetched("The file is not on a host of the provider’s, so it was not fetched.")
        headers = dict(request.headers) if host == first_host else {}
        answer = _once(request, headers)
        if answer.status in (301, 302, 303, 307, 308):
            location = next((value for name, value in answer.headers if name.lower() == "location"), "")
            request = Outgoing(method="GET", url=location, headers=request.headers)
            continue
        if answer.status != 200:
            busy = answer.status >= 500 or answer.status in (408, 425, 429)
            raise NotFetched(f"The provider answered {answer.status}.", may_pass=busy)
        if answer.body_cut:
            raise NotFetched(f"It is larger than {MOST // 1024 // 1024} MB, or the provider stopped before its end.")
        return answer
    raise NotFetched("The provider sent us from one address to the next.")


def _once(request: Outgoing, headers: dict[str, str]) -> http.Answer:
    try:
        return http.request(
            request.method, request.url, body=request.body, headers=headers, deadline=SECONDS, limits=LIMITS
        )
    except http.SendFailed as failure:
        raise NotFetched(str(failure), may_pass=not isinstance(failure, http.Blocked)) from None


def is_among(host: str, hosts: tuple[str, ...]) -> bool:
    """Whether it is one of these hosts, or below one of them."""
    return any(host == each or host.endswith(f".{each}") for each in hosts)


def sweep() -> None:
    """Wake somebody for files that nobody came for."""
    old = Q(inbound_message__received_at__lt=timezone.now() - timedelta(seconds=30))
    if Attachment.objects.filter(old, _is_free()).exists():
        heed_wake(FETCH_MEDIA)
        wake_workers(FETCH_MEDIA)
