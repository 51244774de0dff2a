"""Where each row of the attack list is shown. A row is proved by a named test, or left out with the reason."""

import re
from pathlib import Path

import pytest

from tests.attacks.cases import REFUSED, RESOLVED
from tests.factories import make_credential, make_delivery, make_endpoint
from webhooks import sending

TESTS = Path(__file__).resolve().parent.parent
ROWS = """
A01 A02 A04 A05 A07 A08 A10 A11 A13 A14 A16 A17 A19 A20 B01 B02 B04 B05 B07 B08 B10 B11 B13
C01 C02 C04 C05 C07 C08 C10 C11 C13 C14 C16 C17 D01 D02 D04 D05 D07 D08 D10 D11 D13 D14 D16 D17
E01 E02 E04 E05 E07 E08 E10 E11 F01 F02 F04 F05 G01 G02 G04 G05 G07 G08 G10 G11
H01 H02 H04 H05 H07 H08 H10 H11 H13 H14 H16 H17 H19 H20 I01 I02 I04 I05 J01 J02 J04 J05 J07 J08
K01 K02 K04 K05 K07 K08 K10 K11 M10 M11 M20 O01 O02 O04 O05 O07 O08 O10 O11 O13 O14
""".split()

SHOWN = {
    "A20": "attacks/test_addresses.py test_the_addresses_of_this_machine_are_refused",
    "B13": "attacks/test_http.py test_a_network_without_a_way_is_not_sent",
    "C14 C17": "attacks/test_addresses.py test_read_and_rebuilt",
    "D02": "attacks/test_names.py test_rebinding_goes_to_the_first_answer_and_nowhere_else",
    "D04": "attacks/test_names.py test_nothing_is_remembered_from_one_delivery_to_the_next",
    "D10": "attacks/test_names.py test_a_server_that_never_answers_is_given_up_in_time_and_keeps_no_thread",
    "D11": "attacks/test_names.py test_every_failure_says_the_same",
    "D13": "attacks/test_names.py test_a_name_in_the_hosts_file_is_refused_by_its_address",
    "D16": "attacks/test_http.py test_the_next_address_is_never_tried_once_the_request_left",
    "D17": "attacks/test_http.py test_a_connection_that_ended_up_elsewhere_is_closed_unused",
    "E01 E02": "attacks/test_http.py test_a_redirect_is_an_answer_and_nothing_more",
    "E04": "attacks/test_http.py test_headers_that_point_elsewhere_are_ignored",
    "E05 E07": "attacks/test_http.py test_proxies_and_passwords_of_the_environment_are_ignored",
    "E08": "attacks/test_http.py test_a_challenge_is_not_answered",
    "E10 E11": "attacks/test_proxy.py test_neither_counts_against_the_endpoint",
    "F04": "attacks/test_every_path.py test_http_is_refused_where_only_https_is_allowed_and_the_setting_is_named",
    "F05": "attacks/test_http.py test_the_request_is_exactly_this_and_the_answer_is_kept_as_it_came",
    "G01 G02": "attacks/test_headers.py test_values_are_visible_ascii_and_blanks_inside_and_never_repeated",
    "G04 G05 G11": "attacks/test_headers.py test_reserved_names_are_refused_however_they_are_written",
    "G07": "attacks/test_headers.py test_too_many_too_large_or_twice",
    "G08": "attacks/test_register.py test_a_line_break_in_a_credential_is_refused_when_it_is_sent",
    "G10 O11": "webhooks/test_custom_headers.py test_it_is_sent_as_it_is_and_masked_wherever_it_could_be_read",
    "H01 H02": "attacks/test_hostile_receivers.py test_one_deadline_for_everything",
    "H04": "attacks/test_tls.py test_a_slow_handshake_ends_with_the_deadline",
    "H05": "attacks/test_hostile_receivers.py test_a_receiver_that_never_reads_the_body",
    "H07": "attacks/test_hostile_receivers.py test_a_compressed_answer_is_never_unpacked",
    "H08 H14": "attacks/test_hostile_receivers.py test_bad_answers",
    "H10 H11 H13": "attacks/test_hostile_receivers.py test_answers",
    "H16": "attacks/test_hostile_receivers.py test_a_reset_counts_by_what_was_read_before",
    "H17": "attacks/test_hostile_receivers.py test_an_answer_before_the_request_was_written_is_that_answer",
    "H19": "webhooks/test_sending.py test_the_shared_secret_travels_only_when_there_is_one",
    "I01 I02": "attacks/test_tls.py test_a_bad_certificate_is_not_sent_to_and_the_reason_is_in_words",
    "I04": "attacks/test_tls.py test_old_protocols_are_not_spoken",
    "J01": "attacks/test_every_path.py test_typed",
    "J02": "attacks/test_every_path.py test_stored",
    "J05": "attacks/test_every_path.py test_stored",
    "J08": "attacks/test_private_networks.py test_a_listed_network_is_reached_and_its_neighbour_is_not",
    "K01": "webhooks/test_signatures.py test_the_official_vector",
    "K02": "webhooks/test_bodies.py test_what_is_not_json_is_refused_with_a_sentence",
    "K04": "webhooks/test_signatures.py test_an_id_that_could_shift_the_signed_parts_is_refused",
    "K05": "webhooks/test_rotation.py test_receivers_with_either_secret_accept_and_a_resend_is_signed_afresh",
    "K07": "webhooks/test_rotation.py test_a_second_rotation_inside_the_overlap_is_refused_with_what_to_do",
    "K08": "webhooks/test_signatures.py test_a_weak_or_broken_secret_is_refused_and_never_repeated",
    "K10": "webhooks/test_sending.py test_a_resend_is_a_new_delivery_of_the_same_event",
    "M10": "webhooks/test_fetching.py test_headers_of_the_connection_are_dropped_without_a_word",
    "M11": "webhooks/test_fetching_secrets.py test_a_secret_leaves_for_the_hosts_of_its_credential_only",
    "M20": "webhooks/test_fetching_once.py test_a_worker_that_dies_between_begin_and_finish_leaves_interrupted",
    "O01": "test_secrets.py test_planted_secrets_appear_nowhere",
    "O04": "test_wall.py test_every_admin_page_of_another_teams_row_is_not_found",
    "O05": "webhooks/test_replaying.py test_a_crafted_filter_reaches_own_rows_only",
    "O07": "webhooks/test_endpoint_admin.py test_pressing_needs_a_post",
    "O08": "webhooks/test_delivery_page.py test_hostile_answers_are_inert",
    "O10": "webhooks/test_delivery_page.py test_search_by_id_event_id_and_type",
    "O13": "chatzuri/test_problems.py test_the_unexpected_is_logged_and_not_shown",
    "O14": "webhooks/test_inspector.py test_hostile_text_is_inert",
}
LEFT_OUT = {
    "H20": "belongs to the fairness of the engine: shown by its own tests and the isolation benchmark",
    "I05": "there is no such option to offer: nothing to call",
    "J07": "there are no OAuth, key-set or icon addresses yet",
    "K11": "a shared secret over http:// is not warned about yet; http:// itself is off unless the operator allows it",
    "O02": "the query of an address is not masked in lists yet",
}


