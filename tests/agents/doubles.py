"""The systems that the ready actions talk to, as local servers that check what the real ones check.

Each answers in the shape of the real one: statuses, error bodies, headers. All of them live below /inspector/ of one
origin, so that a worker of the tests may reach them.
"""

import hashlib
import hmac
import json
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

SECRET = "a-long-random-shared-secret"
TOKEN = "token-that-the-provider-accepts"


@dataclass(frozen=True)
class Asked:
    """What arrived; `path` is below the provider's name."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Message
    body: bytes

    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def is_json(self) -> bool:
        return self.headers.get("Content-Type", "") == "application/json" and isinstance(self.json(), dict)

    @property
    def bearer(self) -> str:
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        return token if scheme == "Bearer" else ""


@dataclass(frozen=True)
class Answer:
    """A dictionary goes out as JSON, a text as it stands."""

    status: int = 200
    body: Any = ""
    headers: Mapping[str, str] = field(default_factory=dict)


class Double:
    """One provider. `busy` lets it answer what the real one answers when it takes no more."""

    def __init__(self) -> None:
        self.busy = False
        self.asked: list[Asked] = []

    def answer(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        return self.too_busy() if self.busy else self.respond(asked)

    def respond(self, asked: Asked) -> Answer:
        raise NotImplementedError

    def too_busy(self) -> Answer:
        raise NotImplementedError


class Crm(Double):
    """A customer's own receiver, which wants the shared secret or a fresh signature made with it."""

    def respond(self, asked: Asked) -> Answer:
        if asked.method != "POST" or not asked.is_json:
            return Answer(400, {"error": "POST JSON"})
        return Answer(200, {"ok": True}) if self._is_ours(asked) else Answer(401, {"error": "not from Chatzuri"})

    def _is_ours(self, asked: Asked) -> bool:
        if given := asked.headers.get("X-Webhook-Secret"):
            return hmac.compare_digest(given, SECRET)
        timestamp = asked.headers.get("X-Timestamp", "")
        if not timestamp.isdigit() or abs(time.time() - int(timestamp)) > 300:
            return False
        signed = hmac.new(SECRET.encode(), timestamp.encode() + b"." + asked.body, hashlib.sha256)
        return hmac.compare_digest(asked.headers.get("X-Signature", ""), signed.hexdigest())

    def too_busy(self) -> Answer:
        return Answer(503, "busy")


class Slack(Double):
    """Incoming webhooks: the address is the proof, errors are a word."""

    PATH = "/services/T0AAAAAAA/B0BBBBBBB/XXXXXXXXXXXXXXXXXXXXXXXX"

    def respond(self, asked: Asked) -> Answer:
        if asked.path != self.PATH:
            return Answer(404, "no_service")
        if asked.method != "POST" or not asked.is_json:
            return Answer(400, "invalid_payload")
        return Answer(200, "ok") if asked.json().get("text") else Answer(400, "no_text")

    def too_busy(self) -> Answer:
        return Answer(429, "rate_limited", {"Retry-After": "30"})


class HubSpot(Double):
    """Contacts of the CRM, version 3."""

    KNOWN = ("email", "firstname", "lastname", "phone", "company", "lifecyclestage")
    CREDENTIALS = "Authentication credentials not found. This API supports OAuth 2.0 authentication."

    def __init__(self) -> None:
        super().__init__()
        self.contacts: dict[str, dict[str, str]] = {}

    def respond(self, asked: Asked) -> Answer:
        if asked.bearer != TOKEN:
            return self._error(401, "INVALID_AUTHENTICATION", self.CREDENTIALS)
        if not asked.path.startswith("/crm/v3/objects/contacts") or not asked.is_json:
            return self._error(404, "OBJECT_NOT_FOUND", "resource not found")
        properties = asked.json().get("properties") or {}
        if unknown := [name for name in properties if name not in self.KNOWN]:
            return self._error(400, "VALIDATION_ERROR", f'Property "{unknown[0]}" does not exist')
        one = asked.path.removeprefix("/crm/v3/objects/contacts").strip("/")
        return self._update(one, properties) if asked.method == "PATCH" else self._create(properties)

    def _create(self, properties: dict[str, str]) -> Answer:
        for known, contact in self.contacts.items():
            if contact.get("email") == properties.get("email"):
                return self._error(409, "CONFLICT", f"Contact already exists. Existing ID: {known}")
        number = str(51 + len(self.contacts))
        self.contacts[number] = properties
        return Answer(201, self._contact(number))

    def _update(self, number: str, properties: dict[str, str]) -> Answer:
        if number not in self.contacts:
            return self._error(404, "OBJECT_NOT_FOUND", "resource not found")
        self.contacts[number] |= properties
        return Answer(200, self._contact(number))

    def _contact(self, number: str) -> dict[str, Any]:
        moment = "2026-11-25T08:15:04.120Z"
        return {
            "id": number,
            "properties": self.contacts[number] | {"hs_object_id": number},
            "createdAt": moment,
            "updatedAt": moment,
            "archived": False,
        }

    def _error(self, status: int, category: str, message: str) -> Answer:
        correlation = "aeb5f871-7f07-4993-9211-075dc63e7cbf"
        body = {"status": "error", "message": message, "correlationId": correlation, "category": category}
        return Answer(status, body)

    def too_busy(self) -> Answer:
        message = "You have reached your ten_secondly_rolling limit."
        return Answer(429, {"status": "error", "message": message, "errorType": "RATE_LIMIT"})


