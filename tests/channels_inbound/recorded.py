"""Reading recorded requests and what their manifests expect. The field names in there are their own."""

import base64
import hmac
import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from channels_inbound.adapters import ADAPTERS, SLUGS
from channels_inbound.adapters.base import Connection, Incoming, Secret
from channels_inbound.models import InboundMessage

# The manifest's name of a key, and ours; several manifests call the same thing the same.
SECRETS = {
    "app_secret": "app_secret",
    "verify_token": "verify_token",
    "signing_secret": "signing_secret",
    "webhook_signing_key": "signing_key",
    "secret_token": "secret_token",
    "auth_token": "auth_token",
    "shared_key_secret": "shared_key",
    "basic_user": "username",
    "basic_password": "password",
    "auth_key": "auth_key",
    "previous_signing_secret_for_rotation": "signing_secret",
    "parent_signing_key": "signing_key",
}


@dataclass(frozen=True)
class Fixture:
    manifest: dict[str, Any] = field(repr=False)
    fixture: dict[str, Any] = field(repr=False)
    folder: Path

    @property
    def id(self) -> str:
        return str(self.fixture["id"])

    @property
    def expect(self) -> dict[str, Any]:
        return dict(self.fixture["expect"])

    @property
    def is_unit(self) -> bool:
        return bool(self.expect.get("unit_level"))

    @property
    def method(self) -> str:
        return str(self.fixture["request"]["method"])

    @property
    def kind(self) -> str:
        return SLUGS[self.manifest["channel"]].kind

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.fixture.get("clock") or time.time(), UTC)

    @property
    def body(self) -> bytes:
        name = self.fixture["request"].get("body_file")
        return (self.folder / name).read_bytes() if name else b""

    def path(self, agent_id: str) -> str:
        request = self.fixture["request"]
        path = request["path"].replace(self.manifest["agent_id"], agent_id)
        return f"{path}?{request['query']}" if request.get("query") else str(path)

    def keys(self) -> dict[str, str]:
        given = self.manifest["credentials"] | self.fixture.get("credentials_override", {})
        note = self.fixture.get("note", "")
        if note.startswith("use app_secret "):
            given = given | {"app_secret": note.split()[2]}
        return {name: value for name, value in given.items() if name in SECRETS}

    def setup(self) -> dict[str, Any]:
        """The channel as the API takes it."""
        secrets: dict[str, str] = {}
        for name, value in self.keys().items():
            secrets.setdefault(SECRETS[name], value)
        known = {each.name for each in ADAPTERS[self.kind].secrets}
        return {
            "kind": self.kind,
            "settings": self.settings(),
            "secrets": {name: value for name, value in secrets.items() if name in known},
        }

    def settings(self) -> dict[str, str]:
        """Ids of the provider's: those of this very request, since each recording has its own owner."""
        text = self.body.decode(errors="replace")
        if self.kind == "whatsapp":
            return {"phone_number_id": _between(text, '"phone_number_id"', "1234567890")}
        if self.kind in ("messenger", "instagram"):
            owner = self.manifest["credentials"]["page_or_account_id"]
            return {"page_id" if self.kind == "messenger" else "account_id": owner}
        if self.kind == "mailgun":
            return {"domain": "mg.example.com", "from_address": "help@mg.example.com"}
        if self.kind == "twilio":
            return {"shared_key_id": self.manifest["credentials"]["shared_key_id"]}
        if self.kind == "infobip":
            return {"username": self.manifest["credentials"]["basic_user"]}
        return {}

    def headers(self, url: str) -> list[tuple[str, str]]:
        given = [(str(name), str(value)) for name, value in self.fixture["request"]["headers"]]
        if self.kind != "twilio":
            return given
        return [
            (name, self._twilio(value, url) if name.lower() == "x-twilio-signature" else value) for name, value in given
        ]

    def _twilio(self, signature: str, url: str) -> str:
        """A right signature, for our own address; a wrong one stays as it is."""
        theirs = self.manifest["credentials"]["base_url"]
        query = self.fixture["request"].get("query")
        for name, digest in (("auth_token", "sha1"), ("shared_key_secret", "sha256")):
            if signature == self._twilio_mac(f"{theirs}?{query}" if query else theirs, name, digest):
                return self._twilio_mac(url, name, digest)
        return signature

    def _twilio_mac(self, url: str, name: str, digest: str) -> str:
        pairs = parse_qsl(self.body.decode(), keep_blank_values=True)
        text = url + "".join(f"{key}{value}" for key, value in sorted(set(pairs)))
        secret = self.manifest["credentials"][name].encode()
        return base64.b64encode(hmac.new(secret, text.encode(), digest).digest()).decode()

    def earlier(self, all: list["Fixture"]) -> list["Fixture"]:
        wanted = self.fixture.get("send_after", [])
        return [each for each in all if each.id in wanted and each.kind == self.kind]


def load(folder: Path) -> list[Fixture]:
    found = []
    for path in sorted(folder.glob("*/manifest.json")):
        manifest = json.loads(path.read_text())
        found += [Fixture(manifest, each, path.parent) for each in manifest["fixtures"]]
    return found


def _between(text: str, name: str, otherwise: str) -> str:
    _, found, rest = text.partition(name)
    return rest.split('"')[1] if found and rest.count('"') > 1 else otherwise


