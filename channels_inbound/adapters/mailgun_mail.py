"""A mail that came by way of Mailgun: taken apart by it, or raw."""

import json
from collections.abc import Sequence
from typing import Any

from channels_inbound.adapters import mail, mailgun_replies, mime, reading
from channels_inbound.adapters.base import (
    MEGABYTE,
    Arrival,
    Attachment,
    Connection,
    Incoming,
    Kind,
    Sender,
    Unusable,
    first,
)
from channels_inbound.adapters.mail import Address, Headers
from channels_inbound.adapters.mailgun_post import Post
from channels_inbound.adapters.mime import Letter, Report

MOST_HEADERS = 500
MOST_HEADERS_TEXT = MEGABYTE
MOST_FILES = 200


def parsed(post: Post) -> Letter:
    """A mail that Mailgun took apart."""
    plain, html = post.get("body-plain"), "\n".join(post.all("body-html"))
    written = post.get("stripped-text")
    text = first([written if written.strip() else "", plain if plain.strip() else "", mail.html_text(html)])
    headers = form_headers(post)
    files = [*_uploads(post, html), *_stored(post, html)]
    report = Report(headers.get("x-failed-recipients"), first(mime.quoted_ids(plain[: mail.MOST_HTML])))
    return Letter(headers, mail.clean(text), plain, html, post.get("stripped-signature"), files, report)


def form_headers(post: Post) -> Headers:
    """Those of the list that Mailgun makes of them, then those that are fields of their own."""
    pairs: list[tuple[str, str]] = []
    source = post.raw("message-headers")
    if len(source) <= MOST_HEADERS_TEXT:
        try:
            found = reading.document(source)
        except Unusable:
            found = []
        rows = found if isinstance(found, list) else []
        pairs = [(row[0], row[1]) for row in rows if isinstance(row, list) and len(row) == 2 and _are_texts(row)]
    listed = {name.lower() for name, _ in pairs}
    # Mailgun's own fields begin with a small letter, what it makes of a header with a capital.
    alone = [(name, value) for name, value in post.fields if name[:1].isupper() and name.lower() not in listed]
    return Headers([(reading.plain(name), reading.plain(value)) for name, value in (*pairs, *alone)])


def _are_texts(row: Sequence[Any]) -> bool:
    return all(isinstance(each, str) for each in row)


def _content_ids(post: Post) -> dict[str, str]:
    """From the name of a field, or the address of a stored file, to its content id. A key may stand there twice."""
    try:
        pairs = json.loads(post.get("content-id-map") or "{}", object_pairs_hook=list)
    except (ValueError, RecursionError):
        return {}
    rows = pairs if isinstance(pairs, list) else []
    return {
        row[1]: mail.clean(row[0], 250).strip("<> ")
        for row in rows
        if isinstance(row, tuple | list) and len(row) == 2 and _are_texts(row)
    }


def _uploads(post: Post, html: str) -> list[Attachment]:
    content_ids = _content_ids(post)
    found = []
    for position, upload in enumerate(post.files):
        content_id = content_ids.get(upload.name, "")
        mime_type = mail.clean(upload.content_type, 100).lower()
        found.append(
            Attachment(
                kind=mail.file_kind(mime_type),
                mime_type=mime_type,
                filename=mail.file_name(upload.filename),
                size=upload.size,
                upload=position,
                content_id=content_id,
                is_inline=_is_shown(content_id, html),
            )
        )
    return found


