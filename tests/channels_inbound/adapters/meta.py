"""What the tests of WhatsApp, Messenger and Instagram share: signing, and the rows that all three decide alike."""

import dataclasses
import json
from typing import Any, ClassVar

import pytest

from channels_inbound.adapters.base import Arrival, Connection, Incoming, NotAuthentic, Secret, Unusable
from channels_inbound.adapters.signing import hex_mac
from tests.channels_inbound.adapters.contract import NOW, AdapterContract, with_header

SECRET, OLD_SECRET = "0f1e2d3c4b5a69788796a5b4c3d2e1f0", "a0b1c2d3e4f5a6b7c8d9e0f1a2b3c4d5"
TOKEN = "verify-me-please"
SECRETS: dict[str, str | list[str]] = {"app_secret": SECRET, "verify_token": TOKEN}


def signed(body: bytes, secret: str = SECRET) -> Incoming:
    headers = {"content-type": "application/json", "x-hub-signature-256": f"sha256={hex_mac(secret, body)}"}
    return Incoming(headers=headers, body=body, at=NOW)


def asking(**query: str | list[str]) -> Incoming:
    """The GET of the handshake; a list of values is a parameter given as often."""
    pairs = [(name, each) for name, value in query.items() for each in ([value] if isinstance(value, str) else value)]
    return Incoming(method="GET", query="&".join(f"hub.{name}={value}" for name, value in pairs), at=NOW)


