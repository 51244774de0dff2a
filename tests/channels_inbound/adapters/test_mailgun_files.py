"""Mailgun: files that come with a mail or are kept for it, and raw mails."""

import base64
import dataclasses
import io
import json
from typing import Any

import pytest

from channels_inbound.adapters.base import Arrival, Unusable, Upload
from channels_inbound.adapters.mailgun import Mailgun
from tests.channels_inbound.adapters.mailgun_posts import (
    ADAPTER,
    MAIL,
    connection,
    encoded,
    mail,
    posted,
    proof,
    raw,
    read,
)

# --- files -----------------------------------------------------------------------------------------------------------


def upload(name: str, filename: str, content_type: str = "text/plain", content: bytes = b"x") -> Upload:
    return Upload(name, filename, content_type, len(content), io.BytesIO(content))


def test_row_62_files_come_with_clean_names_whatever_the_count_says():
    fields = MAIL | {
        "attachment-count": "17",
        "content-id-map": '{"": "attachment-1", "": "attachment-2", "<a@x>": "attachment-3", "<a@x>": "attachment-4"}',
        "body-html": '<img src="cid:a@x">',
    }
    names = ["../../f1.txt", "", "C:\\f3.png", "f4.png"]
    arrival = read(posted(fields, [upload(f"attachment-{n}", name, "image/png") for n, name in enumerate(names, 1)]))
    assert [each.filename for each in arrival.attachments] == ["f1.txt", "", "f3.png", "f4.png"]
    assert [each.upload for each in arrival.attachments] == [0, 1, 2, 3]
    assert [each.content_id for each in arrival.attachments] == ["", "", "a@x", "a@x"]
    assert [each.is_inline for each in arrival.attachments] == [False, False, True, True]
    assert {(each.kind, each.mime_type, each.size) for each in arrival.attachments} == {("image", "image/png", 1)}


def test_a_content_id_that_the_mail_does_not_show_makes_no_picture_of_a_file():
    fields = MAIL | {"content-id-map": '{"<a@x>": "attachment-1"}'}
    [attachment] = read(posted(fields, [upload("attachment-1", "order.pdf", "application/pdf")])).attachments
    assert (attachment.is_inline, attachment.kind) == (False, "document")


@pytest.mark.parametrize("junk", ["", "garbage", "[]", "null", '{"a": 1}', '{"a": {"b": "c"}}', "[" * 9999, '["ab"]'])
def test_row_62_a_broken_map_of_content_ids_loses_no_file(junk):
    assert len(read(posted(MAIL | {"content-id-map": junk}, [upload("attachment-1", "a.txt")])).attachments) == 1


def test_of_very_many_files_it_says_how_many_were_left_out():
    arrival = read(posted(MAIL, [upload(f"attachment-{n}", "a.txt") for n in range(205)]))
    assert (len(arrival.attachments), arrival.facts["attachments_left_out"]) == (200, 5)


STORED = "https://storage-us-east4.api.mailgun.net/v3/domains/mg.example.com/messages/BAABAQ==/attachments/0"


def stored(url: Any) -> Arrival:
    files = [{"url": url, "content-type": "application/pdf", "name": "a/b.pdf", "size": 12}]
    return mail(attachments=json.dumps(files), **{"content-id-map": json.dumps({"<a@x>": url})})


def test_files_that_mailgun_keeps_are_fetched_with_the_api_key():
    [attachment] = stored(STORED).attachments
    assert (attachment.url, attachment.filename, attachment.size) == (STORED, "b.pdf", 12)
    assert attachment.content_id == "a@x"
    request = ADAPTER.media(dataclasses.asdict(attachment), {"api_key": "key"})
    assert request is not None
    assert (request.method, request.url) == ("GET", STORED)
    assert dict(request.headers)["Authorization"] == f"Basic {base64.b64encode(b'api:key').decode()}"


@pytest.mark.parametrize(
    "url",
    [
        STORED.replace("https", "http"),
        STORED.replace("api.mailgun.net", "api.mailgun.net.evil.example"),
        STORED.replace("api.mailgun.net", "evilapi.mailgun.net"),
        STORED.replace("https://", "https://evil.example\\@"),
        STORED.replace("https://", "https://evil.example/@"),
        STORED.replace("https://", "https://user@"),
        STORED.replace(".net/", ".net:8443/"),
        STORED.replace("storage-us-east4.api.mailgun.net", "169.254.169.254"),
        STORED + "?x=1",
        STORED.replace("messages/BAABAQ==", "messages/../../../v5/x"),
        "https://api.mailgun.net/v3/domains/mg.example.com/credentials",
        "https://api.mailgun.net/v5/accounts/subaccounts",
        "",
        7,
        None,
        ["x"],
    ],
)
def test_no_other_address_gets_the_api_key(url):
    [attachment] = stored(url).attachments
    assert attachment.url == ""
    assert ADAPTER.media({"url": url}, {"api_key": "key"}) is None


@pytest.mark.parametrize(
    "host", ["api.mailgun.net", "so.api.mailgun.net", "storage.eu.mailgun.net", "api.eu.mailgun.net"]
)
def test_the_hosts_where_files_lie_are_known(host):
    url = STORED.replace("storage-us-east4.api.mailgun.net", host)
    assert stored(url).attachments[0].url == url
    assert any(host == each or host.endswith(f".{each}") for each in Mailgun.media_hosts)


# --- raw mails -------------------------------------------------------------------------------------------------------

RAW = "\r\n".join(
    [
        "From: =?utf-8?q?J=C3=BCrgen?= <jw@example.org>",
        "Message-ID: <raw@example.org>",
        "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=",
        "In-Reply-To: <a@x>",
        " <b@x>",
        "References: <z@x>",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: quoted-printable",
        "",
        "Sch=C3=B6n.",
        "Bis dann.",
    ]
)


def test_a_raw_mail_is_taken_apart_here():
    arrival = raw(RAW)
    assert arrival.sender is not None
    assert (arrival.kind, list(arrival.sender.addresses), arrival.sender.name) == (
        "message",
        ["jw@example.org"],
        "Jürgen",
    )
    assert (arrival.subject, arrival.text) == ("Grüße", "Schön.\r\nBis dann.")
    assert arrival.dedupe_key == "<raw@example.org>|support@mg.example.com"
    assert list(arrival.references) == ["<z@x>", "<a@x>", "<b@x>"]


def test_a_raw_mail_of_eight_bits_survives_the_form():
    body = b"From: a@example.org\r\nContent-Type: text/plain; charset=latin-1\r\n\r\nGr\xfc\xdfe"
    for incoming in (
        encoded({"recipient": "x@y.example", "body-mime": body} | proof()),
        posted([("recipient", "x@y.example"), ("body-mime", body.decode("utf-8", "surrogateescape"))]),
    ):
        assert read(incoming).text == "Grüße"


@pytest.mark.parametrize(
    "body",
    [
        "From: a@example.org\r\nContent-Type: text/plain; charset=x-klingon\r\n\r\nhello",
        "From: a@example.org\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n%%%",
        "From: a@example.org\r\nContent-Type: multipart/mixed\r\n\r\nx",
        "From: a@example.org\r\nContent-Type: application/pdf\r\n\r\n%PDF",
        "From: a@example.org",
    ],
    ids=["charset", "base64", "no boundary", "no text part", "no body"],
)
def test_row_67_a_broken_raw_mail_is_still_a_message(body):
    assert raw(body).kind == "message"


def test_a_form_without_a_mail_is_unusable():
    with pytest.raises(Unusable):
        ADAPTER.parse(encoded(proof()), connection())
