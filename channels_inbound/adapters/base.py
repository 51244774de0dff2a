"""What every provider has in common: how its requests look to us, and what an adapter makes of them.

An adapter is one provider in one file. It knows the provider's words and nothing of agents, rows or sockets: bytes and
headers in, `Arrival`s out; a text in, `Outgoing` requests out. So each one can be tried with bytes alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import IO, Any, ClassVar, Literal
from urllib.parse import parse_qsl

MEGABYTE = 1024 * 1024
JSON_TYPES = frozenset({"application/json", "text/plain", ""})
FORM_TYPE = "application/x-www-form-urlencoded"

Kind = Literal[
    "message",  # a person says something
    "postback",  # a person presses a button
    "message_edited",
    "message_deleted",
    "reaction",
    "status",  # what became of a message of ours
    "echo",  # our own words, seen again
    "bot_message",  # another program speaks
    "standby",  # another application has the thread
    "channel_post",
    "bounce",
    "auto_reply",
    "event",  # something happened at the provider: a payment, an app that was removed
    "unsupported",  # authentic, and nothing we can read; `reason` says why
]
# Only a person starts the agent: two programs that answer each other never end.
STARTING: frozenset[str] = frozenset({"message", "postback"})


class NotAuthentic(Exception):
    """The request does not prove that it is the provider's. `reason` is a short code for the log, without any value."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Unusable(Exception):
    """Authentic, but not readable at all: kept in quarantine. The sentence is for the team."""


class BadRequest(Exception):
    """A client of our own makes a mistake that it can mend: 400 with `fields`, or another `status`."""

    def __init__(self, fields: Mapping[str, str], *, status: int = 400) -> None:
        super().__init__(str(dict(fields)))
        self.fields, self.status = dict(fields), status


# --- coming in -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Upload:
    """A file of a multipart form, spooled to disk where it is large. `filename` is as the sender wrote it."""

    name: str
    filename: str
    content_type: str
    size: int
    file: IO[bytes] = field(repr=False)


@dataclass(frozen=True)
class Form:
    """A multipart form: fields in their order, a name as often as it was sent."""

    fields: Sequence[tuple[str, str]] = field(repr=False)
    files: Sequence[Upload] = ()


@dataclass(frozen=True, kw_only=True)
class Incoming:
    """One request as it came. Header names are in lower case; `url` is the configured public one, with its query.

    `path` is the path that was really asked for: an alias, or with a slash at the end.

    `body` is raw; for a multipart form it is empty and `form` holds the parts. `at` is our clock when it arrived.
    """

    method: str = "POST"
    url: str = ""
    path: str = ""
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    form: Form | None = None
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def header(self, name: str) -> str:
        return self.headers.get(name.lower(), "")

    @property
    def content_type(self) -> str:
        """Without parameters, in lower case; empty where there is none."""
        return self.header("content-type").partition(";")[0].strip().lower()

    def query_values(self, name: str) -> list[str]:
        return [value for key, value in parse_qsl(self.query, keep_blank_values=True) if key == name]


@dataclass(frozen=True)
class Secret:
    id: str
    value: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Connection:
    """What an adapter may know of a channel: the provider's ids, and the secrets that are valid now, newest first."""

    settings: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, Sequence[Secret]] = field(default_factory=dict, repr=False)
    agent_id: str = ""
    url: str = ""

    def setting(self, name: str) -> str:
        return str(self.settings.get(name) or "")

    def valid(self, name: str) -> list[Secret]:
        """Never one without a value: two empty texts are equal, and would let everybody in."""
        return [secret for secret in self.secrets.get(name, ()) if secret.value]


@dataclass(frozen=True)
class Verified:
    """Which secret proved it, and when the provider says that it signed, where its scheme says so."""

    secret_id: str = ""
    signed_at: datetime | None = None


