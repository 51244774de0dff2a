"""Two columns of our own: the public id, and the only way a secret is stored."""

import base64
import os
import secrets
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db import models

CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"


def new_id(prefix: str) -> str:
    """`agt_` and 26 characters: 48 bits of milliseconds (so that indexes grow at one end), then 80 random bits."""
    number = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    return prefix + "_" + "".join(CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


class PublicIdField(models.CharField):
    """An opaque, prefixed id for addresses, APIs and receivers. Set when the object is made, before it is saved."""

    def __init__(self, prefix: str = "", **options: Any) -> None:
        self.prefix = prefix
        options |= {"max_length": 40, "unique": True, "editable": False, "default": partial(new_id, prefix)}
        super().__init__(**options)

    def deconstruct(self) -> tuple[str, str, Sequence[Any], dict[str, Any]]:
        name, path, args, options = super().deconstruct()
        for fixed in ("max_length", "unique", "editable", "default"):
            options.pop(fixed, None)
        return name, path, args, options | {"prefix": self.prefix}

    def db_type(self, connection: Any) -> str:
        """Spelled out: for a `varchar` Django adds a second index, for LIKE, which nobody asks and each row pays."""
        return f"character varying({self.max_length})"


class NotReadable(Exception):
    """A stored secret cannot be decrypted: its key is gone, or the value was moved from another row."""


class Sealed(str):
    """An encrypted value as the database holds it. It has no readable form, so it can be logged or listed safely."""

    def __repr__(self) -> str:
        return "<sealed>"

    __str__ = __repr__


def seal(plain: str, *, bound_to: str) -> Sealed:
    """AES-256-GCM with a fresh 96-bit nonce and the first key; `bound_to` is authenticated but not stored."""
    key_id, key = settings.FIELD_ENCRYPTION_KEYS[0]
    nonce = os.urandom(12)
    box = nonce + AESGCM(key).encrypt(nonce, plain.encode(), bound_to.encode())
    return Sealed(f"{key_id}.{base64.urlsafe_b64encode(box).decode()}")


def unseal(sealed: Sealed, *, bound_to: str) -> str:
    key_id, _, encoded = str.partition(sealed, ".")
    key = dict(settings.FIELD_ENCRYPTION_KEYS).get(key_id)
    if key is None:
        raise NotReadable(f"No encryption key {key_id!r}. Put it back into FIELD_ENCRYPTION_KEYS.")
    box = base64.urlsafe_b64decode(encoded)
    try:
        return AESGCM(key).decrypt(box[:12], box[12:], bound_to.encode()).decode()
    except InvalidTag:
        raise NotReadable("A stored secret does not belong to the row it stands in.") from None


class _Secret:
    """Decrypts when the attribute is read, not when the row is loaded: a list page never touches a key."""

    def __init__(self, field: "EncryptedTextField") -> None:
        self.field = field

    def __get__(self, row: Any, owner: type | None = None) -> Any:
        if row is None:
            return self
        if self.field.attname not in row.__dict__:
            row.refresh_from_db(fields=[self.field.attname])
        value = row.__dict__[self.field.attname]
        if isinstance(value, Sealed):
            return unseal(value, bound_to=self.field.binding(row))
        return value

    def __set__(self, row: Any, value: str) -> None:
        row.__dict__[self.field.attname] = value


class EncryptedTextField(models.TextField):
    """Text encrypted at rest and bound to its row: model, public id, team and field name are associated data.

    A ciphertext copied to another row, field or team does not decrypt. Raises `NotReadable` on reading then.
    """

    def contribute_to_class(self, cls: type[models.Model], name: str, private_only: bool = False) -> None:
        super().contribute_to_class(cls, name, private_only)
        setattr(cls, name, _Secret(self))

    def binding(self, row: Any) -> str:
        return f"{row._meta.label_lower}:{row.team_id}:{row.public_id}:{self.name}"

    def sealed(self, row: models.Model) -> Sealed | str:
        """What stands, or shall stand, in the column. Empty stays empty: it is not a secret."""
        value = row.__dict__[self.attname]
        if isinstance(value, Sealed) or not value:
            return value
        return seal(value, bound_to=self.binding(row))

    def pre_save(self, row: models.Model, add: bool) -> Any:
        sealed = self.sealed(row)
        row.__dict__[self.attname] = sealed
        return sealed

    def from_db_value(self, value: str | None, *_: Any) -> str | None:
        return Sealed(value) if value else value

    def get_prep_value(self, value: Any) -> Any:
        if value and not isinstance(value, Sealed):
            raise TypeError(f"{self.name} is a secret: set it on the row and save the row.")
        return str.__str__(value) if isinstance(value, Sealed) else value

    def value_to_string(self, row: models.Model) -> str:
        return str.__str__(self.sealed(row))
