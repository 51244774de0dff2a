"""What any mail has, whoever brings it: headers, addresses, threads, and whether a person wrote it.

Anybody can send anybody a mail. So everything here takes any text, does not raise, and needs time in proportion to its
length. The HTML parser of the standard library is not used: 48 KB of `<a` take it twenty seconds, `<![` makes it raise.
"""

import base64
import binascii
import codecs
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.utils import getaddresses
from html import unescape
from typing import Any, Literal

from channels_inbound.adapters import reading, signing

MOST_HTML = 500_000
MOST_HEADER = 4_000
MOST_REFERENCES = 100
MOST_ADDRESS = 254

_WORD = re.compile(r"=\?([^?*\s]{1,40})(?:\*[^?\s]*)?\?([bqBQ])\?([^?\s]*)\?=(?:\s+(?==\?))?")
_ADDRESS = re.compile(r"[^\s@<>(),;:\\\"\[\]\x00-\x1f\x7f]{1,64}@[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?", re.IGNORECASE)
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,250}>")
# What programs put before a subject when they answer or pass on: in English and in the languages that have their own.
_PREFIX = re.compile(
    r"(?:re|fwd?|aw|antw|wg|sv|vs|vb|vl|vedr|rv|res|enc|tr|rif|i|r|odp|pd|ynt|ilt|ref|bls|trs|doorst|回复|答复|转发)"
    r"\s*(?:\[\d+\]|\(\d+\)|\^\d+)?\s*[:：]\s*",
    re.IGNORECASE,
)
# Python knows these as texts too, but nobody writes mail in them, and some take very long.
_ODD_CHARSETS = frozenset({"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem"})


@dataclass(frozen=True)
class Headers:
    """Names and values in their order; a name in any case, and as often as it was sent."""

    pairs: Sequence[tuple[str, str]] = ()

    def all(self, name: str) -> list[str]:
        return [unfolded(value) for key, value in self.pairs if key.lower() == name.lower()]

    def get(self, name: str) -> str:
        """The first one; empty where there is none."""
        return next(iter(self.all(name)), "")

    def parameter(self, name: str, parameter: str) -> str:
        """`report-type` of a `Content-Type`, in lower case."""
        found = re.search(
            rf';\s*{re.escape(parameter)}\s*=\s*"?([\w.+-]+)', self.get(name)[:MOST_HEADER], re.IGNORECASE
        )
        return found[1].lower() if found else ""


def unfolded(value: str) -> str:
    """One line: a line that begins with a space goes on, and what follows any other is no part of the header."""
    return re.split(r"[\r\n]", re.sub(r"[\r\n]+(?=[ \t])", "", value).strip(), maxsplit=1)[0]


def words(value: str) -> str:
    """A header with its encoded words (RFC 2047) decoded; what cannot be decoded stays as it is."""
    value = unfolded(value)
    if "=?" not in value:
        return reading.plain(value)
    pieces: list[str] = []
    end, waiting, charset = 0, b"", ""
    for found in _WORD.finditer(value):
        joins = found.start() == end and found[1].lower() == charset
        if not joins:
            # A letter may be cut in two between neighbours of one charset, so bytes are joined before they are read.
            pieces += [decoded(waiting, charset), value[end : found.start()]]
            waiting = b""
        waiting, charset, end = waiting + _word(found[2], found[3]), found[1].lower(), found.end()
    return reading.plain("".join([*pieces, decoded(waiting, charset), value[end:]]))


def _word(encoding: str, text: str) -> bytes:
    data = text.encode("utf-8", "replace")
    if encoding in "qQ":
        return binascii.a2b_qp(data, header=True)
    try:
        return base64.b64decode(data + b"=" * (-len(data) % 4))
    except binascii.Error:
        return data


