"""What goes to Twilio: one message, by the account's own basic authentication; and files are fetched the same way."""

import base64
import re
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

from channels_inbound.adapters.base import Connection, Outgoing, Recipient, Sent, Unusable
from channels_inbound.adapters.reading import ident, table
from channels_inbound.adapters.reading import text as clean

HOST = "api.twilio.com"
API = f"https://{HOST}/2010-04-01/Accounts"

_NUMBER = "Twilio does not know the customer’s number as one that takes messages."
_OUR_NUMBER = "Your Twilio number cannot send this message. Check it in the settings of this channel."
_BUSY = "Twilio takes no more messages at the moment. This one was not sent."
_UNREACHED = "The customer’s telephone could not be reached."
# By Twilio's own numbers of errors, which its answers and its statuses share.
SENTENCES = {
    "20003": "Twilio does not accept the account SID and auth token of the credential.",
    "20404": "Twilio knows no account with the account SID of the credential.",
    "20429": _BUSY,
    "14107": _BUSY,
    "21211": _NUMBER,
    "21212": _OUR_NUMBER,
    "21265": "The customer’s number is a short code, which takes no messages.",
    "21266": "The message would have gone to the number it comes from.",
    "21408": "Your Twilio account may not send to this country. Allow it under Messaging, Geographic permissions.",
    "21602": "The message was empty.",
    "21606": _OUR_NUMBER,
    "21608": "On a trial account Twilio only sends to numbers that you verified.",
    "21610": "The customer has opted out: they wrote STOP, and get no more messages until they write START.",
    "21611": "Too many messages of this Twilio number are waiting already. This one was not sent.",
    "21612": "Twilio has no way from your number to the customer’s.",
    "21614": _NUMBER,
    "21617": "The message is too long for Twilio.",
    "21619": "The message was empty.",
    "21659": _OUR_NUMBER,
    "21660": "Your number does not belong to the Twilio account of the credential.",
    "30001": "Too many messages were waiting at Twilio, so this one was dropped.",
    "30002": "Your Twilio account is suspended.",
    "30003": _UNREACHED,
    "30004": "The customer’s network or the customer does not take messages of this number.",
    "30005": _NUMBER,
    "30006": "The customer’s number is a landline, or its network takes no text messages.",
    "30007": "The customer’s network held the message back as unwanted.",
    "30008": "The message was not delivered, and the network does not say why.",
    "30032": "Your toll-free number is not verified at Twilio yet.",
    "30034": "Your number is not registered for business messages in the United States yet.",
    "63003": "The customer cannot be found on WhatsApp.",
    "63007": "Twilio finds no WhatsApp sender with your number.",
    "63016": "The customer last wrote more than 24 hours ago, so WhatsApp takes no free text any more.",
    "63018": "Your WhatsApp sender has reached its limit of messages for the moment. This one was not sent.",
    "63024": "The customer’s number is not on WhatsApp.",
    "63032": "The customer has not opted in to messages, or WhatsApp holds back more of them.",
    "63038": "Your Twilio account has reached its number of messages for today.",
    "63049": "WhatsApp chose not to deliver this message to the customer.",
}


def send(text: str, *, to: Recipient, connection: Connection, credential: Mapping[str, str]) -> Outgoing:
    """Raises `ValueError` with a sentence where something is not configured."""
    sid, proof = _account(credential), _authorization(credential)
    ours = str(to.answer_to.get("from") or connection.setting("number"))
    if not ours:
        raise ValueError("Enter your Twilio number in the settings of this channel.")
    fields = {"To": to.address, "From": _same_way(ours, to.address), "Body": text}
    if connection.url.startswith("https://"):
        fields["StatusCallback"] = connection.url
    return Outgoing(
        url=f"{API}/{sid}/Messages.json",
        headers=(proof, ("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "application/json")),
        body=urlencode(fields, errors="replace").encode(),
    )


def _same_way(ours: str, theirs: str) -> str:
    """Our number with the same word before it as the customer's: WhatsApp answers WhatsApp."""
    way = theirs.rpartition(":")[0]
    return ours if ":" in ours or not way else f"{way}:{ours}"


def read_answer(status: int, body: bytes) -> Sent:
    try:
        answer = table(body)
    except Unusable:
        answer = {}
    code = ident(answer.get("code")) or ident(answer.get("error_code"))
    if status < 300 and not code:
        return Sent(provider_id=ident(answer.get("sid")))
    if sentence := SENTENCES.get(code) or (_BUSY if status == 429 else ""):
        return Sent(error=sentence, error_code=code or str(status))
    if status == 401:
        return Sent(error=SENTENCES["20003"], error_code=code or "401")
    said = clean(answer.get("message"), 200).strip().rstrip(".")
    why = f" Twilio says: {said}." if said else ""
    return Sent(error=f"Twilio did not send the message ({code or status}).{why}", error_code=code or str(status))


def fetch(url: str, credential: Mapping[str, str]) -> Outgoing | None:
    """Where files are protected Twilio asks for the account's proof. No other host ever sees it."""
    if not url:
        return None
    return Outgoing(method="GET", url=url, headers=(_authorization(credential),) if _is_theirs(url) else ())


def _is_theirs(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" and parts.hostname == HOST and parts.port in {None, 443}
    except ValueError:
        return False


def _account(credential: Mapping[str, str]) -> str:
    sid = credential.get("account_sid", "").strip()
    if not re.fullmatch(r"[A-Za-z0-9]{1,64}", sid):
        raise ValueError("The credential of this channel has no account SID of Twilio.")
    return sid


def _authorization(credential: Mapping[str, str]) -> tuple[str, str]:
    sid, token = _account(credential), credential.get("auth_token", "").strip()
    if not token:
        raise ValueError("The credential of this channel has no auth token of Twilio.")
    return ("Authorization", "Basic " + base64.b64encode(f"{sid}:{token}".encode()).decode())