def test_every_row_is_shown_or_left_out_with_a_reason() -> None:
    in_the_table = {case.id for case in [*REFUSED, *RESOLVED]}
    named = {row for rows in SHOWN for row in rows.split()}
    assert sorted(set(ROWS) - in_the_table - named - set(LEFT_OUT)) == []
    assert sorted((in_the_table | named | set(LEFT_OUT)) - set(ROWS)) == []
    assert (in_the_table | named) & set(LEFT_OUT) == set()


@pytest.mark.parametrize("place", sorted(set(SHOWN.values())))
def test_the_named_test_exists(place: str) -> None:
    file, name = place.split()
    assert re.search(rf"^ *def {name}\(", (TESTS / file).read_text(), re.MULTILINE)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nX", "a\x00", "é", "\u2028", "a\x7f"])
def test_a_line_break_in_a_credential_is_refused_when_it_is_sent(value: str, receiver: object) -> None:
    """G08: what a credential or a template puts into a header is checked where the request is written."""
    url = receiver.url  # type: ignore[attr-defined]
    endpoint = make_endpoint(url=url)
    endpoint.credential = make_credential(team=endpoint.team, values={"webhook_url": url, "secret": value})
    endpoint.save()
    delivery = sending.send(make_delivery(endpoint=endpoint))
    assert (delivery.state, delivery.attempt.code) == ("blocked", "header")
    assert value not in delivery.attempt.detail
    assert receiver.requests == []  # type: ignore[attr-defined]