@dataclass(frozen=True)
class Once:
    """A key that stands for exactly one content. The same key with another fingerprint is refused."""

    key: str
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class Response:
    """What the provider gets. `headers` besides the content type."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Sender:
    """Who writes. `addresses` are the ids to answer to, best one first; each of them is the same person.

    `phone` and `email` are set only where the provider vouches for them. `external_id` is the id that the customer's
    own application gave.
    """

    addresses: Sequence[str] = ()
    id_type: str = ""  # phone, bsuid, psid, igsid, email, slack_user, tg_user, customer_ref, session
    name: str = ""
    username: str = ""
    phone: str = ""
    email: str = ""
    external_id: str = ""
    session_id: str = ""
    is_bot: bool = False


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """A file that came along: by the provider's id, an address, its place among the uploads of the form, or whole.

    `file` is filled in by whoever keeps it: its name in our file store.
    """

    kind: str = "file"  # image, video, audio, voice, sticker, document, file
    provider_media_id: str = ""
    url: str = ""
    mime_type: str = ""
    filename: str = ""
    size: int | None = None
    sha256: str = ""
    caption: str = ""
    is_inline: bool = False
    content_id: str = ""
    upload: int | None = None
    content: bytes | None = field(default=None, repr=False)
    file: str = ""


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """One thing in a request, in our words. Texts are clean already (`reading.text`), ids are texts.

    `thread` names a thread of its own (a topic, a mail thread, a group); empty means the one direct thread with this
    sender. `references` are message ids of the provider that this one answers: the thread of a known one wins.
    `answer_to` is whatever the adapter needs to answer exactly here: a channel, a topic, a subject.
    """

    kind: Kind
    dedupe_key: str
    provider_id: str = ""
    event_type: str = ""
    sender: Sender | None = None
    recipient: str = ""
    thread: str = ""
    text: str = ""
    subject: str = ""
    html: str = ""
    attachments: Sequence[Attachment] = ()
    action: Mapping[str, str] | None = None  # id, payload, title
    reply_to_id: str = ""
    references: Sequence[str] = ()
    target_id: str = ""
    status: str = ""  # sent, delivered, read, failed
    error_code: str = ""
    error_text: str = ""
    reason: str = ""
    occurred_at: datetime | None = None
    answer_to: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    payment: Mapping[str, Any] | None = None
    extra: Any = None

    @property
    def starts_agent(self) -> bool:
        return self.kind in STARTING and not (self.sender and self.sender.is_bot)


# --- going out -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Outgoing:
    """One request to the provider that says one part of a reply. `hosts` are where its secrets may go."""

    method: str = "POST"
    url: str = ""
    headers: Sequence[tuple[str, str]] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What the provider's answer says: the id it gave our message, or why it did not take it, in a sentence."""

    provider_id: str = ""
    error: str = ""
    error_code: str = ""


@dataclass(frozen=True, kw_only=True)
class Recipient:
    """To whom, and where: the address, what the adapter kept to answer there, and when they last wrote."""

    address: str
    answer_to: Mapping[str, Any] = field(default_factory=dict)
    last_message_at: datetime | None = None
    reply_to_id: str = ""
    references: Sequence[str] = ()
    message_id: str = ""  # our own id of this reply, unique, for providers that let us choose one


