"""What every adapter must do, whatever its provider: the tests that its own test class inherits.

    class TestTelegram(AdapterContract):
        adapter = Telegram()
        connection = connected(Telegram, secret_token="s3cret", bot="42")
        sample = b'{"update_id": 1, ...}'            # holds at least one message of a person
        proof_headers = ("x-telegram-bot-api-secret-token",)
        credential = {"bot_token": "123:abc"}

        def request(self, body: bytes) -> Incoming: ...  # authentic for `connection`, whatever the body is

Flags say where a provider's scheme is weaker than it should be: `signs_body`, `secret_in_url`.
"""

import dataclasses
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from channels_inbound.adapters.base import (
    Adapter,
    Arrival,
    Connection,
    Incoming,
    Kind,
    NotAuthentic,
    Recipient,
    Secret,
    Sent,
    Unusable,
    Verified,
)

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
# One property is run for every adapter that inherits it.
EXAMPLES = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
JUNK_BODIES = [
    b"",
    b"\xff\xfe\x00",
    b"not JSON",
    b"null",
    b"[]",
    b'"text"',
    b"0",
    b"{}",
    b"NaN",
    b'{"a": NaN, "b": Infinity}',
    b'{"a": "\\u0000", "b": "\\ud800"}',
    b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
    b"[" * 20_000 + b"]" * 20_000,
    b'{"a": ' + b"9" * 5_000 + b"}",
    b"a=1&a=2&b=%ff%00",
]
JUNK_HEADERS = [
    "",
    " ",
    ",",
    "=",
    "v1,",
    "sha256=",
    "t=,v1=",
    "Basic ",
    "abc",
    "é☃",
    "\ud800",
    "0" * 100_000,
    ",,,",
    "\x00",
]


def connected(
    adapter: type[Adapter], secrets: Mapping[str, str | list[str]], settings: Mapping[str, str] | None = None
) -> Connection:
    """A connection of that adapter; a list of values is a rotation, newest first. The ids are `name-0`, `name-1`…"""
    return Connection(
        settings=settings or {},
        secrets={name: _secrets(name, value) for name, value in secrets.items()},
        agent_id="11111111-1111-4111-8111-111111111111",
        url=f"https://hooks.example.test/api/v1/agents/11111111-1111-4111-8111-111111111111/chat/{adapter.kind}",
    )


def _secrets(name: str, value: str | list[str]) -> list[Secret]:
    values = [value] if isinstance(value, str) else value
    return [Secret(f"{name}-{number}", each) for number, each in enumerate(values)]


def with_header(incoming: Incoming, name: str, value: str | None) -> Incoming:
    """The same request with another value in that header, or without it."""
    headers = {key: each for key, each in incoming.headers.items() if key != name}
    return dataclasses.replace(incoming, headers=headers if value is None else headers | {name: value})


def secret_values(connection: Connection, credential: Mapping[str, str]) -> list[str]:
    proofs = [secret.value for values in connection.secrets.values() for secret in values]
    return [value for value in (*proofs, *credential.values()) if value]


