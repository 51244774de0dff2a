"""A language model that says what the test tells it to: a real HTTP server with the OpenAI chat-completions format."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}


@dataclass(frozen=True)
class Says:
    """One good answer: text, calls of tools as (id, name, arguments), and why it ended."""

    text: str | None = None
    calls: tuple[tuple[str, str, str], ...] = ()
    finish: str = ""

    @property
    def reason(self) -> str:
        return self.finish or ("tool_calls" if self.calls else "stop")


@dataclass(frozen=True)
class Answers:
    """One raw answer: a status with a body, after a delay."""

    status: int = 200
    body: str = '{"error": {"message": "no"}}'
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0


@dataclass(frozen=True)
class BreaksOff:
    """A stream that ends in the middle of its second chunk, without a goodbye."""

    text: str = "Half of"


Reply = Says | Answers | BreaksOff


def says(text: str, finish: str = "") -> Says:
    return Says(text, finish=finish)


def calls(*arguments: Any, name: str = "webhook_trigger", text: str | None = None, same_id: bool = False) -> Says:
    """One answer that calls a tool once per argument; text is taken as it stands, anything else becomes JSON."""
    wishes = []
    for number, each in enumerate(arguments):
        written = each if isinstance(each, str) else json.dumps(each)
        wishes.append(("call_1" if same_id else f"call_{number}", name, written))
    return Says(text, tuple(wishes))


class ScriptedModel:
    """Plays one reply per request and repeats the last one for ever. `requests` holds what it was asked."""

    def __init__(self) -> None:
        self.script: list[Reply] = [says("Hello.")]
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.origin = f"http://127.0.0.1:{self.server.server_port}"
        self.url = f"{self.origin}/v1"

    def plays(self, *script: Reply) -> None:
        self.script = list(script)
        self.requests.clear()
        self.keys.clear()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    @property
    def told(self) -> list[str]:
        """What the tools' results said, in the last request."""
        return [line["content"] for line in self.requests[-1]["messages"] if line["role"] == "tool"]

    def _next(self) -> Reply:
        return self.script[min(len(self.requests), len(self.script)) - 1]

    def _handler(self) -> type[BaseHTTPRequestHandler]:  # noqa: C901  one small method per way to answer
        model = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                model.requests.append(body)
                model.keys.append(self.headers.get("Authorization", ""))
                reply = model._next()
                if isinstance(reply, Answers):
                    time.sleep(reply.delay)
                    self._whole(reply.body, reply.status, reply.content_type, reply.headers)
                elif isinstance(reply, BreaksOff):
                    self._events([_chunk({"role": "assistant", "content": reply.text})], finished=False)
                elif body.get("stream"):
                    self._events(_chunks(reply))
                else:
                    self._whole(json.dumps(_completion(reply)))

            def _whole(
                self,
                body: str,
                status: int = 200,
                content_type: str = "application/json",
                headers: dict[str, str] | None = None,
            ) -> None:
                self.send_response(status)
                for name, value in {"Content-Type": content_type, **(headers or {})}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body.encode())))
                self.end_headers()
                self.wfile.write(body.encode())

            def _events(self, chunks: Any, *, finished: bool = True) -> None:
                """Chunked, so that a client can tell an end from a break."""
                self.protocol_version = "HTTP/1.1"
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Transfer-Encoding", "chunked")
                self.send_header("Connection", "close")
                self.end_headers()
                for chunk in chunks:
                    self._piece(f"data: {json.dumps(chunk)}\n\n")
                if finished:
                    self._piece("data: [DONE]\n\n")
                    self.wfile.write(b"0\r\n\r\n")
                self.close_connection = True

            def _piece(self, text: str) -> None:
                data = text.encode()
                self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
                self.wfile.flush()

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


def _frame(kind: str, **rest: Any) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": "scripted-1", **rest}


def _wish(call: tuple[str, str, str]) -> dict[str, Any]:
    call_id, name, arguments = call
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def _completion(reply: Says) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.text}
    if reply.calls:
        message["tool_calls"] = [_wish(call) for call in reply.calls]
    choice = {"index": 0, "message": message, "finish_reason": reply.reason}
    return _frame("chat.completion", choices=[choice], usage=USAGE)


def _chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return _frame("chat.completion.chunk", choices=[{"index": 0, "delta": delta, "finish_reason": finish}])


def _chunks(reply: Says) -> Iterator[dict[str, Any]]:
    yield _chunk({"role": "assistant", "content": ""})
    for word in (reply.text or "").split(" ") if reply.text else ():
        yield _chunk({"content": word + " "})
    for index, call in enumerate(reply.calls):
        yield _chunk({"tool_calls": [{"index": index, **_wish(call)}]})
    yield _chunk({}, reply.reason)
    yield _frame("chat.completion.chunk", choices=[], usage=USAGE)