def decoded(data: bytes, charset: str) -> str:
    """Bytes in whatever charset they say, and as UTF-8 where that is none."""
    try:
        name = codecs.lookup(charset or "utf-8").name.replace("-", "_")
        return data.decode("utf-8" if name in _ODD_CHARSETS else name, "replace")
    except (LookupError, ValueError):
        return data.decode("utf-8", "replace")


def clean(value: Any, most: int = reading.MOST_TEXT) -> str:
    """A text fit to be kept, in its composed form; empty for whatever is no text. Cut first: mails are long."""
    return reading.composed(reading.plain(value[:most]))[:most] if isinstance(value, str) else ""


# --- people ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Address:
    """An address in lower case, and the name before it."""

    address: str
    name: str = ""

    @property
    def local(self) -> str:
        return self.address.partition("@")[0]

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]

    @property
    def tag(self) -> str:
        """Of `support+cnv_1@example.com`: `cnv_1`."""
        return self.local.partition("+")[2]

    @property
    def base(self) -> str:
        return f"{self.local.partition('+')[0]}@{self.domain}"


def addresses(value: str) -> list[Address]:
    """Every address of a header, each of them one that can be written to."""
    try:
        pairs = getaddresses([unfolded(value)[:MOST_HEADER]])
    except (RecursionError, ValueError, IndexError):
        return []
    found = [(name, each.strip().lower()) for name, each in pairs]
    return [Address(each, clean(words(name), 200).strip()) for name, each in found if is_address(each)]


def address(value: str) -> Address | None:
    return next(iter(addresses(value)), None)


def is_address(text: str) -> bool:
    return len(text) <= MOST_ADDRESS and bool(_ADDRESS.fullmatch(text))


# --- threads ---------------------------------------------------------------------------------------------------------


def ids(*values: str) -> list[str]:
    """Message ids in their order, each once, in their angle brackets."""
    found = (reading.plain(each) for value in values for each in _MESSAGE_ID.findall(value))
    return list(dict.fromkeys(found))[-MOST_REFERENCES:]


def base_subject(subject: str) -> str:
    """Without `Re:`, `Fwd:` and their like, however many, and without differences that nobody sees."""
    text = " ".join(reading.composed(subject[:MOST_HEADER]).split())
    at = 0
    while found := _PREFIX.match(text, at):
        at = found.end()
    return text[at:].casefold()


def answering_subject(subject: str) -> str:
    """`Re: …`, once."""
    text = " ".join(reading.plain(subject).split())[:900]
    return text if re.match(r"re\s*:", text, re.IGNORECASE) else f"Re: {text}".strip()


def thread(sender: str, subject: str) -> str:
    """A key for mails of one sender about one subject, where nothing better tells that they belong together."""
    return f"mail:{signing.fingerprint(sender.encode(), base_subject(subject).encode('utf-8', 'replace'))[:40]}"


# --- people or programs ----------------------------------------------------------------------------------------------

Writer = Literal["message", "auto_reply", "bounce"]
_DAEMONS = frozenset({"mailer-daemon", "postmaster", "mail-daemon", "mailerdaemon", "bounce", "bounces"})
_NOBODY = re.compile(r"(?:no|do[-_.]?not|dont)[-_.]?reply(?:[-_.+].*)?|auto[-_.]?(?:reply|responder)", re.IGNORECASE)
_BULK = frozenset({"bulk", "junk", "list", "auto_reply", "auto-reply"})
_SAYS_SO = ("x-autoreply", "x-autorespond", "x-autoresponder", "x-auto-reply")


def writer(
    headers: Headers, *, has_no_sender: bool, author: Address | None, answered: Address | None
) -> tuple[Writer, str]:
    """Whether a person wrote it, or a program: then also how it shows.

    `has_no_sender` is a mail with the empty envelope address, which nobody may answer. `author` is who stands in
    `From`, `answered` who would get our answer.
    """
    if reason := _bounce(headers, has_no_sender, author):
        return "bounce", reason
    if has_no_sender:
        return "auto_reply", "The mail has no return address: a program wrote it."
    if reason := _automatic(headers):
        return "auto_reply", reason
    if answered and _NOBODY.fullmatch(answered.local):
        return "auto_reply", "Nobody reads what is sent to its address."
    return "message", ""


