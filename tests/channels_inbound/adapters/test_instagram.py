import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels_inbound.adapters.instagram import TEXT_BYTES, Instagram
from tests.channels_inbound.adapters.contract import EXAMPLES, connected
from tests.channels_inbound.adapters.messaging import OWN, PERSON, STAMP, MessagingContract, message
from tests.channels_inbound.adapters.meta import SECRETS

SAMPLE = {"object": "instagram", "entry": [{"id": OWN, "time": STAMP, "messaging": [message(text="Habari?")]}]}


class TestInstagram(MessagingContract):
    adapter = Instagram()
    connection = connected(Instagram, SECRETS, {"account_id": OWN})
    sample = json.dumps(SAMPLE).encode()
    product = "instagram"
    id_type = "igsid"

    def test_with_the_token_of_a_page_replies_go_over_the_page(self) -> None:
        outgoing = self.adapter.outgoing(
            "Karibu", to=self.recipient, connection=self.connection, credential=self.credential
        )
        assert outgoing.url == "https://graph.facebook.com/v25.0/me/messages"
        assert json.loads(outgoing.body) == {
            "recipient": {"id": PERSON},
            "messaging_type": "RESPONSE",
            "message": {"text": "Karibu"},
        }

    def test_with_a_token_of_instagram_they_go_to_instagram(self) -> None:
        outgoing = self.adapter.outgoing(
            "Karibu", to=self.recipient, connection=self.connection, credential={"access_token": "IGAAtoken"}
        )
        assert outgoing.url == "https://graph.instagram.com/v25.0/me/messages"
        assert dict(outgoing.headers)["Authorization"] == "Bearer IGAAtoken"
        assert json.loads(outgoing.body) == {"recipient": {"id": PERSON}, "message": {"text": "Karibu"}}

    @pytest.mark.parametrize(
        ("text", "parts"), [("a" * TEXT_BYTES, 1), ("a" * (TEXT_BYTES + 1), 2), ("é" * TEXT_BYTES, 2), ("😀" * 1000, 4)]
    )
    def test_parts_are_counted_in_bytes(self, text: str, parts: int) -> None:
        assert len(self.adapter.parts(text)) == parts

    @EXAMPLES
    @given(text=st.text(min_size=1, max_size=400), times=st.integers(1, 20))
    def test_no_part_has_more_bytes_than_instagram_takes(self, text: str, times: int) -> None:
        assert all(len(part.encode()) <= TEXT_BYTES for part in self.adapter.parts(text * times))
