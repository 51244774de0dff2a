"""WhatsApp: messages, who wrote them, and bad elements beside good ones."""

import json
from typing import Any

import pytest

from channels_inbound.adapters.base import Attachment, Connection, Unusable
from tests.channels_inbound.adapters.contract import check_arrivals
from tests.channels_inbound.adapters.meta import MetaContract, only, signed
from tests.channels_inbound.adapters.whatsapp_posts import (
    ADAPTER,
    AMINA,
    BSUID,
    CONNECTION,
    NUMBER,
    NUMBER_ID,
    SAMPLE,
    SENT_AT,
    STAMP,
    document,
    message,
    said,
)


class TestWhatsApp(MetaContract):
    adapter = ADAPTER
    connection = CONNECTION
    sample = SAMPLE
    product = "whatsapp_business_account"

    # --- messages ---

    def test_a_text(self) -> None:
        found = only(self.read(said()))
        assert (found.kind, found.event_type, found.starts_agent) == ("message", "whatsapp.text", True)
        assert (found.dedupe_key, found.provider_id) == ("wamid.1", "wamid.1")
        assert (found.text, found.recipient, found.thread) == ("Habari?", NUMBER_ID, "")
        assert found.occurred_at == SENT_AT
        assert found.sender is not None
        assert found.sender.addresses == (NUMBER, BSUID)
        assert (found.sender.id_type, found.sender.phone) == ("phone", "+254712345678")
        assert (found.sender.name, found.sender.username) == ("Amina", "amina_k")
        assert found.answer_to == {"phone_number_id": NUMBER_ID}
        assert found.extra == message()

    @pytest.mark.parametrize("kind", ["image", "video", "audio", "voice", "document", "sticker"])
    def test_a_file_is_named_by_its_id_and_its_caption_is_the_text(self, kind: str) -> None:
        media = {"id": "65463453", "mime_type": "x/y", "sha256": "aGFzaA==", "caption": "Look", "filename": "a.bin"}
        found = only(self.read(said(kind=kind, **{kind: media})))
        assert (found.kind, found.text) == ("message", "Look")
        assert found.attachments == (
            Attachment(
                kind=kind,
                provider_media_id="65463453",
                mime_type="x/y",
                filename="a.bin",
                sha256="aGFzaA==",
                caption="Look",
            ),
        )

    def test_a_recording_is_a_voice_message_and_an_audio_file_is_not(self) -> None:
        for voice, kind in ((True, "voice"), (False, "audio")):
            found = only(self.read(said(kind="audio", audio={"id": "1", "voice": voice})))
            assert found.attachments[0].kind == kind

    def test_a_location_and_contacts_are_facts(self) -> None:
        place = {"latitude": -1.28, "longitude": 36.82, "name": "Nairobi"}
        found = only(self.read(said(kind="location", location=place | {"other": 1})))
        assert (found.kind, found.text, found.facts) == ("message", "", {"location": place})
        cards = [{"name": {"formatted_name": "Juma"}, "phones": [{"phone": "+254700000001"}]}]
        assert only(self.read(said(kind="contacts", contacts=cards))).facts == {"contacts": cards}

    @pytest.mark.parametrize(
        ("fields", "name"),
        [
            ({"kind": "button", "button": {"payload": "YES", "text": "Yes please"}}, "button"),
            (
                {
                    "kind": "interactive",
                    "interactive": {"type": "button_reply", "button_reply": {"id": "YES", "title": "Yes please"}},
                },
                "interactive",
            ),
            (
                {
                    "kind": "interactive",
                    "interactive": {"type": "list_reply", "list_reply": {"id": "YES", "title": "Yes please"}},
                },
                "interactive",
            ),
        ],
    )
    def test_a_button_says_its_title_and_keeps_its_payload(self, fields: dict[str, Any], name: str) -> None:
        found = only(self.read(said(**fields)))
        assert (found.kind, found.event_type, found.text) == ("message", f"whatsapp.{name}", "Yes please")
        assert found.action == {"id": "YES", "payload": "YES", "title": "Yes please"}

    @pytest.mark.parametrize(
        ("written", "answers"),
        [
            ('{"colour": "red"}', {"colour": "red"}),
            ('["red"]', ["red"]),
            ("red", "red"),
            ('{"n": NaN}', {"n": None}),
            ("[1e999]", "[1e999]"),
            ("[" * 3000, "[" * 3000),
        ],
    )
    def test_a_form_gives_its_answers_whatever_they_are(self, written: str, answers: Any) -> None:
        reply = {"name": "flow", "body": "Sent", "response_json": written}
        found = only(self.read(said(kind="interactive", interactive={"type": "nfm_reply", "nfm_reply": reply})))
        check_arrivals([found])
        assert (found.kind, found.text) == ("message", "Sent")
        assert found.facts == {"form": {"name": "flow", "answers": answers}}

    def test_an_order_and_an_ad_are_facts(self) -> None:
        order = {"catalog_id": "1", "text": "Quick please", "product_items": [{"quantity": 2}]}
        found = only(self.read(said(kind="order", order=order, referral={"source_type": "ad", "headline": "Sale"})))
        assert (found.kind, found.text) == ("message", "Quick please")
        assert found.facts == {"order": order, "referral": {"source_type": "ad", "headline": "Sale"}}

    def test_a_reply_names_what_it_answers_and_a_forwarded_one_says_so(self) -> None:
        found = only(self.read(said(context={"from": NUMBER, "id": "wamid.0"})))
        assert (found.reply_to_id, found.facts) == ("wamid.0", {})
        assert only(self.read(said(context={"frequently_forwarded": True}))).facts == {"is_forwarded": True}

    @pytest.mark.parametrize(("emoji", "is_removed"), [("👍", False), ("", True), (None, True)])
    def test_a_reaction_starts_nothing_and_one_without_emoji_was_taken_back(self, emoji: Any, is_removed: bool) -> None:
        found = only(self.read(said(kind="reaction", reaction={"message_id": "wamid.0", "emoji": emoji})))
        assert (found.kind, found.starts_agent, found.target_id) == ("reaction", False, "wamid.0")
        assert found.facts == {"emoji": emoji or "", "is_removed": is_removed}

    def test_an_edit_has_its_own_id_and_names_what_it_changes(self) -> None:
        edit = {"original_message_id": "wamid.0", "message": message(id="x", text={"body": "New"})}
        found = only(self.read(said(kind="edit", edit=edit)))
        assert (found.kind, found.dedupe_key, found.target_id) == ("message_edited", "wamid.1", "wamid.0")
        assert (found.text, found.starts_agent) == ("New", False)

    def test_the_edit_of_a_caption_changes_the_words_and_brings_no_second_file(self) -> None:
        image = {"type": "image", "image": {"id": "1", "caption": "New caption"}}
        found = only(self.read(said(kind="edit", edit={"original_message_id": "wamid.0", "message": image})))
        assert (found.kind, found.text, found.attachments) == ("message_edited", "New caption", ())

    def test_a_deletion_names_what_is_deleted(self) -> None:
        found = only(self.read(said(kind="revoke", revoke={"original_message_id": "wamid.0"})))
        assert (found.kind, found.dedupe_key, found.target_id) == ("message_deleted", "wamid.1", "wamid.0")

    def test_a_new_number_is_an_event_and_no_merging_of_people(self) -> None:
        system = {"type": "user_changed_number", "body": "A changed", "wa_id": "254799999999", "user_id": "KE.2"}
        body = document(messages=[message("system", system=system)])
        del body["entry"][0]["changes"][0]["value"]["contacts"]
        found = only(self.read(body))
        assert (found.kind, found.event_type, found.starts_agent) == ("event", "whatsapp.system", False)
        assert found.facts == {"system": system, "changed_to": ["254799999999", "KE.2"]}
        assert found.sender is not None
        assert found.sender.addresses == (NUMBER,)

    def test_a_new_id_of_somebody_without_a_number_is_told_of_the_old_one(self) -> None:
        system = {"type": "user_changed_user_id", "previous_user_id": BSUID, "user_id": "KE.2"}
        body = document(messages=[{"id": "wamid.1", "timestamp": STAMP, "type": "system", "system": system}])
        found = only(self.read(body))
        assert found.kind == "event"
        assert found.sender is not None
        assert found.sender.addresses[0] == BSUID

    def test_a_message_in_a_group_is_a_thread_of_its_own(self) -> None:
        found = only(self.read(said(group_id="Y2FwaV9ncm91cDo")))
        assert found.thread == "Y2FwaV9ncm91cDo"
        assert found.answer_to == {"phone_number_id": NUMBER_ID, "group_id": "Y2FwaV9ncm91cDo"}

    @pytest.mark.parametrize(
        "fields",
        [
            {"kind": "unsupported", "errors": [{"code": 131051, "title": "Message type unknown"}]},
            {"kind": "interactive"},
            {"kind": "interactive", "interactive": {"type": "new_reply"}},
            {"kind": "button"},
        ],
    )
    def test_what_nobody_can_read_was_said_all_the_same(self, fields: dict[str, Any]) -> None:
        found = only(self.read(said(**fields)))
        assert (found.kind, found.text, found.starts_agent) == ("message", "", True)
        assert found.reason
        assert found.facts["unsupported"]

    def test_an_error_beside_a_message_says_why_it_is_not_readable(self) -> None:
        error = {"code": 131000, "title": "Broken", "error_data": {"details": "Unsupported webhook payload"}}
        found = only(self.read(document(messages=[message("interactive")], errors=[error])))
        assert found.reason == "Unsupported webhook payload."
        assert found.extra == message("interactive")

    @pytest.mark.parametrize("kind", ["request_welcome", "interactive"])
    def test_opening_a_chat_and_allowing_calls_say_nothing(self, kind: str) -> None:
        found = only(self.read(said(kind=kind, interactive={"call_permission_reply": {"response": "accept"}})))
        assert (found.kind, found.starts_agent) == ("event", False)

    # --- who ---

    def test_row_46_somebody_without_a_number_is_known_by_their_id(self) -> None:
        body = document(messages=[{k: v for k, v in message().items() if k != "from"} | {"from_user_id": BSUID}])
        body["entry"][0]["changes"][0]["value"]["contacts"] = [{"profile": {"name": "A"}, "user_id": BSUID}]
        found = only(self.read(body))
        assert found.starts_agent
        assert found.sender is not None
        assert (found.sender.addresses, found.sender.id_type, found.sender.phone) == ((BSUID,), "bsuid", "")
        assert found.sender.name == "A"

    def test_the_id_over_several_businesses_comes_last(self) -> None:
        contact = AMINA | {"parent_user_id": "KE.ENT.118"}
        found = only(self.read(document(messages=[message(from_user_id=BSUID)], contacts=[contact])))
        assert found.sender is not None
        assert found.sender.addresses == (NUMBER, BSUID, "KE.ENT.118")

    @pytest.mark.parametrize("contacts", [None, [], "x", [3], [{}, {}]], ids=repr)
    def test_contacts_may_be_missing(self, contacts: Any) -> None:
        found = only(self.read(document(messages=[message()], contacts=contacts)))
        assert found.starts_agent
        assert found.sender is not None
        assert (found.sender.addresses, found.sender.name) == ((NUMBER,), "")

    def test_contacts_are_found_by_id_and_not_by_their_place(self) -> None:
        juma = {"profile": {"name": "Juma"}, "wa_id": "254700000001"}
        found = self.read(document(messages=[message(), message(id="wamid.2")], contacts=[juma, AMINA]))
        assert [each.sender and each.sender.name for each in found] == ["Amina", "Amina"]

    def test_a_single_contact_with_another_number_lends_its_name_and_no_id(self) -> None:
        other = {"profile": {"name": "Amina"}, "wa_id": "254700000001", "user_id": "KE.3"}
        found = only(self.read(document(messages=[message()], contacts=[other])))
        assert found.sender is not None
        assert (found.sender.name, found.sender.addresses) == ("Amina", (NUMBER,))

    def test_of_several_contacts_that_are_somebody_else_none_lends_its_name(self) -> None:
        others = [{"profile": {"name": "Juma"}, "wa_id": f"25470000000{n}"} for n in range(2)]
        found = only(self.read(document(messages=[message()], contacts=others)))
        assert found.sender is not None
        assert (found.sender.name, found.sender.addresses) == ("", (NUMBER,))

    @pytest.mark.parametrize("number", [None, "", 5678, [], {}], ids=repr)
    def test_row_47_a_message_of_nobody_is_unusable(self, number: Any) -> None:
        with pytest.raises(Unusable, match="who wrote it"):
            self.read(document(messages=[message() | {"from": number}]))

    # --- bad elements ---

    @pytest.mark.parametrize("stamp", ["asdf", "", None, [], "99999999999999", "-1", True], ids=repr)
    def test_row_48_a_time_that_is_none_leaves_it_to_our_clock(self, stamp: Any) -> None:
        found = only(self.read(said(timestamp=stamp)))
        assert (found.kind, found.occurred_at) == ("message", None)

    def test_row_48_a_time_may_be_a_number(self) -> None:
        assert only(self.read(said(timestamp=int(STAMP)))).occurred_at == SENT_AT

    def test_row_49_an_unknown_type_is_kept_and_starts_nothing(self) -> None:
        found = only(self.read(said(kind="hologram", hologram={})))
        assert (found.kind, found.dedupe_key, found.starts_agent) == ("unsupported", "wamid.1", False)
        assert "hologram" in found.reason

    def test_row_49_an_unknown_status_and_an_unknown_subscription_are_kept(self) -> None:
        found = only(self.read(document(statuses=[{"id": "wamid.0", "status": "warmed", "timestamp": STAMP}])))
        assert (found.kind, found.status, found.dedupe_key) == ("unsupported", "", "wamid.0:warmed")
        found = only(self.read(document("brand_new_field", thing=1)))
        assert (found.kind, found.event_type) == ("unsupported", "whatsapp.brand_new_field")

    @pytest.mark.parametrize(
        "broken",
        [
            None,
            "x",
            {},
            message() | {"from": None},
            message(kind="text", text=None),
            message(kind="image", image=[]),
            message(kind="location", location={"latitude": 1}),
            message(kind="contacts", contacts="x"),
            message(kind="order", order=None),
            message(kind="edit", edit={"original_message_id": "wamid.0"}),
            message(kind="revoke", revoke=None),
            message(kind=""),
        ],
        ids=lambda each: json.dumps(each)[:60],
    )
    def test_row_43_of_a_broken_and_a_good_message_the_good_one_is_stored(self, broken: Any) -> None:
        found = self.read(document(messages=[broken, message(id="wamid.good")]))
        assert [each.kind for each in found if each.starts_agent] == ["message"]
        assert len(found) == 2
        assert next(each for each in found if not each.starts_agent).reason
        check_arrivals(found)

    def test_row_42_messages_as_an_object_are_unusable(self) -> None:
        with pytest.raises(Unusable, match="messages"):
            self.read(document(messages=message()))

    def test_row_44_two_equal_ids_have_one_key_and_two_empty_ones_have_two(self) -> None:
        same = self.read(document(messages=[message(), message()]))
        assert len({each.dedupe_key for each in same}) == 1
        empty = self.read(document(messages=[message(id=""), message(id="", text={"body": "Another"})]))
        assert len({each.dedupe_key for each in empty}) == 2

    def test_row_45_a_message_to_another_number_is_none_of_ours(self) -> None:
        body = document(number_id="999", messages=[message()], statuses=[{"id": "wamid.0", "status": "sent"}])
        found = self.read(body)
        assert [each.kind for each in found] == ["unsupported", "unsupported"]
        assert all(each.reason == "Not for this channel: it is for the phone number ID 999." for each in found)
        assert "wamid.1" not in {each.dedupe_key for each in found}

    def test_without_a_number_id_in_the_settings_any_number_is_ours(self) -> None:
        connection = Connection(secrets=CONNECTION.secrets)
        found = self.adapter.parse(
            signed(json.dumps(document(number_id="999", messages=[message()])).encode()), connection
        )
        assert only(found).starts_agent
        assert only(found).answer_to == {"phone_number_id": "999"}

    def test_row_51_a_body_of_nearly_three_megabytes(self) -> None:
        body = document(messages=[message(id=f"wamid.{n}", text={"body": "é" * 900}) for n in range(500)])
        raw = json.dumps(body).encode()
        assert len(raw) > 2_700_000
        assert len(raw) < self.adapter.max_body
        assert len({each.dedupe_key for each in self.arrivals(raw)}) == 500

    def test_row_93_of_a_key_that_stands_there_twice_the_last_counts(self) -> None:
        raw = self.sample.replace(b'"id": "wamid.1"', b'"id": "wamid.1", "id": "wamid.2"')
        assert only(self.arrivals(raw)).dedupe_key == "wamid.2"

    def test_what_the_database_does_not_take_is_replaced(self) -> None:
        found = only(self.read(said(text={"body": "a\x00b\ud800c"})))
        assert found.text == "a\ufffdb\ufffdc"
