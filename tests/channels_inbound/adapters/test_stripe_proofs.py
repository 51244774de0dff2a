"""Stripe: signatures, and what is signed and no event."""

import dataclasses
import json
from datetime import timedelta

import pytest

from channels_inbound.adapters.base import Incoming, NotAuthentic, Unusable
from channels_inbound.adapters.stripe import Stripe
from tests.channels_inbound.adapters.contract import NOW, AdapterContract, check_arrivals, connected, with_header
from tests.channels_inbound.adapters.stripe_posts import BODY, CONNECTION, OLD_SECRET, SECRET, STAMP, mac, request


class TestStripe(AdapterContract):
    adapter = Stripe()
    connection = CONNECTION
    sample = BODY
    proof_headers = ("stripe-signature",)

    def request(self, body: bytes) -> Incoming:
        return request(body)

    def test_the_sample_holds_a_message_of_a_person(self) -> None:
        """Not at Stripe: whatever it tells starts no agent."""
        arrivals = self.arrivals(self.sample)
        check_arrivals(arrivals)
        assert [arrival.kind for arrival in arrivals] == ["event"]
        assert not any(arrival.starts_agent for arrival in arrivals)


# --- proofs ----------------------------------------------------------------------------------------------------------

RIGHT = mac(BODY)


@pytest.mark.parametrize(
    "header",
    [
        pytest.param("", id="19-empty"),
        pytest.param(f"t={STAMP},v1={mac(BODY, secret='whsec_of_another_endpoint')}", id="21-another-endpoint"),
        pytest.param(f"t={STAMP - 301},v1={mac(BODY, STAMP - 301)}", id="22-301-seconds-old"),
        pytest.param(f"t={STAMP + 3600},v1={mac(BODY, STAMP + 3600)}", id="23-an-hour-ahead"),
        pytest.param(f"t={STAMP + 301},v1={mac(BODY, STAMP + 301)}", id="L04-301-seconds-ahead"),
        pytest.param(f"t={STAMP},v0={RIGHT}", id="24-only-v0"),
        pytest.param(f"v1={RIGHT}", id="25-no-t"),
        pytest.param(f"t=abc,v1={mac(BODY, 'abc')}", id="25-t-is-no-number"),
        pytest.param(f"t={STAMP}.0,v1={mac(BODY, f'{STAMP}.0')}", id="L04-a-fraction"),
        pytest.param(f"t=-{STAMP},v1={mac(BODY, f'-{STAMP}')}", id="L04-negative"),
        pytest.param(f"t=1{'0' * 30},v1={mac(BODY, '1' + '0' * 30)}", id="L04-ten-to-the-thirty"),
        pytest.param(f"t= {STAMP},v1={mac(BODY, f' {STAMP}')}", id="L04-a-space"),
        pytest.param(f"t=,v1={mac(BODY, '')}", id="L04-t-empty"),
        pytest.param(f"t=\u0661\u0662,v1={RIGHT}", id="L04-digits-of-another-script"),
        pytest.param(f"t={STAMP},t={STAMP},v1={RIGHT}", id="25-t-twice"),
        pytest.param(f"t={STAMP},v1=é{RIGHT[1:]}", id="27-not-ascii"),
        pytest.param(f"t={STAMP},v1={RIGHT[:-1]}", id="L02-shorter"),
        pytest.param(f"t={STAMP},v1={RIGHT}0", id="L02-longer"),
        pytest.param(f"t={STAMP},v1={RIGHT.upper()}", id="upper-case"),
        pytest.param(f"t={STAMP},v1={RIGHT},", id="L01-a-comma-at-the-end"),
        pytest.param(f",t={STAMP},v1={RIGHT}", id="L01-a-comma-in-front"),
        pytest.param(f"t={STAMP},,v1={RIGHT}", id="L01-two-commas"),
        pytest.param(f"t={STAMP},v1,v1={RIGHT}", id="L01-no-value"),
        pytest.param(f"t={STAMP};v1={RIGHT}", id="semicolons"),
        pytest.param(f"t={STAMP}, v1={RIGHT}", id="spaces-after-commas"),
        pytest.param(f"t={STAMP},v1={RIGHT}" + f",v1={RIGHT}" * 2000, id="L01-100-kb"),
        pytest.param(f"t={STAMP},v1={RIGHT}, t={STAMP},v1={RIGHT}", id="L13-the-header-twice"),
    ],
)
def test_a_header_that_stripe_would_not_write_is_refused(header: str) -> None:
    with pytest.raises(NotAuthentic):
        Stripe().verify(request(BODY, header), CONNECTION)


