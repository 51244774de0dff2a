"""Credentials: the kind decides the fields, values go in and never come out."""

import re
from typing import Any

import idna
from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from chatzuri.admin.base import TeamScopedAdmin
from chatzuri.admin.wall import is_manager
from chatzuri.credentials import ADDRESSES, KINDS, CredentialField, check_address, hosts_of, mask
from chatzuri.models import Credential

LINES = "lines"
OPERATIONS_HELP = (
    "What requests with it may do. Read only: GET, HEAD. Read and write: also POST, PUT, PATCH. "
    "Full access: also DELETE."
)
NO_HOST = "Name at least one host: these secrets are sent only to hosts that are named, so without one to nowhere."
HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
# What people write beside a host, and what is wrong with it.
BESIDE_HOSTS = {
    "://": "Write the host alone, without https:// and without what follows it: api.example.com.",
    "/": "Write the host alone, without a path: api.example.com.",
    "@": "Write the host alone, without a user name: api.example.com.",
    "*": "Write every host by its full name, one a line. A star is not understood.",
    ":": "Write the host without a port: api.example.com.",
}


class SealedTextarea(UnfoldAdminTextareaWidget):
    """Like a password field: what was typed is not sent back to the page, not even after a mistake."""

    def format_value(self, value: Any) -> str:
        return ""


class CredentialForm(forms.ModelForm[Credential]):
    """The fields `value_…` are added by `form_for`, one per field of the kind."""

    kind_name: str = ""

    class Meta:
        model = Credential
        fields = ("name", "allowed_operations", "hosts")
        widgets = {
            "name": UnfoldAdminTextInputWidget(),
            "allowed_operations": UnfoldAdminSelectWidget(),
            "hosts": UnfoldAdminTextareaWidget({"rows": 3, "autocomplete": "off", "spellcheck": "false"}),
        }

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.instance.kind = self.kind_name
        self.stored = {} if self.instance._state.adding else self.instance.reveal()
        for declared in KINDS[self.kind_name].fields:
            self._prepare(declared)
        self.fields["hosts"].help_text = _hosts_help(self.kind_name, self.stored)
        if "allowed_operations" in self.fields:
            self.fields["allowed_operations"].help_text = OPERATIONS_HELP
        if LINES in self.fields and self.stored:
            known = ", ".join(f"{name} {mask(value)}" for name, value in self.stored.items())
            self.fields[LINES].help_text = f"Stored: {known}. Lines replace or add; “name=” alone removes."

    def _prepare(self, declared: CredentialField) -> None:
        field, stored = self.fields[f"value_{declared.name}"], self.stored.get(declared.name, "")
        field.required = declared.is_required and not stored
        if stored:
            field.help_text = f"{declared.help} Stored: {_shown(declared, stored)}. Leave empty to keep it.".strip()
        elif not declared.is_required:
            field.help_text = f"{declared.help} Leave empty for none.".strip()
        if declared.is_required or not stored:
            self.fields.pop(f"clear_{declared.name}", None)

    def clean_hosts(self) -> str:
        """One host a line, in the letters in which addresses are compared."""
        typed = [line.strip() for line in str(self.cleaned_data["hosts"]).splitlines()]
        return "\n".join(dict.fromkeys(_host(line) for line in typed if line))

    def clean_lines(self) -> dict[str, str]:
        """`name=value` a line, as a dictionary; an empty value removes."""
        values = {}
        for line in str(self.cleaned_data[LINES]).splitlines():
            name, found, value = line.partition("=")
            if line.strip() and (not found or not name.strip().isidentifier()):
                raise ValidationError("Write one name=value a line. Names have letters, digits and underscores only.")
            if line.strip():
                values[name.strip()] = value.strip()
        if not values and not self.stored:
            raise ValidationError("Give at least one name=value.")
        for name in ADDRESSES:
            if address := values.get(name):
                check_address(address)
        return values

    def clean(self) -> dict[str, Any]:
        """A new credential must be able to go somewhere; those that are stored already are left as they are."""
        cleaned = super().clean() or self.cleaned_data
        if self.errors or not self.instance._state.adding or _takes_address(self.kind_name):
            return cleaned
        if not hosts_of(self.kind_name, cleaned.get(LINES, {}), cleaned["hosts"]):
            self.add_error("hosts", NO_HOST)
        return cleaned

    def save(self, commit: bool = True) -> Credential:
        values = self.stored | self.cleaned_data.get(LINES, {})
        for declared in KINDS[self.kind_name].fields:
            if self.cleaned_data.get(f"clear_{declared.name}"):
                values[declared.name] = ""
            elif typed := self.cleaned_data[f"value_{declared.name}"]:
                values[declared.name] = typed
        self.instance.replace_values(values)
        return super().save(commit)


def _takes_address(kind_name: str) -> bool:
    return any(declared.name in ADDRESSES for declared in KINDS[kind_name].fields)


