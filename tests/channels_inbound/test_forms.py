"""Multipart forms: fields and files come out whole, everything has an end, and nothing but two errors gets out."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels_inbound.forms import IN_MEMORY, MOST_PARTS, NotAForm, TooLarge, parse_form

TYPE = "multipart/form-data; boundary=cut"
LIMIT = 4 * 1024 * 1024


def part(disposition: str, content: bytes = b"", *headers: str) -> bytes:
    lines = "".join(f"{header}\r\n" for header in (f"Content-Disposition: form-data; {disposition}", *headers))
    return b"--cut\r\n" + lines.encode() + b"\r\n" + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--cut--\r\n"


def parse(body: bytes, content_type: str = TYPE, limit: int = LIMIT):
    return parse_form(io.BytesIO(body), content_type, limit=limit)


def test_fields_keep_their_order_and_a_name_that_comes_twice():
    found = parse(form(part('name="b"', b"1"), part('name="a"', "größe".encode()), part('name="b"', b"")))
    assert found.fields == [("b", "1"), ("a", "größe"), ("b", "")]
    assert found.files == []


def test_bytes_that_are_no_utf_8_can_be_had_back():
    found = parse(form(part('name="body-mime"', b"\xff\r\n\xe9")))
    assert found.fields[0][1].encode("utf-8", "surrogateescape") == b"\xff\r\n\xe9"


def test_a_file_is_an_upload_with_its_size_and_its_name_as_it_was_sent():
    body = form(part('name="attachment-1"; filename="../../größe.txt"', b"12345", "Content-Type: text/plain"))
    [upload] = parse(body).files
    assert (upload.name, upload.filename, upload.content_type, upload.size) == (
        "attachment-1",
        "../../größe.txt",
        "text/plain",
        5,
    )
    assert upload.file.read() == b"12345"


@pytest.mark.parametrize(
    "disposition, filename",
    [
        ('name="a"; filename=""', ""),
        ("name=\"a\"; filename*=utf-8''gr%C3%B6%C3%9Fe.txt", "größe.txt"),
        ("name=\"a\"; filename*=iso-8859-1'de'gr%F6%DFe.txt", "größe.txt"),
        ("name=\"a\"; filename*=klingon''x.txt", ""),
        ('name="a"', ""),
    ],
    ids=["empty", "encoded", "latin-1", "unknown charset", "no name but a content type"],
)
def test_a_file_is_one_however_it_is_named(disposition, filename):
    [upload] = parse(form(part(disposition, b"x", "Content-Type: application/pdf"))).files
    assert upload.filename == filename


@pytest.mark.parametrize("size, on_disk", [(IN_MEMORY, False), (IN_MEMORY + 1, True)])
def test_a_file_over_a_megabyte_lies_on_disk(size, on_disk):
    [upload] = parse(form(part('name="a"; filename="a"', b"x" * size))).files
    assert upload.size == size
    assert isinstance(upload.file, io.BytesIO) is not on_disk
    assert len(upload.file.read()) == size


def test_a_form_of_exactly_the_limit_is_taken_and_a_byte_more_is_not():
    body = form(part('name="a"; filename="a"', b"x" * 1000))
    assert parse(body, limit=len(body)).files
    with pytest.raises(TooLarge):
        parse(body, limit=len(body) - 1)


def test_reading_stops_at_the_limit():
    class Endless:
        taken = 0

        def read(self, size: int) -> bytes:
            self.taken += size
            return b"x" * size

    stream = Endless()
    with pytest.raises(TooLarge):
        parse_form(stream, TYPE, limit=100_000)
    assert stream.taken == 100_001


@pytest.mark.parametrize("count, fits", [(MOST_PARTS, True), (MOST_PARTS + 1, False)])
def test_there_are_so_many_parts_and_no_more(count, fits):
    body = form(*[part('name="a"', b"1")] * count)
    if fits:
        assert len(parse(body).fields) == count
    else:
        with pytest.raises(TooLarge):
            parse(body)


def test_a_header_without_an_end_is_too_large():
    with pytest.raises(TooLarge):
        parse(form(part(f'name="{"a" * 20_000}"')))


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary=""',
        f"multipart/form-data; boundary={'x' * 201}",
        "multipart/form-data; boundary=ü☃",
        "multipart/mixed; boundary=cut",
        "application/x-www-form-urlencoded",
        "",
        "\ud800",
    ],
)
def test_row_64_without_a_boundary_it_is_no_form(content_type):
    with pytest.raises(NotAForm):
        parse(form(part('name="a"', b"1")), content_type)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"recipient=a&sender=b",
        b"--cut",
        b"--cut\r\n\r\n\r\n--cut--\r\n",
        part('name="a"', b"1"),
        form(part('name="a"', b"1"))[:-8],
        b"--cut\r\nContent-Disposition: attachment\r\n\r\nx\r\n--cut--\r\n",
        form(part('name="a"', b"1", "Content-Length: 5")),
        form(part('name="a"', b"1", "no header")),
    ],
)
def test_what_is_broken_or_ends_in_the_middle_is_no_form(body):
    with pytest.raises(NotAForm):
        parse(body)


def test_an_error_of_the_stream_itself_gets_out():
    class Broken:
        def read(self, size: int) -> bytes:
            raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        parse_form(Broken(), TYPE, limit=LIMIT)


PIECES = st.sampled_from(
    [
        b"--cut",
        b"--cut--",
        b"\r\n",
        b"\r",
        b"\n",
        b": ",
        b";",
        b'"',
        b"Content-Disposition: form-data",
        b" name=",
        b"filename*=",
    ]
)


@settings(max_examples=300, deadline=None)
@given(body=st.lists(PIECES | st.binary(max_size=8), max_size=25).map(b"".join), limit=st.integers(0, 200))
def test_whatever_is_sent_is_a_form_or_one_of_two_errors(body, limit):
    try:
        found = parse(body, limit=limit)
    except (TooLarge, NotAForm):
        return
    assert all(upload.size <= limit for upload in found.files)


@settings(max_examples=200, deadline=None)
@given(
    content_type=st.text(max_size=60) | st.text(max_size=30).map(lambda text: f"multipart/form-data; boundary={text}")
)
def test_whatever_content_type_is_claimed_is_a_form_or_one_of_two_errors(content_type):
    try:
        parse(form(part('name="a"', b"1")), content_type)
    except (TooLarge, NotAForm):
        return


@settings(max_examples=100, deadline=None)
@given(values=st.lists(st.tuples(st.text("ab-", max_size=5), st.binary(max_size=50)), max_size=6))
def test_what_is_written_is_read(values):
    values = [(name, value) for name, value in values if b"--cut" not in value]
    found = parse(form(*(part(f'name="{name}"', value) for name, value in values)))
    assert [(name, text.encode("utf-8", "surrogateescape")) for name, text in found.fields] == values
