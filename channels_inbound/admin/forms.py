"""The form of one channel: its adapter says what is asked for. A secret that is stored is replaced elsewhere."""

from typing import Any

from django import forms
from django.db.models import QuerySet
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from channels_inbound import connecting
from channels_inbound.models import Channel
from chatzuri.credentials import KINDS
from chatzuri.models import Credential

# Settings that may hold several values: a line each, as people paste them.
SEVERAL = frozenset({"domains", "recipients"})


class ChannelForm(forms.Form):
    """Fields are named as `connecting` names faults: `settings/page_id`, `secrets/app_secret`, `credential`."""

    def __init__(self, *args: Any, channel: Channel, credentials: QuerySet[Credential], **options: Any) -> None:
        super().__init__(*args, **options)
        self.channel = channel
        adapter, known = channel.adapter, channel.connection()
        for setting in adapter.settings:
            self.fields[f"settings/{setting.name}"] = _setting_field(
                setting, str(channel.settings.get(setting.name, ""))
            )
        for secret in adapter.secrets:
            if not known.valid(secret.name):
                self.fields[f"secrets/{secret.name}"] = _secret_field(secret)
        if adapter.credential_kind:
            self.fields["credential"] = _credential_field(adapter.credential_kind, credentials, channel.credential_id)

    @property
    def plain_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name != "credential"]

    @property
    def credential_field(self) -> forms.BoundField | None:
        return self["credential"] if "credential" in self.fields else None

    def save(self, by: str) -> bool:
        """Whether it was taken; where not, each field says why."""
        try:
            connecting.change(
                self.channel,
                settings=self._of("settings/"),
                secrets=self._of("secrets/"),
                credential=self.cleaned_data.get("credential", "keep"),
                by=by,
            )
        except connecting.ConnectRefused as refused:
            for name, sentence in refused.fields.items():
                self.add_error(name if name in self.fields else None, sentence)
            return False
        return True

    def _of(self, prefix: str) -> dict[str, str]:
        found = {name: value for name, value in self.cleaned_data.items() if name.startswith(prefix)}
        return {name.removeprefix(prefix): value for name, value in found.items()}


def _setting_field(setting: Any, value: str) -> forms.Field:
    """Never required by the form itself: `connecting` says what is missing, and where to find it."""
    attributes = {"autocomplete": "off", "spellcheck": "false"}
    widget: Any = UnfoldAdminTextInputWidget(attributes | {"placeholder": setting.example})
    if setting.name in SEVERAL:
        value = "\n".join(each.strip() for each in value.split(",") if each.strip())
        widget = UnfoldAdminTextareaWidget(attributes | {"rows": 3, "placeholder": setting.example})
    elif setting.choices:
        widget = UnfoldAdminSelectWidget(choices=_choices(setting))
    return forms.CharField(
        label=setting.label if setting.is_required else f"{setting.label} (optional)",
        help_text=setting.help,
        initial=value,
        required=False,
        max_length=connecting.LONGEST_SETTING,
        widget=widget,
    )


def _choices(setting: Any) -> tuple[tuple[str, str], ...]:
    """Empty is always one of them: `connecting` says so where a setting is needed."""
    return setting.choices if "" in dict(setting.choices) else (("", "Not chosen"), *setting.choices)


def _secret_field(secret: Any) -> forms.Field:
    return forms.CharField(
        label=secret.label if secret.is_required else f"{secret.label} (optional)",
        help_text=secret.help,
        required=False,
        max_length=connecting.LONGEST_SECRET + 100,
        widget=UnfoldAdminPasswordWidget({"autocomplete": "new-password"}),
    )


def _credential_field(kind: str, credentials: QuerySet[Credential], chosen: int | None) -> forms.Field:
    return forms.ModelChoiceField(
        credentials.filter(kind=kind),
        label=f"Credential that sends replies ({KINDS[kind].label})",
        initial=chosen,
        required=False,
        empty_label="None: messages come in, and nothing goes out",
        widget=UnfoldAdminSelectWidget(),
    )
