"""What Messenger and Instagram decide alike; their test classes inherit it."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest

from channels_inbound.adapters.base import Attachment, Connection, Recipient, Unusable
from channels_inbound.adapters.meta_messaging import ERRORS, EVENTS
from tests.channels_inbound.adapters.contract import check_arrivals
from tests.channels_inbound.adapters.meta import MetaContract, only, signed

OWN, PERSON = "1784140530921184", "5678901234567890"
SENT_AT = datetime(2026, 11, 25, 11, 59, 50, tzinfo=UTC)
STAMP = int(SENT_AT.timestamp() * 1000)
CDN = "https://scontent.xx.fbcdn.net/v/t1/x.jpg?oh=1"


def event(sender: Any = PERSON, recipient: Any = OWN, timestamp: Any = STAMP, **content: Any) -> dict[str, Any]:
    return {"sender": {"id": sender}, "recipient": {"id": recipient}, "timestamp": timestamp} | content


def message(**content: Any) -> dict[str, Any]:
    return event(message={"mid": "m_1"} | content)


class MessagingContract(MetaContract):
    id_type: ClassVar[str]
    recipient = Recipient(address=PERSON, message_id="rpl_1")

    def document(self, *events: Any, under: str = "messaging", owner: Any = OWN) -> dict[str, Any]:
        return {"object": self.product, "entry": [{"id": owner, "time": STAMP, under: list(events)}]}

    def found(self, *events: Any, under: str = "messaging", owner: Any = OWN) -> Any:
        arrivals = self.read(self.document(*events, under=under, owner=owner))
        check_arrivals(arrivals)
        return arrivals

    # --- messages ---

    def test_a_text(self) -> None:
        found = only(self.found(message(text="Habari?")))
        assert (found.kind, found.starts_agent, found.text) == ("message", True, "Habari?")
        assert found.event_type == f"{self.adapter.kind}.message"
        assert (found.dedupe_key, found.provider_id, found.recipient) == ("m_1", "m_1", OWN)
        assert found.occurred_at == SENT_AT
        assert (found.sender.addresses, found.sender.id_type) == ((PERSON,), self.id_type)
        assert found.extra == message(text="Habari?")

    @pytest.mark.parametrize("stamp", [STAMP // 1000, str(STAMP), str(STAMP // 1000)])
    def test_times_come_in_milliseconds_and_in_seconds(self, stamp: Any) -> None:
        assert only(self.found(event(timestamp=stamp, message={"mid": "m", "text": "x"}))).occurred_at == SENT_AT

    @pytest.mark.parametrize("kind", ["image", "video", "audio", "file"])
    def test_a_file_is_fetched_from_the_providers_own_hosts(self, kind: str) -> None:
        found = only(self.found(message(attachments=[{"type": kind, "payload": {"url": CDN}}])))
        assert (found.kind, found.attachments) == ("message", (Attachment(kind=kind, url=CDN),))
        outgoing = self.adapter.media({"url": CDN}, self.credential)
        assert outgoing is not None
        assert (outgoing.url, outgoing.headers) == (CDN, ())

    @pytest.mark.parametrize(
        "url",
        [
            "https://evil.example/x",
            "http://scontent.xx.fbcdn.net/x",
            "https://fbcdn.net.evil.example/x",
            "https://evilfbcdn.net/x",
            "",
            "https://[",
        ],
    )
    def test_a_file_elsewhere_is_not_fetched(self, url: str) -> None:
        assert self.adapter.media({"url": url}, self.credential) is None

    def test_a_sticker_a_reel_and_a_story_are_files(self) -> None:
        sticker = {"type": "image", "payload": {"url": CDN, "sticker_id": 369239263222822}}
        found = only(self.found(message(attachments=[sticker])))
        assert found.attachments == (Attachment(kind="sticker", url=CDN, provider_media_id="369239263222822"),)
        for name, kind in (("ig_reel", "video"), ("reel", "video"), ("story_mention", "file"), ("ig_post", "file")):
            found = only(self.found(message(attachments=[{"type": name, "payload": {"url": CDN, "title": "T"}}])))
            assert found.attachments == (Attachment(kind=kind, url=CDN, caption="T"),)
            assert found.facts == {"shared": [{"type": name, "title": "T", "url": CDN}]}

    @pytest.mark.parametrize("name", ["fallback", "share", "template", "reel"])
    def test_a_page_that_was_shared_is_a_fact_and_never_fetched(self, name: str) -> None:
        page = {"type": name, "title": "Shop", "payload": {"url": "https://shop.example/"}}
        found = only(self.found(message(attachments=[page])))
        assert (found.kind, found.attachments) == ("message", ())
        assert found.facts == {"shared": [{"type": name, "title": "Shop", "url": "https://shop.example/"}]}

    def test_a_location_is_a_fact(self) -> None:
        place = {"type": "location", "title": "Nairobi", "payload": {"coordinates": {"lat": -1.28, "long": 36.82}}}
        found = only(self.found(message(attachments=[place])))
        assert found.facts == {"location": {"latitude": -1.28, "longitude": 36.82, "name": "Nairobi"}}

    def test_a_heart_is_its_own_text(self) -> None:
        assert only(self.found(message(attachments=[{"type": "like_heart"}]))).text == "❤️"

    def test_a_quick_reply_keeps_its_payload(self) -> None:
        found = only(self.found(message(text="Red", quick_reply={"payload": "PICK_RED"})))
        assert (found.kind, found.text) == ("message", "Red")
        assert found.action == {"id": "PICK_RED", "payload": "PICK_RED", "title": "Red"}

    def test_a_reply_names_a_message_or_a_story(self) -> None:
        assert only(self.found(message(text="x", reply_to={"mid": "m_0"}))).reply_to_id == "m_0"
        story = {"id": "1", "url": CDN}
        found = only(self.found(message(text="x", reply_to={"story": story})))
        assert (found.reply_to_id, found.facts) == ("", {"story": story})

    def test_an_ad_or_a_product_is_a_fact(self) -> None:
        found = only(self.found(message(text="x", referral={"source": "ADS", "ad_id": "6"})))
        assert found.facts == {"referral": {"source": "ADS", "ad_id": "6"}}

    def test_what_meta_does_not_hand_over_was_said_all_the_same(self) -> None:
        found = only(self.found(message(is_unsupported=True)))
        assert (found.kind, found.starts_agent, found.facts) == ("message", True, {"unsupported": True})
        assert found.reason

    # --- what starts nothing ---

    @pytest.mark.parametrize(
        ("sender", "content"),
        [(OWN, {"is_echo": True, "app_id": 1}), (OWN, {}), (PERSON, {"is_echo": True}), (PERSON, {"is_self": True})],
        ids=["said to be one", "our own account writes", "only said to be one", "to itself"],
    )
    def test_row_52_an_echo(self, sender: str, content: dict[str, Any]) -> None:
        body = {"mid": "m_2", "text": "Karibu", "metadata": "rpl_1"} | content
        found = only(self.found(event(sender=sender, recipient=PERSON if sender == OWN else OWN, message=body)))
        assert (found.kind, found.starts_agent, found.dedupe_key) == ("echo", False, "m_2")
        assert found.facts["our_message_id"] == "rpl_1"

    def test_row_52_while_another_application_has_the_thread(self) -> None:
        found = self.found(
            message(text="x"),
            event(postback={"title": "Start", "mid": "m_3"}),
            event(read={"mid": "m_0"}),
            under="standby",
        )
        assert [each.kind for each in found] == ["standby", "standby", "status"]
        assert not any(each.starts_agent for each in found)

    def test_an_edit(self) -> None:
        found = only(self.found(event(message_edit={"mid": "m_0", "text": "new", "num_edit": 1})))
        assert (found.kind, found.dedupe_key, found.target_id) == ("message_edited", "m_0:edit:1", "m_0")
        assert (found.text, found.starts_agent) == ("new", False)

    def test_an_edit_without_words_empties_nothing(self) -> None:
        found = only(self.found({"timestamp": STAMP, "message_edit": {"mid": "m_0", "num_edit": 0}}))
        assert (found.kind, found.reason) == ("unsupported", "The edit has no new text.")

    def test_our_own_edit_is_an_echo(self) -> None:
        body = {"mid": "m_0", "text": "new", "num_edit": 1}
        assert only(self.found(event(sender=OWN, recipient=PERSON, message_edit=body))).kind == "echo"

    def test_row_53_an_unsend(self) -> None:
        found = only(self.found(message(is_deleted=True)))
        assert (found.kind, found.dedupe_key, found.target_id) == ("message_deleted", "m_1:deleted", "m_1")
        assert not found.starts_agent

    def test_a_reaction_and_its_end(self) -> None:
        love = event(reaction={"mid": "m_0", "action": "react", "reaction": "love", "emoji": "❤"})
        end = event(timestamp=STAMP + 1000, reaction={"mid": "m_0", "action": "unreact"})
        one, two = self.found(love, end)
        assert (one.kind, one.target_id, one.facts) == ("reaction", "m_0", {"emoji": "❤", "is_removed": False})
        assert two.facts == {"emoji": "", "is_removed": True}
        assert one.dedupe_key != two.dedupe_key

    def test_a_postback_starts_the_agent(self) -> None:
        postback = {"mid": "m_3", "title": "Start", "payload": "GO", "referral": {"ref": "x"}}
        found = only(self.found(event(postback=postback)))
        assert (found.kind, found.starts_agent, found.dedupe_key) == ("postback", True, "m_3")
        assert found.action == {"id": "GO", "payload": "GO", "title": "Start"}
        assert found.facts == {"referral": {"ref": "x"}}

    def test_a_postback_without_an_id_is_known_by_who_when_and_what(self) -> None:
        found = self.found(
            event(postback={"payload": "GO"}),
            event(postback={"payload": "GO"}, timestamp=STAMP + 1),
            event(postback={"payload": "STOP"}),
        )
        assert found[0].dedupe_key == f"{PERSON}:{STAMP}:GO"
        assert len({each.dedupe_key for each in found}) == 3

    def test_every_message_that_was_delivered_has_its_status(self) -> None:
        found = self.found(event(delivery={"mids": ["m_8", "m_9", None], "watermark": STAMP}))
        assert [(each.kind, each.status, each.dedupe_key, each.target_id) for each in found] == [
            ("status", "delivered", "m_8:delivered", "m_8"),
            ("status", "delivered", "m_9:delivered", "m_9"),
        ]

    @pytest.mark.parametrize("name", ["read", "delivery"])
    def test_a_watermark_says_up_to_when(self, name: str) -> None:
        found = only(self.found(event(**{name: {"watermark": STAMP}})))
        assert (found.kind, found.target_id, found.facts) == ("status", "", {"until": SENT_AT.isoformat()})
        assert found.dedupe_key.endswith(f"{PERSON}:{STAMP}")

    def test_a_message_that_was_read(self) -> None:
        found = only(self.found(event(read={"mid": "m_9"})))
        assert (found.status, found.dedupe_key, found.target_id) == ("read", "m_9:read", "m_9")

    @pytest.mark.parametrize("name", EVENTS)
    def test_what_happens_in_a_thread_is_an_event(self, name: str) -> None:
        found = only(self.found(event(**{name: {"ref": "x"}})))
        assert (found.kind, found.event_type, found.starts_agent) == ("event", f"{self.adapter.kind}.{name}", False)
        assert found.facts == {name: {"ref": "x"}}

    # --- bad elements ---

    @pytest.mark.parametrize(
        "broken",
        [
            None,
            "x",
            {},
            event(),
            event(message=None),
            event(sender=None, message={"mid": "m_0", "text": "x"}),
            event(sender=[], message={"mid": "m_0", "text": "x"}),
            event(message={"mid": "m_0"}),
            event(message={"mid": "m_0", "text": 5, "attachments": "x"}),
            event(message={"mid": "m_0", "attachments": [None, {"type": []}]}) | {"x": 1},
            event(message={"is_deleted": True}),
            event(message_edit={"text": "x"}),
            event(sender=None, postback={"payload": "x"}),
        ],
        ids=lambda each: json.dumps(each)[:80],
    )
    def test_row_43_of_a_broken_and_a_good_event_the_good_one_is_stored(self, broken: Any) -> None:
        found = self.found(broken, event(message={"mid": "m_good", "text": "x"}))
        assert [each.dedupe_key for each in found if each.starts_agent] == ["m_good"]
        assert len(found) == 2
        assert next(each for each in found if not each.starts_agent).reason

    def test_row_44_equal_ids_have_one_key_and_messages_without_an_id_have_each_their_own(self) -> None:
        assert len({each.dedupe_key for each in self.found(message(text="x"), message(text="x"))}) == 1
        bare = [event(message={"text": words}) for words in ("a", "b")]
        assert len({each.dedupe_key for each in self.found(*bare)}) == 2

    @pytest.mark.parametrize(
        ("owner", "recipient"), [("999", "999"), ("999", OWN), (OWN, "999"), ("0", "23245")], ids=repr
    )
    def test_row_45_what_is_for_another_account_is_none_of_ours(self, owner: str, recipient: str) -> None:
        found = only(self.found(event(recipient=recipient, message={"mid": "m_1", "text": "x"}), owner=owner))
        assert (found.kind, found.starts_agent) == ("unsupported", False)
        assert found.reason.startswith("Not for this channel: it is for ")
        assert found.dedupe_key != "m_1"

    def test_without_an_id_in_the_settings_any_account_is_ours(self) -> None:
        connection = Connection(secrets=self.connection.secrets)
        body = json.dumps(self.document(event(recipient="999", message={"mid": "m", "text": "x"}), owner="999"))
        assert only(self.adapter.parse(signed(body.encode()), connection)).starts_agent

    def test_samples_of_the_dashboard_stand_under_changes(self) -> None:
        sample = {"field": "messages", "value": message(text="test_text")}
        found = only(self.found(sample, under="changes"))
        assert (found.kind, found.dedupe_key, found.text) == ("message", "m_1", "test_text")

    def test_comments_are_no_part_of_a_conversation(self) -> None:
        found = only(self.found({"field": "comments", "value": {"id": "1", "text": "Nice"}}, under="changes"))
        assert (found.kind, found.starts_agent) == ("unsupported", False)

    def test_row_42_messaging_as_an_object_is_unusable(self) -> None:
        document = self.document()
        document["entry"][0]["messaging"] = message(text="x")
        with pytest.raises(Unusable, match="messaging"):
            self.read(document)

    # --- replying ---

    def test_nobody_is_no_recipient(self) -> None:
        with pytest.raises(ValueError, match="nobody"):
            self.adapter.outgoing("x", to=Recipient(address=""), connection=self.connection, credential=self.credential)

    def test_the_answer_names_the_message(self) -> None:
        assert self.adapter.sent(200, b'{"recipient_id": "5", "message_id": "m_9"}').provider_id == "m_9"

    @pytest.mark.parametrize(
        ("code", "subcode"), [(10, 2018278), (10, 2534022), (551, 1545041), (100, 2018001), (10, 2018300)]
    )
    def test_the_subcode_says_more_than_the_code(self, code: int, subcode: int) -> None:
        body = {"error": {"message": f"(#{code}) Their words", "code": code, "error_subcode": subcode}}
        sent = self.adapter.sent(400, json.dumps(body).encode())
        assert (sent.error, sent.error_code) == (ERRORS[str(subcode)], str(code))

    def test_free_text_may_be_sent_for_a_day(self) -> None:
        assert self.adapter.reply_window == timedelta(hours=24)

    def test_a_credential_of_another_shape_is_refused(self) -> None:
        with pytest.raises(ValueError, match="access token"):
            self.adapter.outgoing(
                "x",
                to=dataclasses.replace(self.recipient),
                connection=self.connection,
                credential={"api_key": "x"},
            )