def _stored(post: Post, html: str) -> list[Attachment]:
    """Files that Mailgun keeps (`store()`). Their addresses come in a body that nobody signed, so they are checked."""
    try:
        found = reading.document(post.raw("attachments") or b"[]")
    except Unusable:
        return []
    content_ids = _content_ids(post)
    stored = []
    for each in reading.objects(found):
        url = mail.clean(each.get("url"), 2000)
        mime_type = mail.clean(each.get("content-type"), 100).lower()
        size = each.get("size")
        stored.append(
            Attachment(
                kind=mail.file_kind(mime_type),
                url=url if mailgun_replies.is_file(url) else "",
                mime_type=mime_type,
                filename=mail.file_name(mail.clean(each.get("name"), 1000)),
                size=size if isinstance(size, int) and not isinstance(size, bool) and 0 <= size < 2**53 else None,
                content_id=content_ids.get(url, ""),
                is_inline=_is_shown(content_ids.get(url, ""), html),
            )
        )
    return stored


def _is_shown(content_id: str, html: str) -> bool:
    """Some programs give every file a content id; only one that the text shows is a picture inside it."""
    return bool(content_id) and f"cid:{content_id}" in html


# --- what it means ---------------------------------------------------------------------------------------------------


def arrival(post: Post, letter: Letter, incoming: Incoming, connection: Connection) -> Arrival:
    headers = letter.headers
    subject = mail.words(headers.get("subject") or post.get("subject"))
    recipient = mail.clean(post.get("recipient"), 254).strip()
    inbox = mail.address(recipient)
    message_id = first(mail.ids(headers.get("message-id")))
    sender = _sender(post, headers, connection)
    kind, reason = _kind(post, letter, inbox, sender, connection)
    answered = mail.ids(headers.get("in-reply-to"))
    about = letter.report if kind == "bounce" else Report()
    address = first(sender.addresses)
    key = f"{message_id}|{recipient}" if message_id else post.get("token")
    if kind == "unsupported" and _is_foreign(inbox, connection):
        # Not the mail's own: once the addresses are put right, the mail itself may still come.
        key = f"foreign:{key}"
    return Arrival(
        kind=kind,
        dedupe_key=key,
        provider_id=message_id,
        event_type="mail",
        sender=sender if address else None,
        recipient=recipient,
        thread=mail.thread(address, subject),
        text=letter.text,
        subject=mail.clean(subject, 1000),
        html=mail.clean(letter.html),
        attachments=letter.attachments[:MOST_FILES],
        reply_to_id=first(answered),
        # In the order in which they were written, so that an answer can go on with them.
        references=mail.ids(headers.get("references"), *answered),
        target_id=about.target_id,
        status="failed" if kind == "bounce" else "",
        error_text=about.explanation,
        reason=reason,
        occurred_at=reading.moment(post.get("timestamp"), incoming.at),
        answer_to={
            "subject": mail.clean(subject, 900),
            "inbox": _answering_inbox(inbox) if inbox else "",
            "message_id": message_id,
        },
        facts=_facts(post, letter, inbox),
        extra={"headers": [[_clean(name), _clean(value)] for name, value in headers.pairs[:MOST_HEADERS]]},
    )


def _clean(text: str) -> str:
    return mail.clean(text, 2000)


def _sender(post: Post, headers: Headers, connection: Connection) -> Sender:
    """Whom an answer goes to: they are the person, since whoever gets the answers is who we speak with.

    The envelope address and `From` are not further addresses of theirs: anybody can write any of them.
    """
    author = _author(post, headers)
    candidates = [mail.address(headers.get("reply-to")), author, mail.address(post.get("sender"))]
    ours = _own(post, connection)
    found = next((each for each in candidates if each and each.base not in ours), None)
    if found is None:
        return Sender(id_type="email")
    name = found.name or (author.name if author and author.address == found.address else "")
    is_sure = author is not None and found.address == author.address and _vouched(post, headers, author, connection)
    return Sender(addresses=[found.address], id_type="email", name=name, email=found.address if is_sure else "")


def _author(post: Post, headers: Headers) -> Address | None:
    return mail.address(post.get("from")) or mail.address(headers.get("from"))


def _own(post: Post, connection: Connection) -> set[str]:
    found = (mail.address(each) for each in (post.get("recipient"), connection.setting("from_address")))
    return {each.base for each in found if each}


