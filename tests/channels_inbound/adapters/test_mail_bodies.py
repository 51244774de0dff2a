"""Mail, whoever brings it: HTML, raw mails, and mails made to break a reader."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels_inbound.adapters import mail, mime
from channels_inbound.adapters.mail import Headers

# --- HTML ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "html, text",
    [
        ("<p>Hello <b>Asha</b></p><p>Bye</p>", "Hello Asha\n\nBye"),
        ("a<br>b<BR/>c", "a\nb\nc"),
        ("<style>p{color:red}</style><script>alert('<p>1</p>')</script>x", "x"),
        ("<head><title>t</title></head><body>x</body>", "x"),
        ("a &amp; b &lt;i&gt; &nbsp;&euro;&#9731;", "a & b <i> €☃"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("a<!-- <p>unseen</p> -->b", "ab"),
        ("a<!-- never ends <p>x", "a"),
        ("a\n\n  b", "a b"),
        ("<ul><li>one</li><li>two</li></ul>", "one\n\ntwo"),
        ("&lt;script&gt;", "<script>"),
        ("", ""),
    ],
)
def test_the_text_of_html_is_what_a_reader_sees(html, text):
    assert mail.html_text(html) == text


@pytest.mark.parametrize(
    "piece", ["<!--", "<a ", "</", "<![", "&#", "<?", "<script>", "<a b='", "<a", "a", "<!", "&", "\n", "<p>"]
)
def test_no_html_keeps_us_busy(piece):
    began = time.monotonic()
    mail.html_text(f"<{piece * 100_000}")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "written, kept",
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\a\\x.doc", "x.doc"),
        ("a\x00b\r\n\u202e.exe", "ab.exe"),
        ("..", ""),
        (" . ", ""),
        ("=?utf-8?q?gr=C3=B6=C3=9Fe.txt?=", "größe.txt"),
        ("x" * 500, "x" * 200),
    ],
)
def test_row_62_a_file_name_has_no_folders_and_nothing_invisible(written, kept):
    assert mail.file_name(written) == kept


# --- raw mails -------------------------------------------------------------------------------------------------------


def raw(*lines: str) -> bytes:
    return "\r\n".join(lines).encode()


PARTED = ['Content-Type: multipart/mixed; boundary="b"', "", "preamble"]


def test_a_raw_mail_is_read_in_its_charset_and_its_line_ends_stay():
    letter = mime.read(
        b"Subject: x\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        b"Gr\xfc\xdfe\r\n\r\nAsha\r\n"
    )
    assert letter.text == "Grüße\r\n\r\nAsha"
    assert letter.plain == "Grüße\r\n\r\nAsha\r\n"


def test_the_plain_text_is_read_and_the_html_kept():
    letter = mime.read(
        raw(
            'Content-Type: multipart/alternative; boundary="b"',
            "",
            "--b",
            "Content-Type: text/plain",
            "",
            "plain",
            "--b",
            "Content-Type: text/html",
            "",
            "<p>html</p>",
            "--b--",
        )
    )
    assert (letter.text, letter.html.strip(), letter.attachments) == ("plain", "<p>html</p>", [])


def test_a_mail_of_nothing_but_html_has_a_text():
    assert mime.read(raw("Content-Type: text/html", "", "<p>Hello<br>Asha</p>")).text == "Hello\nAsha"


def test_attachments_are_decoded_named_and_counted():
    letter = mime.read(
        raw(
            *PARTED,
            "--b",
            "Content-Type: text/plain",
            "",
            "see",
            "--b",
            'Content-Type: image/png; name="../a.png"',
            "Content-Transfer-Encoding: base64",
            "Content-Disposition: inline",
            "Content-ID: <logo@x>",
            "",
            "aGVsbG8=",
            "--b",
            "Content-Type: text/plain",
            "Content-Disposition: attachment; filename*=utf-8''gr%C3%B6%C3%9Fe.txt",
            "",
            "more",
            "--b",
            "Content-Type: message/rfc822",
            "",
            "Subject: inner",
            "",
            "inside",
            "--b--",
        )
    )
    assert letter.text == "see"
    found = [
        (each.filename, each.mime_type, each.content, each.is_inline, each.content_id) for each in letter.attachments
    ]
    assert found[0] == ("a.png", "image/png", b"hello", True, "logo@x")
    assert found[1] == ("größe.txt", "text/plain", b"more", False, "")
    assert found[2][1] == "message/rfc822"
    assert b"inside" in (found[2][2] or b"")
    assert letter.attachments[0].size == 5
    assert letter.attachments[0].sha256 == "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"


def test_headers_of_a_raw_mail_may_hold_bare_utf_8():
    letter = mime.read("Subject: Grüße\r\nFrom: Jürgen <j@x.example>\r\n\r\nx".encode())
    assert letter.headers.get("subject") == "Grüße"


def test_a_report_names_the_recipient_the_mail_and_the_cause():
    letter = mime.read(
        raw(
            'Content-Type: multipart/report; report-type=delivery-status; boundary="b"',
            "",
            "--b",
            "",
            "Sorry.",
            "--b",
            "Content-Type: message/delivery-status",
            "",
            "Reporting-MTA: dns; mx.example.com",
            "",
            "Final-Recipient: rfc822; gone@example.com",
            "Action: failed",
            "Status: 5.1.1",
            "Diagnostic-Code: smtp; 550 no such user",
            "",
            "--b",
            "Content-Type: text/rfc822-headers",
            "",
            "Message-ID: <ours@mg.example.com>",
            "Subject: Re: Order",
            "--b--",
        )
    )
    assert letter.report == mime.Report("gone@example.com", "<ours@mg.example.com>", "550 no such user")


@pytest.mark.parametrize(
    "body, text",
    [
        (b"Content-Type: text/plain; charset=x-klingon\r\n\r\nhello", "hello"),
        (b"Content-Type: text/plain; charset=unicode_escape\r\n\r\n\\x41", "\\x41"),
        (b"Content-Type: text/plain; charset=zlib\r\n\r\nhello", "hello"),
        (b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n%%%", None),
        (b"Content-Type: application/pdf\r\n\r\n%PDF", ""),
        (b"Content-Type: multipart/mixed\r\n\r\nno boundary", ""),
        (b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n", ""),
        (b"", ""),
        (b"\xff\xfe\x00", None),
    ],
)
def test_row_67_a_broken_mail_has_perhaps_no_text(body, text):
    letter = mime.read(body)
    assert text is None or letter.text == text


DEPTH = 220  # more boundaries than any mail has, and few enough for the parser to go all the way down
NESTED = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(DEPTH))


@pytest.mark.parametrize(
    "body, is_read",
    [
        (b"\n" * (mime.MOST_LINES - 20), True),
        (b"\n" * mime.MOST_LINES, False),
        (b"boundary\n" * 4_000, True),
        (b"boundary\n" * 5_000, False),
        (b"Content-Type: x\n" * (2 * mime.MOST_PARTS - 2), True),
        (b"Content-Disposition: x\n" * 2 * mime.MOST_PARTS, False),
    ],
    ids=["lines", "more lines", "comparisons", "more comparisons", "parts", "more parts"],
)
def test_of_a_mail_beyond_all_measure_only_the_headers_are_read(body, is_read):
    letter = mime.read(
        b"Subject: s\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nx\n--b--\n" + body
    )
    assert letter.headers.get("subject") == "s"
    assert (letter.text == "x") is is_read


@pytest.mark.parametrize(
    "body",
    [
        NESTED + b"--x\r\n" * 500_000,
        NESTED[: len(NESTED) // 2] + b"--x\r\n" * 1_000_000,
        b"Content-Type: message/rfc822\r\n\r\n" * 5000,
        b"Content-Type: text/plain" + b';"' + b";" * 300_000 + b"\r\n\r\nx",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\n\r\n" * 50_000,
        b"Subject: " + b"=?utf-8?q?a?= " * 100_000 + b"\r\n\r\nx",
        b"From: " + b'"<(,' * 100_000 + b"\r\n\r\nx",
        b"\r\n" * 5_000_000,
        b"A: b\r\n" * 2_000_000,
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
        + b'--b\r\nContent-Disposition: a;";;;;;;;;;\r\n\r\n' * 90_000,
        b"Content-Type: text/plain; charset=utf-8\r\n\r\na" + "\u0301\u0327".encode() * 200_000,
    ],
    ids=[
        "nested boundaries",
        "fewer of them and more lines",
        "mails in mails",
        "a long header",
        "many parts",
        "many words",
        "a long address",
        "empty lines",
        "many headers",
        "many dispositions",
        "marks on marks",
    ],
)
def test_a_mail_made_to_keep_us_busy_does_not(body):
    began = time.monotonic()
    letter = mime.read(body)
    mail.words(letter.headers.get("subject"))
    mail.addresses(letter.headers.get("from"))
    assert time.monotonic() - began < 8


LINES = st.sampled_from(
    [
        b"Content-Type: multipart/mixed; boundary=b",
        b"Content-Type: message/delivery-status",
        b"Content-Type: message/rfc822",
        b"Content-Type: text/html; charset*=utf-7''x",
        b"Content-Transfer-Encoding: base64",
        b"Content-Transfer-Encoding: x-uuencode",
        b"Content-Disposition: attachment; filename*0*=utf-8''%ff; filename*x=1",
        b"Content-ID: <",
        b"Message-ID: <a@x>",
        b"From: =?utf-7?b?2AA=?= <a@x",
        b"begin 644 x",
        b"--b",
        b"--b--",
        b"",
    ]
)


@settings(max_examples=300, deadline=None)
@given(body=st.lists(LINES | st.binary(max_size=20), max_size=20).map(b"\r\n".join))
def test_no_mail_breaks_the_reader(body):
    letter = mime.read(body)
    letter.text.encode()
    for each in letter.attachments:
        each.filename.encode()
        each.mime_type.encode()
    for _, value in letter.headers.pairs:
        mail.words(value).encode()


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=100))
def test_no_text_breaks_the_small_functions(text):
    mail.words(text).encode()
    mail.file_name(text).encode()
    mail.html_text(text).encode()
    mail.answering_subject(text).encode()
    mail.thread(text.encode("utf-8", "replace").decode(), text)
    assert all(mail.is_address(each.address) for each in mail.addresses(text))
    mail.writer(
        Headers([("Auto-Submitted", text), ("Precedence", text)]), has_no_sender=False, author=None, answered=None
    )