class Airtable(Double):
    BASE, TABLE = "appAbCdEfGhIjKlMn", "Leads"
    COLUMNS = ("Name", "Email", "Phone", "Notes")
    NO_MODEL = "Invalid permissions, or the requested model was not found."

    def respond(self, asked: Asked) -> Answer:
        if asked.bearer != TOKEN:
            return self._error(401, "AUTHENTICATION_REQUIRED", "Authentication required")
        _, version, base, table = [*asked.path.split("/"), "", "", ""][:4]
        if version != "v0" or base != self.BASE:
            return Answer(404, {"error": "NOT_FOUND"})
        if table != self.TABLE:
            return self._error(403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND", self.NO_MODEL)
        if asked.method != "POST" or not asked.is_json:
            return self._error(422, "INVALID_REQUEST_MISSING_FIELDS", 'Could not find field "fields"')
        fields = asked.json().get("fields", {})
        if unknown := [name for name in fields if name not in self.COLUMNS]:
            return self._error(422, "UNKNOWN_FIELD_NAME", f'Unknown field name: "{unknown[0]}"')
        return Answer(200, {"id": "recAbCdEfGhIjKlMn", "createdTime": "2026-11-25T08:15:04.000Z", "fields": fields})

    def _error(self, status: int, kind: str, message: str) -> Answer:
        return Answer(status, {"error": {"type": kind, "message": message}})

    def too_busy(self) -> Answer:
        error = {"error": "RATE_LIMIT_REACHED", "message": "Rate limit exceeded. Please try again later"}
        return Answer(429, {"errors": [error]})


class AppsScript(Double):
    """A web app: the POST runs the script, and a redirect leads to a second server that holds its result."""

    PATH = "/macros/s/AKfycbzDeploymentId0123456789/exec"
    ECHO = "/macros/echo"

    def __init__(self) -> None:
        super().__init__()
        self.is_open_to_anyone = True
        self.rows: list[dict[str, str]] = []
        self.results: dict[str, str] = {}

    def respond(self, asked: Asked) -> Answer:
        if asked.path == self.ECHO:
            return self._echo(asked)
        if asked.path != self.PATH:
            return Answer(404, "<html><title>Page not found</title></html>")
        if not self.is_open_to_anyone:
            return Answer(200, "<!doctype html><title>Google Sign-In</title>")
        key = f"key-{len(self.results)}"
        self.results[key] = json.dumps(self._script(asked))
        return Answer(302, "<HTML>Moved Temporarily</HTML>", {"Location": self._place(key)})

    def _place(self, key: str) -> str:
        return f"/inspector/sheets{self.ECHO}?user_content_key={key}&lib=MlJcTt87ug"

    def _echo(self, asked: Asked) -> Answer:
        if asked.method != "GET" or asked.body:
            return Answer(405, "<html>The result is only read.</html>")
        return Answer(200, self.results[asked.query["user_content_key"][0]])

    def _script(self, asked: Asked) -> dict[str, Any]:
        """What the script in our documentation does."""
        given = asked.json()
        if given.get("secret") != SECRET:
            return {"ok": False, "error": "wrong secret"}
        self.rows.append(given["row"])
        return {"ok": True, "row": len(self.rows) + 1}

    def too_busy(self) -> Answer:
        return Answer(429, "<html><title>Too many requests</title></html>")


class Notion(Double):
    DATABASE = "d9824bdc84454327be8b5b47500af6ce"

    def respond(self, asked: Asked) -> Answer:
        if asked.bearer != TOKEN:
            return self._error(401, "unauthorized", "API token is invalid.")
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", asked.headers.get("Notion-Version", "")):
            return self._error(400, "missing_version", "Notion-Version header failed validation.")
        if (asked.method, asked.path) != ("POST", "/v1/pages") or not asked.is_json:
            return self._error(400, "invalid_request_url", "Invalid request URL.")
        return self._make(asked.json())

    def _make(self, page: dict[str, Any]) -> Answer:
        database = page.get("parent", {}).get("database_id")
        if database != self.DATABASE:
            return self._error(404, "object_not_found", f"Could not find database with ID: {database}.")
        if unknown := [name for name in page["properties"] if name != "Name"]:
            return self._error(400, "validation_error", f"{unknown[0]} is not a property that exists.")
        texts = [piece for block in page.get("children", []) for piece in block["paragraph"]["rich_text"]]
        for piece in [*page["properties"]["Name"]["title"], *texts]:
            if len(piece["text"]["content"].encode("utf-16-le")) // 2 > 2000:
                return self._error(400, "validation_error", "content.length should be ≤ `2000`.")
        made = "1f2e3d4c-5b6a-7980-a1b2-c3d4e5f60718"
        return Answer(200, {"object": "page", "id": made, "url": f"https://www.notion.so/{made.replace('-', '')}"})

    def _error(self, status: int, code: str, message: str) -> Answer:
        return Answer(status, {"object": "error", "status": status, "code": code, "message": message})

    def too_busy(self) -> Answer:
        return self._error(429, "rate_limited", "You have been rate limited. Please try again in a few minutes.")


class Stripe(Double):
    CUSTOMER = {
        "id": "cus_NffrFeUfNV2Hib",
        "object": "customer",
        "name": "Asha Otieno",
        "email": "asha@example.com",
        "balance": 0,
        "created": 1680893993,
        "currency": "kes",
        "delinquent": False,
        "livemode": False,
        "metadata": {},
    }

    def respond(self, asked: Asked) -> Answer:
        if asked.bearer != TOKEN:
            return self._error(401, f"Invalid API Key provided: {'*' * 20}{asked.bearer[-4:]}")
        if (asked.method, asked.path) != ("GET", "/v1/customers"):
            return self._error(404, f"Unrecognized request URL ({asked.method}: {asked.path}).")
        known = [self.CUSTOMER] if asked.query.get("email") == [self.CUSTOMER["email"]] else []
        return Answer(200, {"object": "list", "url": "/v1/customers", "has_more": False, "data": known})

    def _error(self, status: int, message: str, **more: str) -> Answer:
        return Answer(status, {"error": {"message": message, "type": "invalid_request_error", **more}})

    def too_busy(self) -> Answer:
        return self._error(429, "Request rate limit exceeded.", code="rate_limit")


class Providers:
    """All of them at `origin`; `url(name)` is where one of them begins."""

    def __init__(self) -> None:
        self.reset()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.origin = f"http://127.0.0.1:{self.server.server_port}"

    def reset(self) -> None:
        self.crm, self.slack, self.hubspot, self.airtable = Crm(), Slack(), HubSpot(), Airtable()
        self.sheets, self.notion, self.stripe = AppsScript(), Notion(), Stripe()

    def url(self, name: str) -> str:
        return f"{self.origin}/inspector/{name}"

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def answer(self, method: str, target: str, headers: Message, body: bytes) -> Answer:
        parts = urlsplit(target)
        _, _, name, rest = [*parts.path.split("/", 3), ""][:4]
        asked = Asked(method, f"/{rest}", parse_qs(parts.query), headers, body)
        double: Double = getattr(self, name)
        return double.answer(asked)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        providers = self

        class Handler(BaseHTTPRequestHandler):
            def respond(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                answer = providers.answer(self.command, self.path, self.headers, body)
                is_text = isinstance(answer.body, str)
                content = (answer.body if is_text else json.dumps(answer.body)).encode()
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "text/html" if is_text else "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = respond

            def log_message(self, *_: Any) -> None:
                pass

        return Handler