def _vouched(post: Post, headers: Headers, author: Address, connection: Connection) -> bool:
    """Whether the mail comes from the domain that it says.

    Mailgun writes its verdicts into headers of the mail, where a sender may have written some too. So all of them have
    to be good, and none counts unless the team says that Mailgun writes them.
    """
    if connection.setting("spam_filter").strip().lower() not in {"yes", "on", "true"}:
        return False
    envelope = mail.address(post.get("sender"))
    if _all_pass(headers, "x-mailgun-spf") and envelope and envelope.domain == author.domain:
        return True
    # Which of several signatures was good is not said, so each of them has to be the domain's.
    signers = {_signer(value) for value in headers.all("dkim-signature")}
    return _all_pass(headers, "x-mailgun-dkim-check-result") and signers == {author.domain}


def _signer(value: str) -> str:
    tags = (each.partition("=") for each in value.split(";"))
    return first(domain.strip().lower() for name, _, domain in tags if name.strip() == "d")


def _all_pass(headers: Headers, name: str) -> bool:
    verdicts = [each.lower() for each in headers.all(name)]
    return bool(verdicts) and set(verdicts) == {"pass"}


def _kind(
    post: Post, letter: Letter, inbox: Address | None, sender: Sender, connection: Connection
) -> tuple[Kind, str]:
    author = _author(post, letter.headers)
    own = mail.address(connection.setting("from_address"))
    if author and own and author.base == own.base:
        return "echo", "It is a mail of our own."
    if inbox and _is_foreign(inbox, connection):
        return "unsupported", f"Not for this channel: it was sent to {inbox.address}."
    has_no_sender = any(name == "sender" and value.strip() in {"", "<>"} for name, value in post.fields)
    address = first(sender.addresses)
    kind, reason = mail.writer(
        letter.headers, has_no_sender=has_no_sender, author=author, answered=mail.address(address)
    )
    if kind == "message" and not address:
        return "unsupported", "The mail has no address that could be answered."
    return kind, reason


def _answering_inbox(inbox: Address) -> str:
    """Where the next mail reaches us as this one did. Answers of ours used to name a conversation in a tag."""
    return inbox.base if inbox.tag.startswith("cnv_") else inbox.address


def _is_foreign(inbox: Address | None, connection: Connection) -> bool:
    wanted = {each.base for each in mail.addresses(connection.setting("recipients"))}
    return inbox is not None and bool(wanted) and inbox.base not in wanted


def _facts(post: Post, letter: Letter, inbox: Address | None) -> dict[str, Any]:
    """What is known besides, as the provider spells it; nothing where it says nothing."""
    headers = letter.headers
    author = post.get("from") or headers.get("from")
    found = {
        "envelope_sender": mail.clean(post.get("sender"), 254),
        "from": mail.clean(mail.words(author), 1000),
        "to": mail.clean(mail.words(headers.get("to")), 2000),
        "cc": mail.clean(mail.words(headers.get("cc")), 2000),
        "date": mail.clean(headers.get("date"), 100),
        "tag": mail.clean(inbox.tag, 100) if inbox else "",
        "body_plain": mail.clean(letter.plain),
        "signature_text": mail.clean(letter.signature, 2000),
        "in_reply_to": mail.clean(headers.get("in-reply-to"), 2000),
        "references": mail.clean(headers.get("references"), 4000),
        "auto_submitted": mail.clean(headers.get("auto-submitted"), 100),
        "failed_recipient": mail.clean(letter.report.recipient, 254),
        "spam": mail.clean(headers.get("x-mailgun-sflag"), 20),
        "spf": mail.clean(headers.get("x-mailgun-spf"), 20),
        "dkim": mail.clean(headers.get("x-mailgun-dkim-check-result"), 20),
        "attachments_left_out": max(len(letter.attachments) - MOST_FILES, 0),
        "message_url": mail.clean(post.get("message-url"), 1000),
    }
    return {name: value for name, value in found.items() if value}
