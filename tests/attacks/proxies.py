"""A small real forward proxy on loopback that understands CONNECT, keeps what it was asked, and refuses as told."""

import socket
import threading
from contextlib import suppress

from tests.webhooks.receivers import Receiver


class Proxy(Receiver):
    """Leads every tunnel to `leads_to` on loopback, whatever address was asked for: tests have no public addresses."""

    def __init__(self, *, leads_to: int = 0, answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n") -> None:
        self.asked: list[bytes] = []
        self.leads_to, self.answer = leads_to, answer
        super().__init__(self._serve_tunnel)

    @property
    def setting(self) -> tuple[str, int]:
        return ("127.0.0.1", self.port)

    def _serve_tunnel(self, connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            piece = connection.recv(1)
            if not piece:
                return
            head += piece
        self.asked.append(head)
        connection.sendall(self.answer)
        if b" 200 " not in self.answer.partition(b"\r\n")[0]:
            return
        with socket.create_connection(("127.0.0.1", self.leads_to)) as receiver:
            back = threading.Thread(target=_pump, args=(receiver, connection), daemon=True)
            back.start()
            _pump(connection, receiver)
            back.join(10)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