def _hosts_help(kind_name: str, stored: dict[str, str]) -> str:
    """Names the ways that this kind has, and no others."""
    ways = ["there"]
    if KINDS[kind_name].hosts:
        ways.append("to the provider")
    if _takes_address(kind_name):
        ways.append("to the address above")
    known = ", ".join(sorted(hosts_of(kind_name, stored)))
    return (
        "Host names, one a line, for example api.openweathermap.org. Custom actions may send these secrets only "
        f"{' and '.join(ways)}.{f' Known already: {known}.' if known else ''}"
    )


def _shown(declared: CredentialField, stored: str) -> str:
    """The mask; of an address its host too, which is no secret and says whether it is the right one."""
    host = ", ".join(hosts_of("", {declared.name: stored}))
    return f"{mask(stored)} at {host}" if host else mask(stored)


def _host(line: str) -> str:
    """The one spelling of a host name. Raises ValidationError with what to write instead."""
    for sign, sentence in BESIDE_HOSTS.items():
        if sign in line:
            raise ValidationError(sentence)
    try:
        name = line if line.isascii() else idna.encode(line, uts46=True, std3_rules=True).decode()
    except UnicodeError:
        name = ""
    name = name.lower().removesuffix(".")
    if not HOST.fullmatch(name) or len(name) > 253:
        raise ValidationError(f"“{line[:80]}” is not the full name of a host. Write it like api.example.com.")
    return name


def form_for(kind_name: str) -> type[CredentialForm]:
    """The form of a kind: a literal class is not possible, since the kinds are a table."""
    fields: dict[str, Any] = {"kind_name": kind_name}
    for declared in KINDS[kind_name].fields:
        widget = UnfoldAdminPasswordWidget({"autocomplete": "new-password"})
        fields[f"value_{declared.name}"] = forms.CharField(
            label=declared.label,
            help_text=declared.help,
            max_length=4096,
            validators=[check_address] if declared.name in ADDRESSES else [],
            widget=widget if declared.is_secret else UnfoldAdminTextInputWidget({"autocomplete": "off"}),
        )
        if not declared.is_required:
            fields[f"clear_{declared.name}"] = forms.BooleanField(
                label=f"Remove {declared.label.lower()}", required=False, widget=UnfoldBooleanWidget()
            )
    if not KINDS[kind_name].fields:
        fields[LINES] = forms.CharField(
            label="Values",
            required=False,
            max_length=20_000,
            help_text="One name=value a line, for example access_token=abc123.",
            widget=SealedTextarea({"rows": 5, "autocomplete": "off", "spellcheck": "false"}),
        )
    return type("CredentialForm", (CredentialForm,), fields)


@admin.register(Credential)
class CredentialAdmin(TeamScopedAdmin):
    """Owners and admins keep credentials; members use them by name."""

    managers_only = True
    members_may_view = True
    empty_sentence = "A credential keeps the secrets of a provider, for tools and endpoints of the whole team."
    list_display = ("name", "kind", "operations", "last_used_at", "changed_at")
    list_filter = ("kind",)
    search_fields = ("name",)
    search_help_text = "Search by name"
    readonly_fields = ("used_by", "last_used_at", "changed_at")

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """First the kind, then its fields."""
        if chosen_kind(request) in KINDS or not self.has_add_permission(request):
            return super().add_view(request, form_url, extra_context)
        context = self.page_context(request, title="Add credential", kinds=KINDS.items(), query=request.GET.urlencode())
        return TemplateResponse(request, "admin/chatzuri/credential/choose_kind.html", context)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any) -> Any:
        if obj is not None and not self.has_change_permission(request, obj):
            return super().get_form(request, obj, change=change, **options)
        kind = obj.kind if obj else chosen_kind(request)
        return super().get_form(request, obj, change=change, form=form_for(kind), **options)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is not None and not self.has_change_permission(request, obj):
            return [(None, {"fields": ("name", "kind", "used_by", "last_used_at")})]
        kind_name = obj.kind if obj else chosen_kind(request)
        kind = KINDS[kind_name]
        values: list[str] = [] if kind.fields else [LINES]
        for declared in kind.fields:
            values.append(f"value_{declared.name}")
            if obj and not declared.is_required and obj.reveal().get(declared.name):
                values.append(f"clear_{declared.name}")
        values.append("hosts")
        head = ("name", "allowed_operations") if kind.has_profile else ("name",)
        rest = [("Use", {"fields": ("used_by", "last_used_at", "changed_at")})] if obj else []
        return [(None, {"fields": head}), (kind.label, {"fields": values}), *rest]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.readonly_fields if obj else ()

    def get_list_display(self, request: HttpRequest) -> Any:
        return self.list_display if is_manager(request) else ("name", "kind", "last_used_at")

    @admin.display(description="Allowed operations", ordering="allowed_operations", empty_value="–")
    def operations(self, credential: Credential) -> str | None:
        """None where the kind has no profile: then nothing is limited, whatever the column holds."""
        return credential.get_allowed_operations_display() if KINDS[credential.kind].has_profile else None

    @admin.display(description="Used by")
    def used_by(self, credential: Credential) -> str:
        return ", ".join(self.users_of([credential])) or "Nothing yet"


def chosen_kind(request: HttpRequest) -> str:
    return request.GET.get("kind", "")
