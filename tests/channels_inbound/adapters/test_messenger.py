import json

from channels_inbound.adapters.base import Connection
from channels_inbound.adapters.messenger import Messenger
from tests.channels_inbound.adapters.contract import connected
from tests.channels_inbound.adapters.messaging import OWN, PERSON, STAMP, MessagingContract, message
from tests.channels_inbound.adapters.meta import SECRETS

SAMPLE = {"object": "page", "entry": [{"id": OWN, "time": STAMP, "messaging": [message(text="Habari?")]}]}


class TestMessenger(MessagingContract):
    adapter = Messenger()
    connection = connected(Messenger, SECRETS, {"page_id": OWN})
    sample = json.dumps(SAMPLE).encode()
    product = "page"
    id_type = "psid"

    def test_a_reply_says_that_it_is_one_and_comes_back_with_our_id(self) -> None:
        outgoing = self.adapter.outgoing(
            "Karibu", to=self.recipient, connection=self.connection, credential=self.credential
        )
        assert outgoing.url == f"https://graph.facebook.com/v25.0/{OWN}/messages"
        assert json.loads(outgoing.body) == {
            "recipient": {"id": PERSON},
            "messaging_type": "RESPONSE",
            "message": {"text": "Karibu", "metadata": "rpl_1"},
        }

    def test_without_a_page_it_is_the_one_of_the_token(self) -> None:
        outgoing = self.adapter.outgoing("x", to=self.recipient, connection=Connection(), credential=self.credential)
        assert outgoing.url == "https://graph.facebook.com/v25.0/me/messages"

    def test_a_long_reply_comes_in_parts_that_messenger_takes(self) -> None:
        assert [len(part) <= 2000 for part in self.adapter.parts("Neno " * 1000)] == [True] * 3
