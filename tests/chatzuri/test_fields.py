import base64
import os
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.core.serializers import serialize
from django.db import connection

from chatzuri.fields import NotReadable, Sealed, new_id
from chatzuri.models import Credential
from tests.factories import make_credential, make_endpoint, make_team

SECRET = "planted-secret-4242"


@pytest.fixture
def credential(db):
    return make_credential(team=make_team(), values={"webhook_url": "https://a.example/x", "secret": SECRET})


def column(row: Credential) -> str:
    with connection.cursor() as cursor:
        cursor.execute('SELECT "values" FROM chatzuri_credential WHERE id = %s', [row.pk])
        return cursor.fetchone()[0]


def write_column(row: Credential, value: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute('UPDATE chatzuri_credential SET "values" = %s WHERE id = %s', [value, row.pk])


def test_a_secret_comes_back_and_is_not_in_the_table(credential):
    assert Credential.objects.get(pk=credential.pk).reveal()["secret"] == SECRET
    assert SECRET not in column(credential)
    assert column(credential).startswith("k1.") or "." in column(credential)


def test_the_same_secret_is_stored_differently_each_time(credential):
    first = column(credential)
    credential.replace_values({"webhook_url": "https://a.example/x", "secret": SECRET})
    credential.save()
    assert column(credential) != first


def test_a_ciphertext_moved_to_another_row_does_not_decrypt(credential):
    other = make_credential(team=credential.team)
    write_column(other, column(credential))
    with pytest.raises(NotReadable):
        Credential.objects.get(pk=other.pk).reveal()


def test_a_row_moved_to_another_team_keeps_its_secret_closed(credential):
    Credential.objects.filter(pk=credential.pk).update(team=make_team())
    with pytest.raises(NotReadable):
        Credential.objects.get(pk=credential.pk).reveal()


def test_an_altered_ciphertext_does_not_decrypt(credential):
    key_id, _, box = column(credential).partition(".")
    raw = bytearray(base64.urlsafe_b64decode(box))
    raw[-1] ^= 1
    write_column(credential, f"{key_id}.{base64.urlsafe_b64encode(raw).decode()}")
    with pytest.raises(NotReadable):
        Credential.objects.get(pk=credential.pk).reveal()


def test_what_is_loaded_without_being_read_shows_nothing(credential):
    loaded = Credential.objects.values_list("values", flat=True).get(pk=credential.pk)
    assert isinstance(loaded, Sealed)
    assert f"{loaded} {loaded!r}" == "<sealed> <sealed>"
    assert SECRET not in serialize("json", Credential.objects.all())


def test_a_secret_cannot_be_written_past_its_row(credential):
    with pytest.raises(TypeError, match="save the row"):
        Credential.objects.filter(pk=credential.pk).update(values="{}")


def test_keys_rotate_and_the_old_one_can_go(credential, settings):
    endpoint = make_endpoint(team=credential.team)
    signing_secret = endpoint.signing_secret
    old, new = settings.FIELD_ENCRYPTION_KEYS, [("fresh", os.urandom(32))]
    settings.FIELD_ENCRYPTION_KEYS = new + old
    call_command("rotate_encryption_keys", stdout=StringIO())
    settings.FIELD_ENCRYPTION_KEYS = new
    assert Credential.objects.get(pk=credential.pk).reveal()["secret"] == SECRET
    endpoint.refresh_from_db()
    assert endpoint.signing_secret == signing_secret
    assert column(credential).startswith("fresh.")


def test_rotation_says_what_it_cannot_read(credential, settings):
    settings.FIELD_ENCRYPTION_KEYS = [("fresh", os.urandom(32))]
    with pytest.raises(CommandError, match="keep the old keys"):
        call_command("rotate_encryption_keys", stdout=StringIO(), stderr=StringIO())


def test_ids_are_prefixed_sortable_and_unique():
    ids = [new_id("agt") for _ in range(2000)]
    assert len(set(ids)) == 2000
    assert all(len(i) == 30 and i.startswith("agt_") for i in ids)
    assert ids[0][:12] <= ids[-1][:12]
