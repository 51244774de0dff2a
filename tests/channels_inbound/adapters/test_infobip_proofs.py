"""Infobip: who holds the password or signs the body, and nobody else, is let in."""

import base64
import dataclasses
import hashlib
import hmac
from collections.abc import Callable
from typing import Any

import pytest

from channels_inbound.adapters.base import Incoming, NotAuthentic
from channels_inbound.adapters.infobip import ALGORITHMS, Infobip
from tests.channels_inbound.adapters.contract import AdapterContract, connected, with_header
from tests.channels_inbound.adapters.infobip_posts import (
    CONNECTION,
    CREDENTIAL,
    PASSWORD,
    SAMPLE,
    SETTINGS,
    TO,
    basic,
    request,
)


class TestInfobip(AdapterContract):
    adapter = Infobip()
    connection = CONNECTION
    sample = SAMPLE
    proof_headers = ("authorization",)
    credential = CREDENTIAL
    open_values = frozenset({CREDENTIAL["api_url"]})
    recipient = TO
    signs_body = False

    def request(self, body: bytes) -> Incoming:
        return request(body)


# --- proofs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(basic("chatzuri:wrong"), id="85-wrong"),
        pytest.param(basic(f"other:{PASSWORD}"), id="85-another-user"),
        pytest.param(basic(f":{PASSWORD}"), id="85-no-user"),
        pytest.param("Basic ###", id="85-not-base64"),
        pytest.param("Basic é", id="85-not-ascii"),
        pytest.param(basic("chatzuri"), id="85-no-colon"),
        pytest.param(basic(encoding="latin-1"), id="85-not-utf-8"),
        pytest.param(basic(scheme="Bearer"), id="85-bearer"),
        pytest.param(basic(scheme="App"), id="85-another-scheme"),
        pytest.param(basic() + ", " + basic(), id="L13-twice"),
        pytest.param(basic().removeprefix("Basic "), id="85-no-scheme"),
        pytest.param("Basic", id="85-nothing-after-the-scheme"),
    ],
)
def test_what_does_not_hold_the_password_is_refused(header: str) -> None:
    with pytest.raises(NotAuthentic):
        Infobip().verify(with_header(request(SAMPLE), "authorization", header), CONNECTION)


def test_a_refusal_asks_for_the_password() -> None:  # row 85
    refused = Infobip().refused(request(b""))
    assert refused.status == 401
    assert refused.headers == {"WWW-Authenticate": 'Basic realm="Chatzuri", charset="UTF-8"'}
    assert Infobip().refused(request(b""), 413).headers == {}


def test_the_scheme_is_a_word_in_any_case() -> None:
    incoming = with_header(request(SAMPLE), "authorization", basic(scheme="bAsIc"))
    assert Infobip().verify(incoming, CONNECTION).secret_id == "password-0"


def test_while_the_password_is_rotated_both_are_accepted_and_named() -> None:
    connection = connected(Infobip, {"password": ["the-newest-password", PASSWORD]}, SETTINGS)
    assert Infobip().verify(request(SAMPLE), connection).secret_id == "password-1"


HMAC_KEY = "key of the notification profile"
DIGESTS: dict[str, Callable[..., Any]] = {
    "HMAC_MD5": hashlib.md5,
    "HMAC_SHA_1": hashlib.sha1,
    "HMAC_SHA_224": hashlib.sha224,
    "HMAC_SHA_256": hashlib.sha256,
    "HMAC_SHA_384": hashlib.sha384,
    "HMAC_SHA_512": hashlib.sha512,
}


def signing_connection(algorithm: str = "") -> Any:
    settings = SETTINGS | {"hmac_header": "X-Signature", "hmac_algorithm": algorithm}
    return connected(Infobip, {"password": PASSWORD, "hmac_key": HMAC_KEY}, settings)


@pytest.mark.parametrize("algorithm", [*ALGORITHMS, ""])
def test_a_signed_body_proves_itself_without_the_password(algorithm: str) -> None:
    body = SAMPLE
    digest = hmac.new(HMAC_KEY.encode(), body, DIGESTS[algorithm or "HMAC_SHA_256"]).digest()
    for written in (digest.hex(), digest.hex().upper(), base64.b64encode(digest).decode()):
        incoming = with_header(request(body, **{"x-signature": written}), "authorization", None)
        assert Infobip().verify(incoming, signing_connection(algorithm)).secret_id == "hmac_key-0"
        with pytest.raises(NotAuthentic, match="signature"):
            Infobip().verify(dataclasses.replace(incoming, body=body + b" "), signing_connection(algorithm))


@pytest.mark.parametrize("signature", ["0" * 64, "é", "sha256", "\ud800"])
def test_a_wrong_signature_is_not_mended_by_the_password(signature: str) -> None:
    with pytest.raises(NotAuthentic, match="signature"):
        Infobip().verify(request(SAMPLE, **{"x-signature": signature}), signing_connection())


def test_an_algorithm_that_nobody_knows_lets_nobody_in() -> None:
    with pytest.raises(NotAuthentic, match="algorithm"):
        Infobip().verify(request(b"{}", **{"x-signature": "0"}), signing_connection("HMAC_CRC"))


def test_without_the_header_the_password_decides() -> None:
    assert Infobip().verify(request(SAMPLE), signing_connection()).secret_id == "password-0"
