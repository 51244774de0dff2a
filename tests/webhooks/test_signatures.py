import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooks import signatures

# The vector that the Standard Webhooks libraries test themselves with.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OLD_SECRET = "whsec_" + base64.b64encode(b"o" * 32).decode()
ID, NOW, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def signed(secrets: str | list[str] = SECRET, body: bytes = BODY) -> dict[str, str]:
    return signatures.headers(secrets, delivery_id=ID, timestamp=NOW, body=body)


def test_the_official_vector() -> None:
    headers = signed()
    assert headers["webhook-id"] == ID
    assert headers["webhook-timestamp"] == str(NOW)
    assert headers["webhook-signature"] == SIGNATURE


def test_the_plain_signature_is_keyed_with_the_secret_as_people_see_it() -> None:
    expected = hmac.new(SECRET.encode(), BODY, hashlib.sha256).hexdigest()
    assert signed()["X-Chatzuri-Signature"] == f"sha256={expected}"


def test_during_a_rotation_either_secret_verifies() -> None:
    headers = signed([SECRET, OLD_SECRET])
    assert headers["webhook-signature"].split(" ")[0] == SIGNATURE
    assert len(headers["webhook-signature"].split(" ")) == 2
    for secret in (SECRET, OLD_SECRET):
        assert signatures.verify(secret, headers, BODY, NOW).valid
    assert headers["X-Chatzuri-Signature"] == signed()["X-Chatzuri-Signature"]


@pytest.mark.parametrize("secrets", [[], [SECRET] * 4])
def test_the_number_of_secrets_is_capped(secrets: list[str]) -> None:
    with pytest.raises(ValueError, match="one to 3 secrets"):
        signed(secrets)


@pytest.mark.parametrize("delivery_id", ["", "a.b", "a b", "a\nb", "é"])
def test_an_id_that_could_shift_the_signed_parts_is_refused(delivery_id: str) -> None:
    with pytest.raises(ValueError, match="delivery id"):
        signatures.headers(SECRET, delivery_id=delivery_id, timestamp=NOW, body=BODY)


def test_new_secrets_are_good_and_different() -> None:
    secrets = {signatures.new_secret() for _ in range(50)}
    assert len(secrets) == 50
    for secret in secrets:
        signatures.check_secret(secret)
        assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32


def encoded(size: int) -> str:
    return "whsec_" + base64.b64encode(b"k" * size).decode()


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        encoded(8),
        encoded(23),
        encoded(65),
        "whsec_" + "A" * 1_000_000,
        "whsec_not base64 at all, really not",
        SECRET + "\n",
        " " + SECRET,
        SECRET.removeprefix("whsec_"),
        "whsec_" + "é" * 40,
    ],
)
def test_a_weak_or_broken_secret_is_refused_and_never_repeated(secret: str) -> None:
    with pytest.raises(ValueError, match="A signing secret is whsec_") as refused:
        signatures.check_secret(secret)
    assert len(secret) < 20 or secret.strip() not in str(refused.value)


def test_secrets_at_the_limits_are_good() -> None:
    signatures.check_secret(encoded(24))
    signatures.check_secret(encoded(64))


@pytest.mark.parametrize(
    ("change", "body", "now", "reason"),
    [
        ({}, BODY, NOW, "valid"),
        ({}, BODY, NOW + 300, "valid"),
        ({}, BODY, NOW + 301, "stale_timestamp"),
        ({}, BODY, NOW - 301, "stale_timestamp"),
        ({}, BODY + b" ", NOW, "wrong_signature"),
        ({"webhook-id": "other"}, BODY, NOW, "wrong_signature"),
        ({"webhook-timestamp": str(NOW + 1)}, BODY, NOW, "wrong_signature"),
        ({"webhook-signature": SIGNATURE[:-1]}, BODY, NOW, "wrong_signature"),
        ({"webhook-signature": SIGNATURE + "A"}, BODY, NOW, "wrong_signature"),
        ({"webhook-signature": "v1,"}, BODY, NOW, "wrong_signature"),
        ({"webhook-signature": ",,,"}, BODY, NOW, "wrong_signature"),
        ({"webhook-signature": f"v1,AAAA {SIGNATURE}"}, BODY, NOW, "valid"),
        ({"webhook-signature": "é\ud800"}, BODY, NOW, "wrong_signature"),
        ({"webhook-signature": "v" * 100_000}, BODY, NOW, "malformed_header"),
        ({"webhook-signature": ""}, BODY, NOW, "missing_header"),
        ({"webhook-timestamp": ""}, BODY, NOW, "missing_header"),
        ({"webhook-timestamp": "-1"}, BODY, NOW, "malformed_header"),
        ({"webhook-timestamp": "1.5"}, BODY, NOW, "malformed_header"),
        ({"webhook-timestamp": "1" * 30}, BODY, NOW, "malformed_header"),
        ({"webhook-id": "a.b"}, BODY, NOW, "malformed_header"),
    ],
)
def test_the_verdict_says_why(change: dict[str, str], body: bytes, now: int, reason: str) -> None:
    verdict = signatures.verify(SECRET, signed() | change, body, now)
    assert (verdict.reason, verdict.valid) == (reason, reason == "valid")
    assert verdict.sentence.endswith(".")
    assert verdict.scheme == "standard-webhooks"


def test_names_of_headers_are_compared_in_any_letter_case() -> None:
    assert signatures.verify(SECRET, {k.upper(): v for k, v in signed().items()}, BODY, NOW).valid


def test_the_plain_signature_alone_is_verified_too() -> None:
    headers = {"X-Chatzuri-Signature": signed()["X-Chatzuri-Signature"]}
    assert signatures.verify(SECRET, headers, BODY, NOW).valid
    verdict = signatures.verify(SECRET, headers, BODY + b"x", NOW)
    assert (verdict.reason, verdict.scheme) == ("wrong_signature", "x-chatzuri-signature")


def test_without_a_signature_or_a_usable_secret_nothing_is_valid() -> None:
    assert signatures.verify(SECRET, {}, BODY, NOW).reason == "missing_header"
    for secrets in ("", [], ["whsec_short"]):
        assert signatures.verify(secrets, signed(), BODY, NOW).reason == "no_secret"
    assert signatures.verify(OLD_SECRET, signed(), BODY, NOW).reason == "wrong_signature"


ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=40)
NAMES = st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature", "X-Chatzuri-Signature"]) | ANY_TEXT


@given(
    secrets=ANY_TEXT | st.lists(ANY_TEXT | st.just(SECRET), max_size=3),
    headers=st.dictionaries(NAMES, ANY_TEXT | st.sampled_from([ID, str(NOW)])),
    body=st.binary(max_size=40),
)
def test_verify_never_raises_and_never_believes_a_stranger(
    secrets: str | list[str], headers: dict[str, str], body: bytes
) -> None:
    assert signatures.verify(secrets, headers, body, NOW).valid is False
