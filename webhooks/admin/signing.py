"""What an endpoint's page says about signatures: the secret and its rotation, and how a receiver checks them."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from chatzuri.fields import NotReadable
from webhooks import signatures
from webhooks.models import Endpoint, RotationRefused

DEFAULT_OVERLAP = 24 * 3600
OVERLAPS = (
    (0, "End it at once"),
    (3600, "1 hour more"),
    (DEFAULT_OVERLAP, "24 hours more"),
    (7 * 24 * 3600, "7 days more"),
)

# Language → file. The same files are executed by the tests.
SNIPPETS = {
    "Python": "verify.py",
    "Node": "verify.js",
    "PHP": "verify.php",
    "Ruby": "verify.rb",
    "Go": "verify.go",
    "Java": "Verify.java",
    "C#": "Verify.cs",
    "Shell": "verify.sh",
}
FOLDER = Path(__file__).resolve().parent.parent / "snippets"


class SigningPages:
    """Part of the endpoint's admin."""

    own_row: Any
    log_change: Any
    url_name: Any
    page_context: Any

    def signing_context(self, endpoint: Endpoint) -> dict[str, Any]:
        return {
            "overlaps": OVERLAPS,
            "default_overlap": DEFAULT_OVERLAP,
            "overlap_ends_at": endpoint.overlap_ends_at,
            "signed_headers": _signed_headers(endpoint),
            "secret_in_clear": bool(endpoint.credential_id) and _goes_in_clear(endpoint),
            "snippets": [(number, *snippet) for number, snippet in enumerate(snippets())],
        }

    def rotate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        endpoint = self.own_row(request, object_id, to_change=True)
        keep_for = _overlap(request.POST.get("keep_for", str(DEFAULT_OVERLAP)))
        try:
            if keep_for is None:
                raise RotationRefused("Choose how long the previous secret shall stay valid.")
            secret = endpoint.rotate_signing_secret(keep_for=keep_for, secret=request.POST.get("secret", "").strip())
        except RotationRefused as refused:
            messages.error(request, str(refused))
            return self._to_endpoint(endpoint)
        until = endpoint.overlap_ends_at
        self.log_change(
            request, endpoint, f"Signing secret rotated{f', the old one ends {until:%c}' if until else ''}."
        )
        return self.show_secret(request, endpoint, secret, "The new signing secret", until=until)

    def end_overlap(self, request: HttpRequest, object_id: str) -> HttpResponse:
        endpoint = self.own_row(request, object_id, to_change=True)
        endpoint.end_overlap()
        self.log_change(request, endpoint, "The previous signing secret was ended.")
        messages.success(request, "Only the newest signing secret signs from now on.")
        return self._to_endpoint(endpoint)

    def show_secret(
        self, request: HttpRequest, endpoint: Endpoint, secret: str, heading: str, *, until: Any = None
    ) -> HttpResponse:
        overlap = f" Until {until:%d %B, %H:%M} UTC every request carries the old signature too." if until else ""
        context = self.page_context(
            request,
            title="Signing secret",
            heading=heading,
            sentence="Your receiver checks with this signing secret that a request really comes from here. "
            f"It signs the header webhook-signature, and X-Chatzuri-Signature.{overlap}",
            secret=secret,
            next_url=reverse(self.url_name("change"), args=[endpoint.pk]),
        )
        return TemplateResponse(request, "admin/shown_once.html", context)

    def _to_endpoint(self, endpoint: Endpoint) -> HttpResponse:
        return HttpResponseRedirect(reverse(self.url_name("change"), args=[endpoint.pk]))


def snippets() -> list[tuple[str, str]]:
    return [(language, (FOLDER / name).read_text()) for language, name in SNIPPETS.items()]


def _overlap(seconds: str) -> timedelta | None:
    known = {str(number): timedelta(seconds=number) for number, _ in OVERLAPS}
    return known.get(seconds)


def _signed_headers(endpoint: Endpoint) -> list[str]:
    """The names of the headers that prove something at this endpoint."""
    names = [*signatures.headers(signatures.new_secret(), delivery_id="dlv", timestamp=0, body=b"")]
    try:
        return [*names, *(["X-Webhook-Secret"] if endpoint.shared_secret() else []), *endpoint.custom_headers()]
    except NotReadable:
        return names


def _goes_in_clear(endpoint: Endpoint) -> bool:
    """A shared secret over plain http can be read on the way."""
    try:
        return bool(endpoint.shared_secret()) and endpoint.destination().startswith("http://")
    except NotReadable:
        return False