def _bounce(headers: Headers, has_no_sender: bool, author: Address | None) -> str:
    report = headers.get("content-type").lower().startswith("multipart/report")
    if report and headers.parameter("content-type", "report-type") in {"", "delivery-status"}:
        return "It is the report of a mail server about a mail that was not delivered."
    if headers.get("x-failed-recipients"):
        return "A mail server names recipients that it could not reach."
    if author and author.local in _DAEMONS and has_no_sender:
        return "A mail server wrote it."
    return ""


def _automatic(headers: Headers) -> str:
    submitted = headers.get("auto-submitted").partition(";")[0].strip().lower()
    if submitted not in {"", "no"}:
        return "It says of itself that it was sent automatically."
    if any(headers.get(name).lower() not in {"", "no"} for name in _SAYS_SO):
        return "It says of itself that it is an automatic reply."
    if {"all", "autoreply"} & set(re.split(r"[\s,;]+", headers.get("x-auto-response-suppress").lower())):
        return "It asks not to be answered automatically."
    if headers.get("precedence").lower() in _BULK or headers.get("list-id"):
        return "It was sent to many, by a mailing list or a newsletter."
    if headers.get("content-type").lower().startswith("multipart/report"):
        return "It is the report of a mail program, such as that a mail was read."
    return ""


# --- contents --------------------------------------------------------------------------------------------------------

_UNSEEN = frozenset({"script", "style", "head", "title", "template", "noscript"})
_LINES = frozenset(
    {"br", "p", "div", "tr", "li", "ul", "ol", "table", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6"}
)
# Possessive: without going back, a tag that never ends is looked at once.
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*+)[^<>]*+>|<[!?/][^<>]*+>")


def html_text(html: str) -> str:
    """What a reader sees of a mail in HTML, line by line. Not for showing as HTML: nothing in it is made safe."""
    lines = ("".join(_seen(_without_comments(html[:MOST_HTML])))).split("\n")
    text = "\n".join(" ".join(unescape(line).split()) for line in lines)
    return clean(re.sub(r"\n{3,}", "\n\n", text).strip())


def _seen(html: str) -> Iterator[str]:
    end, hidden = 0, ""
    for found in _TAG.finditer(html):
        name = (found[2] or "").lower()
        if not hidden:
            yield html[end : found.start()].replace("\r", " ").replace("\n", " ")
            yield "\n" if name in _LINES else ""
            hidden = name if name in _UNSEEN and not found[1] else ""
        elif found[1] and name == hidden:
            hidden = ""
        end = found.end()
    if not hidden:
        yield html[end:].replace("\r", " ").replace("\n", " ")


def _without_comments(html: str) -> str:
    """A comment that never ends hides the rest, as it does for a reader."""
    pieces, at = [], 0
    while (start := html.find("<!--", at)) >= 0:
        pieces.append(html[at:start])
        end = html.find("-->", start + 4)
        if end < 0:
            return "".join(pieces)
        at = end + 3
    return "".join([*pieces, html[at:]])


def file_name(text: str) -> str:
    """As it may be stored and shown: no folders, no control characters; empty where nothing is left."""
    name = re.split(r"[/\\]", words(_visible(text)))[-1]
    return clean(_visible(name), 200).strip().strip(".").strip()


def _visible(text: str) -> str:
    return "".join(each for each in text if unicodedata.category(each) not in {"Cc", "Cf", "Cs", "Zl", "Zp"})


def file_kind(mime_type: str) -> str:
    family = mime_type.partition("/")[0]
    if family in {"image", "video", "audio"}:
        return family
    return "document" if family in {"text", "application"} else "file"
