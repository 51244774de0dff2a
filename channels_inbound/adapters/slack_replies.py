"""What goes to Slack: a message, and the question for a file."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from channels_inbound.adapters.base import Outgoing, Recipient, Sent, Unusable
from channels_inbound.adapters.reading import ident, table
from channels_inbound.adapters.reading import text as clean
from channels_inbound.adapters.slack_words import message_id

API = "https://slack.com/api"
FILE_HOST = "files.slack.com"

_LOCKED_OUT = "Slack does not take the bot token any more. Install the app again and save its new token."
_GONE = "The Slack channel was not found. It may be deleted, or private and without the app in it."
_BUSY = "Slack takes no more messages at the moment. This one was not posted."
_CLOSED = "The Slack workspace does not allow the app to post there."
SENTENCES = {
    "invalid_auth": _LOCKED_OUT,
    "not_authed": _LOCKED_OUT,
    "account_inactive": _LOCKED_OUT,
    "token_revoked": _LOCKED_OUT,
    "token_expired": _LOCKED_OUT,
    "not_allowed_token_type": "This credential is not a bot token of Slack. It has to begin with xoxb-.",
    "missing_scope": "The Slack app lacks a permission. Add the scope chat:write and install the app again.",
    "no_permission": "The Slack app lacks a permission. Add the scope chat:write and install the app again.",
    "channel_not_found": _GONE,
    "user_not_found": "Slack does not know this person any more.",
    "cannot_dm_bot": "This is another program, and Slack carries no direct messages between programs.",
    "messages_tab_disabled": "The Slack app takes no direct messages. Switch its messages tab on under App Home.",
    "not_in_channel": "The Slack app is not in this channel. Invite it there first.",
    "is_archived": "The Slack channel is archived.",
    "restricted_action": _CLOSED,
    "restricted_action_read_only_channel": _CLOSED,
    "restricted_action_thread_only_channel": _CLOSED,
    "restricted_action_non_threadable_channel": _CLOSED,
    "restricted_action_thread_locked": "The Slack thread is locked.",
    "access_denied": _CLOSED,
    "team_access_not_granted": _CLOSED,
    "ekm_access_denied": _CLOSED,
    "org_login_required": "The Slack workspace is being moved to another organisation and takes no messages.",
    "msg_too_long": "The message is too long for Slack.",
    "msg_blocked_by_spam_detection": "Slack took the message for spam and did not post it.",
    "no_text": "The message was empty.",
    "ratelimited": _BUSY,
    "rate_limited": _BUSY,
    "message_limit_exceeded": "The Slack workspace has used up its number of messages.",
}


def post(text: str, *, to: Recipient, credential: Mapping[str, str]) -> Outgoing:
    """Raises `ValueError` with a sentence where the token is missing or there is no place to answer at."""
    channel = str(to.answer_to.get("channel") or to.address)
    if not channel:
        raise ValueError("There is no Slack channel to answer in.")
    # Their three signs of markup are meant as signs, so nobody is called by a text that an agent repeats.
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    message: dict[str, Any] = {"channel": channel, "text": escaped, "mrkdwn": False}
    if thread := to.answer_to.get("thread_ts"):
        message["thread_ts"] = str(thread)
    headers = (_authorization(credential), ("Content-Type", "application/json; charset=utf-8"))
    return Outgoing(url=f"{API}/chat.postMessage", headers=headers, body=json.dumps(message).encode())


def read_answer(status: int, body: bytes) -> Sent:
    try:
        answer = table(body)
    except Unusable:
        answer = {}
    if status < 300 and answer.get("ok") is True:
        return Sent(provider_id=message_id(ident(answer.get("channel")), ident(answer.get("ts"))))
    code = clean(answer.get("error"), 80) or str(status)
    if status == 429:
        return Sent(error=_BUSY, error_code=code)
    return Sent(error=SENTENCES.get(code) or f"Slack did not post the message ({code}).", error_code=code)


def fetch(attachment: Mapping[str, Any], credential: Mapping[str, str]) -> Outgoing | None:
    """The file itself. A foreign host never sees the token: files that only lie elsewhere are not fetched."""
    url = str(attachment.get("url") or "")
    return Outgoing(method="GET", url=url, headers=(_authorization(credential),)) if _is_file(url) else None


def _is_file(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" and parts.hostname == FILE_HOST and parts.port in {None, 443}
    except ValueError:
        return False


def _authorization(credential: Mapping[str, str]) -> tuple[str, str]:
    token = credential.get("bot_token", "").strip()
    if not token:
        raise ValueError("The credential of this channel has no bot token of Slack.")
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise ValueError("The bot token of Slack holds signs that cannot be part of one.")
    return ("Authorization", f"Bearer {token}")
