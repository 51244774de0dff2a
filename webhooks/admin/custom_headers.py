"""The table of custom headers on an endpoint's form: names are shown, values go in and never come out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from chatzuri.credentials import mask
from webhooks.failures import Blocked
from webhooks.headers import MAX_COUNT, check_headers

EMPTY_ROWS = 2
# More than may be saved, so that the reader is told about the limit and not cut off in silence.
MOST_ROWS = MAX_COUNT + 50


@dataclass(frozen=True)
class Row:
    """A line of the table. `was` is the stored name it stands for, `hint` its masked value."""

    name: str = ""
    value: str = ""
    was: str = ""
    hint: str = ""
    is_removed: bool = False


class HeadersWidget(forms.Widget):
    template_name = "admin/webhooks/endpoint/headers_widget.html"

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """What was typed as a value is not sent back to the page, not even after a mistake."""
        rows = [*(value or []), *[Row()] * EMPTY_ROWS]
        return {**super().get_context(name, None, attrs), "rows": rows}

    def _render(self, template_name: str, context: dict[str, Any], renderer: Any = None) -> SafeString:
        """With the project's templates: the renderer of forms knows Django's own only."""
        return render_to_string(template_name, context)

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[Row]:
        removed = set(data.getlist(f"{name}_removed"))
        columns = (data.getlist(f"{name}_{column}")[:MOST_ROWS] for column in ("name", "value", "was"))
        typed = zip(*columns, strict=False)
        return [Row(n.strip(), v, was, is_removed=bool(was) and was in removed) for n, v, was in typed if n or v or was]

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return f"{name}_name" not in data

    def id_for_label(self, id_: str) -> str:
        return ""


class HeadersField(forms.Field):
    widget = HeadersWidget

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, **options)
        self.stored: Mapping[str, str] = {}
        self.keeps_stored = False  # whether values that nobody typed just now go along; fields are copied per form

    def prepare_value(self, value: Any) -> list[Row]:
        rows = value or []
        return [Row(r.name, "", r.was, mask(self.stored[r.was]) if r.was in self.stored else "") for r in rows]

    def clean(self, rows: list[Row]) -> dict[str, str]:
        """The headers as they shall be stored: an empty value keeps the stored one, also under a new name."""
        wanted: dict[str, str] = {}
        for row in rows:
            if row.is_removed or not (row.name or row.value):
                continue
            if not row.name:
                raise ValidationError("A header has a value but no name.")
            if row.name.lower() in {name.lower() for name in wanted}:
                raise ValidationError(f"The header {row.name[:80]} is there twice. Keep one of them.")
            wanted[row.name] = self._value(row)
        try:
            check_headers(wanted)
        except Blocked as refusal:
            raise ValidationError(refusal.sentence) from None
        return wanted

    def _value(self, row: Row) -> str:
        if not row.value and row.was not in self.stored:
            raise ValidationError(f"Give the header {row.name[:80]} a value.")
        self.keeps_stored = self.keeps_stored or not row.value
        return row.value or self.stored[row.was]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return any(row.value or row.is_removed or row.name != row.was for row in data or [])


def rows_of(stored: Mapping[str, str]) -> list[Row]:
    return [Row(name=name, was=name) for name in stored]