class AdapterContract:
    adapter: ClassVar[Adapter]
    connection: ClassVar[Connection]
    sample: ClassVar[bytes]
    proof_headers: ClassVar[tuple[str, ...]] = ()
    credential: ClassVar[Mapping[str, str]] = {}
    # Values of the credential that are no secrets: an address, an account id.
    open_values: ClassVar[frozenset[str]] = frozenset()
    recipient: ClassVar[Recipient] = Recipient(address="5678", message_id="018f-reply", last_message_at=NOW)
    signs_body: ClassVar[bool] = True
    secret_in_url: ClassVar[bool] = False  # the provider wants it there

    def request(self, body: bytes) -> Incoming:
        """An authentic request with this body. `at` should be `NOW`."""
        raise NotImplementedError

    def tampered(self) -> Incoming:
        """A request whose content was changed after it was signed."""
        incoming = self.request(self.sample)
        return dataclasses.replace(incoming, body=incoming.body.replace(b"e", b"E", 1) + b" ")

    def arrivals(self, body: bytes) -> list[Arrival]:
        return self.adapter.parse(self.request(body), self.connection)

    # --- proofs ---

    def test_an_authentic_request_is_let_in_by_a_secret_that_is_named(self) -> None:
        verified = self.adapter.verify(self.request(self.sample), self.connection)
        known = {secret.id for values in self.connection.secrets.values() for secret in values}
        assert verified.secret_id in known

    def test_without_any_secret_nobody_is_let_in(self) -> None:
        bare = dataclasses.replace(self.connection, secrets={})
        with pytest.raises(NotAuthentic):
            self.adapter.verify(self.request(self.sample), bare)

    def test_an_empty_secret_lets_nobody_in(self) -> None:
        empty = {name: [Secret(f"{name}-0", "")] for name in self.connection.secrets}
        hollow = dataclasses.replace(self.connection, secrets=empty)
        bare = self.request(self.sample)
        requests = [bare, *(with_header(bare, name, "") for name in self.proof_headers)]
        for request in requests:
            with pytest.raises(NotAuthentic):
                self.adapter.verify(request, hollow)

    def test_another_secret_than_ours_lets_nobody_in(self) -> None:
        others = {name: [Secret(f"{name}-0", "another-" + "x" * 24)] for name in self.connection.secrets}
        with pytest.raises(NotAuthentic):
            self.adapter.verify(self.request(self.sample), dataclasses.replace(self.connection, secrets=others))

    def test_a_changed_body_is_refused(self) -> None:
        if self.signs_body:
            with pytest.raises(NotAuthentic):
                self.adapter.verify(self.tampered(), self.connection)
        else:
            assert self.adapter.verify(self.tampered(), self.connection)

    def test_a_request_without_its_proof_is_refused(self) -> None:
        for name in self.proof_headers:
            with pytest.raises(NotAuthentic):
                self.adapter.verify(with_header(self.request(self.sample), name, None), self.connection)

    def test_junk_in_the_place_of_a_proof_is_refused(self) -> None:
        for name in self.proof_headers:
            for junk in JUNK_HEADERS:
                with pytest.raises(NotAuthentic):
                    self.adapter.verify(with_header(self.request(self.sample), name, junk), self.connection)

    @EXAMPLES
    @given(value=st.text(max_size=80))
    def test_no_header_text_breaks_the_verifier(self, value: str) -> None:
        for name in self.proof_headers:
            self._verdict(with_header(self.request(self.sample), name, value))

    @EXAMPLES
    @given(body=st.binary(max_size=200))
    def test_no_bytes_break_the_verifier_or_the_reader(self, body: bytes) -> None:
        self._verdict(dataclasses.replace(self.request(self.sample), body=body))
        self._verdict(self.request(body))
        self._read(body)

    def _verdict(self, incoming: Incoming) -> Verified | None:
        try:
            return self.adapter.verify(incoming, self.connection)
        except NotAuthentic as refusal:
            assert refusal.reason, "a refusal says why"
            assert not any(value in refusal.reason for value in secret_values(self.connection, {}))
            return None

    # --- reading ---

    @pytest.mark.parametrize("body", JUNK_BODIES, ids=lambda body: repr(body[:24]))
    def test_a_junk_body_gives_arrivals_or_is_unusable(self, body: bytes) -> None:
        self._verdict(self.request(body))
        for arrival in self._read(body):
            assert not arrival.starts_agent

    @EXAMPLES
    @given(value=JSON)
    def test_any_json_gives_arrivals_or_is_unusable(self, value: Any) -> None:
        self._read(json.dumps(value).encode())

    @EXAMPLES
    @given(data=st.data())
    def test_a_sample_with_one_value_replaced_gives_arrivals_or_is_unusable(self, data: st.DataObject) -> None:
        try:
            document = json.loads(self.sample)
        except ValueError:
            return  # a form: its fields are the adapter's own tests
        places = list(_places(document))
        container, key = places[data.draw(st.integers(0, len(places) - 1))]
        container[key] = data.draw(JSON)
        self._read(json.dumps(document).encode())

    def _read(self, body: bytes) -> list[Arrival]:
        try:
            arrivals = self.arrivals(body)
        except Unusable as refusal:
            assert str(refusal).endswith("."), "a sentence for the team"
            return []
        check_arrivals(arrivals)
        return arrivals

    def test_the_sample_holds_a_message_of_a_person(self) -> None:
        arrivals = self.arrivals(self.sample)
        check_arrivals(arrivals)
        starting = [each for each in arrivals if each.starts_agent]
        assert starting
        assert all(each.sender and each.sender.addresses for each in starting)

    def test_reading_twice_gives_the_same_keys(self) -> None:
        once, again = self.arrivals(self.sample), self.arrivals(self.sample)
        assert [each.dedupe_key for each in once] == [each.dedupe_key for each in again]

    # --- replying ---

    def test_a_reply_is_one_request_over_tls_without_a_secret_in_its_address(self) -> None:
        if not self.adapter.credential_kind:
            with pytest.raises(NotImplementedError):
                self.adapter.outgoing("Hello", to=self.recipient, connection=self.connection, credential={})
            return
        outgoing = self.adapter.outgoing(
            "Hello, größe ☃", to=self.recipient, connection=self.connection, credential=self.credential
        )
        assert outgoing.url.startswith("https://")
        assert outgoing.url.isascii()
        for name, value in outgoing.headers:
            assert name.isascii()
            assert not set("\r\n") & set(value)
        hidden = [v for v in secret_values(self.connection, self.credential) if v not in self.open_values]
        assert any(value in outgoing.url for value in hidden) == self.secret_in_url

    def test_a_reply_without_credential_values_is_refused_with_a_sentence(self) -> None:
        if not self.adapter.credential_kind:
            return
        with pytest.raises(ValueError, match=r"\.$"):
            self.adapter.outgoing("Hello", to=self.recipient, connection=self.connection, credential={})

    @EXAMPLES
    @given(status=st.integers(100, 599), body=st.binary(max_size=120) | JSON.map(lambda v: json.dumps(v).encode()))
    def test_reading_the_providers_answer_never_raises(self, status: int, body: bytes) -> None:
        if not self.adapter.credential_kind:
            return
        sent = self.adapter.sent(status, body)
        assert isinstance(sent, Sent)
        assert all(isinstance(each, str) for each in (sent.provider_id, sent.error, sent.error_code))
        if status >= 400:
            assert sent.error.endswith("."), "a sentence for a business user"
            assert not sent.provider_id

    @EXAMPLES
    @given(body=st.binary(max_size=120) | JSON.map(lambda value: json.dumps(value).encode()))
    def test_reading_the_address_of_a_file_never_raises(self, body: bytes) -> None:
        assert isinstance(self.adapter.media_url(body, {}), str)

    @EXAMPLES
    @given(text=st.text(min_size=1, max_size=300), times=st.integers(1, 60))
    def test_the_parts_of_a_reply_lose_no_word(self, text: str, times: int) -> None:
        if not self.adapter.credential_kind:
            return
        whole = text * times
        parts = self.adapter.parts(whole)
        assert "".join("".join(parts).split()) == "".join(whole.split())

    # --- describing itself ---

    def test_the_class_says_what_it_is(self) -> None:
        adapter = type(self.adapter)
        assert adapter.kind == adapter.kind.lower()
        assert adapter.title
        assert set(adapter.methods) <= {"GET", "POST"}
        assert 256 * 1024 <= adapter.max_body <= 26 * 1024 * 1024
        assert adapter.content_types
        assert 400 <= adapter.refusal_status < 500
        assert adapter.refusal_status not in {404, 410, 429}
        assert adapter.secrets, "a channel without a secret would let everybody in"
        assert any(secret.is_required for secret in adapter.secrets)
        assert adapter.text_limit > 0
        assert all("/" not in host and ":" not in host and host == host.lower() for host in adapter.media_hosts)
        assert all(link.startswith("https://") for link in adapter.links.values())

    def test_the_steps_are_sentences_and_name_the_address(self) -> None:
        steps = type(self.adapter).steps
        assert any("{url}" in step for step in steps)
        assert all(step.endswith(".") for step in steps)

    def test_every_field_has_a_label_and_a_name_of_its_own(self) -> None:
        fields = [*type(self.adapter).settings, *type(self.adapter).secrets]
        assert all(field.label and field.name for field in fields)
        assert len({field.name for field in fields}) == len(fields)

    def test_success_is_exactly_200_and_a_refusal_tells_nothing(self) -> None:
        incoming = self.request(self.sample)
        assert self.adapter.accepted(incoming).status == 200
        refusal = self.adapter.refused(incoming)
        assert refusal.status == type(self.adapter).refusal_status
        assert not any(value.encode() in refusal.body for value in secret_values(self.connection, self.credential))


def check_arrivals(arrivals: list[Arrival]) -> None:
    """What is true of every arrival of every provider."""
    for arrival in arrivals:
        assert arrival.kind in get_args(Kind)
        assert arrival.dedupe_key.strip()
        assert arrival.kind != "unsupported" or arrival.reason
        if arrival.starts_agent:
            assert arrival.sender is not None
            assert any(arrival.sender.addresses)
        # What the database takes: JSON without NaN, NUL or halves of characters.
        stored = json.dumps(dataclasses.asdict(arrival), allow_nan=False, default=_moment, ensure_ascii=False)
        assert "\\u0000" not in stored
        stored.encode()


def _moment(value: Any) -> str:
    if not isinstance(value, datetime):
        raise TypeError(f"{value!r} is not JSON")
    return value.isoformat()


def _places(value: Any) -> Any:
    """Every member of every container in it, as (container, key)."""
    if isinstance(value, dict | list):
        for key, child in list(value.items() if isinstance(value, dict) else enumerate(value)):
            yield value, key
            yield from _places(child)
