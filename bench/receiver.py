"""A receiver that costs as little as Python allows: one process, raw asyncio, the time of each first byte kept.

`python -m bench.receiver PORT`. Paths: /inspector/hang… never answers, everything else answers 200 at once;
GET /report gives {webhook-id: [times]} and the number of requests; GET /forget empties it.
"""

import asyncio
import json
import re
import sys
import time

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
DELIVERY = re.compile(rb"\r\n(?:webhook-id|X-Bench-Id): ([^\r]+)", re.IGNORECASE)
LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)

seen: dict[str, list[float]] = {}
total = 0


class Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self.data = b""
        self.at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.at = self.at or time.time()
        self.data += data
        head, found, body = self.data.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if found and len(body) >= (int(length[1]) if length else 0):
            self.answer(head)

    def answer(self, head: bytes) -> None:
        global total
        path = head.split(b" ", 2)[1]
        if path in (b"/report", b"/forget"):
            self.close(report(forget=path == b"/forget"))
            return
        total += 1
        if name := DELIVERY.search(head):
            seen.setdefault(name[1].decode(), []).append(self.at)
        if not path.startswith(b"/inspector/hang"):
            self.close(OK)

    def close(self, data: bytes) -> None:
        self.transport.write(data)  # type: ignore[attr-defined]
        self.transport.close()


def report(*, forget: bool) -> bytes:
    global total
    body = json.dumps({"total": total, "seen": seen}).encode()
    if forget:
        total = 0
        seen.clear()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", port, backlog=1024)
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
