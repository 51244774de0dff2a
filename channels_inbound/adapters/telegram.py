"""Telegram: updates of a bot, proven by a secret that we gave to its webhook."""

import json
import re
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote

from channels_inbound.adapters.base import (
    Adapter,
    Arrival,
    Connection,
    Incoming,
    Outgoing,
    Recipient,
    SecretField,
    Sent,
    Unusable,
    Verified,
    split,
)
from channels_inbound.adapters.reading import get, ident, table
from channels_inbound.adapters.reading import text as clean
from channels_inbound.adapters.signing import matching, verified
from channels_inbound.adapters.telegram_updates import arrivals, message_id

API = "https://api.telegram.org"
# Telegram counts a text in units of two bytes: most signs are one, an emoji two.
MOST_UNITS = 4096

# The beginning of what Telegram says, in lower case, and what that means for whoever reads it here.
SENTENCES = {
    "bot was blocked by the user": "The customer has blocked the bot, so nothing can be sent to them.",
    "user is deactivated": "The customer has no Telegram account any more.",
    "bot was kicked": "The bot was removed from this group.",
    "bot is not a member": "The bot is not in this group.",
    "bot can't initiate conversation": "A bot may only answer on Telegram: the customer has to write first.",
    "bot can't send messages to bots": "This is another bot, and Telegram carries no messages between bots.",
    "chat not found": "Telegram does not know this chat.",
    "group chat was upgraded": "This Telegram group got a new id. The next message from it can be answered again.",
    "not enough rights": "The bot may not write in this group.",
    "chat_write_forbidden": "The bot may not write in this group.",
    "have no rights to send": "The bot may not write in this group.",
    "message thread not found": "The topic of this Telegram group does not exist any more.",
    "topic_closed": "The topic of this Telegram group is closed.",
    "message is too long": "The message is too long for Telegram.",
    "message text is empty": "The message was empty.",
    "business connection not found": "The business account is not connected to the bot any more.",
    "unauthorized": "Telegram does not take the bot token. Ask BotFather for it again and save it in the credential.",
    "not found": "Telegram knows no bot with this token. Ask BotFather for it again and save it in the credential.",
    "too many requests": "Telegram takes no more messages at the moment. This one was not sent.",
}
_TOKEN = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{1,100}")


class Telegram(Adapter):
    """A bot. A message is named `<chat>:<message>`: its number alone is only unique within the chat.

    The bot's token is part of every address of their API, by their design.
    """

    kind = "telegram"
    title = "Telegram"
    conversation_channel = "telegram"
    secrets = (
        SecretField(
            name="secret_token",
            label="Secret token",
            help="Telegram sends it along with every message. Give it to the bot’s webhook as secret_token.",
            is_made_here=True,
            pattern=r"[A-Za-z0-9_-]{1,256}",
        ),
    )
    credential_kind = "telegram"
    steps = (
        "In Telegram, write /newbot to @BotFather, or /mybots to choose the bot you have.",
        "Save the token that BotFather gives you as a credential of your team, and choose it here.",
        "Call setWebhook of the Bot API for your bot, with {url} as url and the secret token as secret_token.",
        "To be told of reactions and edits too, pass allowed_updates with message, edited_message, callback_query, "
        "my_chat_member and message_reaction.",
        "Write to your bot: the message appears here within seconds.",
    )
    command = (
        "curl 'https://api.telegram.org/bot<token>/setWebhook' -d 'url={url}' -d 'secret_token={secret_token}' "
        """-d 'allowed_updates=["message","edited_message","callback_query","my_chat_member","message_reaction"]'"""
    )
    text_limit = 4000
    media_hosts = ("api.telegram.org",)
    links: ClassVar[Mapping[str, str]] = {
        "setWebhook": "https://core.telegram.org/bots/api#setwebhook",
        "BotFather": "https://t.me/BotFather",
    }

    def verify(self, incoming: Incoming, connection: Connection) -> Verified:
        given = incoming.header("x-telegram-bot-api-secret-token")
        return verified(matching(connection.valid("secret_token"), [given], lambda value: value))

    def parse(self, incoming: Incoming, connection: Connection) -> list[Arrival]:
        return arrivals(incoming)

    # --- replying ---

    def parts(self, text: str) -> list[str]:
        pieces = split(text, self.text_limit)
        return [part for each in pieces for part in ([each] if _units(each) <= MOST_UNITS else split(each, 2000))]

    def outgoing(
        self, text: str, *, to: Recipient, connection: Connection, credential: Mapping[str, str], part: int = 0
    ) -> Outgoing:
        chat = str(to.answer_to.get("chat_id") or to.address)
        if not chat:
            raise ValueError("There is no Telegram chat to answer in.")
        message: dict[str, Any] = {"chat_id": _number(chat), "text": text}
        if topic := to.answer_to.get("message_thread_id"):
            message["message_thread_id"] = _number(str(topic))
        if business := to.answer_to.get("business_connection_id"):
            message["business_connection_id"] = str(business)
        # In a group it has to be seen whom the first part answers; and it is said even if that is gone.
        if (answered := to.answer_to.get("message_id")) and part == 0:
            message["reply_parameters"] = {
                "message_id": _number(str(answered)),
                "allow_sending_without_reply": True,
            }
        return Outgoing(
            url=f"{API}/bot{_token(credential)}/sendMessage",
            headers=(("Content-Type", "application/json"),),
            body=json.dumps(message).encode(),
        )

    def sent(self, status: int, body: bytes) -> Sent:
        answer = _answer(body)
        if status < 300 and answer.get("ok") is True:
            chat, number = ident(get(answer, "result", "chat", "id")), ident(get(answer, "result", "message_id"))
            return Sent(provider_id=message_id(chat, number))
        said = clean(answer.get("description"), 300)
        code = ident(answer.get("error_code")) or str(status)
        known = next((sentence for mark, sentence in SENTENCES.items() if mark in said.lower()), "")
        return Sent(error=known or f"Telegram did not send the message ({code}).", error_code=code)

    def media(self, attachment: Mapping[str, Any], credential: Mapping[str, str]) -> Outgoing | None:
        """Where the file lies: Telegram says so for an hour, and only for files of up to 20 MB."""
        file = str(attachment.get("provider_media_id") or "")
        if not file:
            return None
        return Outgoing(method="GET", url=f"{API}/bot{_token(credential)}/getFile?file_id={quote(file, safe='')}")

    def media_url(self, body: bytes, credential: Mapping[str, str]) -> str:
        """Their answer only holds a path; the address has the token in it, so it takes the credential.

        Without one it stays the bare path, which leads nowhere: the answer itself must not be taken for the file.
        """
        path = quote(clean(get(_answer(body), "result", "file_path"), 1000))
        return f"{API}/file/bot{_token(credential)}/{path}" if path and credential else path


def _answer(body: bytes) -> Mapping[str, Any]:
    try:
        return table(body)
    except Unusable:
        return {}


def _token(credential: Mapping[str, str]) -> str:
    token = credential.get("bot_token", "").strip()
    if not token:
        raise ValueError("The credential of this channel has no bot token of Telegram.")
    # It becomes part of a path: nothing else than a token may.
    if not _TOKEN.fullmatch(token):
        raise ValueError("The bot token of Telegram has another form: digits, a colon, letters.")
    return token


def _number(value: str) -> int | str:
    return int(value) if re.fullmatch(r"-?[0-9]{1,20}", value) else value


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "replace")) // 2