# --- comparing -------------------------------------------------------------------------------------------------------


def compare(wanted: list[dict[str, Any]], stored: list[InboundMessage]) -> None:
    """Every field that a manifest names, of every item, in order."""
    if not wanted:
        return
    assert len(stored) >= len(wanted), [str(each) for each in stored]
    for item, row in zip(wanted, stored, strict=False):
        found = described(row)
        differing = {
            name: (value, found.get(name, "(nothing here by that name)"))
            for name, value in item.items()
            if name not in UNCHECKED and not _alike(name, value, found)
        }
        assert not differing, differing


# Remarks for the reader, and what is a matter of taste.
UNCHECKED = {"note", "unsupported", "library_gap", "also_in", "channel_type", "web_app_data", "bot_id", "spam"}


def _alike(name: str, value: Any, found: dict[str, Any]) -> bool:
    if name.endswith("_contains"):
        return value.rstrip() in (found[name.removesuffix("_contains")] or "")
    own = found.get(name)
    if name == "dedupe_key" and value == "token":
        return bool(own)  # a word for *whatever token is in there*
    if name == "references" and isinstance(own, list):
        return value is None or value in own
    if isinstance(value, str) and " or " in value and own in value.encode().decode("unicode_escape").split(" or "):
        return True
    if name == "text" and value is None and found["kind"] == "message_edited":
        return True  # the new caption of a picture: we read it, the manifest does not
    if name == "attachments":
        return len(own) == len(value) and all(
            each.get(key) is None or str(mine.get(key)) == str(each[key])
            for each, mine in zip(value, own, strict=True)
            for key in ("provider_media_id", "mime_type", "filename", "caption")
        )
    return (value is None and not own) or own == value or str(own) == str(value)


def described(row: InboundMessage) -> dict[str, Any]:
    """One of our rows in the manifests' words."""
    facts, action = row.facts, row.facts.get("action") or {}
    target, extra = str(facts.get("target_id") or ""), row.extra if isinstance(row.extra, dict) else {}
    is_slack, is_telegram, is_mail = (row.channel.kind == kind for kind in ("slack", "telegram", "mailgun"))
    # Theirs are the bare ids; ours say in which channel or chat they are unique.
    last = (lambda text: text.rpartition(":")[2]) if is_slack or is_telegram else (lambda text: text)
    dedupe_key = row.dedupe_key.partition(":")[0] if is_telegram else row.dedupe_key
    provider_id = dedupe_key if is_slack or is_telegram else row.provider_id
    message_id = target.strip("<>") if row.kind == "status" else row.provider_id
    return {
        **{name: value for name, value in facts.items() if not isinstance(value, dict)},
        **_own_payment(facts, extra),
        "kind": row.kind,
        "dedupe_key": dedupe_key,
        "provider_id": provider_id,
        "message_id": last(row.provider_id) if is_telegram else message_id,
        "chat": str(facts.get("chat_id") or ""),
        "type": row.event_type,
        "text": row.text,
        "sender": _sender(facts, is_mail=is_mail),
        "sender_name": (facts.get("sender") or {}).get("name"),
        "from_header": facts.get("from"),
        "subject": facts.get("subject") or "",
        "phone_number_id": facts.get("phone_number_id") or facts.get("recipient"),
        "attachments": _attachments(facts),
        "button_payload": action.get("payload") or action.get("id"),
        "button_text": action.get("title"),
        "external_user_id": extra.get("ExternalUserId"),
        "edits": target,
        "edits_ts": last(target),
        "reaction_to": last(target),
        "reply_to": last(str(facts.get("reply_to_id") or "")),
        "occurred_at": int(row.occurred_at.timestamp()),
        "sent_at": int(row.occurred_at.timestamp()),
        "received_at": extra.get("receivedAt"),
    }


def _own_payment(facts: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
    names = ("account", "livemode", "api_version", "object_type", "object_id", "thin")
    return {name: facts.get(name, extra.get(name)) for name in names}


def _sender(facts: dict[str, Any], *, is_mail: bool) -> Any:
    sender = facts.get("sender") or {}
    addresses = sender.get("addresses") or [None]
    return facts.get("envelope_sender") if is_mail else addresses[0]


def _attachments(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """Places and contacts are attachments in the manifests, and facts of their own with us."""
    files = list(facts.get("attachments") or [])
    files += [{"kind": "location"}] if facts.get("location") else []
    return files + [{"kind": "contact"} for _ in facts.get("contacts") or []]


def verify(fixture: Fixture) -> None:
    """A vector: a signature that another implementation made, for an address of its own."""
    adapter, request = ADAPTERS[fixture.kind], fixture.fixture["request"]
    secrets = {"auth_token": "12345"} if fixture.kind == "twilio" else {}
    for name, value in fixture.keys().items():
        secrets.setdefault(SECRETS[name], value)
    connection = Connection(secrets={name: [Secret("s", value)] for name, value in secrets.items()})
    url = request.get("absolute_url", "")
    incoming = Incoming(
        url=url,
        query=url.partition("?")[2],
        headers={name.lower(): value for name, value in request["headers"]},
        body=fixture.body,
        at=fixture.now,
    )
    assert adapter.verify(incoming, connection)
