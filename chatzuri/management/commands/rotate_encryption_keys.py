"""Re-encrypts every secret with the first key of FIELD_ENCRYPTION_KEYS, so that older keys can be removed."""

from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import models, transaction

from chatzuri.fields import EncryptedTextField, NotReadable, seal, unseal


def encrypted_columns() -> list[tuple[type[models.Model], EncryptedTextField]]:
    return [
        (model, field)
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if isinstance(field, EncryptedTextField)
    ]


class Command(BaseCommand):
    help = (
        "Re-encrypts every secret with the first key of FIELD_ENCRYPTION_KEYS. "
        "Put the new key first, restart, run this, then remove the old key. Safe to run again."
    )

    def handle(self, *_: Any, **__: Any) -> None:
        current = settings.FIELD_ENCRYPTION_KEYS[0][0]
        unreadable = 0
        for model, field in encrypted_columns():
            done, bad = self.rotate(model, field, current)
            unreadable += bad
            self.stdout.write(
                f"{model._meta.label}.{field.name}: {done} re-encrypted with {current!r}, {bad} unreadable"
            )
        if unreadable:
            raise CommandError(f"{unreadable} secrets could not be read; keep the old keys until that is solved.")

    def rotate(self, model: type[models.Model], field: EncryptedTextField, current: str) -> tuple[int, int]:
        done = bad = 0
        stale = model._base_manager.exclude(**{field.name: ""}).exclude(**{f"{field.name}__startswith": f"{current}."})
        for key in stale.values_list("pk", flat=True).iterator(chunk_size=500):
            try:
                done += self.rotate_row(model, field, key)
            except NotReadable as error:
                bad += 1
                self.stderr.write(f"{model._meta.label} {key}: {error}")
        return done, bad

    def rotate_row(self, model: type[models.Model], field: EncryptedTextField, key: Any) -> int:
        """One row under its lock: a secret that is being replaced right now must not be put back."""
        with transaction.atomic():
            row = model._base_manager.select_for_update().get(pk=key)
            sealed = row.__dict__[field.attname]
            binding = field.binding(row)
            fresh = seal(unseal(sealed, bound_to=binding), bound_to=binding)
            return model._base_manager.filter(pk=key).update(**{field.name: fresh})