class MetaContract(AdapterContract):
    proof_headers = ("x-hub-signature-256",)
    credential = {"access_token": "EAAG-a-token-of-tests"}
    product: ClassVar[str]

    def request(self, body: bytes) -> Incoming:
        return signed(body)

    def verify(self, incoming: Incoming, connection: Connection | None = None) -> Any:
        return self.adapter.verify(incoming, connection or self.connection)

    # --- signatures ---

    @pytest.mark.parametrize(
        "forge",
        [
            pytest.param(lambda proof: proof, id="row 36: without its scheme"),
            pytest.param(lambda proof: f"sha1={proof}", id="row 36: under sha1"),
            pytest.param(lambda proof: f"sha256={proof[:-1]}", id="row 36: short"),
            pytest.param(lambda proof: f"sha256={proof}0", id="row 36: long"),
            pytest.param(lambda proof: f"sha256={'z' * 64}", id="row 36: not hex"),
            pytest.param(lambda proof: f"sha256={'é' * 64}", id="row 36: not ASCII"),
            pytest.param(lambda proof: f"sha256={proof}, sha256={'0' * 64}", id="twice in one header"),
            pytest.param(lambda proof: f"sha256=sha256={proof}", id="scheme twice"),
        ],
    )
    def test_a_signature_in_another_form_is_refused(self, forge: Any) -> None:
        proof = hex_mac(SECRET, self.sample)
        with pytest.raises(NotAuthentic):
            self.verify(with_header(signed(self.sample), "x-hub-signature-256", forge(proof)))

    def test_row_37_the_old_header_alone_proves_nothing(self) -> None:
        old = with_header(signed(self.sample), "x-hub-signature-256", None)
        old = with_header(old, "x-hub-signature", f"sha1={hex_mac(SECRET, self.sample, 'sha1')}")
        with pytest.raises(NotAuthentic, match="no_signature"):
            self.verify(old)

    def test_row_38_the_same_json_written_otherwise_is_another_body(self) -> None:
        again = json.dumps(json.loads(self.sample), indent=3).encode()
        with pytest.raises(NotAuthentic, match="signature"):
            self.verify(dataclasses.replace(signed(self.sample), body=again))

    def test_escaped_letters_are_hashed_as_they_came(self) -> None:
        body = b'{"object": "\\u00e9\\/\\u2603"}'
        assert self.verify(signed(body)).secret_id == "app_secret-0"

    def test_during_a_rotation_both_secrets_are_good_and_we_know_which_it_was(self) -> None:
        both = [Secret("new", SECRET), Secret("old", OLD_SECRET)]
        connection = dataclasses.replace(self.connection, secrets=dict(self.connection.secrets) | {"app_secret": both})
        assert self.verify(signed(self.sample), connection).secret_id == "new"
        assert self.verify(signed(self.sample, OLD_SECRET), connection).secret_id == "old"

    def test_the_verify_token_signs_nothing(self) -> None:
        with pytest.raises(NotAuthentic):
            self.verify(signed(self.sample, TOKEN))

    # --- the handshake ---

    def test_the_right_token_gets_its_challenge_back_as_plain_text(self) -> None:
        response = self.adapter.handshake(
            asking(mode="subscribe", verify_token=TOKEN, challenge="1158"), self.connection
        )
        assert response is not None
        assert (response.status, response.body) == (200, b"1158")
        assert response.content_type.startswith("text/plain")
        assert response.headers["X-Content-Type-Options"] == "nosniff"

    @pytest.mark.parametrize(
        "question",
        [
            pytest.param({"mode": "subscribe", "verify_token": "nope", "challenge": "5"}, id="row 39: wrong token"),
            pytest.param({"verify_token": TOKEN, "challenge": "5"}, id="row 39: no mode"),
            pytest.param({"mode": "unsubscribe", "verify_token": TOKEN, "challenge": "5"}, id="another mode"),
            pytest.param({"mode": "subscribe", "challenge": "5"}, id="no token"),
            pytest.param({"mode": "subscribe", "verify_token": [TOKEN, "x"], "challenge": "5"}, id="two tokens"),
            pytest.param({"mode": "subscribe", "verify_token": "%C3%A9%E2%98%83", "challenge": "5"}, id="not ASCII"),
            pytest.param({}, id="a plain GET"),
        ],
    )
    def test_whoever_does_not_know_the_token_gets_403(self, question: dict[str, Any]) -> None:
        incoming = asking(**question)
        with pytest.raises(NotAuthentic):
            self.adapter.handshake(incoming, self.connection)
        refusal = self.adapter.refused(incoming)
        assert (refusal.status, refusal.body) == (403, b"")

    @pytest.mark.parametrize("tokens", [[], [Secret("v", "")]], ids=["none", "an empty one"])
    def test_row_39_an_empty_token_is_not_right_where_none_is_configured(self, tokens: list[Secret]) -> None:
        connection = dataclasses.replace(
            self.connection, secrets=dict(self.connection.secrets) | {"verify_token": tokens}
        )
        with pytest.raises(NotAuthentic):
            self.adapter.handshake(asking(mode="subscribe", verify_token="", challenge="5"), connection)

    @pytest.mark.parametrize("challenge", ["<script>alert(1)</script>", "", "a" * 201, "1%0d%0aX: y", ["1", "2"]])
    def test_row_40_what_is_no_challenge_is_not_echoed(self, challenge: Any) -> None:
        incoming = asking(mode="subscribe", verify_token=TOKEN, challenge=challenge)
        response = self.adapter.handshake(incoming, self.connection)
        assert response is not None
        assert (response.status, response.body) == (400, b"")

    def test_a_post_is_no_handshake(self) -> None:
        assert self.adapter.handshake(signed(self.sample), self.connection) is None

    # --- the envelope ---

    @pytest.mark.parametrize(
        "document",
        [
            pytest.param({"object": "user", "entry": []}, id="row 41: another product"),
            pytest.param({"entry": []}, id="no product"),
            pytest.param({"object": None}, id="entry null"),
            pytest.param({"object": "", "entry": {}}, id="row 42: entry an object"),
            pytest.param({"object": "", "entry": "x"}, id="row 42: entry a text"),
            pytest.param({"object": "", "entry": [None, 3]}, id="row 42: entries that are none"),
            pytest.param({"object": "", "entry": [{"changes": "x"}]}, id="row 42: changes a text"),
            pytest.param({"object": "", "entry": [{"changes": [None]}]}, id="row 42: a change that is none"),
            pytest.param({"object": "", "entry": [{}]}, id="an empty entry"),
        ],
    )
    def test_what_holds_nothing_readable_is_unusable(self, document: dict[str, Any]) -> None:
        if document.get("object") == "":
            document = document | {"object": self.product}
        with pytest.raises(Unusable):
            self.arrivals(json.dumps(document).encode())

    @pytest.mark.parametrize("product", ["user", "", None, 5, ["page"]], ids=repr)
    def test_row_41_a_readable_message_of_another_product_is_unusable(self, product: Any) -> None:
        with pytest.raises(Unusable, match="another product"):
            self.read(json.loads(self.sample) | {"object": product})

    def read(self, document: dict[str, Any]) -> list[Arrival]:
        return self.arrivals(json.dumps(document).encode())

    # --- answers ---

    def test_the_token_travels_in_a_header_to_the_hosts_of_meta(self) -> None:
        outgoing = self.adapter.outgoing(
            "Hello", to=self.recipient, connection=self.connection, credential=self.credential
        )
        assert dict(outgoing.headers)["Authorization"] == f"Bearer {self.credential['access_token']}"
        assert outgoing.url.startswith("https://graph.facebook.com/v")

    @pytest.mark.parametrize("token", ["", "  ", "a\nHost: evil", "é"])
    def test_a_token_that_is_none_is_refused_before_anything_is_sent(self, token: str) -> None:
        with pytest.raises(ValueError, match=r"access token.*\.$"):
            self.adapter.outgoing(
                "Hello", to=self.recipient, connection=self.connection, credential={"access_token": token}
            )

    def test_an_ended_token_is_named(self) -> None:
        body = json.dumps({"error": {"message": "Session has expired", "code": 190, "error_subcode": 463}}).encode()
        sent = self.adapter.sent(401, body)
        assert sent.error_code == "190"
        assert "token has ended" in sent.error

    def test_an_unknown_error_is_told_in_the_words_of_meta(self) -> None:
        body = json.dumps({"error": {"message": "Something new", "code": 987654}}).encode()
        assert self.adapter.sent(400, body).error == "Something new."

    def test_an_error_with_status_200_is_an_error(self) -> None:
        assert self.adapter.sent(200, b'{"error": {"message": "No", "code": 1}}').error == "No."

    def test_a_status_without_words_is_told_as_it_is(self) -> None:
        assert self.adapter.sent(502, b"<html>").error == "Meta answered with status 502 and gave no reason."


def only(arrivals: list[Arrival]) -> Arrival:
    assert len(arrivals) == 1, arrivals
    return arrivals[0]
