"""A receiver that costs as little as Python allows: one process, raw asyncio, the time of each first byte kept.

`python -m bench.receiver PORT`. Paths: /inspector/hang… never answers; /inspector/bomb… answers with gzip that unpacks
to 100 MB, /inspector/endless… with a body that never ends, /inspector/huge… with 5 MB of headers; everything else with
200 at once. GET /report gives {webhook-id: [times]} and the number of requests; GET /forget empties it.
"""

import asyncio
import gzip
import json
import re
import sys
import time

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
BOMB = gzip.compress(bytes(100_000_000))
HOSTILE = {
    b"/inspector/bomb": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n" + BOMB,
    b"/inspector/huge": b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %060000d\r\n" % (n, n) for n in range(90)) + b"\r\n",
}
ENDLESS = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
CHUNK = bytes(65536)
DELIVERY = re.compile(rb"\r\n(?:webhook-id|X-Bench-Id): ([^\r]+)", re.IGNORECASE)
LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)

seen: dict[str, list[float]] = {}
total = 0


class Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self.data = b""
        self.at = 0.0
        self.is_full = False

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
        if path.startswith(b"/inspector/endless"):
            self.transport.write(ENDLESS)  # type: ignore[attr-defined]
            self.go_on()
        elif not path.startswith(b"/inspector/hang"):
            self.close(HOSTILE.get(path.rstrip(b"0123456789"), OK))

    def go_on(self) -> None:
        """Until the other side hangs up: a chunk whenever there is room for one."""
        while not self.is_full and not self.transport.is_closing():
            self.transport.write(CHUNK)  # type: ignore[attr-defined]

    def pause_writing(self) -> None:
        self.is_full = True

    def resume_writing(self) -> None:
        self.is_full = False
        if not self.transport.is_closing():
            self.go_on()

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
