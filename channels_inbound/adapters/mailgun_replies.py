"""Answering by mail, so that it lands in the thread it answers, and no other program answers it back."""

import base64
import re
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

from channels_inbound.adapters import mail, reading
from channels_inbound.adapters.base import FORM_TYPE, Connection, Outgoing, Recipient, Sent, Unusable, first
from channels_inbound.adapters.mail import Address

HOSTS = {"us": "api.mailgun.net", "eu": "api.eu.mailgun.net"}
# Where stored files lie: api.mailgun.net itself, storage-us-east4.api.mailgun.net, storage.eu.mailgun.net and so on.
FILE_HOSTS = ("api.mailgun.net", "eu.mailgun.net")
# How many earlier mails the References name: the first, and the last ones, as is the custom.
MOST_REFERENCES = 30

_DOMAIN = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+")
# Nothing but a file of a stored mail: the address comes out of a body that nobody signed, and our key goes along.
_STORED_FILE = re.compile(r"/v\d/domains/[\w.-]+/messages/[\w.=~%-]+/attachments/\d+", re.ASCII)
_FILE_URL = re.compile(r"https://[a-z0-9.-]+/[\w./=~%-]+", re.ASCII)

_REFUSALS = {
    400: "Mailgun could not accept the mail.",
    401: "Mailgun does not accept the API key. Put the current one into the credential.",
    402: "Mailgun has stopped this account because of its payments.",
    403: "Mailgun does not let this account send the mail.",
    404: "Mailgun does not know the domain. Check its name and the region, US or EU.",
    413: "The mail is larger than Mailgun takes.",
    429: "Mailgun takes no more mail at the moment: the limit of the account is reached.",
}


def request(text: str, *, to: Recipient, connection: Connection, credential: Mapping[str, str], part: int) -> Outgoing:
    """One mail. Raises `ValueError` with a sentence."""
    domain, host = _domain(connection), _host(connection)
    if not mail.is_address(to.address):
        raise ValueError("The customer has no mail address that could be written to.")
    fields = [
        ("from", _from(connection)),
        ("to", to.address),
        ("subject", mail.answering_subject(mail.clean(to.answer_to.get("subject")))),
        ("text", text),
        *_threading(to, domain, part),
        *_reply_to(to, connection),
        ("h:Auto-Submitted", "auto-replied"),
        ("o:tracking", "no"),
    ]
    return Outgoing(
        url=f"https://{host}/v3/{domain}/messages",
        headers=[("Content-Type", FORM_TYPE), _authorization(credential)],
        body=urlencode(fields, errors="replace").encode(),
    )


def _threading(to: Recipient, domain: str, part: int) -> list[tuple[str, str]]:
    answered = first([*mail.ids(to.reply_to_id), *mail.ids(mail.clean(to.answer_to.get("message_id")))])
    earlier = [each for each in mail.ids(*to.references) if each != answered]
    chain = [*earlier, answered] if answered else earlier
    if len(chain) > MOST_REFERENCES:
        chain = [chain[0], *chain[1 - MOST_REFERENCES :]]
    own = _own_id(to, domain, part)
    fields = [("h:In-Reply-To", answered), ("h:References", " ".join(chain)), ("h:Message-Id", own)]
    return [(name, value) for name, value in fields if value]


def _own_id(to: Recipient, domain: str, part: int) -> str:
    local = re.sub(r"[^\w.-]", "", to.message_id, flags=re.ASCII)
    return f"<{local}{f'.{part}' if part else ''}@{domain}>" if local else ""


def _reply_to(to: Recipient, connection: Connection) -> list[tuple[str, str]]:
    """To where the mail came in: a route of the team's leads there, which `from` need not have.

    Without a tag of ours: a route for `support@` would not match it, and the customer's answer would be lost. The
    ids of the mails find the conversation.
    """
    inbox, own = mail.address(mail.clean(to.answer_to.get("inbox"))), mail.address(connection.setting("from_address"))
    if inbox is None or (own is not None and inbox.address == own.address):
        return []
    return [("h:Reply-To", inbox.address)]


def _domain(connection: Connection) -> str:
    domain = connection.setting("domain").strip().lower()
    if not _DOMAIN.fullmatch(domain):
        raise ValueError("The channel names no domain of Mailgun's to send from.")
    return domain


def _host(connection: Connection) -> str:
    host = HOSTS.get(connection.setting("region").strip().lower() or "us")
    if host is None:
        raise ValueError("The region of the channel is neither us nor eu.")
    return host


def _from(connection: Connection) -> str:
    found: Address | None = mail.address(connection.setting("from_address"))
    if found is None:
        raise ValueError("The channel has no address to send from.")
    name = re.sub(r'["\\<>]', "", found.name)
    return f'"{name}" <{found.address}>' if name else found.address


def _authorization(credential: Mapping[str, str]) -> tuple[str, str]:
    key = credential.get("api_key", "").strip()
    if not key:
        raise ValueError("The credential has no API key.")
    return "Authorization", f"Basic {base64.b64encode(f'api:{key}'.encode()).decode()}"


# --- files -----------------------------------------------------------------------------------------------------------


def is_file(url: str) -> bool:
    """Whether this is a file of a stored mail, on a host of Mailgun's."""
    if not _FILE_URL.fullmatch(url):
        return False
    parts = urlsplit(url)
    host = parts.hostname or ""
    known = any(host == each or host.endswith(f".{each}") for each in FILE_HOSTS)
    return known and bool(_STORED_FILE.fullmatch(parts.path)) and ".." not in parts.path


def file(url: str, credential: Mapping[str, str]) -> Outgoing | None:
    return Outgoing(method="GET", url=url, headers=[_authorization(credential)]) if is_file(url) else None


# --- what Mailgun says -----------------------------------------------------------------------------------------------


def answer(status: int, body: bytes) -> Sent:
    try:
        said = reading.table(body)
    except Unusable:
        said = {}
    if 200 <= status < 300:
        return Sent(provider_id=in_brackets(reading.ident(said.get("id"))))
    sentence = _REFUSALS.get(status) or _other(status)
    return Sent(error=f"{sentence}{_quoted(said)}", error_code=str(status))


def in_brackets(message_id: str) -> str:
    """As it stands in a mail: some of Mailgun's answers leave the angle brackets out."""
    bare = message_id.strip().strip("<>")
    return f"<{bare}>" if bare else ""


def _other(status: int) -> str:
    if status >= 500:
        return "Mailgun has a fault at the moment."
    return f"Mailgun answered with status {status}."


def _quoted(said: Mapping[str, object]) -> str:
    words = " ".join(mail.clean(said.get("message"), 300).split()).rstrip(".")
    return f" It says: {words}." if words else ""