# --- describing itself -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A value that is no secret: an id of the provider's, an address. `help` says where to find it.

    Of `choices`, pairs of value and label, it has to be one; an empty value among them only gives the empty choice a
    label. `pattern` is what a value must match. `without` says what does not work while a required one is missing.
    """

    name: str
    label: str
    help: str = ""
    is_required: bool = True
    example: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    pattern: str = ""
    without: str = "It cannot tell what is meant for it."


@dataclass(frozen=True, kw_only=True)
class SecretField:
    """A secret that proves requests. With `is_made_here` we make it and the team copies it to the provider.

    Of several with `is_required`, all are needed before anything is accepted. `pattern` is what a value must match.
    """

    name: str
    label: str
    help: str = ""
    is_required: bool = True
    is_made_here: bool = False
    pattern: str = ""


class Adapter:
    """One provider. Subclasses say what it is in class attributes, and do what is asked for below.

    `verify` raises `NotAuthentic`; any other exception in it means the same. `parse` never raises for one bad element:
    that one becomes an `unsupported` arrival with a reason. It raises `Unusable` where nothing can be read.
    """

    kind: ClassVar[str]
    title: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()
    # The word for it in conversations and events: three providers of text messages are one channel for a rule.
    conversation_channel: ClassVar[str] = ""
    methods: ClassVar[tuple[str, ...]] = ("POST",)
    max_body: ClassVar[int] = 4 * MEGABYTE
    content_types: ClassVar[frozenset[str]] = JSON_TYPES
    streams_form: ClassVar[bool] = False  # multipart forms go to disk instead of memory
    refusal_status: ClassVar[int] = 401
    # Asks again when we fail. Where it does not, we keep the request on our own disk when the database is away.
    retries: ClassVar[bool] = True
    hides_secrets_in_body: ClassVar[bool] = False  # the body itself holds the secret: masked before it is kept

    settings: ClassVar[tuple[Setting, ...]] = ()
    secrets: ClassVar[tuple[SecretField, ...]] = ()
    credential_kind: ClassVar[str] = ""  # of the credential that sends replies; empty: it cannot reply by itself
    steps: ClassVar[tuple[str, ...]] = ()  # what to do at the provider, one sentence each; {url} is the address
    # A line for a shell that tells the provider of us: {url} and {name of a secret} stand for values, <…> is typed in.
    command: ClassVar[str] = ""
    text_limit: ClassVar[int] = 4000  # characters of one outgoing part
    reply_window: ClassVar[timedelta | None] = None  # how long after their last message a free text may be sent
    media_hosts: ClassVar[tuple[str, ...]] = ()  # files are fetched from these and below them, and nowhere else
    links: ClassVar[Mapping[str, str]] = {}

    def verify(self, incoming: Incoming, connection: Connection) -> Verified:
        raise NotImplementedError

    def handshake(self, incoming: Incoming, connection: Connection) -> Response | None:
        """The answer to a request that only asks whether we are here. A GET comes here without `verify`."""
        return None

    def once(self, incoming: Incoming) -> Once | None:
        return None

    def parse(self, incoming: Incoming, connection: Connection) -> list[Arrival]:
        raise NotImplementedError

    def accepted(self, incoming: Incoming) -> Response:
        return Response()

    def refused(self, incoming: Incoming, status: int | None = None) -> Response:
        return Response(status=status or self.refusal_status)

    # --- replying ---

    def parts(self, text: str) -> list[str]:
        """The text in pieces that the provider takes, cut between paragraphs, lines or words where there are any."""
        return split(text, self.text_limit)

    def outgoing(
        self, text: str, *, to: Recipient, connection: Connection, credential: Mapping[str, str], part: int = 0
    ) -> Outgoing:
        """The request that says this part. Raises `ValueError` with a sentence where something is not configured."""
        raise NotImplementedError

    def sent(self, status: int, body: bytes) -> Sent:
        """Read the provider's answer. Never raises."""
        raise NotImplementedError

    def media(self, attachment: Mapping[str, Any], credential: Mapping[str, str]) -> Outgoing | None:
        """The request that fetches an attachment, or that asks for its address (see `media_url`)."""
        return Outgoing(method="GET", url=attachment["url"]) if attachment.get("url") else None

    def media_url(self, body: bytes, credential: Mapping[str, str]) -> str:
        """The address in the answer to `media`, where the first request only asks for one; empty otherwise."""
        return ""


def split(text: str, limit: int) -> list[str]:
    """Pieces of at most `limit` characters, cut at the last paragraph, line, sentence or word that fits."""
    pieces: list[str] = []
    rest = text.strip()
    while len(rest) > limit:
        head = rest[:limit]
        cuts = [
            head.rfind(mark) + len(mark.rstrip()) for mark in ("\n\n", "\n", ". ", " ") if head.rfind(mark) > limit // 2
        ]
        cut = cuts[0] if cuts else limit
        pieces.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    return [*pieces, rest] if rest or not pieces else pieces


def first(values: Iterable[str]) -> str:
    return next((value for value in values if value), "")
