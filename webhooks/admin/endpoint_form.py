"""The form of an endpoint."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from chatzuri.fields import NotReadable
from webhooks.admin.custom_headers import HeadersField, rows_of
from webhooks.models import Endpoint


class EndpointForm(forms.ModelForm[Endpoint]):
    """Members use secrets by name. Sending one to an address of their choice would be reading it."""

    by_manager = False
    custom_headers = HeadersField(
        label="Custom headers",
        help_text="Sent with every delivery. Values are kept encrypted, sent as they are, and masked everywhere else.",
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        field = self.fields.get("custom_headers")
        if isinstance(field, HeadersField) and not self.instance._state.adding:
            field.stored = _readable_headers(self.instance)
            self.initial["custom_headers"] = rows_of(field.stored)
        if "concurrency" in self.fields:  # a short form, such as one in a test or a script, gets the default
            self.fields["concurrency"].required = False

    def clean_concurrency(self) -> int:
        typed = self.cleaned_data["concurrency"]
        return int(self.instance.concurrency if typed is None else typed)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        moved = {"url", "credential"} & set(self.changed_data)
        if not moved or self.by_manager:
            return data
        if data.get("credential") and data.get("url"):
            raise ValidationError(
                {"url": "Leave this empty: the credential's own address is used. Owners and admins may enter another."}
            )
        if "custom_headers" in data and self._keeps_values():
            raise ValidationError(
                {"custom_headers": "The address is new, so type the values again. Owners and admins may keep them."}
            )
        return data

    def _keeps_values(self) -> bool:
        field = self.fields["custom_headers"]
        return isinstance(field, HeadersField) and field.keeps_stored

    def save(self, commit: bool = True) -> Endpoint:
        if "custom_headers" in self.changed_data:
            self.instance.set_headers(self.cleaned_data["custom_headers"])
        return super().save(commit)


def _readable_headers(endpoint: Endpoint) -> dict[str, str]:
    """The form must open where an encryption key is lost: that is where the values are typed again."""
    try:
        return endpoint.custom_headers()
    except NotReadable:
        return {}
