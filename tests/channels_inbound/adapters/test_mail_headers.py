"""Mail, whoever brings it: headers, addresses, threads, and programs that write."""

import pytest

from channels_inbound.adapters import mail
from channels_inbound.adapters.mail import Address, Headers

# --- headers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written, read",
    [
        ("plain", "plain"),
        ("=?utf-8?Q?Gr=C3=BC=C3=9Fe_aus?= K=?x", "Grüße aus K=?x"),
        ("=?UTF-8?B?R3LDvMOfZQ==?=", "Grüße"),
        ("=?iso-8859-1?q?Gr=FC=DFe?= an =?utf-8?q?alle?=", "Grüße an alle"),
        ("=?utf-8?B?8J+Y?= \r\n =?utf-8?B?gA==?=", "😀"),
        ("=?utf-8?q?a?=\r\n =?utf-8?q?b?=", "ab"),
        ("=?klingon?q?abc?=", "abc"),
        ("=?punycode?q?abc?=", "abc"),
        ("=?utf-8?B?%%%?=", ""),
        ("=?utf-8?x?abc?=", "=?utf-8?x?abc?="),
        ("=?utf-8?q?=00=ED=A0=80?=", "��"),
        ("two\r\n lines", "two lines"),
    ],
)
def test_encoded_words_are_decoded(written, read):
    assert mail.words(written).replace("���", "�") == read


def test_headers_are_found_in_any_case_and_as_often_as_they_came():
    headers = Headers([("Received", "a"), ("received", "b\r\n c"), ("X", "")])
    assert headers.all("RECEIVED") == ["a", "b c"]
    assert (headers.get("received"), headers.get("x"), headers.get("y")) == ("a", "", "")


@pytest.mark.parametrize(
    "header, expected",
    [
        ("Asha <Asha@Example.COM>", [Address("asha@example.com", "Asha")]),
        ('"Mwangi, Asha" <a@b.example>', [Address("a@b.example", "Mwangi, Asha")]),
        ("=?utf-8?q?J=C3=BCrgen?= <j@b.example>", [Address("j@b.example", "Jürgen")]),
        ("a@b.example, c@d.example", [Address("a@b.example"), Address("c@d.example")]),
        ("undisclosed-recipients:;", []),
        ("no address", []),
        ("a@b@c", []),
        ('"a b"@c.example', []),
        ("a@b.example\r\nBcc: victim@c.example", [Address("a@b.example")]),
        ("(" * 3000, []),
        ("a" * 65 + "@b.example", []),
        ("", []),
    ],
)
def test_addresses_are_those_that_can_be_written_to(header, expected):
    assert mail.addresses(header) == expected


def test_a_tag_is_read():
    inbox = Address("support+cnv_1@example.com")
    assert (inbox.tag, inbox.base) == ("cnv_1", "support@example.com")
    assert Address("support@example.com").tag == ""


# --- threads ---------------------------------------------------------------------------------------------------------


def test_ids_are_taken_in_their_order_once_and_from_folded_headers():
    assert mail.ids("<a@x>  <b@x>\r\n\t<c@x>", "<b@x> d@x <>", "< e@x>") == ["<a@x>", "<b@x>", "<c@x>"]


def test_of_very_many_references_the_last_ones_are_kept():
    assert mail.ids("".join(f"<{n}@x>" for n in range(5000)))[-1] == "<4999@x>"
    assert len(mail.ids("".join(f"<{n}@x>" for n in range(5000)))) == mail.MOST_REFERENCES


@pytest.mark.parametrize(
    "subject",
    [
        "Order 7",
        "Re: Order 7",
        "RE: Fwd:  order 7",
        "AW: WG: Order 7",
        "Re[2]: Order 7",
        "Sv: VS: Order\r\n 7",
        "回复：Order 7",
    ],
)
def test_answers_have_the_subject_of_what_they_answer(subject):
    assert mail.base_subject(subject) == "order 7"
    assert mail.thread("a@x.example", subject) == mail.thread("a@x.example", "Order 7")


def test_another_sender_or_another_subject_is_another_thread():
    threads = {mail.thread(*of) for of in [("a@x", "One"), ("b@x", "One"), ("a@x", "Two"), ("a@x", ""), ("a@xO", "ne")]}
    assert len(threads) == 5


@pytest.mark.parametrize(
    "subject, answer",
    [
        ("Order 7", "Re: Order 7"),
        ("RE: Order 7", "RE: Order 7"),
        ("AW: Order 7", "Re: AW: Order 7"),
        ("", "Re:"),
        ("a\r\nBcc: victim@x.example", "Re: a Bcc: victim@x.example"),
    ],
)
def test_an_answer_says_re_once_and_stays_on_one_line(subject, answer):
    assert mail.answering_subject(subject) == answer


# --- people or programs ----------------------------------------------------------------------------------------------

PERSON = Address("asha@example.com")
REPORT = 'multipart/report; report-type=delivery-status; boundary="b"'


def kind_of(*pairs: tuple[str, str], no_sender: bool = False, author: Address | None = PERSON) -> str:
    kind, reason = mail.writer(Headers(pairs), has_no_sender=no_sender, author=author, answered=author)
    assert bool(reason) == (kind != "message")
    return kind


@pytest.mark.parametrize(
    "pairs, kind",
    [
        ([], "message"),
        ([("Auto-Submitted", "no")], "message"),
        ([("Precedence", "first-class")], "message"),
        ([("X-Autoreply", "no")], "message"),
        ([("X-Auto-Response-Suppress", "DR, RN, NRN")], "message"),
        ([("Content-Type", "multipart/mixed; boundary=x")], "message"),
        ([("Auto-Submitted", "auto-replied")], "auto_reply"),
        ([("auto-submitted", "auto-generated; owner=x")], "auto_reply"),
        ([("Precedence", "Bulk")], "auto_reply"),
        ([("Precedence", "list")], "auto_reply"),
        ([("List-Id", "<news.example.com>")], "auto_reply"),
        ([("X-Autoreply", "yes")], "auto_reply"),
        ([("X-Autorespond", "yes")], "auto_reply"),
        ([("X-Auto-Response-Suppress", "OOF, AutoReply")], "auto_reply"),
        ([("X-Auto-Response-Suppress", "All")], "auto_reply"),
        ([("Content-Type", "multipart/report; report-type=disposition-notification")], "auto_reply"),
        ([("Content-Type", REPORT)], "bounce"),
        ([("Content-Type", "multipart/report")], "bounce"),
        ([("Auto-Submitted", "auto-replied"), ("Content-Type", REPORT)], "bounce"),
        ([("X-Failed-Recipients", "gone@example.com")], "bounce"),
    ],
)
def test_row_66_what_a_program_wrote_is_seen(pairs, kind):
    assert kind_of(*pairs) == kind


@pytest.mark.parametrize(
    "author, kind",
    [
        (PERSON, "auto_reply"),
        (Address("mailer-daemon@example.com"), "bounce"),
        (None, "auto_reply"),
    ],
)
def test_row_66_a_mail_without_a_return_address_is_no_persons(author, kind):
    assert kind_of(no_sender=True, author=author) == kind


@pytest.mark.parametrize(
    "local", ["noreply", "no-reply", "do_not_reply", "donotreply", "no-reply+42", "noreply-orders"]
)
def test_an_address_that_nobody_reads_is_not_answered(local):
    assert kind_of(author=Address(f"{local}@example.com")) == "auto_reply"


def test_a_person_may_be_called_nearly_so():
    assert kind_of(author=Address("noreplyson@example.com")) == "message"