def test_without_the_header_it_is_refused() -> None:  # row 19
    with pytest.raises(NotAuthentic, match="no_signature"):
        Stripe().verify(with_header(request(BODY), "stripe-signature", None), CONNECTION)


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(f"t={STAMP - 300},v1={mac(BODY, STAMP - 300)}", id="22-300-seconds-old"),
        pytest.param(f"t={STAMP + 300},v1={mac(BODY, STAMP + 300)}", id="300-seconds-ahead"),
        pytest.param(f"t={STAMP},v1={'0' * 64},v1={RIGHT}", id="26-the-second-v1-is-right"),
        pytest.param(f"t={STAMP},v1={RIGHT},v0={'0' * 64}", id="v0-beside-it"),
        pytest.param(f"v1={RIGHT},v2=later,t={STAMP}", id="another-order-and-a-later-scheme"),
    ],
)
def test_a_right_proof_is_found_in_its_header(header: str) -> None:
    verified = Stripe().verify(request(BODY, header), CONNECTION)
    assert verified.secret_id == "signing_secret-0"
    assert verified.signed_at is not None


def test_300_seconds_are_over_only_when_the_next_begins() -> None:
    header = f"t={STAMP - 300},v1={mac(BODY, STAMP - 300)}"
    late = dataclasses.replace(request(BODY, header), at=NOW + timedelta(milliseconds=900))
    assert Stripe().verify(late, CONNECTION)


def test_while_a_secret_is_rolled_both_are_accepted_and_named() -> None:
    connection = connected(Stripe, {"signing_secret": [SECRET, OLD_SECRET]})
    assert Stripe().verify(request(BODY), connection).secret_id == "signing_secret-0"
    old = request(BODY, f"t={STAMP},v1={mac(BODY, secret=OLD_SECRET)}")
    assert Stripe().verify(old, connection).secret_id == "signing_secret-1"


def test_the_whole_secret_is_the_key_with_its_prefix() -> None:
    header = f"t={STAMP},v1={mac(BODY, secret=SECRET.removeprefix('whsec_'))}"
    with pytest.raises(NotAuthentic):
        Stripe().verify(request(BODY, header), CONNECTION)


def test_the_bytes_are_signed_not_what_they_mean() -> None:
    again = json.dumps(json.loads(BODY), indent=1).encode()
    with pytest.raises(NotAuthentic):
        Stripe().verify(dataclasses.replace(request(BODY), body=again), CONNECTION)


# --- what is not usable ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"\xff\xfe", id="28-not-utf-8"),
        pytest.param(b"[]", id="29-array"),
        pytest.param(b"null", id="29-null"),
        pytest.param(b'"text"', id="29-text"),
        pytest.param(b"", id="29-empty"),
        pytest.param(b'{"object":"event","type":"charge.failed"}', id="30-no-id"),
        pytest.param(b'{"id":"evt_1","object":"event","data":{"object":{}}}', id="30-no-type"),
        pytest.param(b'{"id":"evt_1","object":"event","type":"charge.failed","data":null}', id="30-data-null"),
        pytest.param(b'{"id":"evt_1","type":"x","data":{"object":{"amount":NaN}}}', id="31-nan"),
        pytest.param(b'{"id":"evt_1","type":"x","data":{"object":{"amount":1e999}}}', id="31-infinite"),
        pytest.param(b'{"id":"evt_1","type":"x","data":{"object":{"note":"\\ud800"}}}', id="31-half-a-character"),
        pytest.param(b'{"id":"evt_1","type":"x","data":{"object":{"note":"\\u0000"}}}', id="31-nul"),
        pytest.param(b'{"id":"evt_1","type":"x","data":' + b"[" * 20_000 + b"]" * 20_000 + b"}", id="31-deep"),
    ],
)
def test_what_is_signed_and_no_event_is_unusable(body: bytes) -> None:
    with pytest.raises(Unusable, match=r"\.$"):
        Stripe().parse(request(body), CONNECTION)
