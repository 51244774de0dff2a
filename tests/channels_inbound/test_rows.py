"""Where each row of the list of bad input is shown, through the view or over a real socket."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
SHOWN = {
    "1 2 3 4": "test_receiving.py test_rows_1_to_4_look_alike",
    "5": "test_receiving.py test_row_5_methods",
    "6": "test_receiving.py test_row_6_get_is_for_meta_only",
    "7": "test_receiving.py test_with_and_without_a_slash",
    "8": "rows/test_server.py test_row_8_too_large_by_its_length",
    "9": "rows/test_server.py test_row_9_too_large_in_chunks",
    "10": "rows/test_server.py test_row_10_a_body_that_ends_too_early",
    "11": "test_receiving.py test_row_11_the_right_json_by_another_name",
    "12 14": "test_receiving.py test_rows_12_and_14_types_nobody_sends",
    "13": "test_receiving.py test_row_13_no_compressed_bodies",
    "15": "test_receiving.py test_row_15_a_channel_without_a_secret_refuses_everything",
    "16": "../faults/test_channels.py test_whoever_asks_again_is_told_when_and_nothing_is_kept_by_halves",
    "17": "test_receiving.py test_twenty_at_the_same_moment_are_one",
    "18": "test_receiving.py test_row_18_a_key_of_the_team_is_no_proof",
    "19 20 21 23 24 25 27": "rows/test_payments.py test_rows_19_to_27_what_proves_nothing",
    "22": "rows/test_payments.py test_row_22_exactly_300_seconds_old",
    "26": "rows/test_payments.py test_row_26_one_of_two_is_right",
    "28": "rows/test_payments.py test_row_28_a_body_that_is_not_utf_8",
    "29 30 31": "rows/test_payments.py test_rows_29_to_31_signed_and_unusable",
    "32": "rows/test_payments.py test_row_32_a_thin_event",
    "33": "rows/test_payments.py test_row_33_an_event_of_the_other_mode",
    "34": "rows/test_payments.py test_row_34_a_retry_has_another_signature",
    "35": "rows/test_payments.py test_row_35_an_event_of_another_account",
    "36 37 38": "rows/test_meta.py test_rows_36_to_38_what_proves_nothing",
    "39": "rows/test_meta.py test_row_39_a_handshake_that_proves_nothing",
    "40": "rows/test_meta.py test_row_40_a_challenge_is_never_a_page",
    "41 42": "rows/test_meta.py test_rows_41_and_42_authentic_and_unusable",
    "43": "rows/test_meta.py test_row_43_one_broken_one_good",
    "44": "rows/test_meta.py test_row_44_equal_ids_in_one_request",
    "45": "rows/test_meta.py test_row_45_a_number_that_is_not_ours",
    "46": "rows/test_meta.py test_row_46_somebody_who_hides_their_number",
    "47": "rows/test_meta.py test_row_47_a_message_of_nobody",
    "48": "rows/test_meta.py test_row_48_a_strange_time",
    "49 50": "rows/test_meta.py test_rows_49_and_50_what_starts_nothing",
    "51": "rows/test_meta.py test_row_51_nearly_three_megabytes",
    "52": "rows/test_meta.py test_row_52_our_own_words_and_what_another_application_has",
    "53": "rows/test_meta.py test_row_53_an_unsend_of_what_we_never_saw",
    "54 55 56 57": "rows/test_mail.py test_rows_54_to_57_what_proves_nothing",
    "58": "rows/test_mail.py test_row_58_nearly_eight_hours_old",
    "59": "rows/test_mail.py test_row_59_the_same_proof_with_the_same_content",
    "60": "rows/test_mail.py test_row_60_the_same_proof_with_another_content",
    "61": "rows/test_mail.py test_row_61_headers_that_are_none",
    "62": "rows/test_mail.py test_row_62_files_with_strange_names",
    "63": "rows/test_mail.py test_row_63_twenty_five_megabytes",
    "64": "rows/test_mail.py test_row_64_what_is_no_form",
    "65": "rows/test_mail.py test_row_65_json_that_proves_nothing",
    "66": "rows/test_mail.py test_row_66_what_a_program_wrote",
    "67": "rows/test_mail.py test_row_67_a_raw_mail_that_is_broken",
    "68 69": "rows/test_chat.py test_rows_68_and_69_what_proves_nothing",
    "70": "rows/test_chat.py test_row_70_a_challenge_needs_the_proof_too",
    "71": "rows/test_chat.py test_row_71_a_verification_without_a_challenge",
    "72": "rows/test_chat.py test_row_72_no_event",
    "73": "rows/test_chat.py test_row_73_an_empty_id_is_no_id",
    "74": "rows/test_chat.py test_row_74_a_bot",
    "75": "rows/test_chat.py test_row_75_what_proves_nothing",
    "76": "rows/test_chat.py test_row_76_authentic_and_unusable",
    "77": "rows/test_chat.py test_row_77_the_first_one_stays",
    "78": "rows/test_chat.py test_row_78_another_bot_counts_for_itself",
    "79": "rows/test_sms.py test_row_79_what_proves_nothing",
    "80": "rows/test_sms.py test_row_80_other_parameters_than_were_signed",
    "81": "rows/test_sms.py test_row_81_json_without_its_digest",
    "82": "rows/test_sms.py test_row_82_another_algorithm_than_was_used",
    "83": "rows/test_sms.py test_row_83_a_strange_number_of_files",
    "84": "rows/test_sms.py test_row_84_another_account",
    "85": "rows/test_sms.py test_row_85_what_proves_nothing",
    "86": "rows/test_sms.py test_row_86_no_results",
    "87": "rows/test_sms.py test_row_87_what_proves_nothing",
    "88": "rows/test_sms.py test_row_88_neither_an_id_nor_a_time",
    "89": "rows/test_sms.py test_row_89_the_same_id_with_another_body",
    "90": "rows/test_sms.py test_row_90_what_proves_nothing",
    "91": "rows/test_sms.py test_row_91_a_text_that_is_none",
    "92": "rows/test_server.py test_row_92_header_values_that_are_none",
    "93": "rows/test_server.py test_row_93_of_equal_keys_the_last_one_counts",
    "94": "rows/test_server.py test_row_94_keys_and_texts_beyond_measure",
    "95": "rows/test_server.py test_row_95_dead_between_commit_and_answer",
    "96": "rows/test_server.py test_row_96_dead_before_the_commit",
}
# Shown only so far; the rest is not true yet.
PARTLY = {
    "10": "a caller who announces more than they send, and stays, holds a thread: the web server gives no body up",
}


def test_every_row_is_shown_once() -> None:
    named = [int(row) for rows in SHOWN for row in rows.split()]
    assert sorted(named) == list(range(1, 97))
    assert {int(row) for row in PARTLY} <= set(named)


@pytest.mark.parametrize("place", sorted(set(SHOWN.values())))
def test_the_named_test_exists(place: str) -> None:
    file, name = place.split()
    assert re.search(rf"^ *def {name}\(", (TESTS / file).read_text(), re.MULTILINE)
