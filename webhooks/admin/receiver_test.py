"""Test my receiver: one genuine request, one altered after signing, and whether it told them apart."""

import uuid
from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from webhooks import publishing, sending
from webhooks.admin import showing
from webhooks.admin.deliveries import form_token
from webhooks.headers import GENUINE, TAMPERED
from webhooks.models import Delivery, Endpoint


@dataclass(frozen=True)
class Verdict:
    """`label` for a badge, `sentence` for what it means and what to do."""

    label: str
    sentence: str
    tone: str


WAITING = Verdict("waiting", "The two requests are on their way.", "wait")
UNCLEAR = Verdict(
    "not clear", "At least one of them got no answer, so nothing can be said. See the deliveries.", "warn"
)

# (genuine was accepted, altered was accepted) → what it means
VERDICTS = {
    (True, False): Verdict(
        "it checks signatures", "It accepted the genuine request and refused the altered one.", "good"
    ),
    (True, True): Verdict(
        "it does not check",
        "It accepted a request that was altered after signing, so anybody could send it anything. Put the code for "
        "your language into it.",
        "bad",
    ),
    (False, False): Verdict(
        "it refuses both",
        "It may have another signing secret, or check a body that was parsed and written anew. Give it the secret of "
        "this endpoint, and the raw bytes.",
        "warn",
    ),
    (False, True): Verdict(
        "it has them the wrong way round", "It refused the genuine request and accepted the altered one.", "bad"
    ),
}


class ReceiverTestPages:
    """Part of the endpoint's admin."""

    own_row: Any
    page_context: Any
    url_name: Any

    def test_receiver(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """POST sends, GET tells. The altered request goes first: the genuine one then mends the endpoint's record."""
        endpoint = self.own_row(request, object_id, to_change=True)
        here = reverse(self.url_name("receiver"), args=[endpoint.pk])
        if request.method == "POST":
            token = form_token(request)
            genuine, tampered = publishing.test_signature(endpoint=endpoint, form_token=token)
            for delivery in (tampered, genuine):
                _send(delivery, endpoint)
            return HttpResponseRedirect(f"{here}?test={token}")
        deliveries = _made_by(request.GET.get("test", ""), endpoint)
        if not deliveries:
            return HttpResponseRedirect(reverse(self.url_name("change"), args=[endpoint.pk]))
        verdict = judge(*deliveries)
        names = ("Genuine", "Altered after signing")
        context = self.page_context(
            request,
            title="Test my receiver",
            endpoint=endpoint,
            verdict=verdict,
            again=f"{here}?test={request.GET['test']}" if verdict is WAITING else "",
            form_token=uuid.uuid4(),
            rows=[(n, d, showing.outcome_badge(d)) for n, d in zip(names, deliveries, strict=True)],
        )
        return TemplateResponse(request, "admin/webhooks/endpoint/receiver.html", context)


def judge(genuine: Delivery, tampered: Delivery) -> Verdict:
    if not (genuine.is_finished and tampered.is_finished):
        return WAITING
    answered = {Delivery.State.DELIVERED: True, Delivery.State.REJECTED: False}
    accepted = [answered.get(Delivery.State(each.state)) for each in (genuine, tampered)]
    return UNCLEAR if None in accepted else VERDICTS[bool(accepted[0]), bool(accepted[1])]


def _send(delivery: Delivery, endpoint: Endpoint) -> None:
    """A token that somebody else used made somebody else's delivery."""
    if delivery.endpoint_id != endpoint.pk:
        raise Http404
    if delivery.state == Delivery.State.QUEUED:
        sending.send_and_wait(delivery, timeout=5)


def _made_by(token: str, endpoint: Endpoint) -> list[Delivery]:
    """The genuine and the altered one of this button, or nothing."""
    try:
        tokens = [publishing.token_of(uuid.UUID(token), kind) for kind in (GENUINE, TAMPERED)]
    except ValueError:
        return []
    made = Delivery.objects.filter(endpoint=endpoint, form_token__in=tokens).select_related("attempt", "event")
    found = {each.form_token: each for each in made}
    return [found[each] for each in tokens] if len(found) == len(tokens) else []
